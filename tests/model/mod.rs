//! The rules of a service as one would tell them to a friend: written from what the documents promise, with nothing
//! optimised and nothing taken from the program but its words.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(unreachable_pub, reason = "shared by test binaries, each a crate of its own")]

pub mod calendar;

use overdue::core::alert::Kind;
use overdue::core::signal::Signal;

/// When a ping is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// So many seconds after the last one.
    Every(i64),
    /// At the occurrences of an expression in a zone.
    Cron(&'static str, &'static str),
}

impl Plan {
    pub fn expected(self, after: i64) -> i64 {
        match self {
            Self::Every(seconds) => after + seconds,
            Self::Cron(fields, zone) => calendar::expected(fields, zone, after),
        }
    }

    fn is_cron(self) -> bool {
        matches!(self, Self::Cron(..))
    }
}

/// How a service is to be watched, as far as somebody says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    pub every: Option<i64>,
    pub cron: Option<&'static str>,
    pub zone: Option<&'static str>,
    pub grace: Option<i64>,
    pub max_runtime: Option<i64>,
}

/// A ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub signal: Signal,
    pub run: Option<&'static str>,
    pub terms: Terms,
    /// Whether the terms are for a new service only.
    pub if_new: bool,
    pub timestamp: Option<i64>,
    pub received: i64,
    pub duration_ms: Option<i64>,
}

impl Ask {
    pub fn is_success(&self) -> bool {
        matches!(self.signal, Signal::Success | Signal::Exit(0))
    }

    pub fn is_failure(&self) -> bool {
        matches!(self.signal, Signal::Fail | Signal::Exit(1..))
    }
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    Older(i64),
    /// Nothing is known of it, and nothing is said of when to expect it.
    Unknown,
    Ahead,
    ZoneWithoutCron,
    /// There is nothing that could be deleted or paused.
    Missing,
    Unreadable,
    Full,
    AliasTaken,
    NotPrimary,
}

/// What is told: of what, about which second, and since when the outage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub kind: Kind,
    pub about: i64,
    pub since: i64,
    pub reason: Option<&'static str>,
    pub uncertain: Option<(i64, i64)>,
}

impl Told {
    fn new(kind: Kind, about: i64, since: i64) -> Self {
        Self { kind, about, since, reason: None, uncertain: None }
    }
}

/// A time in which nobody listened, and until when it is held against nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub from: i64,
    pub to: i64,
    pub hold_until: i64,
}

/// A run of which one end is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub id: Option<&'static str>,
    pub began: Option<i64>,
    pub ended: Option<i64>,
}

/// A service.
#[expect(clippy::struct_excessive_bools, reason = "as naive as can be")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    pub plan: Plan,
    pub grace: i64,
    pub grace_given: bool,
    pub max_runtime: Option<i64>,
    pub locked: bool,
    pub paused: bool,
    pub last_ping: Option<i64>,
    pub last_success: Option<i64>,
    pub duration_ms: Option<i64>,
    pub expected: Option<i64>,
    pub deadline: Option<i64>,
    pub told: bool,
    pub failed: bool,
    pub outage: Option<i64>,
    pub reminded: Option<i64>,
    pub runs: Vec<Run>,
}

/// What a ping comes to.
#[derive(Clone, Debug)]
pub struct Pinged {
    pub service: Watched,
    pub told: Option<Told>,
    /// When it is about.
    pub at: i64,
    pub duration_ms: Option<i64>,
}

