//! What a ping changes, and what it leaves.

use overdue::core::alert::{Alert, Kind};
use overdue::core::limits::ALERT_LOG_CHARS_MAX;
use overdue::core::ping::{Decision, Ping, Refusal, Terms, ping};
use overdue::core::service::Service;
use overdue::core::signal::Signal;

use super::{TEN, every, grace, name, pinged};

fn decided(stored: Option<&Service>, given: &Ping, now: i64) -> Result<Decision, Refusal> {
    ping(stored, given, grace("0s"), now)
}

fn said(signal: Signal) -> Ping {
    Ping { signal, ..Ping::new(name("backup"), TEN) }
}

fn failure(log: &str) -> Alert {
    let given = Ping { log: Some(log.to_owned()), ..said(Signal::Exit(3)) };
    let service = pinged(every("10m"), grace("0s"), TEN - 60);
    decided(Some(&service), &given, TEN).unwrap().change.alert.unwrap()
}

#[test]
fn a_failure_is_told_with_its_status_and_the_end_of_its_log() {
    let alert = failure("no space left");
    assert_eq!((alert.kind, alert.exit_status), (Kind::Failed, Some(3)));
    assert_eq!(alert.log.as_deref(), Some("no space left"));
    let end = "é".repeat(ALERT_LOG_CHARS_MAX);
    for start in ["", "x", "a longer beginning"] {
        assert_eq!(failure(&format!("{start}{end}")).log.as_deref(), Some(end.as_str()));
    }
    assert_eq!(failure("").log.as_deref(), Some(""));
}

#[test]
fn a_success_is_late_once_its_own_deadline_has_passed_and_not_in_that_second() {
    let out = Service {
        alerted: true,
        outage_since: Some(TEN - 60),
        ..pinged(every("10m"), grace("0s"), TEN - 660)
    };
    let sent = Ping { timestamp: Some(TEN - 600), ..said(Signal::Success) };
    let recovered = decided(Some(&out), &sent, TEN).unwrap().change;
    assert_eq!(recovered.alert.map(|alert| alert.kind), Some(Kind::Recovered));
    assert_eq!(recovered.service.outage_since, None);
    let late = decided(Some(&out), &sent, TEN + 1).unwrap().change;
    assert_eq!((late.alert, late.service.outage_since), (None, Some(TEN - 60)));
    assert!(late.service.alerted);
}

#[test]
fn terms_for_a_new_service_leave_one_that_is_known_as_it_is() {
    let stored = pinged(every("10m"), grace("1m"), TEN - 60);
    let terms = Terms { frequency: every("1D").frequency(), ..Terms::default() };
    let schedule = |stored: &Service, terms_if_new| {
        let given = Ping { terms: terms.clone(), terms_if_new, ..said(Signal::Success) };
        decided(Some(stored), &given, TEN).unwrap().change.service.schedule
    };
    assert_eq!(schedule(&stored, false), every("1D"));
    assert_eq!(schedule(&stored, true), every("10m"));
    let locked = Service { locked: true, ..stored };
    assert_eq!(schedule(&locked, false), every("10m"));
    assert_eq!(schedule(&locked, true), every("10m"));
}

#[test]
fn a_log_makes_a_service_only_where_its_terms_are_meant_to() {
    let terms = Terms { frequency: every("1D").frequency(), ..Terms::default() };
    let log = |terms: &Terms, terms_if_new| {
        let given = Ping { terms: terms.clone(), terms_if_new, ..said(Signal::Log) };
        decided(None, &given, TEN).map(|decision| decision.change.service.last_ping)
    };
    assert_eq!(log(&terms, true), Ok(None), "and it has never run");
    assert_eq!(log(&terms, false), Err(Refusal::Unknown));
    assert_eq!(log(&Terms::default(), true), Err(Refusal::Unknown));
}
