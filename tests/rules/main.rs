//! The rules at their edges: what a change of one sign or one word in them would get wrong.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod alerts;
mod declarations;
mod pings;
mod reckonings;
mod records;
mod reports;
mod schedules;
mod services;
mod tellings;
mod why;
mod words;

use overdue::core::frequency::{Frequency, Grace};
use overdue::core::name::Name;
use overdue::core::runs::{Began, Run, Runs};
use overdue::core::schedule::{Cron, CronPattern, Schedule, Zone};
use overdue::core::service::Service;

/// 2026-11-25 10:00:00 UTC.
const TEN: i64 = 1_795_600_800;

fn every(text: &str) -> Schedule {
    Schedule::Every(Frequency::parse(text).unwrap())
}

fn cron(text: &str) -> Schedule {
    Schedule::Cron(Cron { pattern: CronPattern::parse(text).unwrap(), zone: Zone::utc() })
}

fn grace(text: &str) -> Grace {
    Grace::parse(text).unwrap()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A service that succeeded at `at`, and is expected again as its schedule says.
fn pinged(schedule: Schedule, grace: Grace, at: i64) -> Service {
    let expected = schedule.expected(at);
    Service {
        last_ping: Some(at),
        last_success: Some(at),
        expected: Some(expected),
        deadline: Some(expected + grace.seconds()),
        ..Service::new(name("backup"), schedule, grace)
    }
}

/// The same, with a run open that began at `since`.
fn running(service: Service, since: i64) -> Service {
    let runs = Runs::new(vec![Run { id: None, began: Began::At(since * 1000) }]);
    Service { runs, ..service }
}
