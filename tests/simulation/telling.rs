//! Alerts and their deliveries in the model.

use std::collections::BTreeSet;

use overdue::core::alert::Kind;

use overdue::core::retry::Obstacle;

use super::{Alert, DESTINATIONS, Delivery, Flight, Name, Note, State, Then, World, wants};
use crate::model::Told;

/// What comes of asking for an alert again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// It is due, at these destinations.
    Due(Vec<usize>),
    Unknown,
    NotGivenUp,
    Refused(usize, Obstacle),
}

impl World {
    /// Stores what is told, and who is to hear it.
    pub(super) fn raise(&mut self, name: Name, told: Option<Told>, created: i64, then: Then) {
        let Some(told) = told else { return };
        let to: Vec<usize> =
            (0..DESTINATIONS.len()).filter(|to| self.hears(*to, told.kind, name)).collect();
        self.raise_to(name, told, created, then, &to);
    }

    /// Whether there is a destination that wants it.
    pub(super) fn hears(&self, to: usize, kind: Kind, name: Name) -> bool {
        self.setting.there[to] && wants(to, kind, name)
    }

    pub(super) fn raise_to(
        &mut self,
        name: Name,
        told: Told,
        created: i64,
        then: Then,
        to: &[usize],
    ) {
        self.ordinals += 1;
        let pending = |to: &usize| Delivery {
            to: *to,
            state: State::Pending,
            attempts: 0,
            next: created,
            destination_failed: false,
            is_closed: false,
            retried: None,
        };
        self.alerts.push(Alert {
            ordinal: self.ordinals,
            name,
            told,
            occurrence: 0,
            created,
            then: then.0,
            exit_status: then.1,
            deliveries: to.iter().map(pending).collect(),
        });
    }

    /// Numbers what a transaction has raised and leaves behind, after the alert `last`: behind those of the same service,
    /// kind and second that there are.
    pub(super) fn number(&mut self, last: u64) {
        for place in 0..self.alerts.len() {
            let key = |alert: &Alert| (alert.name, alert.told.kind, alert.told.about);
            let (before, rest) = self.alerts.split_at_mut(place);
            let alert = &mut rest[0];
            if alert.ordinal > last {
                let same = before.iter().filter(|other| key(other) == key(alert));
                alert.occurrence = same.map(|other| other.occurrence + 1).max().unwrap_or(0);
            }
        }
    }

    /// Whether a destination heard of an outage, or may have.
    pub(super) fn was_told(&self, name: Name, since: i64, to: usize) -> bool {
        self.alerts.iter().any(|alert| {
            let is_it = alert.name == name && alert.told.since == since;
            is_it
                && alert.told.kind != Kind::Recovered
                && alert.deliveries.iter().any(|delivery| {
                    delivery.to == to
                        && (delivery.state == State::Delivered
                            || delivery.attempts > 0
                            || self.flying.contains(&(alert.ordinal, to)))
                })
        })
    }

    /// Forgets what was told to nobody.
    pub(super) fn forget(&mut self, name: Name) {
        let before = self.clone();
        for alert in self.alerts.iter_mut().filter(|alert| alert.name == name) {
            let told = alert.told;
            let stays = |to: usize| {
                before.flying.contains(&(alert.ordinal, to))
                    || (told.kind == Kind::Recovered && before.was_told(name, told.since, to))
            };
            alert.deliveries.retain_mut(|delivery| {
                if delivery.state == State::Delivered || stays(delivery.to) {
                    return true;
                }
                if delivery.state == State::Pending {
                    (delivery.state, delivery.is_closed) = (State::GivenUp, true);
                }
                delivery.attempts > 0
            });
        }
        self.alerts.retain(|alert| alert.name != name || !alert.deliveries.is_empty());
    }

    /// A newer reminder takes the place of those that wait.
    pub(super) fn replace_reminders(&mut self, name: Name) {
        let flying = &self.flying;
        let reminders = self
            .alerts
            .iter_mut()
            .filter(|alert| alert.name == name && alert.told.kind == Kind::Reminder);
        for alert in reminders {
            let ordinal = alert.ordinal;
            alert.deliveries.retain(|delivery| {
                delivery.state != State::Pending || flying.contains(&(ordinal, delivery.to))
            });
        }
    }

    /// What a destination has to be told at `now`: of each service the oldest, unless that is in flight.
    pub fn due(&self, to: usize, now: i64) -> Vec<(i64, u64)> {
        let mut seen = BTreeSet::new();
        let mut due = Vec::new();
        for alert in &self.alerts {
            let waits = alert
                .deliveries
                .iter()
                .find(|delivery| delivery.to == to && delivery.state == State::Pending);
            let Some(delivery) = waits else { continue };
            let is_first = seen.insert(alert.name);
            if is_first && delivery.next <= now && !self.flying.contains(&(alert.ordinal, to)) {
                due.push((delivery.next, alert.ordinal));
            }
        }
        due.sort_unstable();
        due
    }

