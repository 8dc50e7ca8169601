//! Upkeep: what lasts is told again and again to a destination that forgets.

use overdue::alerting::{Courier, Pulse, Step};
use overdue::config::{AlertFormat, Destination};
use overdue::core::alert::Kind;
use overdue::core::text::rfc3339;
use overdue::store::Rules;
use serde_json::Value;

use crate::house::{House, TEN, destination, rules};
use crate::support::{Got, Receiver, Reply};

/// How long a post holds.
const HOLDS: i64 = 600;

struct Office {
    house: House,
    receiver: Receiver,
    destination: Destination,
}

impl Office {
    async fn open() -> Self {
        let receiver = Receiver::start().await;
        let destination = destination(&receiver.uri(), AlertFormat::Alertmanager);
        let house = House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await;
        Self { house, receiver, destination }
    }

    /// The same, with one service of which the destination was told.
    async fn with_one_told() -> (Self, Courier) {
        let mut office = Self::open().await;
        office.house.ping("name=a&frequency=10m").await;
        office.house.sweep_at(TEN + 601).await;
        let mut courier = office.house.courier(&office.destination);
        assert_eq!(
            office.deliver(&mut courier).await.len(),
            2,
            "and what lasts, once at the start"
        );
        (office, courier)
    }

    /// Lets the courier do what there is to do now.
    async fn deliver(&mut self, courier: &mut Courier) -> Vec<Got> {
        while courier.step(self.house.clock.now()).await.unwrap() != Step::Idle {
            courier.settle().await;
        }
        self.receiver.rest()
    }

    async fn deliver_at(&mut self, courier: &mut Courier, now: i64) -> Vec<Got> {
        self.house.clock.set(now);
        self.deliver(courier).await
    }
}

/// The services that a post tells of, each with its end.
fn told(got: &Got) -> Vec<(String, String)> {
    let word = |alert: &Value, at: &str| alert.pointer(at).unwrap().as_str().unwrap().to_owned();
    let alerts = got.body.as_array().unwrap().iter();
    alerts.map(|alert| (word(alert, "/labels/service"), word(alert, "/endsAt"))).collect()
}

#[tokio::test]
async fn an_outage_that_lasts_is_posted_again_every_minute_and_nothing_is_written() {
    let (mut office, mut courier) = Office::with_one_told().await;
    let began = office.house.clock.now();
    // Changes whenever another connection has written.
    let mut connection = office.house.sqlite().await;
    let mut version = async || -> i64 {
        let version = sqlx::query_scalar("PRAGMA data_version");
        version.fetch_one(&mut connection).await.unwrap()
    };
    let before = version().await;
    assert!(office.deliver_at(&mut courier, began + 59).await.is_empty());
    for minute in 1..=3 {
        let now = began + 60 * minute;
        let got = office.deliver_at(&mut courier, now).await;
        assert_eq!(got.len(), 1, "minute {minute}");
        assert_eq!(told(&got[0]), [("a".to_owned(), rfc3339(now + HOLDS))]);
        assert_eq!(got[0].body[0]["startsAt"], rfc3339(TEN + 600));
    }
    assert_eq!(version().await, before);
    assert_eq!(office.house.count("SELECT count(*) FROM alerts").await, 1);
}

#[tokio::test]
async fn what_is_posted_again_speaks_of_now_and_is_no_late_delivery() {
    let (mut office, mut courier) = Office::with_one_told().await;
    let got = office.deliver_at(&mut courier, TEN + 600 + 7200).await;
    insta::assert_snapshot!(got[0].body[0]["annotations"]["summary"].as_str().unwrap(), @"OVERDUE a: 2 h late. Expected by 10:10 UTC. Last success 10:00.");
    let id = office.house.texts("SELECT id FROM alerts").await.remove(0);
    assert_eq!(got[0].headers["webhook-id"], format!("{id}-{}", TEN + 7800));
}

#[tokio::test]
async fn the_first_post_again_after_a_restart_comes_at_once() {
    let (mut office, _courier) = Office::with_one_told().await;
    office.house = office.house.restart().await;
    let mut courier = office.house.courier(&office.destination);
    let again = office.deliver(&mut courier).await;
    assert_eq!((again.len(), told(&again[0]).len()), (1, 1));
    assert!(office.deliver(&mut courier).await.is_empty());
}

