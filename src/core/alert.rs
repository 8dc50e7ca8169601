//! An alert: a change worth telling, as it was when it was raised.

use data_encoding::BASE32_NOPAD;
use globset::GlobSet;
use sha2::{Digest, Sha256};

use super::frequency::Grace;
use super::listening::Span;
use super::name::Name;
use super::schedule::Schedule;
use super::service::{Service, Status};

/// What an alert tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The deadline has passed and no ping has come.
    Overdue,
    /// A run has failed.
    Failed,
    /// The outage is over.
    Recovered,
    /// The outage lasts.
    Reminder,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Overdue, Self::Failed, Self::Recovered, Self::Reminder];

    /// The word in the column `kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overdue => "overdue",
            Self::Failed => "failed",
            Self::Recovered => "recovered",
            Self::Reminder => "reminder",
        }
    }

    /// Reads the word in the column `kind`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The `type` of the message, as in `service.overdue`.
    pub fn event_type(self) -> &'static str {
        match self {
            Self::Overdue => "service.overdue",
            Self::Failed => "service.failed",
            Self::Recovered => "service.recovered",
            Self::Reminder => "service.reminder",
        }
    }
}

/// Why an outage ended, where it was not a ping that ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The service was deleted.
    Deleted,
    /// It was paused.
    Paused,
}

impl Reason {
    /// The word in the column `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Paused => "paused",
        }
    }

    /// Reads the word in the column `reason`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Deleted, Self::Paused].into_iter().find(|reason| reason.as_str() == text)
    }
}

/// A change worth telling, with the state of the service as it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Whose.
    pub service: Name,
    /// What.
    pub kind: Kind,
    /// The second it is about: the deadline that passed, the failure, what ended the outage, or when a reminder was due.
    pub about: i64,
    /// When it was raised.
    pub created_at: i64,
    /// The second that opened the outage it belongs to: the deadline that passed, or the failure.
    pub outage_since: i64,
    /// What the service is, in its owner's words.
    pub description: Option<String>,
    /// The schedule then.
    pub schedule: Schedule,
    /// The grace then.
    pub grace: Grace,
    /// The last ping then.
    pub last_ping: Option<i64>,
    /// The last success then.
    pub last_success: Option<i64>,
    /// How long the run took that the last ping ended, if its start was told.
    pub last_duration_ms: Option<i64>,
    /// When the run began that was open then.
    pub running_since: Option<i64>,
    /// The deadline then.
    pub deadline: Option<i64>,
    /// Whether the outage was one of failures then, not of silence.
    pub failed: bool,
    /// The exit status of the run that failed.
    pub exit_status: Option<u8>,
    /// The end of its log.
    pub log: Option<String>,
    /// Why the outage ended, where it was not a ping that ended it.
    pub reason: Option<Reason>,
    /// The time in which the monitor itself did not listen, where the silence may be its own.
    pub uncertain: Option<Span>,
}

impl Alert {
    /// The alert of this kind that `service` raises at `now`.
    pub fn of(service: &Service, kind: Kind, about: i64, outage_since: i64, now: i64) -> Self {
        Self {
            service: service.name.clone(),
            kind,
            about,
            created_at: now,
            outage_since,
            description: service.description.clone(),
            schedule: service.schedule.clone(),
            grace: service.grace,
            last_ping: service.last_ping,
            last_success: service.last_success,
            last_duration_ms: service.last_duration_ms,
            running_since: service.runs.running_since(),
            deadline: service.deadline,
            failed: service.failed,
            exit_status: None,
            log: None,
            reason: None,
            uncertain: None,
        }
    }

    /// The status that the service has by what this tells.
    pub fn status(&self) -> Status {
        match (self.kind, self.reason) {
            (Kind::Failed, _) => Status::Failed,
            (Kind::Reminder, _) if self.failed => Status::Failed,
            (Kind::Overdue | Kind::Reminder, _) => Status::Overdue,
            (Kind::Recovered, Some(Reason::Paused)) => Status::Paused,
            (Kind::Recovered, _) => Status::Up,
        }
    }

    /// How long the deadline had passed when this was raised, in seconds; 0 unless it tells of silence.
    pub fn overdue_seconds(&self) -> i64 {
        match (self.kind, self.deadline) {
            (Kind::Overdue | Kind::Reminder, Some(deadline)) => (self.created_at - deadline).max(0),
            _ => 0,
        }
    }

    /// How long the outage lasted, in seconds; `None` while it lasts.
    pub fn outage_seconds(&self) -> Option<i64> {
        (self.kind == Kind::Recovered).then(|| (self.about - self.outage_since).max(0))
    }

