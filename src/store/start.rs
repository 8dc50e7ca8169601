//! Taking up the writing: at the start, and again each time this machine becomes the one that writes. Whatever was
//! remembered of the database before is read afresh.

use std::path::Path;

use serde_json::json;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use tracing::warn;

use super::errors::is_half_done;
use super::history::Archive;
use super::open::{OpenError, is_empty};
use super::{Rules, listening, sql, wal};
use crate::core::listening::Listening;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// What the writer works with from now on.
pub(super) struct Begun {
    pub(super) connection: SqliteConnection,
    /// How many services there are.
    pub(super) services: i64,
    /// Where the history stands.
    pub(super) archive: Archive,
    /// What the table `monitor` holds.
    pub(super) listening: Listening,
}

/// Opens the database for writing and brings its schema up to date. A file that is not ours, or newer than us, is left
/// as it is.
pub(super) async fn start(
    options: &SqliteConnectOptions,
    path: Option<&Path>,
    rules: &Rules,
    is_alone: bool,
) -> Result<Begun, OpenError> {
    let (mut connection, shown) = up_to_date(options, path, is_alone).await?;
    let sqlite = |source| OpenError::Sqlite { path: shown.clone(), source: Box::new(source) };
    give_up_strangers(&mut connection, rules).await.map_err(sqlite)?;
    let services =
        sqlx::query_scalar(sql::SERVICES_COUNT).fetch_one(&mut connection).await.map_err(sqlite)?;
    let listening = listening::read(&mut connection).await.map_err(sqlite)?;
    let archive = Archive::read(&mut connection).await.map_err(sqlite)?;
    Ok(Begun { connection, services, archive, listening })
}

/// The database, opened for writing and migrated, and how its path is shown. Among several machines, not `is_alone`, its
/// log is LiteFS's to care for.
pub(super) async fn up_to_date(
    options: &SqliteConnectOptions,
    path: Option<&Path>,
    is_alone: bool,
) -> Result<(SqliteConnection, String), OpenError> {
    let shown = path.map_or_else(|| "in memory".to_owned(), |path| path.display().to_string());
    let looker = match path.filter(|path| !is_empty(path)) {
        Some(path) => Some(refuse_strangers(path).await?),
        None => None,
    };
    let opened = opened(options, path.filter(|_| is_alone)).await;
    if let Some(looker) = looker {
        drop(looker.close().await);
    }
    let sqlite = |source| OpenError::Sqlite { path: shown.clone(), source: Box::new(source) };
    let mut connection = opened.map_err(sqlite)?;
    migrate(&mut connection, &shown).await?;
    Ok((connection, shown))
}

/// A connection for writing, and the log at `path` written again.
///
/// The last connection that ends moves the log into the database and removes it, as it believes what it reads. So another
/// one, which cannot write, is to stay until the log is certain, or this one has ended.
async fn opened(
    options: &SqliteConnectOptions,
    path: Option<&Path>,
) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    if let Some(path) = path
        && let Err(error) = wal::write_again(&mut connection, path).await
    {
        drop(connection.close().await);
        return Err(error);
    }
    Ok(connection)
}

/// The version of the schema that this program knows.
pub(super) fn newest_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Whether all triggers are as the migrations have made them, and none is anybody else's.
pub(super) async fn has_no_trigger_but_ours(
    connection: &mut SqliteConnection,
) -> Result<bool, sqlx::Error> {
    let texts: Vec<&str> = MIGRATIONS.iter().map(|migration| migration.sql.as_str()).collect();
    let strange: i64 = sqlx::query_scalar(sql::TRIGGERS_STRANGE)
        .bind(texts.concat())
        .fetch_one(connection)
        .await?;
    Ok(strange == 0)
}

/// What a file that is there holds.
struct Looked {
    tables: i64,
    /// Those of them that keep account of migrations.
    ours: i64,
    version: i64,
    /// Whether our first migration is among those applied.
    first: i64,
}

/// Looks at an existing file without changing it: opened for writing, its journal mode would already be ours. Returns the
/// connection that has looked.
async fn refuse_strangers(path: &Path) -> Result<SqliteConnection, OpenError> {
    let shown = path.display().to_string();
    let sqlite = |source| OpenError::Sqlite { path: shown.clone(), source: Box::new(source) };
    let options = SqliteConnectOptions::new().filename(path).disable_statement_logging();
    let looked = match look(&options.clone().read_only(true)).await {
        // The power went in the middle of a transaction, of our first one say. It is undone by whoever opens the file
        // next, and cannot be read before.
        Err(error) if is_half_done(&error) => look(&options).await,
        looked => looked,
    };
    let (Looked { tables, ours, version, first }, connection) = looked.map_err(sqlite)?;
    let refusal = if tables > ours && first == 0 {
        OpenError::Foreign { path: shown }
    } else if version > newest_version() {
        OpenError::Newer { path: shown, version }
    } else {
        return Ok(connection);
    };
    drop(connection.close().await);
    Err(refusal)
}

async fn look(options: &SqliteConnectOptions) -> Result<(Looked, SqliteConnection), sqlx::Error> {
    let mut connection = options.connect().await?;
    let row = sqlx::query(sql::TABLES).fetch_one(&mut connection).await?;
    let (tables, ours): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let (version, first) = if ours == 0 {
        (0, 0)
    } else {
        let row = sqlx::query(sql::MIGRATIONS_APPLIED).fetch_one(&mut connection).await?;
        (row.try_get(0)?, row.try_get(1)?)
    };
    Ok((Looked { tables, ours, version, first }, connection))
}

async fn migrate(connection: &mut SqliteConnection, path: &str) -> Result<(), OpenError> {
    // What `run` calls; that one, being generic over lifetimes, cannot be part of a task of its own.
    MIGRATIONS.run_direct(None, connection, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => {
            OpenError::Newer { path: path.to_owned(), version }
        }
        source => OpenError::Migrate { path: path.to_owned(), source: Box::new(source) },
    })
}

/// Deliveries to destinations that are configured no more will never be made; they say so.
async fn give_up_strangers(
    connection: &mut SqliteConnection,
    rules: &Rules,
) -> Result<(), sqlx::Error> {
    let known: Vec<&str> = rules.routes.iter().map(|route| route.destination.as_str()).collect();
    let done = sqlx::query(sql::DELIVERIES_GIVE_UP_STRANGERS)
        .bind(json!(known).to_string())
        .execute(connection);
    let given_up = done.await?.rows_affected();
    if given_up > 0 {
        warn!(deliveries = given_up, "given up: their destination has left the settings");
    }
    Ok(())
}