#[tokio::test]
async fn an_outage_that_has_ended_or_was_never_told_is_not_posted_again() {
    let (mut office, mut courier) = Office::with_one_told().await;
    office.house.ping("name=a&frequency=1D").await;
    let end = office.deliver(&mut courier).await;
    assert_eq!(told(&end[0]), [("a".to_owned(), rfc3339(TEN + 601))]);
    // One that the destination refuses to hear of.
    office.receiver.usually(Reply::Status(400));
    office.house.ping(&format!("name=b&frequency=10m&timestamp={}", TEN - 1000)).await;
    office.house.sweep_at(TEN + 602).await;
    assert_eq!(office.deliver(&mut courier).await.len(), 1);
    office.receiver.usually(Reply::Status(200));
    office
        .house
        .edit("UPDATE deliveries SET next_attempt = 4000000000 WHERE state = 'pending'")
        .await;
    assert!(office.deliver_at(&mut courier, TEN + 700).await.is_empty());
}

#[tokio::test]
async fn an_outage_opened_again_in_the_same_second_waits_for_its_own_alert() {
    let mut office = Office::open().await;
    let ping = |frequency: &str| format!("name=a&frequency={frequency}&timestamp={}", TEN - 1000);
    let mut courier = office.house.courier(&office.destination);
    office.house.ping(&ping("10m")).await;
    office.house.sweep_at(TEN + 1).await;
    office.deliver(&mut courier).await;
    office.house.ping(&ping("1D")).await;
    office.deliver(&mut courier).await;
    office.house.ping(&ping("10m")).await;
    office.house.sweep_at(TEN + 2).await;
    office
        .house
        .edit("UPDATE deliveries SET next_attempt = 4000000000 WHERE state = 'pending'")
        .await;
    assert!(
        office.deliver_at(&mut courier, TEN + 70).await.is_empty(),
        "its end was delivered last, and the new alert was not delivered yet"
    );
}

#[tokio::test]
async fn an_end_that_is_raised_meanwhile_waits_for_the_post_and_comes_after_it() {
    let (mut office, mut courier) = Office::with_one_told().await;
    let now = TEN + 661;
    office.house.clock.set(now);
    office.receiver.then([Reply::Slow(300)]);
    assert_eq!(courier.step(now).await, Ok(Step::Sending(1)));
    let again = office.receiver.next().await;
    office.house.ping("name=a&frequency=1D").await;
    assert_eq!(courier.step(now).await, Ok(Step::Sending(1)), "nothing overtakes it");
    assert!(office.receiver.rest().is_empty());
    courier.settle().await;
    let end = office.deliver(&mut courier).await;
    assert_eq!(told(&again), [("a".to_owned(), rfc3339(now + HOLDS))]);
    assert_eq!(told(&end[0]), [("a".to_owned(), rfc3339(now))]);
    assert_eq!(end.len(), 1);
}

#[tokio::test]
async fn a_failure_is_kept_up_as_a_failure_and_as_silence_once_it_is_silent() {
    let mut office = Office::open().await;
    let mut courier = office.house.courier(&office.destination);
    office.house.ping("name=a&frequency=10m").await;
    office.house.clock.set(TEN + 10);
    assert_eq!(office.house.get("/ping/a/fail").await.status, 200);
    office.deliver(&mut courier).await;
    let summary = |got: &[Got]| {
        assert_eq!((got.len(), told(&got[0]).len()), (1, 1));
        assert_eq!(got[0].body[0]["startsAt"], rfc3339(TEN + 10));
        got[0].body[0]["annotations"]["summary"].as_str().unwrap().to_owned()
    };
    let failed = summary(&office.deliver_at(&mut courier, TEN + 300).await);
    assert!(failed.starts_with("FAILED a"), "{failed}");
    office.house.sweep_at(TEN + 611).await;
    office.deliver(&mut courier).await;
    let silent = summary(&office.deliver_at(&mut courier, TEN + 900).await);
    assert!(silent.starts_with("OVERDUE a"), "{silent}");
    office.house.ping("name=a&frequency=1D").await;
    office.deliver(&mut courier).await;
    assert!(office.deliver_at(&mut courier, TEN + 1200).await.is_empty());
}

#[tokio::test]
async fn it_waits_for_what_is_in_flight_and_then_goes_before_the_rest() {
    let (mut office, mut courier) = Office::with_one_told().await;
    for job in 0..20 {
        office.house.ping(&format!("name=job-{job}&frequency=10m&timestamp=1000")).await;
    }
    office.house.sweep_at(TEN + 661).await;
    let now = office.house.clock.now();
    office.receiver.then([Reply::Slow(300)]);
    assert_eq!(courier.step(now).await, Ok(Step::Sending(8)));
    assert_eq!(courier.step(now).await, Ok(Step::Sending(8)));
    courier.settle().await;
    assert_eq!(office.receiver.rest().len(), 8);
    assert_eq!(courier.step(now).await, Ok(Step::Sending(1)));
    courier.settle().await;
    let again = office.receiver.next().await;
    // What was delivered a moment ago lasts, too.
    assert_eq!(told(&again).len(), 9);
    assert_eq!(office.deliver(&mut courier).await.len(), 12);
}

