//! Why an alert came, or did not: what is said of a service at a second, and of its past.

use jiff::tz::TimeZone;
use overdue::core::change::{Changed, Watch, What};
use overdue::core::limits::TIME_SECONDS_MAX;
use overdue::core::listening::{Gap, Span};
use overdue::core::schedule::Schedule;
use overdue::core::service::{Service, pause, resume};
use overdue::core::signal::Signal;
use overdue::core::why::{Facts, Heard, Setting, sentences};

use super::{TEN, cron, every, grace, name, pinged, running};

pub(super) fn said(facts: &Facts) -> String {
    sentences(facts, &Setting { routes: &[], zone: &TimeZone::UTC }).join("\n")
}

/// The sentences that begin so.
pub(super) fn those(facts: &Facts, begin: &str) -> String {
    let all = said(facts);
    all.lines().filter(|line| line.starts_with(begin)).collect::<Vec<_>>().join("\n")
}

fn deadline(service: &Service) -> String {
    those(&facts(service, TEN), "Deadline")
}

pub(super) fn heard(number: i64, at: i64, signal: Signal) -> Heard {
    Heard { number, at, received_at: at, signal, run: None, key: None }
}

pub(super) fn changed(at: i64, what: What, service: &Service) -> Changed {
    let watch = Some(Watch::of(service));
    Changed {
        at,
        what,
        by_ping: matches!(what, What::Known | What::Made),
        key: None,
        signals: 1,
        was: watch.clone(),
        is: if what == What::Deleted { None } else { watch },
        paused: service.paused,
        expected: service.expected,
        deadline: service.deadline,
    }
}

/// What is on record of `service` if it was made at nine and is asked about now, at `now`.
pub(super) fn facts(service: &Service, now: i64) -> Facts {
    Facts {
        name: service.name.clone(),
        at: now,
        now,
        service: Some(service.clone()),
        is_unreadable: false,
        before: vec![heard(1, TEN - 3600, Signal::Success)],
        after: Vec::new(),
        changes: vec![changed(TEN - 3600, What::Made, service)],
        changes_since: None,
        told: Vec::new(),
        told_later: Vec::new(),
        gaps: Vec::new(),
    }
}

/// What is on record of a name of which there is no service now.
fn gone(changes: Vec<Changed>) -> Facts {
    Facts { service: None, before: Vec::new(), changes, ..facts(&service(), TEN) }
}

/// A service that was well at nine, and is expected by ten and a quarter.
pub(super) fn service() -> Service {
    pinged(every("1h"), grace("15m"), TEN - 3600)
}

