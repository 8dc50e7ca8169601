//! What hands and other programs do to the file while it is served, and what clocks do.

use std::time::Duration;

use axum::body::Body;
use http_body_util::StreamBody;
use overdue::alerting::Step;
use overdue::config::{AlertFormat, Destination};
use overdue::store::Rules;

use crate::house::{House, TEN, destination, rules};
use crate::support::{Receiver, Reply};

async fn house_for(destination: &Destination) -> House {
    House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await
}

#[tokio::test]
async fn an_alert_deleted_by_hand_holds_up_none_that_follows() {
    let mut receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&destination).await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 601).await;
    house.edit("PRAGMA foreign_keys = OFF; DELETE FROM alerts").await;
    assert_eq!(house.count("SELECT count(*) FROM deliveries").await, 0);
    house.ping("name=a&frequency=10m").await;
    let mut courier = house.courier(&destination);
    courier.step(TEN + 601).await.unwrap();
    courier.settle().await;
    assert_eq!(receiver.next().await.body["type"], "service.recovered");
}

#[tokio::test]
async fn a_row_that_the_database_refuses_to_change_silences_no_other() {
    let house = House::new().await;
    for name in ["a", "b", "c"] {
        house.ping(&format!("name={name}&frequency=10m&timestamp=1000")).await;
    }
    house
        .edit("CREATE TRIGGER poison BEFORE UPDATE ON services WHEN NEW.name = 'b' BEGIN SELECT RAISE(ABORT, 'no'); END")
        .await;
    assert_eq!(house.sweep_at(TEN + 1).await, 2);
    assert_eq!(house.texts("SELECT service FROM alerts ORDER BY 1").await, ["a", "c"]);
    house.edit("DROP TRIGGER poison").await;
    assert_eq!(house.sweep_at(TEN + 2).await, 1);
}

#[tokio::test]
async fn between_two_pings_every_edit_counts_for_the_second() {
    let house = House::new().await;
    for (edit, asked, expected) in [
        (
            "UPDATE services SET frequency = 1200 WHERE name = 'a'",
            "SELECT deadline FROM services WHERE name = 'a'",
            TEN + 1200,
        ),
        (
            "UPDATE services SET grace = 60 WHERE name = 'a'",
            "SELECT deadline FROM services WHERE name = 'a'",
            TEN + 660,
        ),
        (
            "UPDATE services SET signals = 41, newest_ping = 0 WHERE name = 'a'",
            "SELECT signals FROM services WHERE name = 'a'",
            42,
        ),
        (
            "DELETE FROM services WHERE name = 'a'",
            "SELECT count(*) FROM services WHERE name = 'a'",
            0,
        ),
        (
            "UPDATE services SET name = 'c' WHERE name = 'b'",
            "SELECT count(*) FROM services WHERE name = 'b'",
            0,
        ),
    ] {
        for name in ["a", "b"] {
            house.ping(&format!("name={name}&frequency=10m")).await;
            house.get(&format!("/ping/{name}")).await;
        }
        assert_eq!(house.edit(edit).await, 1);
        house.get("/ping/a").await;
        house.get("/ping/b").await;
        assert_eq!(house.count(asked).await, expected, "{edit}");
    }
}

/// A ping in the second of the one before stores what it changes; a time that hands have set is changed by it.
#[tokio::test]
async fn a_time_set_by_hand_is_set_again_by_a_ping_in_the_second_of_the_one_before() {
    for (edit, asked, expected) in [
        (
            "UPDATE services SET deadline = last_ping - 9",
            "SELECT deadline FROM services",
            TEN + 600,
        ),
        (
            "UPDATE services SET expected = last_ping - 9",
            "SELECT expected FROM services",
            TEN + 600,
        ),
        (
            "UPDATE services SET last_success = last_ping - 9",
            "SELECT last_success FROM services",
            TEN,
        ),
        ("UPDATE services SET last_ping = last_ping - 9", "SELECT last_ping FROM services", TEN),
    ] {
        let house = House::new().await;
        for _ in 1..=2 {
            house.ping("name=a&frequency=10m").await;
        }
        house.edit(edit).await;
        // That is read along with a signal that moves nothing.
        house.get("/ping/a/log").await;
        assert_eq!(house.count(asked).await, TEN - 9, "{edit}");
        house.ping("name=a&frequency=10m").await;
        assert_eq!(house.count(asked).await, expected, "{edit}");
    }
}

