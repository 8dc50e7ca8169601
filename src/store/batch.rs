//! One transaction: rows in with one query, decided in memory in the order of arrival, rows out with one statement
//! for each table. What it gives is what its commands one by one would have given.

mod aliases;
mod attempts;
mod recorded;
mod write;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use tracing::warn;
pub(super) use write::execute;

use super::command::Command;
use super::history::{Archive, Entry, Mark};
use super::memory::{Memory, Remembered};
use super::raise::{Raised, To};
use super::rows::{self, Unreadable};
use super::script::Script;
use super::start::has_no_trigger_but_ours;
use super::{Action, Attempt, Rules, Steered, StoreError, sql};
use crate::core::alert::{Alert, Kind};
use crate::core::change::{self, Changed};
use crate::core::declaration::declare;
use crate::core::name::Name;
use crate::core::ping::{self, Origin, Ping};
use crate::core::service::{self, Change, Service};

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
    /// Whether it is certain that no alert names it.
    is_untold: bool,
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
        batch.slots.reserve(run.len());
        batch.opening = Script::that_begins();
        batch.opening.add(sql::UNCHANGED).bind(version)?;
        for name in run.iter().filter_map(Command::service) {
            if let Some(Remembered { id, service, is_untold }) = memory.take(name) {
                let now = Now::Known(service);
                let slot = Slot { now, id: Some(id), stored: true, is_untold, ..Slot::default() };
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
                    let is_untold = slot.is_untold;
                    memory.keep(name, Remembered { id, service, is_untold });
                }
                _ => memory.forget(&name),
            }
        }
    }

    /// Begins a transaction and reads what `run` is about. `services` is how many there are.
    pub(super) async fn begin(
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
        script.add(sql::SERVICES_PACKED);
        for _ in 0..3 {
            script.bind(Arc::clone(&names))?;
        }
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
            batch.take_untold(&packed)?;
        }
        batch.take_services(connection, &packed, &names).await?;
        // A name without a service may be an alias, and so may be that of a service that is deleted here.
        let deletes = run.iter().any(|command| matches!(command, Command::Delete { .. }));
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

    /// Takes which of the names no alert names from what `SERVICES_PACKED` gave.
    fn take_untold(&mut self, packed: &SqliteRow) -> Result<(), sqlx::Error> {
        // What hands have put into one, and JSON cannot carry, is any name's.
        let Ok(told) = serde_json::from_slice::<HashSet<String>>(packed.try_get(5)?) else {
            return Ok(());
        };
        for (name, slot) in &mut self.slots {
            slot.is_untold = !told.contains(name.as_str());
        }
        Ok(())
    }

    /// Reads the services `names`, row by row.
    async fn read_services(
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
        slot.is_untold &= alert.is_none();
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
        slot.is_untold &= change.alert.is_none();
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
        slot.is_untold &= closing.is_none();
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
