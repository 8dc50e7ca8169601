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
    let mut courier = house.courier(destination);
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
