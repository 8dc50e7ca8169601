//! How rows become services and alerts, and the other way round.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Cursor, DueDelivery};
use crate::core::alert::{Alert, Kind, Reason};
use crate::core::frequency::{Frequency, Grace};
use crate::core::limits::{ATTEMPTS_SHOWN_MAX, TIME_SECONDS_MAX};
use crate::core::listening::Span;
use crate::core::name::Name;
use crate::core::runs::{Began, Run, Runs};
use crate::core::schedule::{Cron, CronPattern, Schedule, Zone};
use crate::core::service::{History, Service};
use crate::core::signal::RunId;

/// Why a row cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("{0}")]
    Column(#[from] sqlx::Error),
    #[error("column {column} holds {value}")]
    Value { column: &'static str, value: String },
}

/// A row of a sweep: where it stands in the order, and its service, which hands may have spoilt.
pub(super) fn swept(row: &SqliteRow) -> Result<(Cursor, Result<Service, Unreadable>), sqlx::Error> {
    let second: Option<i64> = row.try_get(SERVICE_COLUMNS)?;
    Ok((Cursor { second: second.unwrap_or_default(), id: row.try_get(0)? }, service(row)))
}

/// How many columns a service has.
pub(super) const SERVICE_COLUMNS: usize = 24;

/// The columns of a service in their order, as a row holds them or as one element of what `SERVICES_PACKED` gives.
#[derive(Deserialize)]
pub(super) struct Columns<'a> {
    pub(super) id: i64,
    #[serde(borrow)]
    name: Cow<'a, str>,
    description: Option<String>,
    frequency: Option<i64>,
    cron: Option<Cow<'a, str>>,
    tz: Option<Cow<'a, str>>,
    grace: i64,
    grace_given: i64,
    max_runtime: Option<i64>,
    locked: i64,
    paused: i64,
    last_ping: Option<i64>,
    last_success: Option<i64>,
    last_duration_ms: Option<i64>,
    expected: Option<i64>,
    deadline: Option<i64>,
    alerted: i64,
    failed: i64,
    outage_since: Option<i64>,
    reminded_at: Option<i64>,
    running_since: Option<i64>,
    runs: Option<Cow<'a, str>>,
    signals: i64,
    newest_ping: i64,
}

/// What `SERVICES_PACKED` has packed; `None` where hands have put something into a row that this cannot carry.
pub(super) fn unpacked(packed: &[u8]) -> Option<Vec<Columns<'_>>> {
    serde_json::from_slice(packed).ok()
}

/// A service from a row that begins with its id.
pub(super) fn service(row: &SqliteRow) -> Result<Service, Unreadable> {
    columns(row)?.service()
}

fn columns(row: &SqliteRow) -> Result<Columns<'_>, sqlx::Error> {
    let text = |index| row.try_get::<Option<&str>, _>(index).map(|text| text.map(Cow::Borrowed));
    Ok(Columns {
        id: row.try_get(0)?,
        name: Cow::Borrowed(row.try_get(1)?),
        description: row.try_get(2)?,
        frequency: row.try_get(3)?,
        cron: text(4)?,
        tz: text(5)?,
        grace: row.try_get(6)?,
        grace_given: row.try_get(7)?,
        max_runtime: row.try_get(8)?,
        locked: row.try_get(9)?,
        paused: row.try_get(10)?,
        last_ping: row.try_get(11)?,
        last_success: row.try_get(12)?,
        last_duration_ms: row.try_get(13)?,
        expected: row.try_get(14)?,
        deadline: row.try_get(15)?,
        alerted: row.try_get(16)?,
        failed: row.try_get(17)?,
        outage_since: row.try_get(18)?,
        reminded_at: row.try_get(19)?,
        running_since: row.try_get(20)?,
        runs: text(21)?,
        signals: row.try_get(22)?,
        newest_ping: row.try_get(23)?,
    })
}

impl Columns<'_> {
    /// The service that they describe.
    pub(super) fn service(self) -> Result<Service, Unreadable> {
        let running_since = time("running_since", self.running_since)?;
        Ok(Service {
            name: named(&self.name)?,
            description: self.description,
            schedule: schedule(self.frequency, self.cron.as_deref(), self.tz.as_deref())?,
            grace: checked("grace", Some(self.grace), Grace::from_seconds)?,
            grace_given: self.grace_given != 0,
            max_runtime: optional("max_runtime", self.max_runtime, Frequency::from_seconds)?,
            locked: self.locked != 0,
            paused: self.paused != 0,
            last_ping: time("last_ping", self.last_ping)?,
            last_success: time("last_success", self.last_success)?,
            last_duration_ms: self.last_duration_ms,
            expected: time("expected", self.expected)?,
            deadline: time("deadline", self.deadline)?,
            alerted: self.alerted != 0,
            failed: self.failed != 0,
            outage_since: time("outage_since", self.outage_since)?,
            reminded_at: time("reminded_at", self.reminded_at)?,
            runs: runs(running_since, self.runs.as_deref())?,
            history: History {
                signals: count("signals", self.signals)?,
                newest: count("newest_ping", self.newest_ping)?,
            },
        })
    }

    /// Its name, as far as it is one.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// A number that may be counted on from.
