//! Notices that the database has changed, whoever has written: the writer, a person with sqlite3, or LiteFS that
//! brings what the primary wrote.

use sqlx::{ConnectOptions as _, SqliteConnection};
use tracing::debug;

use super::Store;
use super::sql::pages as sql;

/// A look at the database that costs next to nothing. SQLite tells a connection what others have written since, so each
/// keeps one of its own.
#[derive(Debug)]
pub struct Witness {
    store: Store,
    connection: Option<SqliteConnection>,
    version: Option<i64>,
}

impl Store {
    /// One that has seen nothing yet.
    pub fn witness(&self) -> Witness {
        Witness { store: self.clone(), connection: None, version: None }
    }
}

impl Witness {
    /// Whether the database has changed since the last look. What cannot be told counts as a change: a look too many is
    /// no harm, and of a database in memory there is nothing to ask.
    pub async fn has_changed(&mut self) -> bool {
        let Some(reads) = &self.store.reads else { return true };
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match reads.connect_options().connect().await {
                Ok(connection) => connection,
                Err(error) => {
                    debug!(%error, "the database cannot be watched now");
                    return true;
                }
            },
        };
        let version = sqlx::query_scalar(sql::DATA_VERSION).fetch_one(&mut connection).await;
        match version {
            Ok(version) => {
                self.connection = Some(connection);
                self.version.replace(version) != Some(version)
            }
            Err(error) => {
                debug!(%error, "the database cannot be watched now");
                self.version = None;
                true
            }
        }
    }
}
