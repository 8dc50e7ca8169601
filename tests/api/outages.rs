//! Outages: reminders while they last, and what ends them.

use overdue::config::{AlertFormat, Destination};
use overdue::store::Rules;
use serde_json::json;

use crate::house::{House, TEN, destination, rules};
use crate::support::{Receiver, Reply};

async fn house_for(destination: &Destination, remind_every_seconds: Option<i64>) -> House {
    House::with(Rules { routes: vec![destination.route.clone()], remind_every_seconds, ..rules() })
        .await
}

/// Delivers everything that is due.
async fn deliver(house: &House, destination: &Destination) {
    let mut courier = house.courier(destination);
    let now = house.clock.now();
    while courier.step(now).await.unwrap() != overdue::alerting::Step::Idle {
        courier.settle().await;
    }
}

async fn states(house: &House) -> Vec<String> {
    house
        .texts(
            "SELECT kind || ' ' || state FROM deliveries JOIN alerts ON alert = seq ORDER BY seq",
        )
        .await
}

#[tokio::test]
async fn an_outage_that_lasts_is_told_of_again_and_again_until_it_ends() {
    let mut receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&destination, Some(3600)).await;
    house.ping("name=a&frequency=10m").await;
    assert_eq!(house.sweep_at(TEN + 601).await, 1);
    assert_eq!(house.sweep_at(TEN + 4200).await, 0);
    assert_eq!(house.sweep_at(TEN + 4201).await, 1);
    deliver(&house, &destination).await;
    assert_eq!(house.sweep_at(TEN + 7800).await, 0);
    assert_eq!(house.sweep_at(TEN + 7801).await, 1);
    deliver(&house, &destination).await;
    house.ping("name=a&frequency=2h").await;
    assert_eq!(house.sweep_at(TEN + 7801 + 7200).await, 0, "it is over");
    let told: Vec<String> = receiver
        .rest()
        .into_iter()
        .map(|got| got.body["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, ["service.overdue", "service.reminder", "service.reminder"]);
    assert_eq!(house.count("SELECT count(DISTINCT id) FROM alerts").await, 4);
}

#[tokio::test]
async fn a_reminder_that_was_not_delivered_is_replaced_not_queued() {
    let receiver = Receiver::start().await;
    receiver.usually(Reply::Status(500));
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&destination, Some(60)).await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 601 + 600).await;
    assert_eq!(states(&house).await, ["overdue pending", "reminder pending"]);
    assert_eq!(house.count("SELECT count(*) FROM alerts WHERE kind = 'reminder'").await, 9);
}

#[tokio::test]
async fn deleting_a_service_closes_its_outage_where_it_was_told() {
    let mut receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&destination, None).await;
    house.ping("name=told&frequency=10m").await;
    house.sweep_at(TEN + 601).await;
    deliver(&house, &destination).await;
    house.ping(&format!("name=untold&frequency=10m&timestamp={}", TEN - 1000)).await;
    house.sweep_at(TEN + 602).await;
    house.clock.set(TEN + 660);
    for name in ["told", "untold"] {
        assert_eq!(house.send("DELETE", &format!("/ping/{name}")).await.status, 200);
    }
    assert_eq!(states(&house).await, ["overdue delivered", "recovered pending"]);
    deliver(&house, &destination).await;
    assert_eq!(receiver.next().await.body["type"], "service.overdue");
    let recovered = receiver.next().await.body;
    assert_eq!(
        (
            &recovered["type"],
            &recovered["name"],
            &recovered["reason"],
            &recovered["outage_seconds"]
        ),
        (&json!("service.recovered"), &json!("told"), &json!("deleted"), &json!(60))
    );
    assert!(receiver.rest().is_empty());
    assert_eq!(house.texts("SELECT service || ' ' || reason FROM outages").await, ["told deleted"]);
}

#[tokio::test]
async fn a_recovery_that_is_on_its_way_survives_the_deletion_where_the_outage_was_told() {
    let receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&destination, None).await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 601).await;
    deliver(&house, &destination).await;
    house.ping("name=a&frequency=10m").await;
    house.send("DELETE", "/ping/a").await;
    assert_eq!(states(&house).await, ["overdue delivered", "recovered pending"]);
    assert_eq!(
        house.texts("SELECT coalesce(reason, 'pinged') FROM alerts WHERE kind = 'recovered'").await,
        ["pinged"]
    );
}

#[tokio::test]
async fn an_alert_in_flight_is_not_forgotten_by_a_deletion_and_its_end_follows_it() {
    let mut receiver = Receiver::start().await;
    receiver.usually(Reply::Hang);
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&destination, None).await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 601).await;
    let mut courier = house.courier(&destination);
    courier.step(TEN + 601).await.unwrap();
    receiver.next().await;
    house.send("DELETE", "/ping/a").await;
    assert_eq!(states(&house).await, ["overdue pending", "recovered pending"]);
    let mut second = house.courier(&destination);
    assert_eq!(
        second.step(TEN + 601).await,
        Ok(overdue::alerting::Step::Idle),
        "nothing overtakes it"
    );
}

#[tokio::test]
async fn what_is_told_late_is_not_reminded_of_in_the_same_breath() {
    let house = House::with(Rules { remind_every_seconds: Some(60), ..rules() }).await;
    house.ping(&format!("name=a&frequency=10m&timestamp={}", TEN - 7200)).await;
    assert_eq!(house.sweep_at(TEN + 1).await, 1);
    assert_eq!(house.sweep_at(TEN + 60).await, 0);
    assert_eq!(house.sweep_at(TEN + 61).await, 1);
}

#[tokio::test]
async fn an_outage_that_was_not_told_yet_when_its_service_is_paused_is_told_and_closed() {
    let mut receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&destination, None).await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 601).await;
    assert_eq!(house.send("POST", "/api/v1/services/a/pause").await.status, 200);
    deliver(&house, &destination).await;
    let told = receiver.rest().into_iter().map(|got| got.body["type"].clone());
    assert_eq!(told.collect::<Vec<_>>(), ["service.overdue", "service.recovered"]);
    assert_eq!(house.texts("SELECT reason FROM outages").await, ["paused"]);
}

#[tokio::test]
async fn an_id_that_may_have_arrived_is_not_used_again_after_a_deletion() {
    let mut receiver = Receiver::start().await;
    receiver.then([Reply::Status(500)]);
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&destination, None).await;
    for _ in 0..2 {
        house.ping(&format!("name=a&frequency=10m&timestamp={}", TEN - 1000)).await;
        house.sweep_at(house.clock.now() + 1).await;
        deliver(&house, &destination).await;
        house.send("DELETE", "/ping/a").await;
    }
    let ids: Vec<String> = receiver
        .rest()
        .into_iter()
        .filter(|got| got.body["type"] == "service.overdue")
        .map(|got| got.body["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    assert_eq!(
        house.texts("SELECT DISTINCT last_error FROM deliveries WHERE state = 'given_up'").await,
        ["the service was deleted"]
    );
}
