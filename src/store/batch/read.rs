//! What a batch reads, where its services are not remembered.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::super::command::Command;
use super::super::history::Archive;
use super::super::memory::{Alerts, Memory};
use super::super::script::Script;
use super::super::start::has_no_trigger_but_ours;
use super::super::{Rules, rows, sql};
use super::{Batch, Now, Slot};
use crate::core::name::Name;

impl<'a> Batch<'a> {
    /// Begins a transaction and reads what `run` is about. `services` is how many there are.
    pub(in crate::store) async fn begin(
        connection: &mut SqliteConnection,
        run: &'a [Command],
        rules: &'a Rules,
        services: i64,
        archive: Archive,
        memory: &mut Memory,
    ) -> Result<Self, sqlx::Error> {
        let mut batch = Self::new(rules, services, archive);
        let asked: Vec<&Name> = run.iter().filter_map(Command::service).collect();
        let mut script = Script::that_begins();
        if asked.is_empty() {
            return script.execute(connection).await.map(|()| batch);
        }
        let names = asked.iter().copied();
        let names = names.chain(run.iter().flat_map(Command::aliases));
        batch.slots.extend(names.map(|name| (name.clone(), Slot::default())));
        let names: Vec<&str> = batch.slots.keys().map(Name::as_str).collect();
        let names: Arc<str> = json!(names).to_string().into();
        let deletes = run.iter().any(|command| matches!(command, Command::Delete { .. }));
        // Worth knowing where something is deleted, or everything can be remembered until it is.
        let asks_for_alerts = deletes || usize::try_from(services).is_ok_and(Memory::has_room_for);
        let perhaps_told = if asks_for_alerts { Arc::clone(&names) } else { "[]".into() };
        script.add(sql::SERVICES_PACKED).bind(Arc::clone(&names))?.bind(perhaps_told)?;
        script.bind(Arc::clone(&names))?;
        let packed = script.fetch_one(connection).await?;
        let (newest, version): (Option<i64>, i64) = (packed.try_get(1)?, packed.try_get(2)?);
        // Hands may have added rows.
        batch.archive.newest = batch.archive.newest.max(newest.unwrap_or(0));
        if memory.is_before(version) {
            // What others' triggers change is not known here.
            memory.begin(version, has_no_trigger_but_ours(connection).await?);
            batch.archive.doubt();
        }
        if memory.is_trusted() {
            batch.newest = packed.try_get::<Option<i64>, _>(3)?.or(Some(0));
            if asks_for_alerts {
                batch.take_alerts(&packed)?;
            }
        }
        batch.take_services(connection, &packed, &names).await?;
        // A name without a service may be an alias, and so may be that of a service that is deleted here.
        let strange = asked
            .into_iter()
            .filter(|name| deletes || batch.slots.get(*name).is_some_and(|slot| !slot.stored));
        let mut strange: HashSet<&str> = strange.map(Name::as_str).collect();
        strange.extend(run.iter().flat_map(Command::aliases).map(Name::as_str));
        if !strange.is_empty() {
            batch.take_aliases(connection, &packed, &strange).await?;
        }
        batch.read_recorded(connection, run).await?;
        if batch.services >= rules.services_max && !memory.has_counted() {
            // Hands may have deleted some: the limit is worth a count, everything below it is not.
            batch.services = sqlx::query_scalar(sql::SERVICES_COUNT).fetch_one(connection).await?;
            memory.note_count();
        }
        Ok(batch)
    }

    /// Takes the services `names` from what `SERVICES_PACKED` gave.
    async fn take_services(
        &mut self,
        connection: &mut SqliteConnection,
        packed: &SqliteRow,
        names: &str,
    ) -> Result<(), sqlx::Error> {
        let Some(found) = rows::unpacked(packed.try_get(0)?) else {
            return self.read_services(connection, names).await;
        };
        for columns in found {
            let Some(slot) = self.slots.get_mut(columns.name()) else { continue };
            let id = columns.id;
            slot.stored = true;
            slot.now = columns.service().map_or_else(Now::Unreadable, Now::known);
            slot.id = matches!(slot.now, Now::Known(_)).then_some(id);
        }
        Ok(())
    }

    /// Takes which names no alert has from what `SERVICES_PACKED` gave.
    fn take_alerts(&mut self, packed: &SqliteRow) -> Result<(), sqlx::Error> {
        let told: HashSet<String> = serde_json::from_slice(packed.try_get(5)?)
            .map_err(|error| sqlx::Error::Decode(error.into()))?;
        for (name, slot) in &mut self.slots {
            slot.alerts = if told.contains(name.as_str()) { Alerts::Perhaps } else { Alerts::None };
        }
        Ok(())
    }

    /// Reads the services `names`, row by row.
    pub(super) async fn read_services(
        &mut self,
        connection: &mut SqliteConnection,
        names: &str,
    ) -> Result<(), sqlx::Error> {
        let found = sqlx::query(sql::SERVICES_BY_NAME).bind(names);
        for row in found.fetch_all(connection).await? {
            // A name that is none's has a row of nothing.
            let Ok(Some(name)) = row.try_get::<Option<String>, _>(1) else { continue };
            let Some(slot) = Name::parse(name).ok().and_then(|name| self.slots.get_mut(&name))
            else {
                continue;
            };
            slot.stored = true;
            slot.now = rows::service(&row).map_or_else(Now::Unreadable, Now::known);
        }
        Ok(())
    }
}
