//! How rows become services and alerts, and the other way round.

use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Cursor, DueDelivery};
use crate::core::alert::{Alert, Kind, Reason};
use crate::core::frequency::{Frequency, Grace};
use crate::core::limits::{ATTEMPTS_SHOWN_MAX, TIME_SECONDS_MAX};
use crate::core::listening::Span;
use crate::core::name::Name;
use crate::core::service::Service;

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
    let second: Option<i64> = row.try_get(10)?;
    Ok((Cursor { second: second.unwrap_or_default(), id: row.try_get(0)? }, service(row)))
}

/// A service from a row that begins with its id.
pub(super) fn service(row: &SqliteRow) -> Result<Service, Unreadable> {
    Ok(Service {
        name: name(row, 1)?,
        frequency: checked("frequency", row.try_get(2)?, Frequency::from_seconds)?,
        grace: checked("grace", row.try_get(3)?, Grace::from_seconds)?,
        last_ping: time("last_ping", row.try_get(4)?)?,
        expected: time("expected", row.try_get(5)?)?,
        deadline: time("deadline", row.try_get(6)?)?,
        alerted: row.try_get::<i64, _>(7)? != 0,
        outage_since: time("outage_since", row.try_get(8)?)?,
        reminded_at: time("reminded_at", row.try_get(9)?)?,
    })
}

fn name(row: &SqliteRow, index: usize) -> Result<Name, Unreadable> {
    let text: String = row.try_get(index)?;
    Name::parse(text.as_str()).map_err(|_| Unreadable::Value {
        column: "name",
        value: format!("{:?}", text.escape_debug().to_string()),
    })
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
pub(super) fn service_values(service: &Service) -> Value {
    json!([
        service.name.as_str(),
        service.frequency.seconds(),
        service.grace.seconds(),
        service.last_ping,
        service.expected,
        service.deadline,
        i64::from(service.alerted),
        service.outage_since,
        service.reminded_at,
    ])
}

/// The row that `ALERTS_STORE` takes.
pub(super) fn alert_values(id: &str, occurrence: i64, alert: &Alert) -> Value {
    json!([
        id,
        alert.service.as_str(),
        alert.kind.as_str(),
        alert.about,
        occurrence,
        alert.created_at,
        alert.outage_since,
        alert.frequency.seconds(),
        alert.grace.seconds(),
        alert.last_ping,
        alert.deadline,
        alert.reason.map(Reason::as_str),
        alert.uncertain.map(|away| away.from),
        alert.uncertain.map(|away| away.to),
    ])
}

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
        frequency: checked("frequency", row.try_get(first + 5)?, Frequency::from_seconds)?,
        grace: checked("grace", row.try_get(first + 6)?, Grace::from_seconds)?,
        last_ping: time("last_ping", row.try_get(first + 7)?)?,
        deadline: time("deadline", row.try_get(first + 8)?)?,
        reason: reason.as_deref().and_then(Reason::parse),
        uncertain: time("uncertain_from", uncertain.0)?
            .zip(time("uncertain_to", uncertain.1)?)
            .map(|(from, to)| Span { from, to }),
    })
}

/// A delivery from a row of `DELIVERIES_DUE`.
pub(super) fn due_delivery(row: &SqliteRow) -> Result<DueDelivery, Unreadable> {
    Ok(DueDelivery {
        seq: row.try_get(0)?,
        id: row.try_get(1)?,
        alert: alert(row, 2)?,
        attempts: row.try_get::<i64, _>(14)?.clamp(0, ATTEMPTS_SHOWN_MAX),
    })
}
