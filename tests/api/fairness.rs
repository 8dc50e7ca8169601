//! Judging silence fairly: gaps, holds, and what is uncertain.

use crate::house::{House, TEN};

/// The alerts so far: kind, service, and the gap that makes it uncertain.
async fn alerts(house: &House) -> Vec<String> {
    house
        .texts(
            "SELECT kind || ' ' || service || coalesce(' ' || uncertain_from || '-' || uncertain_to, '')
             FROM alerts ORDER BY seq",
        )
        .await
}

#[tokio::test]
async fn after_a_gap_silence_is_held_against_nobody_until_the_hold_ends() {
    let house = House::new().await;
    house.ping("name=patient&frequency=10m").await;
    house.ping("name=lives&frequency=10m").await;
    // Away for a quarter of an hour, in which both deadlines passed.
    let back = TEN + 900;
    assert_eq!(house.sweep_after_gap(back).await, 0);
    house.clock.set(back + 5);
    house.ping("name=lives&frequency=10m").await;
    assert_eq!(house.sweep_at(back + 59).await, 0);
    assert_eq!(house.sweep_at(back + 60).await, 1);
    assert_eq!(alerts(&house).await, [format!("overdue patient {TEN}-{back}")]);
}

#[tokio::test]
async fn a_gap_of_ten_seconds_is_not_held() {
    let house = House::new().await;
    house.ping("name=a&frequency=5s").await;
    assert_eq!(house.sweep_after_gap(TEN + 10).await, 1);
    assert_eq!(alerts(&house).await, ["overdue a"]);
}

#[tokio::test]
async fn what_was_overdue_before_the_gap_is_told_at_once() {
    let house = House::new().await;
    house.ping(&format!("name=old&frequency=10m&timestamp={}", TEN - 5000)).await;
    assert_eq!(house.sweep_after_gap(TEN + 900).await, 1);
    assert_eq!(alerts(&house).await, ["overdue old"]);
}

#[tokio::test]
async fn nobody_is_held_longer_than_their_own_frequency() {
    let house = House::new().await;
    house.ping("name=quick&frequency=5s").await;
    house.ping("name=slow&frequency=2m").await;
    let back = TEN + 900;
    assert_eq!(house.sweep_after_gap(back).await, 0);
    assert_eq!(house.sweep_at(back + 4).await, 0);
    assert_eq!(house.sweep_at(back + 5).await, 1);
    assert_eq!(alerts(&house).await, [format!("overdue quick {TEN}-{back}")]);
    assert_eq!(house.sweep_at(back + 60).await, 1);
}

#[tokio::test]
async fn a_ping_that_is_first_after_the_gap_does_not_hide_it() {
    let house = House::new().await;
    house.ping("name=patient&frequency=10m").await;
    house.clock.set(TEN + 900);
    // Its batch commits before the first sweep does.
    house.ping("name=other&frequency=10m").await;
    assert_eq!(house.sweep_at(TEN + 959).await, 0);
    assert_eq!(house.sweep_at(TEN + 960).await, 1);
}

#[tokio::test]
async fn a_restart_within_the_hold_keeps_it_and_a_further_gap_extends_it() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_after_gap(TEN + 900).await;
    let house = house.restart().await;
    assert_eq!(house.sweep_at(TEN + 910).await, 0);
    let house = house.restart().await;
    assert_eq!(house.sweep_after_gap(TEN + 940).await, 0);
    assert_eq!(house.sweep_at(TEN + 999).await, 0, "960 would have been the end of the first hold");
    assert_eq!(house.sweep_at(TEN + 1000).await, 1);
    assert_eq!(alerts(&house).await, [format!("overdue a {TEN}-{}", TEN + 940)]);
}

