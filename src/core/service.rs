//! The state machine of a service: `(state, ping, now) -> (state, alerts)`.

use super::alert::{Alert, Kind, Reason};
use super::frequency::{Frequency, Grace};
use super::limits::TIMESTAMP_AHEAD_SECONDS_MAX;
use super::listening::Gap;
use super::name::Name;

/// What is known of a service: one row of the table `services`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: Name,
    /// How often a ping is expected.
    pub frequency: Frequency,
    /// How much longer to wait before silence counts.
    pub grace: Grace,
    /// When the job last said that it ran; `None` before the first ping.
    pub last_ping: Option<i64>,
    /// When the next ping is expected: last ping + frequency.
    pub expected: Option<i64>,
    /// The second after which the service is overdue: expected + grace. `None` expects nothing.
    pub deadline: Option<i64>,
    /// Whether `overdue` was raised for the present deadline.
    pub alerted: bool,
    /// The deadline that opened the present outage, if there is one.
    pub outage_since: Option<i64>,
    /// When the present outage was last told of again.
    pub reminded_at: Option<i64>,
}

/// What a service looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Declared, never pinged.
    Waiting,
    /// All is well.
    Up,
    /// Past `expected`, not past the deadline.
    Late,
    /// Past the deadline.
    Overdue,
}

impl Status {
    /// The word that every answer, column and page uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Up => "up",
            Self::Late => "late",
            Self::Overdue => "overdue",
        }
    }
}

impl Service {
    /// The status at `now`. The view `status` repeats this rule in SQL; a test holds the two equal.
    pub fn status(&self, now: i64) -> Status {
        if self.deadline.is_some_and(|deadline| deadline < now) {
            Status::Overdue
        } else if self.last_ping.is_none() {
            Status::Waiting
        } else if self.deadline.is_some() && self.expected.is_some_and(|expected| expected < now) {
            Status::Late
        } else {
            Status::Up
        }
    }
}

/// One call that says "I ran".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Who ran.
    pub name: Name,
    /// The frequency from now on; `None` keeps the stored one.
    pub frequency: Option<Frequency>,
    /// The grace from now on; `None` keeps the stored one.
    pub grace: Option<Grace>,
    /// When the job ran, by the caller's clock; `None` means when the ping arrived.
    pub timestamp: Option<i64>,
    /// When the ping arrived, by the server's clock.
    pub received_at: i64,
}

/// What a decision changes: the state to store, and what is worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The state from now on.
    pub service: Service,
    /// The alert that it raises, if any.
    pub alert: Option<Alert>,
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
}

/// Decides a ping at `now`, which may be later than it arrived: its body may be slow, and the store may have to wait.
///
/// # Errors
/// A [`Refusal`], after which the state is what it was.
pub fn ping(
    stored: Option<&Service>,
    ping: &Ping,
    default_grace: Grace,
    now: i64,
) -> Result<Change, Refusal> {
    let frequency =
        ping.frequency.or(stored.map(|service| service.frequency)).ok_or(Refusal::Unknown)?;
    let grace = ping.grace.or(stored.map(|service| service.grace)).unwrap_or(default_grace);
    let last_ping = time_of(ping, stored.and_then(|service| service.last_ping))?;
    let expected = last_ping + frequency.seconds();
    let deadline = expected + grace.seconds();
    let mut service = Service {
        name: ping.name.clone(),
        frequency,
        grace,
        last_ping: Some(last_ping),
        expected: Some(expected),
        deadline: Some(deadline),
        alerted: stored.is_some_and(|service| service.alerted),
        outage_since: stored.and_then(|service| service.outage_since),
        reminded_at: stored.and_then(|service| service.reminded_at),
    };
    // Sent so late that its own deadline has passed: telling of a recovery would be taken back by the next sweep.
    if deadline < now.max(ping.received_at) {
        return Ok(Change { service, alert: None });
    }
    service.alerted = false;
    service.reminded_at = None;
    let outage_since = service.outage_since.take();
    let alert = outage_since
        .map(|since| Alert::of(&service, Kind::Recovered, last_ping, since, ping.received_at));
    Ok(Change { service, alert })
}

/// Decides at `now` whether the silence of `stored` is to be told. During the hold after a `gap` in which the monitor
/// itself did not listen, it is not.
pub fn sweep(stored: &Service, now: i64, gap: Option<&Gap>) -> Option<Change> {
    let deadline = stored.deadline.filter(|deadline| *deadline < now && !stored.alerted)?;
    if gap.is_some_and(|gap| gap.holds(stored, deadline, now)) {
        return None;
    }
    let since = stored.outage_since.unwrap_or(deadline);
    let service = Service { alerted: true, outage_since: Some(since), ..stored.clone() };
    let uncertain = gap.and_then(|gap| gap.touches(stored.expected.unwrap_or(deadline), deadline));
    let alert = Alert { uncertain, ..Alert::of(&service, Kind::Overdue, deadline, since, now) };
    Some(Change { service, alert: Some(alert) })
}

/// Decides at `now` whether the outage of `stored` is to be told again, after `every` seconds.
pub fn remind(stored: &Service, now: i64, every: i64) -> Option<Change> {
    let since = stored.outage_since?;
    let due = stored.reminded_at.unwrap_or(since) + every;
    if due > now || stored.deadline.is_none_or(|deadline| deadline >= now) {
        return None;
    }
    let service = Service { reminded_at: Some(now), ..stored.clone() };
    let alert = Alert::of(&service, Kind::Reminder, now, since, now);
    Some(Change { service, alert: Some(alert) })
}

/// What ends the outage of a service that is deleted at `now`, if there is one.
pub fn delete(stored: &Service, now: i64) -> Option<Alert> {
    let since = stored.outage_since?;
    let alert = Alert::of(stored, Kind::Recovered, now, since, now);
    Some(Alert { reason: Some(Reason::Deleted), ..alert })
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