#[test]
fn every_status_is_told_with_what_follows_from_it() {
    let first = |service: &Service, at: i64| {
        said(&facts(service, at)).lines().next().unwrap_or_default().to_owned()
    };
    let new = Service::new(name("backup"), every("1h"), grace("15m"));
    let paused = pause(&service(), TEN).service;
    insta::assert_snapshot!(first(&service(), TEN), @r#"Now, 2026-11-25 10:00:00 UTC: "backup" is up."#);
    insta::assert_snapshot!(first(&service(), TEN + 1), @r#"Now, 2026-11-25 10:00:01 UTC: "backup" is late, and not overdue: its grace ends 10:15:00 UTC."#);
    insta::assert_snapshot!(first(&service(), TEN + 961), @r#"Now, 2026-11-25 10:16:01 UTC: "backup" is overdue, for 1 min: its deadline, 10:15:00 UTC, has passed."#);
    insta::assert_snapshot!(first(&Service { failed: true, ..service() }, TEN), @r#"Now, 2026-11-25 10:00:00 UTC: "backup" is failed: its last run did not end well."#);
    insta::assert_snapshot!(first(&paused, TEN), @r#"Now, 2026-11-25 10:00:00 UTC: "backup" is paused: nothing is expected until it is resumed or succeeds."#);
    insta::assert_snapshot!(first(&new, TEN), @r#"Now, 2026-11-25 10:00:00 UTC: "backup" is waiting for its first ping: nothing is expected before that."#);
    insta::assert_snapshot!(first(&Service { deadline: Some(TEN + 60), ..new }, TEN), @r#"Now, 2026-11-25 10:00:00 UTC: "backup" is waiting for its first ping."#);
    insta::assert_snapshot!(first(&running(service(), TEN - 60), TEN), @r#"Now, 2026-11-25 10:00:00 UTC: "backup" is up. A run began 09:59:00 UTC and has not ended."#);
    let overdue = Facts { now: TEN + 5000, ..facts(&running(service(), TEN - 60), TEN + 961) };
    insta::assert_snapshot!(said(&overdue), @r#"
    2026-11-25 10:16:01 UTC: "backup" was overdue, for 1 min: its deadline, 10:15:00 UTC, had passed. A run began 09:59:00 UTC and had not ended.
    Deadline 10:15:00 UTC: last ping 09:00:00 UTC + frequency 1h + grace 15m.
    Last heard 09:00:00 UTC: success.
    Made 09:00:00 UTC by a ping: every 1h, grace 15m.
    No alert of this is on record: alerts that are older than OVERDUE_ALERT_HISTORY are removed, and hands may have set the column alerted.
    "#);
}

#[test]
fn a_deadline_is_told_with_what_it_comes_from() {
    insta::assert_snapshot!(deadline(&service()), @"Deadline 10:15:00 UTC: last ping 09:00:00 UTC + frequency 1h + grace 15m.");
    insta::assert_snapshot!(deadline(&pinged(every("2h"), grace("0s"), TEN - 3600)), @"Deadline 11:00:00 UTC: last ping 09:00:00 UTC + frequency 2h.");
    insta::assert_snapshot!(deadline(&pinged(cron("30 10 * * *"), grace("1h"), TEN - 3600)), @"Deadline 11:30:00 UTC: last ping 09:00:00 UTC; the occurrence of 30 10 * * * (UTC) that follows is 10:30:00 UTC + grace 1h.");
    let far = pinged(every("520W"), grace("520W"), TIME_SECONDS_MAX - 314_496_000);
    let bounded = Service { deadline: Some(TIME_SECONDS_MAX), ..far };
    insta::assert_snapshot!(those(&facts(&bounded, TIME_SECONDS_MAX), "Deadline"), @"Deadline 22:00:00 UTC: last ping 9990-01-12 23:59:59 UTC + frequency 520W + grace 520W.");
    // By hand: nothing is made up for it.
    insta::assert_snapshot!(deadline(&Service { deadline: Some(TEN + 60), ..service() }), @"Deadline 10:01:00 UTC.");
    let moved = Service { expected: Some(TEN + 60), deadline: Some(TEN + 960), ..service() };
    insta::assert_snapshot!(deadline(&moved), @"Deadline 10:16:00 UTC.");
    assert_eq!(deadline(&Service { deadline: None, ..service() }), "");
}

#[test]
fn of_a_run_it_is_told_by_when_it_has_to_end() {
    let run = |schedule: Schedule, slack: &str, max_runtime: Option<&str>, end: i64| {
        let max_runtime = max_runtime.and_then(|text| every(text).frequency());
        let service = Service { max_runtime, ..pinged(schedule, grace(slack), TEN - 3600) };
        deadline(&running(Service { deadline: Some(TEN - 60 + end), ..service }, TEN - 60))
    };
    insta::assert_snapshot!(run(every("1h"), "15m", Some("5m"), 300), @"Deadline 10:04:00 UTC: the run began 09:59:00 UTC + max_runtime 5m.");
    insta::assert_snapshot!(run(every("1h"), "15m", None, 900), @"Deadline 10:14:00 UTC: the run began 09:59:00 UTC + grace 15m.");
    insta::assert_snapshot!(run(every("1h"), "0s", None, 3600), @"Deadline 10:59:00 UTC: the run began 09:59:00 UTC + frequency 1h.");
    insta::assert_snapshot!(run(cron("30 10 * * *"), "15m", None, 2760), @"Deadline 10:45:00 UTC: the run began 09:59:00 UTC; the occurrence after that + grace 15m.");
    insta::assert_snapshot!(run(cron("30 10 * * *"), "0s", None, 1860), @"Deadline 10:30:00 UTC: the run began 09:59:00 UTC; the occurrence after that.");
    // What is waited for is not the end of this run.
    insta::assert_snapshot!(run(every("1h"), "15m", Some("5m"), 960), @"Deadline 10:15:00 UTC: last ping 09:00:00 UTC + frequency 1h + grace 15m.");
}

#[test]
fn one_that_was_resumed_or_changed_is_expected_from_then_on() {
    let paused = pause(&service(), TEN - 600).service;
    let resumed = resume(&paused, TEN - 300).service;
    let of = |what| {
        let changes = vec![
            changed(TEN - 3600, What::Made, &service()),
            changed(TEN - 600, What::Paused, &paused),
            changed(TEN - 300, what, &resumed),
        ];
        those(&Facts { changes, ..facts(&resumed, TEN) }, "Deadline")
    };
    insta::assert_snapshot!(of(What::Resumed), @"Deadline 11:10:00 UTC: resumed 09:55:00 UTC + frequency 1h + grace 15m.");
    insta::assert_snapshot!(of(What::Changed), @"Deadline 11:10:00 UTC: set 09:55:00 UTC + frequency 1h + grace 15m.");
    let by_ping = Facts {
        changes: vec![Changed { by_ping: true, ..changed(TEN - 300, What::Changed, &resumed) }],
        ..facts(&resumed, TEN)
    };
    insta::assert_snapshot!(those(&by_ping, "Deadline"), @"Deadline 11:10:00 UTC.");
    let other = Facts {
        changes: vec![changed(TEN - 299, What::Resumed, &resumed)],
        ..facts(&resumed, TEN)
    };
    insta::assert_snapshot!(those(&other, "Deadline"), @"Deadline 11:10:00 UTC.");
}

#[test]
fn what_a_hand_has_put_into_the_row_is_said_to_be_that() {
    let of = |row: &Service, recorded: &Service| {
        let changes = vec![changed(TEN - 3600, What::Made, recorded)];
        let all = said(&Facts { changes, ..facts(row, TEN) });
        all.lines().filter(|line| line.contains("by hand")).collect::<Vec<_>>().join("\n")
    };
    let (row, open) = (service(), running(service(), TEN - 60));
    assert_eq!(of(&row, &row), "");
    let other = Service { grace: grace("20m"), deadline: Some(TEN + 1200), ..row.clone() };
    insta::assert_snapshot!(of(&other, &row), @"The row now says every 1h, grace 20m, and no ping or change on record did: it was edited by hand, when cannot be known.");
    let paused = Service { paused: true, ..row.clone() };
    insta::assert_snapshot!(of(&paused, &row), @"The row now says every 1h, grace 15m, paused, and no ping or change on record did: it was edited by hand, when cannot be known.");
    insta::assert_snapshot!(of(&row, &paused), @"The row now says every 1h, grace 15m, and no ping or change on record did: it was edited by hand, when cannot be known.");
    let moved = Service { deadline: Some(TEN + 901), ..row.clone() };
    insta::assert_snapshot!(of(&moved, &row), @"What is expected, with its grace, gives 10:15:00 UTC: the row was edited by hand, or a start that opened no run has brought another schedule.");
    assert_eq!(of(&Service { deadline: Some(TEN + 901), ..open }, &row), "", "a run has its time");
    assert_eq!(of(&Service { deadline: None, ..row.clone() }, &row), "");
    // What the record gives and the row does not is no doing of a hand on this row.
    let then = Facts {
        changes: vec![changed(TEN - 60, What::Resumed, &moved)],
        after: vec![heard(2, TEN + 60, Signal::Log)],
        at: TEN,
        ..facts(&Service { deadline: Some(TEN + 902), ..moved }, TEN + 90)
    };
    assert!(said(&then).contains("Deadline 10:15:01 UTC"), "{}", said(&then));
    assert!(!said(&then).contains("by hand"), "{}", said(&then));
}

#[test]
fn what_was_heard_is_told_with_its_time_its_key_and_its_status() {
    let late = Heard { at: TEN - 90, key: Some("ci".to_owned()), ..heard(1, TEN, Signal::Exit(3)) };
    let of = |before: Heard| {
        let after = vec![heard(2, TEN + 60, Signal::Start)];
        let now = Facts { before: vec![before], after, ..facts(&service(), TEN) };
        format!("{}\n{}", those(&now, "Last"), those(&now, "Heard"))
    };
    insta::assert_snapshot!(of(late), @r#"
    Last heard 10:00:00 UTC: exit status 3 of 09:58:30 UTC, key "ci".
    Heard next 10:01:00 UTC: start.
    "#);
    insta::assert_snapshot!(of(heard(1, TEN, Signal::Success)), @r"
    Last heard 10:00:00 UTC: success.
    Heard next 10:01:00 UTC: start.
    ");
}

#[test]
fn every_change_is_told_with_who_did_it() {
    let paused = pause(&service(), TEN).service;
    let slower =
        Service { schedule: every("2h"), max_runtime: every("5m").frequency(), ..service() };
    let of = |change: Changed| {
        let changes = vec![change];
        let last = said(&Facts { changes, ..facts(&service(), TEN) });
        last.lines()
            .find(|line| line.contains("10:00:00 UTC by") || line.contains("kept"))
            .map(str::to_owned)
    };
    let by_owner = |what| changed(TEN, what, &service());
    let all = [
        by_owner(What::Known),
        changed(TEN, What::Known, &paused),
        by_owner(What::Made),
        by_owner(What::Declared),
        Changed { was: Some(Watch::of(&slower)), ..by_owner(What::Changed) },
        Changed { key: Some("ops".to_owned()), ..by_owner(What::Paused) },
        by_owner(What::Resumed),
        Changed { was: Some(Watch::of(&slower)), by_ping: true, ..by_owner(What::Resumed) },
        by_owner(What::Deleted),
    ];
    let all: Vec<String> = all.into_iter().filter_map(of).collect();
    insta::assert_snapshot!(all.join("\n"), @r#"
    It was there before changes began to be kept, 10:00:00 UTC: every 1h, grace 15m.
    It was there before changes began to be kept, 10:00:00 UTC: every 1h, grace 15m, paused.
    Made 10:00:00 UTC by a ping: every 1h, grace 15m.
    Declared 10:00:00 UTC by its owner: every 1h, grace 15m.
    Changed 10:00:00 UTC by its owner: every 2h, grace 15m, max_runtime 5m became every 1h, grace 15m.
    Paused 10:00:00 UTC by its owner, key "ops".
    Resumed 10:00:00 UTC by its owner.
    Resumed 10:00:00 UTC by a ping, and every 2h, grace 15m, max_runtime 5m became every 1h, grace 15m.
    Deleted 10:00:00 UTC by its owner.
    "#);
}

#[test]
fn a_service_that_is_not_there_has_an_end_or_a_beginning() {
    let deleted = changed(TEN - 60, What::Deleted, &service());
    let made = changed(TEN + 60, What::Made, &service());
    let ended = gone(vec![changed(TEN - 3600, What::Made, &service()), deleted.clone()]);
    let just_now = gone(vec![changed(TEN, What::Deleted, &service())]);
    assert!(!said(&just_now).contains("Later"), "{}", said(&just_now));
    insta::assert_snapshot!(said(&ended), @r#"
    Now, 2026-11-25 10:00:00 UTC: there is no service "backup", so nothing is expected.
    Deleted 09:59:00 UTC by its owner.
    "#);
    let again = Facts { now: TEN + 90, ..gone(vec![deleted, made.clone()]) };
    insta::assert_snapshot!(said(&again), @r#"
    2026-11-25 10:00:00 UTC: there was no service "backup", so nothing was expected.
    Deleted 09:59:00 UTC by its owner.
    Later: Made 10:01:00 UTC by a ping: every 1h, grace 15m.
    "#);
    let not_yet = Facts { service: Some(service()), now: TEN + 90, ..gone(vec![made]) };
    insta::assert_snapshot!(said(&not_yet), @r#"
    2026-11-25 10:00:00 UTC: there was no service "backup" yet.
    Made 10:01:00 UTC by a ping: every 1h, grace 15m.
    "#);
}

#[test]
fn what_is_no_longer_on_record_is_said_to_be_unknown_and_why() {
    let first = |facts: &Facts| said(facts).lines().next().unwrap_or_default().to_owned();
    let deleted = changed(TEN + 60, What::Deleted, &service());
    let later = Facts { now: TEN + 90, ..gone(vec![deleted]) };
    insta::assert_snapshot!(first(&later), @r#"2026-11-25 10:00:00 UTC: what was expected of "backup" cannot be known. The service was deleted 10:01:00 UTC, and its history with it."#);
    let by_hand = gone(vec![changed(TEN - 3600, What::Made, &service())]);
    insta::assert_snapshot!(first(&by_hand), @r#"Now, 2026-11-25 10:00:00 UTC: what is expected of "backup" cannot be known. There is no such service now, and it was not deleted by the program: it was deleted or renamed by hand, when cannot be known."#);
    insta::assert_snapshot!(first(&gone(Vec::new())), @r#"Now, 2026-11-25 10:00:00 UTC: what is expected of "backup" cannot be known. There is no such service now, and no change is on record."#);
    let forgotten = Facts { changes_since: Some(TEN - 90), ..gone(Vec::new()) };
    insta::assert_snapshot!(first(&forgotten), @r#"Now, 2026-11-25 10:00:00 UTC: what is expected of "backup" cannot be known. There is no such service now, and the record of changes, which begins 09:58:30 UTC, does not hold it: it went before that, or was deleted by hand."#);
    let spoilt = Facts { is_unreadable: true, ..gone(Vec::new()) };
    insta::assert_snapshot!(first(&spoilt), @r#"Now, 2026-11-25 10:00:00 UTC: what is expected of "backup" cannot be known. Its row was edited by hand, and cannot be read."#);
    let row = Service { last_ping: Some(TEN + 60), ..service() };
    let silent =
        Facts { changes: Vec::new(), before: Vec::new(), now: TEN + 90, ..facts(&row, TEN) };
    insta::assert_snapshot!(first(&silent), @r#"2026-11-25 10:00:00 UTC: what was expected of "backup" cannot be known. No history of it is kept."#);
    let trimmed = Facts { after: vec![heard(7, TEN + 60, Signal::Success)], ..silent };
    insta::assert_snapshot!(first(&trimmed), @r#"2026-11-25 10:00:00 UTC: what was expected of "backup" cannot be known. The history that is kept begins 10:01:00 UTC."#);
}

#[test]
fn without_its_beginning_it_is_known_from_the_first_signal_that_says_what_is_expected() {
    let row = Service { last_ping: Some(TEN + 60), ..service() };
    let known = |before: Vec<Heard>| {
        let after = vec![heard(9, TEN + 60, Signal::Success)];
        let changes = Vec::new();
        let facts = Facts { before, after, changes, now: TEN + 90, ..facts(&row, TEN) };
        said(&facts).lines().take(2).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(known(vec![heard(7, TEN - 60, Signal::Log)]), @r#"2026-11-25 10:00:00 UTC: what was expected of "backup" cannot be known. The history that is kept begins 09:59:00 UTC."#);
    insta::assert_snapshot!(known(vec![heard(7, TEN - 60, Signal::Success)]), @r#"
    2026-11-25 10:00:00 UTC: "backup" was up.
    Deadline 11:14:00 UTC: last ping 09:59:00 UTC + frequency 1h + grace 15m.
    "#);
}

#[test]
fn a_time_away_is_told_where_it_touches_the_question_or_the_wait() {
    let away = |from: i64, to: i64, hold_until: i64| {
        let gap = Gap { span: Span { from, to }, hold_until };
        those(&Facts { gaps: vec![gap], ..facts(&service(), TEN + 600) }, "The monitor")
    };
    insta::assert_snapshot!(away(TEN + 550, TEN + 590, TEN + 600), @"The monitor itself did not listen from 10:09:10 UTC to 10:09:50 UTC, and held silence against nobody until 10:10:00 UTC.");
    insta::assert_snapshot!(away(TEN + 550, TEN + 600, TEN + 600), @"The monitor itself did not listen from 10:09:10 UTC to 10:10:00 UTC.");
    // It is waited for from ten on.
    assert_eq!(away(TEN - 900, TEN - 800, TEN - 1), "");
    assert_ne!(away(TEN - 900, TEN - 800, TEN), "");
    assert_eq!(away(TEN + 601, TEN + 620, TEN + 680), "", "later");
    assert_ne!(away(TEN + 600, TEN + 620, TEN + 680), "");
    // Of one that expects nothing, the very time counts.
    let paused = pause(&service(), TEN).service;
    let asked = |from: i64, to: i64, hold_until: i64| {
        let gap = Gap { span: Span { from, to }, hold_until };
        those(&Facts { gaps: vec![gap], ..facts(&paused, TEN + 600) }, "The monitor")
    };
    assert_eq!(asked(TEN + 500, TEN + 560, TEN + 599), "");
    assert_ne!(asked(TEN + 500, TEN + 560, TEN + 600), "");
    assert_ne!(asked(TEN + 500, TEN + 600, TEN + 500), "", "without a hold");
    assert_eq!(asked(TEN + 601, TEN + 660, TEN + 700), "");
}
