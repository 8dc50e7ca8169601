//! What is known of a service, and its status.

use super::alert::{Alert, Kind, Reason};
use super::frequency::{Frequency, Grace};
use super::limits::TIME_SECONDS_MAX;
use super::listening::Gap;
use super::name::Name;
use super::runs::Runs;
use super::schedule::Schedule;

/// What is known of a service: one row of the table `services`.
#[expect(clippy::struct_excessive_bools, reason = "each is a column of its own")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: Name,
    /// What it is, in its owner's words.
    pub description: Option<String>,
    /// When a ping is expected.
    pub schedule: Schedule,
    /// How much longer to wait before silence counts.
    pub grace: Grace,
    /// Whether somebody gave that grace; if not, it follows the kind of the schedule.
    pub grace_given: bool,
    /// How long a run may take; `None`: as long as the grace.
    pub max_runtime: Option<Frequency>,
    /// Whether pings leave the schedule as it was declared.
    pub locked: bool,
    /// Whether nothing is expected until it is resumed or succeeds.
    pub paused: bool,
    /// When the job last said that it ran, well or not; `None` before the first time.
    pub last_ping: Option<i64>,
    /// When it last said that it ran well.
    pub last_success: Option<i64>,
    /// How long the run took that the last ping ended, if its start was told.
    pub last_duration_ms: Option<i64>,
    /// When the next ping is expected: last ping + frequency, or the next occurrence.
    pub expected: Option<i64>,
    /// The second after which the service is overdue: expected + grace, or when a run has to have ended. `None` expects
    /// nothing.
    pub deadline: Option<i64>,
    /// Whether `overdue` was raised for the present deadline.
    pub alerted: bool,
    /// Whether the last run failed, and silence was not told of since.
    pub failed: bool,
    /// The second that opened the present outage, if there is one: the deadline that passed, or the failure.
    pub outage_since: Option<i64>,
    /// When the present outage was last told of.
    pub reminded_at: Option<i64>,
    /// The runs that have begun and not ended.
    pub runs: Runs,
    /// How many signals it has sent, and where the last of them stands in the history.
    pub history: History,
}

/// A service's place in the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// How many signals came.
    pub signals: i64,
    /// The row of the last one; 0: there is none.
    pub newest: i64,
}

/// What a service looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Declared, never pinged.
    Waiting,
    /// All is well.
    Up,
    /// Past `expected`, not past the deadline.
    Late,
    /// Past the deadline.
    Overdue,
    /// The last run failed.
    Failed,
    /// Nothing is expected.
    Paused,
}

impl Status {
    /// Every status, the most urgent first.
    pub const ALL: [Self; 6] =
        [Self::Overdue, Self::Failed, Self::Late, Self::Up, Self::Waiting, Self::Paused];

    /// The word that every answer, column and page uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Up => "up",
            Self::Late => "late",
            Self::Overdue => "overdue",
            Self::Failed => "failed",
            Self::Paused => "paused",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// What of a service its status follows from.
#[expect(clippy::struct_excessive_bools, reason = "each is a column of its own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    /// Whether nothing is expected of it.
    pub paused: bool,
    /// Whether the last run failed.
    pub failed: bool,
    /// Whether it has ever pinged.
    pub pinged: bool,
    /// Whether a run is open.
    pub running: bool,
    /// When the next ping is expected.
    pub expected: Option<i64>,
    /// When silence counts.
    pub deadline: Option<i64>,
}

impl Signs {
    /// The status at `now`. The view `status` repeats this rule in SQL; a test holds the two equal.
    pub fn status(&self, now: i64) -> Status {
        if self.paused {
            Status::Paused
        } else if self.deadline.is_some_and(|deadline| deadline < now) {
            Status::Overdue
        } else if self.failed {
            Status::Failed
        } else if !self.pinged && !self.running {
            Status::Waiting
        } else if self.deadline.is_some()
            && !self.running
            && self.expected.is_some_and(|expected| expected < now)
        {
            Status::Late
        } else {
            Status::Up
        }
    }
}

impl Service {
    /// A service of which nothing is known but its name and its schedule.
    pub fn new(name: Name, schedule: Schedule, grace: Grace) -> Self {
        Self {
            name,
            description: None,
            schedule,
            grace,
            grace_given: false,
            max_runtime: None,
            locked: false,
            paused: false,
            last_ping: None,
            last_success: None,
            last_duration_ms: None,
            expected: None,
            deadline: None,
            alerted: false,
            failed: false,
            outage_since: None,
            reminded_at: None,
            runs: Runs::default(),
            history: History::default(),
        }
    }

    /// The status at `now`.
    pub fn status(&self, now: i64) -> Status {
        let signs = Signs {
            paused: self.paused,
            failed: self.failed,
            pinged: self.last_ping.is_some(),
            running: self.is_running(),
            expected: self.expected,
            deadline: self.deadline,
        };
        signs.status(now)
    }

