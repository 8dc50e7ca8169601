//! What a report is made from: the names of services that are there or were, and what is on record of each.

use sqlx::{Row as _, SqliteConnection};

use super::reads::Reading;
use super::sql::record as sql;
use super::{ListAfter, Store, StoreError, record};
use crate::core::limits::{GAPS_ROWS_MAX, REPORT_OUTAGES_MAX};
use crate::core::listening::{Gap, Span};
use crate::core::name::Name;
use crate::core::report::{Life, Outage};

impl Store {
    /// What is on record of up to `rows_max` services behind `after`, by their names, and of those that were deleted;
    /// outages are those that touch `period`. Where to go on, if there may be more.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn lives(
        &self,
        after: ListAfter,
        period: Span,
        now: i64,
        rows_max: usize,
    ) -> Result<(Vec<Life>, Option<ListAfter>), StoreError> {
        let limit = i64::try_from(rows_max).unwrap_or(i64::MAX);
        self.read(move |connection| -> Reading<'_, (Vec<Life>, Option<ListAfter>)> {
            Box::pin(async move {
                let names = sqlx::query_scalar(sql::NAMES_EVER).bind(after.0).bind(limit);
                let names: Vec<String> = names.fetch_all(&mut *connection).await?;
                let last = names.last().filter(|_| names.len() >= rows_max).cloned();
                let mut lives = Vec::with_capacity(names.len());
                // What hands have named otherwise is no service.
                for name in names.into_iter().filter_map(|name| Name::parse(name).ok()) {
                    lives.push(life(connection, &name, period, now).await?);
                }
                Ok((lives, last.map(ListAfter)))
            })
        })
        .await
    }

    /// The gaps in the monitor's own attention that touch `period`, in their order; those that are kept.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn gaps(&self, period: Span) -> Result<Vec<Gap>, StoreError> {
        self.read(move |connection| -> Reading<'_, Vec<Gap>> {
            Box::pin(record::gaps(connection, period.from, period.to, GAPS_ROWS_MAX))
        })
        .await
    }
}

async fn life(
    connection: &mut SqliteConnection,
    name: &Name,
    period: Span,
    now: i64,
) -> Result<Life, sqlx::Error> {
    let row = sqlx::query(sql::SERVICE_IN_OUTAGE).bind(name.as_str());
    let row = row.fetch_optional(&mut *connection).await?;
    let present: Option<i64> = row.as_ref().map(|row| row.try_get(0)).transpose()?.flatten();
    let query = sqlx::query(sql::OUTAGES_IN).bind(name.as_str()).bind(period.from).bind(period.to);
    let found = query.bind(REPORT_OUTAGES_MAX).fetch_all(&mut *connection).await?;
    let mut outages = Vec::with_capacity(found.len());
    for row in &found {
        let (started_at, kind): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
        let ended_at = if kind == "recovered" { Some(row.try_get(2)?) } else { None };
        let raised: i64 = row.try_get(3)?;
        // Hands may have ended it without a word: it lasted at least until it was last told of.
        let lasted_until = if present == Some(started_at) { now } else { raised };
        outages.push(Outage { started_at, ended_at, lasted_until });
    }
    outages.reverse();
    Ok(Life {
        name: name.as_str().to_owned(),
        changes: record::changes(connection, name).await?,
        is_cut: i64::try_from(outages.len()).unwrap_or(i64::MAX) >= REPORT_OUTAGES_MAX,
        outages,
        exists: row.is_some(),
    })
}