#[tokio::test]
async fn what_somebodys_trigger_makes_of_a_ping_counts_for_the_next() {
    for edit in [
        "CREATE TRIGGER lenient AFTER UPDATE OF last_ping ON services BEGIN UPDATE services SET grace = grace + 60 WHERE id = NEW.id; END",
        "DROP TRIGGER services_renamed; CREATE TRIGGER services_renamed AFTER UPDATE OF last_ping ON services BEGIN UPDATE services SET grace = grace + 60 WHERE id = NEW.id; END",
    ] {
        let house = House::new().await;
        house.ping("name=a&frequency=10m").await;
        house.ping("name=a&frequency=10m").await;
        house.edit(edit).await;
        for pings in 1..=3 {
            house.ping("name=a&frequency=10m").await;
            assert_eq!(house.count("SELECT grace FROM services").await, 60 * pings);
            let deadline = house.count("SELECT deadline FROM services").await;
            assert_eq!(deadline, TEN + 600 + 60 * (pings - 1), "{edit}");
        }
    }
}

#[tokio::test]
async fn a_table_that_somebody_drops_between_two_pings_costs_503_and_keeps_nobody_waiting() {
    let house = House::new().await;
    for _ in 1..=2 {
        house.ping("name=a&frequency=10m").await;
    }
    house.edit("DROP VIEW status; ALTER TABLE services RENAME TO elsewhere").await;
    for _ in 1..=2 {
        assert_eq!(house.get("/ping?name=a&frequency=10m").await.status, 503);
    }
    house.edit("ALTER TABLE elsewhere RENAME TO services").await;
    house.ping("name=a&frequency=10m").await;
}

#[tokio::test]
async fn a_trigger_with_a_mistake_costs_503_until_it_is_dropped_and_keeps_nobody_waiting() {
    let house = House::new().await;
    for _ in 1..=3 {
        house.ping("name=a&frequency=10m").await;
    }
    house
        .edit("CREATE TRIGGER mistaken AFTER INSERT ON pings BEGIN INSERT INTO nowhere VALUES (1); END")
        .await;
    // By now the monitor also notes that it listens.
    house.clock.set(TEN + 2);
    let refused = house.get("/ping?name=a&frequency=10m");
    let refused = tokio::time::timeout(Duration::from_secs(20), refused).await;
    assert_eq!(refused.expect("an answer").status, 503);
    house.edit("DROP TRIGGER mistaken").await;
    house.ping("name=a&frequency=10m").await;
}

#[tokio::test]
async fn a_deadline_moved_by_hand_in_an_outage_is_told_of_when_it_passes() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 601).await;
    // Ten minutes more than the deadline of before.
    assert_eq!(house.edit("UPDATE services SET deadline = deadline + 600").await, 1);
    assert_eq!(house.sweep_at(TEN + 1200).await, 0);
    assert_eq!(house.sweep_at(TEN + 1201).await, 1);
    assert_eq!(house.count("SELECT count(*) FROM alerts WHERE kind = 'overdue'").await, 2);
}

#[tokio::test]
async fn times_that_are_none_panic_nobody() {
    let mut receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&destination).await;
    for name in ["a", "b", "well"] {
        house.ping(&format!("name={name}&frequency=10m&timestamp=1000")).await;
    }
    house.sweep_at(TEN + 1).await;
    house
        .edit(
            "UPDATE alerts SET created_at = -9223372036854775808 WHERE service = 'a';
             UPDATE deliveries SET attempts = 9223372036854775807 WHERE service = 'b';
             UPDATE monitor SET listening_until = -9223372036854775808, gap_from = 0, gap_to = 9223372036854775807,
                 hold_until = 9223372036854775807",
        )
        .await;
    let house = house.restart().await;
    house.sweep_at(TEN + 2).await;
    let mut courier = house.courier(&destination);
    while courier.step(TEN + 2).await.unwrap() != Step::Idle {
        courier.settle().await;
    }
    let mut told: Vec<_> =
        receiver.rest().into_iter().map(|got| got.body["name"].clone()).collect();
    told.sort_by_key(ToString::to_string);
    assert_eq!(told, ["b", "well"]);
    assert_eq!(house.texts("SELECT state FROM deliveries WHERE service = 'a'").await, ["given_up"]);
}