#[tokio::test]
async fn a_destination_that_fails_is_probed_by_it_and_by_nothing_beside_it() {
    let (mut office, _courier) = Office::with_one_told().await;
    let pulse = Pulse::default();
    let mut courier = office.house.courier_with(&office.destination, pulse);
    office.receiver.usually(Reply::Status(503));
    let began = office.house.clock.now();
    assert_eq!(office.deliver_at(&mut courier, began).await.len(), 1);
    assert!(office.deliver_at(&mut courier, began + 4).await.is_empty());
    assert_eq!(office.deliver_at(&mut courier, began + 6).await.len(), 1, "the first probe");
    assert!(office.deliver_at(&mut courier, began + 20).await.is_empty());
    office.house.ping("name=b&frequency=10m&timestamp=1000").await;
    office.house.sweep_at(began + 23).await;
    let probe = office.deliver(&mut courier).await;
    assert_eq!((probe.len(), told(&probe[0])[0].0.as_str()), (1, "b"), "a delivery goes first");
    office.receiver.usually(Reply::Status(200));
    let all = office.deliver_at(&mut courier, began + 60).await;
    let names: Vec<usize> = all.iter().map(|got| told(got).len()).collect();
    assert_eq!(names, [1, 2], "the delivery, then both outages");
}

#[tokio::test]
async fn one_that_hangs_is_not_waited_for_and_the_end_of_the_outage_is_the_next_to_leave() {
    let (mut office, _courier) = Office::with_one_told().await;
    office.destination.timeout_seconds = 1;
    let mut courier = office.house.courier(&office.destination);
    let now = TEN + 661;
    office.house.clock.set(now);
    office.receiver.then([Reply::Hang]);
    assert_eq!(courier.step(now).await, Ok(Step::Sending(1)));
    office.receiver.next().await;
    office.house.ping("name=a&frequency=1D").await;
    courier.settle().await;
    assert_eq!(courier.step(now + 1).await, Ok(Step::Idle), "the destination fails");
    let rest = office.deliver_at(&mut courier, now + 6).await;
    assert_eq!(rest.iter().map(told).collect::<Vec<_>>(), [[("a".to_owned(), rfc3339(now))]]);
}

#[tokio::test]
async fn many_outages_are_posted_in_pages_and_each_once() {
    let mut office = Office::open().await;
    office
        .house
        .edit(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
             INSERT INTO services (name, frequency, deadline) SELECT 'job ' || i, 60, 1000 FROM n",
        )
        .await;
    assert_eq!(office.house.sweep_after_gap(TEN).await, 1200);
    office.house.edit("UPDATE deliveries SET state = 'delivered'").await;
    let mut courier = office.house.courier(&office.destination);
    let got = office.deliver(&mut courier).await;
    let sizes: Vec<usize> = got.iter().map(|got| told(got).len()).collect();
    assert_eq!(sizes, [500, 500, 200]);
    let mut names: Vec<_> = got.iter().flat_map(told).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 1200);
    assert!(office.deliver_at(&mut courier, TEN + 59).await.is_empty());
    assert_eq!(office.deliver_at(&mut courier, TEN + 60).await.len(), 3);
}

#[tokio::test]
async fn who_is_told_of_silence_alone_or_of_other_services_is_told_no_more_than_that() {
    let (mut office, _courier) = Office::with_one_told().await;
    let mut of_ends = office.destination.clone();
    of_ends.route.kinds = vec![Kind::Recovered];
    let mut of_others = office.destination.clone();
    let globs = globset::GlobSetBuilder::new().add(globset::Glob::new("b*").unwrap()).build();
    of_others.route.services = Some(globs.unwrap());
    for other in [of_ends, of_others] {
        let mut courier = office.house.courier(&other);
        assert!(office.deliver(&mut courier).await.is_empty());
    }
    let mut forgetful_of_nothing = office.destination.clone();
    forgetful_of_nothing.format = AlertFormat::Json;
    let mut courier = office.house.courier(&forgetful_of_nothing);
    assert!(office.deliver(&mut courier).await.is_empty());
}

#[tokio::test]
async fn a_clock_that_went_back_stops_it_for_no_longer_than_an_hour() {
    let (mut office, mut courier) = Office::with_one_told().await;
    assert_eq!(office.deliver_at(&mut courier, TEN - 86_400).await.len(), 1);
}
