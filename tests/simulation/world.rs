//! The whole monitor as a naive model: what is known of every service, every alert and every delivery, and what each
//! step makes of it.

#[path = "telling.rs"]
mod telling;

use std::collections::{BTreeMap, BTreeSet};

pub use telling::Again;

use overdue::core::alert::Kind;
use overdue::core::signal::Signal;

use crate::model::{self, Ask, Gap, No, Told, Watched};
use crate::plot::Setting;
use crate::step::{Call, Command, When, Word};

type Name = &'static str;

/// A signal in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub number: i64,
    pub at: i64,
    pub received: i64,
    pub signal: Signal,
    pub run: Option<&'static str>,
    pub duration_ms: Option<i64>,
    /// Whether this transaction has brought it.
    is_fresh: bool,
}

/// A service, and what is kept of its past.
#[derive(Clone, Debug)]
pub struct Kept {
    pub watched: Watched,
    pub is_spoilt: bool,
    pub signals: i64,
    pub rows: Vec<Row>,
}

/// What becomes of an alert at a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Pending,
    Delivered,
    GivenUp,
}

#[derive(Clone, Debug)]
pub struct Delivery {
    pub to: usize,
    pub state: State,
    pub attempts: i64,
    pub next: i64,
    pub destination_failed: bool,
    /// Whether it was given up because its service was deleted.
    pub is_closed: bool,
    /// When somebody asked for it again.
    pub retried: Option<i64>,
}

/// An alert that is in the database.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Which one it is of all that were ever raised.
    pub ordinal: u64,
    pub name: Name,
    pub told: Told,
    pub occurrence: i64,
    pub created: i64,
    /// The service as it was then.
    pub then: Watched,
    pub exit_status: Option<u8>,
    pub deliveries: Vec<Delivery>,
}

/// A service as it is told of, and how its run ended.
type Then = (Watched, Option<u8>);

/// A delivery that was handed out.
pub type Flight = (u64, usize);

/// How an attempt is to be noted.
#[derive(Clone, Copy, Debug)]
pub enum Note {
    Delivered,
    Failed { next: i64, destination_failed: bool },
    GivenUp,
}

/// What a command is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    Service(Box<Watched>, bool),
    Done,
}

#[derive(Clone, Debug)]
pub struct World {
    pub setting: Setting,
    pub services: BTreeMap<Name, Kept>,
    pub aliases: BTreeMap<Name, Name>,
    pub alerts: Vec<Alert>,
    pub ordinals: u64,
    pub until: Option<i64>,
    pub gap: Option<Gap>,
    pub flying: BTreeSet<Flight>,
}

/// Which alerts go to which destination: one hears everything, one of silence and its end, for some.
pub const DESTINATIONS: [&str; 2] = ["all", "some"];

pub fn wants(to: usize, kind: Kind, name: &str) -> bool {
    to == 0
        || (matches!(kind, Kind::Overdue | Kind::Recovered)
            && ["alpha", "delta", "xray"].contains(&name))
}

impl World {
    pub fn new(setting: Setting) -> Self {
        Self {
            setting,
            services: BTreeMap::new(),
            aliases: BTreeMap::new(),
            alerts: Vec::new(),
            ordinals: 0,
            until: None,
            gap: None,
            flying: BTreeSet::new(),
        }
    }

    /// It listens at `now`, and remembers that where what it remembers is older than so many seconds.
    pub fn listen(&mut self, now: i64, patience: i64) {
        let Some(until) = self.until else {
            self.until = Some(now);
            return;
        };
        if until > now + 60 {
            // The clock went back: what was found by the wrong one is void.
            self.until = Some(now);
            self.gap = self.gap.filter(|gap| gap.to <= now + 60);
            for delivery in self.deliveries_mut() {
                if delivery.state == State::Pending && delivery.next > now + 3600 {
                    delivery.next = now;
                }
            }
        } else if now - until > 10 {
            let before = self.gap.filter(|gap| until <= gap.hold_until);
            let from = before.map_or(until, |gap| gap.from);
            self.gap = Some(Gap { from, to: now, hold_until: now + self.setting.hold });
            self.until = Some(now);
        } else if now - until > patience {
            self.until = Some(now);
        }
    }

    /// It is stopped at `now`, and notes that it has listened until then.
    pub fn note_listening(&mut self, now: i64) {
        let before = self.clone();
        self.listen(now, 0);
        self.alerts = before.alerts;
    }

    fn deliveries_mut(&mut self) -> impl Iterator<Item = &mut Delivery> {
        self.alerts.iter_mut().flat_map(|alert| &mut alert.deliveries)
    }

