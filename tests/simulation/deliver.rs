//! Deliveries: what is taken, what arrives, and what becomes of it.

use overdue::core::alert::Kind;
use overdue::store::{Attempt, AttemptOutcome, Cursor, Retried};

use super::{Noted, Run, Sent};
use crate::check;
use crate::step::{Command, How, Part};
use crate::world::{Again, Alert, DESTINATIONS, Flight, Note, State};

/// Seconds after which a delivery that failed is tried again.
const RETRIES: [i64; 6] = [5, 15, 30, 60, 120, 300];

/// A delivery is given up two days after its alert was raised, or asked for again.
const GIVE_UP_SECONDS: i64 = 172_800;

impl Run {
    pub(super) fn note(&self, sent: &Sent, how: How) -> Note {
        let now = self.now();
        if how == How::Accepted {
            return Note::Delivered;
        }
        if now - sent.since >= GIVE_UP_SECONDS {
            return Note::GivenUp;
        }
        let place = usize::try_from(sent.attempts).unwrap().min(RETRIES.len() - 1);
        let destination_failed = matches!(how, How::Down | How::Lost);
        Note::Failed { next: now + RETRIES[place], destination_failed }
    }

    pub(super) fn attempt(&self, sent: &Sent, how: How) -> Attempt {
        let (ordinal, to) = sent.flight;
        let error = "made up".to_owned();
        let outcome = match self.note(sent, how) {
            Note::Delivered => AttemptOutcome::Delivered { answer: "200 OK".to_owned() },
            Note::GivenUp => AttemptOutcome::GivenUp { error },
            Note::Failed { next, destination_failed } => {
                AttemptOutcome::Failed { next_attempt: next, error, destination_failed }
            }
        };
        let destination = DESTINATIONS[to].to_owned();
        Attempt { seq: self.seen.alerts[&ordinal].0, destination, at: self.now(), outcome }
    }

    /// Something arrives at a destination: in order, and under an id of its own.
    pub(super) fn arrives(&mut self, flight: Flight) -> Result<(), String> {
        let (ordinal, to) = flight;
        let id = self.seen.alerts[&ordinal].1.clone();
        let before = *self.arrived.entry(id.clone()).or_insert(ordinal);
        if before != ordinal && !self.excused.contains(&id) {
            return Err(format!("the id {id} was used for another alert before"));
        }
        self.arrived.insert(id, ordinal);
        self.deliveries.insert(flight);
        let alert = self.world.alerts.iter().find(|alert| alert.ordinal == ordinal);
        if let Some(alert) = alert.filter(|_| !self.retried.contains(&flight)) {
            let last = self.last.entry((alert.name.to_owned(), to)).or_insert(ordinal);
            if *last > ordinal {
                return Err(format!("alert {ordinal} arrived after {last}"));
            }
            *last = ordinal;
        }
        Ok(())
    }

    pub(super) fn arrivals(&mut self, noted: &[Noted]) -> Result<(), String> {
        for (sent, how) in noted.iter().filter_map(|(_, note)| note.as_ref()) {
            if matches!(how, How::Accepted | How::Lost) {
                self.arrives(sent.flight)?;
            }
        }
        Ok(())
    }

    pub(super) async fn take(&mut self, to: usize, limit: usize) -> Result<(), String> {
        let now = self.now();
        if !self.world.setting.there[to] {
            return Ok(());
        }
        let store = self.machine().store.clone();
        let due = store.take(DESTINATIONS[to].to_owned(), now, limit).await;
        if !self.is_done(due.clone().map(drop))? {
            return Ok(());
        }
        let due = due.map_err(|error| error.to_string())?;
        let wanted = self.world.due(to, now);
        let count = wanted.len().min(limit);
        if due.deliveries.len() != count || !due.unreadable.is_empty() {
            return Err(format!("took {:?}, not {count} of {wanted:?}", due.deliveries));
        }
        let furthest = count.checked_sub(1).map_or(i64::MIN, |last| wanted[last].0);
        for delivery in due.deliveries {
            let by_id = |alert: &&Alert| self.seen.alerts[&alert.ordinal].0 == delivery.seq;
            let alert = self.world.alerts.iter().find(by_id).ok_or("took what is not there")?;
            let is_due =
                wanted.iter().any(|(next, ordinal)| *ordinal == alert.ordinal && *next <= furthest);
            let row = alert.deliveries.iter().find(|row| row.to == to);
            if !is_due
                || delivery.id != self.seen.alerts[&alert.ordinal].1
                || row.is_none_or(|row| {
                    (row.attempts, row.retried) != (delivery.attempts, delivery.retried_at)
                })
                || delivery.alert.kind != alert.told.kind
            {
                return Err(format!("took {delivery:?}, which is not due: {alert:?}"));
            }
            let flight = (alert.ordinal, to);
            let since = delivery.retried_at.unwrap_or(alert.created);
            self.sent.push(Sent { flight, since, attempts: delivery.attempts });
            self.world.flying.insert(flight);
        }
        self.sent.sort_by_key(|sent| sent.flight);
        Ok(())
    }