fn plan_of(stored: Option<Plan>, terms: &Terms) -> Result<Option<Plan>, No> {
    if let Some(seconds) = terms.every {
        return if terms.zone.is_some() {
            Err(No::ZoneWithoutCron)
        } else {
            Ok(Some(Plan::Every(seconds)))
        };
    }
    let before = match stored {
        Some(Plan::Cron(fields, zone)) => Some((fields, zone)),
        _ => None,
    };
    match (terms.cron, terms.zone, before) {
        (Some(fields), zone, before) => {
            let zone = zone.or(before.map(|(_, zone)| zone)).unwrap_or("UTC");
            Ok(Some(Plan::Cron(fields, zone)))
        }
        (None, Some(zone), Some((fields, _))) => Ok(Some(Plan::Cron(fields, zone))),
        (None, Some(_), None) => Err(No::ZoneWithoutCron),
        (None, None, _) => Ok(None),
    }
}

fn usual_grace(plan: Plan, default_grace: i64) -> i64 {
    if plan.is_cron() { 3600 } else { default_grace }
}

impl Watched {
    /// A service that was never heard of.
    pub fn new(terms: &Terms, default_grace: i64) -> Result<Self, No> {
        let plan = plan_of(None, terms)?.ok_or(No::Unknown)?;
        Ok(Self {
            plan,
            grace: terms.grace.unwrap_or(usual_grace(plan, default_grace)),
            grace_given: terms.grace.is_some(),
            max_runtime: terms.max_runtime,
            locked: false,
            paused: false,
            last_ping: None,
            last_success: None,
            duration_ms: None,
            expected: None,
            deadline: None,
            told: false,
            failed: false,
            outage: None,
            reminded: None,
            runs: Vec::new(),
        })
    }

    fn adopt(&mut self, terms: &Terms, default_grace: i64) -> Result<(), No> {
        if let Some(plan) = plan_of(Some(self.plan), terms)? {
            if plan.is_cron() != self.plan.is_cron() && !self.grace_given {
                self.grace = usual_grace(plan, default_grace);
            }
            self.plan = plan;
        }
        if let Some(grace) = terms.grace {
            (self.grace, self.grace_given) = (grace, true);
        }
        self.max_runtime = terms.max_runtime.or(self.max_runtime);
        Ok(())
    }

    /// When the latest open run began.
    pub fn running(&self) -> Option<i64> {
        self.runs.iter().filter_map(|run| run.began).max()
    }

    /// When a run that began then has to have ended.
    fn run_due(&self, began: i64) -> i64 {
        match (self.max_runtime, self.plan) {
            (Some(seconds), _) => began + seconds,
            (None, Plan::Every(seconds)) if self.grace == 0 => began + seconds,
            (None, Plan::Every(_)) => began + self.grace,
            (None, plan) => plan.expected(began) + self.grace,
        }
    }

