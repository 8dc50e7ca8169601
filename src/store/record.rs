//! The record: every change of a service, and every gap in the monitor's own attention. Rows are only appended, in the
//! transaction of what they tell of, and what is more than is kept goes along.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use tracing::debug;

use super::rows::{self, Unreadable};
use super::script::Script;
use super::sql::of_rows::{CHANGES_STORE, STATEMENT_ROWS_MAX};
use super::sql::record as sql;
use crate::core::change::{Changed, Watch, What};
use crate::core::frequency::Frequency;
use crate::core::limits::{
    CHANGES_OF_SERVICE_MAX, CHANGES_ROWS_MAX, CHANGES_TRIM_ROWS, GAPS_ROWS_MAX,
};
use crate::core::listening::{Gap, Listening, Span};
use crate::core::name::Name;
use crate::core::schedule::Schedule;

/// How many changes there are.
pub(super) async fn count(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(sql::CHANGES_COUNT).fetch_one(connection).await
}

/// Has `script` append `changes`, and remove what is too much, where there are `rows_before`. Returns the places of the
/// statements that remove.
pub(super) fn append(
    script: &mut Script,
    changes: &[(Name, Changed)],
    rows_before: i64,
) -> Result<Range<usize>, sqlx::Error> {
    if changes.is_empty() {
        return Ok(0..0);
    }
    if let [(service, changed)] = changes {
        let service = service.as_str();
        script.add(sql::CHANGES_STORE_ONE).bind(service)?;
        bind(script, service, 1, changed)?;
        let first = script.statements();
        script
            .add(sql::CHANGES_TRIM_OF_ONE)
            .bind(service)?
            .bind(service)?
            .bind(CHANGES_OF_SERVICE_MAX)?;
        trim(script, rows_before, 1)?;
        return Ok(first..script.statements());
    }
    // Each statement sees what those before it have appended.
    for changes in changes.chunks(STATEMENT_ROWS_MAX) {
        let mut counts: HashMap<&str, i64> = HashMap::new();
        let mut rows = Vec::with_capacity(changes.len());
        for (service, changed) in changes {
            let number = counts.entry(service.as_str()).or_default();
            *number += 1;
            rows.push((service.as_str(), *number, changed));
        }
        script.rows(&CHANGES_STORE, &rows, |script, (service, number, changed)| {
            bind(script, service, *number, changed)
        })?;
    }
    let services: HashSet<&str> = changes.iter().map(|(service, _)| service.as_str()).collect();
    let services: Vec<&str> = services.into_iter().collect();
    let first = script.statements();
    script.array(sql::CHANGES_TRIM_OF, &services)?;
    script.bind(CHANGES_OF_SERVICE_MAX)?;
    trim(script, rows_before, changes.len())?;
    Ok(first..script.statements())
}

/// Has `script` remove what is too much in all, where so many were `appended` to `rows_before`.
fn trim(script: &mut Script, rows_before: i64, appended: usize) -> Result<(), sqlx::Error> {
    // Some of these may be removed for their service's sake, which shows too late: then a few more go than have to.
    let excess = rows_after(rows_before, appended, &[]) - CHANGES_ROWS_MAX;
    if excess > 0 {
        script.add(sql::CHANGES_TRIM).bind(excess + CHANGES_TRIM_ROWS)?;
    }
    Ok(())
}

/// How many changes there are where there were `rows`, and so many were `appended` and `removed`, by statement.
pub(super) fn rows_after(rows: i64, appended: usize, removed: &[u64]) -> i64 {
    let appended = i64::try_from(appended).unwrap_or(i64::MAX);
    rows + appended - i64::try_from(removed.iter().sum::<u64>()).unwrap_or(i64::MAX)
}

