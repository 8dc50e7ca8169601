//! The courier of one destination: takes what is due from the store, sends it, and has the store note what became of
//! it.
//!
//! Protocol: of each service only the oldest delivery is taken, and none is taken again before its attempt is noted,
//! so order per service and destination holds. Up to [`DELIVERIES_IN_FLIGHT_MAX`] are in flight. Once the destination
//! as a whole does not answer, one probe at a time is, by the retry schedule, until it answers; then everything that
//! waited for it is due at once. A destination that forgets is kept up by `upkeep`, in turn with what is delivered.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::client::{Answer, Client};
use super::format::{Presentation, Subject};
use super::heartbeat::Pulse;
use super::upkeep::{self, Page, Upkeep};
use crate::clock::Clock;
use crate::config::{AlertFormat, Destination};
use crate::core::limits::{
    BUNDLE_ALERTS_MAX, DELIVERIES_IN_FLIGHT_MAX, RETRY_AFTER_SECONDS_MAX,
    SHUTDOWN_DELIVERIES_MS_MAX,
};
use crate::core::retry;
use crate::store::{Attempt, AttemptOutcome, DueDelivery, Store, StoreError};

/// What a step found to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many deliveries are on their way.
    Sending(usize),
    /// Nothing is due.
    Idle,
}

/// Delivers to one destination.
pub struct Courier {
    destination: Destination,
    store: Store,
    client: Client,
    presentation: Presentation,
    pulse: Pulse,
    clock: Clock,
    raised: watch::Receiver<u64>,
    in_flight: JoinSet<Landed>,
    /// What was taken and waits for room; each becomes one message.
    waiting: VecDeque<Vec<DueDelivery>>,
    failing: Option<Failing>,
    /// Where the destination forgets.
    upkeep: Option<Upkeep>,
    /// The term in which this machine took what waits here; what is from an earlier one is another's to deliver.
    term: Option<u64>,
}

/// A destination that as a whole does not answer.
struct Failing {
    /// Failed probes since it began, itself included.
    probes: i64,
    next_probe: i64,
}

/// A message that has ended, and is noted.
struct Landed {
    what: What,
    was_probe: bool,
}

enum What {
    /// An attempt to deliver.
    Delivery(Answer),
    /// What is told again.
    Upkeep(Page),
}

impl Courier {
    /// A courier to `destination`.
    pub fn new(
        destination: Destination,
        store: Store,
        client: Client,
        presentation: Presentation,
        pulse: Pulse,
        clock: Clock,
    ) -> Self {
        let upkeep = destination.format.forgets().then(Upkeep::new);
        let (raised, term) = (store.raised(), store.guard().term());
        Self {
            destination,
            store,
            client,
            presentation,
            pulse,
            clock,
            raised,
            in_flight: JoinSet::new(),
            waiting: VecDeque::new(),
            failing: None,
            upkeep,
            term,
        }
    }

    /// Delivers until `stop`, then gives what is in flight a moment to end. What is cut off is a row still.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let now = self.clock.now();
            if let Err(error) = self.step(now).await {
                // Logged by the store; the next second is as good.
                tracing::debug!(%error, destination = ?self.destination.name, "nothing could be taken");
            }
            tokio::select! {
                () = stop.cancelled() => break,
                Some(landed) = self.in_flight.join_next() => self.land(landed).await,
                _ = self.raised.changed() => {}
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
        let rest = async {
            while let Some(landed) = self.in_flight.join_next().await {
                self.land(landed).await;
            }
        };
        if tokio::time::timeout(Duration::from_millis(SHUTDOWN_DELIVERIES_MS_MAX), rest)
            .await
            .is_err()
        {
            warn!(destination = ?self.destination.name, messages = self.in_flight.len(), "stopped while in flight; they are repeated at the next start");
        }
    }

