//! What a service is at a second, and what a sweep and a reminder make of it.

use overdue::core::alert::{Alert, Kind, Reason};
use overdue::core::listening::{Gap, Span};
use overdue::core::ping::{Ping, ping};
use overdue::core::schedule::Schedule;
use overdue::core::service::{Service, Status, delete, pause, remind, resume, sweep};
use overdue::core::signal::Signal;

use super::{TEN, cron, every, grace, name, pinged, running};

/// The monitor was away for a minute before ten, and holds silence against nobody for a minute after.
const GAP: Gap = Gap { span: Span { from: TEN - 60, to: TEN }, hold_until: TEN + 60 };

#[test]
fn a_status_is_read_back_from_its_word() {
    for status in Status::ALL {
        assert_eq!(Status::parse(status.as_str()), Some(status));
    }
    assert_eq!(Status::parse("down"), None);
}

#[test]
fn the_second_of_the_deadline_itself_is_not_late_yet() {
    let service = pinged(every("10m"), grace("1m"), TEN);
    assert_eq!(service.status(TEN + 600), Status::Up);
    assert_eq!(service.status(TEN + 601), Status::Late);
    assert_eq!(service.status(TEN + 660), Status::Late);
    assert_eq!(service.status(TEN + 661), Status::Overdue);
    assert_eq!(sweep(&service, TEN + 660, None), None);
    assert!(sweep(&service, TEN + 661, None).is_some());
}

#[test]
fn a_run_has_to_end_in_its_time_by_the_kind_of_its_schedule() {
    let started = |schedule: Schedule, slack: &str| {
        let service = Service::new(name("backup"), schedule, grace(slack));
        let start = Ping { signal: Signal::Start, ..Ping::new(name("backup"), TEN) };
        ping(Some(&service), &start, grace("0s"), TEN).unwrap().change.service.deadline
    };
    assert_eq!(started(every("10m"), "1m"), Some(TEN + 60));
    assert_eq!(started(every("10m"), "0s"), Some(TEN + 600));
    assert_eq!(started(cron("30 10 * * *"), "1m"), Some(TEN + 1860));
    let bounded = Service {
        max_runtime: every("5m").frequency(),
        ..Service::new(name("backup"), cron("30 10 * * *"), grace("1m"))
    };
    let start = Ping { signal: Signal::Start, ..Ping::new(name("backup"), TEN) };
    let begun = ping(Some(&bounded), &start, grace("0s"), TEN).unwrap().change.service;
    assert_eq!(begun.deadline, Some(TEN + 300), "as long as it may take, whatever else");
}

#[test]
fn nobody_is_held_longer_than_their_own_frequency() {
    // Expected a second before the monitor was back.
    let quick = pinged(every("5s"), grace("0s"), TEN - 6);
    assert_eq!(sweep(&quick, TEN + 4, Some(&GAP)), None);
    assert!(sweep(&quick, TEN + 5, Some(&GAP)).is_some());
    let slow = pinged(every("1h"), grace("0s"), TEN - 3601);
    assert_eq!(sweep(&slow, TEN + 59, Some(&GAP)), None);
    assert!(sweep(&slow, TEN + 60, Some(&GAP)).is_some());
    // Of an expression it is the time from its last ping to when the next was expected.
    let (minutely, long) = (pinged(cron("* * * * *"), grace("0s"), TEN - 60), TEN + 600);
    assert_eq!(sweep(&minutely, TEN + 59, Some(&Gap { hold_until: long, ..GAP })), None);
    assert!(sweep(&minutely, TEN + 60, Some(&Gap { hold_until: long, ..GAP })).is_some());
}

#[test]
fn one_that_was_resumed_and_not_heard_of_is_held_for_its_frequency_too() {
    let resumed = |schedule: Schedule, at: i64| {
        let paused =
            Service { paused: true, ..Service::new(name("backup"), schedule, grace("0s")) };
        resume(&paused, at).service
    };
    let quick = resumed(every("5s"), TEN - 6);
    assert_eq!(sweep(&quick, TEN + 4, Some(&GAP)), None);
    assert!(sweep(&quick, TEN + 5, Some(&GAP)).is_some());
    // How often an expression occurs is not known, so it is held for as long as anybody.
    let nightly = resumed(cron("59 9 * * *"), TEN - 130);
    assert_eq!(nightly.deadline, Some(TEN - 60));
    assert_eq!(sweep(&nightly, TEN + 59, Some(&GAP)), None);
    assert!(sweep(&nightly, TEN + 60, Some(&GAP)).is_some());
}

#[test]
fn one_that_was_paused_while_it_was_out_is_told_of_anew_once_it_is_resumed() {
    let out = sweep(&pinged(every("10m"), grace("1m"), TEN - 900), TEN, None).unwrap().service;
    let paused = pause(&out, TEN + 10);
    assert_eq!(paused.alert.map(|alert| alert.kind), Some(Kind::Recovered));
    let resumed = resume(&paused.service, TEN + 100).service;
    assert_eq!((resumed.expected, resumed.deadline), (Some(TEN + 700), Some(TEN + 760)));
    assert_eq!(sweep(&resumed, TEN + 760, None), None);
    let told = sweep(&resumed, TEN + 761, None).unwrap().service;
    assert_eq!((told.outage_since, told.reminded_at), (Some(TEN + 760), Some(TEN + 761)));
    // One that is not paused stays as it is.
    assert_eq!(resume(&told, TEN + 800).service, told);
}

