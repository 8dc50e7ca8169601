use serde_json::json;

use crate::house::{House, TEN};

#[tokio::test]
async fn a_ping_is_answered_with_what_is_expected_next() {
    let house = House::new().await;
    let answer = house.get("/ping?name=daily_digest&frequency=1D&grace=1h").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(
        answer.json,
        json!({
            "name": "daily_digest", "status": "up", "frequency": "1D", "grace": "1h",
            "last_ping": "2026-11-25T10:00:00Z", "deadline": "2026-11-26T11:00:00Z"
        })
    );
    assert_eq!(
        house.texts("SELECT name || ' ' || frequency || ' ' || deadline FROM services").await,
        [format!("daily_digest 86400 {}", TEN + 90_000)]
    );
}

#[tokio::test]
async fn the_earlier_servers_curl_lines_work_unchanged() {
    let house = House::new().await;
    assert_eq!(house.ping("name=test_service&frequency=10m").await["status"], "up");
    let house = House::new().await;
    let answer = house.ping("name=test_service&frequency=10m&timestamp=1664743905").await;
    assert_eq!(
        (&answer["status"], &answer["deadline"]),
        (&json!("overdue"), &json!("2022-10-02T21:01:45Z"))
    );
    assert_eq!(house.sweep_at(TEN + 1).await, 1);
    assert_eq!(house.sweep_at(TEN + 2).await, 0);
}

#[tokio::test]
async fn the_deadline_follows_the_newest_frequency() {
    let house = House::new().await;
    house.ping("name=a&frequency=1m").await;
    house.clock.set(TEN + 30);
    assert_eq!(house.ping("name=a&frequency=10m").await["deadline"], "2026-11-25T10:10:30Z");
}

#[tokio::test]
async fn parameters_left_out_keep_what_is_stored() {
    let house = House::new().await;
    house.ping("name=a&frequency=1h&grace=5m").await;
    assert_eq!(house.ping("name=a&frequency=2h").await["grace"], "5m");
    let answer = house.get("/ping/a").await.json;
    assert_eq!((&answer["frequency"], &answer["grace"]), (&json!("2h"), &json!("5m")));
    let answer = house.get("/ping/a?grace=0s&frequency=1m").await.json;
    assert_eq!((&answer["frequency"], &answer["grace"]), (&json!("1m"), &json!("0s")));
}