    /// A key that every alert of one outage shares, and no other: a hash, as names can be long.
    pub fn outage_key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.service.as_str());
        hash.update(self.outage_since.to_be_bytes());
        shown_id(&hash.finalize()).replacen("alr_", "out_", 1)
    }

    /// The id: `alr_` and 26 characters derived from the name, the kind and the second it is about.
    ///
    /// `occurrence` counts earlier alerts of just these, from 0: the same schedule can make the same deadline pass
    /// twice, and an id must never be reused. The same outage raised again from a restored backup counts the same.
    pub fn id(&self, occurrence: i64) -> String {
        let mut hash = Sha256::new();
        // Lengths first, so that no two names and numbers run into the same bytes.
        hash.update((self.service.as_str().len() as u64).to_be_bytes());
        hash.update(self.service.as_str());
        hash.update(self.kind.as_str());
        hash.update(self.about.to_be_bytes());
        hash.update(occurrence.to_be_bytes());
        shown_id(&hash.finalize())
    }
}

/// An alert about the monitor itself: it cannot be stored, as that is what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorAlert {
    /// Its id, the same for every time that it is sent.
    pub id: String,
    /// Whether it tells of the end.
    pub is_over: bool,
    /// Since when nothing could be stored.
    pub since: i64,
    /// Since when that is over; until then, the present.
    pub until: i64,
}

impl MonitorAlert {
    /// That nothing has been stored from `since` to `until`.
    pub fn new(is_over: bool, since: i64, until: i64) -> Self {
        let mut alert = Self { id: String::new(), is_over, since, until };
        let mut hash = Sha256::new();
        hash.update(alert.event_type());
        hash.update(since.to_be_bytes());
        alert.id = shown_id(&hash.finalize());
        alert
    }

    /// The `type` of the message.
    pub fn event_type(&self) -> &'static str {
        if self.is_over { "monitor.recovered" } else { "monitor.failing" }
    }
}

/// `alr_` and 26 characters of base32.
fn shown_id(hash: &[u8]) -> String {
    let text = BASE32_NOPAD.encode(hash).to_ascii_lowercase();
    format!("alr_{}", &text[..26])
}

/// Which alerts go to one destination.
#[derive(Clone, Debug)]
pub struct Route {
    /// The destination's name.
    pub destination: String,
    /// The kinds that it is told of.
    pub kinds: Vec<Kind>,
    /// The names of the services that it is told of; `None`: of all.
    pub services: Option<GlobSet>,
    /// The same as it is written.
    pub patterns: Vec<String>,
}

impl Route {
    /// Whether `alert` goes this way.
    pub fn takes(&self, alert: &Alert) -> bool {
        self.kinds.contains(&alert.kind) && self.takes_service(&alert.service)
    }

    /// The kinds that it is told of while an outage lasts.
    pub fn kinds_of_outages(&self) -> Vec<Kind> {
        self.kinds.iter().copied().filter(|kind| *kind != Kind::Recovered).collect()
    }

    /// Whether anything of the service `name` goes this way.
    pub fn takes_service(&self, name: &Name) -> bool {
        self.services.as_ref().is_none_or(|globs| globs.is_match(name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::core::frequency::Frequency;

    fn alert(name: &str, kind: Kind, about: i64) -> Alert {
        let schedule = Schedule::Every(Frequency::from_seconds(60).unwrap());
        let service = Service::new(Name::parse(name).unwrap(), schedule, Grace::ZERO);
        Alert::of(&service, kind, about, about, about + 1)
    }

    #[test]
    fn an_id_is_the_same_for_the_same_outage_and_for_no_other() {
        let first = alert("a", Kind::Overdue, 100);
        insta::assert_snapshot!(first.id(0), @"alr_kalzwjmp3wp53g6kw5x3a72vj6");
        assert_eq!(first.id(0), Alert { created_at: 999, ..first.clone() }.id(0));
        let ids: HashSet<String> = [
            first.id(0),
            first.id(1),
            alert("b", Kind::Overdue, 100).id(0),
            alert("a", Kind::Recovered, 100).id(0),
            alert("a", Kind::Overdue, 101).id(0),
        ]
        .into();
        assert_eq!(ids.len(), 5);
        assert!(ids.iter().all(|id| id.len() == 30 && id.starts_with("alr_")));
    }

    #[test]
    fn each_kind_is_read_back_from_its_word() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::parse("OVERDUE"), None);
    }
}
