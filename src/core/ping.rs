//! The state machine of a service: `(state, ping, now) -> (state, alerts)`.

use std::sync::Arc;

use super::alert::{Alert, Kind};
use super::frequency::{Frequency, Grace};
use super::limits::{
    ALERT_LOG_CHARS_MAX, CRON_GRACE_SECONDS, TIME_SECONDS_MAX, TIMESTAMP_AHEAD_SECONDS_MAX,
};
use super::name::Name;
use super::schedule::{Cron, CronPattern, Schedule, Zone};
use super::service::{Change, Service};
use super::signal::{RunId, Signal};

/// One call of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Who ran.
    pub name: Name,
    /// What is said.
    pub signal: Signal,
    /// Which of its runs it is about.
    pub run: Option<RunId>,
    /// How the job is to be watched from now on.
    pub terms: Terms,
    /// Whether the terms are those of a service that is not known yet: one that is known stays as it is.
    pub terms_if_new: bool,
    /// When the job ran, by the caller's clock; `None` means when the ping arrived.
    pub timestamp: Option<i64>,
    /// How long the run took, where the caller has measured it.
    pub duration_ms: Option<i64>,
    /// What the job printed: its end.
    pub log: Option<String>,
    /// Where the ping came from.
    pub origin: Origin,
    /// Whether the name must be an alias: whoever knows it needs no key.
    pub by_alias_alone: bool,
    /// When the ping arrived, by the server's clock.
    pub received_at: i64,
    /// The same in milliseconds.
    pub received_ms: i64,
}

impl Ping {
    /// A success of `name` that arrives at the second `now` and leaves everything else as it is.
    pub fn new(name: Name, now: i64) -> Self {
        Self {
            name,
            signal: Signal::Success,
            run: None,
            terms: Terms::default(),
            terms_if_new: false,
            timestamp: None,
            duration_ms: None,
            log: None,
            origin: Origin::default(),
            by_alias_alone: false,
            received_at: now,
            received_ms: now * 1000,
        }
    }
}

/// Where a ping came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The caller's address.
    pub address: Option<Arc<str>>,
    /// The label of the key that it used.
    pub key: Option<String>,
}

/// How a job is to be watched from now on; what is `None` keeps what is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Every so often.
    pub frequency: Option<Frequency>,
    /// At the occurrences of this expression.
    pub cron: Option<CronPattern>,
    /// The zone of those.
    pub zone: Option<Zone>,
    /// The grace.
    pub grace: Option<Grace>,
    /// How long a run may take.
    pub max_runtime: Option<Frequency>,
}

/// Why a ping changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its timestamp is older than the stored last ping.
    Older {
        /// The stored last ping.
        last_ping: i64,
    },
    /// Nothing is known of the service, and the ping does not say how often to expect it.
    Unknown,
    /// Its timestamp is more than a minute ahead of the server's clock.
    Ahead,
    /// It gives a time zone, and neither it nor what is stored is a cron expression.
    ZoneWithoutCron,
}

/// What a ping comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The state and what is told.
    pub change: Change,
    /// When it is about, in Unix seconds.
    pub at: i64,
    /// How long the run took that it has ended, if that is known.
    pub duration_ms: Option<i64>,
}

/// Decides a ping at `now`, which may be later than it arrived: its body may be slow, and the store may have to wait.
/// `default_grace` is the one of services that give a frequency and never a grace.
///
/// # Errors
/// A [`Refusal`], after which the state is what it was.
pub fn ping(
    stored: Option<&Service>,
    ping: &Ping,
    default_grace: Grace,
    now: i64,
) -> Result<Decision, Refusal> {
    if ping.signal == Signal::Log {
        return log(stored, ping, default_grace);
    }
    let mut service = under_terms(stored, ping, default_grace)?;
    let at = time_of(ping, stored.and_then(|service| service.last_ping))?;
    if let Some(stored) = stored.filter(|stored| stored.paused && !is_success(ping)) {
        // It expects nothing, so nothing follows from this; but it is worth keeping.
        return Ok(recorded(stored, at));
    }
    service.paused = false;
    let now = now.max(ping.received_at);
    if ping.signal == Signal::Start {
        start(&mut service, ping, at, now);
        return Ok(recorded(&service, at));
    }
    // Silence that was told of since has cleared this; a spool that empties tells of its failures once.
    let was_failed = stored.is_some_and(|stored| stored.failed);
    let duration_ms = end(&mut service, ping, at);
    let deadline = service.deadline.unwrap_or(at);
    // Sent so late that its own deadline has passed: telling of a recovery would be taken back by the next sweep.
    let is_late = deadline < now;
    let alert = if is_success(ping) {
        service.last_success = Some(at);
        if is_late { None } else { recover(&mut service, at, ping.received_at) }
    } else {
        if !is_late {
            service.alerted = false;
        }
        service.failed = true;
        let since = *service.outage_since.get_or_insert(at);
        (!was_failed).then(|| {
            service.reminded_at = Some(ping.received_at);
            let alert = Alert::of(&service, Kind::Failed, at, since, ping.received_at);
            let log = ping.log.as_deref().map(|log| last_chars(log, ALERT_LOG_CHARS_MAX));
            Alert { exit_status: ping.signal.exit_status(), log, ..alert }
        })
    };
    Ok(Decision { change: Change { service, alert }, at, duration_ms })
}

