//! What is told of the monitor itself.

use overdue::alerting::{Client, Watchman};
use overdue::config::AlertFormat;

use crate::house::{House, TEN, destination, presentation, rules};
use crate::support::{Receiver, Reply};

fn watchman(house: &House, receivers: &[&Receiver]) -> Watchman {
    let destinations: Vec<_> =
        receivers.iter().map(|receiver| destination(&receiver.uri(), AlertFormat::Json)).collect();
    let (client, clock) = (Client::new().unwrap(), house.clock.clone());
    Watchman::new(&destinations, house.store.health(), client, presentation(), clock)
}

/// From now on nothing can be committed.
async fn break_the_store(house: &House) {
    house.edit("CREATE TRIGGER broken BEFORE UPDATE ON monitor BEGIN SELECT RAISE(ABORT, 'broken'); END").await;
}

#[tokio::test]
async fn a_monitor_that_can_store_nothing_says_so_again_every_hour_and_when_it_can_again() {
    let mut receiver = Receiver::start().await;
    let house = House::new().await;
    house.ping("name=a&frequency=1D").await;
    let mut watchman = watchman(&house, &[&receiver]);
    break_the_store(&house).await;
    house.clock.set(TEN + 10);
    assert!(house.sweeper.step(TEN + 10).await.is_err());
    assert_eq!(house.get("/ping/a").await.status, 503, "never a false 200");
    assert_eq!(watchman.step(TEN + 39).await, 0, "less than half a minute may be anything");
    assert_eq!(
        watchman.step(TEN + 40).await,
        0,
        "one look alone may have come after a pause of the process"
    );
    assert_eq!(watchman.step(TEN + 41).await, 1);
    assert_eq!(watchman.step(TEN + 42).await, 0);
    let failing = receiver.next().await.body;
    assert_eq!(failing["type"], "monitor.failing");
    insta::assert_snapshot!(failing["text"].as_str().unwrap(), @"MONITOR FAILING: 31 s. Nothing can be stored since 10:00 UTC; silence goes unnoticed until that ends.");
    assert_eq!(watchman.step(TEN + 3640).await, 0);
    assert_eq!(watchman.step(TEN + 3641).await, 1);
    let again = receiver.next().await.body;
    assert_eq!((&again["type"], &again["id"]), (&failing["type"], &failing["id"]));
    house.edit("DROP TRIGGER broken").await;
    house.sweep_after_gap(TEN + 3650).await;
    assert_eq!(watchman.step(TEN + 3650).await, 1);
    let recovered = receiver.next().await.body;
    assert_eq!(recovered["type"], "monitor.recovered");
    insta::assert_snapshot!(recovered["text"].as_str().unwrap(), @"MONITOR RECOVERED: after 1 h. It stores pings again; from 10:00 UTC on it could not.");
    assert_eq!(watchman.step(TEN + 9000).await, 0);
}

#[tokio::test]
async fn one_destination_that_fails_is_tried_again_and_costs_the_other_nothing() {
    let (broken, mut well) = (Receiver::start().await, Receiver::start().await);
    broken.usually(Reply::Status(500));
    let house = House::with(rules()).await;
    house.ping("name=a&frequency=1D").await;
    let mut watchman = watchman(&house, &[&broken, &well]);
    break_the_store(&house).await;
    house.clock.set(TEN + 10);
    assert!(house.sweeper.step(TEN + 10).await.is_err());
    watchman.step(TEN + 40).await;
    assert_eq!(watchman.step(TEN + 41).await, 1);
    assert_eq!(well.next().await.body["type"], "monitor.failing");
    broken.usually(Reply::Status(200));
    assert_eq!(watchman.step(TEN + 45).await, 0, "not before its pause is over");
    assert_eq!(watchman.step(TEN + 48).await, 1);
    assert!(well.rest().is_empty());
}

#[tokio::test]
async fn a_sweep_that_takes_long_is_no_failure_of_its_last_page() {
    let receiver = Receiver::start().await;
    let house = House::new().await;
    house.ping("name=a&frequency=1m").await;
    let mut watchman = watchman(&house, &[&receiver]);
    break_the_store(&house).await;
    // The page that fails is tried so long after the second that is swept.
    house.clock.set(TEN + 100);
    assert!(house.sweeper.step(TEN + 61).await.is_err());
    for second in [100, 101, 129] {
        assert_eq!(watchman.step(TEN + second).await, 0);
    }
    watchman.step(TEN + 130).await;
    assert_eq!(watchman.step(TEN + 131).await, 1, "it fails for half a minute");
}

#[tokio::test]
async fn an_idle_or_slow_store_is_no_failure() {
    let receiver = Receiver::start().await;
    let house = House::new().await;
    house.ping("name=a&frequency=1D").await;
    let mut watchman = watchman(&house, &[&receiver]);
    for second in [100, 101, 4000, 4001] {
        assert_eq!(watchman.step(TEN + second).await, 0);
    }
}