#[tokio::test]
async fn a_deadline_within_the_hold_is_uncertain_and_one_after_it_is_not() {
    let house = House::new().await;
    house.ping("name=within&frequency=10m").await;
    house.ping("name=after&frequency=20m").await;
    let back = TEN + 590;
    house.sweep_after_gap(back).await;
    assert_eq!(house.sweep_at(back + 60).await, 1);
    assert_eq!(house.sweep_at(TEN + 1201).await, 1);
    assert_eq!(
        alerts(&house).await,
        [format!("overdue within {TEN}-{back}"), "overdue after".to_owned()]
    );
}

#[tokio::test]
async fn a_clock_that_jumps_forward_is_a_gap_and_one_that_jumps_back_changes_no_deadline() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    assert_eq!(house.sweep_after_gap(TEN + 3600).await, 0, "an hour forward");
    house.clock.set(TEN + 10);
    assert_eq!(house.sweep_after_gap(TEN + 10).await, 0, "and back");
    assert_eq!(house.count("SELECT deadline FROM services").await, TEN + 600);
    house.ping("name=a&frequency=10m").await;
    assert_eq!(house.count("SELECT deadline FROM services").await, TEN + 610);
}

#[tokio::test]
async fn without_a_hold_it_is_told_at_once_and_marked_all_the_same() {
    let rules = overdue::store::Rules { hold_seconds: 0, ..crate::house::rules() };
    let house = House::with(rules).await;
    house.ping("name=a&frequency=10m").await;
    assert_eq!(house.sweep_after_gap(TEN + 900).await, 1);
    assert_eq!(alerts(&house).await, [format!("overdue a {TEN}-{}", TEN + 900)]);
}

#[tokio::test]
async fn a_clean_stop_is_remembered_to_the_second() {
    let house = House::new().await;
    house.ping("name=a&frequency=5s").await;
    house.clock.set(TEN + 4);
    let house = house.restart().await;
    assert_eq!(house.count("SELECT listening_until FROM monitor").await, TEN + 4);
    assert_eq!(house.sweep_after_gap(TEN + 14).await, 1, "ten seconds are no gap");
}

#[tokio::test]
async fn an_idle_monitor_writes_nothing_but_that_it_listens() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 5).await;
    assert_eq!(house.count("SELECT listening_until FROM monitor").await, TEN);
    house.sweep_after_gap(TEN + 6).await;
    assert_eq!(house.count("SELECT listening_until FROM monitor").await, TEN + 6);
}

#[tokio::test]
async fn thirty_clients_that_retry_are_not_told_of_after_twenty_seconds_away() {
    let house = House::new().await;
    let ping = async |house: &House, numbers: std::ops::Range<usize>| {
        for number in numbers {
            house.ping(&format!("name=job-{number}&frequency=10s")).await;
        }
    };
    ping(&house, 0..30).await;
    house.clock.set(TEN + 1);
    let house = house.restart().await;
    // Away for twenty seconds, in which every deadline passed; they try again every few seconds.
    let back = TEN + 21;
    assert_eq!(house.sweep_after_gap(back).await, 0);
    for round in 0..5 {
        house.clock.set(back + round);
        ping(&house, usize::try_from(round).unwrap() * 6..usize::try_from(round).unwrap() * 6 + 6)
            .await;
        assert_eq!(house.sweep_after_gap(back + round).await, 0);
    }
    assert_eq!(house.sweep_at(back + 10).await, 0);
    assert_eq!(house.count("SELECT count(*) FROM alerts").await, 0);
}

#[tokio::test]
async fn thirty_clients_that_do_not_retry_are_told_of_as_uncertain() {
    let house = House::new().await;
    for number in 0..30 {
        house.ping(&format!("name=job-{number}&frequency=10s")).await;
    }
    let house = house.restart().await;
    assert_eq!(house.sweep_after_gap(TEN + 20).await, 0);
    assert_eq!(house.sweep_at(TEN + 30).await, 30);
    let uncertain = format!("{TEN}-{}", TEN + 20);
    assert!(alerts(&house).await.iter().all(|alert| alert.ends_with(&uncertain)));
}
