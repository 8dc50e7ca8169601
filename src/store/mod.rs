//! All SQL: opening and migrating the database, the one writer, and reads. The only place that names sqlx.
//!
//! Everything that writes is a command to the writer, and its caller waits for the answer; whatever was answered is on
//! disk. While one transaction commits, the next batch gathers, so that many pings share one fsync.

mod alerts;
mod batch;
mod board;
mod census;
mod command;
mod commit;
mod errors;
mod guard;
mod health;
mod history;
mod listening;
mod memory;
mod open;
mod outages;
mod raise;
mod reads;
mod record;
mod report;
mod retry;
mod rows;
mod schema;
mod script;
mod services;
mod sql;
mod start;
mod sweep;
mod tally;
mod term;
#[cfg(test)]
mod tests;
mod wal;
mod why;
mod witness;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

pub use alerts::{
    AlertSeen, AlertsPage, AlertsWanted, AttemptSeen, DeliverySeen, DeliveryState, OutageSeen,
    OutagesPage,
};
pub use board::{
    Fate, LastDelivery, Outlined, Overview, Pause, Place, Run, Shown, Tally, Told, Walk, rank,
};
use command::Command;
pub use guard::Guard;
pub use health::Health;
pub use open::{OpenError, Opened, open};
pub use outages::OutagesTold;
pub use reads::Summary;
pub use retry::Retried;
pub use schema::{Migrated, Schema, migrate};
pub use services::{Known, ListAfter, Recorded, Recording};
use sqlx::SqlitePool;
pub use sweep::SweepFor;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
pub use witness::Witness;
pub use writer::Writer;

use crate::core::alert::{Alert, Route};
use crate::core::declaration::Declaration;
use crate::core::frequency::Grace;
use crate::core::name::Name;
use crate::core::ping::{Origin, Ping, Refusal};
use crate::core::service::Service;
use crate::metrics::{Metrics, PingOutcome};

/// What the writer needs to know to decide.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The grace of new services that give none.
    pub grace: Grace,
    /// How many services there may be.
    pub services_max: i64,
    /// Which alerts go where.
    pub routes: Vec<Route>,
    /// For how long after a gap silence is held against nobody, in seconds.
    pub hold_seconds: i64,
    /// How often an outage that lasts is told of again, in seconds; `None`: never.
    pub remind_every_seconds: Option<i64>,
    /// How many signals are kept of each service; 0: none.
    pub history: i64,
    /// How much space all logs together may take, in bytes.
    pub log_bytes_max: i64,
}

/// What an owner may do to a service, besides deleting it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Expect nothing of it, until it is resumed or succeeds.
    Pause,
    /// Expect the next ping as if one had just come.
    Resume,
    /// Watch it as declared, from now on.
    Declare(Box<Declaration>),
}

/// What an owner's action came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steered {
    /// The service as it is now.
    pub service: Arc<Service>,
    /// Whether it was made by this.
    pub is_new: bool,
}

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The ping itself does not fit what is known.
    #[error("the ping was refused")]
    Refused(Refusal),
    /// No such service.
    #[error("there is no such service")]
    UnknownService,
    /// The row was spoilt by hand and the ping does not say enough to replace it.
    #[error("the stored row cannot be read")]
    Unreadable,
    /// There are as many services as there may be.
    #[error("there are {services_max} services already")]
    Full {
        /// How many there may be.
        services_max: i64,
    },
    /// An alias is the name or the alias of another service.
    #[error("the alias {alias:?} is taken")]
    AliasTaken {
        /// The alias.
        alias: String,
    },
    /// More commands wait than are taken in.
    #[error("the writer's queue is full")]
    Overloaded,
    /// Another machine is the one that writes, or none is known to.
    #[error("this machine is not the primary")]
    NotPrimary,
    /// The database could not be written or read. The reason is in the log.
    #[error("the store is not available")]
    Unavailable,
}

/// What became of one attempt to deliver an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The alert's place in the order of alerts.
    pub seq: i64,
    /// The destination's name.
    pub destination: String,
    /// When it was made.
    pub at: i64,
    /// How it ended.
    pub outcome: AttemptOutcome,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// Accepted.
    Delivered {
        /// What the destination answered.
        answer: String,
    },
    /// To be tried again.
    Failed {
        /// When.
        next_attempt: i64,
        /// Why it failed.
        error: String,
        /// Whether the destination as a whole did not answer or was not able to.
        destination_failed: bool,
    },
    /// Not to be tried again.
    GivenUp {
        /// Why it failed.
        error: String,
    },
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
    /// When somebody asked for it again after it was given up.
    pub retried_at: Option<i64>,
}

/// What a destination has to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueDeliveries {
    /// The deliveries, the longest due first.
    pub deliveries: Vec<DueDelivery>,
    /// Alerts (by their `seq`) whose rows cannot be read, with the reason; they can only be given up.
    pub unreadable: Vec<(i64, String)>,
}

/// Where a sweep goes on: behind this row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The second that the last row stands in order by: its deadline, or when it was last told of.
    pub second: i64,
    /// Its id.
    pub id: i64,
}

impl Cursor {
    /// Before every row.
    pub const START: Self = Self { second: i64::MIN, id: i64::MIN };
}

/// What one transaction of a sweep did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepPage {
    /// How many alerts it raised.
    pub raised: usize,
    /// Where to go on, if there may be more.
    pub next: Option<Cursor>,
}

/// The handle to the store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    commands: mpsc::Sender<Command>,
    /// `None` in memory, where reads go through the writer's connection.
    reads: Option<SqlitePool>,
    raised: watch::Receiver<u64>,
    health: Health,
    metrics: Metrics,
    guard: Guard,
    /// `None` in memory.
    path: Option<PathBuf>,
    closing: CancellationToken,
    rules: Arc<Rules>,
}

