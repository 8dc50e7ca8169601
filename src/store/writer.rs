//! The one task that writes. It takes what waits in its queue as a batch, and answers when the batch is on disk.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::batch::Batch;
use super::command::Command;
use super::errors::{is_about_a_value, is_busy, is_not_primary};
use super::history::Archive;
use super::memory::Memory;
use super::open::FileIdentity;
use super::raise::{self, Flying, Raised};
use super::script::{Script, undone_unless_ok};
use super::{
    Cursor, DueDeliveries, Guard, Health, Retried, Rules, StoreError, SweepFor, SweepPage,
    listening, retry, rows, sql, sweep, tally,
};
use crate::clock::Clock;
use crate::core::limits::{
    BATCH_COMMANDS_MAX, LISTENING_SWEEP_SECONDS_MAX, PURGE_ALERTS_MAX, REVIVED_ATTEMPTS_MAX,
    SHUTDOWN_BUSY_MS_MAX, SWEEP_SERVICES_MAX, UNREADABLE_ROWS_REMEMBERED_MAX,
};
use crate::core::listening::Listening;
use crate::core::service::{self, Change};
use crate::metrics::Metrics;

/// The writer's task: owns the writing connection.
pub struct Writer {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) closing: CancellationToken,
    pub(super) raised: watch::Sender<u64>,
    pub(super) health: Health,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    /// Asked before everything that is written.
    pub(super) guard: Guard,
    /// The last term that was taken up.
    pub(super) term: Option<u64>,
    /// Whether all that a term begins with is done.
    pub(super) is_ready: bool,
    /// Why the present term could not be taken up, as it was logged.
    pub(super) complaint: String,
    /// Where the database is; `None` in memory.
    pub(super) path: Option<PathBuf>,
    pub(super) rules: Arc<Rules>,
    pub(super) options: SqliteConnectOptions,
    /// `None` after a failure that may have left the connection unusable.
    pub(super) connection: Option<SqliteConnection>,
    /// Which file it is; `None` in memory.
    pub(super) file: Option<FileIdentity>,
    /// A database in memory would be lost with its connection.
    pub(super) in_memory: bool,
    /// How many services there are, as far as this program knows; hands that edit are noticed at the limit.
    pub(super) services: i64,
    /// Where the history stands.
    pub(super) archive: Archive,
    /// What the table `monitor` holds.
    pub(super) listening: Listening,
    /// The services as they are in the file, as far as they are known.
    pub(super) memory: Memory,
    /// Deliveries that were handed out and not recorded yet.
    pub(super) flying: Flying,
    /// Rows that could not be read and were logged.
    pub(super) unreadable: HashSet<i64>,
}

impl Writer {
    /// Serves until the store is closed and its queue is empty, then closes the database.
    pub async fn run(mut self) {
        let mut waiting = Vec::with_capacity(BATCH_COMMANDS_MAX);
        let closing = self.closing.clone();
        loop {
            let taken = tokio::select! {
                taken = self.commands.recv_many(&mut waiting, BATCH_COMMANDS_MAX) => taken,
                () = closing.cancelled(), if !self.commands.is_closed() => {
                    self.commands.close();
                    continue;
                }
            };
            if taken == 0 {
                break;
            }
            self.process(&mut waiting).await;
        }
        if let Err(error) = self.close().await {
            error!(%error, "the database was not closed cleanly");
        }
    }

    /// Notes that it listened until now, and closes the database.
    async fn close(mut self) -> Result<(), sqlx::Error> {
        let next = self.listening.heard_at(self.clock.now(), self.rules.hold_seconds);
        let Some(mut connection) = self.connection.take() else { return Ok(()) };
        if self.guard.term() != self.term {
            return connection.close().await;
        }
        // The connection ends with this, so nothing else waits less.
        let patience = sqlx::AssertSqlSafe(format!("PRAGMA busy_timeout = {SHUTDOWN_BUSY_MS_MAX}"));
        sqlx::query(patience).execute(&mut connection).await?;
        let noted = listening::store(&mut connection, self.listening, next).await;
        connection.close().await.and(noted)
    }

    /// Does what waits, in order: runs of commands that share a transaction, and those that have their own.
    async fn process(&mut self, waiting: &mut Vec<Command>) {
        if let Err(error) = self.take_up().await {
            tally::failed(&self.metrics, waiting.iter());
            for command in waiting.drain(..) {
                command.refuse(error.clone());
            }
            return;
        }
        let mut run = Vec::with_capacity(waiting.len());
        for command in waiting.drain(..) {
            if command.shares_a_transaction() {
                run.push(command);
                continue;
            }
            self.commit_run(std::mem::take(&mut run)).await;
            self.do_alone(command).await;
        }
        self.commit_run(run).await;
    }

