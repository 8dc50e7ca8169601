//! The sweeper: every second it has the store raise `overdue` where a deadline has passed.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::core::limits::{PURGE_ALERTS_MAX, PURGE_EVERY_SECONDS, SWEEP_PAGES_MAX};
use crate::store::{Cursor, Store, StoreError, SweepFor};

/// Sweeps, and removes alerts that are too old to keep.
pub struct Sweeper {
    store: Store,
    clock: Clock,
    alert_history_seconds: i64,
    next_purge: i64,
}

impl Sweeper {
    /// A sweeper of `store` that keeps alerts for so many seconds.
    pub fn new(store: Store, clock: Clock, alert_history_seconds: i64) -> Self {
        Self { store, clock, alert_history_seconds, next_purge: i64::MIN }
    }

    /// Sweeps as each wall-clock second begins, until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                // A millisecond more than asked, as timers may be early and the second must have begun.
                () = tokio::time::sleep(self.clock.until_next_second() + Duration::from_millis(1)) => {}
            }
            let now = self.clock.now();
            match self.step(now).await {
                Ok(_) => {}
                // Another machine sweeps.
                Err(StoreError::NotPrimary) => continue,
                // The store has logged why; the next second comes anyway.
                Err(error) => warn!(%error, "this second was not swept"),
            }
            if let Err(error) = self.purge(now).await {
                debug!(%error, "old alerts stay for now");
            }
        }
    }

    /// One sweep: raises what is to be told at `now`, a page a transaction so that pings get their turn. Returns how
    /// many alerts it raised.
    ///
    /// # Errors
    /// That the store cannot do it now; what was raised before stays raised.
    pub async fn step(&self, now: i64) -> Result<usize, StoreError> {
        let silence = self.sweep(SweepFor::Silence, now).await?;
        let reminders = self.sweep(SweepFor::Reminders, now).await?;
        Ok(silence + reminders)
    }

    async fn sweep(&self, sweep: SweepFor, now: i64) -> Result<usize, StoreError> {
        let mut raised = 0;
        let mut after = Cursor::START;
        for _ in 0..SWEEP_PAGES_MAX {
            let page = self.store.sweep(sweep, now, after).await?;
            raised += page.raised;
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        Ok(raised)
    }

    /// Once an hour, removes a bounded number of alerts that are too old to keep.
    async fn purge(&mut self, now: i64) -> Result<(), StoreError> {
        if now < self.next_purge {
            return Ok(());
        }
        let removed = self.store.purge(now - self.alert_history_seconds).await?;
        // A full page may not have been all; the next second takes another.
        let is_done = i64::try_from(removed).unwrap_or(i64::MAX) < PURGE_ALERTS_MAX;
        self.next_purge = if is_done { now + PURGE_EVERY_SECONDS } else { now };
        if removed > 0 {
            info!(alerts = removed, "removed alerts that were too old to keep");
        }
        Ok(())
    }
}
