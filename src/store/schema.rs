//! The version of the database's schema: what it is, what this program knows, and `overdue migrate`.

use std::path::PathBuf;

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use super::open::{OpenError, absolute, is_empty, lock};
use super::start::{newest_version, up_to_date};
use super::{Store, StoreError, listening, sql};
use crate::core::limits::BUSY_MS_MAX;

/// How the database's schema stands to this program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its version; `None` where there is no database yet.
    pub version: Option<i64>,
    /// The version that this program knows.
    pub known: i64,
}

impl Schema {
    /// What follows for reads, where the two differ.
    pub fn difference(&self) -> Option<String> {
        let Self { version, known } = self;
        match version {
            None => Some("there is no database yet: the primary makes it".to_owned()),
            Some(version) if version < known => Some(format!(
                "the schema has version {version} and this program knows {known}: the primary brings it up to date, and until then what needs the newer one is answered 503"
            )),
            Some(version) if version > known => Some(format!(
                "the schema has version {version} and this program knows {known}: reads are served as far as they go, and writes need the newer program"
            )),
            Some(_) => None,
        }
    }
}

/// What [`migrate`] found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The database.
    pub path: PathBuf,
    /// The version of its schema before; 0 where there was none.
    pub from: i64,
    /// The version now.
    pub to: i64,
}

impl Store {
    /// How the database's schema stands to this program's.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        let known = newest_version();
        if self.path.as_deref().is_some_and(is_empty) {
            return Ok(Schema { version: None, known });
        }
        self.read(move |connection| {
            Box::pin(async move {
                let row = sqlx::query(sql::MIGRATIONS_APPLIED).fetch_one(connection).await?;
                Ok(Schema { version: Some(row.try_get(0)?), known })
            })
        })
        .await
    }
}

impl Store {
    /// The last second at which whoever writes is known to have listened, as far as it has come here.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn listening_until(&self) -> Result<Option<i64>, StoreError> {
        if self.path.as_deref().is_some_and(is_empty) {
            return Ok(None);
        }
        self.read(|connection| {
            Box::pin(async move { Ok(listening::read(connection).await?.until) })
        })
        .await
    }
}

/// Brings the schema of the database at `path` up to date, and makes it where there is none. One that is up to date is
/// not touched, so that it may be served meanwhile. Where it is the only machine, `is_alone`, a server that runs keeps it
/// away from one that is not.
///
/// # Errors
/// [`OpenError`], whose sentence says what to do.
pub async fn migrate(path: &std::path::Path, is_alone: bool) -> Result<Migrated, OpenError> {
    let path = absolute(path)?;
    let known = newest_version();
    let from = if is_empty(&path) { 0 } else { version(&path).await? };
    if from == known {
        return Ok(Migrated { path, from, to: known });
    }
    let lock = if is_alone { Some(lock(&path)?) } else { None };
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(std::time::Duration::from_millis(BUSY_MS_MAX));
    let (connection, shown) = up_to_date(&options, Some(&path), is_alone).await?;
    let closed = sqlx::Connection::close(connection).await;
    closed.map_err(|source| OpenError::Sqlite { path: shown, source: Box::new(source) })?;
    drop(lock);
    Ok(Migrated { path, from, to: known })
}

/// The version of the schema of the database at `path`; 0 where something else made it.
async fn version(path: &std::path::Path) -> Result<i64, OpenError> {
    let failed =
        |source| OpenError::Sqlite { path: path.display().to_string(), source: Box::new(source) };
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.map_err(failed)?;
    let row = sqlx::query(sql::TABLES).fetch_one(&mut connection).await.map_err(failed)?;
    let ours: i64 = row.try_get(1).map_err(failed)?;
    if ours == 0 {
        return Ok(0);
    }
    let row =
        sqlx::query(sql::MIGRATIONS_APPLIED).fetch_one(&mut connection).await.map_err(failed)?;
    row.try_get(0).map_err(failed)
}
