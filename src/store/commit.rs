//! The writer's transactions of many commands: pings, deletions, what owners do, and what became of deliveries.

use std::sync::Arc;
use std::time::Instant;

use sqlx::SqliteConnection;
use tracing::warn;

use super::batch::{Answer, Batch};
use super::command::Command;
use super::errors::{is_about_a_value, is_refusal_of_a_statement};
use super::script::undone_unless_ok;
use super::{StoreError, Writer, listening, tally};
use crate::core::limits::LISTENING_BATCH_SECONDS_MAX;
use crate::core::listening::Listening;

impl Writer {
    /// Commits a run as one transaction. If one command makes it fail, that one alone pays for it.
    pub(super) async fn commit_run(&mut self, run: Vec<Command>) {
        if run.is_empty() {
            return;
        }
        match self.commit(&run).await {
            Ok(answers) => {
                // Another may have taken over meanwhile, and know what was not found here.
                let may_write = self.guard.term() == self.term;
                for (command, answer) in run.into_iter().zip(answers) {
                    let is_final = answer.is_ok() || may_write;
                    command.answer(if is_final { answer } else { Err(StoreError::NotPrimary) });
                }
            }
            Err(error) if is_about_a_value(&error) && run.len() > 1 => {
                warn!(%error, commands = run.len(), "a batch was refused by the database; trying its commands singly");
                for command in run {
                    let answer = match self.commit(std::slice::from_ref(&command)).await {
                        Ok(mut answers) => answers.pop().unwrap_or(Err(StoreError::Unavailable)),
                        Err(error) => {
                            tally::failed(&self.metrics, [&command]);
                            Err(self.failed("command", &error))
                        }
                    };
                    command.answer(answer);
                }
            }
            Err(error) => {
                let error = self.failed("batch", &error);
                tally::failed(&self.metrics, &run);
                for command in run {
                    command.answer(Err(error.clone()));
                }
            }
        }
    }

    async fn commit(
        &mut self,
        run: &[Command],
    ) -> Result<Vec<Result<Answer, StoreError>>, sqlx::Error> {
        let now = self.clock.now();
        let remembered = self.memory.serves(run).filter(|_| !self.listening_at(now).1);
        match self.commit_once(run, now, remembered).await {
            // It is forgotten by now, so this time it is read. (What was read, and failed, is not done again on the same
            // connection: of a script that fails twice because the schema has changed, sqlx's thread dies.)
            Err(error) if remembered.is_some() && is_refusal_of_a_statement(&error) => {
                self.commit_once(run, self.clock.now(), None).await
            }
            outcome => outcome,
        }
    }

    /// What is remembered of the monitor's attention once it has listened at `now`, and whether that is to be written.
    fn listening_at(&self, now: i64) -> (Listening, bool) {
        let next = self.listening.heard_at(now, self.rules.hold_seconds);
        (next, self.listening.is_stale(next, LISTENING_BATCH_SECONDS_MAX))
    }

    /// Commits `run` at `now`, without reading where it is `remembered` by that count.
    async fn commit_once(
        &mut self,
        run: &[Command],
        now: i64,
        remembered: Option<i64>,
    ) -> Result<Vec<Result<Answer, StoreError>>, sqlx::Error> {
        let began = Instant::now();
        let (rules, services, before) = (Arc::clone(&self.rules), self.services, self.listening);
        let (next, is_stale) = self.listening_at(now);
        self.health.begins(now);
        self.check()?;
        let Some(connection) = &mut self.connection else { return Err(sqlx::Error::WorkerCrashed) };
        let (archive, flying, memory) = (self.archive, &self.flying, &mut self.memory);
        let mut work = async |connection: &mut SqliteConnection| {
            let mut batch = match remembered {
                Some(version) => {
                    Batch::remembered(run, &rules, services, archive, memory, version)?
                }
                None => Batch::begin(connection, run, &rules, services, archive, memory).await?,
            };
            if is_stale {
                listening::remember(connection, before, next).await?;
            }
            let answers = batch.decide(run, now);
            let done = batch.write(connection, flying).await?;
            batch.remember(memory);
            Ok((answers, done))
        };
        let outcome = work(&mut *connection).await;
        if outcome.is_err() {
            memory.forget_all();
        }
        let (answers, done) = undone_unless_ok(connection, outcome).await?;
        self.health.committed(done.commit_took);
        self.health.succeeded();
        self.metrics.commit(done.commit_took);
        self.metrics.batch(run.len(), began.elapsed());
        tally::done(&self.metrics, run, &answers);
        if is_stale {
            listening::log(before, next);
        }
        self.listening = if is_stale { next } else { before };
        self.services = done.services;
        self.archive = done.archive;
        for command in run {
            if let Command::Record { attempts, .. } = command {
                for attempt in attempts {
                    self.flying.remove(&(attempt.seq, attempt.destination.clone()));
                }
            }
        }
        self.tell(&done.raised);
        Ok(answers)
    }
}
