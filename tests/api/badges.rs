//! Badges: what they show, and whom they show it to.

use axum::body::Body;
use overdue::core::name::Name;
use overdue::http::{Api, Entrance, badge_target};

use crate::house::{House, TEN};
use crate::keys::entrance;

async fn svg(house: &House, target: &str) -> String {
    let (headers, text) = house.text(House::request("GET", target)).await;
    assert_eq!(headers["content-type"], "image/svg+xml; charset=utf-8");
    assert_eq!(headers["cache-control"], "no-cache, no-store, max-age=0");
    text
}

/// Where the badge of `name` is for whoever has these keys.
fn target(house: &House, entrance: &Entrance, name: &str) -> String {
    let api = Api::new(house.store.clone(), house.clock.clone(), entrance.clone());
    badge_target(&api, &Name::parse(name).unwrap())
}

fn encoded(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[tokio::test]
async fn a_badge_says_name_and_status_in_words_and_in_a_shape_of_its_own() {
    let house = House::new().await;
    house.ping("name=a&frequency=10s").await;
    house.ping("name=b&frequency=1h&signal=fail").await;
    assert!(svg(&house, "/badge/a.svg").await.contains("<title>a: up</title>"));
    house.sweep_at(TEN + 11).await;
    let (overdue, failed) = (svg(&house, "/badge/a.svg").await, svg(&house, "/badge/b.svg").await);
    assert!(overdue.contains(r#"role="img" aria-label="a: overdue""#), "{overdue}");
    assert!(failed.contains(r#"role="img" aria-label="b: failed""#), "{failed}");
    let shape = |svg: &str| svg.lines().find(|line| line.contains("translate")).unwrap().to_owned();
    assert_ne!(shape(&overdue), shape(&failed));
}

#[tokio::test]
async fn any_name_has_a_badge_and_none_is_markup_in_it() {
    let house = House::new().await;
    let long = "é".repeat(120);
    for name in ["a/b", "x.svg", "<script>alert(1)</script>", "\"&'", "☃ 雪", "\u{ffff}", &long]
    {
        house.ping(&format!("name={}&frequency=1h", encoded(name))).await;
        let svg = svg(&house, &target(&house, &Entrance::default(), name)).await;
        for markup in ["<script", "\"&'", "\u{ffff}"] {
            assert!(!svg.contains(markup), "{svg}");
        }
        assert_eq!(svg.matches("<title>").count(), 1);
    }
    let shown = svg(&house, "/badge/%3Cscript%3Ealert(1)%3C%2Fscript%3E.svg").await;
    assert!(shown.contains("<title>&lt;script&gt;alert(1)&lt;/script&gt;: up</title>"), "{shown}");
}

#[tokio::test]
async fn with_keys_a_badge_is_shown_to_those_whose_address_is_signed_and_others_learn_nothing() {
    let doors = entrance("ping_key = \"p1\"\nread_key = \"r1\"\nadmin_key = \"a1\"");
    let house = House::with_entrance(doors.clone()).await;
    assert_eq!(house.get("/ping?name=a&frequency=1h&key=p1").await.status, 200);
    let signed = target(&house, &doors, "a");
    assert!(svg(&house, &signed).await.contains("<title>a: up</title>"));
    let (path, sig) = signed.split_once("?sig=").unwrap();
    assert_eq!(sig.len(), 43);
    let mut answers = Vec::new();
    for refused in [
        path.to_owned(),
        format!("{path}?sig="),
        format!("{path}?sig={}", &sig[1..]),
        format!("/badge/nobody.svg?sig={sig}"),
        "/badge/nobody.svg".to_owned(),
        target(&house, &doors, "nobody"),
        target(&house, &entrance("read_key = \"r2\""), "a"),
    ] {
        let answer = house.get(&refused).await;
        assert_eq!(answer.status, 404, "{refused}");
        answers.push(answer.detail().to_owned());
    }
    answers.dedup();
    insta::assert_snapshot!(answers.join("\n"), @"there is no such badge: where keys are set its address carries ?sig=, as the service's page shows it");
}

#[tokio::test]
async fn a_key_for_reading_shows_a_badge_too_and_one_for_pings_does_not() {
    let house = House::with_entrance(entrance("ping_key = \"p1\"\nread_key = \"r1\"")).await;
    assert_eq!(house.get("/ping?name=a&frequency=1h&key=p1").await.status, 200);
    for (key, status) in [("r1", 200), ("p1", 403), ("wrong", 401)] {
        let request = House::request("GET", "/badge/a.svg");
        let request = request.header("authorization", format!("Bearer {key}"));
        let answer = house.answer(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, status, "{key}");
    }
}

#[tokio::test]
async fn a_signature_lasts_as_long_as_its_key_and_no_longer() {
    let before = entrance("read_key = \"r1\"\nadmin_key = \"a1\"");
    let during = entrance("read_key = \"new:r2,old:r1\"\nadmin_key = \"a1\"");
    let after = entrance("read_key = \"r2\"\nadmin_key = \"a1\"");
    for (doors, status) in [(before.clone(), 200), (during, 200), (after, 404)] {
        let house = House::with_entrance(doors).await;
        let ping = House::request("GET", "/ping?name=a&frequency=1h");
        let ping = ping.header("authorization", "Bearer a1");
        assert_eq!(house.answer(ping.body(Body::empty()).unwrap()).await.status, 200);
        let signed = target(&house, &before, "a");
        assert_eq!(house.get(&signed).await.status, status);
    }
}

#[tokio::test]
async fn without_keys_a_badge_is_for_this_machine_alone_unless_it_is_open() {
    let house = House::new().await;
    house.ping("name=a&frequency=1h").await;
    let proxied = || {
        let request = House::request("GET", "/badge/a.svg").header("x-forwarded-for", "1.2.3.4");
        request.body(Body::empty()).unwrap()
    };
    assert_eq!(house.answer(proxied()).await.status, 403);
    let open = House::open_to_all().await;
    open.ping("name=a&frequency=1h").await;
    assert_eq!(open.answer(proxied()).await.status, 200);
    assert_eq!(open.get("/badge/a.png").await.status, 404);
    assert_eq!(open.get("/badge/nobody.svg").await.status, 404);
}