    /// A transaction of commands at `now`.
    pub fn batch(
        &mut self,
        commands: &[(Command, Option<(Flight, Note)>)],
        now: i64,
    ) -> Vec<Result<Answer, No>> {
        self.listen(now, 1);
        for kept in self.services.values_mut() {
            kept.rows.iter_mut().for_each(|row| row.is_fresh = false);
        }
        // What has become of deliveries is noted before anything else.
        for (flight, note) in commands.iter().filter_map(|(_, note)| *note) {
            self.note(flight, note);
        }
        let last = self.ordinals;
        let answers = commands.iter().map(|(command, _)| self.command(command, now)).collect();
        self.number(last);
        answers
    }

    fn command(&mut self, command: &Command, now: i64) -> Result<Answer, No> {
        match command {
            Command::Ping(call) => self.ping(call, now),
            Command::Delete(name) => self.delete(name, now),
            Command::Pause(name) => {
                let name = self.named(name);
                let kept = self.readable(name)?.ok_or(No::Missing)?;
                let before = kept.watched.clone();
                let told = kept.watched.pause(now);
                self.raise(name, told, now, (before, None));
                Ok(self.answer(name, false))
            }
            Command::Resume(name) => {
                let name = self.named(name);
                self.readable(name)?.ok_or(No::Missing)?.watched.resume(now);
                Ok(self.answer(name, false))
            }
            Command::Declare(word) => self.declare(word, now),
            Command::Land { .. } => Ok(Answer::Done),
        }
    }

    fn answer(&self, name: Name, is_new: bool) -> Answer {
        Answer::Service(Box::new(self.services[name].watched.clone()), is_new)
    }

    /// The service that a name stands for: a name before an alias.
    pub fn named(&self, name: Name) -> Name {
        let alias = self.aliases.get(name).filter(|service| self.services.contains_key(*service));
        match alias {
            Some(service) if !self.services.contains_key(name) => service,
            _ => name,
        }
    }

    fn readable(&mut self, name: Name) -> Result<Option<&mut Kept>, No> {
        match self.services.get_mut(name) {
            Some(kept) if kept.is_spoilt => Err(No::Unreadable),
            kept => Ok(kept),
        }
    }

    fn is_full(&self) -> bool {
        i64::try_from(self.services.len()).unwrap() >= self.setting.services_max
    }

    /// What a call asks, in seconds.
    pub fn ask(&self, call: &Call, now: i64) -> Ask {
        let last = self.services.get(self.named(call.name));
        let last = last.and_then(|kept| kept.watched.last_ping).unwrap_or(now);
        let timestamp = match call.when {
            When::Unsaid => None,
            When::FromNow(seconds) => Some(now + seconds),
            When::FromLast(seconds) => Some(last + seconds),
        };
        Ask {
            signal: call.signal,
            run: call.run,
            terms: call.terms,
            if_new: call.if_new,
            timestamp: timestamp.map(|second| second.max(0)),
            received: now - call.lag,
            duration_ms: call.duration_ms,
        }
    }

    fn ping(&mut self, call: &Call, now: i64) -> Result<Answer, No> {
        let ask = self.ask(call, now);
        let name = if call.by_alias {
            let service = self.aliases.get(call.name).copied().ok_or(No::Missing)?;
            if !self.services.contains_key(service) {
                return Err(No::Missing);
            }
            service
        } else {
            self.named(call.name)
        };
        let says_when = ask.terms.every.is_some() || ask.terms.cron.is_some();
        let before = self.services.get(name);
        if before.is_none() && says_when && self.is_full() {
            return Err(No::Full);
        }
        let is_spoilt = before.is_some_and(|kept| kept.is_spoilt);
        if is_spoilt && (!says_when || ask.if_new) {
            return Err(No::Unreadable);
        }
        let known = before.filter(|_| !is_spoilt);
        if known.is_some_and(|kept| ask.run.is_some() && self.was_recorded(kept, &ask)) {
            return Ok(self.answer(name, false));
        }
        let is_new = before.is_none();
        let again = known.is_some_and(|kept| self.was_recorded(kept, &ask));
        let watched = known.map(|kept| &kept.watched);
        let pinged = model::ping(watched, &ask, self.setting.grace, now)?;
        let mut kept = match known {
            Some(kept) => kept.clone(),
            None => Kept {
                watched: pinged.service.clone(),
                is_spoilt: false,
                signals: 0,
                rows: Vec::new(),
            },
        };
        kept.watched = pinged.service;
        if !again {
            kept.signals += 1;
            kept.rows.push(Row {
                number: kept.signals,
                at: pinged.at,
                received: ask.received,
                signal: ask.signal,
                run: ask.run,
                duration_ms: pinged.duration_ms,
                is_fresh: true,
            });
        }
        let then = kept.watched.clone();
        self.services.insert(name, kept);
        let status = match ask.signal {
            Signal::Exit(status) if status > 0 => Some(status),
            _ => None,
        };
        self.raise(name, pinged.told, ask.received, (then, status));
        Ok(self.answer(name, is_new))
    }

