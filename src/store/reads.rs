//! What is read outside the writer: from a read-only pool, or in memory through the writer's connection.

use std::pin::Pin;

use sqlx::{Row as _, SqliteConnection};
use tokio::sync::oneshot;
use tracing::error;

use super::command::Command;
use super::{Store, StoreError, sql};
use crate::core::alert::Route;
use crate::core::limits::{NAMES_PAGE_ROWS_MAX, UNTOLD_NAMES_MAX};
use crate::core::name::Name;

/// What the database holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many services there are.
    pub services: i64,
    /// How many of them are overdue.
    pub overdue: i64,
    /// The last ping of all.
    pub last_ping: Option<i64>,
}

pub(super) type Reading<'c, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'c>>;

impl Store {
    /// What the database holds at `now`.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn summary(&self, now: i64) -> Result<Summary, StoreError> {
        self.read(move |connection| {
            Box::pin(async move {
                let row = sqlx::query(sql::SUMMARY).bind(now).fetch_one(connection).await?;
                Ok(Summary {
                    services: row.try_get(0)?,
                    overdue: row.try_get(1)?,
                    last_ping: row.try_get(2)?,
                })
            })
        })
        .await
    }

    /// The first few services that no destination is told of, and how many there are. Rows that cannot be read are left
    /// out.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn untold(&self, routes: &[Route]) -> Result<(Vec<String>, usize), StoreError> {
        let (mut first, mut count, mut after) = (Vec::new(), 0, i64::MIN);
        if routes.iter().any(|route| route.services.is_none()) {
            return Ok((first, count));
        }
        loop {
            let page = self.names(after).await?;
            let Some((last, _)) = page.last() else { return Ok((first, count)) };
            after = *last;
            for name in page.into_iter().filter_map(|(_, name)| Name::parse(name?).ok()) {
                if routes.iter().any(|route| route.takes_service(&name)) {
                    continue;
                }
                count += 1;
                if first.len() < UNTOLD_NAMES_MAX {
                    first.push(name.as_str().to_owned());
                }
            }
        }
    }

    async fn names(&self, after: i64) -> Result<Vec<(i64, Option<String>)>, StoreError> {
        self.read(move |connection| {
            Box::pin(async move {
                let query = sqlx::query(sql::SERVICES_NAMES).bind(after).bind(NAMES_PAGE_ROWS_MAX);
                let rows = query.fetch_all(connection).await?;
                rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1).ok()))).collect()
            })
        })
        .await
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        reading: impl for<'c> FnOnce(&'c mut SqliteConnection) -> Reading<'c, T> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let result = if let Some(pool) = &self.reads {
            match pool.acquire().await {
                Ok(mut connection) => reading(&mut connection).await,
                Err(error) => Err(error),
            }
        } else {
            let (reply, answer) = oneshot::channel();
            let job: super::command::ReadJob = Box::new(move |connection| {
                Box::pin(async move { drop(reply.send(reading(connection).await)) })
            });
            self.commands.try_send(Command::Read { job }).map_err(|_| StoreError::Overloaded)?;
            answer.await.map_err(|_| StoreError::Unavailable)?
        };
        result.map_err(|error| {
            // A store that is being closed has said so already.
            if !matches!(error, sqlx::Error::PoolClosed) {
                error!(%error, "the store cannot be read now");
            }
            StoreError::Unavailable
        })
    }
}
