//! What changes about a service, besides its pings: worth a row that outlives it.

use super::frequency::{Frequency, Grace};
use super::ping::Origin;
use super::schedule::Schedule;
use super::service::Service;

/// What a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// How the service was when changes began to be kept.
    Known,
    /// Its first ping made it.
    Made,
    /// Its owner declared it before any ping.
    Declared,
    /// Another schedule, grace or `max_runtime`.
    Changed,
    /// Nothing is expected from here on.
    Paused,
    /// Its next ping is expected again.
    Resumed,
    /// It was forgotten.
    Deleted,
}

impl What {
    const ALL: [Self; 7] = [
        Self::Known,
        Self::Made,
        Self::Declared,
        Self::Changed,
        Self::Paused,
        Self::Resumed,
        Self::Deleted,
    ];

    /// The word in the column `what`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Made => "made",
            Self::Declared => "declared",
            Self::Changed => "changed",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Deleted => "deleted",
        }
    }

    /// Reads the word in the column `what`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.as_str() == text)
    }
}

/// How a service is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// When a ping is expected.
    pub schedule: Schedule,
    /// How much longer to wait.
    pub grace: Grace,
    /// How long a run may take.
    pub max_runtime: Option<Frequency>,
}

impl Watch {
    /// How `service` is watched.
    pub fn of(service: &Service) -> Self {
        let Service { schedule, grace, max_runtime, .. } = service;
        Self { schedule: schedule.clone(), grace: *grace, max_runtime: *max_runtime }
    }
}

/// A change as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// When it came.
    pub at: i64,
    /// What it was.
    pub what: What,
    /// Whether a ping did it; else its owner.
    pub by_ping: bool,
    /// The label of the key that was used.
    pub key: Option<String>,
    /// How many signals the service had sent by then, this one included.
    pub signals: i64,
    /// How it was watched before.
    pub was: Option<Watch>,
    /// How it is watched since.
    pub is: Option<Watch>,
    /// Whether nothing is expected since.
    pub paused: bool,
    /// When the next ping was expected then.
    pub expected: Option<i64>,
    /// The deadline then.
    pub deadline: Option<i64>,
}

/// What is worth keeping of what turned `before` into `after` at the second `at`: nothing, nearly always.
pub fn between(
    before: Option<&Service>,
    after: Option<&Service>,
    by_ping: bool,
    origin: &Origin,
    at: i64,
) -> Option<Changed> {
    let what = match (before, after) {
        (None, None) => return None,
        (None, Some(_)) if by_ping => What::Made,
        (None, Some(_)) => What::Declared,
        (Some(_), None) => What::Deleted,
        (Some(before), Some(after)) => match (before.paused, after.paused) {
            (false, true) => What::Paused,
            (true, false) => What::Resumed,
            _ if is_watched_alike(before, after) => return None,
            _ => What::Changed,
        },
    };
    Some(Changed {
        at,
        what,
        by_ping,
        key: origin.key.clone(),
        signals: after.or(before).map_or(0, |service| service.history.signals),
        was: before.map(Watch::of),
        is: after.map(Watch::of),
        paused: after.is_some_and(|service| service.paused),
        expected: after.and_then(|service| service.expected),
        deadline: after.and_then(|service| service.deadline),
    })
}

/// The deletion of a service whose row could not be read.
pub fn deleted_unread(origin: &Origin, at: i64) -> Changed {
    Changed {
        at,
        what: What::Deleted,
        by_ping: false,
        key: origin.key.clone(),
        signals: 0,
        was: None,
        is: None,
        paused: false,
        expected: None,
        deadline: None,
    }
}

fn is_watched_alike(a: &Service, b: &Service) -> bool {
    a.grace == b.grace && a.max_runtime == b.max_runtime && a.schedule == b.schedule
}
