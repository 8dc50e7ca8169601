use overdue::alerting::Step;
use overdue::config::{AlertFormat, Destination};
use overdue::store::Rules;
use serde_json::json;

use crate::house::{House, TEN, destination, rules};
use crate::support::{Receiver, Reply};

async fn house_for(destination: &Destination) -> House {
    House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await
}

/// A house, a receiver, and one service whose deadline has passed and was told of.
async fn one_overdue(format: AlertFormat) -> (House, Receiver, Destination) {
    let receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), format);
    let house = house_for(&destination).await;
    house.ping("name=a%20b&frequency=10m&grace=1h").await;
    assert_eq!(house.sweep_at(TEN + 4201).await, 1);
    (house, receiver, destination)
}

#[tokio::test]
async fn an_alert_says_everything_that_is_known() {
    let (house, mut receiver, destination) = one_overdue(AlertFormat::Json).await;
    let mut courier = house.courier(&destination);
    assert_eq!(courier.step(TEN + 4202).await, Ok(Step::Sending(1)));
    courier.settle().await;
    let got = receiver.next().await;
    let id = house.texts("SELECT id FROM alerts").await.remove(0);
    assert_eq!((got.method.as_str(), got.uri.as_str()), ("POST", "/alerts"));
    assert_eq!(got.headers["content-type"], "application/json");
    assert_eq!(got.headers["webhook-id"], id.as_str());
    assert_eq!(got.headers["webhook-timestamp"], (TEN + 4202).to_string());
    assert_eq!(
        got.body,
        json!({
            "id": id, "type": "service.overdue", "name": "a b", "status": "overdue", "frequency": "10m", "grace": "1h",
            "last_ping": "2026-11-25T10:00:00Z", "deadline": "2026-11-25T11:10:00Z", "overdue_seconds": 1, "url": null,
            "cron": null, "tz": null, "running_since": null, "last_duration_ms": null, "description": null,
            "attempt": 1, "created_at": "2026-11-25T11:10:01Z", "sent_at": "2026-11-25T11:10:02Z",
            "text": "OVERDUE a b: 2 s late. Expected by 11:10 UTC (grace 1 h). Last success 10:00."
        })
    );
    assert_eq!(courier.step(TEN + 4203).await, Ok(Step::Idle));
    assert_eq!(
        house.texts("SELECT state || ' ' || attempts FROM deliveries").await,
        ["delivered 1"]
    );
}

#[tokio::test]
async fn a_recovery_is_told_after_the_outage_with_its_length() {
    let (house, mut receiver, destination) = one_overdue(AlertFormat::Json).await;
    house.clock.set(TEN + 4300);
    house.get("/ping/a%20b").await;
    let mut courier = house.courier(&destination);
    // Of each service one at a time, the oldest first.
    assert_eq!(courier.step(TEN + 4300).await, Ok(Step::Sending(1)));
    courier.settle().await;
    assert_eq!(courier.step(TEN + 4300).await, Ok(Step::Sending(1)));
    courier.settle().await;
    assert_eq!(receiver.next().await.body["type"], "service.overdue");
    let recovered = receiver.next().await.body;
    assert_eq!(
        (
            &recovered["type"],
            &recovered["status"],
            &recovered["outage_seconds"],
            &recovered["overdue_seconds"]
        ),
        (&json!("service.recovered"), &json!("up"), &json!(100), &json!(0))
    );
}

#[tokio::test]
async fn the_query_format_asks_with_name_and_last_ping_and_tells_of_silence_only() {
    let (house, mut receiver, mut destination) = one_overdue(AlertFormat::Query).await;
    destination.uri.set_query(Some("token=x"));
    house.clock.set(TEN + 4300);
    house.get("/ping/a%20b").await;
    let mut courier = house.courier(&destination);
    for _ in 0..2 {
        courier.step(TEN + 4300).await.unwrap();
        courier.settle().await;
    }
    let got = receiver.next().await;
    assert_eq!(got.method, "GET");
    assert_eq!(got.uri, format!("/alerts?token=x&name=a+b&last_ping={TEN}"));
    assert!(receiver.rest().is_empty());
    assert_eq!(house.count("SELECT count(*) FROM alerts").await, 2);
}