    /// Whether a run is open.
    pub fn is_running(&self) -> bool {
        self.runs.running_since().is_some()
    }

    /// When a run that begins at `started` has to have ended.
    pub(super) fn run_deadline(&self, started: i64) -> i64 {
        let deadline = match (self.max_runtime, &self.schedule) {
            (Some(max_runtime), _) => started + max_runtime.seconds(),
            (None, schedule @ Schedule::Cron(_)) => {
                schedule.expected(started) + self.grace.seconds()
            }
            (None, Schedule::Every(frequency)) => match self.grace.seconds() {
                0 => started + frequency.seconds(),
                grace => started + grace,
            },
        };
        deadline.min(TIME_SECONDS_MAX)
    }

    /// How long nobody is held longer than: as by then a service that lives has pinged.
    pub(super) fn wait_seconds(&self) -> i64 {
        match (self.expected, self.last_ping, &self.schedule) {
            (Some(expected), Some(last_ping), _) => expected - last_ping,
            (_, _, Schedule::Every(frequency)) => frequency.seconds(),
            _ => i64::MAX / 4,
        }
    }

    /// The second from which on its present deadline was waited for: a run's start, or when a ping was expected.
    pub(super) fn waited_from(&self, deadline: i64) -> i64 {
        self.runs.running_since().or(self.expected).unwrap_or(deadline).min(deadline)
    }
}

/// What a decision changes: the state to store, and what is worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The state from now on.
    pub service: Service,
    /// The alert that it raises, if any.
    pub alert: Option<Alert>,
}

/// Decides at `now` whether the silence of `stored` is to be told. During the hold after a `gap` in which the monitor
/// itself did not listen, it is not.
pub fn sweep(stored: &Service, now: i64, gap: Option<&Gap>) -> Option<Change> {
    let deadline = stored.deadline.filter(|deadline| *deadline < now && !stored.alerted)?;
    if stored.paused || gap.is_some_and(|gap| gap.holds(stored, deadline, now)) {
        return None;
    }
    let since = stored.outage_since.unwrap_or(deadline);
    // A failure that silence follows is told of as silence; a further one is news again.
    let service = Service {
        alerted: true,
        failed: false,
        outage_since: Some(since),
        reminded_at: Some(now),
        ..stored.clone()
    };
    let uncertain = gap.and_then(|gap| gap.touches(stored.waited_from(deadline), deadline));
    let alert = Alert { uncertain, ..Alert::of(&service, Kind::Overdue, deadline, since, now) };
    Some(Change { service, alert: Some(alert) })
}

/// Decides at `now` whether the outage of `stored` is to be told again, after `every` seconds.
pub fn remind(stored: &Service, now: i64, every: i64) -> Option<Change> {
    let since = stored.outage_since?;
    let due = stored.reminded_at.unwrap_or(since) + every;
    // A deadline that hands have moved ahead gives the service its time.
    let lasts =
        matches!(stored.status(now), Status::Overdue | Status::Failed) || stored.is_running();
    if due > now || !lasts || stored.paused {
        return None;
    }
    let service = Service { reminded_at: Some(now), ..stored.clone() };
    let alert = Alert::of(&service, Kind::Reminder, now, since, now);
    Some(Change { service, alert: Some(alert) })
}

/// What ends the outage of a service that is deleted at `now`, if there is one.
pub fn delete(stored: &Service, now: i64) -> Option<Alert> {
    end_outage(stored, Reason::Deleted, now)
}

/// Pauses a service at `now`: nothing is expected of it, and its outage is over.
pub fn pause(stored: &Service, now: i64) -> Change {
    let alert = end_outage(stored, Reason::Paused, now);
    let mut service = Service {
        paused: true,
        expected: None,
        deadline: None,
        alerted: false,
        failed: false,
        outage_since: None,
        reminded_at: None,
        ..stored.clone()
    };
    service.runs.clear();
    Change { service, alert }
}

/// Resumes a paused service at `now`: the next ping is expected as if one had just come. One that is not paused stays as
/// it is.
pub fn resume(stored: &Service, now: i64) -> Change {
    let mut service = stored.clone();
    if stored.paused {
        let expected = stored.schedule.expected(now);
        service.paused = false;
        service.expected = Some(expected);
        service.deadline = Some((expected + stored.grace.seconds()).min(TIME_SECONDS_MAX));
    }
    Change { service, alert: None }
}

fn end_outage(stored: &Service, reason: Reason, now: i64) -> Option<Alert> {
    let since = stored.outage_since?;
    let alert = Alert::of(stored, Kind::Recovered, now, since, now);
    Some(Alert { reason: Some(reason), ..alert })
}
