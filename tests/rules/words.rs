//! What people read: the words of alerts and of a service's page, at their edges.

use jiff::tz::TimeZone;
use overdue::core::alert::{Alert, Kind, MonitorAlert, Reason};
use overdue::core::listening::Span;
use overdue::core::service::Service;
use overdue::core::{sentence, text};

use super::{TEN, every, grace, name, pinged, running};

/// A service that was well at nine, and is expected by ten and a quarter.
fn service() -> Service {
    pinged(every("1h"), grace("15m"), TEN - 3600)
}

/// What `service` raised at ten.
fn raised(kind: Kind, service: &Service) -> Alert {
    Alert::of(service, kind, TEN, TEN, TEN)
}

fn said(alert: &Alert, now: i64) -> String {
    text::of(alert, now, &TimeZone::UTC)
}

fn page(service: &Service, told: Option<&Alert>, now: i64) -> String {
    sentence::of(service, told, now, &TimeZone::UTC)
}

fn silent(deadline: i64) -> Service {
    Service { deadline: Some(deadline), ..service() }
}

#[test]
fn an_alert_that_leaves_two_minutes_late_says_so_first() {
    let alert = raised(Kind::Overdue, &silent(TEN));
    insta::assert_snapshot!(said(&alert, TEN + 119), @"OVERDUE backup: 1 min late. Expected by 10:00 UTC (grace 15 min). Last success 09:00.");
    insta::assert_snapshot!(said(&alert, TEN + 120), @"Delayed 2 min: OVERDUE backup: 2 min late. Expected by 10:00 UTC (grace 15 min). Last success 09:00.");
}

#[test]
fn a_name_is_shown_whole_as_long_as_the_first_line_has_room() {
    let of = |length: usize| {
        let service = Service { name: name(&"n".repeat(length)), ..silent(TEN - 1) };
        said(&raised(Kind::Overdue, &service), TEN)
    };
    insta::assert_snapshot!(of(22), @"OVERDUE nnnnnnnnnnnnnnnnnnnnnn: 1 s late. Expected by 09:59 UTC (grace 15 min). Last success 09:00.");
    insta::assert_snapshot!(of(23), @"OVERDUE nnnnnnnnnnnnnnnnnnnnn…: 1 s late. Expected by 09:59 UTC (grace 15 min). Last success 09:00. Name: nnnnnnnnnnnnnnnnnnnnnnn");
}

#[test]
fn a_reminder_says_how_late_it_is_or_how_long_it_lasts() {
    let reminder =
        |service: &Service| Alert { outage_since: TEN - 7200, ..raised(Kind::Reminder, service) };
    insta::assert_snapshot!(said(&reminder(&silent(TEN - 1)), TEN), @"STILL OVERDUE backup: 1 s late. Expected by 09:59 UTC (grace 15 min). Last success 09:00.");
    // A run that began late has its time, and ends no outage.
    let late = running(silent(TEN), TEN - 900);
    insta::assert_snapshot!(said(&reminder(&late), TEN), @"STILL OVERDUE backup: for 2 h. Expected by 10:00 UTC, started 09:45, not finished. Last success 09:00.");
    let failed = Service { failed: true, ..late };
    insta::assert_snapshot!(said(&reminder(&failed), TEN), @"STILL FAILED backup: for 2 h. Failed at 09:00 UTC. Last success 09:00.");
}

#[test]
fn an_end_says_what_it_was_and_what_comes_next() {
    let ended = |reason, deadline| {
        let alert = raised(Kind::Recovered, &Service { deadline, ..service() });
        said(&Alert { reason, outage_since: TEN - 60, ..alert }, TEN)
    };
    insta::assert_snapshot!(ended(None, Some(TEN + 3600)), @"RECOVERED backup: after 1 min. Pinged 10:00 UTC. Next expected by 11:00.");
    insta::assert_snapshot!(ended(None, None), @"RECOVERED backup: after 1 min. Pinged 10:00 UTC.");
    insta::assert_snapshot!(ended(Some(Reason::Deleted), None), @"RECOVERED backup: after 1 min. Not by a ping: it was deleted at 10:00 UTC.");
    insta::assert_snapshot!(ended(Some(Reason::Paused), None), @"RECOVERED backup: after 1 min. Not by a ping: it was paused at 10:00 UTC.");
}