fn count(column: &'static str, value: i64) -> Result<i64, Unreadable> {
    checked(column, Some(value), |value| (0..=i64::MAX / 2).contains(&value).then_some(value))
}

fn flag(row: &SqliteRow, index: usize) -> Result<bool, sqlx::Error> {
    Ok(row.try_get::<i64, _>(index)? != 0)
}

fn optional<T>(
    column: &'static str,
    value: Option<i64>,
    read: impl Fn(i64) -> Option<T>,
) -> Result<Option<T>, Unreadable> {
    value.map(|value| checked(column, Some(value), &read)).transpose()
}

/// A grace, and how long a run may take.
pub(super) fn waits(
    grace: Option<i64>,
    max_runtime: Option<i64>,
) -> Result<(Grace, Option<Frequency>), Unreadable> {
    Ok((
        checked("grace", grace, Grace::from_seconds)?,
        optional("max_runtime", max_runtime, Frequency::from_seconds)?,
    ))
}

/// A frequency, or a cron expression with its zone.
pub(super) fn schedule(
    frequency: Option<i64>,
    cron: Option<&str>,
    tz: Option<&str>,
) -> Result<Schedule, Unreadable> {
    let wrong = |column, value: &str| Unreadable::Value { column, value: format!("{value:?}") };
    let Some(cron) = cron else {
        return checked("frequency", frequency, Frequency::from_seconds).map(Schedule::Every);
    };
    let pattern = CronPattern::stored(cron).ok_or_else(|| wrong("cron", cron))?;
    let tz = tz.unwrap_or("UTC");
    let zone = Zone::parse(tz).map_err(|_| wrong("tz", tz))?;
    Ok(Schedule::Cron(Cron { pattern, zone }))
}

/// A run as the column `runs` holds it: its id, when it began, and when its end came if that was first.
type StoredRun = (Option<String>, Option<i64>, Option<i64>);

/// The open runs. Hands that set `running_since` to NULL have ended them all.
fn runs(running_since: Option<i64>, stored: Option<&str>) -> Result<Runs, Unreadable> {
    let Some(text) = stored else {
        // Hands may have said since when one runs, and no more.
        let began = running_since.map(|second| Began::At(second * 1000));
        return Ok(Runs::new(began.map(|began| Run { id: None, began }).into_iter().collect()));
    };
    let wrong = || Unreadable::Value { column: "runs", value: format!("{text:?}") };
    let stored: Vec<StoredRun> = serde_json::from_str(text).map_err(|_| wrong())?;
    let read = |(id, started, ended): StoredRun| {
        let id = id.map(RunId::parse).transpose().ok()?;
        let is_time = |ms: &i64| (0..=TIME_SECONDS_MAX * 1000).contains(ms);
        if !started.iter().chain(&ended).all(is_time) {
            return None;
        }
        let began = match (started, ended) {
            (Some(ms), _) => Began::At(ms),
            (None, Some(ms)) => Began::After(ms),
            (None, None) => return None,
        };
        Some(Run { id, began })
    };
    let runs: Option<Vec<Run>> = stored.into_iter().map(read).collect();
    let mut runs = Runs::new(runs.ok_or_else(wrong)?);
    if running_since.is_none() {
        runs.retain(|_| false);
    }
    Ok(runs)
}

fn runs_value(runs: &Runs) -> Option<String> {
    let stored = |run: &Run| -> StoredRun {
        let id = run.id.as_ref().map(|id| id.as_str().to_owned());
        match run.began {
            Began::At(ms) => (id, Some(ms), None),
            Began::After(ms) => (id, None, Some(ms)),
        }
    };
    let runs: Vec<StoredRun> = runs.all().iter().map(stored).collect();
    (!runs.is_empty()).then(|| json!(runs).to_string())
}

fn name(row: &SqliteRow, index: usize) -> Result<Name, Unreadable> {
    named(row.try_get(index)?)
}

fn named(text: &str) -> Result<Name, Unreadable> {
    let shown = |text: &str| format!("{:?}", text.escape_debug().to_string());
    Name::parse(text).map_err(|_| Unreadable::Value { column: "name", value: shown(text) })
}

fn checked<T>(
    column: &'static str,
    value: Option<i64>,
    read: impl Fn(i64) -> Option<T>,
) -> Result<T, Unreadable> {
    value.and_then(read).ok_or_else(|| Unreadable::Value { column, value: format!("{value:?}") })
}

fn required_time(column: &'static str, value: i64) -> Result<i64, Unreadable> {
    time(column, Some(value)).map(|_| value)
}

fn time(column: &'static str, value: Option<i64>) -> Result<Option<i64>, Unreadable> {
    match value {
        Some(second) if !(0..=TIME_SECONDS_MAX).contains(&second) => {
            Err(Unreadable::Value { column, value: second.to_string() })
        }
        _ => Ok(value),
    }
}