#[tokio::test]
async fn a_ping_whose_body_took_longer_than_its_frequency_ends_no_outage() {
    let house = House::new().await;
    house.ping("name=a&frequency=2s").await;
    assert_eq!(house.sweep_at(TEN + 3).await, 1);
    let clock = house.clock.clone();
    let slow = futures_util::stream::once(async move {
        clock.set(TEN + 9);
        Ok::<_, std::io::Error>(hyper::body::Frame::data(bytes::Bytes::from_static(b"x")))
    });
    let request =
        House::request("POST", "/ping/a").body(Body::new(StreamBody::new(Box::pin(slow)))).unwrap();
    let answer = house.answer(request).await;
    assert_eq!((answer.status, &answer.json["status"]), (200, &"overdue".into()));
    assert_eq!(house.sweep_at(TEN + 10).await, 0);
    assert_eq!(house.texts("SELECT kind FROM alerts").await, ["overdue"]);
}

#[tokio::test]
async fn a_clock_that_went_back_a_day_delays_no_delivery() {
    let receiver = Receiver::start().await;
    receiver.usually(Reply::Status(500));
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = house_for(&destination).await;
    house.ping("name=a&frequency=10m&timestamp=1000").await;
    house.sweep_at(TEN + 1).await;
    let mut courier = house.courier(&destination);
    courier.step(TEN + 1).await.unwrap();
    courier.settle().await;
    receiver.usually(Reply::Status(200));
    let back = TEN - 86_400;
    house.sweep_after_gap(back).await;
    assert_eq!(courier.step(back).await, Ok(Step::Sending(1)));
    courier.settle().await;
    assert_eq!(house.texts("SELECT state FROM deliveries").await, ["delivered"]);
}

#[tokio::test]
async fn a_database_that_is_moved_away_is_not_taken_for_a_place_to_store_pings() {
    let house = House::new().await;
    house.ping("name=a&frequency=1h").await;
    let (path, aside) = (house.database(), house.database().with_extension("aside"));
    std::fs::rename(&path, &aside).unwrap();
    assert_eq!(house.get("/ping/a").await.status, 503);
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(house.get("/ping/a").await.status, 200, "it heals when the file is back");
}

#[tokio::test]
async fn a_database_that_is_moved_away_shows_at_readyz_though_nobody_pings() {
    let house = House::new().await;
    house.ping("name=a&frequency=1h").await;
    let (path, aside) = (house.database(), house.database().with_extension("aside"));
    std::fs::rename(&path, &aside).unwrap();
    for second in TEN + 1..TEN + 9 {
        house.clock.set(second);
        assert!(house.sweeper.step(second).await.is_err());
    }
    let answer = house.get("/readyz").await;
    assert_eq!((answer.status, &answer.json["ready"]), (503, &false.into()), "{:?}", answer.json);
    std::fs::rename(&aside, &path).unwrap();
    house.sweep_after_gap(TEN + 9).await;
    assert_eq!(house.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn numbers_that_hands_have_made_too_large_end_nothing() {
    let house = House::new().await;
    house.ping("name=a&frequency=1h").await;
    house.ping("name=b&frequency=1h").await;
    house
        .edit(
            "UPDATE services SET running_since = 1, runs = '[[\"q\",-9223372036854775808,null]]' WHERE name = 'a'",
        )
        .await;
    assert_eq!(house.get("/ping/a?run=q").await.status, 503, "a row that cannot be read");
    assert_eq!(house.get("/ping/b").await.status, 200);
    assert_eq!(house.get("/ping/a?frequency=1h").await.status, 200, "is replaced");
    let mut connection = house.sqlite().await;
    for edit in [
        "UPDATE services SET signals = 9223372036854775807",
        "UPDATE services SET newest_ping = 9223372036854775807",
        "INSERT INTO pings (id, service, number, previous, at, received_at, signal)
         VALUES (9223372036854775807, 'a', 1, 0, 1, 1, 'log')",
    ] {
        let refused = sqlx::raw_sql(edit).execute(&mut connection).await;
        assert!(refused.unwrap_err().to_string().contains("CHECK"), "{edit}");
    }
}