fn bind(
    script: &mut Script,
    service: &str,
    number: i64,
    changed: &Changed,
) -> Result<(), sqlx::Error> {
    script
        .bind(service)?
        .bind(number)?
        .bind(changed.at)?
        .bind(changed.what.as_str())?
        .bind(changed.by_ping)?
        .bind(changed.key.as_deref())?
        .bind(changed.signals)?;
    for watch in [&changed.was, &changed.is] {
        let watch = watch.as_ref();
        let schedule = watch.map(|watch| &watch.schedule);
        let cron = schedule.and_then(Schedule::cron);
        script
            .bind(schedule.and_then(Schedule::frequency).map(Frequency::seconds))?
            .bind(cron.map(|cron| cron.pattern.as_str()))?
            .bind(cron.map(|cron| cron.zone.as_str()))?
            .bind(watch.map(|watch| watch.grace.seconds()))?
            .bind(watch.and_then(|watch| watch.max_runtime).map(Frequency::seconds))?;
    }
    script.bind(changed.paused)?.bind(changed.expected)?.bind(changed.deadline)?;
    Ok(())
}

/// The changes of the service `name`, in their order. A row that hands have spoilt is left out.
pub(super) async fn changes(
    connection: &mut SqliteConnection,
    name: &Name,
) -> Result<Vec<Changed>, sqlx::Error> {
    let found = sqlx::query(sql::CHANGES_OF).bind(name.as_str()).fetch_all(connection).await?;
    let mut kept = Vec::with_capacity(found.len());
    for row in &found {
        match changed(row) {
            Ok(changed) => kept.push(changed),
            Err(reason) => debug!(%reason, "a change cannot be read; it is left out"),
        }
    }
    Ok(kept)
}

/// Up to `rows_max` gaps that began by `to` and whose hold ended at `from` or later, in their order.
pub(super) async fn gaps(
    connection: &mut SqliteConnection,
    from: i64,
    to: i64,
    rows_max: i64,
) -> Result<Vec<Gap>, sqlx::Error> {
    let query = sqlx::query(sql::GAPS_AROUND).bind(from).bind(to).bind(rows_max);
    let mut gaps = Vec::new();
    for row in query.fetch_all(connection).await? {
        let span = Span { from: row.try_get(0)?, to: row.try_get(1)? };
        gaps.push(Gap { span, hold_until: row.try_get(2)? });
    }
    gaps.reverse();
    Ok(gaps)
}

/// A change from a row that begins with its second.
fn changed(row: &SqliteRow) -> Result<Changed, Unreadable> {
    let what: String = row.try_get(1)?;
    let what = What::parse(&what).ok_or(Unreadable::Value { column: "what", value: what })?;
    Ok(Changed {
        at: row.try_get(0)?,
        what,
        by_ping: row.try_get::<i64, _>(2)? != 0,
        key: row.try_get(3)?,
        signals: row.try_get(4)?,
        was: watch(row, 5)?,
        is: watch(row, 10)?,
        paused: row.try_get::<i64, _>(15)? != 0,
        expected: row.try_get(16)?,
        deadline: row.try_get(17)?,
    })
}

/// How a service was watched; `None` where it was not.
fn watch(row: &SqliteRow, first: usize) -> Result<Option<Watch>, Unreadable> {
    let grace: Option<i64> = row.try_get(first + 3)?;
    if grace.is_none() {
        return Ok(None);
    }
    let (frequency, cron, tz) =
        (row.try_get(first)?, row.try_get(first + 1)?, row.try_get(first + 2)?);
    let schedule = rows::schedule(frequency, cron, tz)?;
    let (grace, max_runtime) = rows::waits(grace, row.try_get(first + 4)?)?;
    Ok(Some(Watch { schedule, grace, max_runtime }))
}

/// Remembers the gap of `next`, where it is not that of `before`.
pub(super) async fn remember_gap(
    connection: &mut SqliteConnection,
    before: Listening,
    next: Listening,
) -> Result<(), sqlx::Error> {
    match (before.gap, next.gap) {
        (before, next) if before == next => Ok(()),
        (_, Some(Gap { span, hold_until })) => {
            let stored = sqlx::query(sql::GAPS_STORE).bind(span.from).bind(span.to);
            stored.bind(hold_until).execute(&mut *connection).await?;
            sqlx::query(sql::GAPS_TRIM).bind(GAPS_ROWS_MAX).execute(connection).await.map(drop)
        }
        (Some(gap), None) => {
            let forgotten = sqlx::query(sql::GAPS_FORGET).bind(gap.span.from);
            forgotten.execute(connection).await.map(drop)
        }
        (None, None) => Ok(()),
    }
}
