use crate::house::House;

/// Asks, expects this status, and returns the sentence.
async fn refused(house: &House, target: &str, status: u16) -> String {
    let answer = house.get(target).await;
    assert_eq!(answer.status, status, "{target}");
    answer.detail().to_owned()
}

#[tokio::test]
async fn every_bad_frequency_is_a_400_that_says_what_would_be_right() {
    let house = House::new().await;
    for (encoded, start) in [
        ("", r#"frequency "" is not a duration: use a whole number"#),
        ("10", r#"frequency "10" is not a duration: use a whole number"#),
        ("m", r#"frequency "m" is not a duration"#),
        (
            "10x",
            r#"frequency "10x" is not a duration: use a whole number and one of W, D, h, m, s, as in 10m"#,
        ),
        ("1.5h", r#"frequency "1.5h" is not a duration"#),
        ("-5m", r#"frequency "-5m" is not a duration"#),
        ("0s", r#"frequency "0s" is zero: use 1s or more"#),
        ("%2B5m", r#"frequency "+5m" is not a duration"#),
        ("+5m", r#"frequency " 5m" is not a duration"#),
        ("%205m", r#"frequency " 5m" is not a duration"#),
        ("%D9%A3m", r#"frequency "٣m" is not a duration"#),
        (
            "99999999999999999999W",
            r#"frequency "99999999999999999999W" is too long: use 520W or less"#,
        ),
        (
            "1d",
            r#"frequency "1d" is not a duration: units are case-sensitive, use D in place of d"#,
        ),
    ] {
        let detail = refused(&house, &format!("/ping?name=a&frequency={encoded}"), 400).await;
        assert!(detail.starts_with(start), "{encoded}: {detail}");
        let detail = refused(&house, &format!("/ping/a?frequency={encoded}"), 400).await;
        assert!(detail.starts_with(start), "{encoded}: {detail}");
    }
    let detail = refused(&house, "/ping?name=a&frequency=1h&grace=-1s", 400).await;
    assert!(detail.starts_with(r#"grace "-1s" is not a duration"#), "{detail}");
    assert_eq!(house.count("SELECT count(*) FROM services").await, 0);
}

#[tokio::test]
async fn every_bad_timestamp_is_a_400_that_says_what_would_be_right() {
    let house = House::new().await;
    let sentence = async |encoded: &str| {
        refused(&house, &format!("/ping?name=a&frequency=1h&timestamp={encoded}"), 400).await
    };
    insta::assert_snapshot!(sentence("yesterday").await, @r#"timestamp "yesterday" is not a time: use Unix seconds, as in 1664743905"#);
    insta::assert_snapshot!(sentence("-5").await, @r#"timestamp "-5" is not a time: use Unix seconds, as in 1664743905"#);
    insta::assert_snapshot!(sentence("").await, @r#"timestamp "" is not a time: use Unix seconds, as in 1664743905"#);
    insta::assert_snapshot!(sentence("1664743905.5").await, @r#"timestamp "1664743905.5" is not a time: use Unix seconds, as in 1664743905"#);
    insta::assert_snapshot!(sentence("1664743905000").await, @r#"timestamp "1664743905000" looks like milliseconds: use Unix seconds, as in 1664743905"#);
    insta::assert_snapshot!(sentence("99999999999999999999").await, @r#"timestamp "99999999999999999999" is not a time: use Unix seconds, as in 1664743905"#);
    insta::assert_snapshot!(sentence("%D9%A3").await, @r#"timestamp "٣" is not a time: use Unix seconds, as in 1664743905"#);
    assert_eq!(house.count("SELECT count(*) FROM services").await, 0);
}

#[tokio::test]
async fn missing_and_repeated_parameters_are_named() {
    let house = House::new().await;
    let sentence = async |target: &str| refused(&house, target, 400).await;
    insta::assert_snapshot!(sentence("/ping").await, @"name is missing: say who ran, as in name=daily_digest");
    insta::assert_snapshot!(sentence("/ping?frequency=1h").await, @"name is missing: say who ran, as in name=daily_digest");
    insta::assert_snapshot!(sentence("/ping?name=a").await, @"frequency is missing: say how often to expect a ping, as in frequency=10m, or when, as in cron=0 2 * * *");
    insta::assert_snapshot!(sentence("/ping?name=a&frequency=1h&name=b").await, @"name is given more than once: give it once");
    insta::assert_snapshot!(sentence("/ping?name=a&frequency=1h&frequency=1h").await, @"frequency is given more than once: give it once");
    insta::assert_snapshot!(sentence("/ping/a?frequency=1h&%67race=1s&grace=1s").await, @"grace is given more than once: give it once");
    assert_eq!(house.count("SELECT count(*) FROM services").await, 0);
    house.ping("name=a&frequency=1h&colour=red&colour=%zz").await;
}

#[tokio::test]
async fn every_bad_name_is_a_400_in_both_forms() {
    let house = House::new().await;
    let long = "x".repeat(256);
    for (encoded, what) in [
        ("%0A", "has a control character"),
        ("a%00b", "has a control character"),
        ("%C2%85", "has a control character"),
        ("%FF", "is not percent-encoded UTF-8"),
        ("%C3", "is not percent-encoded UTF-8"),
        ("%zz", "is not percent-encoded UTF-8"),
        ("100%", "is not percent-encoded UTF-8"),
        ("%F", "is not percent-encoded UTF-8"),
        (long.as_str(), "is 256 bytes long: a name has 1 to 255 bytes"),
    ] {
        for target in
            [format!("/ping?name={encoded}&frequency=1h"), format!("/ping/{encoded}?frequency=1h")]
        {
            let detail = refused(&house, &target, 400).await;
            assert!(detail.starts_with("name \"") && detail.contains(what), "{target}: {detail}");
            assert!(detail.len() < 400, "{detail}");
        }
        assert_eq!(house.send("DELETE", &format!("/ping/{encoded}")).await.status, 400);
        assert_eq!(house.send("POST", &format!("/ping/remove?name={encoded}")).await.status, 400);
    }
    insta::assert_snapshot!(refused(&house, "/ping?name=&frequency=1h", 400).await, @r#"name "" is empty: a name has 1 to 255 bytes"#);
    assert_eq!(house.count("SELECT count(*) FROM services").await, 0);
}

#[tokio::test]
async fn wrong_methods_and_unknown_paths_are_problems_too() {
    let house = House::new().await;
    for (method, target, allow) in [
        ("PUT", "/ping?name=a&frequency=1h", "GET,HEAD,POST"),
        ("DELETE", "/ping?name=a", "GET,HEAD,POST"),
        ("PATCH", "/ping/a", "GET,HEAD,POST,DELETE"),
        ("GET", "/ping/remove?name=a", "POST,DELETE"),
        ("POST", "/healthz", "GET,HEAD"),
    ] {
        let answer = house.send(method, target).await;
        assert_eq!(
            (answer.status, answer.headers["allow"].to_str().unwrap()),
            (405, allow),
            "{method} {target}"
        );
        assert!(answer.detail().starts_with(method), "{answer:?}");
    }
    insta::assert_snapshot!(refused(&house, "/pings?name=a", 404).await, @r#"there is nothing at "/pings": pings go to /ping?name=NAME&frequency=10m or /ping/NAME"#);
    insta::assert_snapshot!(refused(&house, "/ping/a/b/c", 404).await, @r#"there is nothing at "/ping/a/b/c": pings go to /ping?name=NAME&frequency=10m or /ping/NAME"#);
    insta::assert_snapshot!(refused(&house, "/nothing", 404).await, @"there is nothing at \"/nothing\": pings go to /ping?name=NAME&frequency=10m or /ping/NAME");
}