    pub fn status(&self, now: i64) -> &'static str {
        match self.deadline {
            _ if self.paused => "paused",
            Some(deadline) if deadline < now => "overdue",
            _ if self.failed => "failed",
            _ if self.last_ping.is_none() && self.running().is_none() => "waiting",
            Some(_)
                if self.running().is_none() && self.expected.is_some_and(|second| second < now) =>
            {
                "late"
            }
            _ => "up",
        }
    }

    fn start(&mut self, ask: &Ask, at: i64, now: i64) {
        let again = self.running().is_some();
        if let Some(place) = self.runs.iter().position(|run| run.id == ask.run) {
            let before = self.runs.remove(place);
            // Its end has overtaken it by up to a minute.
            if before.ended.is_some_and(|ended| at <= ended + 60) {
                return;
            }
        }
        self.runs.push(Run { id: ask.run, began: Some(at), ended: None });
        // Who starts and starts and never ends is noticed.
        if again && !self.told && self.expected.is_none_or(|second| second + self.grace < at) {
            return;
        }
        let due = self.run_due(at);
        self.deadline = Some(due);
        if due >= now {
            self.told = false;
        }
    }

    /// Ends a run; when that began.
    fn end_run(&mut self, ask: &Ask, at: i64) -> Option<i64> {
        if ask.run.is_none() {
            let began = self.running();
            self.runs.clear();
            return began;
        }
        if let Some(place) = self.runs.iter().position(|run| run.id == ask.run) {
            return self.runs.remove(place).began;
        }
        if ask.is_failure() {
            self.runs.clear();
        }
        self.runs.push(Run { id: ask.run, began: None, ended: Some(at) });
        None
    }

    fn end(&mut self, ask: &Ask, at: i64, now: i64) -> (Option<Told>, Option<i64>) {
        let was_failed = self.failed;
        let began = self.end_run(ask, at);
        let forgotten = self.clone();
        self.runs.retain(|run| run.began.is_none_or(|began| forgotten.run_due(began) >= at));
        let duration_ms =
            ask.duration_ms.or(began.map(|began| if at > began { (at - began) * 1000 } else { 0 }));
        (self.last_ping, self.duration_ms) = (Some(at), duration_ms);
        let expected = self.plan.expected(at);
        let mut due = expected + self.grace;
        if let Some(beside) = self.running().filter(|beside| began.is_none_or(|it| it <= *beside)) {
            due = due.min(self.run_due(beside));
        }
        (self.expected, self.deadline) = (Some(expected), Some(due));
        let is_late = due < now;
        if !is_late {
            self.told = false;
        }
        let told = if ask.is_failure() {
            self.failed = true;
            let since = *self.outage.get_or_insert(at);
            (!was_failed).then(|| {
                self.reminded = Some(ask.received);
                Told::new(Kind::Failed, at, since)
            })
        } else {
            self.last_success = Some(at);
            if is_late {
                None
            } else {
                (self.failed, self.reminded) = (false, None);
                self.outage.take().map(|since| Told::new(Kind::Recovered, at, since))
            }
        };
        (told, duration_ms)
    }

    /// Whether its silence is told at `now`.
    pub fn sweep(&mut self, now: i64, gap: Option<Gap>) -> Option<Told> {
        let deadline = self.deadline.filter(|deadline| *deadline < now)?;
        if self.told || self.paused {
            return None;
        }
        if let Some(gap) = gap.filter(|gap| deadline >= gap.from) {
            let own = match (self.expected, self.last_ping, self.plan) {
                (Some(expected), Some(last_ping), _) => Some(expected - last_ping),
                (_, _, Plan::Every(seconds)) => Some(seconds),
                _ => None,
            };
            let held_until = own.map_or(gap.hold_until, |own| gap.hold_until.min(gap.to + own));
            if now < held_until {
                return None;
            }
        }
        (self.told, self.failed, self.reminded) = (true, false, Some(now));
        let told = Told::new(Kind::Overdue, deadline, *self.outage.get_or_insert(deadline));
        let waited_from = self.running().or(self.expected).unwrap_or(deadline).min(deadline);
        let touched = gap.filter(|gap| waited_from <= gap.hold_until && deadline >= gap.from);
        Some(Told { uncertain: touched.map(|gap| (gap.from, gap.to)), ..told })
    }

    /// Whether its outage is told of again at `now`.
    pub fn remind(&mut self, now: i64, every: i64) -> Option<Told> {
        let since = self.outage?;
        let lasts = matches!(self.status(now), "overdue" | "failed") || self.running().is_some();
        if self.reminded.unwrap_or(since) + every > now || !lasts || self.paused {
            return None;
        }
        self.reminded = Some(now);
        Some(Told::new(Kind::Reminder, now, since))
    }

    /// What ends its outage at `now` where no ping does.
    pub fn end_outage(&self, now: i64, reason: &'static str) -> Option<Told> {
        let told = Told::new(Kind::Recovered, now, self.outage?);
        Some(Told { reason: Some(reason), ..told })
    }

    pub fn pause(&mut self, now: i64) -> Option<Told> {
        let told = self.end_outage(now, "paused");
        (self.paused, self.told, self.failed) = (true, false, false);
        (self.expected, self.deadline, self.outage, self.reminded) = (None, None, None, None);
        self.runs.clear();
        told
    }

    pub fn resume(&mut self, now: i64) {
        if self.paused {
            self.paused = false;
            let expected = self.plan.expected(now);
            (self.expected, self.deadline) = (Some(expected), Some(expected + self.grace));
        }
    }
}

