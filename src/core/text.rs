//! The words of an alert: what someone woken at 3 needs, its beginning on a phone's first line.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::alert::{Alert, Kind, MonitorAlert, Reason};

/// The first so many characters carry kind, name and lateness.
const FIRST_LINE_CHARS: usize = 40;

/// A name is not shortened below this, whatever stands beside it.
const NAME_CHARS_MIN: usize = 12;

/// An alert that leaves this long after it was raised says so first.
const DELAYED_SECONDS_MIN: i64 = 120;

/// The sentence of `alert` as it leaves at `now`, with times in `zone`.
pub fn of(alert: &Alert, now: i64, zone: &TimeZone) -> String {
    let since_raised = now - alert.created_at;
    let delayed = if since_raised >= DELAYED_SECONDS_MIN {
        format!("Delayed {}: ", rough_duration(since_raised))
    } else {
        String::new()
    };
    let (word, figure) = headword(alert, now, zone);
    let name = alert.service.as_str();
    let taken = delayed.chars().count() + word.len() + 3 + figure.chars().count();
    let short = shortened(name, FIRST_LINE_CHARS.saturating_sub(taken).max(NAME_CHARS_MIN));
    let rest = match alert.kind {
        Kind::Reminder if alert.failed => failure(alert, now, zone),
        Kind::Overdue | Kind::Reminder => silence(alert, now, zone),
        Kind::Failed => failure(alert, now, zone),
        Kind::Recovered => recovery(alert, now, zone),
    };
    let full_name = if short == name { String::new() } else { format!(" Name: {name}") };
    format!("{delayed}{word} {short}: {figure}. {rest}{full_name}")
}

/// The kind in a word, and the figure that counts most.
fn headword(alert: &Alert, now: i64, zone: &TimeZone) -> (&'static str, String) {
    let lasts = || format!("for {}", rough_duration(now - alert.outage_since));
    match alert.kind {
        Kind::Overdue => ("OVERDUE", format!("{} late", lateness(alert, now))),
        Kind::Failed => match alert.exit_status {
            Some(status) => ("FAILED", format!("exit status {status}")),
            None => ("FAILED", failed_at(alert, now, zone)),
        },
        Kind::Reminder if alert.failed => ("STILL FAILED", lasts()),
        Kind::Reminder if alert.deadline.is_some_and(|deadline| deadline < now) => {
            ("STILL OVERDUE", format!("{} late", lateness(alert, now)))
        }
        Kind::Reminder => ("STILL OVERDUE", lasts()),
        Kind::Recovered => {
            ("RECOVERED", format!("after {}", rough_duration(alert.outage_seconds().unwrap_or(0))))
        }
    }
}

/// The sentence about the monitor itself.
pub fn of_monitor(alert: &MonitorAlert, now: i64, zone: &TimeZone) -> String {
    let since = clock_time_zoned(alert.since, now, zone);
    if alert.is_over {
        let away = rough_duration(alert.until - alert.since);
        return format!(
            "MONITOR RECOVERED: after {away}. It stores pings again; from {since} on it could not."
        );
    }
    let away = rough_duration(now - alert.since);
    format!(
        "MONITOR FAILING: {away}. Nothing can be stored since {since}; silence goes unnoticed until that ends."
    )
}