#[tokio::test]
async fn what_fails_is_tried_again_by_the_schedule_under_the_same_id() {
    let (house, mut receiver, destination) = one_overdue(AlertFormat::Json).await;
    let mut courier = house.courier(&destination);
    receiver.usually(Reply::Status(500));
    let mut now = TEN + 4202;
    let mut ids = Vec::new();
    for (attempt, wait) in (1..).zip([5, 15, 30, 60, 120, 300, 300]) {
        house.clock.set(now);
        assert_eq!(courier.step(now).await, Ok(Step::Sending(1)), "attempt {attempt}");
        courier.settle().await;
        let got = receiver.next().await.body;
        assert_eq!(got["attempt"], attempt);
        ids.push(got["id"].clone());
        let next = house.count("SELECT next_attempt FROM deliveries").await;
        assert!(
            (now + wait..=now + wait + wait / 10 + 1).contains(&next),
            "attempt {attempt}: {}",
            next - now
        );
        assert_eq!(
            courier.step(now + wait - 1).await,
            Ok(Step::Idle),
            "attempt {attempt} is not repeated early"
        );
        // The destination's own pause has its own jitter, of a tenth too.
        now = next + wait / 10 + 1;
    }
    assert_eq!(
        house.texts("SELECT last_error FROM deliveries").await,
        ["it answered 500 Internal Server Error"]
    );
    receiver.usually(Reply::Status(204));
    house.clock.set(now);
    courier.step(now).await.unwrap();
    courier.settle().await;
    ids.push(receiver.next().await.body["id"].clone());
    assert_eq!(
        house.texts("SELECT state || ' ' || attempts FROM deliveries").await,
        ["delivered 8"]
    );
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[tokio::test]
async fn a_retry_waits_across_restarts() {
    let (house, mut receiver, destination) = one_overdue(AlertFormat::Json).await;
    receiver.usually(Reply::Status(503));
    let mut courier = house.courier(&destination);
    courier.step(TEN + 4202).await.unwrap();
    courier.settle().await;
    receiver.usually(Reply::Status(200));
    let first = receiver.next().await.body;
    let mut courier = house.courier(&destination);
    assert_eq!(courier.step(TEN + 4203).await, Ok(Step::Idle));
    assert_eq!(courier.step(TEN + 4210).await, Ok(Step::Sending(1)));
    courier.settle().await;
    let second = receiver.next().await.body;
    assert_eq!((&second["id"], &second["attempt"]), (&first["id"], &json!(2)));
}

#[tokio::test]
async fn a_destination_that_fails_is_probed_by_one_at_a_time_and_then_gets_everything() {
    let receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&destination).await;
    for job in 0..20 {
        house.ping(&format!("name=job-{job}&frequency=10m&timestamp=1000")).await;
    }
    house.sweep_at(TEN + 1).await;
    receiver.usually(Reply::Status(503));
    let mut receiver = receiver;
    let mut courier = house.courier(&destination);
    courier.step(TEN + 1).await.unwrap();
    courier.settle().await;
    assert_eq!(receiver.rest().len(), 8, "the first ones are under way together");
    assert_eq!(courier.step(TEN + 2).await, Ok(Step::Idle));
    house.clock.set(TEN + 7);
    assert_eq!(courier.step(TEN + 7).await, Ok(Step::Sending(1)));
    courier.settle().await;
    assert_eq!(receiver.rest().len(), 1);
    assert_eq!(courier.step(TEN + 12).await, Ok(Step::Idle), "the second pause is longer");
    receiver.usually(Reply::Status(200));
    house.clock.set(TEN + 30);
    assert_eq!(courier.step(TEN + 30).await, Ok(Step::Sending(1)));
    courier.settle().await;
    while courier.step(TEN + 30).await.unwrap() != Step::Idle {
        courier.settle().await;
    }
    assert_eq!(receiver.rest().len(), 20, "once it answers, nothing waits for its own retry");
    assert_eq!(house.count("SELECT count(*) FROM deliveries WHERE state = 'delivered'").await, 20);
}

