//! Several destinations: which alert goes where, signatures, headers, and how one leaves the settings.

use overdue::config::{AlertFormat, Destination};
use overdue::core::alert::Kind;
use overdue::store::Rules;

use crate::house::{House, TEN, destination, rules};
use crate::support::{Receiver, Reply};

fn named(name: &str, receiver: &Receiver) -> Destination {
    Destination::new(name, receiver.uri().parse().unwrap(), AlertFormat::Json)
}

async fn house_for(destinations: &[&Destination]) -> House {
    let routes = destinations.iter().map(|destination| destination.route.clone()).collect();
    House::with(Rules { routes, ..rules() }).await
}

async fn deliver(house: &House, destination: &Destination) {
    deliver_with(house, &mut house.courier(destination)).await;
}

async fn deliver_with(house: &House, courier: &mut overdue::alerting::Courier) {
    while courier.step(house.clock.now()).await.unwrap() != overdue::alerting::Step::Idle {
        courier.settle().await;
    }
}

#[tokio::test]
async fn each_destination_gets_the_services_and_kinds_that_it_wants() {
    let (all, some) = (Receiver::start().await, Receiver::start().await);
    let everything = named("everything", &all);
    let mut backups = named("backups", &some);
    backups.route.services = Some(
        globset::GlobSetBuilder::new()
            .add(globset::Glob::new("backup-*").unwrap())
            .build()
            .unwrap(),
    );
    backups.route.kinds = vec![Kind::Overdue];
    let house = house_for(&[&everything, &backups]).await;
    for name in ["backup-db", "digest"] {
        house.ping(&format!("name={name}&frequency=10m&timestamp=1000")).await;
    }
    house.sweep_at(TEN + 1).await;
    house.ping("name=backup-db&frequency=10m").await;
    assert_eq!(
        house
            .texts("SELECT destination || ' ' || kind || ' ' || d.service FROM deliveries d JOIN alerts ON seq = alert ORDER BY 1")
            .await,
        [
            "backups overdue backup-db",
            "everything overdue backup-db",
            "everything overdue digest",
            "everything recovered backup-db"
        ]
    );
}

#[tokio::test]
async fn one_that_hangs_holds_up_no_other() {
    let (hung, mut well) = (Receiver::start().await, Receiver::start().await);
    hung.usually(Reply::Hang);
    let (hung, healthy) = (named("hung", &hung), named("well", &well));
    let house = house_for(&[&hung, &healthy]).await;
    house.ping("name=a&frequency=10m&timestamp=1000").await;
    house.sweep_at(TEN + 1).await;
    let mut waiting = house.courier(&hung);
    assert_eq!(waiting.step(TEN + 1).await, Ok(overdue::alerting::Step::Sending(1)));
    deliver(&house, &healthy).await;
    assert_eq!(well.next().await.body["name"], "a");
    assert_eq!(
        house.texts("SELECT destination || ' ' || state FROM deliveries ORDER BY 1").await,
        ["hung pending", "well delivered"]
    );
}

