//! The state machine of a service against a naive model: random histories of signals, sweeps and their owners' actions,
//! with clocks that jump; and every pair of a status and a signal by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "model/mod.rs"]
mod model;

use model::{Ask, No, Watched};
use overdue::core::alert::{Kind, Reason};
use overdue::core::frequency::{Frequency, Grace};
use overdue::core::name::Name;
use overdue::core::ping::{Ping, Refusal, Terms, ping as decide};
use overdue::core::service::{self, Service};
use overdue::core::signal::{RunId, Signal};
use proptest::prelude::*;

/// What happens to a service.
#[derive(Clone, Debug)]
enum Event {
    /// A ping whose timestamp is so many seconds from now, or none.
    Ping {
        signal: Signal,
        frequency: Option<i64>,
        grace: Option<i64>,
        max_runtime: Option<i64>,
        from_now: Option<i64>,
    },
    Sweep,
    Pause,
    Resume,
    /// The clock goes on by so much, or back.
    Clock(i64),
}

fn signals() -> impl Strategy<Value = Signal> {
    prop_oneof![
        4 => Just(Signal::Success),
        3 => Just(Signal::Start),
        2 => Just(Signal::Fail),
        1 => Just(Signal::Exit(0)),
        1 => Just(Signal::Exit(7)),
        1 => Just(Signal::Log),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let ping = (
        signals(),
        proptest::option::weighted(0.6, 1..200_i64),
        proptest::option::weighted(0.3, 0..100_i64),
        proptest::option::weighted(0.2, 1..150_i64),
        proptest::option::weighted(0.5, -300..90_i64),
    );
    let ping = ping.prop_map(|(signal, frequency, grace, max_runtime, from_now)| Event::Ping {
        signal,
        frequency,
        grace,
        max_runtime,
        from_now,
    });
    let clock = prop_oneof![9 => 0..150_i64, 1 => -4000..4000_i64].prop_map(Event::Clock);
    let event = prop_oneof![
        8 => ping,
        6 => Just(Event::Sweep),
        6 => clock,
        1 => Just(Event::Pause),
        1 => Just(Event::Resume),
    ];
    proptest::collection::vec(event, 1..60)
}

/// What the two are asked.
fn of_the_program(name: &Name, ask: &Ask) -> Ping {
    let terms = Terms {
        frequency: ask.terms.every.and_then(Frequency::from_seconds),
        grace: ask.terms.grace.and_then(Grace::from_seconds),
        max_runtime: ask.terms.max_runtime.and_then(Frequency::from_seconds),
        ..Terms::default()
    };
    let (signal, timestamp) = (ask.signal, ask.timestamp);
    Ping { signal, timestamp, terms, ..Ping::new(name.clone(), ask.received) }
}

/// The program's refusal in the model's words.
fn refusal(refusal: Refusal) -> No {
    match refusal {
        Refusal::Older { last_ping } => No::Older(last_ping),
        Refusal::Unknown => No::Unknown,
        Refusal::Ahead => No::Ahead,
        Refusal::ZoneWithoutCron => No::ZoneWithoutCron,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn every_history_gives_what_the_naive_model_gives(events in events()) {
        let name = Name::parse("a").unwrap();
        let mut now = 1_000_000;
        let mut stored: Option<Service> = None;
        let mut modelled: Option<Watched> = None;
        for event in events {
            let (told, expected) = match event {
                Event::Clock(by) => {
                    now += by;
                    (None, None)
                }
                Event::Ping { signal, frequency, grace, max_runtime, from_now } => {
                    let terms =
                        model::Terms { every: frequency, grace, max_runtime, ..model::Terms::default() };
                    let timestamp = from_now.map(|from_now| now + from_now);
                    let (run, if_new, received, duration_ms) = (None, false, now, None);
                    let ask = Ask { signal, run, terms, if_new, timestamp, received, duration_ms };
                    let expected = model::ping(modelled.as_ref(), &ask, 0, now);
                    let ping = of_the_program(&name, &ask);
                    match (decide(stored.as_ref(), &ping, Grace::ZERO, now), expected) {
                        (Ok(decision), Ok(expected)) => {
                            stored = Some(decision.change.service);
                            modelled = Some(expected.service);
                            prop_assert_eq!(decision.at, expected.at);
                            prop_assert_eq!(decision.duration_ms, expected.duration_ms);
                            (decision.change.alert, expected.told)
                        }
                        (decision, expected) => {
                            let decision = decision.map(|_| ()).map_err(refusal);
                            prop_assert_eq!(decision, expected.map(|_| ()));
                            (None, None)
                        }
                    }
                }
                Event::Sweep => {
                    let change = stored.as_ref().and_then(|stored| service::sweep(stored, now, None));
                    let alert = change.and_then(|change| {
                        stored = Some(change.service);
                        change.alert
                    });
                    if let Some(alert) = &alert {
                        prop_assert!(alert.about < now, "never early");
                    }
                    (alert, modelled.as_mut().and_then(|modelled| modelled.sweep(now, None)))
                }
                Event::Pause => match (&stored, &mut modelled) {
                    (Some(service), Some(modelled)) => {
                        let change = service::pause(service, now);
                        stored = Some(change.service);
                        (change.alert, modelled.pause(now))
                    }
                    _ => (None, None),
                },
                Event::Resume => {
                    stored = stored.map(|stored| service::resume(&stored, now).service);
                    if let Some(modelled) = &mut modelled {
                        modelled.resume(now);
                    }
                    (None, None)
                }
            };
            let words = |told: model::Told| (told.kind, told.about, told.since, told.reason);
            let told = told.map(|alert| {
                (alert.kind, alert.about, alert.outage_since, alert.reason.map(Reason::as_str))
            });
            prop_assert_eq!(told, expected.map(words));
            prop_assert_eq!(stored.is_some(), modelled.is_some());
            if let (Some(stored), Some(modelled)) = (&stored, &modelled) {
                prop_assert_eq!(stored.last_ping, modelled.last_ping);
                prop_assert_eq!(stored.last_success, modelled.last_success);
                prop_assert_eq!(stored.expected, modelled.expected);
                prop_assert_eq!((stored.deadline, stored.alerted), (modelled.deadline, modelled.told));
                prop_assert_eq!(stored.status(now).as_str(), modelled.status(now));
                prop_assert_eq!(stored.runs.running_since(), modelled.running());
                prop_assert_eq!(stored.outage_since, modelled.outage);
            }
        }
    }
}

/// Noon of some day, as good as any.
const NOON: i64 = 1_000_000;

/// A service of ten minutes and a grace of five, in each status at noon, by how it came there.
fn in_status(status: &str) -> Service {
    let name = Name::parse("a").unwrap();
    let terms = Terms {
        frequency: Frequency::from_seconds(600),
        grace: Grace::from_seconds(300),
        ..Terms::default()
    };
    let pinged = |signal: Signal, ago: i64| {
        let now = NOON - ago;
        let ping = Ping { signal, terms: terms.clone(), ..Ping::new(name.clone(), now) };
        decide(None, &ping, Grace::ZERO, now).unwrap().change.service
    };
    let service = match status {
        "waiting" => Service {
            last_ping: None,
            last_success: None,
            expected: None,
            deadline: None,
            ..pinged(Signal::Success, 0)
        },
        "up" => pinged(Signal::Success, 60),
        "running" => {
            let ping = Ping { signal: Signal::Start, ..Ping::new(name.clone(), NOON - 10) };
            decide(Some(&pinged(Signal::Success, 60)), &ping, Grace::ZERO, NOON - 10)
                .unwrap()
                .change
                .service
        }
        "late" => pinged(Signal::Success, 700),
        "overdue" => {
            service::sweep(&pinged(Signal::Success, 1000), NOON - 1, None).unwrap().service
        }
        "failed" => pinged(Signal::Fail, 60),
        "paused" => service::pause(&pinged(Signal::Success, 60), NOON - 1).service,
        other => panic!("there is no status {other}"),
    };
    let expected = if status == "running" { "up" } else { status };
    assert_eq!(service.status(NOON).as_str(), expected);
    service
}

#[test]
fn every_pair_of_a_status_and_a_signal_has_its_next_status_and_its_alert() {
    use Kind::{Failed, Recovered};
    use Signal::{Exit, Fail, Log, Start, Success};
    for (status, signal, next, running, alert) in [
        ("waiting", Success, "up", false, None),
        ("waiting", Start, "up", true, None),
        ("waiting", Fail, "failed", false, Some(Failed)),
        ("waiting", Exit(0), "up", false, None),
        ("waiting", Exit(1), "failed", false, Some(Failed)),
        ("waiting", Log, "waiting", false, None),
        ("up", Success, "up", false, None),
        ("up", Start, "up", true, None),
        ("up", Fail, "failed", false, Some(Failed)),
        ("up", Exit(0), "up", false, None),
        ("up", Exit(255), "failed", false, Some(Failed)),
        ("up", Log, "up", false, None),
        ("running", Success, "up", false, None),
        ("running", Start, "up", true, None),
        ("running", Fail, "failed", false, Some(Failed)),
        ("running", Exit(0), "up", false, None),
        ("running", Exit(1), "failed", false, Some(Failed)),
        ("running", Log, "up", true, None),
        ("late", Success, "up", false, None),
        ("late", Start, "up", true, None),
        ("late", Fail, "failed", false, Some(Failed)),
        ("late", Exit(0), "up", false, None),
        ("late", Exit(1), "failed", false, Some(Failed)),
        ("late", Log, "late", false, None),
        ("overdue", Success, "up", false, Some(Recovered)),
        ("overdue", Start, "up", true, None),
        ("overdue", Fail, "failed", false, Some(Failed)),
        ("overdue", Exit(0), "up", false, Some(Recovered)),
        ("overdue", Exit(1), "failed", false, Some(Failed)),
        ("overdue", Log, "overdue", false, None),
        ("failed", Success, "up", false, Some(Recovered)),
        ("failed", Start, "failed", true, None),
        ("failed", Fail, "failed", false, None),
        ("failed", Exit(0), "up", false, Some(Recovered)),
        ("failed", Exit(1), "failed", false, None),
        ("failed", Log, "failed", false, None),
        ("paused", Success, "up", false, None),
        ("paused", Start, "paused", false, None),
        ("paused", Fail, "paused", false, None),
        ("paused", Exit(0), "up", false, None),
        ("paused", Exit(1), "paused", false, None),
        ("paused", Log, "paused", false, None),
    ] {
        let before = in_status(status);
        let ping = Ping { signal, ..Ping::new(before.name.clone(), NOON) };
        let change = decide(Some(&before), &ping, Grace::ZERO, NOON).unwrap().change;
        let said = format!("{status}, then {signal:?}");
        assert_eq!(change.service.status(NOON).as_str(), next, "{said}");
        assert_eq!(change.service.is_running(), running, "{said}");
        assert_eq!(change.alert.map(|alert| alert.kind), alert, "{said}");
    }
}

#[test]
fn silence_in_every_status_is_told_once_where_something_is_expected() {
    for (status, raises) in [
        ("waiting", false),
        ("up", true),
        ("running", true),
        ("late", true),
        ("overdue", false),
        ("failed", true),
        ("paused", false),
    ] {
        let before = in_status(status);
        let later = NOON + 100_000;
        let change = service::sweep(&before, later, None);
        assert_eq!(change.is_some(), raises, "{status}");
        if let Some(change) = change {
            assert_eq!(change.service.status(later).as_str(), "overdue", "{status}");
            assert_eq!(service::sweep(&change.service, later + 1, None), None, "{status}");
        }
    }
}

#[test]
fn a_run_beside_one_that_has_ended_has_to_end_as_well() {
    let service = in_status("up");
    let ping = |service: &Service, signal, run: &str, now| {
        let run = Some(RunId::parse(run).unwrap());
        let ping = Ping { signal, run, ..Ping::new(service.name.clone(), now) };
        decide(Some(service), &ping, Grace::ZERO, now).unwrap().change.service
    };
    let first = ping(&service, Signal::Start, "first", NOON);
    let both = ping(&first, Signal::Start, "second", NOON + 10);
    let one = ping(&both, Signal::Success, "first", NOON + 20);
    assert_eq!(one.deadline, Some(NOON + 310), "the second has to have ended by then");
    let none = ping(&one, Signal::Success, "second", NOON + 30);
    assert_eq!(none.deadline, Some(NOON + 930));
    // But one that began before it is not waited for: it was killed, and this one came in its place.
    let other = ping(&both, Signal::Success, "second", NOON + 20);
    assert_eq!(other.deadline, Some(NOON + 920));
}
