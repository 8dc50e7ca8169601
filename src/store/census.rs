//! How many services there are of each status, and how the first of them are, for metrics.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::reads::Reading;
use super::{Store, StoreError, board, sql};
use crate::core::limits::CENSUS_ROWS_MAX;
use crate::core::service::{Signs, Status};
use crate::metrics::{Census, Watched};

impl Store {
    /// The services at `now`: counted by their status, and up to `watched_max` of them by name, those in an outage
    /// first. Of up to [`CENSUS_ROWS_MAX`] each is looked at; of more, indexes tell, as they do pages.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn census(&self, now: i64, watched_max: usize) -> Result<Census, StoreError> {
        let by_status = self
            .read(move |connection| -> Reading<'_, Vec<(Status, i64)>> {
                Box::pin(counted(connection, now))
            })
            .await?;
        let watched = self
            .read(move |connection| -> Reading<'_, Vec<Watched>> {
                Box::pin(watched(connection, now, watched_max))
            })
            .await?;
        Ok(Census { by_status, watched })
    }
}

/// How many services there are of each status.
async fn counted(
    connection: &mut SqliteConnection,
    now: i64,
) -> Result<Vec<(Status, i64)>, sqlx::Error> {
    let count = sqlx::query_scalar(sql::pages::SERVICES_COUNT_TO).bind(CENSUS_ROWS_MAX + 1);
    let count: i64 = count.fetch_one(&mut *connection).await?;
    if count > CENSUS_ROWS_MAX {
        let tally = board::tally(connection, now).await?;
        return Ok(Status::ALL.map(|status| (status, tally.of(status))).to_vec());
    }
    let mut by_status = Status::ALL.map(|status| (status, 0));
    let query = sqlx::query(sql::SERVICES_CENSUS).bind(now).bind(CENSUS_ROWS_MAX);
    for row in query.fetch_all(connection).await? {
        let (status, count): (Status, i64) = (status(&row)?, row.try_get(6)?);
        if let Some((_, sum)) = by_status.iter_mut().find(|(one, _)| *one == status) {
            *sum += count;
        }
    }
    Ok(by_status.to_vec())
}

async fn watched(
    connection: &mut SqliteConnection,
    now: i64,
    rows_max: usize,
) -> Result<Vec<Watched>, sqlx::Error> {
    let mut found = Vec::new();
    for statement in [sql::SERVICES_WATCHED_IN_OUTAGE, sql::SERVICES_WATCHED] {
        let room = i64::try_from(rows_max - found.len()).unwrap_or(i64::MAX);
        let rows = sqlx::query(statement).bind(now).bind(room).fetch_all(&mut *connection).await?;
        for row in &rows {
            // Hands may have written a name that is no text.
            let Ok(name) = row.try_get(6) else { continue };
            found.push(Watched { name, status: status(row)?, deadline: row.try_get(7)? });
        }
    }
    Ok(found)
}

/// The status, as the first six columns come to it. They say of seconds only whether these are past: at the second 1,
/// those at 0 are.
fn status(row: &SqliteRow) -> Result<Status, sqlx::Error> {
    let (is_past_deadline, is_past_expected): (bool, bool) = (row.try_get(1)?, row.try_get(5)?);
    let signs = Signs {
        paused: row.try_get(0)?,
        failed: row.try_get(2)?,
        pinged: row.try_get(3)?,
        running: row.try_get(4)?,
        expected: is_past_expected.then_some(0),
        deadline: Some(i64::from(!is_past_deadline)),
    };
    Ok(signs.status(1))
}