/// What many alerts are, in one line: `280 OVERDUE, 12 RECOVERED`.
pub fn headline<'a>(alerts: impl Iterator<Item = &'a Alert>) -> String {
    let words =
        ["OVERDUE", "OVERDUE (uncertain)", "FAILED", "STILL OVERDUE", "STILL FAILED", "RECOVERED"];
    let mut counts = [0; 6];
    for alert in alerts {
        counts[match alert.kind {
            Kind::Overdue if alert.uncertain.is_none() => 0,
            Kind::Overdue => 1,
            Kind::Failed => 2,
            Kind::Reminder if !alert.failed => 3,
            Kind::Reminder => 4,
            Kind::Recovered => 5,
        }] += 1;
    }
    let told = counts.into_iter().zip(words).filter(|(count, _)| *count > 0);
    told.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

fn lateness(alert: &Alert, now: i64) -> String {
    rough_duration(now - alert.deadline.unwrap_or(alert.about))
}

fn silence(alert: &Alert, now: i64, zone: &TimeZone) -> String {
    let deadline = alert.deadline.unwrap_or(alert.about);
    let grace = match alert.grace.seconds() {
        seconds if seconds > 0 && alert.running_since.is_none() => {
            format!(" (grace {})", rough_duration(seconds))
        }
        _ => String::new(),
    };
    let began = match alert.running_since {
        Some(since) => format!(", started {}, not finished", clock_time(since, now, zone)),
        // Where starts are never told, that it did not start would be a guess.
        None if alert.last_duration_ms.is_some() => ", did not start".to_owned(),
        None => String::new(),
    };
    let expected = clock_time_zoned(deadline, now, zone);
    let doubt = alert.uncertain.map_or_else(String::new, |away| {
        let (from, to) = (clock_time(away.from, now, zone), clock_time(away.to, now, zone));
        format!(" Uncertain: the monitor itself was away from {from} to {to}.")
    });
    format!("Expected by {expected}{grace}{began}. {}{doubt}", heard(alert, now, zone))
}

/// What was last heard of it.
fn heard(alert: &Alert, now: i64, zone: &TimeZone) -> String {
    let took = alert.last_duration_ms.map_or_else(String::new, |ms| format!(", took {}", took(ms)));
    let success = |took: &str| match alert.last_success {
        Some(second) => format!("Last success {}{took}.", clock_time(second, now, zone)),
        None => "It never succeeded.".to_owned(),
    };
    match alert.last_ping {
        None if alert.running_since.is_some() => success(""),
        None => "Never pinged.".to_owned(),
        last_ping if last_ping == alert.last_success => success(&took),
        Some(second) => {
            format!("Last run failed {}{took}. {}", clock_time(second, now, zone), success(""))
        }
    }
}

fn failure(alert: &Alert, now: i64, zone: &TimeZone) -> String {
    let success = match alert.last_success {
        Some(second) => format!("Last success {}.", clock_time(second, now, zone)),
        None => "It never succeeded.".to_owned(),
    };
    // Where there is no exit status, when it failed has been said first.
    if alert.kind == Kind::Failed && alert.exit_status.is_none() {
        return success;
    }
    format!("Failed {}. {success}", failed_at(alert, now, zone))
}

/// When a run failed, and after how long: `at 02:03 UTC after 3 min`.
fn failed_at(alert: &Alert, now: i64, zone: &TimeZone) -> String {
    let at = clock_time_zoned(alert.last_ping.unwrap_or(alert.about), now, zone);
    let took = alert.last_duration_ms.map_or_else(String::new, |ms| format!(" after {}", took(ms)));
    format!("at {at}{took}")
}

fn recovery(alert: &Alert, now: i64, zone: &TimeZone) -> String {
    let at = clock_time_zoned(alert.about, now, zone);
    match (alert.reason, alert.deadline) {
        (Some(Reason::Deleted), _) => format!("Not by a ping: it was deleted at {at}."),
        (Some(Reason::Paused), _) => format!("Not by a ping: it was paused at {at}."),
        (None, Some(deadline)) => {
            format!("Pinged {at}. Next expected by {}.", clock_time(deadline, now, zone))
        }
        (None, None) => format!("Pinged {at}."),
    }
}

/// How long a run took: `250 ms`, `3 min`.
pub(super) fn took(ms: i64) -> String {
    if ms < 1000 { format!("{} ms", ms.max(0)) } else { rough_duration(ms / 1000) }
}

/// A duration as people say it, in at most two units: `1 s`, `5 min`, `1 h 12 min`, `2 d 4 h`.
pub fn rough_duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, large_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86_400 => two(hours, "h", minutes % 60, "min"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

/// A second in RFC 3339, UTC.
pub fn rfc3339(second: i64) -> String {
    at(second).to_string()
}

/// `02:00` on the day of `now`, `yesterday 01:03`, `tomorrow 01:03`, `2026-11-20 01:03` otherwise.
fn clock_time(second: i64, now: i64, zone: &TimeZone) -> String {
    let (then, today) = (at(second).to_zoned(zone.clone()), at(now).to_zoned(zone.clone()).date());
    let time = then.strftime("%H:%M");
    if then.date() == today {
        time.to_string()
    } else if today.yesterday().is_ok_and(|yesterday| then.date() == yesterday) {
        format!("yesterday {time}")
    } else if today.tomorrow().is_ok_and(|tomorrow| then.date() == tomorrow) {
        format!("tomorrow {time}")
    } else {
        then.strftime("%Y-%m-%d %H:%M").to_string()
    }
}

/// `14:02:11 UTC`, with the date before it where that is not the one of `now`.
pub fn clock_time_utc(second: i64, now: i64) -> String {
    let (then, today) =
        (at(second).to_zoned(TimeZone::UTC), at(now).to_zoned(TimeZone::UTC).date());
    let format = if then.date() == today { "%H:%M:%S UTC" } else { "%Y-%m-%d %H:%M:%S UTC" };
    then.strftime(format).to_string()
}

/// `02:00:01 CET`, with the date before it unless it is the one of `today`.
pub fn exact_time(second: i64, today: Option<i64>, zone: &TimeZone) -> String {
    let then = at(second).to_zoned(zone.clone());
    let is_today =
        today.is_some_and(|today| at(today).to_zoned(zone.clone()).date() == then.date());
    let format = if is_today { "%H:%M:%S %Z" } else { "%Y-%m-%d %H:%M:%S %Z" };
    then.strftime(format).to_string()
}

/// The month of a second, as in `2026-10`.
pub fn month(second: i64, zone: &TimeZone) -> String {
    at(second).to_zoned(zone.clone()).strftime("%Y-%m").to_string()
}

/// `02:00 CET` on the day of `now`, with another day's name or date before it.
pub fn clock_time_zoned(second: i64, now: i64, zone: &TimeZone) -> String {
    format!("{} {}", clock_time(second, now, zone), zone_name(second, zone))
}

fn zone_name(second: i64, zone: &TimeZone) -> String {
    at(second).to_zoned(zone.clone()).strftime("%Z").to_string()
}

/// The moment at which a second begins. Stored ones are checked against the year 9999; what is beyond is shown as its end
/// rather than not at all.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second.min(Timestamp::MAX.as_second())).unwrap_or(Timestamp::MIN)
}

fn shortened(name: &str, chars_max: usize) -> String {
    if name.chars().count() <= chars_max {
        return name.to_owned();
    }
    name.chars().take(chars_max - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::frequency::{Frequency, Grace};
    use crate::core::name::Name;
    use crate::core::schedule::Schedule;
    use crate::core::service::Service;

    /// 2026-11-23 02:00:00 UTC.
    const DEADLINE: i64 = 1_795_399_200;

    fn overdue(name: &str) -> Alert {
        let schedule = Schedule::Every(Frequency::parse("1D").unwrap());
        let service =
            Service::new(Name::parse(name).unwrap(), schedule, Grace::parse("1h").unwrap());
        let service = Service {
            last_ping: Some(DEADLINE - 90_000),
            last_success: Some(DEADLINE - 90_000),
            deadline: Some(DEADLINE),
            ..service
        };
        Alert::of(&service, Kind::Overdue, DEADLINE, DEADLINE, DEADLINE + 1)
    }

    #[test]
    fn silence_is_told_with_its_lateness_the_deadline_and_the_last_ping() {
        let alert = overdue("daily_digest");
        insta::assert_snapshot!(of(&alert, DEADLINE + 1, &TimeZone::UTC), @"OVERDUE daily_digest: 1 s late. Expected by 02:00 UTC (grace 1 h). Last success yesterday 01:00.");
        insta::assert_snapshot!(of(&alert, DEADLINE + 79_201, &TimeZone::UTC), @"Delayed 22 h: OVERDUE daily_digest: 22 h late. Expected by yesterday 02:00 UTC (grace 1 h). Last success 2026-11-22 01:00.");
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let never = Alert { last_ping: None, grace: Grace::ZERO, ..alert };
        insta::assert_snapshot!(of(&never, DEADLINE + 61, &berlin), @"OVERDUE daily_digest: 1 min late. Expected by 03:00 CET. Never pinged.");
    }

    #[test]
    fn a_recovery_tells_how_long_the_outage_was() {
        let alert = Alert {
            kind: Kind::Recovered,
            about: DEADLINE + 4320,
            created_at: DEADLINE + 4320,
            deadline: Some(DEADLINE + 94_320),
            ..overdue("daily_digest")
        };
        insta::assert_snapshot!(of(&alert, DEADLINE + 4320, &TimeZone::UTC), @"RECOVERED daily_digest: after 1 h 12 min. Pinged 03:12 UTC. Next expected by tomorrow 04:12.");
    }

    #[test]
    fn an_outage_that_a_deletion_ends_says_so() {
        let alert = Alert {
            kind: Kind::Recovered,
            about: DEADLINE + 60,
            created_at: DEADLINE + 60,
            reason: Some(Reason::Deleted),
            ..overdue("daily_digest")
        };
        insta::assert_snapshot!(of(&alert, DEADLINE + 60, &TimeZone::UTC), @"RECOVERED daily_digest: after 1 min. Not by a ping: it was deleted at 02:01 UTC.");
    }

    #[test]
    fn a_reminder_and_an_uncertain_alert_say_what_they_are() {
        let reminder =
            Alert { kind: Kind::Reminder, created_at: DEADLINE + 3600, ..overdue("daily_digest") };
        insta::assert_snapshot!(of(&reminder, DEADLINE + 3600, &TimeZone::UTC), @"STILL OVERDUE daily_digest: 1 h late. Expected by 02:00 UTC (grace 1 h). Last success yesterday 01:00.");
        let away = crate::core::listening::Span { from: DEADLINE - 600, to: DEADLINE + 60 };
        let uncertain =
            Alert { uncertain: Some(away), created_at: DEADLINE + 121, ..overdue("daily_digest") };
        insta::assert_snapshot!(of(&uncertain, DEADLINE + 121, &TimeZone::UTC), @"OVERDUE daily_digest: 2 min late. Expected by 02:00 UTC (grace 1 h). Last success yesterday 01:00. Uncertain: the monitor itself was away from 01:50 to 02:01.");
    }

    #[test]
    fn a_run_that_was_told_of_says_whether_it_started_and_how_long_the_last_took() {
        let quiet = Alert { last_duration_ms: Some(183_000), ..overdue("daily_digest") };
        insta::assert_snapshot!(of(&quiet, DEADLINE + 60, &TimeZone::UTC), @"OVERDUE daily_digest: 1 min late. Expected by 02:00 UTC (grace 1 h), did not start. Last success yesterday 01:00, took 3 min.");
        let stuck = Alert { running_since: Some(DEADLINE - 3600), ..quiet.clone() };
        insta::assert_snapshot!(of(&stuck, DEADLINE + 60, &TimeZone::UTC), @"OVERDUE daily_digest: 1 min late. Expected by 02:00 UTC, started 01:00, not finished. Last success yesterday 01:00, took 3 min.");
        let after_failure = Alert { last_success: None, last_duration_ms: Some(250), ..quiet };
        insta::assert_snapshot!(of(&after_failure, DEADLINE + 60, &TimeZone::UTC), @"OVERDUE daily_digest: 1 min late. Expected by 02:00 UTC (grace 1 h), did not start. Last run failed yesterday 01:00, took 250 ms. It never succeeded.");
    }

    #[test]
    fn a_failure_is_told_with_its_exit_status_and_the_last_success() {
        let failed = Alert {
            kind: Kind::Failed,
            about: DEADLINE - 60,
            created_at: DEADLINE - 60,
            last_ping: Some(DEADLINE - 60),
            last_duration_ms: Some(62_000),
            exit_status: Some(3),
            failed: true,
            ..overdue("daily_digest")
        };
        insta::assert_snapshot!(of(&failed, DEADLINE - 59, &TimeZone::UTC), @"FAILED daily_digest: exit status 3. Failed at 01:59 UTC after 1 min. Last success yesterday 01:00.");
        let reminder = Alert {
            kind: Kind::Reminder,
            outage_since: DEADLINE - 60,
            created_at: DEADLINE + 3540,
            ..failed.clone()
        };
        insta::assert_snapshot!(of(&reminder, DEADLINE + 3540, &TimeZone::UTC), @"STILL FAILED daily_digest: for 1 h. Failed at 01:59 UTC after 1 min. Last success yesterday 01:00.");
        let without = Alert { exit_status: None, last_duration_ms: None, ..failed };
        insta::assert_snapshot!(of(&without, DEADLINE - 59, &TimeZone::UTC), @"FAILED daily_digest: at 01:59 UTC. Last success yesterday 01:00.");
    }

    #[test]
    fn a_long_name_leaves_room_for_the_lateness_on_the_first_line() {
        let name = "nightly-backup-of-the-billing-database-in-frankfurt";
        let text = of(&overdue(name), DEADLINE + 4320, &TimeZone::UTC);
        insta::assert_snapshot!(text, @"Delayed 1 h 11 min: OVERDUE nightly-bac…: 1 h 12 min late. Expected by 02:00 UTC (grace 1 h). Last success yesterday 01:00. Name: nightly-backup-of-the-billing-database-in-frankfurt");
        let first_line: String = text.chars().take(FIRST_LINE_CHARS).collect();
        assert!(first_line.starts_with("Delayed") && text.ends_with(name));
    }

    #[test]
    fn durations_are_said_in_two_units_at_most() {
        let said: Vec<String> =
            [-5, 0, 59, 60, 3599, 3600, 4320, 86_399, 86_400, 187_200].map(rough_duration).into();
        assert_eq!(
            said,
            [
                "0 s",
                "0 s",
                "59 s",
                "1 min",
                "59 min",
                "1 h",
                "1 h 12 min",
                "23 h 59 min",
                "1 d",
                "2 d 4 h"
            ]
        );
    }

    #[test]
    fn times_beyond_the_calendar_do_not_panic() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert!(rfc3339(i64::MAX).starts_with("9999-12-3"));
    }
}
