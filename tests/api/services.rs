//! Services as their owners see and steer them.

use overdue::config::AlertFormat;
use overdue::store::Rules;
use serde_json::{Value, json};

use crate::house::{House, TEN, destination, rules};
use crate::support::Receiver;

fn names(answer: &Value) -> Vec<&str> {
    let services = answer["services"].as_array().unwrap();
    services.iter().map(|service| service["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_service_is_shown_with_everything_that_is_known() {
    let house = House::new().await;
    house.ping("name=a%2Fb&frequency=1h&grace=5m&signal=start").await;
    house.clock.set(TEN + 30);
    house.get("/ping/a%2Fb").await;
    let answer = house.get("/api/v1/services/a%2Fb").await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(
        answer.json,
        json!({
            "name": "a/b", "description": null, "status": "up", "running": false, "frequency": "1h", "cron": null,
            "tz": null, "grace": "5m", "max_runtime": null, "locked": false, "last_ping": "2026-11-25T10:00:30Z",
            "last_success": "2026-11-25T10:00:30Z", "last_duration_ms": 30_000, "expected": "2026-11-25T11:00:30Z",
            "deadline": "2026-11-25T11:05:30Z", "running_since": null, "outage_since": null, "aliases": []
        })
    );
    assert_eq!(house.get("/api/v1/services/c").await.status, 404);
}

#[tokio::test]
async fn a_list_goes_on_where_it_ended_while_services_come_and_go() {
    let house = House::new().await;
    for number in 10..35 {
        house.ping(&format!("name=job-{number}&frequency=1h")).await;
    }
    let first = house.get("/api/v1/services?limit=10").await.json;
    assert_eq!((names(&first).len(), names(&first)[9]), (10, "job-19"));
    house.send("DELETE", "/ping/job-19").await;
    house.ping("name=job-00&frequency=1h").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = house.get(&format!("/api/v1/services?limit=10&cursor={cursor}")).await.json;
    assert_eq!((names(&second)[0], names(&second)[9]), ("job-20", "job-29"));
    let cursor = second["next_cursor"].as_str().unwrap();
    let third = house.get(&format!("/api/v1/services?limit=10&cursor={cursor}")).await.json;
    assert_eq!((names(&third).len(), &third["next_cursor"]), (5, &Value::Null));
}

#[tokio::test]
async fn a_filtered_list_misses_none_and_shows_none_twice_while_others_come_and_go() {
    let house = House::new().await;
    for number in 10..60 {
        let signal = if number % 2 == 0 { "fail" } else { "success" };
        house.ping(&format!("name=job-{number}&frequency=1h&signal={signal}")).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for page in 0.. {
        let query = format!("status=failed&search=JOB&limit=7{cursor}");
        let answer = house.get(&format!("/api/v1/services?{query}")).await.json;
        seen.extend(names(&answer).into_iter().map(str::to_owned));
        let Some(next) = answer["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        // The one at which the next page begins goes, and others come before and behind it.
        let last: i64 = seen.last().unwrap().trim_start_matches("job-").parse().unwrap();
        house.send("DELETE", &format!("/ping/job-{last}")).await;
        house.ping(&format!("name=job-{last}.new&frequency=1h&signal=fail")).await;
        house.ping(&format!("name=job-0{page}&frequency=1h&signal=fail")).await;
        house.send("DELETE", &format!("/ping/job-{}", last + 1)).await;
    }
    let old: Vec<String> = (10..60).step_by(2).map(|number| format!("job-{number}")).collect();
    let seen_old: Vec<&String> = seen.iter().filter(|name| !name.contains(".new")).collect();
    assert_eq!(seen_old, old.iter().collect::<Vec<_>>());
    assert_eq!(seen.iter().filter(|name| name.contains(".new")).count(), 4);
}

#[tokio::test]
async fn a_declaration_that_is_sent_again_leaves_everything_as_it_is_whatever_the_time() {
    let house = House::new().await;
    let body = json!({ "frequency": "10m", "grace": "5m", "locked": true, "aliases": ["x"] });
    house.send_json("PUT", "/api/v1/services/a", &body).await;
    house.ping("name=a&frequency=1h").await;
    house.get("/ping/a/start?run=r").await;
    let known = house.get("/api/v1/services/a").await.json;
    for second in [1, 200] {
        house.clock.set(TEN + second);
        let again = house.send_json("PUT", "/api/v1/services/a", &body).await;
        assert_eq!((again.status, &again.json), (200, &known));
    }
    assert_eq!(house.sweep_at(TEN + 5000).await, 1);
    let overdue = house.get("/api/v1/services/a").await.json;
    assert_eq!(house.send_json("PUT", "/api/v1/services/a", &body).await.json, overdue);
    assert_eq!(house.sweep_at(TEN + 5010).await, 0, "its silence is told of once");
}

#[tokio::test]
async fn a_list_is_searched_and_filtered_by_status() {
    let house = House::new().await;
    for number in 0..30 {
        let signal = if number % 3 == 0 { "fail" } else { "success" };
        house.ping(&format!("name=Job-{number:02}&frequency=1h&signal={signal}")).await;
    }
    let found = house.get("/api/v1/services?search=job-1").await.json;
    assert_eq!(names(&found).len(), 10);
    let mut failed = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = house.get(&format!("/api/v1/services?status=failed&limit=4{cursor}")).await.json;
        failed.extend(names(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let expected: Vec<String> =
        (0..30).step_by(3).map(|number| format!("Job-{number:02}")).collect();
    assert_eq!(failed, expected);
    for (query, status) in [("status=broken", 400), ("limit=0", 400), ("cursor=%25", 400)] {
        assert_eq!(house.get(&format!("/api/v1/services?{query}")).await.status, status);
    }
}

#[tokio::test]
async fn a_service_is_declared_before_its_first_ping_and_again_without_harm() {
    let house = House::new().await;
    let body = json!({
        "frequency": "1D", "grace": "1h", "max_runtime": "30m", "description": "Copies invoices", "locked": true,
        "aliases": ["0b8a5d6e-0000-4000-8000-000000000001"]
    });
    let answer = house.send_json("PUT", "/api/v1/services/copy", &body).await;
    assert_eq!((answer.status, &answer.json["status"]), (201, &json!("waiting")));
    let again = house.send_json("PUT", "/api/v1/services/copy", &body).await;
    assert_eq!((again.status, &again.json), (200, &answer.json));
    let path = "/ping/0b8a5d6e-0000-4000-8000-000000000001?frequency=5m&grace=0s";
    let pinged = house.get(path).await.json;
    assert_eq!(
        (&pinged["name"], &pinged["frequency"], &pinged["grace"]),
        (&json!("copy"), &json!("1D"), &json!("1h")),
        "it is locked"
    );
    let plain =
        house.send_json("PUT", "/api/v1/services/copy", &json!({ "frequency": "2h" })).await;
    assert_eq!(
        [&plain.json["grace"], &plain.json["description"], &plain.json["locked"]],
        [&json!("0s"), &Value::Null, &json!(false)],
        "a declaration is whole"
    );
    assert_eq!(plain.json["last_ping"], "2026-11-25T10:00:00Z");
    assert_eq!(house.get(path).await.json["name"], "0b8a5d6e-0000-4000-8000-000000000001");
}

#[tokio::test]
async fn a_change_counts_at_once_and_leaves_the_rest() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m&grace=5m").await;
    let patch = async |body: Value| house.send_json("PATCH", "/api/v1/services/a", &body).await;
    let answer = patch(json!({ "frequency": "1h", "description": "words" })).await.json;
    assert_eq!(answer["deadline"], "2026-11-25T11:05:00Z");
    let answer = patch(json!({ "cron": "0 12 * * *", "tz": "Europe/Berlin" })).await.json;
    assert_eq!(
        [&answer["deadline"], &answer["description"]],
        [&json!("2026-11-25T11:05:00Z"), &json!("words")]
    );
    assert_eq!(patch(json!({ "description": null })).await.json["description"], Value::Null);
    patch(json!({ "frequency": "10m" })).await;
    house.sweep_at(TEN + 901).await;
    patch(json!({ "frequency": "11m" })).await;
    assert_eq!(house.sweep_at(TEN + 910).await, 0, "its deadline moves on");
    patch(json!({ "frequency": "9m" })).await;
    house.sweep_at(TEN + 920).await;
    assert_eq!(house.sweep_at(TEN + 930).await, 0, "silence that was told of is not told of twice");
    assert_eq!(
        house.send_json("PATCH", "/api/v1/services/b", &json!({ "frequency": "1h" })).await.status,
        404
    );
}

#[tokio::test]
async fn a_declaration_that_is_wrong_changes_nothing_and_says_what_would_be_right() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    let refused = async |body: Value| {
        let answer = house.send_json("PUT", "/api/v1/services/b", &body).await;
        assert_eq!(answer.status, 400, "{body}");
        answer.detail().to_owned()
    };
    insta::assert_snapshot!(refused(json!({ "frequency": "10x" })).await, @r#"frequency "10x" is not a duration: use a whole number and one of W, D, h, m, s, as in 10m"#);
    insta::assert_snapshot!(refused(json!({ "frequency": "1h", "cron": "0 2 * * *" })).await, @"frequency and cron are both given: say how often or when, not both");
    insta::assert_snapshot!(refused(json!({ "frequency": "1h", "description": "two\nlines" })).await, @r#"description "two\nlines" is not a description: use 1 to 1000 characters without line breaks, tabs and the like"#);
    insta::assert_snapshot!(refused(json!({ "frequency": "1h", "aliases": ["a"] })).await, @r#"alias "a" is the name or an alias of another service: choose another"#);
    insta::assert_snapshot!(refused(json!({ "frequency": "1h", "color": "red" })).await, @r#"the body is not what is expected: unknown field `color`, expected one of `frequency`, `cron`, `tz`, `grace`, `max_runtime`, `description`, `locked`, `aliases` at line 1 column 8; use JSON like {"frequency":"1D","grace":"1h"}"#);
    insta::assert_snapshot!(refused(json!({})).await, @r#"frequency is missing: say how often to expect a ping, as in "frequency":"1D", or when, as in "cron":"0 2 * * *""#);
    insta::assert_snapshot!(refused(json!(["1h"])).await, @r#"the body is not what is expected: it is a list; use JSON like {"frequency":"1D","grace":"1h"}"#);
    insta::assert_snapshot!(refused(json!(null)).await, @r#"the body is not what is expected: invalid type: null, expected an object at line 1 column 4; use JSON like {"frequency":"1D","grace":"1h"}"#);
    let empty = house.send("PATCH", "/api/v1/services/a").await;
    insta::assert_snapshot!(empty.detail(), @r#"the body is not what is expected: it is empty; use JSON like {"frequency":"1D","grace":"1h"}"#);
    assert_eq!(house.count("SELECT count(*) FROM services").await, 1);
    assert_eq!(house.count("SELECT count(*) FROM aliases").await, 0);
}

#[tokio::test]
async fn pausing_closes_an_outage_where_it_was_told_and_expects_nothing_until_a_success() {
    let mut receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await;
    let deliver = async || {
        let mut courier = house.courier(&destination);
        while courier.step(house.clock.now()).await.unwrap() != overdue::alerting::Step::Idle {
            courier.settle().await;
        }
    };
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 601).await;
    deliver().await;
    house.clock.set(TEN + 605);
    let paused = house.send("POST", "/api/v1/services/a/pause").await.json;
    assert_eq!([&paused["status"], &paused["deadline"]], [&json!("paused"), &Value::Null]);
    house.send("POST", "/api/v1/services/a/pause").await;
    deliver().await;
    assert_eq!(receiver.next().await.body["type"], "service.overdue");
    let closed = receiver.next().await.body;
    assert_eq!(
        [&closed["type"], &closed["reason"], &closed["status"], &closed["outage_seconds"]],
        [&json!("service.recovered"), &json!("paused"), &json!("paused"), &json!(5)]
    );
    assert_eq!(
        closed["text"],
        "RECOVERED a: after 5 s. Not by a ping: it was paused at 10:10 UTC."
    );
    house.get("/ping/a/fail").await;
    house.get("/ping/a/start").await;
    assert_eq!(house.sweep_at(TEN + 9000).await, 0);
    assert_eq!(house.texts("SELECT status || ' ' || running FROM status").await, ["paused no"]);
    assert_eq!(house.get("/ping/a").await.json["status"], "up", "a success resumes");
    assert!(receiver.rest().is_empty());
    assert_eq!(house.texts("SELECT signal FROM pings ORDER BY id").await.len(), 4);
}

#[tokio::test]
async fn a_resumed_service_has_its_time_from_now() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m&grace=1m").await;
    house.send("POST", "/api/v1/services/a/pause").await;
    house.sweep_at(TEN + 5000).await;
    let resumed = house.send("POST", "/api/v1/services/a/resume").await.json;
    assert_eq!(
        [&resumed["status"], &resumed["deadline"]],
        [&json!("up"), &json!("2026-11-25T11:34:20Z")]
    );
    let again = house.send("POST", "/api/v1/services/a/resume").await.json;
    assert_eq!(again, resumed, "what is not paused stays as it is");
    assert_eq!(house.sweep_at(TEN + 5661).await, 1);
    assert_eq!(house.send("POST", "/api/v1/services/b/pause").await.status, 404);
}

#[tokio::test]
async fn the_history_is_read_page_by_page_the_newest_first() {
    let house = House::new().await;
    for second in 0..7 {
        house.clock.set(TEN + second);
        house.ping("name=a&frequency=1h").await;
        house.ping("name=b&frequency=1h").await;
    }
    let request = House::request("POST", "/ping/a/3?run=r1");
    house.answer(request.body("it broke".into()).unwrap()).await;
    let page = house.get("/api/v1/services/a/pings?limit=5").await.json;
    let newest = &page["pings"][0];
    assert_eq!(
        [
            &newest["number"],
            &newest["signal"],
            &newest["exit_status"],
            &newest["run"],
            &newest["log"]
        ],
        [&json!(8), &json!("fail"), &json!(3), &json!("r1"), &json!("it broke")]
    );
    let cursor = page["next_cursor"].as_str().unwrap();
    house.ping("name=a&frequency=1h").await;
    let page = house.get(&format!("/api/v1/services/a/pings?limit=5&cursor={cursor}")).await.json;
    let numbers: Vec<i64> = page["pings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ping| ping["number"].as_i64().unwrap())
        .collect();
    assert_eq!((numbers, &page["next_cursor"]), (vec![3, 2, 1], &Value::Null));
}

#[tokio::test]
async fn a_longer_grace_tells_nobody_twice_and_a_resumed_service_keeps_its_time() {
    let house = House::new().await;
    house.ping(&format!("name=silent&frequency=10m&timestamp={}", TEN - 86_400)).await;
    house.sweep_at(TEN + 1).await;
    house.send_json("PATCH", "/api/v1/services/silent", &json!({ "grace": "1h" })).await;
    assert_eq!(house.sweep_at(TEN + 5).await, 0);
    house.ping(&format!("name=resumed&frequency=1D&timestamp={}", TEN - 80_000)).await;
    house.send("POST", "/api/v1/services/resumed/pause").await;
    house.send_json("PATCH", "/api/v1/services/resumed", &json!({ "frequency": "1h" })).await;
    house.send("POST", "/api/v1/services/resumed/resume").await;
    let patched =
        house.send_json("PATCH", "/api/v1/services/resumed", &json!({ "grace": "30m" })).await;
    assert_eq!(patched.json["status"], "up", "{:?}", patched.json);
    assert_eq!(house.sweep_at(TEN + 100).await, 0);
}

#[tokio::test]
async fn a_name_that_is_an_alias_means_its_service_whoever_pings_it() {
    let house = House::new().await;
    let uuid = "0b8a5d6e-0000-4000-8000-000000000001";
    let body = json!({ "frequency": "1D", "aliases": [uuid] });
    let made = house.send_json("PUT", "/api/v1/services/a", &body).await;
    assert_eq!(made.json["aliases"], json!([uuid]));
    assert_eq!(house.ping(&format!("name={uuid}&frequency=1D")).await["name"], "a");
    assert_eq!(house.count("SELECT count(*) FROM services").await, 1);
    // One that hands have spoilt spoils no batch.
    house.edit("UPDATE aliases SET service = CAST(x'ff' AS TEXT)").await;
    assert_eq!(house.get(&format!("/ping/{uuid}")).await.status, 404);
}

#[tokio::test]
async fn a_row_that_hands_have_spoilt_is_mended_by_a_declaration() {
    let house = House::new().await;
    house.ping("name=a&cron=0+2+*+*+*").await;
    house.edit("UPDATE services SET tz = 'Mars/Base'").await;
    assert_eq!(house.get("/ping/a").await.status, 503);
    let mended = house.send_json("PUT", "/api/v1/services/a", &json!({ "frequency": "1h" })).await;
    assert_eq!(mended.status, 200);
    assert_eq!(house.get("/ping/a").await.status, 200);
}
