//! An alert: a change worth telling, as it was when it was raised.

use data_encoding::BASE32_NOPAD;
use globset::GlobSet;
use sha2::{Digest, Sha256};

use super::frequency::{Frequency, Grace};
use super::listening::Span;
use super::name::Name;
use super::service::{Service, Status};

/// What an alert tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The deadline has passed and no ping has come.
    Overdue,
    /// The outage is over.
    Recovered,
    /// The outage lasts.
    Reminder,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Overdue, Self::Recovered, Self::Reminder];

    /// The word in the column `kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overdue => "overdue",
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
            Self::Recovered => "service.recovered",
            Self::Reminder => "service.reminder",
        }
    }

    /// The status that the service has by what the alert tells.
    pub fn status(self) -> Status {
        match self {
            Self::Overdue | Self::Reminder => Status::Overdue,
            Self::Recovered => Status::Up,
        }
    }
}

/// Why an outage ended, where it was not a ping that ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The service was deleted.
    Deleted,
}

impl Reason {
    /// The word in the column `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
        }
    }

    /// Reads the word in the column `reason`.
    pub fn parse(text: &str) -> Option<Self> {
        (text == Self::Deleted.as_str()).then_some(Self::Deleted)
    }
}

/// A change worth telling, with the state of the service as it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Whose.
    pub service: Name,
    /// What.
    pub kind: Kind,
    /// The second it is about: the deadline that passed, what ended the outage, or when a reminder was due.
    pub about: i64,
    /// When it was raised.
    pub created_at: i64,
    /// The deadline that opened the outage it belongs to.
    pub outage_since: i64,
    /// The frequency then.
    pub frequency: Frequency,
    /// The grace then.
    pub grace: Grace,
    /// The last ping then.
    pub last_ping: Option<i64>,
    /// The deadline then.
    pub deadline: Option<i64>,
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
            frequency: service.frequency,
            grace: service.grace,
            last_ping: service.last_ping,
            deadline: service.deadline,
            reason: None,
            uncertain: None,
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
}

impl Route {
    /// Whether `alert` goes this way.
    pub fn takes(&self, alert: &Alert) -> bool {
        self.kinds.contains(&alert.kind) && self.takes_service(&alert.service)
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

    fn alert(name: &str, kind: Kind, about: i64) -> Alert {
        Alert {
            service: Name::parse(name).unwrap(),
            kind,
            about,
            created_at: about + 1,
            outage_since: about,
            frequency: Frequency::from_seconds(60).unwrap(),
            grace: Grace::ZERO,
            last_ping: Some(about - 60),
            deadline: Some(about),
            reason: None,
            uncertain: None,
        }
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
