//! What is read outside the writer: from a read-only pool, or in memory through the writer's connection.

use std::pin::Pin;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use tokio::sync::oneshot;
use tracing::error;

use super::writer::Command;
use super::{Store, StoreError, rows, sql};
use crate::core::alert::Alert;

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

/// A delivery that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueDelivery {
    /// The alert's place in the order of alerts.
    pub seq: i64,
    /// The alert's id.
    pub id: String,
    /// The alert.
    pub alert: Alert,
    /// How many attempts were made before.
    pub attempts: i64,
}

/// What a destination has to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueDeliveries {
    /// The deliveries, the longest due first.
    pub deliveries: Vec<DueDelivery>,
    /// Alerts (by their `seq`) whose rows cannot be read, with the reason; they can only be given up.
    pub unreadable: Vec<(i64, String)>,
}

type Reading<'c, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'c>>;

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

    /// Up to `limit` deliveries that `destination` has to make at `now`; of each service only the oldest, so that
    /// order is kept.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn due_deliveries(
        &self,
        destination: String,
        now: i64,
        limit: usize,
    ) -> Result<DueDeliveries, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(move |connection| {
            Box::pin(async move {
                let query =
                    sqlx::query(sql::DELIVERIES_DUE).bind(destination).bind(now).bind(limit);
                let mut due = DueDeliveries::default();
                for row in query.fetch_all(connection).await? {
                    match due_delivery(&row) {
                        Ok(delivery) => due.deliveries.push(delivery),
                        Err(reason) => due.unreadable.push((row.try_get(0)?, reason.to_string())),
                    }
                }
                Ok(due)
            })
        })
        .await
    }

    async fn read<T: Send + 'static>(
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
            let job: super::writer::ReadJob = Box::new(move |connection| {
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

fn due_delivery(row: &SqliteRow) -> Result<DueDelivery, rows::Unreadable> {
    Ok(DueDelivery {
        seq: row.try_get(0)?,
        id: row.try_get(1)?,
        alert: rows::alert(row, 2)?,
        attempts: row.try_get(11)?,
    })
}
