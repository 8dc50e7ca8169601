//! Other names of services: what a batch takes them for.

use std::collections::HashSet;

use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::super::{StoreError, sql};
use super::{Batch, Now, Slot};
use crate::core::declaration::Declaration;
use crate::core::name::Name;
use crate::core::ping::Ping;

impl Batch<'_> {
    /// Takes which of `names` are aliases from what `SERVICES_PACKED` gave.
    pub(super) async fn take_aliases(
        &mut self,
        connection: &mut SqliteConnection,
        packed: &SqliteRow,
        names: &HashSet<&str>,
    ) -> Result<(), sqlx::Error> {
        let pairs = match serde_json::from_slice(packed.try_get(4)?) {
            Ok(pairs) => pairs,
            // Hands have put into one what JSON cannot carry.
            Err(_) => read_aliases(connection, names).await?,
        };
        for (alias, service) in pairs {
            // Hands may have written what is no name.
            if names.contains(alias.as_str())
                && let (Ok(alias), Ok(service)) = (Name::parse(alias), Name::parse(service))
            {
                self.aliases.insert(alias, service);
            }
        }
        let unread = self.aliases.values().filter(|name| !self.slots.contains_key(*name));
        let unread: HashSet<Name> = unread.cloned().collect();
        if unread.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = unread.iter().map(Name::as_str).collect();
        let names = json!(names).to_string();
        self.slots.extend(unread.into_iter().map(|name| (name, Slot::default())));
        self.read_services(connection, &names).await
    }

    /// The service that is meant: a name before an alias.
    pub(super) fn named<'n>(&'n self, name: &'n Name) -> &'n Name {
        let is_service =
            |name: &Name| self.slots.get(name).is_some_and(|slot| !matches!(slot.now, Now::Absent));
        match self.aliases.get(name) {
            Some(service) if !is_service(name) && is_service(service) => service,
            _ => name,
        }
    }

    /// The service that a ping is about; `None` where its name must be an alias, and is none.
    pub(super) fn meant<'n>(&'n self, ping: &'n Ping) -> Option<&'n Name> {
        if !ping.by_alias_alone {
            return Some(self.named(&ping.name));
        }
        let service = self.aliases.get(&ping.name)?;
        let is_service = |slot: &Slot| !matches!(slot.now, Now::Absent);
        self.slots.get(service).is_some_and(is_service).then_some(service)
    }

    /// Refuses aliases that are another service's.
    pub(super) fn check_aliases(
        &self,
        name: &Name,
        declaration: &Declaration,
    ) -> Result<(), StoreError> {
        for alias in declaration.aliases.iter().flatten() {
            let is_name =
                self.slots.get(alias).is_some_and(|slot| !matches!(slot.now, Now::Absent));
            let is_anothers = self.aliases.get(alias).is_some_and(|service| service != name);
            if (is_name && alias != name) || is_anothers {
                return Err(StoreError::AliasTaken { alias: alias.as_str().to_owned() });
            }
        }
        Ok(())
    }

    pub(super) fn set_aliases(&mut self, name: &Name, declaration: &Declaration) {
        let aliases = match &declaration.aliases {
            Some(aliases) => aliases.clone(),
            None if declaration.is_whole => Vec::new(),
            None => return,
        };
        self.aliases.retain(|_, service| service != name);
        self.aliases.extend(aliases.iter().map(|alias| (alias.clone(), name.clone())));
        self.renamed.insert(name.clone(), aliases);
    }
}

/// Reads which of `names` are aliases, row by row, each with its service.
async fn read_aliases(
    connection: &mut SqliteConnection,
    names: &HashSet<&str>,
) -> Result<Vec<(String, String)>, sqlx::Error> {
    let found = sqlx::query(sql::ALIASES_BY_NAME).bind(json!(names).to_string());
    let found = found.fetch_all(connection).await?;
    // A row that cannot be read is nobody's alias.
    Ok(found.iter().filter_map(|row| Some((row.try_get(0).ok()?, row.try_get(1).ok()?))).collect())
}