    /// Takes what is due at `now` and sends it on its way, as far as there is room.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn step(&mut self, now: i64) -> Result<Step, StoreError> {
        if !self.is_in_office() {
            return Ok(Step::Idle);
        }
        let room = self.room(now);
        if room > 0 && self.waiting.is_empty() {
            self.take(now, room).await?;
        }
        for _ in 0..room {
            let Some(bundle) = self.waiting.pop_front() else { break };
            self.send(bundle, now);
        }
        self.keep_up(now);
        let sending = self.in_flight.len() + self.waiting.len();
        Ok(if sending == 0 { Step::Idle } else { Step::Sending(sending) })
    }

    /// Whether this machine is the one that delivers. In a new term it begins afresh.
    fn is_in_office(&mut self) -> bool {
        let term = self.store.guard().term();
        if term != self.term {
            self.term = term;
            // What the term before has on its way ends here, so that it neither arrives behind what follows it nor is
            // noted as this term's.
            self.in_flight = JoinSet::new();
            self.waiting.clear();
            self.failing = None;
            self.upkeep = self.destination.format.forgets().then(Upkeep::new);
            self.pulse.destination(&self.destination.name, None);
        }
        term.is_some()
    }

    /// Takes what is due. From then on the store keeps it for this courier, so nothing may be dropped on the way.
    async fn take(&mut self, now: i64, room: usize) -> Result<(), StoreError> {
        let limit = match self.destination.format.bundle_min() {
            // Everything that waits is one message, so none may be under way; but a probe is one alert.
            Some(_) if self.failing.is_none() && self.in_flight.is_empty() => BUNDLE_ALERTS_MAX,
            Some(_) if self.failing.is_none() => return Ok(()),
            _ => room,
        };
        let due = self.store.take(self.destination.name.clone(), now, limit).await?;
        self.waiting.extend(bundled(due.deliveries, self.destination.format));
        for (seq, reason) in due.unreadable {
            self.give_up(seq, now, reason).await?;
        }
        Ok(())
    }

    /// Tells a destination that forgets of the next outages, if that is due at `now` and nothing is on its way.
    fn keep_up(&mut self, now: i64) {
        let is_alone = self.in_flight.is_empty() && self.waiting.is_empty();
        let may_probe = self.room_for_any(now) > 0;
        let Some(upkeep) = self.upkeep.as_mut().filter(|upkeep| upkeep.is_due(now)) else { return };
        if !is_alone {
            upkeep.waits();
            return;
        }
        if !may_probe {
            return;
        }
        let after = upkeep.begin(now);
        let (client, store) = (self.client.clone(), self.store.clone());
        let (destination, presentation) = (self.destination.clone(), self.presentation.clone());
        let was_probe = self.failing.is_some();
        self.in_flight.spawn(async move {
            let page = upkeep::post(&store, &client, &destination, &presentation, after, now).await;
            Landed { what: What::Upkeep(page), was_probe }
        });
    }

    /// Waits until everything that is in flight has ended and is noted.
    pub async fn settle(&mut self) {
        while let Some(landed) = self.in_flight.join_next().await {
            self.land(landed).await;
        }
    }

    /// How many deliveries may go on their way at `now`.
    fn room(&self, now: i64) -> usize {
        // The turn of others is for a destination that answers; else a probe is whatever there is.
        let holds = |upkeep: &Upkeep| upkeep.holds(now) && self.failing.is_none();
        if self.upkeep.as_ref().is_some_and(holds) { 0 } else { self.room_for_any(now) }
    }

    /// How many messages may go on their way at `now`.
    fn room_for_any(&self, now: i64) -> usize {
        let room_max = match &self.failing {
            None => DELIVERIES_IN_FLIGHT_MAX,
            // One further ahead than any pause was set by a clock that has gone back since.
            Some(failing)
                if failing.next_probe <= now
                    || failing.next_probe > now + RETRY_AFTER_SECONDS_MAX =>
            {
                1
            }
            Some(_) => 0,
        };
        room_max.saturating_sub(self.in_flight.len())
    }

    fn send(&mut self, bundle: Vec<DueDelivery>, now: i64) {
        let (client, store, clock) = (self.client.clone(), self.store.clone(), self.clock.clone());
        let (destination, presentation) = (self.destination.clone(), self.presentation.clone());
        let was_probe = self.failing.is_some();
        self.in_flight.spawn(async move {
            let subject = match bundle.as_slice() {
                [delivery] => Subject::One(delivery),
                deliveries => Subject::Many(deliveries),
            };
            let answer = client.tell(&destination, &presentation, subject, now).await;
            let at = clock.now();
            let attempts = bundle.iter().map(|delivery| {
                let outcome = outcome(&answer, delivery, at);
                let attempt = Attempt {
                    seq: delivery.seq,
                    destination: destination.name.clone(),
                    at,
                    outcome,
                };
                log(&attempt, delivery);
                attempt
            });
            note(&store, attempts.collect()).await;
            Landed { what: What::Delivery(answer), was_probe }
        });
    }

    async fn land(&mut self, landed: Result<Landed, tokio::task::JoinError>) {
        let landed = match landed {
            Ok(landed) => landed,
            // A bug, and the row is due still: the whole program stops and starts again rather than skip it.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return,
        };
        let now = self.clock.now();
        let destination = &self.destination.name;
        let answer = match &landed.what {
            What::Delivery(answer) => answer,
            What::Upkeep(page) => {
                if let Some(upkeep) = &mut self.upkeep {
                    upkeep.end(page, destination, now);
                }
                let Some(answer) = page.answer() else { return };
                answer
            }
        };
        match (answer, &mut self.failing) {
            (Answer::Unable { error, retry_after_seconds }, None) => {
                warn!(?destination, reason = ?error, "the destination fails; one probe at a time until it answers");
                let pause = pause(1, *retry_after_seconds);
                self.failing = Some(Failing { probes: 1, next_probe: now + pause });
                self.pulse.destination(destination, Some(now));
            }
            (Answer::Unable { retry_after_seconds, .. }, Some(failing)) if landed.was_probe => {
                failing.probes += 1;
                failing.next_probe = now + pause(failing.probes, *retry_after_seconds);
            }
            (Answer::Unable { .. }, Some(_)) | (_, None) => {}
            (Answer::Accepted { .. } | Answer::Refused { .. }, Some(_)) => {
                info!(?destination, "the destination answers again");
                self.failing = None;
                self.pulse.destination(destination, None);
                if let Err(error) = self.store.revive(destination.clone(), now).await {
                    warn!(?destination, %error, "what waited is tried again by its own schedule");
                }
            }
        }
    }

    async fn give_up(&self, seq: i64, now: i64, reason: String) -> Result<(), StoreError> {
        error!(alert = seq, reason, destination = ?self.destination.name, "an alert's row cannot be read; given up");
        let outcome =
            AttemptOutcome::GivenUp { error: format!("its row cannot be read: {reason}") };
        let attempt = Attempt { seq, destination: self.destination.name.clone(), at: now, outcome };
        self.store.record(vec![attempt]).await
    }
}

