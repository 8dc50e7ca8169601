//! The table `monitor`: what is remembered of the monitor's own attention.

use sqlx::{Row as _, SqliteConnection};
use tracing::warn;

use super::{record, sql};
use crate::core::limits::{RETRY_AFTER_SECONDS_MAX, TIME_SECONDS_MAX};
use crate::core::listening::{Gap, Listening, Span};

/// What is remembered; nothing on a new database.
pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Listening, sqlx::Error> {
    let Some(row) = sqlx::query(sql::MONITOR_READ).fetch_optional(connection).await? else {
        return Ok(Listening::default());
    };
    let gap: (Option<i64>, Option<i64>, Option<i64>) =
        (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    let gap = match gap {
        (Some(from), Some(to), Some(hold_until))
            if [from, to, hold_until].into_iter().all(is_time) =>
        {
            Some(Gap { span: Span { from, to }, hold_until })
        }
        _ => None,
    };
    // What hands have made of it may be no time at all; then it is as if nothing were remembered.
    let until: i64 = row.try_get(0)?;
    Ok(Listening { until: is_time(until).then_some(until), gap })
}

fn is_time(second: i64) -> bool {
    (0..=TIME_SECONDS_MAX).contains(&second)
}

/// Remembers `next`. If the clock went back, what was to be tried again by the clock of before would wait that much
/// longer, so it is due now.
pub(super) async fn remember(
    connection: &mut SqliteConnection,
    before: Listening,
    next: Listening,
) -> Result<(), sqlx::Error> {
    if let Some(now) = next.until.filter(|now| before.until.is_some_and(|before| *now < before)) {
        let furthest = now + RETRY_AFTER_SECONDS_MAX;
        sqlx::query(sql::DELIVERIES_UNSTICK)
            .bind(now)
            .bind(furthest)
            .execute(&mut *connection)
            .await?;
    }
    store(connection, before, next).await
}

/// Stores `next`, which follows `before`.
pub(super) async fn store(
    connection: &mut SqliteConnection,
    before: Listening,
    next: Listening,
) -> Result<(), sqlx::Error> {
    record::remember_gap(connection, before, next).await?;
    let gap = next.gap;
    sqlx::query(sql::MONITOR_STORE)
        .bind(next.until)
        .bind(gap.map(|gap| gap.span.from))
        .bind(gap.map(|gap| gap.span.to))
        .bind(gap.map(|gap| gap.hold_until))
        .execute(connection)
        .await?;
    Ok(())
}

/// Logs a gap that was just found.
pub(super) fn log(before: Listening, next: Listening) {
    if let Some(Gap { span, hold_until }) = next.gap.filter(|_| next.gap != before.gap) {
        let (from, to) = (span.from, span.to);
        warn!(
            from,
            to,
            hold_until,
            "did not listen for a while; silence since then is held against nobody yet"
        );
    }
}