#[tokio::test]
async fn a_signature_is_what_standard_webhooks_verifies_with_the_new_secret_and_the_old() {
    let mut receiver = Receiver::start().await;
    let (new, old) =
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    let file = format!(
        "[[destination]]\nname = \"signed\"\nuri = \"{}\"\nsecret = \"{new} {old}\"\nheaders = {{ X-Team = \"ops\" }}\n",
        receiver.uri()
    );
    let destination = crate::house::destinations_of(&file).unwrap().remove(0);
    let house = house_for(&[&destination]).await;
    let now = crate::support::now();
    house.clock.set(now);
    house.ping("name=a&frequency=10m&timestamp=1000").await;
    house.sweep_after_gap(now + 1).await;
    deliver(&house, &destination).await;
    let got = receiver.next().await;
    assert_eq!(got.headers["x-team"], "ops");
    for secret in [new, old] {
        let webhook = standardwebhooks::Webhook::new(secret).unwrap();
        webhook.verify(got.bytes.as_slice(), &got.headers).unwrap();
    }
    let stranger =
        standardwebhooks::Webhook::new("whsec_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
    assert!(stranger.verify(got.bytes.as_slice(), &got.headers).is_err());
}

#[tokio::test]
async fn retry_after_is_honoured_within_bounds() {
    let receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&[&destination]).await;
    house.ping("name=a&frequency=10m&timestamp=1000").await;
    house.sweep_at(TEN + 1).await;
    receiver.then([Reply::RetryAfter(429, 40)]);
    let mut courier = house.courier(&destination);
    courier.step(TEN + 1).await.unwrap();
    courier.settle().await;
    assert_eq!(house.count("SELECT next_attempt FROM deliveries").await, TEN + 41);
    assert_eq!(courier.step(TEN + 40).await, Ok(overdue::alerting::Step::Idle));
    assert_eq!(courier.step(TEN + 41).await, Ok(overdue::alerting::Step::Sending(1)));
    courier.settle().await;
    assert_eq!(house.texts("SELECT state FROM deliveries").await, ["delivered"]);
}

#[tokio::test]
async fn deliveries_to_a_destination_that_left_the_settings_are_given_up_and_say_so() {
    let receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&[&destination]).await;
    house.ping("name=a&frequency=10m&timestamp=1000").await;
    house.sweep_at(TEN + 1).await;
    let house = house.restart_with(rules()).await;
    assert_eq!(
        house.texts("SELECT state || ': ' || last_error FROM deliveries").await,
        ["given_up: the destination has left the settings"]
    );
}

#[tokio::test]
async fn a_connection_that_is_reset_counts_against_the_destination_and_is_retried_under_the_same_id()
 {
    let mut receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&[&destination]).await;
    house.ping("name=a&frequency=10m&timestamp=1000").await;
    house.sweep_at(TEN + 1).await;
    receiver.then([Reply::Reset]);
    let mut courier = house.courier(&destination);
    courier.step(TEN + 1).await.unwrap();
    courier.settle().await;
    let noted = house
        .texts("SELECT state || ' ' || destination_failed || ': ' || last_error FROM deliveries")
        .await;
    assert!(noted[0].starts_with("pending 1: no answer: Connection reset by peer"), "{noted:?}");
    assert_eq!(courier.step(TEN + 5).await, Ok(overdue::alerting::Step::Idle), "one probe, later");
    house.clock.set(TEN + 7);
    assert_eq!(courier.step(TEN + 7).await, Ok(overdue::alerting::Step::Sending(1)));
    courier.settle().await;
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!(first.headers["webhook-id"], second.headers["webhook-id"]);
    assert_eq!((&first.body["attempt"], &second.body["attempt"]), (&1.into(), &2.into()));
    assert_eq!(house.texts("SELECT state FROM deliveries").await, ["delivered"]);
}

#[tokio::test]
async fn a_receiver_slower_than_a_second_costs_others_nothing_and_gets_each_alert_once() {
    let (mut slow, mut well) = (Receiver::start().await, Receiver::start().await);
    // The first alert is answered late, the others at once.
    slow.then([Reply::Slow(1200)]);
    let (to_slow, to_well) = (named("slow", &slow), named("well", &well));
    let house = house_for(&[&to_slow, &to_well]).await;
    for name in ["a", "b", "c"] {
        house.ping(&format!("name={name}&frequency=10m&timestamp=1000")).await;
    }
    house.sweep_at(TEN + 1).await;
    let mut courier = house.courier(&to_slow);
    assert_eq!(courier.step(TEN + 1).await, Ok(overdue::alerting::Step::Sending(3)));
    deliver(&house, &to_well).await;
    assert_eq!(well.rest().len(), 3);
    // The other services of the slow one did not wait for the first either.
    let waiting =
        "SELECT count(*) FROM deliveries WHERE destination = 'slow' AND state = 'pending'";
    while house.count(waiting).await > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.count(waiting).await, 1, "its answer is still to come");
    courier.settle().await;
    assert_eq!(courier.step(TEN + 2).await, Ok(overdue::alerting::Step::Idle));
    assert_eq!(slow.rest().len(), 3);
    assert_eq!(
        house.texts("SELECT DISTINCT state || ' ' || attempts FROM deliveries").await,
        ["delivered 1"]
    );
}

