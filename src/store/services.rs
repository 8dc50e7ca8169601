//! What is read of services: one, a list of them, and the history of one.

use sqlx::{Row as _, SqliteConnection};
use tracing::debug;

use super::{Store, StoreError, rows, sql};
use crate::core::name::Name;
use crate::core::service::{History, Service};

/// A service with its other names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The service.
    pub service: Service,
    /// Its aliases.
    pub aliases: Vec<String>,
}

/// Where a list of services goes on: behind this name. Services that come and go do not move the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListAfter(pub String);

/// A signal of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Which of the service's signals it is, counted from 1.
    pub number: i64,
    /// When the job ran.
    pub at: i64,
    /// When the signal came.
    pub received_at: i64,
    /// What it said.
    pub signal: String,
    /// The exit status, where it was given.
    pub exit_status: Option<i64>,
    /// How long the run took that it ended.
    pub duration_ms: Option<i64>,
    /// The id of the run.
    pub run: Option<String>,
    /// Where it came from.
    pub address: Option<String>,
    /// The label of the key that was used.
    pub key: Option<String>,
    /// What the job printed.
    pub log: Option<String>,
}

/// A page of the history, the newest signal first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// The signals.
    pub signals: Vec<Recorded>,
    /// Where the next page begins, if there may be one.
    pub next: Option<History>,
}

impl Store {
    /// The service of this name, or of this alias; `None` where there is none.
    ///
    /// # Errors
    /// That the store cannot be read now, or the row was spoilt by hand.
    pub async fn service(&self, name: &Name) -> Result<Option<Known>, StoreError> {
        let name = name.as_str().to_owned();
        let found = self.read(move |connection| Box::pin(known(connection, name))).await?;
        found.transpose().map_err(|()| StoreError::Unreadable)
    }

    /// Up to `rows_max` services behind `after`, by their names, of those in whose names `search` stands. Rows that cannot
    /// be read are left out. Where to go on, if there may be more.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn services(
        &self,
        after: ListAfter,
        search: String,
        rows_max: usize,
    ) -> Result<(Vec<Service>, Option<ListAfter>), StoreError> {
        let limit = i64::try_from(rows_max).unwrap_or(i64::MAX);
        self.read(move |connection| {
            Box::pin(async move {
                let query = sqlx::query(sql::SERVICES_LIST).bind(after.0).bind(search).bind(limit);
                let found = query.fetch_all(connection).await?;
                let last: Option<String> = match found.last() {
                    Some(row) if found.len() >= rows_max => row.try_get(1).ok(),
                    _ => None,
                };
                let mut services = Vec::with_capacity(found.len());
                for row in &found {
                    match rows::service(row) {
                        Ok(service) => services.push(service),
                        Err(reason) => debug!(%reason, "a row is left out of a list"),
                    }
                }
                Ok((services, last.map(ListAfter)))
            })
        })
        .await
    }

    /// Up to `rows_max` signals of the service `name`, back from where `from` stands in its history.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn recording(
        &self,
        name: &Name,
        from: History,
        rows_max: usize,
    ) -> Result<Recording, StoreError> {
        let (name, limit) = (name.as_str().to_owned(), i64::try_from(rows_max).unwrap_or(i64::MAX));
        self.read(move |connection| {
            Box::pin(async move {
                let query = sqlx::query(sql::PINGS_LIST)
                    .bind(from.newest)
                    .bind(from.signals)
                    .bind(name)
                    .bind(limit);
                let found = query.fetch_all(connection).await?;
                let mut recording = Recording::default();
                for row in &found {
                    let number: i64 = row.try_get(1)?;
                    recording.next = Some(History {
                        signals: number.saturating_sub(1),
                        newest: row.try_get(2)?,
                    });
                    recording.signals.push(Recorded {
                        number,
                        at: row.try_get(3)?,
                        received_at: row.try_get(4)?,
                        signal: row.try_get(5)?,
                        exit_status: row.try_get(6)?,
                        duration_ms: row.try_get(7)?,
                        run: row.try_get(8)?,
                        address: row.try_get(9)?,
                        key: row.try_get(10)?,
                        log: row.try_get(11)?,
                    });
                }
                let is_full = found.len() >= rows_max;
                recording.next = recording.next.filter(|next| is_full && next.newest > 0);
                Ok(recording)
            })
        })
        .await
    }
}

/// A service by its name or else by an alias; `Some(Err)` where its row cannot be read.
pub(super) async fn known(
    connection: &mut SqliteConnection,
    name: String,
) -> Result<Option<Result<Known, ()>>, sqlx::Error> {
    let mut name = name;
    let mut found = by_name(connection, &name).await?;
    if found.is_none() {
        let asked = serde_json::json!([name]).to_string();
        let alias = sqlx::query(sql::ALIASES_BY_NAME).bind(asked);
        let Some(row) = alias.fetch_optional(&mut *connection).await? else { return Ok(None) };
        name = row.try_get(1)?;
        found = by_name(connection, &name).await?;
    }
    let Some(row) = found else { return Ok(None) };
    let Ok(service) = rows::service(&row) else { return Ok(Some(Err(()))) };
    let aliases = sqlx::query_scalar(sql::ALIASES_OF).bind(name).fetch_all(connection).await?;
    Ok(Some(Ok(Known { service, aliases })))
}

async fn by_name(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<sqlx::sqlite::SqliteRow>, sqlx::Error> {
    let asked = serde_json::json!([name]).to_string();
    let row = sqlx::query(sql::SERVICES_BY_NAME).bind(asked).fetch_optional(connection).await?;
    let is_there = |row: &sqlx::sqlite::SqliteRow| {
        row.try_get::<Option<i64>, _>(0).is_ok_and(|id| id.is_some())
    };
    Ok(row.filter(is_there))
}
