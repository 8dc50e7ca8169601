//! Why an alert came, or did not: what was known of a service at a second, in sentences.
//!
//! Everything is derived from the record (pings, changes, alerts, gaps). What the record no longer holds is said to be
//! unknown; nothing is made up for it.

mod delivery;
mod then;
mod words;

use jiff::tz::TimeZone;

use super::alert::{Alert, Route};
use super::change::Changed;
use super::listening::Gap;
use super::name::Name;
use super::service::Service;
use super::signal::{RunId, Signal};
pub use then::{Loss, Then, then};
pub use words::sentences;

/// A signal of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Which of the service's signals it is, counted from 1.
    pub number: i64,
    /// When the job ran.
    pub at: i64,
    /// When the signal came.
    pub received_at: i64,
    /// What it said.
    pub signal: Signal,
    /// Which run it was about.
    pub run: Option<RunId>,
    /// The label of the key that was used.
    pub key: Option<String>,
}

/// Attempts of one delivery that came one after the other and had the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Which of the delivery's attempts the first of them was, counted from 1.
    pub number: i64,
    /// How many they are.
    pub count: i64,
    /// When the first of them ended.
    pub first_at: i64,
    /// When the last of them ended.
    pub last_at: i64,
    /// Whether it was accepted.
    pub accepted: bool,
    /// What the destination answered, or why there was no answer.
    pub answer: String,
}

/// Where a delivery stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// To be tried, or tried again, at this second.
    Pending(i64),
    /// Accepted.
    Delivered,
    /// Not tried again, for this reason.
    GivenUp(Option<String>),
}

/// An alert on its way to a destination, or there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The destination's name.
    pub destination: String,
    /// Where it stands now.
    pub standing: Standing,
    /// The attempts that are kept, the oldest first.
    pub tried: Vec<Tried>,
}

/// An alert that was raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its place in the order of alerts.
    pub seq: i64,
    /// Its id.
    pub id: String,
    /// What it told.
    pub alert: Alert,
    /// Its deliveries.
    pub sent: Vec<Sent>,
}

/// What is on record of one name around a second.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The name.
    pub name: Name,
    /// The second that is asked about.
    pub at: i64,
    /// The present.
    pub now: i64,
    /// The service as it is now; `None`: there is none.
    pub service: Option<Service>,
    /// Whether its row is there and cannot be read.
    pub is_unreadable: bool,
    /// Its last signals that had come by then, in their order.
    pub before: Vec<Heard>,
    /// The first that came later.
    pub after: Vec<Heard>,
    /// Every change that is kept, in their order.
    pub changes: Vec<Changed>,
    /// The second from which on every change of any service is kept.
    pub changes_since: Option<i64>,
    /// The last alerts that were raised by then, in their order.
    pub told: Vec<Told>,
    /// The first that were raised later.
    pub told_later: Vec<Told>,
    /// The gaps around then, in their order.
    pub gaps: Vec<Gap>,
}

/// What is known besides the record.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// Which alerts go where, as things are set now.
    pub routes: &'a [Route],
    /// The zone of times in sentences.
    pub zone: &'a TimeZone,
}

impl Facts {
    /// Whether anything is known of the name at all.
    pub fn is_anything(&self) -> bool {
        self.service.is_some()
            || self.is_unreadable
            || !(self.changes.is_empty() && self.told.is_empty() && self.told_later.is_empty())
    }
}
