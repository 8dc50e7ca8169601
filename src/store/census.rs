//! How many services there are of each status, and how the first of them are, for metrics.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::reads::Reading;
use super::{Store, StoreError, sql};
use crate::core::limits::{CENSUS_PAGE_ROWS_MAX, CENSUS_PAGES_MAX};
use crate::core::service::{Signs, Status};
use crate::metrics::{Census, Watched};

impl Store {
    /// The services at `now`: counted by their status, and up to `watched_max` of them by name, those in an outage
    /// first. They are read a page at a time, so that no read is long.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn census(&self, now: i64, watched_max: usize) -> Result<Census, StoreError> {
        let mut by_status = Status::ALL.map(|status| (status, 0));
        let mut after = i64::MIN;
        for _ in 0..CENSUS_PAGES_MAX {
            let (counts, last) = self.counted(now, after).await?;
            for (status, count) in counts {
                if let Some((_, sum)) = by_status.iter_mut().find(|(one, _)| *one == status) {
                    *sum += count;
                }
            }
            match last {
                Some(last) => after = last,
                None => break,
            }
        }
        let watched = self
            .read(move |connection| -> Reading<'_, Vec<Watched>> {
                Box::pin(watched(connection, now, watched_max))
            })
            .await?;
        Ok(Census { by_status: by_status.to_vec(), watched })
    }

    /// A page of services, counted by status, and its last row.
    async fn counted(
        &self,
        now: i64,
        after: i64,
    ) -> Result<(Vec<(Status, i64)>, Option<i64>), StoreError> {
        self.read(move |connection| {
            Box::pin(async move {
                let query = sqlx::query(sql::SERVICES_CENSUS)
                    .bind(now)
                    .bind(after)
                    .bind(CENSUS_PAGE_ROWS_MAX);
                let (mut counts, mut last) = (Vec::new(), None);
                for row in query.fetch_all(connection).await? {
                    counts.push((status(&row)?, row.try_get(6)?));
                    last = last.max(Some(row.try_get(7)?));
                }
                Ok((counts, last))
            })
        })
        .await
    }
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