#[test]
fn silence_tells_what_was_last_heard() {
    let after = |service: Service| said(&raised(Kind::Overdue, &service), TEN);
    let took = |ms| after(Service { last_duration_ms: Some(ms), ..silent(TEN - 1) });
    assert!(took(999).ends_with("Last success 09:00, took 999 ms."), "{}", took(999));
    assert!(took(1000).ends_with("Last success 09:00, took 1 s."), "{}", took(1000));
    assert!(took(61_000).ends_with("Last success 09:00, took 1 min."), "{}", took(61_000));
    let new = Service { last_ping: None, last_success: None, ..silent(TEN - 1) };
    insta::assert_snapshot!(after(new.clone()), @"OVERDUE backup: 1 s late. Expected by 09:59 UTC (grace 15 min). Never pinged.");
    insta::assert_snapshot!(after(running(new, TEN - 900)), @"OVERDUE backup: 1 s late. Expected by 09:59 UTC, started 09:45, not finished. It never succeeded.");
    let failed = Service { last_ping: Some(TEN - 1800), ..silent(TEN - 1) };
    insta::assert_snapshot!(after(failed.clone()), @"OVERDUE backup: 1 s late. Expected by 09:59 UTC (grace 15 min). Last run failed 09:30. Last success 09:00.");
    insta::assert_snapshot!(after(Service { last_success: None, ..failed }), @"OVERDUE backup: 1 s late. Expected by 09:59 UTC (grace 15 min). Last run failed 09:30. It never succeeded.");
}

#[test]
fn a_failure_without_a_status_says_when_it_was() {
    let failed = Service { failed: true, last_success: None, last_ping: Some(TEN), ..service() };
    let alert = raised(Kind::Failed, &failed);
    insta::assert_snapshot!(said(&alert, TEN), @"FAILED backup: at 10:00 UTC. It never succeeded.");
    insta::assert_snapshot!(said(&Alert { exit_status: Some(3), ..alert }, TEN), @"FAILED backup: exit status 3. Failed at 10:00 UTC. It never succeeded.");
}

#[test]
fn the_monitor_tells_of_itself() {
    let alert = |is_over| MonitorAlert::new(is_over, TEN, TEN + 120);
    let said = |is_over, now| text::of_monitor(&alert(is_over), now, &TimeZone::UTC);
    insta::assert_snapshot!(said(false, TEN + 60), @"MONITOR FAILING: 1 min. Nothing can be stored since 10:00 UTC; silence goes unnoticed until that ends.");
    insta::assert_snapshot!(said(true, TEN + 600), @"MONITOR RECOVERED: after 2 min. It stores pings again; from 10:00 UTC on it could not.");
}

#[test]
fn many_alerts_are_counted_by_what_they_are() {
    let failed = Service { failed: true, ..service() };
    let away = Span { from: TEN - 60, to: TEN };
    let alerts = [
        raised(Kind::Recovered, &service()),
        raised(Kind::Reminder, &failed),
        raised(Kind::Reminder, &service()),
        raised(Kind::Reminder, &service()),
        raised(Kind::Failed, &failed),
        Alert { uncertain: Some(away), ..raised(Kind::Overdue, &service()) },
        raised(Kind::Overdue, &service()),
        raised(Kind::Overdue, &service()),
        raised(Kind::Overdue, &service()),
    ];
    insta::assert_snapshot!(text::headline(alerts.iter()), @"3 OVERDUE, 1 OVERDUE (uncertain), 1 FAILED, 2 STILL OVERDUE, 1 STILL FAILED, 1 RECOVERED");
    insta::assert_snapshot!(text::headline(alerts[..1].iter()), @"1 RECOVERED");
    assert_eq!(text::headline([].iter()), "");
}

#[test]
fn a_time_has_its_day_before_it_where_that_is_not_today() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let of = |second| {
        let zoned = text::clock_time_zoned(second, TEN, &berlin);
        let exact = text::exact_time(second, Some(TEN), &berlin);
        format!("{zoned}; {exact}; {}", text::clock_time_utc(second, TEN))
    };
    insta::assert_snapshot!(of(TEN + 1), @"11:00 CET; 11:00:01 CET; 10:00:01 UTC");
    // An hour in which it is the day before in UTC and today in Berlin.
    insta::assert_snapshot!(of(TEN - 36_000 - 1800), @"00:30 CET; 00:30:00 CET; 2026-11-24 23:30:00 UTC");
    insta::assert_snapshot!(of(TEN - 86_400), @"yesterday 11:00 CET; 2026-11-24 11:00:00 CET; 2026-11-24 10:00:00 UTC");
    insta::assert_snapshot!(of(TEN + 86_400), @"tomorrow 11:00 CET; 2026-11-26 11:00:00 CET; 2026-11-26 10:00:00 UTC");
    insta::assert_snapshot!(of(TEN - 2 * 86_400), @"2026-11-23 11:00 CET; 2026-11-23 11:00:00 CET; 2026-11-23 10:00:00 UTC");
    insta::assert_snapshot!(text::exact_time(TEN, None, &berlin), @"2026-11-25 11:00:00 CET");
    assert_eq!(text::month(TEN + 5 * 86_400 + 46_800, &berlin), "2026-12", "it begins in Berlin");
    assert_eq!(text::month(TEN + 5 * 86_400 + 46_800, &TimeZone::UTC), "2026-11");
}

