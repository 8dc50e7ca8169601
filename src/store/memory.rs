//! What the writer remembers of services, so that a batch of pings and deletions has nothing to read.
//!
//! A row is as it was last read or written for as long as no other connection has written to the file. SQLite counts that
//! (<https://www.sqlite.org/pragma.html#pragma_data_version>), and every transaction that relies on what is remembered
//! asks for the count first: where somebody has edited, it fails before it has changed anything, and is done again with
//! what is read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::command::Command;
use crate::core::alert::Alert;
use crate::core::limits::{SERVICE_REMEMBERED_TEXT_BYTES_MAX, SERVICES_REMEMBERED_MAX};
use crate::core::name::Name;
use crate::core::runs::Run;
use crate::core::service::Service;

/// Services as they are in the file.
#[derive(Default)]
pub(super) struct Memory {
    /// SQLite's count of what others wrote, when these were read.
    version: Option<i64>,
    /// Whether nothing but the program's own statements changes rows along with them.
    is_trusted: bool,
    /// Whether the services were counted since others wrote, and how many there are is certain.
    has_counted: bool,
    services: HashMap<Name, Remembered>,
}

/// A service as it is in the file.
pub(super) struct Remembered {
    /// Its row.
    pub(super) id: i64,
    pub(super) service: Arc<Service>,
    pub(super) alerts: Alerts,
}

/// Whether there are alerts that name a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Alerts {
    /// Nobody has looked, or one was raised since.
    #[default]
    Perhaps,
    /// There are none.
    None,
}

impl Alerts {
    /// Takes in one that is raised, if it is.
    pub(super) fn extend(&mut self, raised: Option<&Alert>) {
        if raised.is_some() {
            *self = Self::Perhaps;
        }
    }
}

impl Memory {
    /// The count by which `run` can be done without reading; `None` where it cannot.
    pub(super) fn serves(&self, run: &[Command]) -> Option<i64> {
        let mut deleted = HashSet::new();
        for command in run {
            let name = match command {
                // One that says its second may be there already, and one by an alias means another name.
                Command::Ping { ping, .. } if ping.timestamp.is_none() && !ping.by_alias_alone => {
                    &ping.name
                }
                Command::Delete { name, .. } => {
                    deleted.insert(name);
                    name
                }
                _ => return None,
            };
            if !self.services.contains_key(name) {
                return None;
            }
        }
        // Once its service is gone, a name may be the alias of another.
        let is_about_deleted =
            |command: &&Command| command.service().is_some_and(|name| deleted.contains(name));
        let is_last_said =
            deleted.is_empty() || run.iter().filter(is_about_deleted).count() == deleted.len();
        self.version.filter(|_| self.is_trusted && is_last_said)
    }

    /// Whether what it holds is of another count than `version`.
    pub(super) fn is_before(&self, version: i64) -> bool {
        self.version != Some(version)
    }

    /// Begins anew with the count `version`; nothing is kept unless `is_trusted`.
    pub(super) fn begin(&mut self, version: i64, is_trusted: bool) {
        self.services.clear();
        (self.version, self.is_trusted) = (Some(version), is_trusted);
        self.has_counted = false;
    }

    /// Whether nothing but the program's own statements changes rows along with them.
    pub(super) fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    /// Whether it is certain how many services there are.
    pub(super) fn has_counted(&self) -> bool {
        self.has_counted && self.is_trusted
    }

    /// Notes that they were counted.
    pub(super) fn note_count(&mut self) {
        self.has_counted = true;
    }

    pub(super) fn forget_all(&mut self) {
        self.services.clear();
        self.version = None;
    }

    pub(super) fn forget(&mut self, name: &Name) {
        self.services.remove(name);
    }

    /// Lends a service until it is [kept](Self::keep) again.
    pub(super) fn take(&mut self, name: &Name) -> Option<Remembered> {
        self.services.remove(name)
    }

    /// Whether as many services can be remembered all at once.
    pub(super) fn has_room_for(services: usize) -> bool {
        services <= SERVICES_REMEMBERED_MAX
    }

    /// Keeps a service as it is in the file now, unless it takes so much room that a few of them would fill the memory.
    pub(super) fn keep(&mut self, name: Name, service: Remembered) {
        if !self.is_trusted || text_bytes(&service.service) > SERVICE_REMEMBERED_TEXT_BYTES_MAX {
            self.services.remove(&name);
            return;
        }
        // Of more than that a batch hardly ever names only those that are remembered; of fewer that ping, each is here
        // again with its next ping.
        if self.services.len() >= SERVICES_REMEMBERED_MAX && !self.services.contains_key(&name) {
            self.services.clear();
        }
        self.services.insert(name, service);
    }
}

/// How much of a service has no size of its own: what its owner wrote about it, and its runs that are open.
fn text_bytes(service: &Service) -> usize {
    let description = service.description.as_ref().map_or(0, String::len);
    let runs = service.runs.all().iter();
    let ids = runs.map(|run| size_of::<Run>() + run.id.as_ref().map_or(0, |id| id.as_str().len()));
    description + ids.sum::<usize>()
}