#[tokio::test]
async fn a_receiver_that_cannot_take_more_is_left_alone_for_as_long_as_it_asks() {
    let mut receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&[&destination]).await;
    for name in ["a", "b", "c"] {
        house.ping(&format!("name={name}&frequency=10m&timestamp=1000")).await;
    }
    house.sweep_at(TEN + 1).await;
    receiver.usually(Reply::RetryAfter(429, 40));
    let mut courier = house.courier(&destination);
    courier.step(TEN + 1).await.unwrap();
    courier.settle().await;
    assert_eq!(receiver.rest().len(), 3);
    house.ping("name=d&frequency=10m&timestamp=1000").await;
    house.sweep_at(TEN + 40).await;
    assert_eq!(courier.step(TEN + 40).await, Ok(overdue::alerting::Step::Idle), "new ones, too");
    // A second that is longer than any pause may be is cut to an hour.
    receiver.usually(Reply::RetryAfter(503, 999_999));
    house.clock.set(TEN + 41);
    courier.step(TEN + 41).await.unwrap();
    courier.settle().await;
    assert_eq!(receiver.rest().len(), 1, "one probe");
    receiver.usually(Reply::Status(200));
    assert_eq!(courier.step(TEN + 41 + 3599).await, Ok(overdue::alerting::Step::Idle));
    house.clock.set(TEN + 41 + 3600);
    deliver_with(&house, &mut courier).await;
    assert_eq!(receiver.rest().len(), 4);
}

#[tokio::test]
async fn one_that_does_not_answer_in_time_is_asked_again_under_the_same_id() {
    let mut receiver = Receiver::start().await;
    let mut destination = destination(&receiver.uri(), AlertFormat::Json);
    destination.timeout_seconds = 1;
    let house = house_for(&[&destination]).await;
    house.ping("name=a&frequency=10m&timestamp=1000").await;
    house.sweep_at(TEN + 1).await;
    receiver.then([Reply::Hang]);
    let mut courier = house.courier(&destination);
    courier.step(TEN + 1).await.unwrap();
    courier.settle().await;
    assert_eq!(
        house.texts("SELECT destination_failed || ': ' || last_error FROM deliveries").await,
        ["1: no answer within 1 s"]
    );
    house.clock.set(TEN + 7);
    deliver_with(&house, &mut courier).await;
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!(first.body["id"], second.body["id"]);
    assert_eq!(house.texts("SELECT state FROM deliveries").await, ["delivered"]);
}

#[tokio::test]
async fn an_outage_that_is_over_before_it_could_be_told_is_told_whole_and_in_order() {
    let mut receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&[&destination]).await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 601).await;
    receiver.usually(Reply::Status(503));
    let mut courier = house.courier(&destination);
    deliver_with(&house, &mut courier).await;
    receiver.rest();
    house.clock.set(TEN + 900);
    house.ping("name=a&frequency=10m").await;
    receiver.usually(Reply::Status(200));
    house.clock.set(TEN + 1000);
    deliver_with(&house, &mut courier).await;
    let told: Vec<_> = receiver.rest().into_iter().map(|got| got.body).collect();
    let kinds: Vec<_> = told.iter().map(|body| body["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["service.overdue", "service.recovered"]);
    assert_eq!(told[0]["created_at"], "2026-11-25T10:10:01Z");
    assert_eq!(told[1]["created_at"], "2026-11-25T10:15:00Z");
    assert_eq!(told[1]["outage_seconds"], 300);
    let begins =
        |body: &serde_json::Value, words: &str| body["text"].as_str().unwrap().starts_with(words);
    assert!(begins(&told[0], "Delayed 6 min: OVERDUE a: ") && begins(&told[1], "RECOVERED a: "));
}
