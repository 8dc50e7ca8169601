//! What a batch writes, with one statement for each table.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::super::memory::Alerts;
use super::super::raise::{Flying, raise};
use super::super::script::Script;
use super::super::{record, rows, sql};
use super::{Batch, Done, Now, Slot, attempts};
use crate::core::alert::{Alert, Kind};
use crate::core::name::Name;
use crate::core::service::{History, Service};

impl Batch<'_> {
    /// Writes everything that was decided, and commits.
    pub(in crate::store) async fn write(
        &mut self,
        connection: &mut SqliteConnection,
        flying: &Flying,
    ) -> Result<Done, sqlx::Error> {
        let mut script = std::mem::take(&mut self.opening);
        // What was delivered before a service was deleted stays delivered, so attempts come first.
        if !self.attempts.is_empty() {
            let values: Vec<Value> =
                self.attempts.iter().map(|attempt| attempts::values(attempt)).collect();
            attempts::record(connection, &values).await?;
            execute(connection, sql::DELIVERIES_RECORD, &values).await?;
        }
        let still = attempts::still_flying(flying, &self.attempts);
        let flying = still.as_ref().unwrap_or(flying);
        let reminded: Vec<&str> =
            self.alerts.iter().filter_map(|(alert, _)| reminded(alert)).collect();
        if !reminded.is_empty() {
            replace_reminders(connection, &reminded, flying).await?;
        }
        self.forget(&mut script, flying)?;
        let alerts = std::mem::take(&mut self.alerts);
        let mut raised = Vec::new();
        if !alerts.is_empty() {
            // What nobody was told of is forgotten before anything is numbered, and what is raised here is not forgotten.
            std::mem::take(&mut script).execute(connection).await?;
            raised = raise(connection, alerts, self.rules, flying).await?;
        }
        self.number_services();
        self.store_aliases(&mut script)?;
        self.store_services(&mut script)?;
        let mut archive = self.archive;
        archive.append(&mut script, &self.entries, self.signals, self.rules)?;
        if archive.is_full(self.rules) {
            let (_, trimmed_until) =
                std::mem::take(&mut script).execute_counting(connection).await?;
            archive.trimmed(trimmed_until);
            archive.trim_logs(connection, self.rules).await?;
        }
        let removals = record::append(&mut script, &self.changes, archive.changes)?;
        script.commit();
        let began = Instant::now();
        let (written, trimmed_until) = script.execute_counting(connection).await?;
        let commit_took = began.elapsed();
        archive.trimmed(trimmed_until);
        let removed = written.get(removals).unwrap_or_default();
        archive.changes = record::rows_after(archive.changes, self.changes.len(), removed);
        Ok(Done { raised, services: self.services, commit_took, archive })
    }

    /// Has `script` forget the services that were deleted.
    fn forget(&self, script: &mut Script, flying: &Flying) -> Result<(), sqlx::Error> {
        let forgotten = names(&self.slots, |slot| slot.forget);
        match forgotten.as_slice() {
            [] => return Ok(()),
            [name]
                if let Some((id, history)) =
                    self.slots.get(*name).and_then(|slot| slot.forgotten) =>
            {
                forget_one(script, name, id, history)?;
            }
            names => {
                for statement in sql::forget::FORGET {
                    script.array(statement, names)?;
                }
            }
        }
        let alerted_of = names(&self.slots, |slot| slot.forget && slot.alerts == Alerts::Perhaps);
        if alerted_of.is_empty() {
            return Ok(());
        }
        let (alerted_of, flying) = (json!(alerted_of).to_string(), json!(flying).to_string());
        for (statement, parameters) in sql::forget::FORGET_ALERTS {
            script.add(statement).bind(alerted_of.as_str())?;
            for _ in 1..parameters {
                script.bind(flying.as_str())?;
            }
        }
        Ok(())
    }

    /// Has `script` store the aliases that were declared, in the place of those before.
    fn store_aliases(&self, script: &mut Script) -> Result<(), sqlx::Error> {
        let services: Vec<&str> = self.renamed.keys().map(Name::as_str).collect();
        script.array(sql::ALIASES_FORGET, &services)?;
        let pairs = self.renamed.iter().flat_map(|(name, aliases)| {
            aliases.iter().map(|alias| json!([alias.as_str(), name.as_str()]))
        });
        script.array(sql::ALIASES_STORE, &pairs.collect::<Vec<_>>())
    }

    /// Gives the services that are new their rows, as SQLite would: so they are known from now on. Where hands have given
    /// one the last number there is, SQLite looks for a free one; those are stored behind the others, as this is their order.
    fn number_services(&mut self) {
        for slot in self.slots.values_mut() {
            if slot.changed && !slot.stored && matches!(slot.now, Now::Known(_)) {
                slot.id = self.newest.and_then(|newest| newest.checked_add(1));
                self.newest = slot.id;
            }
        }
    }

    /// Has `script` store the services that have changed: most have by a ping or a sweep alone, which is a few columns of a
    /// row that is known.
    fn store_services(&self, script: &mut Script) -> Result<(), sqlx::Error> {
        let (mut pinged, mut pinged_again) = (Vec::new(), Vec::new());
        let (mut changed, mut told) = (Vec::new(), Vec::new());
        for slot in self.changed() {
            let Now::Known(service) = &slot.now else { continue };
            if service.alerted {
                told.push(service.name.as_str());
            }
            match slot.pinged() {
                // Somebody's trigger may wait for the second to be stored, be it the same.
                Some((id, Moved::HistoryAlone)) if self.is_remembered => {
                    pinged_again.push((id, service.history));
                }
                Some((id, _)) => pinged.push((id, service)),
                None => {
                    let new_row = slot.id.filter(|_| !slot.stored);
                    changed.push(rows::service_values(new_row, service));
                }
            }
        }
        script.array(sql::SERVICES_STORE, &changed)?;
        script.rows(&sql::of_rows::SERVICES_TOLD, &self.swept, |script, (id, service)| {
            script
                .bind(*id)?
                .bind(service.alerted)?
                .bind(service.failed)?
                .bind(service.outage_since)?
                .bind(service.reminded_at)?;
            Ok(())
        })?;
        script.rows(&sql::of_rows::SERVICES_PINGED, &pinged, |script, (id, service)| {
            script
                .bind(service.last_ping)?
                .bind(service.last_success)?
                .bind(service.last_duration_ms)?
                .bind(service.expected)?
                .bind(service.deadline)?
                .bind(service.history.signals)?
                .bind(service.history.newest)?
                .bind(*id)?;
            Ok(())
        })?;
        let again = &sql::of_rows::SERVICES_PINGED_AGAIN;
        script.rows(again, &pinged_again, |script, (id, history)| {
            script.bind(history.signals)?.bind(history.newest)?.bind(*id)?;
            Ok(())
        })?;
        // A signal that is sent again is not counted, and may change nothing else but the deadline.
        script.array(sql::SERVICES_ALERTED, &told)
    }

    fn changed(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values().filter(|slot| slot.changed && matches!(slot.now, Now::Known(_)))
    }
}

