//! What there is to say of a service now: the first sentence of its page. Where it is in an outage, the words are those
//! of the alert.

use jiff::tz::TimeZone;

use super::alert::{Alert, Kind};
use super::service::{Service, Status};
use super::text::{self, clock_time_zoned, rough_duration, took};

/// The sentence about `service` at `now`, with times in `zone`. `told` is the last alert that was raised of it: it knows
/// how the run ended that failed, and whether the silence may be the monitor's own.
pub fn of(service: &Service, told: Option<&Alert>, now: i64, zone: &TimeZone) -> String {
    match service.status(now) {
        Status::Overdue => overdue(service, told, now, zone),
        Status::Failed => failed(service, told, now, zone),
        Status::Late => late(service, now, zone),
        Status::Paused => paused(service, now, zone),
        Status::Waiting => waiting(service, now, zone),
        Status::Up if service.is_running() => running(service, now, zone),
        Status::Up => up(service, now, zone),
    }
}

fn overdue(service: &Service, told: Option<&Alert>, now: i64, zone: &TimeZone) -> String {
    let deadline = service.deadline.unwrap_or(now);
    let since = service.outage_since.unwrap_or(deadline);
    let same = told.filter(|told| told.deadline == service.deadline && told.outage_since == since);
    let uncertain = same.and_then(|told| told.uncertain);
    let alert = Alert { uncertain, ..Alert::of(service, Kind::Overdue, deadline, since, now) };
    let text = text::of(&alert, now, zone);
    if service.alerted { text } else { format!("{text} Nobody was told of it yet.") }
}

fn failed(service: &Service, told: Option<&Alert>, now: i64, zone: &TimeZone) -> String {
    let about = service.last_ping.unwrap_or(now);
    let since = service.outage_since.unwrap_or(about);
    let same = told.filter(|told| told.kind == Kind::Failed && told.about == about);
    let exit_status = same.and_then(|told| told.exit_status);
    text::of(
        &Alert { exit_status, ..Alert::of(service, Kind::Failed, about, since, now) },
        now,
        zone,
    )
}

fn late(service: &Service, now: i64, zone: &TimeZone) -> String {
    let expected = service.expected.unwrap_or(now);
    let grace = rough_duration(service.deadline.unwrap_or(expected) - expected);
    let left = service.deadline.map_or_else(String::new, |deadline| {
        format!(
            " Overdue in {}, from {} on.",
            rough_duration(deadline - now),
            clock_time_zoned(deadline, now, zone)
        )
    });
    format!(
        "Late: expected by {}, {} into its grace of {grace}.{left} {}",
        clock_time_zoned(expected, now, zone),
        rough_duration(now - expected),
        last(service, now, zone)
    )
}

fn running(service: &Service, now: i64, zone: &TimeZone) -> String {
    let since = service.runs.running_since().unwrap_or(now);
    let end = service.deadline.map_or_else(String::new, |deadline| {
        format!(
            " It has to end by {}, in {}.",
            clock_time_zoned(deadline, now, zone),
            rough_duration(deadline - now)
        )
    });
    format!(
        "Running for {}, since {}.{end} {}",
        rough_duration(now - since),
        clock_time_zoned(since, now, zone),
        last(service, now, zone)
    )
}

fn up(service: &Service, now: i64, zone: &TimeZone) -> String {
    let due = match (service.expected, service.deadline) {
        (Some(expected), _) if expected >= now => {
            format!(
                "due in {}, by {}",
                rough_duration(expected - now),
                clock_time_zoned(expected, now, zone)
            )
        }
        (_, Some(deadline)) => {
            format!(
                "due in {}, by {}",
                rough_duration(deadline - now),
                clock_time_zoned(deadline, now, zone)
            )
        }
        _ => "nothing is expected".to_owned(),
    };
    format!("All is well: {due}. {}", last(service, now, zone))
}

fn paused(service: &Service, now: i64, zone: &TimeZone) -> String {
    format!(
        "Paused: nothing is expected of it until it is resumed or succeeds. {}",
        last(service, now, zone)
    )
}

fn waiting(service: &Service, now: i64, zone: &TimeZone) -> String {
    match service.deadline {
        Some(deadline) => format!(
            "Never pinged. Its first ping is due in {}, by {}.",
            rough_duration(deadline - now),
            clock_time_zoned(deadline, now, zone)
        ),
        None => "Waiting for its first ping; until that comes, nothing is told of it.".to_owned(),
    }
}

