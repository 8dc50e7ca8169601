//! Alerts as pages show them: the sentence, and what became of it at each destination.

use jiff::tz::TimeZone;

use super::chart::Moment;
use super::{encoded, service_path};
use crate::core::alert::Kind;
use crate::core::text;
use crate::store::{AlertSeen, AttemptSeen, DeliverySeen, DeliveryState};

/// An alert.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) service: String,
    pub(super) service_path: String,
    /// `bad`, or `up` where it tells of an end.
    pub(super) class: &'static str,
    pub(super) shape: &'static str,
    pub(super) word: &'static str,
    pub(super) text: String,
    pub(super) at: Moment,
    pub(super) deliveries: Vec<Delivery>,
    /// Where its form sends to that asks for it again.
    pub(super) retry_path: String,
}

/// It on its way to one destination.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) destination: String,
    /// `delivered`, `pending`, `given_up`.
    pub(super) state: &'static str,
    pub(super) shape: &'static str,
    /// What became of it, in words, up to the time that follows.
    pub(super) fate: String,
    pub(super) at: Option<Moment>,
    pub(super) is_given_up: bool,
    pub(super) attempts_made: String,
    pub(super) attempts: Vec<Tried>,
}

/// Attempts with the same answer, one after the other.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) number: String,
    pub(super) shape: &'static str,
    pub(super) answer: String,
    pub(super) first: Moment,
    pub(super) last: Option<Moment>,
}

impl Told {
    /// The alert as it is seen at `now`, with times in `zone`.
    pub(super) fn new(seen: AlertSeen, now: i64, zone: &TimeZone) -> Self {
        let alert = &seen.alert;
        let (class, shape, word) = match (alert.kind, alert.failed) {
            (Kind::Recovered, _) => ("up", "●", "recovered"),
            (Kind::Failed, _) => ("bad", "▲", "FAILED"),
            (Kind::Reminder, true) => ("bad", "▲", "STILL FAILED"),
            (Kind::Reminder, false) => ("bad", "■", "STILL OVERDUE"),
            (Kind::Overdue, _) => ("bad", "■", "OVERDUE"),
        };
        let service = alert.service.as_str().to_owned();
        Self {
            service_path: service_path(&service),
            retry_path: format!("/alerts/{}/retry", encoded(&seen.id)),
            text: text::of(alert, alert.created_at, zone),
            at: Moment::new(alert.created_at, now, zone),
            deliveries: seen
                .deliveries
                .into_iter()
                .map(|seen| Delivery::new(seen, now, zone))
                .collect(),
            id: seen.id,
            service,
            class,
            shape,
            word,
        }
    }
}

impl Delivery {
    fn new(seen: DeliverySeen, now: i64, zone: &TimeZone) -> Self {
        let error = seen.last_error.as_deref();
        let (shape, fate, at) = match seen.state {
            DeliveryState::Delivered => ("✓", "delivered".to_owned(), seen.delivered_at),
            DeliveryState::GivenUp => {
                let why = error.map_or_else(String::new, |error| format!(": {error}"));
                ("✗", format!("given up{why}"), seen.last_attempt)
            }
            DeliveryState::Pending if seen.attempts_made == 0 => {
                ("…", "waits for its turn".to_owned(), None)
            }
            DeliveryState::Pending => {
                let why = error.map_or_else(String::new, |error| format!(": {error}"));
                ("↻", format!("retrying{why}; next attempt"), seen.next_attempt)
            }
        };
        Self {
            destination: seen.destination,
            state: seen.state.as_str(),
            shape,
            fate,
            at: at.map(|at| Moment::new(at, now, zone)),
            is_given_up: seen.state == DeliveryState::GivenUp,
            attempts_made: match seen.attempts_made {
                1 => "1 attempt".to_owned(),
                made => format!("{made} attempts"),
            },
            attempts: seen.attempts.into_iter().map(|seen| Tried::new(seen, now, zone)).collect(),
        }
    }
}

impl Tried {
    fn new(seen: AttemptSeen, now: i64, zone: &TimeZone) -> Self {
        let number = match seen.count {
            ..=1 => seen.number.to_string(),
            count => format!("{} to {}", seen.number, seen.number + count - 1),
        };
        Self {
            number,
            shape: if seen.accepted { "✓" } else { "✗" },
            answer: seen.answer,
            first: Moment::new(seen.first_at, now, zone),
            last: (seen.count > 1).then(|| Moment::new(seen.last_at, now, zone)),
        }
    }
}