impl Store {
    /// Decides and stores a ping. The answer comes after it is on disk.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing has changed.
    pub async fn ping(&self, ping: impl Into<Box<Ping>>) -> Result<Arc<Service>, StoreError> {
        self.ping_or_make(ping).await.map(|done| done.service)
    }

    /// The same, for those who want to know whether the ping has made the service.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing has changed.
    pub async fn ping_or_make(&self, ping: impl Into<Box<Ping>>) -> Result<Steered, StoreError> {
        let ping: Box<Ping> = ping.into();
        let signal = ping.signal;
        let asked = self.ask(|reply| Command::Ping { ping, reply }).await;
        if asked == Err(StoreError::Overloaded) {
            self.metrics.pings(signal, PingOutcome::Unavailable, 1);
        }
        asked
    }

    /// Forgets a service, its history and its undelivered alerts, at the second `at`, as the caller `by` wants it.
    /// Destinations that were told of its outage are told that it has ended.
    ///
    /// # Errors
    /// [`StoreError::UnknownService`], or that the store cannot do it now.
    pub async fn delete(&self, name: Name, at: i64, by: Origin) -> Result<(), StoreError> {
        self.ask(|reply| Command::Delete { name, at, by, reply }).await
    }

    /// Does to a service, by its name or an alias, what its owner wants at the second `at`, who called as `by`. The answer
    /// comes after it is on disk.
    ///
    /// # Errors
    /// [`StoreError::UnknownService`], or that the store cannot do it now.
    pub async fn steer(
        &self,
        name: Name,
        action: Action,
        at: i64,
        by: Origin,
    ) -> Result<Steered, StoreError> {
        self.ask(|reply| Command::Steer { name, action, at, by, reply }).await
    }

    /// Raises what is to be told at `now` for up to a page of services.
    ///
    /// # Errors
    /// That the store cannot do it now.
    pub async fn sweep(
        &self,
        sweep: SweepFor,
        now: i64,
        after: Cursor,
    ) -> Result<SweepPage, StoreError> {
        self.ask(|reply| Command::Sweep { sweep, now, after, reply }).await
    }

    /// Takes up to `limit` deliveries that `destination` has to make at `now`; of each service only the oldest, so that
    /// order is kept. None of them is handed out again before its attempt is [recorded](Self::record).
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn take(
        &self,
        destination: String,
        now: i64,
        limit: usize,
    ) -> Result<DueDeliveries, StoreError> {
        self.ask(|reply| Command::Take { destination, now, limit, reply }).await
    }

    /// Notes what became of attempts. One whose delivery has gone meanwhile changes nothing.
    ///
    /// # Errors
    /// That the store cannot do it now.
    pub async fn record(&self, attempts: Vec<Attempt>) -> Result<(), StoreError> {
        self.ask(|reply| Command::Record { attempts, reply }).await
    }

    /// Makes due at `at` what was given up of the alert `id`, to `destination` or to all. Two days of retries begin anew.
    ///
    /// # Errors
    /// That the store cannot do it now.
    pub async fn retry(
        &self,
        id: String,
        destination: Option<String>,
        at: i64,
    ) -> Result<Retried, StoreError> {
        self.ask(|reply| Command::Retry { id, destination, at, reply }).await
    }

    /// Makes due at `now` what waits because `destination` as a whole had failed.
    ///
    /// # Errors
    /// That the store cannot do it now.
    pub async fn revive(&self, destination: String, now: i64) -> Result<(), StoreError> {
        self.ask(|reply| Command::Revive { destination, now, reply }).await
    }

    /// Removes alerts raised before `before`, but none that is still on its way. Returns how many; at most
    /// [`PURGE_ALERTS_MAX`](crate::core::limits::PURGE_ALERTS_MAX).
    ///
    /// # Errors
    /// That the store cannot do it now.
    pub async fn purge(&self, before: i64) -> Result<u64, StoreError> {
        self.ask(|reply| Command::Purge { before, reply }).await
    }

    /// Which alerts go where.
    pub fn routes(&self) -> &[Route] {
        &self.rules.routes
    }

    /// Changes whenever alerts were raised.
    pub fn raised(&self) -> watch::Receiver<u64> {
        self.raised.clone()
    }

    /// Whether commits succeed.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// What this server counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How many commands wait for the writer, and how many may.
    pub fn queue(&self) -> (usize, usize) {
        let places = self.commands.max_capacity();
        (places - self.commands.capacity(), places)
    }

    /// The sizes of the database's file and of its write-ahead log, in bytes; `None` where there is none.
    pub fn file_bytes(&self) -> (Option<u64>, Option<u64>) {
        let bytes = |path: PathBuf| std::fs::metadata(path).ok().map(|file| file.len());
        let Some(path) = &self.path else { return (None, None) };
        let mut log = path.clone().into_os_string();
        log.push("-wal");
        (bytes(path.clone()), bytes(log.into()))
    }

    /// Whether this machine may write.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Ends reads, has the writer finish what it was given, and closes the database. What is asked from now on is
    /// [`StoreError::Unavailable`]. Returns once the reads have ended; the writer's own task ends by itself.
    pub async fn close(&self) {
        if let Some(reads) = &self.reads {
            reads.close().await;
        }
        self.closing.cancel();
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.commands.try_send(command(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreError::Unavailable,
        })?;
        answer.await.unwrap_or(Err(StoreError::Unavailable))
    }
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;
