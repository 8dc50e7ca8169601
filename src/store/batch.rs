//! One transaction: rows in with one query, decided in memory in the order of arrival, rows out with one statement
//! for each table. What it gives is what its commands one by one would have given.

mod aliases;
mod attempts;
mod read;
mod recorded;
mod write;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;
pub(super) use write::execute;

use super::command::Command;
use super::history::{Archive, Entry, Mark};
use super::memory::{Alerts, Memory, Remembered};
use super::raise::{Raised, To};
use super::rows::Unreadable;
use super::script::Script;
use super::{Action, Attempt, Rules, Steered, StoreError, sql};
use crate::core::alert::{Alert, Kind};
use crate::core::change::{self, Changed};
use crate::core::declaration::declare;
use crate::core::name::Name;
use crate::core::ping::{self, Origin, Ping};
use crate::core::service::{self, Change, History, Service};

/// What a command that succeeded is told.
pub(super) enum Answer {
    Service(Steered),
    Done,
}

impl Answer {
    /// The service that it is about.
    pub(super) fn steered(self) -> Result<Steered, StoreError> {
        match self {
            Self::Service(steered) => Ok(steered),
            Self::Done => Err(StoreError::Unavailable),
        }
    }
}

/// What a transaction did.
pub(super) struct Done {
    pub(super) raised: Vec<Raised>,
    pub(super) services: i64,
    /// How long the last trip to the database took, which stores the rows and commits.
    pub(super) commit_took: Duration,
    /// Where the history stands now.
    pub(super) archive: Archive,
}

/// The services that a transaction touches, and what it will write.
pub(super) struct Batch<'a> {
    rules: &'a Rules,
    services: i64,
    /// The newest row of services, where that is known.
    newest: Option<i64>,
    slots: HashMap<Name, Slot>,
    /// The services that a sweep changes, each with its row.
    swept: Vec<(i64, Service)>,
    /// Which services the names of paths that are none's stand for.
    aliases: HashMap<Name, Name>,
    /// The services whose aliases are new.
    renamed: HashMap<Name, Vec<Name>>,
    alerts: Vec<(Alert, To)>,
    attempts: Vec<&'a Attempt>,
    archive: Archive,
    entries: Vec<Entry<'a>>,
    /// What is worth a row of its own, by service.
    changes: Vec<(Name, Changed)>,
    /// How many signals came, recorded or not.
    signals: usize,
    /// Signals that were recorded before, where any says its second.
    recorded: HashSet<Mark>,
    says_seconds: bool,
    /// What begins the transaction, where nothing was read in it.
    opening: Script,
    /// Whether that is so; then there is no trigger but ours, either.
    is_remembered: bool,
}

/// One service within a transaction.
#[derive(Default)]
struct Slot {
    now: Now,
    /// Its row, where that can be read, or is new.
    id: Option<i64>,
    /// What that holds, once `now` is something else.
    before: Option<Arc<Service>>,
    /// Whether the database has a row of it that was not forgotten.
    stored: bool,
    /// Whether what was stored is to be forgotten first.
    forget: bool,
    /// Its row, and where its history stands there, where that was known when it was to be forgotten.
    forgotten: Option<(i64, History)>,
    alerts: Alerts,
    changed: bool,
}

impl Slot {
    /// The service is `service` from now on.
    fn becomes(&mut self, service: Arc<Service>) {
        let before = std::mem::replace(&mut self.now, Now::Known(service));
        if let (false, Now::Known(before)) = (self.changed, before) {
            self.before = Some(before);
        }
        self.changed = true;
    }
}

/// What is known of a service at this point of the transaction.
#[derive(Default)]
enum Now {
    #[default]
    Absent,
    Known(Arc<Service>),
    Unreadable(Unreadable),
}

impl Now {
    fn known(service: Service) -> Self {
        Self::Known(Arc::new(service))
    }
}

impl<'a> Batch<'a> {
    fn new(rules: &'a Rules, services: i64, archive: Archive) -> Self {
        Self {
            rules,
            services,
            newest: None,
            slots: HashMap::new(),
            swept: Vec::new(),
            aliases: HashMap::new(),
            renamed: HashMap::new(),
            alerts: Vec::new(),
            attempts: Vec::new(),
            archive,
            entries: Vec::new(),
            changes: Vec::new(),
            signals: 0,
            recorded: HashSet::new(),
            says_seconds: false,
            opening: Script::default(),
            is_remembered: false,
        }
    }