/// What pings alone have changed of a service.
enum Moved {
    /// When it was heard of and is to be, and its history.
    Times,
    /// How far its history goes: they came in the second of the ping before.
    HistoryAlone,
}

impl Slot {
    /// The row of a service that only pings have changed, and what they did.
    fn pinged(&self) -> Option<(i64, Moved)> {
        let (Now::Known(now), Some(before), true, false) =
            (&self.now, &self.before, self.stored, self.forget)
        else {
            return None;
        };
        let id = self.id.filter(|_| is_as_before_but_for_pings(before, now))?;
        let moved = if times(before) == times(now) { Moved::HistoryAlone } else { Moved::Times };
        Some((id, moved))
    }
}

/// What a ping moves beside the history.
fn times(service: &Service) -> [Option<i64>; 5] {
    let Service { last_ping, last_success, last_duration_ms, expected, deadline, .. } = service;
    [*last_ping, *last_success, *last_duration_ms, *expected, *deadline]
}

/// Whether everything is the same but what a ping changes each time.
fn is_as_before_but_for_pings(before: &Service, now: &Service) -> bool {
    let Service {
        name,
        description,
        schedule,
        grace,
        grace_given,
        max_runtime,
        locked,
        paused,
        alerted,
        failed,
        outage_since,
        reminded_at,
        runs,
        last_ping: _,
        last_success: _,
        last_duration_ms: _,
        expected: _,
        deadline: _,
        history: _,
    } = before;
    (alerted, failed, outage_since, reminded_at)
        == (&now.alerted, &now.failed, &now.outage_since, &now.reminded_at)
        && (schedule, grace, grace_given, max_runtime)
            == (&now.schedule, &now.grace, &now.grace_given, &now.max_runtime)
        && (name, description, locked, paused, runs)
            == (&now.name, &now.description, &now.locked, &now.paused, &now.runs)
}

/// Has `script` forget the service `name` in the row `id`, and its history.
fn forget_one(
    script: &mut Script,
    name: &str,
    id: i64,
    history: History,
) -> Result<(), sqlx::Error> {
    match history.signals {
        0 => {}
        1 => {
            script.add(sql::forget::PINGS_FORGET_FIRST).bind(history.newest)?.bind(name)?;
        }
        signals => {
            let script = script.add(sql::forget::PINGS_FORGET_ONE);
            script.bind(history.newest)?.bind(signals)?.bind(name)?.bind(name)?;
        }
    }
    script.add(sql::forget::SERVICES_FORGET_ONE).bind(id)?;
    Ok(())
}

/// The names of those services that are `wanted`.
fn names(slots: &HashMap<Name, Slot>, wanted: impl Fn(&Slot) -> bool) -> Vec<&str> {
    slots.iter().filter(|(_, slot)| wanted(slot)).map(|(name, _)| name.as_str()).collect()
}

/// Whom a reminder is about.
fn reminded(alert: &Alert) -> Option<&str> {
    (alert.kind == Kind::Reminder).then(|| alert.service.as_str())
}

/// Executes a statement whose one parameter is a JSON array.
pub(in crate::store) async fn execute<T: serde::Serialize>(
    connection: &mut SqliteConnection,
    statement: &'static str,
    values: &[T],
) -> Result<(), sqlx::Error> {
    sqlx::query(statement).bind(json!(values).to_string()).execute(connection).await?;
    Ok(())
}

/// Forgets the reminders of the services `reminded` that newer ones replace.
async fn replace_reminders(
    connection: &mut SqliteConnection,
    reminded: &[&str],
    flying: &Flying,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(sql::REMINDERS_REPLACE);
    let query = query.bind(json!(reminded).to_string()).bind(json!(flying).to_string());
    query.execute(connection).await?;
    Ok(())
}