    async fn do_alone(&mut self, command: Command) {
        match command {
            Command::Sweep { sweep, now, after, reply } => {
                let mut swept = self.sweep(sweep, now, after, SWEEP_SERVICES_MAX).await;
                if swept.as_ref().is_err_and(is_about_a_value) {
                    swept = self.sweep_singly(sweep, now, after).await;
                }
                let answer = swept.map_err(|error| self.failed("sweep", &error));
                if answer.as_ref().is_ok_and(|page| page.next.is_none()) {
                    self.health.swept(now);
                }
                drop(reply.send(answer));
            }
            Command::Take { destination, now, limit, reply } => {
                let answer = self.take(destination, now, limit).await;
                drop(reply.send(answer.map_err(|error| self.failed("take", &error))));
            }
            Command::Retry { id, destination, at, reply } => {
                let answer = self.retry(&id, destination.as_deref(), at).await;
                drop(reply.send(answer.map_err(|error| self.failed("retry", &error))));
            }
            Command::Revive { destination, now, reply } => {
                let answer = self
                    .revive(&destination, now)
                    .await
                    .map_err(|error| self.failed("revive", &error));
                drop(reply.send(answer));
            }
            Command::Purge { before, reply } => {
                let answer = self.purge(before).await.map_err(|error| self.failed("purge", &error));
                drop(reply.send(answer));
            }
            Command::Read { job } => match self.connection() {
                Ok(connection) => job(connection).await,
                Err(error) => drop(self.failed("read", &error)),
            },
            // These share transactions.
            Command::Ping { .. }
            | Command::Delete { .. }
            | Command::Steer { .. }
            | Command::Record { .. } => {}
        }
    }

    /// Raises what is to be told for a page of services. Where there is nothing to write it costs one read and no lock.
    async fn sweep(
        &mut self,
        sweep: SweepFor,
        now: i64,
        after: Cursor,
        rows_max: usize,
    ) -> Result<SweepPage, sqlx::Error> {
        let (rules, before) = (Arc::clone(&self.rules), self.listening);
        let next = before.heard_at(now, rules.hold_seconds);
        let is_stale = before.is_stale(next, LISTENING_SWEEP_SECONDS_MAX);
        let due_before = match (sweep, rules.remind_every_seconds) {
            (SweepFor::Silence, _) => now,
            (SweepFor::Reminders, Some(every)) => now - every,
            (SweepFor::Reminders, None) => return Ok(SweepPage { raised: 0, next: None }),
        };
        let decide = |page: &sweep::Page| -> Vec<(i64, Change)> {
            let services = page.services.iter();
            match sweep {
                SweepFor::Silence => services
                    .filter_map(|(id, service)| {
                        Some((*id, service::sweep(service, now, next.gap.as_ref())?))
                    })
                    .collect(),
                SweepFor::Reminders => services
                    .filter_map(|(id, service)| {
                        let every = rules.remind_every_seconds?;
                        Some((*id, service::remind(service, now, every)?))
                    })
                    .collect(),
            }
        };
        let connection = self.connection()?;
        let page = sweep::page(connection, sweep, due_before, after, rows_max).await?;
        if decide(&page).is_empty() && !is_stale {
            self.note_unreadable(&page);
            return Ok(SweepPage { raised: 0, next: page.next });
        }
        // Not since the second that is swept: a sweep of many pages may take longer than a monitor may fail.
        self.health.begins(self.clock.now());
        let Some(connection) = &mut self.connection else { return Err(sqlx::Error::WorkerCrashed) };
        let (flying, memory) = (&self.flying, &mut self.memory);
        let mut work = async |connection: &mut SqliteConnection| {
            Script::that_begins().execute(connection).await?;
            // Read again: between the two, hands may have edited.
            let page = sweep::page(connection, sweep, due_before, after, rows_max).await?;
            if is_stale {
                // A gap is on disk before anything is judged by it.
                listening::remember(connection, before, next).await?;
            }
            let mut batch = Batch::of_changes(decide(&page), &rules);
            let done = batch.write(connection, flying).await?;
            batch.remember(memory);
            Ok((done, page))
        };
        let outcome = work(&mut *connection).await;
        if outcome.is_err() {
            self.memory.forget_all();
        }
        let (done, page) = undone_unless_ok(connection, outcome).await?;
        self.health.succeeded();
        self.metrics.commit(done.commit_took);
        if is_stale {
            listening::log(before, next);
            self.listening = next;
        }
        self.note_unreadable(&page);
        self.tell(&done.raised);
        Ok(SweepPage { raised: done.raised.len(), next: page.next })
    }

    /// A page, row by row, after the database refused one of its values: that row alone is skipped.
    async fn sweep_singly(
        &mut self,
        sweep: SweepFor,
        now: i64,
        mut after: Cursor,
    ) -> Result<SweepPage, sqlx::Error> {
        let (mut raised, mut refused) = (0, None);
        for _ in 0..SWEEP_SERVICES_MAX {
            let next = match self.sweep(sweep, now, after, 1).await {
                Ok(page) => {
                    raised += page.raised;
                    page.next
                }
                Err(error) if is_about_a_value(&error) => {
                    let before = match sweep {
                        SweepFor::Silence => now,
                        SweepFor::Reminders => {
                            now - self.rules.remind_every_seconds.unwrap_or_default()
                        }
                    };
                    refused = Some(error);
                    let connection = self.connection()?;
                    sweep::page(connection, sweep, before, after, 1).await?.next
                }
                Err(error) => return Err(error),
            };
            match next {
                Some(next) => after = next,
                None => break,
            }
        }
        match refused {
            // Nothing went through, so it is not about one row.
            Some(error) if raised == 0 => Err(error),
            Some(error) => {
                error!(%error, "the silence of some services cannot be told: the database refuses their rows");
                Ok(SweepPage { raised, next: None })
            }
            None => Ok(SweepPage { raised, next: None }),
        }
    }

