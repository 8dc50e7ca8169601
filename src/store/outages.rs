//! Outages that last and that a destination was told of, for destinations that forget.

use tracing::debug;

use super::reads::Reading;
use super::{Cursor, Store, StoreError, rows, sql};
use crate::core::alert::{Alert, Kind};
use crate::core::limits::UPKEEP_OUTAGES_MAX;

/// A page of outages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutagesTold {
    /// The last alert of each that was delivered, with its id.
    pub alerts: Vec<(String, Alert)>,
    /// Where to go on, if there may be more. A page may be empty and not the last.
    pub next: Option<Cursor>,
}

impl Store {
    /// The outages that last now and that `destination` was told of by an alert of one of `kinds`, a page of them behind
    /// `after`. None whose end was raised is among them. Rows that cannot be read are left out.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn outages_told(
        &self,
        destination: &str,
        kinds: &[Kind],
        after: Cursor,
    ) -> Result<OutagesTold, StoreError> {
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        let (destination, kinds) = (destination.to_owned(), serde_json::json!(kinds).to_string());
        self.read(move |connection| -> Reading<'_, OutagesTold> {
            Box::pin(async move {
                let rows_max = i64::try_from(UPKEEP_OUTAGES_MAX).unwrap_or(i64::MAX);
                let query = sqlx::query(sql::OUTAGES_TOLD)
                    .bind(destination)
                    .bind(kinds)
                    .bind(after.second)
                    .bind(after.id)
                    .bind(rows_max);
                page(&query.fetch_all(connection).await?)
            })
        })
        .await
    }
}

fn page(found: &[sqlx::sqlite::SqliteRow]) -> Result<OutagesTold, sqlx::Error> {
    let mut page = OutagesTold::default();
    for row in found {
        let (cursor, is_told) = rows::outage(row)?;
        page.next = Some(cursor);
        if !is_told {
            continue;
        }
        match rows::due_delivery(row) {
            Ok(told) => page.alerts.push((told.id, told.alert)),
            Err(reason) => debug!(%reason, "an alert's row cannot be read; its outage is left out"),
        }
    }
    if found.len() < UPKEEP_OUTAGES_MAX {
        page.next = None;
    }
    Ok(page)
}
