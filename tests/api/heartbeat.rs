//! The heart that beats only while all goes well.

use overdue::alerting::{Client, Heart, Pulse};
use overdue::config::AlertFormat;
use overdue::store::Rules;

use crate::house::{House, TEN, destination, rules};
use crate::support::{Receiver, Reply};

fn heart(house: &House, receiver: &Receiver, pulse: &Pulse) -> Heart {
    let (client, clock) = (Client::new().unwrap(), house.clock.clone());
    Heart::new(receiver.uri().parse().unwrap(), pulse.clone(), &house.store, client, clock)
}

#[tokio::test]
async fn it_beats_while_sweeps_and_commits_succeed_and_stops_when_they_do_not() {
    let mut receiver = Receiver::start().await;
    let house = House::new().await;
    let heart = heart(&house, &receiver, &Pulse::default());
    assert!(!heart.step(TEN).await, "nothing was swept yet");
    house.ping("name=a&frequency=1D").await;
    house.sweep_at(TEN + 1).await;
    assert!(heart.step(TEN + 2).await);
    assert_eq!(receiver.next().await.method, "GET");
    assert!(!heart.step(TEN + 60).await, "the last sweep is too long ago");
    house.sweep_at(TEN + 60).await;
    assert!(heart.step(TEN + 60).await);
    house.edit("CREATE TRIGGER broken BEFORE UPDATE ON monitor BEGIN SELECT RAISE(ABORT, 'broken'); END").await;
    house.clock.set(TEN + 70);
    assert!(house.sweeper.step(TEN + 70).await.is_err());
    assert!(!heart.step(TEN + 101).await);
    house.edit("DROP TRIGGER broken").await;
    house.sweep_at(TEN + 102).await;
    assert!(heart.step(TEN + 102).await);
}

#[tokio::test]
async fn a_destination_that_fails_for_five_minutes_stops_it() {
    let (broken, receiver) = (Receiver::start().await, Receiver::start().await);
    broken.usually(Reply::Status(500));
    let destination = destination(&broken.uri(), AlertFormat::Json);
    let house = House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await;
    let pulse = Pulse::default();
    let heart = heart(&house, &receiver, &pulse);
    house.ping("name=a&frequency=10m&timestamp=1000").await;
    house.sweep_at(TEN + 1).await;
    let mut courier = house.courier_with(&destination, pulse);
    courier.step(TEN + 1).await.unwrap();
    courier.settle().await;
    house.sweep_at(TEN + 300).await;
    assert!(heart.step(TEN + 300).await);
    house.sweep_at(TEN + 301).await;
    assert!(!heart.step(TEN + 301).await);
    broken.usually(Reply::Status(200));
    courier.step(TEN + 301).await.unwrap();
    courier.settle().await;
    assert!(heart.step(TEN + 301).await);
}