    /// Takes what `run` is about from `memory`, which serves it while others wrote to the file as often as `version` says.
    pub(super) fn remembered(
        run: &'a [Command],
        rules: &'a Rules,
        services: i64,
        archive: Archive,
        memory: &mut Memory,
        version: i64,
    ) -> Result<Self, sqlx::Error> {
        let mut batch = Self::new(rules, services, archive);
        batch.is_remembered = true;
        batch.slots.reserve(run.len());
        batch.opening = Script::that_begins();
        batch.opening.add(sql::UNCHANGED).bind(version)?;
        for name in run.iter().filter_map(Command::service) {
            if let Some(Remembered { id, service, alerts }) = memory.take(name) {
                let now = Now::Known(service);
                let slot = Slot { now, id: Some(id), stored: true, alerts, ..Slot::default() };
                batch.slots.insert(name.clone(), slot);
            }
        }
        Ok(batch)
    }

    /// Has `memory` keep the services as they are in the file, now that the transaction has committed.
    pub(super) fn remember(self, memory: &mut Memory) {
        for (_, service) in &self.swept {
            memory.forget(&service.name);
        }
        for (name, slot) in self.slots {
            match (slot.now, slot.id) {
                (Now::Known(service), Some(id)) => {
                    let alerts = slot.alerts;
                    memory.keep(name, Remembered { id, service, alerts });
                }
                _ => memory.forget(&name),
            }
        }
    }