#[tokio::test]
async fn an_answer_that_refuses_one_alert_counts_against_that_one_alone() {
    let receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&destination).await;
    house.ping("name=a&frequency=10m&timestamp=1000").await;
    house.sweep_at(TEN + 1).await;
    receiver.then([Reply::Status(400)]);
    let mut courier = house.courier(&destination);
    courier.step(TEN + 1).await.unwrap();
    courier.settle().await;
    house.ping("name=b&frequency=10m&timestamp=1000").await;
    house.sweep_at(TEN + 2).await;
    assert_eq!(courier.step(TEN + 2).await, Ok(Step::Sending(1)));
    courier.settle().await;
    assert_eq!(
        house.texts("SELECT service || ' ' || state FROM deliveries ORDER BY service").await,
        ["a pending", "b delivered"]
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (house, mut receiver, destination) = one_overdue(AlertFormat::Json).await;
    receiver.usually(Reply::Status(302));
    let mut courier = house.courier(&destination);
    courier.step(TEN + 4202).await.unwrap();
    courier.settle().await;
    assert_eq!(receiver.rest().len(), 1);
    assert_eq!(house.texts("SELECT last_error FROM deliveries").await, ["it answered 302 Found"]);
}

#[tokio::test]
async fn what_is_not_accepted_within_two_days_is_given_up_visibly() {
    let (house, mut receiver, destination) = one_overdue(AlertFormat::Json).await;
    receiver.usually(Reply::Status(404));
    let later = TEN + 4201 + 2 * 86_400;
    house.clock.set(later);
    let mut courier = house.courier(&destination);
    courier.step(later).await.unwrap();
    courier.settle().await;
    let text = receiver.next().await.body["text"].clone();
    assert!(text.as_str().unwrap().starts_with("Delayed 2 d: OVERDUE a b: 2 d"), "{text}");
    assert_eq!(
        house.texts("SELECT state || ': ' || last_error FROM deliveries").await,
        ["given_up: it answered 404 Not Found"]
    );
    assert_eq!(courier.step(later + 86_400).await, Ok(Step::Idle));
}

#[tokio::test]
async fn deleting_a_service_forgets_its_undelivered_alerts_and_no_others() {
    let receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&destination).await;
    for name in ["a", "b"] {
        house.ping(&format!("name={name}&frequency=10m&timestamp=1000")).await;
    }
    house.sweep_at(TEN + 1).await;
    assert_eq!(house.send("DELETE", "/ping/a").await.status, 200);
    assert_eq!(house.texts("SELECT service FROM deliveries").await, ["b"]);
    assert_eq!(house.texts("SELECT service FROM alerts").await, ["b"]);
}

#[tokio::test]
async fn alerts_are_forgotten_of_a_service_that_was_quiet_when_it_was_last_read() {
    let receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&destination).await;
    for name in ["failed", "mended", "well"] {
        for _ in 0..2 {
            house.ping(&format!("name={name}&frequency=10m")).await;
        }
    }
    for name in ["failed", "mended"] {
        house.ping(&format!("name={name}&frequency=10m&signal=fail")).await;
    }
    house.ping("name=mended&frequency=10m").await;
    assert_eq!(
        house.texts("SELECT service || ' ' || kind FROM alerts").await,
        ["failed failed", "mended failed", "mended recovered"]
    );
    for name in ["failed", "mended", "well"] {
        assert_eq!(house.send("DELETE", &format!("/ping/{name}")).await.status, 200);
    }
    assert_eq!(house.texts("SELECT service FROM alerts").await, [""; 0]);
}

#[tokio::test]
async fn what_was_left_undelivered_under_the_name_of_a_new_service_goes_with_it() {
    let receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&destination).await;
    house.ping("name=a&frequency=10m&signal=fail").await;
    // By hand, so that its alert stays.
    house.edit("DELETE FROM services").await;
    for _ in 0..2 {
        house.ping("name=a&frequency=10m").await;
    }
    assert_eq!(house.send("DELETE", "/ping/a").await.status, 200);
    assert_eq!(house.texts("SELECT service FROM alerts").await, [""; 0]);
}

#[tokio::test]
async fn an_alert_spoilt_by_hand_is_given_up_and_holds_up_no_other() {
    let (house, mut receiver, destination) = one_overdue(AlertFormat::Json).await;
    house.edit("UPDATE alerts SET frequency = -1").await;
    house.ping("name=well&frequency=10m&timestamp=1000").await;
    house.sweep_at(TEN + 4202).await;
    let mut courier = house.courier(&destination);
    courier.step(TEN + 4202).await.unwrap();
    courier.settle().await;
    assert_eq!(receiver.next().await.body["name"], "well");
    assert_eq!(
        house.texts("SELECT service || ' ' || state FROM deliveries ORDER BY service").await,
        ["a b given_up", "well delivered"]
    );
}
