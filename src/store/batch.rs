//! One transaction: rows in with one query, decided in memory in the order of arrival, rows out with one statement
//! for each table. What it gives is what its commands one by one would have given.

use std::collections::HashMap;

use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection};
use tracing::warn;

use super::raise::{Flying, Raised, To, raise};
use super::rows::{self, Unreadable};
use super::writer::Command;
use super::{Attempt, AttemptOutcome, Rules, StoreError, sql};
use crate::core::alert::{Alert, Kind};
use crate::core::name::Name;
use crate::core::service::{self, Change, Ping, Service};

/// What a command that succeeded is told.
pub(super) enum Answer {
    Service(Service),
    Done,
}

/// What a transaction did.
pub(super) struct Done {
    pub(super) raised: Vec<Raised>,
    pub(super) services_added: i64,
}

/// The services that a transaction touches, and what it will write.
pub(super) struct Batch<'a> {
    rules: &'a Rules,
    services: i64,
    slots: HashMap<Name, Slot>,
    alerts: Vec<(Alert, To)>,
    attempts: Vec<&'a Attempt>,
}

/// One service within a transaction.
#[derive(Default)]
struct Slot {
    now: Now,
    /// Whether the database has a row of it that was not forgotten.
    stored: bool,
    /// Whether what was stored is to be forgotten first.
    forget: bool,
    changed: bool,
}

/// What is known of a service at this point of the transaction.
#[derive(Default)]
enum Now {
    #[default]
    Absent,
    Known(Service),
    Unreadable(Unreadable),
}

impl<'a> Batch<'a> {
    fn new(rules: &'a Rules, services: i64) -> Self {
        Self { rules, services, slots: HashMap::new(), alerts: Vec::new(), attempts: Vec::new() }
    }

    /// Reads what `run` is about. `services` is how many there are.
    pub(super) async fn read(
        connection: &mut SqliteConnection,
        run: &'a [Command],
        rules: &'a Rules,
        services: i64,
    ) -> Result<Self, sqlx::Error> {
        let mut batch = Self::new(rules, services);
        for command in run {
            if let Command::Ping { ping: Ping { name, .. }, .. } | Command::Delete { name, .. } =
                command
                && !batch.slots.contains_key(name)
            {
                batch.slots.insert(name.clone(), Slot::default());
            }
        }
        if batch.slots.is_empty() {
            return Ok(batch);
        }
        let names: Vec<&str> = batch.slots.keys().map(Name::as_str).collect();
        let found = sqlx::query(sql::SERVICES_BY_NAME).bind(json!(names).to_string());
        for row in found.fetch_all(&mut *connection).await? {
            let name: String = row.try_get(1)?;
            let Some(slot) = Name::parse(name).ok().and_then(|name| batch.slots.get_mut(&name))
            else {
                continue;
            };
            slot.stored = true;
            slot.now = rows::service(&row).map_or_else(Now::Unreadable, Now::Known);
        }
        if batch.services >= rules.services_max {
            // Hands may have deleted some: the limit is worth a count, everything below it is not.
            batch.services = sqlx::query_scalar(sql::SERVICES_COUNT).fetch_one(connection).await?;
        }
        Ok(batch)
    }

    /// What a sweep changes.
    pub(super) fn of_changes(changes: Vec<Change>, rules: &'a Rules) -> Self {
        let mut batch = Self::new(rules, 0);
        for Change { service, alert } in changes {
            batch.alerts.extend(alert.map(|alert| (alert, To::Everyone)));
            let name = service.name.clone();
            batch.slots.insert(
                name,
                Slot { now: Now::Known(service), stored: true, changed: true, forget: false },
            );
        }
        batch
    }

    /// Decides every command of `run` at `now`, in its order.
    pub(super) fn decide(
        &mut self,
        run: &'a [Command],
        now: i64,
    ) -> Vec<Result<Answer, StoreError>> {
        run.iter()
            .map(|command| match command {
                Command::Ping { ping, .. } => self.ping(ping, now).map(Answer::Service),
                Command::Delete { name, at, .. } => self.delete(name, *at).map(|()| Answer::Done),
                Command::Record { attempts, .. } => {
                    self.attempts.extend(attempts);
                    Ok(Answer::Done)
                }
                _ => Err(StoreError::Unavailable),
            })
            .collect()
    }

    fn ping(&mut self, ping: &Ping, now: i64) -> Result<Service, StoreError> {
        let slot = self.slots.entry(ping.name.clone()).or_default();
        let stored = match &slot.now {
            Now::Known(service) => Some(service),
            Now::Absent if ping.frequency.is_some() && self.services >= self.rules.services_max => {
                return Err(StoreError::Full { services_max: self.rules.services_max });
            }
            Now::Absent => None,
            Now::Unreadable(reason) => {
                let service = ping.name.as_str();
                if ping.frequency.is_none() {
                    warn!(?service, %reason, "a stored row cannot be read; its ping is refused");
                    return Err(StoreError::Unreadable);
                }
                warn!(?service, %reason, "a stored row could not be read; its ping replaces it");
                None
            }
        };
        let is_new = matches!(slot.now, Now::Absent);
        let change =
            service::ping(stored, ping, self.rules.grace, now).map_err(StoreError::Refused)?;
        self.services += i64::from(is_new);
        let routes = &self.rules.routes;
        if is_new
            && !routes.is_empty()
            && !routes.iter().any(|route| route.takes_service(&ping.name))
        {
            warn!(service = ?ping.name.as_str(), "no destination is told of this new service");
        }
        self.alerts.extend(change.alert.map(|alert| (alert, To::Everyone)));
        slot.now = Now::Known(change.service.clone());
        slot.changed = true;
        Ok(change.service)
    }

