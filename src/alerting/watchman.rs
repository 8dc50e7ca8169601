//! Telling of the monitor itself. When nothing can be committed, a sweep cannot mark anything and no alert can be
//! stored: each destination is told so straight from memory, again every hour, and of the end.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::client::{Answer, Client};
use super::format::{Presentation, Subject};
use crate::clock::Clock;
use crate::config::{AlertFormat, Destination};
use crate::core::alert::MonitorAlert;
use crate::core::limits::{MONITOR_FAILING_EVERY_SECONDS, MONITOR_FAILING_SECONDS};
use crate::core::retry;
use crate::store::Health;

/// Watches whether commits succeed, and tells every destination when they do not.
pub struct Watchman {
    health: Health,
    client: Client,
    presentation: Presentation,
    clock: Clock,
    desks: Vec<Desk>,
    /// Since when nothing could be committed, once that is told.
    failing_since: Option<i64>,
    /// Whether the last look saw trouble; one look alone may have come right after the process was paused.
    was_in_trouble: bool,
}

/// What one destination knows.
struct Desk {
    destination: Destination,
    /// What it is to be told next.
    next: Option<MonitorAlert>,
    /// When.
    due_at: i64,
    /// Failed attempts at that.
    attempts: i64,
    /// Whether it was told of the present failure.
    knows: bool,
}

impl Watchman {
    /// One that tells `destinations`.
    pub fn new(
        destinations: &[Destination],
        health: Health,
        client: Client,
        presentation: Presentation,
        clock: Clock,
    ) -> Self {
        // The query format has no words for it.
        let reached =
            destinations.iter().filter(|destination| destination.format != AlertFormat::Query);
        let desks = reached.map(|destination| Desk {
            destination: destination.clone(),
            next: None,
            due_at: i64::MIN,
            attempts: 0,
            knows: false,
        });
        let desks = desks.collect();
        Self {
            health,
            client,
            presentation,
            clock,
            desks,
            failing_since: None,
            was_in_trouble: false,
        }
    }

    /// Watches every second until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
            let now = self.clock.now();
            tokio::select! {
                () = stop.cancelled() => return,
                _ = self.step(now) => {}
            }
        }
    }

    /// Looks at `now`, and tells who is to be told. Returns how many were told and have accepted.
    pub async fn step(&mut self, now: i64) -> usize {
        self.look(now);
        let mut telling = JoinSet::new();
        for (index, desk) in self.desks.iter().enumerate() {
            let Some(alert) = desk.next.clone().filter(|_| desk.due_at <= now) else { continue };
            let (client, presentation) = (self.client.clone(), self.presentation.clone());
            let destination = desk.destination.clone();
            telling.spawn(async move {
                let answer =
                    client.tell(&destination, &presentation, Subject::Monitor(&alert), now).await;
                (index, alert, answer)
            });
        }
        let mut accepted = 0;
        while let Some(told) = telling.join_next().await {
            if let Ok((index, alert, answer)) = told
                && let Some(desk) = self.desks.get_mut(index)
            {
                accepted += usize::from(answer.is_accepted());
                desk.note(&alert, &answer, now);
            }
        }
        accepted
    }

    /// Notices that the failure began, or ended.
    fn look(&mut self, now: i64) {
        let trying_since =
            self.health.trying_since().filter(|since| now - since >= MONITOR_FAILING_SECONDS);
        let was_in_trouble = std::mem::replace(&mut self.was_in_trouble, trying_since.is_some());
        match (trying_since, self.failing_since) {
            (Some(since), None) if was_in_trouble => {
                error!(since, "nothing could be stored for a while; every destination is told");
                self.failing_since = Some(since);
                for desk in &mut self.desks {
                    desk.tell(MonitorAlert::new(false, since, now), now);
                }
            }
            (None, Some(since)) => {
                info!(since, "pings are stored again");
                self.failing_since = None;
                for desk in &mut self.desks {
                    desk.next = None;
                    if desk.knows {
                        desk.tell(MonitorAlert::new(true, since, now), now);
                    }
                }
            }
            _ => {}
        }
    }
}

impl Desk {
    fn tell(&mut self, alert: MonitorAlert, now: i64) {
        (self.next, self.due_at, self.attempts) = (Some(alert), now, 0);
    }

    fn note(&mut self, alert: &MonitorAlert, answer: &Answer, now: i64) {
        let destination = &self.destination.name;
        if answer.is_accepted() {
            info!(?destination, event = alert.event_type(), "told of the monitor itself");
            self.knows = !alert.is_over;
            self.attempts = 0;
            self.due_at = now + MONITOR_FAILING_EVERY_SECONDS;
            if alert.is_over {
                self.next = None;
            }
            return;
        }
        self.attempts += 1;
        self.due_at = now + retry::delay_seconds(self.attempts, fastrand::f64());
        // It may have heard all the same.
        self.knows = true;
        warn!(
            ?destination,
            event = alert.event_type(),
            ?answer,
            "could not be told of the monitor itself"
        );
        if retry::is_given_up(alert.until, now) && alert.is_over {
            self.next = None;
        }
    }
}
