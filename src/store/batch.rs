//! One transaction: rows in with one query, decided in memory in the order of arrival, rows out with one statement
//! for each table. What it gives is what its commands one by one would have given.

use std::collections::HashMap;

use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection};
use tracing::warn;

use super::rows::{self, StoredService, Unreadable};
use super::writer::Command;
use super::{Attempt, AttemptOutcome, Cursor, Rules, StoreError, sql};
use crate::core::alert::{Alert, Kind};
use crate::core::limits::SWEEP_SERVICES_MAX;
use crate::core::name::Name;
use crate::core::service::{self, Ping, Service};

/// What a command that succeeded is told.
pub(super) enum Answer {
    Service(Service),
    Done,
}

/// What a transaction did.
pub(super) struct Done {
    pub(super) raised: Vec<(String, Alert)>,
    pub(super) services_added: i64,
}

/// The services that a transaction touches, and what it will write.
pub(super) struct Batch<'a> {
    rules: &'a Rules,
    services: i64,
    slots: HashMap<Name, Slot>,
    alerts: Vec<Alert>,
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
    /// Reads what `run` is about. `services` is how many there are.
    pub(super) async fn read(
        connection: &mut SqliteConnection,
        run: &'a [Command],
        rules: &'a Rules,
        services: i64,
    ) -> Result<Self, sqlx::Error> {
        let mut batch = Self {
            rules,
            services,
            slots: HashMap::new(),
            alerts: Vec::new(),
            attempts: Vec::new(),
        };
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
        let found = sqlx::query(sql::SERVICES_BY_NAME)
            .bind(json!(names).to_string())
            .fetch_all(&mut *connection);
        for row in found.await? {
            let name: String = row.try_get(1)?;
            let Some(slot) = Name::parse(name).ok().and_then(|name| batch.slots.get_mut(&name))
            else {
                continue;
            };
            slot.stored = true;
            slot.now = match rows::service(&row)?.2 {
                StoredService::Readable(service) => Now::Known(service),
                StoredService::Unreadable(reason) => Now::Unreadable(reason),
            };
        }
        if batch.services >= rules.services_max {
            // Hands may have deleted some: the limit is worth a count, everything below it is not.
            batch.services = sqlx::query_scalar(sql::SERVICES_COUNT).fetch_one(connection).await?;
        }
        Ok(batch)
    }

    /// The sweep's: every service of `due` that is to be told of at `now`, and the rows that cannot be read.
    pub(super) fn of_sweep(due: Due, rules: &'a Rules, now: i64) -> (Self, Vec<(i64, String)>) {
        let mut batch = Self {
            rules,
            services: 0,
            slots: HashMap::new(),
            alerts: Vec::new(),
            attempts: Vec::new(),
        };
        for stored in due.services {
            if let Some(change) = service::sweep(&stored, now) {
                batch.alerts.extend(change.alert);
                let slot = Slot {
                    now: Now::Known(change.service),
                    stored: true,
                    changed: true,
                    forget: false,
                };
                batch.slots.insert(stored.name, slot);
            }
        }
        (batch, due.unreadable)
    }

    /// Decides every command of `run`, in its order.
    pub(super) fn decide(&mut self, run: &'a [Command]) -> Vec<Result<Answer, StoreError>> {
        run.iter()
            .map(|command| match command {
                Command::Ping { ping, .. } => self.ping(ping).map(Answer::Service),
                Command::Delete { name, .. } => self.delete(name).map(|()| Answer::Done),
                Command::Record { attempt, .. } => {
                    self.attempts.push(attempt);
                    Ok(Answer::Done)
                }
                _ => Err(StoreError::Unavailable),
            })
            .collect()
    }

    fn ping(&mut self, ping: &Ping) -> Result<Service, StoreError> {
        let slot = self.slots.entry(ping.name.clone()).or_default();
        let stored = match &slot.now {
            Now::Known(service) => Some(service),
            Now::Absent if self.services >= self.rules.services_max => {
                return Err(StoreError::Full { services_max: self.rules.services_max });
            }
            Now::Absent => None,
            Now::Unreadable(reason) => {
                if ping.frequency.is_none() {
                    warn!(service = ?ping.name.as_str(), %reason, "a stored row cannot be read; its ping is refused");
                    return Err(StoreError::Unreadable);
                }
                warn!(service = ?ping.name.as_str(), %reason, "a stored row could not be read; its ping replaces it");
                None
            }
        };
        let is_new = matches!(slot.now, Now::Absent);
        let change = service::ping(stored, ping, self.rules.grace).map_err(StoreError::Refused)?;
        self.services += i64::from(is_new);
        self.alerts.extend(change.alert);
        slot.now = Now::Known(change.service.clone());
        slot.changed = true;
        Ok(change.service)
    }

    fn delete(&mut self, name: &Name) -> Result<(), StoreError> {
        let slot = self.slots.entry(name.clone()).or_default();
        if matches!(slot.now, Now::Absent) {
            return Err(StoreError::UnknownService);
        }
        slot.forget |= slot.stored;
        slot.stored = false;
        slot.now = Now::Absent;
        slot.changed = false;
        self.services -= 1;
        self.alerts.retain(|alert| alert.service != *name);
        Ok(())
    }

    /// Writes everything that was decided.
    pub(super) async fn write(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<Done, sqlx::Error> {
        // What was delivered before a service was deleted stays delivered, so attempts come first.
        if !self.attempts.is_empty() {
            let values: Vec<Value> =
                self.attempts.iter().map(|attempt| attempt_values(attempt)).collect();
            run(connection, sql::DELIVERIES_RECORD, &values).await?;
        }
        let forgotten: Vec<&str> = self.names(|slot| slot.forget);
        if !forgotten.is_empty() {
            run(connection, sql::SERVICES_FORGET, &forgotten).await?;
            run(connection, sql::DELIVERIES_FORGET, &forgotten).await?;
            run(connection, sql::ALERTS_FORGET, &forgotten).await?;
        }
        let changed: Vec<Value> =
            self.changed().map(|(service, _)| rows::service_values(service)).collect();
        if !changed.is_empty() {
            run(connection, sql::SERVICES_STORE, &changed).await?;
        }
        let added = self.changed().filter(|(_, stored)| !stored).count();
        let services_added =
            i64::try_from(added).unwrap_or(0) - i64::try_from(forgotten.len()).unwrap_or(0);
        let raised = raise(connection, std::mem::take(&mut self.alerts), self.rules).await?;
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

/// A page of services whose deadline has passed.
pub(super) struct Due {
    pub(super) rows: usize,
    services: Vec<Service>,
    unreadable: Vec<(i64, String)>,
    last: Cursor,
}

impl Due {
    /// Where the next page begins; `None` if this was the last.
    pub(super) fn next(&self) -> Option<Cursor> {
        (self.rows >= SWEEP_SERVICES_MAX).then_some(self.last)
    }
}

/// Reads a page of what is due at `now`, after a cursor.
pub(super) async fn due(
    connection: &mut SqliteConnection,
    now: i64,
    after: Cursor,
) -> Result<Due, sqlx::Error> {
    let found = sqlx::query(sql::SERVICES_DUE)
        .bind(now)
        .bind(after.deadline)
        .bind(after.id)
        .bind(i64::try_from(SWEEP_SERVICES_MAX).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    let mut due =
        Due { rows: found.len(), services: Vec::new(), unreadable: Vec::new(), last: after };
    for row in &found {
        let (id, deadline, stored) = rows::service(row)?;
        due.last = Cursor { deadline, id };
        match stored {
            StoredService::Readable(service) => due.services.push(service),
            StoredService::Unreadable(reason) => due.unreadable.push((id, reason.to_string())),
        }
    }
    Ok(due)
}

/// Stores alerts, and a delivery to every destination that each one goes to.
async fn raise(
    connection: &mut SqliteConnection,
    alerts: Vec<Alert>,
    rules: &Rules,
) -> Result<Vec<(String, Alert)>, sqlx::Error> {
    if alerts.is_empty() {
        return Ok(Vec::new());
    }
    let occurrences = occurrences(connection, &alerts).await?;
    let values: Vec<(String, Value)> = alerts
        .iter()
        .zip(&occurrences)
        .map(|(alert, occurrence)| {
            let id = alert.id(*occurrence);
            let values = rows::alert_values(&id, *occurrence, alert);
            (id, values)
        })
        .collect();
    let rows: Vec<&Value> = values.iter().map(|(_, values)| values).collect();
    run(connection, sql::ALERTS_STORE, &rows).await?;
    let raised: Vec<(String, Alert)> = values.into_iter().map(|(id, _)| id).zip(alerts).collect();
    let deliveries: Vec<Value> = raised
        .iter()
        .flat_map(|(id, alert)| {
            let ways = rules.routes.iter().filter(|route| route.takes(alert));
            ways.map(move |route| json!([id, route.destination, alert.created_at]))
        })
        .collect();
    if !deliveries.is_empty() {
        run(connection, sql::DELIVERIES_STORE, &deliveries).await?;
    }
    Ok(raised)
}

/// How many alerts of the same service, kind and second came before each of `alerts`, in this batch or earlier.
async fn occurrences(
    connection: &mut SqliteConnection,
    alerts: &[Alert],
) -> Result<Vec<i64>, sqlx::Error> {
    let keys: Vec<Value> = alerts
        .iter()
        .map(|alert| json!([alert.service.as_str(), alert.kind.as_str(), alert.about]))
        .collect();
    let mut occurrences = vec![0; alerts.len()];
    let found = sqlx::query(sql::ALERTS_OCCURRENCE)
        .bind(json!(keys).to_string())
        .fetch_all(connection)
        .await?;
    for row in found {
        let (index, stored): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        if let Some(occurrence) =
            usize::try_from(index).ok().and_then(|index| occurrences.get_mut(index))
        {
            *occurrence = stored.unwrap_or(0);
        }
    }
    let mut seen: HashMap<(&Name, Kind, i64), i64> = HashMap::new();
    for (alert, occurrence) in alerts.iter().zip(&mut occurrences) {
        let in_batch = seen.entry((&alert.service, alert.kind, alert.about)).or_default();
        *occurrence += *in_batch;
        *in_batch += 1;
    }
    Ok(occurrences)
}

fn attempt_values(attempt: &Attempt) -> Value {
    let (state, next_attempt, destination_failed, error) = match &attempt.outcome {
        AttemptOutcome::Delivered => ("delivered", attempt.at, false, None),
        AttemptOutcome::Failed { next_attempt, error, destination_failed } => {
            ("pending", *next_attempt, *destination_failed, Some(error))
        }
        AttemptOutcome::GivenUp { error } => ("given_up", attempt.at, false, Some(error)),
    };
    json!([
        attempt.seq,
        attempt.destination,
        state,
        next_attempt,
        i64::from(destination_failed),
        attempt.at,
        error
    ])
}

/// Executes a statement whose one parameter is a JSON array.
async fn run<T: serde::Serialize>(
    connection: &mut SqliteConnection,
    statement: &'static str,
    values: &[T],
) -> Result<(), sqlx::Error> {
    sqlx::query(statement).bind(json!(values).to_string()).execute(connection).await?;
    Ok(())
}
