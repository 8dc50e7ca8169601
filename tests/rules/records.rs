//! What is said of a second long ago: decided again from the record, it is what was decided then.

use overdue::core::alert::{Alert, Kind};
use overdue::core::change::{Changed, What, between};
use overdue::core::declaration::{Declaration, declare};
use overdue::core::ping::{Origin, Ping, Terms, ping};
use overdue::core::service::{Change, Service, Status, delete, pause, resume, sweep};
use overdue::core::signal::{RunId, Signal};
use overdue::core::why::{Facts, Heard, Loss, Then, Told, then};
use proptest::prelude::*;

use super::{TEN, every, grace, name};

/// What a job or its owner does.
#[derive(Clone, Debug)]
enum Act {
    Ping {
        signal: Signal,
        run: Option<&'static str>,
        frequency: Option<&'static str>,
        sent_late: i64,
    },
    Declare(&'static str),
    Pause,
    Resume,
    Delete,
}

/// A service, and all that is kept of it.
#[derive(Default)]
struct Record {
    service: Option<Service>,
    heard: Vec<Heard>,
    changes: Vec<Changed>,
    told: Vec<Told>,
    /// What it was from each second on.
    states: Vec<(i64, Option<Service>)>,
}

/// What a sweep sees of it.
fn seen(service: &Service) -> (Option<i64>, Option<i64>, Option<i64>) {
    (service.deadline, service.last_ping, service.runs.running_since())
}

impl Record {
    fn becomes(&mut self, at: i64, service: Option<Service>, by_ping: bool) {
        let changed =
            between(self.service.as_ref(), service.as_ref(), by_ping, &Origin::default(), at);
        self.changes.extend(changed);
        self.keep(at, service);
    }

    fn keep(&mut self, at: i64, service: Option<Service>) {
        self.states.push((at, service.clone()));
        self.service = service;
    }

    fn tell(&mut self, alert: Option<Alert>) {
        let seq = i64::try_from(self.told.len()).unwrap();
        self.told.extend(alert.map(|alert| Told { seq, id: alert.id(0), alert, sent: Vec::new() }));
    }

    fn sweep(&mut self, at: i64) {
        // It comes once a second.
        let is_this = |told: &Told| told.alert.kind == Kind::Overdue && told.alert.created_at == at;
        if self.told.iter().any(is_this) {
            return;
        }
        // One that sees what was there before other acts of its second could have come before those: no record tells.
        let now = self.service.as_ref().map(seen);
        let since = self.states.iter().rposition(|(second, _)| *second < at).unwrap_or(0);
        let before = self.states[since..].split_last().map_or(&[][..], |(_, before)| before);
        if before.iter().any(|(_, service)| service.as_ref().map(seen) == now) {
            return;
        }
        let swept = self.service.as_ref().and_then(|service| sweep(service, at, None));
        if let Some(Change { service, alert }) = swept {
            self.tell(alert);
            self.keep(at, Some(service));
        }
    }

    /// The sweeps of the seconds after `from` and before `to`.
    fn wait(&mut self, from: i64, to: i64) {
        let deadline = self.service.as_ref().and_then(|service| service.deadline);
        let first = deadline.map_or(to, |deadline| (deadline + 1).max(from + 1));
        if first < to {
            self.sweep(first);
        }
    }

    fn act(&mut self, act: &Act, at: i64) {
        match act {
            Act::Ping { signal, run, frequency, sent_late } => {
                let given = Ping {
                    signal: *signal,
                    run: run.and_then(|run| RunId::parse(run).ok()),
                    terms: Terms {
                        frequency: frequency.and_then(|text| every(text).frequency()),
                        ..Terms::default()
                    },
                    timestamp: (*sent_late > 0).then_some(at - sent_late),
                    ..Ping::new(name("backup"), at)
                };
                self.ping(&given);
            }
            Act::Declare(frequency) => {
                let terms = Terms { frequency: every(frequency).frequency(), ..Terms::default() };
                let declaration = Declaration { is_whole: true, terms, ..Declaration::default() };
                let name = name("backup");
                let service =
                    declare(self.service.as_ref(), &name, &declaration, grace("0s"), at).unwrap();
                self.becomes(at, Some(service), false);
            }
            Act::Pause | Act::Resume => {
                let Some(service) = &self.service else { return };
                let steer = if matches!(act, Act::Pause) { pause } else { resume };
                let Change { service, alert } = steer(service, at);
                self.tell(alert);
                self.becomes(at, Some(service), false);
            }
            Act::Delete => {
                let Some(service) = &self.service else { return };
                let ended = delete(service, at);
                self.becomes(at, None, false);
                self.heard.clear();
                // What was told of it stays told.
                self.tell(ended);
            }
        }
    }