    /// Somebody asks for an alert again: for one that was given up, where there are any.
    pub(super) async fn retry(&mut self, nth: usize, only: Option<usize>) -> Result<(), String> {
        let now = self.now();
        let alerts = &self.world.alerts;
        let is_given_up = |alert: &&Alert| {
            alert.deliveries.iter().any(|delivery| delivery.state == State::GivenUp)
        };
        let mut found: Vec<&Alert> = alerts.iter().filter(is_given_up).collect();
        if found.is_empty() {
            found = alerts.iter().collect();
        }
        let ordinal = found.get(nth % found.len().max(1)).map_or(0, |alert| alert.ordinal);
        let id = self.seen.alerts.get(&ordinal).map_or("alr_none", |(_, id)| id).to_owned();
        let to = only.map(|to| DESTINATIONS[to].to_owned());
        let store = self.machine().store.clone();
        let retried = store.retry(id, to, now).await;
        if !self.is_done(retried.clone().map(drop))? {
            return Ok(());
        }
        let place = |name: &str| DESTINATIONS.iter().position(|other| *other == name).unwrap();
        let retried = match retried.map_err(|error| error.to_string())? {
            Retried::UnknownAlert => Again::Unknown,
            Retried::NotGivenUp => Again::NotGivenUp,
            Retried::Refused { destination, obstacle } => {
                Again::Refused(place(&destination), obstacle)
            }
            Retried::Again { destinations } => {
                Again::Due(destinations.iter().map(|name| place(name)).collect())
            }
        };
        let wanted = self.world.retry(ordinal, only, now);
        if let Again::Due(to) = &retried {
            self.retried.extend(to.iter().map(|to| (ordinal, *to)));
        }
        if retried == wanted { Ok(()) } else { Err(format!("retries {retried:?}, not {wanted:?}")) }
    }

    pub(super) async fn upkeep(&mut self, to: usize) -> Result<(), String> {
        let kinds = &Kind::ALL;
        let store = self.machine().store.clone();
        let kinds: Vec<_> = kinds.iter().copied().filter(|kind| *kind != Kind::Recovered).collect();
        let told = store.outages_told(DESTINATIONS[to], &kinds, Cursor::START).await;
        let told = told.map_err(|error| error.to_string())?;
        let mut found: Vec<&str> =
            told.alerts.iter().map(|(_, alert)| alert.service.as_str()).collect();
        found.sort_unstable();
        let wanted: Vec<&str> = self.world.upkeep(to).into_iter().collect();
        if found == wanted { Ok(()) } else { Err(format!("keeps up {found:?}, not {wanted:?}")) }
    }

    /// In the end every destination answers: whatever was to be delivered arrives.
    pub(super) async fn settle(&mut self) -> Result<(), String> {
        self.hear(Part::Primary);
        self.sweep().await?;
        self.check(true).await?;
        for _ in 0..10_000 {
            for to in 0..DESTINATIONS.len() {
                self.take(to, 100).await?;
            }
            let landed = vec![Command::Land { nth: 0, how: How::Accepted }; self.sent.len()];
            if !landed.is_empty() {
                self.batch(&landed).await?;
                continue;
            }
            let deliveries = self.world.alerts.iter().flat_map(|alert| &alert.deliveries);
            let pending = deliveries.filter(|delivery| delivery.state == State::Pending);
            let Some(next) = pending.map(|delivery| delivery.next).min() else { break };
            self.set_clock(next.max(self.now() + 1));
        }
        for alert in &self.world.alerts {
            for delivery in &alert.deliveries {
                let has_arrived = self.deliveries.contains(&(alert.ordinal, delivery.to));
                if delivery.state == State::Pending
                    || (delivery.state == State::Delivered && !has_arrived)
                {
                    return Err(format!("it was never delivered: {alert:?}"));
                }
            }
        }
        self.check(true).await?;
        check::check_integrity(&mut self.machine().eyes).await
    }
}