    /// What a sweep changes.
    pub(super) fn of_changes(changes: Vec<(i64, Change)>, rules: &'a Rules) -> Self {
        let mut batch = Self::new(rules, 0, Archive::default());
        for (id, Change { service, alert }) in changes {
            batch.alerts.extend(alert.map(|alert| (alert, To::Everyone)));
            batch.swept.push((id, service));
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
                Command::Delete { name, at, by, .. } => {
                    self.delete(name, *at, by).map(|()| Answer::Done)
                }
                Command::Steer { name, action, at, by, .. } => {
                    self.steer(name, action, *at, by).map(Answer::Service)
                }
                Command::Record { attempts, .. } => {
                    self.attempts.extend(attempts);
                    Ok(Answer::Done)
                }
                _ => Err(StoreError::Unavailable),
            })
            .collect()
    }

    fn ping(&mut self, ping: &'a Ping, now: i64) -> Result<Steered, StoreError> {
        let name = self.meant(ping).ok_or(StoreError::UnknownService)?.clone();
        let slot = self.slots.entry(name.clone()).or_default();
        let says_when = ping.terms.frequency.is_some() || ping.terms.cron.is_some();
        let stored = match &slot.now {
            Now::Known(service) => Some(service),
            Now::Absent if says_when && self.services >= self.rules.services_max => {
                return Err(StoreError::Full { services_max: self.rules.services_max });
            }
            Now::Absent => None,
            Now::Unreadable(reason) => {
                let service = name.as_str();
                if !says_when || ping.terms_if_new {
                    warn!(?service, %reason, "a stored row cannot be read; its ping is refused");
                    return Err(StoreError::Unreadable);
                }
                warn!(?service, %reason, "a stored row could not be read; its ping replaces it");
                self.archive.doubt();
                None
            }
        };
        let mark = Mark::of(&name, ping);
        // What was recorded was decided then: a start that comes again after its end opens nothing.
        if let (Some(mark), Some(stored)) = (&mark, stored)
            && mark.run.is_some()
            && self.recorded.contains(mark)
        {
            return Ok(Steered { service: Arc::clone(stored), is_new: false });
        }
        let is_new = matches!(slot.now, Now::Absent);
        let decision = ping::ping(stored.map(Arc::as_ref), ping, self.rules.grace, now)
            .map_err(StoreError::Refused)?;
        let Change { mut service, alert } = decision.change;
        // What replaces a row that cannot be read was asked for by whatever name the caller knows.
        service.name.clone_from(&name);
        let alert = alert.map(|alert| Alert { service: name.clone(), ..alert });
        if mark.is_none_or(|mark| !self.recorded.contains(&mark)) {
            // What comes again may say the second that this one did not.
            if self.says_seconds {
                self.recorded.insert(Mark::at(&name, ping, decision.at));
            }
            let before = service.history;
            service.history.signals += 1;
            self.signals += 1;
            if self.rules.history > 0 {
                self.archive.newest += 1;
                let id = self.archive.newest;
                service.history.newest = id;
                let (at, duration_ms) = (decision.at, decision.duration_ms);
                let service = name.clone();
                self.entries.push(Entry { id, service, ping, before, at, duration_ms });
            }
        }
        let changed = change::between(
            stored.map(Arc::as_ref),
            Some(&service),
            true,
            &ping.origin,
            ping.received_at,
        );
        self.changes.extend(changed.map(|changed| (name.clone(), changed)));
        let service = Arc::new(service);
        slot.becomes(Arc::clone(&service));
        slot.alerts.extend(alert.as_ref());
        self.services += i64::from(is_new);
        self.alerts.extend(alert.map(|alert| (alert, To::Everyone)));
        if is_new {
            self.warn_if_untold(&name);
        }
        Ok(Steered { service, is_new })
    }

    fn warn_if_untold(&self, name: &Name) {
        let routes = &self.rules.routes;
        if !routes.is_empty() && !routes.iter().any(|route| route.takes_service(name)) {
            warn!(service = ?name.as_str(), "no destination is told of this new service");
        }
    }

    /// Changes a service by its owner's will, not by a signal.
    fn steer(
        &mut self,
        name: &Name,
        action: &Action,
        at: i64,
        by: &Origin,
    ) -> Result<Steered, StoreError> {
        let name = self.named(name).clone();
        let declaration = match action {
            Action::Declare(declaration) => Some(declaration),
            Action::Pause | Action::Resume => None,
        };
        let is_whole = declaration.is_some_and(|declaration| declaration.is_whole);
        if let Some(declaration) = declaration {
            self.check_aliases(&name, declaration)?;
        }
        let slot = self.slots.entry(name.clone()).or_default();
        let stored = match &slot.now {
            Now::Known(service) => Some(service.as_ref()),
            Now::Absent => None,
            // What is declared as a whole needs nothing of what hands have spoilt.
            Now::Unreadable(_) if is_whole => {
                self.archive.doubt();
                None
            }
            Now::Unreadable(_) => return Err(StoreError::Unreadable),
        };
        let is_new = matches!(slot.now, Now::Absent);
        let change = match (action, stored) {
            (Action::Pause, Some(stored)) => service::pause(stored, at),
            (Action::Resume, Some(stored)) => service::resume(stored, at),
            (Action::Pause | Action::Resume, None) => return Err(StoreError::UnknownService),
            (Action::Declare(_), None) if is_new && self.services >= self.rules.services_max => {
                return Err(StoreError::Full { services_max: self.rules.services_max });
            }
            (Action::Declare(declaration), stored) => {
                let declared = declare(stored, &name, declaration, self.rules.grace, at);
                let service = declared.map_err(StoreError::Refused)?;
                Change { service, alert: None }
            }
        };
        let changed = change::between(stored, Some(&change.service), false, by, at);
        self.changes.extend(changed.map(|changed| (name.clone(), changed)));
        let service = Arc::new(change.service);
        slot.becomes(Arc::clone(&service));
        slot.alerts.extend(change.alert.as_ref());
        self.services += i64::from(is_new);
        // Whoever is told of its outage yet is told of its end, too: what is on its way stays so.
        self.alerts.extend(change.alert.map(|alert| (alert, To::Everyone)));
        if let Some(declaration) = declaration {
            self.set_aliases(&name, declaration);
        }
        if is_new {
            self.warn_if_untold(&name);
        }
        Ok(Steered { service, is_new })
    }

    fn delete(&mut self, name: &Name, at: i64, by: &Origin) -> Result<(), StoreError> {
        let name = &self.named(name).clone();
        let slot = self.slots.entry(name.clone()).or_default();
        let closing = match &slot.now {
            Now::Absent => return Err(StoreError::UnknownService),
            Now::Known(service) => {
                if let (Some(id), true, false) = (slot.id, slot.stored, slot.changed) {
                    slot.forgotten = Some((id, service.history));
                }
                let changed = change::between(Some(service), None, false, by, at);
                self.changes.extend(changed.map(|changed| (name.clone(), changed)));
                service::delete(service, at)
            }
            Now::Unreadable(_) => {
                self.changes.push((name.clone(), change::deleted_unread(by, at)));
                None
            }
        };
        // Hands may have deleted the row alone; whatever else there is of it goes now. Of its history that is what hangs
        // together; where something was too much already, and has gone in between, the rest is found in passing.
        self.archive.doubt();
        slot.forget = true;
        slot.stored = false;
        slot.id = None;
        slot.now = Now::Absent;
        slot.alerts.extend(closing.as_ref());
        slot.changed = false;
        self.services -= 1;
        self.entries.retain(|entry| entry.service != *name);
        self.recorded.retain(|mark| mark.service != *name);
        self.renamed.remove(name);
        self.aliases.retain(|_, service| service != name);
        // What this batch raised for it was delivered to nobody; but the end of an outage has to reach those who were
        // told of its beginning.
        self.alerts.retain_mut(|(alert, to)| {
            let is_its = alert.service == *name;
            if is_its {
                *to = To::ThoseTold;
            }
            !is_its || alert.kind == Kind::Recovered
        });
        self.alerts.extend(closing.map(|alert| (alert, To::ThoseTold)));
        Ok(())
    }
}
