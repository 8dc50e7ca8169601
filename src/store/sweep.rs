//! The pages of a sweep: services to look at, and where to go on.

use sqlx::SqliteConnection;

use super::{Cursor, rows, sql};
use crate::core::service::Service;

/// What a sweep looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepFor {
    /// Services whose deadline has passed and that were not told of.
    Silence,
    /// Outages that are to be told of again.
    Reminders,
}

/// A page of services that may be worth telling of.
pub(super) struct Page {
    /// Each with its row.
    pub(super) services: Vec<(i64, Service)>,
    /// Rows that cannot be read, with the reason.
    pub(super) unreadable: Vec<(i64, String)>,
    /// Where the next page begins; `None` if this was the last.
    pub(super) next: Option<Cursor>,
}

/// Reads a page of up to `rows_max`: what was due before the second `before`, after a cursor.
pub(super) async fn page(
    connection: &mut SqliteConnection,
    sweep: SweepFor,
    before: i64,
    after: Cursor,
    rows_max: usize,
) -> Result<Page, sqlx::Error> {
    let statement = match sweep {
        SweepFor::Silence => sql::SERVICES_DUE,
        SweepFor::Reminders => sql::SERVICES_TO_REMIND,
    };
    let found = sqlx::query(statement)
        .bind(before)
        .bind(after.second)
        .bind(after.id)
        .bind(i64::try_from(rows_max).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    let mut page = Page { services: Vec::new(), unreadable: Vec::new(), next: None };
    let mut last = after;
    for row in &found {
        let (cursor, service) = rows::swept(row)?;
        last = cursor;
        match service {
            Ok(service) => page.services.push((cursor.id, service)),
            Err(reason) => page.unreadable.push((cursor.id, reason.to_string())),
        }
    }
    page.next = (found.len() >= rows_max).then_some(last);
    Ok(page)
}