/// The end of `text`.
fn last_chars(text: &str, chars_max: usize) -> String {
    let start = text.char_indices().rev().nth(chars_max - 1).map_or(0, |(index, _)| index);
    text[start..].to_owned()
}

fn is_success(ping: &Ping) -> bool {
    ping.signal.is_end() && !ping.signal.is_failure()
}

/// A log changes nothing, whatever its timestamp. Only one whose terms are meant to make a service does, and that one has
/// never run.
fn log(stored: Option<&Service>, ping: &Ping, default_grace: Grace) -> Result<Decision, Refusal> {
    let at = ping.timestamp.unwrap_or(ping.received_at);
    match stored {
        Some(stored) => Ok(recorded(stored, at)),
        None if ping.terms_if_new => Ok(recorded(&under_terms(None, ping, default_grace)?, at)),
        None => Err(Refusal::Unknown),
    }
}

fn recorded(service: &Service, at: i64) -> Decision {
    let change = Change { service: service.clone(), alert: None };
    Decision { change, at, duration_ms: None }
}

/// The service as it is to be watched from now on.
fn under_terms(
    stored: Option<&Service>,
    ping: &Ping,
    default_grace: Grace,
) -> Result<Service, Refusal> {
    let terms = &ping.terms;
    let Some(stored) = stored else { return declared(&ping.name, terms, default_grace) };
    let mut service = stored.clone();
    if stored.locked || ping.terms_if_new {
        return Ok(service);
    }
    service.adopt(terms, default_grace)?;
    Ok(service)
}

/// A new service that is watched as `terms` say.
pub(super) fn declared(
    name: &Name,
    terms: &Terms,
    default_grace: Grace,
) -> Result<Service, Refusal> {
    let schedule = schedule(None, terms)?.ok_or(Refusal::Unknown)?;
    let grace = terms.grace.unwrap_or(default_grace_of(&schedule, default_grace));
    let service = Service::new(name.clone(), schedule, grace);
    Ok(Service { grace_given: terms.grace.is_some(), max_runtime: terms.max_runtime, ..service })
}

impl Service {
    /// Takes over what `terms` give. The deadline stays as it is.
    ///
    /// # Errors
    /// [`Refusal::ZoneWithoutCron`].
    pub(super) fn adopt(&mut self, terms: &Terms, default_grace: Grace) -> Result<(), Refusal> {
        if let Some(schedule) = schedule(Some(&self.schedule), terms)? {
            let is_other_kind = self.schedule.cron().is_some() != schedule.cron().is_some();
            if is_other_kind && !self.grace_given {
                self.grace = default_grace_of(&schedule, default_grace);
            }
            self.schedule = schedule;
        }
        if let Some(grace) = terms.grace {
            (self.grace, self.grace_given) = (grace, true);
        }
        self.max_runtime = terms.max_runtime.or(self.max_runtime);
        Ok(())
    }
}

/// The grace of those who never gave one: a job that pings when it ends is always after its cron minute.
fn default_grace_of(schedule: &Schedule, default_grace: Grace) -> Grace {
    match schedule {
        Schedule::Every(_) => default_grace,
        Schedule::Cron(_) => Grace::from_seconds(CRON_GRACE_SECONDS).unwrap_or(default_grace),
    }
}

