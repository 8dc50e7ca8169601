//! What a ping changes, and what it leaves.

use overdue::core::alert::{Alert, Kind};
use overdue::core::limits::ALERT_LOG_CHARS_MAX;
use overdue::core::ping::{Decision, Ping, Refusal, Terms, ping};
use overdue::core::runs::{Began, Run, Runs};
use overdue::core::schedule::{Cron, CronPattern, Schedule, Zone};
use overdue::core::service::Service;
use overdue::core::signal::{RunId, Signal};

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

#[test]
fn a_new_service_is_watched_by_the_terms_of_its_first_ping() {
    let terms = Terms {
        frequency: every("10m").frequency(),
        grace: Some(grace("1m")),
        max_runtime: every("5m").frequency(),
        ..Terms::default()
    };
    let given = Ping { terms, ..said(Signal::Success) };
    let made = decided(None, &given, TEN).unwrap().change.service;
    let expected = Service {
        grace_given: true,
        max_runtime: every("5m").frequency(),
        ..pinged(every("10m"), grace("1m"), TEN)
    };
    assert_eq!(made, expected);
}

#[test]
fn a_job_that_begins_again_has_its_grace_until_a_success_is_due() {
    let stored = pinged(every("10m"), grace("1m"), TEN - 600);
    let start = |stored: &Service, at: i64| {
        let given = Ping { signal: Signal::Start, ..Ping::new(name("backup"), at) };
        decided(Some(stored), &given, at).unwrap().change.service
    };
    let once = start(&stored, TEN + 30);
    assert_eq!(once.deadline, Some(TEN + 90));
    assert_eq!(start(&once, TEN + 60).deadline, Some(TEN + 120));
    assert_eq!(start(&once, TEN + 61).deadline, Some(TEN + 90));
}

#[test]
fn a_start_after_silence_is_a_sign_of_life_if_its_own_deadline_is_to_come() {
    let out = Service { alerted: true, ..pinged(every("10m"), grace("1m"), TEN - 900) };
    let alerted = |timestamp: i64| {
        let given = Ping { timestamp: Some(timestamp), ..said(Signal::Start) };
        decided(Some(&out), &given, TEN).unwrap().change.service.alerted
    };
    assert!(!alerted(TEN - 60), "it has this second to end in");
    assert!(alerted(TEN - 61), "its time was over before it was heard of");
}

#[test]
fn a_run_takes_milliseconds_where_its_caller_gave_no_second() {
    let took = |started: Ping, ended: Ping| {
        let stored = pinged(every("10m"), grace("1m"), TEN - 600);
        let open = decided(Some(&stored), &started, started.received_at).unwrap().change.service;
        decided(Some(&open), &ended, ended.received_at).unwrap().duration_ms
    };
    let at = |signal, second: i64, ms: i64| Ping {
        signal,
        received_ms: second * 1000 + ms,
        ..Ping::new(name("backup"), second)
    };
    let (start, end) = (at(Signal::Start, TEN, 250), at(Signal::Success, TEN + 61, 750));
    assert_eq!(took(start.clone(), end.clone()), Some(61_500));
    let earlier = Ping { timestamp: Some(TEN - 9), ..start.clone() };
    assert_eq!(took(earlier, end.clone()), Some(70_750));
    let measured = Ping { duration_ms: Some(7), ..end.clone() };
    assert_eq!(took(start.clone(), measured), Some(7), "its caller knows better");
    let before = Ping { timestamp: Some(TEN - 1), ..end };
    assert_eq!(took(start, before), Some(0));
}

#[test]
fn an_end_is_followed_by_the_next_one_and_by_the_runs_beside_it() {
    let run =
        |text: &str, at: i64| Run { id: RunId::parse(text).ok(), began: Began::At(at * 1000) };
    let end = |runs: &[Run]| {
        let stored = Service {
            runs: Runs::new(runs.to_vec()),
            max_runtime: every("5m").frequency(),
            ..pinged(every("10m"), grace("1m"), TEN - 900)
        };
        let given = Ping { run: RunId::parse("a").ok(), ..said(Signal::Success) };
        let after = decided(Some(&stored), &given, TEN).unwrap().change.service;
        (after.deadline.unwrap() - TEN, after.runs.all().len())
    };
    assert_eq!(end(&[run("a", TEN - 60)]), (660, 0));
    // One that began with it or later has to end as well, one that began before is no longer waited for.
    assert_eq!(end(&[run("a", TEN - 60), run("b", TEN - 60)]), (240, 1));
    assert_eq!(end(&[run("a", TEN - 60), run("b", TEN - 61)]), (660, 1));
    // What should have ended by now is forgotten.
    assert_eq!(end(&[run("a", TEN - 400), run("b", TEN - 300)]), (0, 1));
    assert_eq!(end(&[run("a", TEN - 400), run("b", TEN - 301)]), (660, 0));
}
