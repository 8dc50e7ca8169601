//! What became of alerts: every attempt and its answer, and what was given up sent again.

use overdue::alerting::Step;
use overdue::config::{AlertFormat, Destination};
use overdue::core::limits::ATTEMPTS_KEPT_ROWS_MAX;
use overdue::store::Rules;
use serde_json::{Value, json};

use crate::house::{House, TEN, destination, rules};
use crate::support::{Receiver, Reply};

const TWO_DAYS: i64 = 2 * 86_400;

/// A house, a receiver, and one service whose silence is to be told.
async fn one_overdue() -> (House, Receiver, Destination) {
    let receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await;
    house.ping("name=a&frequency=10m").await;
    assert_eq!(house.sweep_at(TEN + 601).await, 1);
    (house, receiver, destination)
}

/// Tries once at `second`, and waits for the answer.
async fn tries(house: &House, destination: &Destination, second: i64) {
    house.clock.set(second);
    let mut courier = house.courier(destination);
    assert_eq!(courier.step(second).await, Ok(Step::Sending(1)), "at {second}");
    courier.settle().await;
}

async fn delivers(house: &House, destination: &Destination) {
    let mut courier = house.courier(destination);
    while courier.step(house.clock.now()).await.unwrap() != Step::Idle {
        courier.settle().await;
    }
}

/// Has it given up: the first attempt comes two days late.
async fn gives_up(house: &House, receiver: &Receiver, destination: &Destination) {
    receiver.usually(Reply::Status(400));
    tries(house, destination, TEN + 601 + TWO_DAYS).await;
    receiver.usually(Reply::Status(200));
}

async fn only_alert(house: &House) -> Value {
    let mut page = house.get("/api/v1/alerts").await.json;
    assert_eq!(page["alerts"].as_array().unwrap().len(), 1);
    page["alerts"][0].take()
}

#[tokio::test]
async fn every_attempt_and_its_answer_is_seen_and_those_alike_are_one_row() {
    let (house, receiver, destination) = one_overdue().await;
    receiver.then([503, 503, 503, 404].map(Reply::Status));
    receiver.usually(Reply::Status(204));
    for second in [602, 610, 700, 800, 1000] {
        tries(&house, &destination, TEN + second).await;
    }
    let alert = only_alert(&house).await;
    assert_eq!(
        alert["deliveries"],
        json!([{
            "destination": "default", "state": "delivered", "attempts_made": 5, "next_attempt": null,
            "last_attempt": "2026-11-25T10:16:40Z", "delivered_at": "2026-11-25T10:16:40Z", "retried_at": null,
            "error": null,
            "attempts": [
                {
                    "number": 1, "count": 3, "first_at": "2026-11-25T10:10:02Z", "last_at": "2026-11-25T10:11:40Z",
                    "outcome": "failed", "answer": "it answered 503 Service Unavailable"
                },
                {
                    "number": 4, "count": 1, "first_at": "2026-11-25T10:13:20Z", "last_at": "2026-11-25T10:13:20Z",
                    "outcome": "failed", "answer": "it answered 404 Not Found"
                },
                {
                    "number": 5, "count": 1, "first_at": "2026-11-25T10:16:40Z", "last_at": "2026-11-25T10:16:40Z",
                    "outcome": "accepted", "answer": "it answered 204 No Content"
                }
            ]
        }])
    );
    let id = alert["id"].as_str().unwrap();
    assert_eq!(house.get(&format!("/api/v1/alerts/{id}")).await.json, alert);
    assert_eq!(house.get("/api/v1/alerts/alr_x").await.status, 404);
}

#[tokio::test]
async fn two_days_of_retries_with_changing_answers_keep_a_bounded_number_of_rows() {
    let (house, receiver, destination) = one_overdue().await;
    let rows_max = usize::try_from(ATTEMPTS_KEPT_ROWS_MAX).unwrap();
    let tried = rows_max + 7;
    for attempt in 0..tried {
        receiver.then([Reply::Status(if attempt % 2 == 0 { 500 } else { 502 })]);
        let second = TEN + 700 * (1 + i64::try_from(attempt).unwrap());
        tries(&house, &destination, second).await;
    }
    let mut alert = only_alert(&house).await;
    let delivery = alert["deliveries"][0].take();
    let kept = delivery["attempts"].as_array().unwrap();
    assert_eq!((kept.len(), &delivery["attempts_made"]), (rows_max, &json!(tried)));
    assert_eq!([&kept[0]["number"], &kept[rows_max - 1]["number"]], [&json!(8), &json!(tried)]);
    // They go with their alert.
    house.edit("DELETE FROM alerts").await;
    assert_eq!(house.count("SELECT count(*) FROM attempts").await, 0);
}