/// The schedule that `terms` give, where they give one.
fn schedule(stored: Option<&Schedule>, terms: &Terms) -> Result<Option<Schedule>, Refusal> {
    let stored = stored.and_then(Schedule::cron);
    let pattern = match (terms.frequency, &terms.cron) {
        (Some(_), _) if terms.zone.is_some() => return Err(Refusal::ZoneWithoutCron),
        (Some(frequency), _) => return Ok(Some(Schedule::Every(frequency))),
        (None, Some(pattern)) => Some(pattern),
        // A zone alone is a new zone for the expression that is stored.
        (None, None) if terms.zone.is_some() => {
            Some(&stored.ok_or(Refusal::ZoneWithoutCron)?.pattern)
        }
        (None, None) => None,
    };
    Ok(pattern.map(|pattern| {
        let zone = terms.zone.clone().or_else(|| stored.map(|cron| cron.zone.clone()));
        Schedule::Cron(Cron { pattern: pattern.clone(), zone: zone.unwrap_or_else(Zone::utc) })
    }))
}

/// A run begins: its end is what is waited for now.
fn start(service: &mut Service, ping: &Ping, at: i64, now: i64) {
    let was_running = service.is_running();
    if !service.runs.start(ping.run.as_ref(), ms_of(ping, at)) {
        return;
    }
    // A job that begins again and again and never ends would put its deadline off for ever: once a success is overdue,
    // or where there was none yet, only the run that is open has its time.
    let success_due = service.expected.map(|expected| expected + service.grace.seconds());
    if was_running && !service.alerted && success_due.is_none_or(|due| due < at) {
        return;
    }
    let deadline = service.run_deadline(at);
    service.deadline = Some(deadline);
    if deadline >= now {
        service.alerted = false;
    }
}

/// A run ends, well or not: the next one is waited for. Returns how long it took.
fn end(service: &mut Service, ping: &Ping, at: i64) -> Option<i64> {
    let at_ms = ms_of(ping, at);
    let closed = service.runs.end(ping.run.as_ref(), ping.signal, at_ms);
    // What should have ended long ago was told of, and does not outlive a run that did end.
    if service.is_running() {
        let mut runs = std::mem::take(&mut service.runs);
        runs.retain(|ms| service.run_deadline(ms.div_euclid(1000)) >= at);
        service.runs = runs;
    }
    let measured = closed.started_ms.map(|started_ms| (at_ms - started_ms).max(0));
    let duration_ms = ping.duration_ms.or(measured);
    service.last_ping = Some(at);
    service.last_duration_ms = duration_ms;
    let expected = service.schedule.expected(at);
    service.expected = Some(expected);
    let mut deadline = (expected + service.grace.seconds()).min(TIME_SECONDS_MAX);
    // A run beside this one has to end as well; but one that began before it is no longer waited for.
    if let Some(running_since) = service.runs.running_since() {
        let is_later = closed.started_ms.is_none_or(|ms| ms.div_euclid(1000) <= running_since);
        if is_later {
            deadline = deadline.min(service.run_deadline(running_since));
        }
    }
    service.deadline = Some(deadline);
    duration_ms
}

/// A success ends an outage.
fn recover(service: &mut Service, at: i64, now: i64) -> Option<Alert> {
    (service.alerted, service.failed, service.reminded_at) = (false, false, None);
    let since = service.outage_since.take()?;
    Some(Alert::of(service, Kind::Recovered, at, since, now))
}

/// When a signal is about, in milliseconds: to the second where its caller said so.
fn ms_of(ping: &Ping, at: i64) -> i64 {
    if at == ping.received_at { ping.received_ms } else { at * 1000 }
}

/// When the job ran. Without a timestamp that is the later of now and the stored last ping, so that no such ping is
/// ever refused as older; but a stored one that no honest clock could have given gives way to now.
fn time_of(ping: &Ping, stored: Option<i64>) -> Result<i64, Refusal> {
    let now = ping.received_at;
    match (ping.timestamp, stored) {
        (Some(timestamp), _) if timestamp > now + TIMESTAMP_AHEAD_SECONDS_MAX => {
            Err(Refusal::Ahead)
        }
        (Some(timestamp), Some(last_ping)) if timestamp < last_ping => {
            Err(Refusal::Older { last_ping })
        }
        (Some(timestamp), _) => Ok(timestamp),
        (None, Some(last_ping)) if last_ping <= now + TIMESTAMP_AHEAD_SECONDS_MAX => {
            Ok(now.max(last_ping))
        }
        (None, _) => Ok(now),
    }
}