    fn delete(&mut self, name: &Name, at: i64) -> Result<(), StoreError> {
        let slot = self.slots.entry(name.clone()).or_default();
        let closing = match &slot.now {
            Now::Absent => return Err(StoreError::UnknownService),
            Now::Known(service) => service::delete(service, at),
            Now::Unreadable(_) => None,
        };
        slot.forget |= slot.stored;
        slot.stored = false;
        slot.now = Now::Absent;
        slot.changed = false;
        self.services -= 1;
        // What this batch raised for it was delivered to nobody; but the end of an outage has to reach those who were
        // told of its beginning.
        self.alerts.retain(|(alert, _)| alert.service != *name || alert.kind == Kind::Recovered);
        for (alert, to) in &mut self.alerts {
            if alert.service == *name {
                *to = To::ThoseTold;
            }
        }
        self.alerts.extend(closing.map(|alert| (alert, To::ThoseTold)));
        Ok(())
    }

    /// Writes everything that was decided.
    pub(super) async fn write(
        &mut self,
        connection: &mut SqliteConnection,
        flying: &Flying,
    ) -> Result<Done, sqlx::Error> {
        // What was delivered before a service was deleted stays delivered, so attempts come first.
        if !self.attempts.is_empty() {
            let values: Vec<Value> =
                self.attempts.iter().map(|attempt| attempt_values(attempt)).collect();
            execute(connection, sql::DELIVERIES_RECORD, &values).await?;
        }
        let reminded: Vec<&str> =
            self.alerts.iter().filter_map(|(alert, _)| reminded(alert)).collect();
        if !reminded.is_empty() {
            execute_but(connection, sql::REMINDERS_REPLACE, &reminded, flying).await?;
        }
        // Raised while it is still known who was told of what.
        let raised =
            raise(connection, std::mem::take(&mut self.alerts), self.rules, flying).await?;
        let forgotten: Vec<&str> = self.names(|slot| slot.forget);
        if !forgotten.is_empty() {
            execute(connection, sql::SERVICES_FORGET, &forgotten).await?;
            execute_but(connection, sql::DELIVERIES_FORGET, &forgotten, flying).await?;
            execute(connection, sql::ALERTS_FORGET, &forgotten).await?;
        }
        let changed: Vec<Value> =
            self.changed().map(|(service, _)| rows::service_values(service)).collect();
        if !changed.is_empty() {
            execute(connection, sql::SERVICES_STORE, &changed).await?;
        }
        let added = self.changed().filter(|(_, stored)| !stored).count();
        let services_added =
            i64::try_from(added).unwrap_or(0) - i64::try_from(forgotten.len()).unwrap_or(0);
        Ok(Done { raised, services_added })
    }

    fn names(&self, wanted: impl Fn(&Slot) -> bool) -> Vec<&str> {
        self.slots.iter().filter(|(_, slot)| wanted(slot)).map(|(name, _)| name.as_str()).collect()
    }

    fn changed(&self) -> impl Iterator<Item = (&Service, bool)> {
        self.slots.values().filter(|slot| slot.changed).filter_map(|slot| match &slot.now {
            Now::Known(service) => Some((service, slot.stored)),
            _ => None,
        })
    }
}

/// Whom a reminder is about.
fn reminded(alert: &Alert) -> Option<&str> {
    (alert.kind == Kind::Reminder).then(|| alert.service.as_str())
}

fn attempt_values(attempt: &Attempt) -> Value {
    let (state, next_attempt, destination_failed, error) = match &attempt.outcome {
        AttemptOutcome::Delivered => ("delivered", attempt.at, false, None),
        AttemptOutcome::Failed { next_attempt, error, destination_failed } => {
            ("pending", *next_attempt, *destination_failed, Some(error))
        }
        AttemptOutcome::GivenUp { error } => ("given_up", attempt.at, false, Some(error)),
    };
    let failed = i64::from(destination_failed);
    json!([attempt.seq, attempt.destination, state, next_attempt, failed, attempt.at, error])
}

/// Executes a statement whose one parameter is a JSON array.
pub(super) async fn execute<T: serde::Serialize>(
    connection: &mut SqliteConnection,
    statement: &'static str,
    values: &[T],
) -> Result<(), sqlx::Error> {
    sqlx::query(statement).bind(json!(values).to_string()).execute(connection).await?;
    Ok(())
}

/// Executes a statement whose second parameter are the deliveries in flight.
async fn execute_but(
    connection: &mut SqliteConnection,
    statement: &'static str,
    names: &[&str],
    flying: &Flying,
) -> Result<(), sqlx::Error> {
    let query =
        sqlx::query(statement).bind(json!(names).to_string()).bind(json!(flying).to_string());
    query.execute(connection).await?;
    Ok(())
}
