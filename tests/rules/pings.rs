//! What a ping changes, and what it leaves.

use overdue::core::alert::{Alert, Kind};
use overdue::core::limits::ALERT_LOG_CHARS_MAX;
use overdue::core::ping::{Decision, Ping, Refusal, Terms, ping};
use overdue::core::schedule::{Cron, CronPattern, Schedule, Zone};
use overdue::core::service::Service;
use overdue::core::signal::Signal;

use super::{TEN, cron, every, grace, name, pinged};

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

#[test]
fn a_grace_that_nobody_gave_follows_the_kind_of_the_schedule() {
    let under = |stored: Option<&Service>, schedule: &str, given: Option<&str>, default: &str| {
        let (frequency, pattern) = match CronPattern::parse(schedule) {
            Ok(pattern) => (None, Some(pattern)),
            Err(_) => (every(schedule).frequency(), None),
        };
        let terms = Terms { frequency, cron: pattern, grace: given.map(grace), ..Terms::default() };
        let given = Ping { terms, ..said(Signal::Success) };
        ping(stored, &given, grace(default), TEN).unwrap().change.service
    };
    let often = under(None, "10m", None, "30s");
    assert_eq!((often.grace, often.grace_given), (grace("30s"), false));
    // Another default is no word of anybody about this one.
    assert_eq!(under(Some(&often), "20m", None, "40s").grace, grace("30s"));
    let nightly = under(Some(&often), "0 2 * * *", None, "40s");
    assert_eq!(nightly.grace, grace("1h"));
    assert_eq!(under(Some(&nightly), "0 3 * * *", None, "40s").grace, grace("1h"));
    assert_eq!(under(Some(&nightly), "10m", None, "40s").grace, grace("40s"));
    for stored in [None, Some(&often), Some(&nightly)] {
        let given = under(stored, "10m", Some("2m"), "40s");
        assert_eq!((given.grace, given.grace_given), (grace("2m"), true));
        assert_eq!(under(Some(&given), "0 2 * * *", None, "40s").grace, grace("2m"));
    }
}

#[test]
fn a_zone_goes_with_an_expression_and_with_nothing_else() {
    let berlin = Zone::parse("Europe/Berlin").unwrap();
    let zone_of = |stored: Option<&Service>, terms: Terms| {
        let given = Ping { terms, ..said(Signal::Success) };
        let service = decided(stored, &given, TEN)?.change.service;
        Ok(service.schedule.cron().map(|cron| cron.zone.as_str().to_owned()))
    };
    let zone = || Terms { zone: Some(berlin.clone()), ..Terms::default() };
    let with_frequency = Terms { frequency: every("10m").frequency(), ..zone() };
    let often = pinged(every("10m"), grace("0s"), TEN - 60);
    let nightly = pinged(cron("0 2 * * *"), grace("0s"), TEN - 60);
    for stored in [None, Some(&often), Some(&nightly)] {
        assert_eq!(zone_of(stored, with_frequency.clone()), Err(Refusal::ZoneWithoutCron));
    }
    assert_eq!(zone_of(None, zone()), Err(Refusal::ZoneWithoutCron));
    assert_eq!(zone_of(Some(&often), zone()), Err(Refusal::ZoneWithoutCron));
    assert_eq!(zone_of(Some(&nightly), zone()), Ok(Some("Europe/Berlin".to_owned())));
    // An expression without a zone keeps the one that is stored.
    let pattern = || Terms { cron: CronPattern::parse("0 3 * * *").ok(), ..Terms::default() };
    let moved = Service {
        schedule: Schedule::Cron(Cron {
            pattern: CronPattern::parse("0 2 * * *").unwrap(),
            zone: berlin,
        }),
        ..nightly
    };
    assert_eq!(zone_of(Some(&moved), pattern()), Ok(Some("Europe/Berlin".to_owned())));
    assert_eq!(zone_of(Some(&often), pattern()), Ok(Some("UTC".to_owned())));
}

#[test]
fn a_job_that_begins_again_and_again_puts_its_deadline_off_until_a_success_is_due() {
    let deadline_after = |second_start: i64| {
        let stored = pinged(every("10m"), grace("0s"), TEN - 600);
        let start = |at: i64| Ping { signal: Signal::Start, ..Ping::new(name("backup"), at) };
        let once = decided(Some(&stored), &start(TEN - 10), TEN - 10).unwrap().change.service;
        assert_eq!(once.deadline, Some(TEN + 590));
        let twice = decided(Some(&once), &start(second_start), second_start);
        twice.unwrap().change.service.deadline
    };
    // A success is due by ten.
    assert_eq!(deadline_after(TEN - 1), Some(TEN + 599));
    assert_eq!(deadline_after(TEN), Some(TEN + 600));
    assert_eq!(deadline_after(TEN + 1), Some(TEN + 590));
}

#[test]
fn a_ping_without_a_time_is_never_older_and_one_with_a_time_is_taken_at_its_word() {
    let at = |stored: Option<i64>, timestamp: Option<i64>| {
        let service = Service { last_ping: stored, ..pinged(every("10m"), grace("0s"), TEN - 60) };
        let given = Ping { timestamp, ..said(Signal::Success) };
        decided(Some(&service), &given, TEN).map(|decision| decision.at)
    };
    assert_eq!(at(Some(TEN - 1), None), Ok(TEN));
    assert_eq!(at(Some(TEN + 60), None), Ok(TEN + 60), "the stored one may be by a clock ahead");
    assert_eq!(at(Some(TEN + 61), None), Ok(TEN), "but not by any honest one");
    assert_eq!(at(None, Some(TEN + 60)), Ok(TEN + 60));
    assert_eq!(at(None, Some(TEN + 61)), Err(Refusal::Ahead));
    assert_eq!(at(Some(TEN - 5), Some(TEN - 5)), Ok(TEN - 5));
    assert_eq!(at(Some(TEN - 5), Some(TEN - 6)), Err(Refusal::Older { last_ping: TEN - 5 }));
}