/// The row that `SERVICES_STORE` takes.
pub(super) fn service_values(id: Option<i64>, service: &Service) -> Value {
    let cron = service.schedule.cron();
    json!([
        service.name.as_str(),
        service.description,
        service.schedule.frequency().map(Frequency::seconds),
        cron.map(|cron| cron.pattern.as_str()),
        cron.map(|cron| cron.zone.as_str()),
        service.grace.seconds(),
        i64::from(service.grace_given),
        service.max_runtime.map(Frequency::seconds),
        i64::from(service.locked),
        i64::from(service.paused),
        service.last_ping,
        service.last_success,
        service.last_duration_ms,
        service.expected,
        service.deadline,
        i64::from(service.alerted),
        i64::from(service.failed),
        service.outage_since,
        service.reminded_at,
        service.runs.running_since(),
        runs_value(&service.runs),
        service.history.signals,
        service.history.newest,
        id,
    ])
}

/// The row that `ALERTS_STORE` takes.
pub(super) fn alert_values(id: &str, occurrence: i64, alert: &Alert) -> Value {
    let cron = alert.schedule.cron();
    json!([
        id,
        alert.service.as_str(),
        alert.kind.as_str(),
        alert.about,
        occurrence,
        alert.created_at,
        alert.outage_since,
        alert.schedule.frequency().map(Frequency::seconds),
        alert.grace.seconds(),
        alert.last_ping,
        alert.deadline,
        alert.reason.map(Reason::as_str),
        alert.uncertain.map(|away| away.from),
        alert.uncertain.map(|away| away.to),
        cron.map(|cron| cron.pattern.as_str()),
        cron.map(|cron| cron.zone.as_str()),
        alert.description,
        alert.last_success,
        alert.last_duration_ms,
        alert.running_since,
        i64::from(alert.failed),
        alert.exit_status,
        alert.log,
    ])
}

/// How many columns an alert has.
const ALERT_COLUMNS: usize = 21;

/// An alert from the columns that begin with `service` at `first`.
fn alert(row: &SqliteRow, first: usize) -> Result<Alert, Unreadable> {
    let (kind, reason): (String, Option<String>) =
        (row.try_get(first + 1)?, row.try_get(first + 9)?);
    let uncertain: (Option<i64>, Option<i64>) =
        (row.try_get(first + 10)?, row.try_get(first + 11)?);
    Ok(Alert {
        service: name(row, first)?,
        kind: Kind::parse(&kind)
            .ok_or(Unreadable::Value { column: "kind", value: format!("{kind:?}") })?,
        about: required_time("about", row.try_get(first + 2)?)?,
        created_at: required_time("created_at", row.try_get(first + 3)?)?,
        outage_since: required_time("outage_since", row.try_get(first + 4)?)?,
        description: row.try_get(first + 14)?,
        schedule: schedule(
            row.try_get(first + 5)?,
            row.try_get(first + 12)?,
            row.try_get(first + 13)?,
        )?,
        grace: checked("grace", row.try_get(first + 6)?, Grace::from_seconds)?,
        last_ping: time("last_ping", row.try_get(first + 7)?)?,
        last_success: time("last_success", row.try_get(first + 15)?)?,
        last_duration_ms: row.try_get(first + 16)?,
        running_since: time("running_since", row.try_get(first + 17)?)?,
        deadline: time("deadline", row.try_get(first + 8)?)?,
        failed: flag(row, first + 18)?,
        exit_status: row.try_get(first + 19)?,
        log: row.try_get(first + 20)?,
        reason: reason.as_deref().and_then(Reason::parse),
        uncertain: time("uncertain_from", uncertain.0)?
            .zip(time("uncertain_to", uncertain.1)?)
            .map(|(from, to)| Span { from, to }),
    })
}

/// An alert from a row that begins with its columns, with its place and its id.
pub(super) fn alert_seen(row: &SqliteRow) -> Result<(i64, String, Alert), Unreadable> {
    Ok((row.try_get(0)?, row.try_get(1)?, alert(row, 2)?))
}

/// A delivery from a row of `DELIVERIES_DUE`.
pub(super) fn due_delivery(row: &SqliteRow) -> Result<DueDelivery, Unreadable> {
    Ok(DueDelivery {
        seq: row.try_get(0)?,
        id: row.try_get(1)?,
        alert: alert(row, 2)?,
        attempts: row.try_get::<i64, _>(2 + ALERT_COLUMNS)?.clamp(0, ATTEMPTS_SHOWN_MAX),
        retried_at: time("retried_at", row.try_get(3 + ALERT_COLUMNS)?)?,
    })
}

/// A row of `OUTAGES_TOLD`: where it stands in the order, and whether it has an alert, which [`due_delivery`] reads.
pub(super) fn outage(row: &SqliteRow) -> Result<(Cursor, bool), sqlx::Error> {
    let seq: Option<i64> = row.try_get(0)?;
    Ok((
        Cursor { second: row.try_get("place_second")?, id: row.try_get("place_id")? },
        seq.is_some(),
    ))
}
