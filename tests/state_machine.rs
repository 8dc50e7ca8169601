//! The state machine of a service against a naive model: random histories of signals, sweeps and their owners' actions,
//! with clocks that jump; and every pair of a status and a signal by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use overdue::core::alert::Kind;
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

#[expect(clippy::struct_excessive_bools, reason = "as naive as can be")]
/// The rules as one would tell them to a friend, with nothing optimised or shared.
#[derive(Clone, Default)]
struct Model {
    known: bool,
    frequency: i64,
    grace: i64,
    max_runtime: Option<i64>,
    paused: bool,
    last_ping: Option<i64>,
    /// When a success is due, grace included.
    due: Option<i64>,
    deadline: Option<i64>,
    /// When the open run began.
    running: Option<i64>,
    failed: bool,
    told: bool,
    outage: Option<i64>,
}

/// What is told: the kind, and since when the outage is.
type Told = Option<(Kind, i64)>;

impl Model {
    fn status(&self, now: i64) -> &'static str {
        match self.deadline {
            _ if self.paused => "paused",
            Some(deadline) if deadline < now => "overdue",
            _ if self.failed => "failed",
            _ if self.last_ping.is_none() && self.running.is_none() => "waiting",
            Some(_)
                if self.running.is_none() && self.due.is_some_and(|due| due - self.grace < now) =>
            {
                "late"
            }
            _ => "up",
        }
    }

    fn time(&self, now: i64, timestamp: Option<i64>) -> Result<i64, Refusal> {
        let Some(timestamp) = timestamp else {
            return Ok(match self.last_ping {
                Some(last_ping) if last_ping > now && last_ping <= now + 60 => last_ping,
                _ => now,
            });
        };
        match self.last_ping {
            _ if timestamp > now + 60 => Err(Refusal::Ahead),
            Some(last_ping) if timestamp < last_ping => Err(Refusal::Older { last_ping }),
            _ => Ok(timestamp),
        }
    }

    fn start(&mut self, now: i64, at: i64) {
        let again = self.running.is_some();
        self.running = Some(at);
        // Who starts and starts and never ends is noticed.
        if again && !self.told && self.due.is_none_or(|due| due < at) {
            return;
        }
        let seconds = self.max_runtime.unwrap_or(match self.grace {
            0 => self.frequency,
            grace => grace,
        });
        self.deadline = Some(at + seconds);
        if at + seconds >= now {
            self.told = false;
        }
    }

    fn end(&mut self, now: i64, at: i64, failure: bool) -> Told {
        let was_failed = self.failed;
        self.running = None;
        self.last_ping = Some(at);
        let due = at + self.frequency + self.grace;
        (self.due, self.deadline) = (Some(due), Some(due));
        let late = due < now;
        if !late {
            self.told = false;
        }
        if failure {
            self.failed = true;
            let since = *self.outage.get_or_insert(at);
            return (!was_failed).then_some((Kind::Failed, since));
        }
        if late {
            return None;
        }
        self.failed = false;
        self.outage.take().map(|since| (Kind::Recovered, since))
    }

    fn sweep(&mut self, now: i64) -> Told {
        let deadline = self.deadline.filter(|deadline| *deadline < now)?;
        if self.told || self.paused {
            return None;
        }
        (self.told, self.failed) = (true, false);
        Some((Kind::Overdue, *self.outage.get_or_insert(deadline)))
    }

    fn pause(&mut self) -> Told {
        let outage = self.outage.take();
        (self.paused, self.told, self.failed, self.running) = (true, false, false, None);
        (self.due, self.deadline) = (None, None);
        outage.map(|since| (Kind::Recovered, since))
    }

    fn resume(&mut self, now: i64) {
        if self.paused {
            self.paused = false;
            let due = now + self.frequency + self.grace;
            (self.due, self.deadline) = (Some(due), Some(due));
        }
    }
}

/// What the two are asked.
struct Asked {
    signal: Signal,
    frequency: Option<i64>,
    grace: Option<i64>,
    max_runtime: Option<i64>,
    timestamp: Option<i64>,
}

impl Asked {
    fn of_the_model(&self, model: &mut Model, now: i64) -> Result<Told, Refusal> {
        if self.signal == Signal::Log {
            return if model.known { Ok(None) } else { Err(Refusal::Unknown) };
        }
        if !model.known && self.frequency.is_none() {
            return Err(Refusal::Unknown);
        }
        let at = model.time(now, self.timestamp)?;
        let is_success = matches!(self.signal, Signal::Success | Signal::Exit(0));
        if model.paused && !is_success {
            return Ok(None);
        }
        (model.known, model.paused) = (true, false);
        // A ping's terms count from the ping on: when a success was due before was settled by the ping before.
        model.frequency = self.frequency.unwrap_or(model.frequency);
        let due = model.due.map(|due| due - model.grace);
        model.grace = self.grace.unwrap_or(model.grace);
        model.due = due.map(|due| due + model.grace);
        model.max_runtime = self.max_runtime.or(model.max_runtime);
        Ok(match self.signal {
            Signal::Start => {
                model.start(now, at);
                None
            }
            signal => model.end(now, at, signal.is_failure()),
        })
    }

    fn of_the_program(&self, name: &Name, now: i64) -> Ping {
        let terms = Terms {
            frequency: self.frequency.and_then(Frequency::from_seconds),
            grace: self.grace.and_then(Grace::from_seconds),
            max_runtime: self.max_runtime.and_then(Frequency::from_seconds),
            ..Terms::default()
        };
        let (signal, timestamp) = (self.signal, self.timestamp);
        Ping { signal, timestamp, terms, ..Ping::new(name.clone(), now) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn every_history_gives_what_the_naive_model_gives(events in events()) {
        let name = Name::parse("a").unwrap();
        let mut now = 1_000_000;
        let mut stored: Option<Service> = None;
        let mut model = Model::default();
        for event in events {
            let (told, expected) = match event {
                Event::Clock(by) => {
                    now += by;
                    (None, None)
                }
                Event::Ping { signal, frequency, grace, max_runtime, from_now } => {
                    let timestamp = from_now.map(|from_now| now + from_now);
                    let asked = Asked { signal, frequency, grace, max_runtime, timestamp };
                    let expected = asked.of_the_model(&mut model, now);
                    let ping = asked.of_the_program(&name, now);
                    match (decide(stored.as_ref(), &ping, Grace::ZERO, now), expected) {
                        (Ok(decision), Ok(expected)) => {
                            stored = Some(decision.change.service);
                            (decision.change.alert, expected)
                        }
                        (decision, expected) => {
                            prop_assert_eq!(decision.map(|_| None), expected);
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
                        prop_assert_eq!(Some(alert.about), model.deadline);
                    }
                    (alert, model.sweep(now))
                }
                Event::Pause if model.known => {
                    let change = service::pause(stored.as_ref().unwrap(), now);
                    stored = Some(change.service);
                    (change.alert, model.pause())
                }
                Event::Resume if model.known => {
                    stored = Some(service::resume(stored.as_ref().unwrap(), now).service);
                    model.resume(now);
                    (None, None)
                }
                Event::Pause | Event::Resume => (None, None),
            };
            prop_assert_eq!(told.map(|alert| (alert.kind, alert.outage_since)), expected);
            if let Some(stored) = &stored {
                prop_assert_eq!(stored.last_ping, model.last_ping);
                prop_assert_eq!((stored.deadline, stored.alerted), (model.deadline, model.told));
                prop_assert_eq!(stored.status(now).as_str(), model.status(now));
                prop_assert_eq!(stored.runs.running_since(), model.running);
                prop_assert_eq!(stored.outage_since, model.outage);
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