#[tokio::test]
async fn get_head_and_post_do_the_same_in_both_forms() {
    let house = House::new().await;
    for (second, method) in (1..).zip(["GET", "HEAD", "POST"]) {
        house.clock.set(TEN + 10 * second);
        assert_eq!(house.send(method, "/ping?name=a&frequency=1h").await.status, 200);
        assert_eq!(house.count("SELECT last_ping FROM services").await, TEN + 10 * second);
        house.clock.set(TEN + 10 * second + 5);
        assert_eq!(house.send(method, "/ping/a").await.status, 200);
        assert_eq!(house.count("SELECT last_ping FROM services").await, TEN + 10 * second + 5);
    }
    let answer = house.get("/healthz").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn names_may_have_spaces_slashes_and_emoji_in_both_forms() {
    let house = House::new().await;
    for (encoded, name) in [
        ("a%20b", "a b"),
        ("a%2Fb", "a/b"),
        ("%F0%9F%92%BE", "💾"),
        ("50%25", "50%"),
        ("start", "start"),
        ("a'%22%3B--", "a'\";--"),
        ("[%22x%22]", "[\"x\"]"),
    ] {
        assert_eq!(house.ping(&format!("name={encoded}&frequency=1h")).await["name"], name);
        let answer = house.get(&format!("/ping/{encoded}")).await;
        assert_eq!((answer.status, &answer.json["name"]), (200, &json!(name)));
    }
    assert_eq!(house.ping("name=a+b&frequency=1h").await["name"], "a b");
    assert_eq!(house.count("SELECT count(*) FROM services").await, 7);
}

#[tokio::test]
async fn a_service_called_remove_is_pinged_by_the_query_form() {
    let house = House::new().await;
    house.ping("name=remove&frequency=1h").await;
    assert_eq!(house.get("/ping/remove").await.status, 405);
    assert_eq!(house.send("POST", "/ping/remove?name=remove").await.status, 200);
    assert_eq!(house.count("SELECT count(*) FROM services").await, 0);
}

#[tokio::test]
async fn an_unknown_service_in_the_path_needs_a_frequency() {
    let house = House::new().await;
    let answer = house.get("/ping/new").await;
    insta::assert_snapshot!(answer.detail(), @r#"there is no service "new": its first ping needs a frequency, as in ?frequency=10m"#);
    assert_eq!((answer.status, house.count("SELECT count(*) FROM services").await), (404, 0));
    assert_eq!(house.get("/ping/new?frequency=1h").await.status, 200);
    assert_eq!(house.get("/ping/new").await.status, 200);
}

#[tokio::test]
async fn an_older_timestamp_is_a_conflict_and_changes_nothing() {
    let house = House::new().await;
    let at = |second: i64| format!("/ping?name=a&frequency=10m&timestamp={second}");
    assert_eq!(house.get(&at(TEN - 100)).await.status, 200);
    let answer = house.get(&format!("/ping?name=a&frequency=1h&timestamp={}", TEN - 101)).await;
    assert_eq!(answer.status, 409);
    insta::assert_snapshot!(answer.detail(), @r#"timestamp 1795600699 is older than the last ping of "a" at 1795600700 (2026-11-25T09:58:20Z): nothing was changed"#);
    assert_eq!(house.count("SELECT frequency FROM services").await, 600);
    assert_eq!(house.get(&at(TEN - 100)).await.status, 200, "equal is accepted");
    assert_eq!(house.get(&at(TEN - 99)).await.status, 200);
}

#[tokio::test]
async fn a_timestamp_may_be_a_minute_ahead_and_no_more() {
    let house = House::new().await;
    let answer = house.get(&format!("/ping?name=a&frequency=10m&timestamp={}", TEN + 61)).await;
    assert_eq!(answer.status, 400);
    insta::assert_snapshot!(answer.detail(), @"timestamp 1795600861 is 61 s in the future: use the Unix second at which the job ran, by a clock that is right (here it is 1795600800)");
    assert_eq!(
        house.ping(&format!("name=a&frequency=10m&timestamp={}", TEN + 60)).await["status"],
        "up"
    );
}

#[tokio::test]
async fn a_ping_without_timestamp_after_a_fast_clients_stamp_keeps_the_later_time() {
    let house = House::new().await;
    house.ping(&format!("name=a&frequency=10m&timestamp={}", TEN + 50)).await;
    assert_eq!(house.ping("name=a&frequency=10m").await["last_ping"], "2026-11-25T10:00:50Z");
}

#[tokio::test]
async fn a_ping_without_timestamp_is_accepted_after_the_clock_went_back_an_hour() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    house.clock.set(TEN - 3600);
    let answer = house.ping("name=a&frequency=10m").await;
    assert_eq!(
        (&answer["last_ping"], &answer["deadline"]),
        (&json!("2026-11-25T09:00:00Z"), &json!("2026-11-25T09:10:00Z"))
    );
}

#[tokio::test]
async fn a_deleted_service_is_forgotten_and_the_next_ping_makes_it_afresh() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m&grace=1h").await;
    let answer = house.send("DELETE", "/ping/a").await;
    assert_eq!((answer.status, answer.json), (200, json!({ "name": "a", "deleted": true })));
    let answer = house.send("DELETE", "/ping/a").await;
    assert_eq!(answer.status, 404);
    insta::assert_snapshot!(answer.detail(), @r#"there is no service "a""#);
    assert_eq!(house.send("POST", "/ping/remove?name=a").await.status, 404);
    assert_eq!(house.get("/ping/a").await.status, 404);
    assert_eq!(house.ping("name=a&frequency=10m").await["grace"], "0s");
}

#[tokio::test]
async fn two_thousand_first_pings_of_one_new_name_are_all_accepted() {
    let house = House::new().await;
    let pings = (0..2000).map(|_| {
        let router = house.router.clone();
        tokio::spawn(async move {
            use tower::ServiceExt as _;
            let request = House::request("GET", "/ping?name=new&frequency=10m");
            router
                .oneshot(request.body(axum::body::Body::empty()).unwrap())
                .await
                .unwrap()
                .status()
                .as_u16()
        })
    });
    for ping in pings.collect::<Vec<_>>() {
        assert_eq!(ping.await.unwrap(), 200);
    }
    assert_eq!(house.count("SELECT count(*) FROM services").await, 1);
}

#[tokio::test]
async fn a_name_past_the_limit_is_refused_and_those_known_go_on() {
    let house =
        House::with(overdue::store::Rules { services_max: 2, ..crate::house::rules() }).await;
    house.ping("name=a&frequency=10m").await;
    house.ping("name=b&frequency=10m").await;
    let answer = house.get("/ping?name=c&frequency=10m").await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &"1".parse().unwrap()));
    insta::assert_snapshot!(answer.detail(), @r#""c" is new and there are 2 services already: delete some, or raise OVERDUE_MAX_SERVICES"#);
    house.ping("name=a&frequency=10m").await;
    // Room that hands make is noticed.
    house.edit("DELETE FROM services WHERE name = 'b'").await;
    house.ping("name=c&frequency=10m").await;
    assert_eq!(house.get("/ping?name=d&frequency=10m").await.status, 503);
    // And it is room for so many, and no more.
    house.edit("DELETE FROM services").await;
    house.ping("name=d&frequency=10m").await;
    house.ping("name=e&frequency=10m").await;
    assert_eq!(house.get("/ping?name=f&frequency=10m").await.status, 503);
    assert_eq!(house.send("DELETE", "/ping/d").await.status, 200);
    house.ping("name=f&frequency=10m").await;
    assert_eq!(house.get("/ping?name=g&frequency=10m").await.status, 503);
}

#[tokio::test]
async fn in_memory_everything_works_without_a_file() {
    let house = House::in_memory().await;
    house.ping("name=a&frequency=10m").await;
    house.ping("name=b&frequency=10m&timestamp=7").await;
    assert_eq!(house.sweep_at(TEN + 1).await, 1);
    let summary = house.store.summary(TEN + 1).await.unwrap();
    assert_eq!((summary.services, summary.overdue, summary.last_ping), (2, 1, Some(TEN)));
}

#[tokio::test]
async fn a_body_is_read_within_its_bound_and_one_beyond_it_stores_nothing() {
    let house = House::new().await;
    let post = |bytes: usize| {
        let request = House::request("POST", "/ping?name=a&frequency=10m");
        house.answer(request.body(vec![b'x'; bytes].into()).unwrap())
    };
    let answer = post(1_000_001).await;
    assert_eq!(answer.status, 413);
    insta::assert_snapshot!(answer.detail(), @"the body is over 1000000 bytes: send less, the end of a log is what is kept");
    assert_eq!(house.count("SELECT count(*) FROM services").await, 0);
    assert_eq!(post(1_000_000).await.status, 200);
}