#[test]
fn a_page_says_of_silence_what_the_alert_of_just_this_silence_knows() {
    let out = Service { outage_since: Some(TEN - 60), alerted: true, ..silent(TEN - 60) };
    let away = Span { from: TEN - 600, to: TEN - 300 };
    let since = TEN - 60;
    let told = Alert { uncertain: Some(away), ..Alert::of(&out, Kind::Overdue, since, since, TEN) };
    insta::assert_snapshot!(page(&out, Some(&told), TEN), @"OVERDUE backup: 1 min late. Expected by 09:59 UTC (grace 15 min). Last success 09:00. Uncertain: the monitor itself was away from 09:50 to 09:55.");
    for other in [
        Alert { deadline: Some(TEN - 61), ..told.clone() },
        Alert { outage_since: TEN - 61, ..told },
    ] {
        assert_eq!(page(&out, Some(&other), TEN), page(&out, None, TEN));
    }
    assert!(!page(&out, None, TEN).contains("Uncertain"));
}

#[test]
fn a_page_says_of_a_failure_what_the_alert_of_just_this_failure_knows() {
    let failed = Service {
        failed: true,
        last_ping: Some(TEN - 60),
        outage_since: Some(TEN - 60),
        ..silent(TEN + 60)
    };
    let told = Alert {
        exit_status: Some(3),
        ..Alert::of(&failed, Kind::Failed, TEN - 60, TEN - 60, TEN - 60)
    };
    insta::assert_snapshot!(page(&failed, Some(&told), TEN), @"FAILED backup: exit status 3. Failed at 09:59 UTC. Last success 09:00.");
    for other in [Alert { about: TEN - 61, ..told.clone() }, Alert { kind: Kind::Overdue, ..told }]
    {
        assert_eq!(page(&failed, Some(&other), TEN), page(&failed, None, TEN));
    }
    assert!(!page(&failed, None, TEN).contains("exit status"));
}

#[test]
fn a_page_says_until_when_all_is_well() {
    insta::assert_snapshot!(page(&service(), None, TEN), @"All is well: due in 0 s, by 10:00 UTC. Last success 09:00 UTC.");
    insta::assert_snapshot!(page(&service(), None, TEN + 1), @"Late: expected by 10:00 UTC, 1 s into its grace of 15 min. Overdue in 14 min, from 10:15 UTC on. Last success 09:00 UTC.");
    // Deadlines that hands have set and taken away.
    let by_hand = Service { expected: None, deadline: Some(TEN + 60), ..service() };
    insta::assert_snapshot!(page(&by_hand, None, TEN), @"All is well: due in 1 min, by 10:01 UTC. Last success 09:00 UTC.");
    let nothing = Service { deadline: None, ..service() };
    insta::assert_snapshot!(page(&nothing, None, TEN + 1), @"All is well: nothing is expected. Last success 09:00 UTC.");
    let open = running(service(), TEN - 60);
    insta::assert_snapshot!(page(&open, None, TEN), @"Running for 1 min, since 09:59 UTC. It has to end by 10:15 UTC, in 15 min. Last success 09:00 UTC.");
}

#[test]
fn a_page_says_how_the_last_run_ended() {
    let last = |last_success, last_ping| {
        let last_duration_ms = Some(61_000);
        page(&Service { last_success, last_ping, last_duration_ms, ..service() }, None, TEN)
    };
    insta::assert_snapshot!(last(Some(TEN - 60), Some(TEN - 60)), @"All is well: due in 0 s, by 10:00 UTC. Last success 09:59 UTC, took 1 min.");
    insta::assert_snapshot!(last(Some(TEN - 60), Some(TEN - 30)), @"All is well: due in 0 s, by 10:00 UTC. Last success 09:59 UTC.");
    insta::assert_snapshot!(last(None, Some(TEN - 30)), @"All is well: due in 0 s, by 10:00 UTC. It never succeeded; last failed 09:59 UTC, took 1 min.");
}