    fn ping(&mut self, given: &Ping) {
        let Ok(decision) = ping(self.service.as_ref(), given, grace("0s"), given.received_at)
        else {
            return;
        };
        let Change { mut service, alert } = decision.change;
        // Nor which of two services was told of that are alike and were made in one second.
        let is_alike = |told: &Told| {
            let Alert { created_at, deadline, last_ping, running_since, .. } = told.alert;
            created_at == given.received_at
                && (deadline, last_ping, running_since) == seen(&service)
        };
        if self.service.is_none() && self.told.iter().any(is_alike) {
            return;
        }
        service.history.signals += 1;
        self.heard.push(Heard {
            number: service.history.signals,
            at: decision.at,
            received_at: given.received_at,
            signal: given.signal,
            run: given.run.clone(),
            key: None,
        });
        self.tell(alert);
        self.becomes(given.received_at, Some(service), true);
    }

    /// What is on record around the second `at`, long after.
    fn facts(&self, at: i64, now: i64) -> Facts {
        let heard = |is_later: bool| {
            let those = self.heard.iter().filter(move |heard| (heard.received_at > at) == is_later);
            those.cloned()
        };
        let told = |is_later: bool| {
            let those =
                self.told.iter().filter(move |told| (told.alert.created_at > at) == is_later);
            those.cloned().collect()
        };
        Facts {
            name: name("backup"),
            at,
            now,
            service: self.service.clone(),
            is_unreadable: false,
            before: heard(false).collect(),
            after: heard(true).take(1).collect(),
            changes: self.changes.clone(),
            changes_since: None,
            told: told(false),
            told_later: told(true),
            gaps: Vec::new(),
        }
    }

    /// What it was at the second `at`.
    fn was(&self, at: i64) -> Option<&Service> {
        self.states.iter().rfind(|(second, _)| *second <= at)?.1.as_ref()
    }