    /// Hands out deliveries, each to one courier at a time.
    async fn take(
        &mut self,
        destination: String,
        now: i64,
        limit: usize,
    ) -> Result<DueDeliveries, sqlx::Error> {
        let flying = self.flying.iter().filter(|(_, to)| *to == destination).count();
        let rows_max = i64::try_from(limit + flying).unwrap_or(i64::MAX);
        let connection = self.connection()?;
        let query = sqlx::query(sql::DELIVERIES_DUE).bind(&destination).bind(now).bind(rows_max);
        let mut due = DueDeliveries::default();
        for row in query.fetch_all(connection).await? {
            match rows::due_delivery(&row) {
                Ok(delivery) => due.deliveries.push(delivery),
                Err(reason) => {
                    let seq: i64 = sqlx::Row::try_get(&row, 0)?;
                    due.unreadable.push((seq, reason.to_string()));
                }
            }
        }
        due.deliveries
            .retain(|delivery| !self.flying.contains(&(delivery.seq, destination.clone())));
        due.deliveries.truncate(limit);
        self.flying
            .extend(due.deliveries.iter().map(|delivery| (delivery.seq, destination.clone())));
        Ok(due)
    }

    async fn revive(&mut self, destination: &str, now: i64) -> Result<(), sqlx::Error> {
        let connection = self.connection()?;
        sqlx::query(sql::DELIVERIES_REVIVE)
            .bind(destination)
            .bind(now)
            .bind(REVIVED_ATTEMPTS_MAX)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Sends again what was given up of an alert, and wakes those who deliver it.
    async fn retry(
        &mut self,
        id: &str,
        destination: Option<&str>,
        at: i64,
    ) -> Result<Retried, sqlx::Error> {
        let (rules, flying) = (Arc::clone(&self.rules), self.flying.clone());
        let connection = self.connection()?;
        let retried = retry::retry(connection, &rules, &flying, id, destination, at).await?;
        if matches!(retried, Retried::Again { .. }) {
            self.raised.send_modify(|count| *count += 1);
        }
        Ok(retried)
    }

    async fn purge(&mut self, before: i64) -> Result<u64, sqlx::Error> {
        let connection = self.connection()?;
        let done = sqlx::query(sql::ALERTS_PURGE)
            .bind(before)
            .bind(PURGE_ALERTS_MAX)
            .execute(connection)
            .await?;
        Ok(done.rows_affected())
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        self.check()?;
        self.connection.as_mut().ok_or(sqlx::Error::WorkerCrashed)
    }

    /// Refuses to go on where the file is not the one of the start, or what failed before was not got over yet.
    pub(super) fn check(&self) -> Result<(), sqlx::Error> {
        if let Some(file) = &self.file {
            file.check()?;
        }
        if self.connection.is_none() {
            // One opened here would build on what nobody knows: the next commands begin with a start.
            return Err(sqlx::Error::Io(std::io::Error::other(
                "the connection was given up after what failed before",
            )));
        }
        Ok(())
    }

    /// Logs a failure, once, and drops a connection that may be unusable.
    pub(super) fn failed(&mut self, what: &'static str, error: &sqlx::Error) -> StoreError {
        let was_given_up = self.connection.is_none();
        if self.guard.has_others() && (was_given_up || is_not_primary(error)) {
            warn!(%error, what, "not primary now; what waited is answered 503");
            (self.connection, self.is_ready) = (None, false);
            return StoreError::NotPrimary;
        }
        error!(%error, what, "the store cannot write now; what waited is answered 503");
        if !self.in_memory && !is_about_a_value(error) && !is_busy(error) {
            // What did not commit may be found in the file all the same, so all that is known of it is read afresh.
            (self.connection, self.is_ready) = (None, false);
        }
        StoreError::Unavailable
    }

    fn note_unreadable(&mut self, page: &sweep::Page) {
        for (id, reason) in &page.unreadable {
            if self.unreadable.len() < UNREADABLE_ROWS_REMEMBERED_MAX && self.unreadable.insert(*id)
            {
                warn!(
                    row = id,
                    reason,
                    "a row of services cannot be read and is skipped; mend or delete it with sqlite3"
                );
            }
        }
    }

    /// Logs what was raised, and wakes those who deliver it.
    pub(super) fn tell(&self, raised: &[Raised]) {
        raise::log(raised);
        tally::alerts(&self.metrics, raised);
        if !raised.is_empty() {
            self.raised.send_modify(|count| *count += 1);
        }
    }
}