/// What an answer means for the delivery.
fn outcome(answer: &Answer, delivery: &DueDelivery, now: i64) -> AttemptOutcome {
    let (error, destination_failed, asked) = match answer {
        Answer::Accepted { answer } => {
            return AttemptOutcome::Delivered { answer: answer.clone() };
        }
        Answer::Refused { error } => (error.clone(), false, None),
        Answer::Unable { error, retry_after_seconds } => {
            (error.clone(), true, *retry_after_seconds)
        }
    };
    let since = delivery
        .retried_at
        .map_or(delivery.alert.created_at, |at| at.max(delivery.alert.created_at));
    if retry::is_given_up(since, now) {
        return AttemptOutcome::GivenUp { error };
    }
    AttemptOutcome::Failed {
        next_attempt: now + pause(delivery.attempts + 1, asked),
        error,
        destination_failed,
    }
}

/// Seconds until the next attempt: what the destination asked for, or else what the schedule says.
fn pause(attempts: i64, asked_seconds: Option<i64>) -> i64 {
    asked_seconds.unwrap_or_else(|| retry::delay_seconds(attempts, fastrand::f64()))
}

/// What goes out as one message: each delivery by itself, or, where that many wait, all that may go together.
fn bundled(deliveries: Vec<DueDelivery>, format: AlertFormat) -> Vec<Vec<DueDelivery>> {
    let (together, apart): (Vec<_>, Vec<_>) =
        deliveries.into_iter().partition(|delivery| format.bundles(delivery.alert.kind));
    let alone = |delivery| vec![delivery];
    let apart = apart.into_iter().map(alone);
    if format.bundle_min().is_some_and(|min| together.len() >= min) {
        return std::iter::once(together).chain(apart).collect();
    }
    together.into_iter().map(alone).chain(apart).collect()
}

/// Has the store note attempts, for as long as it takes: an accepted alert that is not noted would be sent again. Where
/// another machine writes by now it is, under the same id; but a role that is not known may come back.
async fn note(store: &Store, attempts: Vec<Attempt>) {
    while store.record(attempts.clone()).await.is_err() {
        if store.guard().role().elsewhere().is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn log(attempt: &Attempt, delivery: &DueDelivery) {
    let (id, kind) = (&delivery.id, delivery.alert.kind.as_str());
    let (service, destination) = (delivery.alert.service.as_str(), &attempt.destination);
    let number = delivery.attempts + 1;
    match &attempt.outcome {
        AttemptOutcome::Delivered { .. } => {
            info!(%id, ?service, kind, ?destination, attempt = number, "delivered");
        }
        AttemptOutcome::Failed { next_attempt, error, .. } => {
            let again_in_seconds = next_attempt - attempt.at;
            warn!(%id, ?service, kind, ?destination, attempt = number, ?error, again_in_seconds, "not delivered");
        }
        AttemptOutcome::GivenUp { error } => {
            error!(%id, ?service, kind, ?destination, attempt = number, ?error, "given up");
        }
    }
}