fn time_of(ask: &Ask, last_ping: Option<i64>) -> Result<i64, No> {
    let now = ask.received;
    let Some(timestamp) = ask.timestamp else {
        return Ok(match last_ping {
            Some(last_ping) if last_ping > now && last_ping <= now + 60 => last_ping,
            _ => now,
        });
    };
    match last_ping {
        _ if timestamp > now + 60 => Err(No::Ahead),
        Some(last_ping) if timestamp < last_ping => Err(No::Older(last_ping)),
        _ => Ok(timestamp),
    }
}

/// What a ping makes of a service at `now`.
pub fn ping(
    stored: Option<&Watched>,
    ask: &Ask,
    default_grace: i64,
    now: i64,
) -> Result<Pinged, No> {
    let recorded = |service: Watched, at| Ok(Pinged { service, told: None, at, duration_ms: None });
    if ask.signal == Signal::Log {
        let at = ask.timestamp.unwrap_or(ask.received);
        return match stored {
            Some(stored) => recorded(stored.clone(), at),
            None if ask.if_new => recorded(Watched::new(&ask.terms, default_grace)?, at),
            None => Err(No::Unknown),
        };
    }
    let mut service = match stored {
        None => Watched::new(&ask.terms, default_grace)?,
        Some(stored) => stored.clone(),
    };
    if stored.is_some() && !service.locked && !ask.if_new {
        service.adopt(&ask.terms, default_grace)?;
    }
    let at = time_of(ask, stored.and_then(|stored| stored.last_ping))?;
    if let Some(stored) = stored.filter(|stored| stored.paused && !ask.is_success()) {
        return recorded(stored.clone(), at);
    }
    service.paused = false;
    if ask.signal == Signal::Start {
        service.start(ask, at, now.max(ask.received));
        return recorded(service, at);
    }
    let (told, duration_ms) = service.end(ask, at, now.max(ask.received));
    Ok(Pinged { service, told, at, duration_ms })
}

/// What an owner's word makes of a service at `now`: all of it, or what it changes.
pub fn declare(
    stored: Option<&Watched>,
    is_whole: bool,
    terms: &Terms,
    locked: Option<bool>,
    default_grace: i64,
    now: i64,
) -> Result<Watched, No> {
    let Some(before) = stored else {
        if !is_whole {
            return Err(No::Unknown);
        }
        let service = Watched::new(terms, default_grace)?;
        return Ok(Watched { locked: locked.unwrap_or(false), ..service });
    };
    let mut service = before.clone();
    if is_whole {
        let fresh = Watched::new(terms, default_grace)?;
        service = Watched {
            plan: fresh.plan,
            grace: fresh.grace,
            grace_given: fresh.grace_given,
            max_runtime: fresh.max_runtime,
            ..service
        };
    } else {
        service.adopt(terms, default_grace)?;
    }
    service.locked = locked.unwrap_or(!is_whole && before.locked);
    let is_same = (service.plan, service.grace, service.max_runtime)
        == (before.plan, before.grace, before.max_runtime);
    if is_same || service.paused || service.deadline.is_none() {
        return Ok(service);
    }
    // It counts at once: from the last ping, or from now where it does not run from one.
    let runs_from_ping = before.expected == before.last_ping.map(|at| before.plan.expected(at));
    let from = if runs_from_ping { service.last_ping } else { Some(now) };
    service.expected = from.map(|from| service.plan.expected(from));
    let due = match (service.running(), service.expected) {
        (Some(began), _) => service.run_due(began),
        (None, Some(expected)) => expected + service.grace,
        (None, None) => service.plan.expected(now) + service.grace,
    };
    service.deadline = Some(due);
    service.told = before.told && due < now;
    Ok(service)
}