    fn check(&self, at: i64, now: i64) -> Result<(), TestCaseError> {
        let later = self.changes.iter().find(|changed| changed.at > at);
        let deleted =
            self.changes.iter().find(|changed| changed.at > at && changed.what == What::Deleted);
        match (then(&self.facts(at, now)), self.was(at), deleted) {
            (Then::NotYet(made), None, _) => {
                prop_assert_eq!(Some(&made), later);
                prop_assert!(self.states.iter().all(|(second, _)| *second > at));
            }
            (Then::Gone(deleted), None, _) => {
                prop_assert!(deleted.at <= at && deleted.what == What::Deleted);
            }
            (Then::Unknown(Loss::Deleted(second)), Some(_), Some(deleted)) => {
                prop_assert_eq!(second, deleted.at);
            }
            (Then::There(again), Some(was), None) => {
                let shown = |service: &Service| Service {
                    grace_given: false,
                    locked: false,
                    last_duration_ms: None,
                    reminded_at: None,
                    history: was.history,
                    ..service.clone()
                };
                prop_assert_eq!(shown(&again), shown(was), "at {}", at - TEN);
            }
            (then, was, _) => prop_assert!(false, "{then:?} at {}, which was {was:?}", at - TEN),
        }
        Ok(())
    }
}

fn acts() -> impl Strategy<Value = Vec<(i64, bool, Act)>> {
    let signal = prop::sample::select(vec![
        Signal::Success,
        Signal::Success,
        Signal::Start,
        Signal::Fail,
        Signal::Exit(0),
        Signal::Exit(3),
        Signal::Log,
    ]);
    let run = prop::sample::select(vec![None, None, Some("a"), Some("b")]);
    let frequency = prop::sample::select(vec![None, None, Some("1m"), Some("10m")]);
    let sent_late = prop::sample::select(vec![0, 0, 0, 1, 30, 700]);
    let ping =
        (signal, run, frequency, sent_late).prop_map(|(signal, run, frequency, sent_late)| {
            Act::Ping { signal, run, frequency, sent_late }
        });
    let act = prop_oneof![
        12 => ping,
        1 => prop::sample::select(vec!["1m", "5m"]).prop_map(Act::Declare),
        1 => Just(Act::Pause),
        1 => Just(Act::Resume),
        1 => Just(Act::Delete),
    ];
    let seconds = prop::sample::select(vec![0, 0, 1, 30, 60, 61, 300, 600, 601, 602]);
    prop::collection::vec((seconds, any::<bool>(), act), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn decided_again_from_the_record_it_is_what_it_was(acts in acts()) {
        let (mut record, mut now) = (Record::default(), TEN);
        for (seconds, sweeps_first, act) in &acts {
            record.wait(now, now + seconds);
            now += seconds;
            if *sweeps_first {
                record.sweep(now);
            }
            record.act(act, now);
        }
        record.sweep(now);
        let ends = now + 2000;
        record.wait(now, ends);
        let seconds: Vec<i64> = record.states.iter().map(|(second, _)| *second).collect();
        for second in seconds {
            for at in [second - 1, second, second + 1] {
                record.check(at, ends)?;
            }
        }
    }
}

/// A ping of a job that runs every ten minutes.
fn said(signal: Signal) -> Act {
    Act::Ping { signal, run: None, frequency: Some("10m"), sent_late: 0 }
}

/// What it was at the second `at`, decided again.
fn again(record: &Record, at: i64) -> Service {
    match then(&record.facts(at, TEN + 5000)) {
        Then::There(service) => service,
        other => panic!("all of it is on record: {other:?}"),
    }
}

#[test]
fn silence_of_an_earlier_service_is_not_that_of_one_that_was_made_in_its_second() {
    let mut record = Record::default();
    record.act(&said(Signal::Success), TEN);
    record.sweep(TEN + 601);
    record.act(&Act::Delete, TEN + 601);
    record.act(&said(Signal::Success), TEN + 601);
    record.act(&said(Signal::Success), TEN + 700);
    let service = again(&record, TEN + 650);
    assert_eq!((service.alerted, service.outage_since), (false, None));
}

#[test]
fn silence_after_a_deadline_that_a_hand_has_set_is_remembered_with_its_outage() {
    let mut record = Record::default();
    record.act(&said(Signal::Success), TEN);
    let by_hand = record.service.clone().unwrap();
    record.service = Some(Service { deadline: Some(TEN + 60), ..by_hand });
    record.sweep(TEN + 61);
    record.act(&said(Signal::Fail), TEN + 90);
    record.act(&said(Signal::Success), TEN + 700);
    assert_eq!(again(&record, TEN + 100).outage_since, Some(TEN + 60));
}

/// A job that is expected every ten minutes, that failed as it was told of as silent, and ran again later.
fn late_failure() -> Record {
    let mut record = Record::default();
    record.act(&said(Signal::Success), TEN);
    record.sweep(TEN + 601);
    record.act(&said(Signal::Fail), TEN + 601);
    record.act(&said(Signal::Success), TEN + 900);
    record
}

#[test]
fn a_failure_in_the_second_in_which_silence_was_told_of_came_after_that() {
    let service = again(&late_failure(), TEN + 700);
    assert_eq!((service.status(TEN + 700), service.alerted), (Status::Failed, false));
    assert_eq!(service.outage_since, Some(TEN + 600));
}

#[test]
fn a_name_is_known_while_anything_is_on_record_of_it() {
    let all = late_failure().facts(TEN + 700, TEN + 1000);
    let nothing = Facts {
        service: None,
        changes: Vec::new(),
        told: Vec::new(),
        told_later: Vec::new(),
        ..all.clone()
    };
    assert!(!nothing.is_anything());
    assert!(Facts { service: all.service, ..nothing.clone() }.is_anything());
    assert!(Facts { is_unreadable: true, ..nothing.clone() }.is_anything());
    assert!(Facts { changes: all.changes, ..nothing.clone() }.is_anything());
    assert!(Facts { told: all.told, ..nothing.clone() }.is_anything());
    assert!(Facts { told_later: all.told_later, ..nothing }.is_anything());
}
