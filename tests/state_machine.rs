//! The state machine of a service against a naive model: random histories of pings and sweeps, with clocks that jump.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use overdue::core::alert::Kind;
use overdue::core::frequency::{Frequency, Grace};
use overdue::core::name::Name;
use overdue::core::ping::{Ping, Refusal, Terms, ping as decide};
use overdue::core::service::{self, Service};
use proptest::prelude::*;

/// What happens to a service.
#[derive(Clone, Debug)]
enum Event {
    /// A ping whose timestamp is so many seconds from now, or none.
    Ping {
        frequency: Option<i64>,
        grace: Option<i64>,
        from_now: Option<i64>,
    },
    Sweep,
    /// The clock goes on by so much, or back.
    Clock(i64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let ping = (
        proptest::option::weighted(0.6, 1..200_i64),
        proptest::option::weighted(0.3, 0..100_i64),
        proptest::option::weighted(0.5, -300..90_i64),
    );
    let ping =
        ping.prop_map(|(frequency, grace, from_now)| Event::Ping { frequency, grace, from_now });
    let clock = prop_oneof![9 => 0..150_i64, 1 => -4000..4000_i64].prop_map(Event::Clock);
    proptest::collection::vec(prop_oneof![3 => ping, 3 => Just(Event::Sweep), 3 => clock], 1..60)
}

/// The rules as one would tell them to a friend, with nothing optimised or shared.
#[derive(Default)]
struct Model {
    known: bool,
    frequency: i64,
    grace: i64,
    last_ping: i64,
    told: bool,
    outage: Option<i64>,
}

impl Model {
    fn deadline(&self) -> i64 {
        self.last_ping + self.frequency + self.grace
    }

    /// Whether the ping is accepted, and the outage that it ends.
    fn ping(
        &mut self,
        now: i64,
        frequency: Option<i64>,
        grace: Option<i64>,
        timestamp: Option<i64>,
    ) -> Result<Option<i64>, Refusal> {
        if !self.known && frequency.is_none() {
            return Err(Refusal::Unknown);
        }
        let mut at = now;
        match timestamp {
            Some(timestamp) => {
                if timestamp > now + 60 {
                    return Err(Refusal::Ahead);
                }
                if self.known && timestamp < self.last_ping {
                    return Err(Refusal::Older { last_ping: self.last_ping });
                }
                at = timestamp;
            }
            None => {
                if self.known && self.last_ping > now && self.last_ping <= now + 60 {
                    at = self.last_ping;
                }
            }
        }
        self.known = true;
        self.last_ping = at;
        self.frequency = frequency.unwrap_or(self.frequency);
        self.grace = grace.unwrap_or(self.grace);
        if self.deadline() < now {
            return Ok(None);
        }
        self.told = false;
        Ok(self.outage.take())
    }

    fn sweep(&mut self, now: i64) -> bool {
        let raises = self.known && self.deadline() < now && !self.told;
        if raises {
            self.told = true;
            self.outage = self.outage.or(Some(self.deadline()));
        }
        raises
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_history_gives_what_the_naive_model_gives(events in events()) {
        let name = Name::parse("a").unwrap();
        let mut now = 1_000_000;
        let mut stored: Option<Service> = None;
        let mut model = Model::default();
        for event in events {
            match event {
                Event::Clock(by) => now += by,
                Event::Ping { frequency, grace, from_now } => {
                    let timestamp = from_now.map(|from_now| now + from_now);
                    let terms = Terms {
                        frequency: frequency.and_then(Frequency::from_seconds),
                        grace: grace.and_then(Grace::from_seconds),
                        ..Terms::default()
                    };
                    let ping = Ping { timestamp, terms, ..Ping::new(name.clone(), now) };
                    let expected = model.ping(now, frequency, grace, timestamp);
                    let change = decide(stored.as_ref(), &ping, Grace::ZERO, now).map(|decision| decision.change);
                    match (change, expected) {
                        (Ok(change), Ok(ended)) => {
                            let recovered = change.alert.as_ref().map(|alert| (alert.kind, alert.outage_since));
                            prop_assert_eq!(recovered, ended.map(|since| (Kind::Recovered, since)));
                            if timestamp.is_none() {
                                prop_assert!(change.service.last_ping >= Some(now));
                            }
                            stored = Some(change.service);
                        }
                        (change, expected) => prop_assert_eq!(change.map(|_| None), expected),
                    }
                }
                Event::Sweep => {
                    let change = stored.as_ref().and_then(|stored| service::sweep(stored, now, None));
                    prop_assert_eq!(change.is_some(), model.sweep(now));
                    if let Some(change) = change {
                        let alert = change.alert.unwrap();
                        prop_assert!(alert.about < now, "never early");
                        prop_assert_eq!((alert.kind, alert.about), (Kind::Overdue, model.deadline()));
                        stored = Some(change.service);
                    }
                }
            }
            if let Some(stored) = &stored {
                prop_assert_eq!(stored.last_ping, Some(model.last_ping));
                prop_assert_eq!(stored.expected, Some(model.last_ping + model.frequency));
                prop_assert_eq!(stored.deadline, Some(model.deadline()));
                prop_assert_eq!((stored.alerted, stored.outage_since), (model.told, model.outage));
            }
        }
    }
}