#[test]
fn an_end_that_is_no_ping_says_what_it_was() {
    let out = sweep(&pinged(every("10m"), grace("1m"), TEN - 900), TEN, None).unwrap().service;
    let told = |alert: Option<Alert>| {
        alert.map(|alert| (alert.kind, alert.reason, alert.about, alert.outage_since))
    };
    let end = |reason| Some((Kind::Recovered, Some(reason), TEN + 10, TEN - 240));
    assert_eq!(told(pause(&out, TEN + 10).alert), end(Reason::Paused));
    assert_eq!(told(delete(&out, TEN + 10)), end(Reason::Deleted));
    let well = pinged(every("10m"), grace("1m"), TEN);
    assert_eq!((pause(&well, TEN + 10).alert, delete(&well, TEN + 10)), (None, None));
}

#[test]
fn what_was_overdue_before_the_monitor_was_away_is_told_of_at_once() {
    let before = pinged(every("10m"), grace("0s"), TEN - 661);
    assert!(sweep(&before, TEN, Some(&GAP)).is_some());
    let within = pinged(every("10m"), grace("0s"), TEN - 660);
    assert_eq!(sweep(&within, TEN, Some(&GAP)), None);
}

#[test]
fn an_alert_is_uncertain_where_the_wait_touches_the_gap_or_its_hold() {
    let uncertain = |service: &Service, now: i64| {
        sweep(service, now, Some(&GAP)).unwrap().alert.unwrap().uncertain
    };
    // Expected within the hold, and as its last second ends, and after it.
    for (expected, is_uncertain) in [(TEN + 30, true), (TEN + 60, true), (TEN + 61, false)] {
        let service = pinged(every("10m"), grace("1m"), expected - 600);
        let span = is_uncertain.then_some(GAP.span);
        assert_eq!(uncertain(&service, TEN + 200), span, "expected at {expected}");
    }
    // Of one that runs its start counts, whenever a ping was expected.
    let service =
        Service { deadline: Some(TEN + 200), ..pinged(every("10m"), grace("0s"), TEN - 600) };
    assert_eq!(uncertain(&running(service.clone(), TEN + 61), TEN + 201), None);
    assert_eq!(uncertain(&running(service, TEN + 60), TEN + 201), Some(GAP.span));
    // What was overdue before is not in doubt, though it was expected later by a hand.
    let service = Service { expected: Some(TEN), ..pinged(every("10m"), grace("0s"), TEN - 661) };
    assert_eq!(uncertain(&service, TEN), None);
}

#[test]
fn a_sweep_tells_of_nothing_that_is_paused_though_a_hand_gave_it_a_deadline() {
    let service = Service { paused: true, ..pinged(every("10m"), grace("0s"), TEN - 900) };
    assert_eq!(sweep(&service, TEN, None), None);
}

#[test]
fn what_a_sweep_tells_of_counts_as_told_from_then_on() {
    let service = pinged(every("10m"), grace("0s"), TEN - 700);
    let swept = sweep(&service, TEN, None).unwrap().service;
    assert_eq!((swept.outage_since, swept.reminded_at), (Some(TEN - 100), Some(TEN)));
    assert!(swept.alerted && !swept.failed);
    // Silence after a failure belongs to the outage of that.
    let failed = Service { failed: true, outage_since: Some(TEN - 700), ..service };
    let swept = sweep(&failed, TEN, None).unwrap().service;
    assert_eq!((swept.outage_since, swept.failed), (Some(TEN - 700), false));
}

#[test]
fn a_reminder_is_due_when_its_time_is_over_and_the_outage_lasts() {
    let out = Service {
        alerted: true,
        outage_since: Some(TEN),
        ..pinged(every("10m"), grace("0s"), TEN - 600)
    };
    assert_eq!(remind(&out, TEN + 3599, 3600), None);
    let reminded = remind(&out, TEN + 3600, 3600).unwrap();
    assert_eq!(reminded.service.reminded_at, Some(TEN + 3600));
    let alert = reminded.alert.unwrap();
    assert_eq!((alert.kind, alert.about, alert.outage_since), (Kind::Reminder, TEN + 3600, TEN));
    // From the last time that it was told of.
    let told = Service { reminded_at: Some(TEN + 100), ..out.clone() };
    assert_eq!(remind(&told, TEN + 3699, 3600), None);
    assert!(remind(&told, TEN + 3700, 3600).is_some());
    // A failure lasts as silence does.
    let failed = Service { failed: true, deadline: Some(TEN + 9000), ..out.clone() };
    assert!(remind(&failed, TEN + 3600, 3600).is_some());
    // A deadline that a hand has moved ahead gives it its time, unless it runs and has not ended.
    let moved = Service { deadline: Some(TEN + 9000), ..out.clone() };
    assert_eq!(remind(&moved, TEN + 3600, 3600), None);
    assert!(remind(&running(moved, TEN + 3000), TEN + 3600, 3600).is_some());
    let paused = Service { paused: true, ..running(out.clone(), TEN) };
    assert_eq!(remind(&paused, TEN + 3600, 3600), None);
    assert_eq!(remind(&Service { outage_since: None, ..out }, TEN + 3600, 3600), None);
}