    /// What became of an attempt.
    pub(super) fn note(&mut self, flight: Flight, note: Note) {
        self.flying.remove(&flight);
        let (ordinal, to) = flight;
        let alert = self.alerts.iter_mut().find(|alert| alert.ordinal == ordinal);
        let delivery = alert.and_then(|alert| {
            alert
                .deliveries
                .iter_mut()
                .find(|delivery| delivery.to == to && delivery.state == State::Pending)
        });
        let Some(delivery) = delivery else { return };
        delivery.attempts += 1;
        delivery.destination_failed = false;
        match note {
            Note::Delivered => delivery.state = State::Delivered,
            Note::GivenUp => delivery.state = State::GivenUp,
            Note::Failed { next, destination_failed } => {
                (delivery.next, delivery.destination_failed) = (next, destination_failed);
            }
        }
    }

    pub fn revive(&mut self, to: usize, now: i64) {
        for delivery in self.deliveries_mut() {
            let waits = delivery.to == to && delivery.state == State::Pending;
            if waits && delivery.destination_failed && delivery.attempts <= 6 {
                delivery.next = delivery.next.min(now);
            }
        }
    }

    /// What waits for destinations that are there no more is given up.
    pub fn give_up_strangers(&mut self) {
        let there = self.setting.there;
        for delivery in self.deliveries_mut() {
            if delivery.state == State::Pending && !there[delivery.to] {
                delivery.state = State::GivenUp;
            }
        }
    }

    /// Somebody asks for an alert again at `now`, of one destination or of all.
    pub fn retry(&mut self, ordinal: u64, only: Option<usize>, now: i64) -> Again {
        let Some(place) = self.alerts.iter().position(|alert| alert.ordinal == ordinal) else {
            return Again::Unknown;
        };
        let alert = &self.alerts[place];
        let (name, since) = (alert.name, alert.told.since);
        let opens = alert.told.kind != Kind::Recovered;
        let end_was_told = |to: usize| {
            let after = self.alerts[place..].iter().filter(|other| other.name == name);
            let ends = after.filter(|other| {
                other.told.kind == Kind::Recovered
                    && other.told.since == since
                    && other.ordinal > ordinal
            });
            ends.flat_map(|end| end.deliveries.iter().map(move |delivery| (end.ordinal, delivery)))
                .any(|(end, delivery)| {
                    let is_there = delivery.state == State::Delivered;
                    delivery.to == to && (is_there || self.flying.contains(&(end, to)))
                })
        };
        let (mut again, mut refused) = (Vec::new(), Again::NotGivenUp);
        for delivery in &alert.deliveries {
            let to = delivery.to;
            if delivery.state != State::GivenUp || only.is_some_and(|only| only != to) {
                continue;
            }
            let is_gone = delivery.is_closed || !self.services.contains_key(name);
            if !self.setting.there[to] {
                refused = Again::Refused(to, Obstacle::NoDestination);
            } else if opens && end_was_told(to) {
                refused = Again::Refused(to, Obstacle::EndTold);
            } else if opens && is_gone {
                refused = Again::Refused(to, Obstacle::Deleted);
            } else {
                again.push(to);
            }
        }
        let asked = |delivery: &&mut Delivery| again.contains(&delivery.to);
        for delivery in self.alerts[place].deliveries.iter_mut().filter(asked) {
            (delivery.state, delivery.next, delivery.retried) = (State::Pending, now, Some(now));
            delivery.destination_failed = false;
        }
        if again.is_empty() { refused } else { Again::Due(again) }
    }

    pub fn purge(&mut self, before: i64) {
        let services = &self.services;
        self.alerts.retain(|alert| {
            let waits = alert.deliveries.iter().any(|delivery| delivery.state == State::Pending);
            let lasts = services
                .get(alert.name)
                .is_some_and(|kept| kept.watched.outage == Some(alert.told.since));
            alert.created >= before || waits || lasts
        });
    }

    /// The services in an outage that a destination was told of, and was not told the end of. What is about a time before
    /// the outage, as hands may set a deadline, does not count.
    pub fn upkeep(&self, to: usize) -> BTreeSet<Name> {
        let lasting = self.services.iter().filter(|(name, kept)| {
            let Some(since) = kept.watched.outage else { return false };
            let of_it = |alert: &&Alert| {
                alert.name == **name && alert.told.since == since && alert.told.about >= since
            };
            let mut told = self.alerts.iter().filter(of_it).filter(|alert| {
                alert.told.kind != Kind::Recovered
                    && wants(to, alert.told.kind, name)
                    && alert
                        .deliveries
                        .iter()
                        .any(|delivery| (delivery.to, delivery.state) == (to, State::Delivered))
            });
            let Some(last) = told.next_back() else { return false };
            !self
                .alerts
                .iter()
                .filter(of_it)
                .any(|alert| alert.told.kind == Kind::Recovered && alert.ordinal > last.ordinal)
        });
        lasting.map(|(name, _)| *name).collect()
    }
}