    /// Whether the same signal was recorded: among those that are kept.
    fn was_recorded(&self, kept: &Kept, ask: &Ask) -> bool {
        let Some(at) = ask.timestamp else { return false };
        let is_same = |row: &Row| {
            row.run == ask.run && row.signal.as_str() == ask.signal.as_str() && row.at == at
        };
        if kept.rows.iter().any(|row| row.is_fresh && is_same(row)) {
            return true;
        }
        let old = kept.rows.iter().rev().filter(|row| !row.is_fresh);
        let looked_at = usize::try_from(self.setting.history).unwrap();
        // What came more than a minute before this second cannot be about it.
        let mut is_near = true;
        old.take(looked_at).any(|row| {
            let is_here = is_near && is_same(row);
            is_near &= row.received >= at - 60;
            is_here
        })
    }

    fn declare(&mut self, word: &Word, now: i64) -> Result<Answer, No> {
        let name = self.named(word.name);
        for alias in word.aliases.iter().flatten() {
            let is_name = self.services.contains_key(alias) && *alias != name;
            if is_name || self.aliases.get(alias).is_some_and(|service| *service != name) {
                return Err(No::AliasTaken);
            }
        }
        let before = self.services.get(name);
        let is_new = before.is_none();
        if before.is_some_and(|kept| kept.is_spoilt && !word.is_whole) {
            return Err(No::Unreadable);
        }
        let known = before.filter(|kept| !kept.is_spoilt);
        if is_new && self.is_full() {
            return Err(No::Full);
        }
        let (watched, grace) = (known.map(|kept| &kept.watched), self.setting.grace);
        let watched = model::declare(watched, word.is_whole, &word.terms, word.locked, grace, now)?;
        let (signals, rows) =
            known.map_or_else(Default::default, |kept| (kept.signals, kept.rows.clone()));
        self.services.insert(name, Kept { watched, is_spoilt: false, signals, rows });
        if word.aliases.is_some() || word.is_whole {
            self.aliases.retain(|_, service| *service != name);
            let aliases = word.aliases.iter().flatten();
            self.aliases.extend(aliases.map(|alias| (*alias, name)));
        }
        Ok(self.answer(name, is_new))
    }

    fn delete(&mut self, name: Name, now: i64) -> Result<Answer, No> {
        let name = self.named(name);
        let kept = self.services.get(name).ok_or(No::Missing)?;
        let ends = kept.watched.end_outage(now, "deleted").filter(|_| !kept.is_spoilt);
        let then = (kept.watched.clone(), None);
        if let Some(told) = ends {
            let to: Vec<usize> = (0..DESTINATIONS.len())
                .filter(|to| {
                    self.hears(*to, told.kind, name) && self.was_told(name, told.since, *to)
                })
                .collect();
            if !to.is_empty() {
                self.raise_to(name, told, now, then, &to);
            }
        }
        self.forget(name);
        self.services.remove(name);
        self.aliases.retain(|_, service| *service != name);
        Ok(Answer::Done)
    }

    /// A sweep at `now`.
    pub fn sweep(&mut self, now: i64) {
        self.listen(now, 5);
        let gap = self.gap;
        self.each_readable(|watched| watched.sweep(now, gap), now);
        if let Some(every) = self.setting.remind {
            self.each_readable(|watched| watched.remind(now, every), now);
        }
    }

    fn each_readable(&mut self, judge: impl Fn(&mut Watched) -> Option<Told>, now: i64) {
        let names: Vec<Name> = self.services.keys().copied().collect();
        for name in names {
            let Ok(Some(kept)) = self.readable(name) else { continue };
            let Some(told) = judge(&mut kept.watched) else { continue };
            let then = (kept.watched.clone(), None);
            if told.kind == Kind::Reminder {
                self.replace_reminders(name);
            }
            let last = self.ordinals;
            self.raise(name, Some(told), now, then);
            self.number(last);
        }
    }
}