#[tokio::test]
async fn what_was_given_up_is_sent_again_under_its_id_and_has_two_days_anew() {
    let (house, mut receiver, destination) = one_overdue().await;
    gives_up(&house, &receiver, &destination).await;
    let alert = only_alert(&house).await;
    assert_eq!(alert["deliveries"][0]["state"], "given_up");
    let id = alert["id"].as_str().unwrap();
    let retry = format!("/api/v1/alerts/{id}/retry");
    let mut raised = house.store.raised();
    raised.mark_unchanged();
    let again = house.send("POST", &retry).await;
    assert_eq!((again.status, &again.json["deliveries"][0]["state"]), (200, &json!("pending")));
    assert!(raised.has_changed().unwrap(), "couriers are woken");
    receiver.then([Reply::Status(503)]);
    let now = house.clock.now();
    tries(&house, &destination, now).await;
    assert_eq!(
        only_alert(&house).await["deliveries"][0]["state"],
        "pending",
        "it is not given up at once"
    );
    tries(&house, &destination, now + 400).await;
    let delivery = &only_alert(&house).await["deliveries"][0];
    assert_eq!([&delivery["state"], &delivery["attempts_made"]], [&json!("delivered"), &json!(3)]);
    let ids: Vec<Value> = receiver.rest().iter().map(|got| got.body["id"].clone()).collect();
    assert_eq!(ids, vec![alert["id"].clone(); 3]);
    let twice = house.send("POST", &retry).await;
    assert_eq!(twice.status, 409);
    insta::assert_snapshot!(twice.detail().replace(id, "alr_…"), @r#"alert "alr_…" was not given up anywhere: only what was given up is sent again"#);
    assert_eq!(house.send("POST", "/api/v1/alerts/alr_x/retry").await.status, 404);
}

#[tokio::test]
async fn what_is_sent_again_comes_before_what_still_waits() {
    let (house, mut receiver, destination) = one_overdue().await;
    gives_up(&house, &receiver, &destination).await;
    house.get("/ping/a").await;
    let alerts = house.get("/api/v1/alerts?kind=overdue").await.json;
    let id = alerts["alerts"][0]["id"].as_str().unwrap();
    assert_eq!(house.send("POST", &format!("/api/v1/alerts/{id}/retry")).await.status, 200);
    receiver.rest();
    delivers(&house, &destination).await;
    let kinds: Vec<Value> = receiver.rest().iter().map(|got| got.body["type"].clone()).collect();
    assert_eq!(kinds, ["service.overdue", "service.recovered"]);
}

#[tokio::test]
async fn what_would_look_as_if_an_ended_outage_began_again_is_not_sent_again() {
    let (house, receiver, destination) = one_overdue().await;
    gives_up(&house, &receiver, &destination).await;
    let id = only_alert(&house).await["id"].as_str().unwrap().to_owned();
    let retry = async |query: &str| {
        let answer = house.send("POST", &format!("/api/v1/alerts/{id}/retry{query}")).await;
        assert_eq!(answer.status, 409, "{:?}", answer.json);
        answer.detail().replace(&id, "alr_…")
    };
    insta::assert_snapshot!(retry("?destination=chat").await, @r#"alert "alr_…" was not given up at destination "chat": only what was given up is sent again"#);
    house.get("/ping/a").await;
    delivers(&house, &destination).await;
    insta::assert_snapshot!(retry("").await, @r#"destination "default" was told that this outage is over: sent now, it would look as if it began again"#);
    house.edit("UPDATE deliveries SET state = 'given_up'").await;
    house.send("DELETE", "/ping/a").await;
    insta::assert_snapshot!(retry("?destination=default").await, @"the service was deleted since: nothing would ever tell that this outage is over");
    // But an end may always be told.
    let ended = house.get("/api/v1/alerts?service=a&kind=recovered").await.json;
    let ended = ended["alerts"][0]["id"].as_str().unwrap();
    assert_eq!(house.send("POST", &format!("/api/v1/alerts/{ended}/retry")).await.status, 200);
    assert_eq!(house.count("SELECT count(*) FROM deliveries WHERE state = 'pending'").await, 1);
}

#[tokio::test]
async fn what_would_be_given_up_again_as_its_destination_has_gone_is_not_sent_again() {
    let (house, receiver, destination) = one_overdue().await;
    gives_up(&house, &receiver, &destination).await;
    let house = house.restart_with(rules()).await;
    let id = only_alert(&house).await["id"].as_str().unwrap().to_owned();
    let refused = house.send("POST", &format!("/api/v1/alerts/{id}/retry")).await;
    insta::assert_snapshot!(refused.detail(), @r#"destination "default" has left the settings, so this would be given up again: put it back and start again"#);
    assert_eq!(house.texts("SELECT state FROM deliveries").await, ["given_up"]);
}

#[tokio::test]
async fn alerts_are_listed_the_newest_first_and_go_on_while_others_come_and_go() {
    let receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await;
    for job in 0..6 {
        house.ping(&format!("name=job-{job}&frequency=10m")).await;
        house.get(&format!("/ping/job-{job}/fail")).await;
        house.get(&format!("/ping/job-{job}")).await;
    }
    let said = |page: &Value| -> Vec<String> {
        let alerts = page["alerts"].as_array().unwrap().iter();
        let word = |alert: &Value, field: &str| alert[field].as_str().unwrap().to_owned();
        alerts.map(|alert| format!("{} {}", word(alert, "name"), word(alert, "kind"))).collect()
    };
    let first = house.get("/api/v1/alerts?limit=3").await.json;
    assert_eq!(said(&first), ["job-5 recovered", "job-5 failed", "job-4 recovered"]);
    house.get("/ping/job-0/fail").await;
    house.edit("DELETE FROM alerts WHERE service = 'job-4'").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = house.get(&format!("/api/v1/alerts?limit=3&cursor={cursor}")).await.json;
    assert_eq!(said(&second), ["job-3 recovered", "job-3 failed", "job-2 recovered"]);
    let of_one = house.get("/api/v1/alerts?service=job-0").await.json;
    assert_eq!(said(&of_one), ["job-0 failed", "job-0 recovered", "job-0 failed"]);
    assert_eq!(of_one["next_cursor"], Value::Null);
    let of_kind = house.get("/api/v1/alerts?kind=failed&limit=2").await.json;
    assert_eq!(said(&of_kind), ["job-0 failed", "job-5 failed"]);
    house.edit("UPDATE deliveries SET state = 'given_up' WHERE service = 'job-2'").await;
    let given_up = house.get("/api/v1/alerts?state=given_up").await.json;
    assert_eq!(said(&given_up), ["job-2 recovered", "job-2 failed"]);
    let none = house.get("/api/v1/alerts?service=nobody").await.json;
    assert_eq!(none, json!({ "alerts": [], "next_cursor": null }));
    for query in ["kind=late", "state=lost", "limit=1001", "cursor=eA", "cursor=%25", "service="] {
        let refused = house.get(&format!("/api/v1/alerts?{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
    }
    insta::assert_snapshot!(house.get("/api/v1/alerts?state=lost").await.detail(), @r#"state "lost" is not known: use one of pending, delivered, given_up"#);
}

#[tokio::test]
async fn the_outages_of_a_service_are_listed_with_how_each_ended() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 601).await;
    house.clock.set(TEN + 660);
    house.get("/ping/a").await;
    house.clock.set(TEN + 700);
    house.get("/ping/a/3").await;
    house.clock.set(TEN + 710);
    house.send("POST", "/api/v1/services/a/pause").await;
    house.clock.set(TEN + 720);
    house.get("/ping/a").await;
    house.get("/ping/a/fail").await;
    let page = house.get("/api/v1/services/a/outages?limit=2").await.json;
    assert_eq!(
        page["outages"],
        json!([
            {
                "started_at": "2026-11-25T10:12:00Z", "ended_at": null, "outage_seconds": null, "lasts": true,
                "reason": null, "overdue": false, "failed": true, "alerts": 1
            },
            {
                "started_at": "2026-11-25T10:11:40Z", "ended_at": "2026-11-25T10:11:50Z", "outage_seconds": 10,
                "lasts": false, "reason": "paused", "overdue": false, "failed": true, "alerts": 2
            }
        ])
    );
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = house.get(&format!("/api/v1/services/a/outages?limit=2&cursor={cursor}")).await.json;
    assert_eq!(
        page,
        json!({
            "outages": [{
                "started_at": "2026-11-25T10:10:00Z", "ended_at": "2026-11-25T10:11:00Z", "outage_seconds": 60,
                "lasts": false, "reason": null, "overdue": true, "failed": false, "alerts": 2
            }],
            "next_cursor": null
        })
    );
    assert_eq!(house.get("/api/v1/services/b/outages").await.status, 404);
}