/// What was last heard of it.
fn last(service: &Service, now: i64, zone: &TimeZone) -> String {
    let took =
        service.last_duration_ms.map_or_else(String::new, |ms| format!(", took {}", took(ms)));
    match (service.last_success, service.last_ping) {
        (None, None) => "It was never pinged.".to_owned(),
        (None, Some(failure)) => format!(
            "It never succeeded; last failed {}{took}.",
            clock_time_zoned(failure, now, zone)
        ),
        (Some(success), last_ping) if last_ping == Some(success) => {
            format!("Last success {}{took}.", clock_time_zoned(success, now, zone))
        }
        (Some(success), _) => format!("Last success {}.", clock_time_zoned(success, now, zone)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::frequency::{Frequency, Grace};
    use crate::core::name::Name;
    use crate::core::runs::{Began, Run, Runs};
    use crate::core::schedule::Schedule;

    /// 2026-11-25 10:00:00 UTC.
    const TEN: i64 = 1_795_600_800;

    fn service() -> Service {
        let schedule = Schedule::Every(Frequency::parse("1h").unwrap());
        let grace = Grace::parse("30m").unwrap();
        Service {
            last_ping: Some(TEN),
            last_success: Some(TEN),
            last_duration_ms: Some(183_000),
            expected: Some(TEN + 3600),
            deadline: Some(TEN + 5400),
            ..Service::new(Name::parse("backup").unwrap(), schedule, grace)
        }
    }

    fn said(service: &Service, now: i64) -> String {
        of(service, None, now, &TimeZone::UTC)
    }

    #[test]
    fn a_service_that_is_well_says_when_it_is_due() {
        insta::assert_snapshot!(said(&service(), TEN + 1800), @"All is well: due in 30 min, by 11:00 UTC. Last success 10:00 UTC, took 3 min.");
        insta::assert_snapshot!(said(&service(), TEN + 3900), @"Late: expected by 11:00 UTC, 5 min into its grace of 30 min. Overdue in 25 min, from 11:30 UTC on. Last success 10:00 UTC, took 3 min.");
        let run = Run { id: None, began: Began::At((TEN + 3600) * 1000) };
        let running = Service { runs: Runs::new(vec![run]), ..service() };
        insta::assert_snapshot!(said(&running, TEN + 3900), @"Running for 5 min, since 11:00 UTC. It has to end by 11:30 UTC, in 25 min. Last success 10:00 UTC, took 3 min.");
    }

    #[test]
    fn an_outage_is_said_in_the_words_of_its_alert() {
        let overdue = Service { alerted: true, outage_since: Some(TEN + 5400), ..service() };
        insta::assert_snapshot!(said(&overdue, TEN + 9720), @"OVERDUE backup: 1 h 12 min late. Expected by 11:30 UTC (grace 30 min), did not start. Last success 10:00, took 3 min.");
        insta::assert_snapshot!(said(&service(), TEN + 5401), @"OVERDUE backup: 1 s late. Expected by 11:30 UTC (grace 30 min), did not start. Last success 10:00, took 3 min. Nobody was told of it yet.");
        let failed = Service {
            failed: true,
            last_ping: Some(TEN + 60),
            outage_since: Some(TEN + 60),
            ..service()
        };
        let told = Alert {
            exit_status: Some(7),
            ..Alert::of(&failed, Kind::Failed, TEN + 60, TEN + 60, TEN + 60)
        };
        insta::assert_snapshot!(of(&failed, Some(&told), TEN + 300, &TimeZone::UTC), @"FAILED backup: exit status 7. Failed at 10:01 UTC after 3 min. Last success 10:00.");
        let later = Alert { about: TEN + 30, ..told };
        insta::assert_snapshot!(of(&failed, Some(&later), TEN + 300, &TimeZone::UTC), @"FAILED backup: at 10:01 UTC after 3 min. Last success 10:00.");
    }

    #[test]
    fn one_that_expects_nothing_says_so() {
        let paused = Service { paused: true, expected: None, deadline: None, ..service() };
        insta::assert_snapshot!(said(&paused, TEN + 9000), @"Paused: nothing is expected of it until it is resumed or succeeds. Last success 10:00 UTC, took 3 min.");
        let declared = Service {
            last_ping: None,
            last_success: None,
            expected: None,
            deadline: None,
            ..service()
        };
        insta::assert_snapshot!(said(&declared, TEN), @"Waiting for its first ping; until that comes, nothing is told of it.");
        let resumed = Service { deadline: Some(TEN + 5400), ..declared };
        insta::assert_snapshot!(said(&resumed, TEN), @"Never pinged. Its first ping is due in 1 h 30 min, by 11:30 UTC.");
    }
}
