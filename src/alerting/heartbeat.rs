//! `OVERDUE_HEARTBEAT_URI`: called every minute, only while sweeps, commits and deliveries succeed, so that someone
//! watches the watcher.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use url::Url;

use super::client::{Answer, Client};
use crate::clock::Clock;
use crate::core::limits::{
    HEARTBEAT_EVERY_SECONDS, HEARTBEAT_FAILING_SECONDS_MAX, HEARTBEAT_SWEEP_SECONDS_MAX,
};
use crate::store::{Guard, Health, Store};

/// Which destinations fail, as their couriers tell. Cheap to clone; all clones show the same.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<Mutex<Vitals>>);

#[derive(Debug, Default)]
struct Vitals {
    /// Since when destinations have been failing, by their names.
    failing_since: HashMap<String, i64>,
}

impl Pulse {
    /// A destination fails since `since`, or no longer.
    pub(super) fn destination(&self, name: &str, since: Option<i64>) {
        self.vitals(|vitals| match since {
            Some(since) => drop(vitals.failing_since.insert(name.to_owned(), since)),
            None => drop(vitals.failing_since.remove(name)),
        });
    }

    /// Why the heart is not to beat at `now`, if there is a reason.
    fn trouble(&self, health: &Health, now: i64) -> Option<&'static str> {
        self.vitals(|vitals| {
            let is_long = |since: &i64| now - since >= HEARTBEAT_FAILING_SECONDS_MAX;
            if health.swept_at().is_none_or(|swept| now - swept > HEARTBEAT_SWEEP_SECONDS_MAX) {
                Some("no sweep succeeds")
            } else if health
                .trying_since()
                .is_some_and(|since| now - since > HEARTBEAT_SWEEP_SECONDS_MAX)
            {
                Some("no commit succeeds")
            } else if vitals.failing_since.values().any(is_long) {
                Some("a destination fails")
            } else {
                None
            }
        })
    }

    fn vitals<T>(&self, look: impl FnOnce(&mut Vitals) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Calls the heartbeat's address.
pub struct Heart {
    uri: Url,
    pulse: Pulse,
    health: Health,
    guard: Guard,
    client: Client,
    clock: Clock,
}

impl Heart {
    /// One that calls `uri`.
    pub fn new(uri: Url, pulse: Pulse, store: &Store, client: Client, clock: Clock) -> Self {
        let (health, guard) = (store.health(), store.guard().clone());
        Self { uri, pulse, health, guard, client, clock }
    }

    /// Beats every minute until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let pause = Duration::from_secs(HEARTBEAT_EVERY_SECONDS);
        // The first sweep comes within a second or two; then it beats at once.
        let mut next = Duration::from_secs(2);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(next) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                _ = self.step(self.clock.now()) => {}
            }
            next = pause;
        }
    }

    /// Beats at `now`, unless something does not go well. Returns whether it was heard.
    pub async fn step(&self, now: i64) -> bool {
        // Then the other machine's heart is the one that counts.
        if self.guard.role().elsewhere().is_some() {
            return false;
        }
        if let Some(trouble) = self.pulse.trouble(&self.health, now) {
            warn!(trouble, "no heartbeat");
            return false;
        }
        match self.client.get(self.uri.clone(), now).await {
            Answer::Accepted { .. } => true,
            Answer::Refused { error } | Answer::Unable { error, .. } => {
                debug!(?error, "the heartbeat was not heard");
                false
            }
        }
    }
}
