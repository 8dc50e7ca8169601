//! Whether commits and sweeps succeed, as seen from outside the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// No commit is being waited for, or no sweep was made yet.
const NONE: i64 = i64::MAX;

/// How the store is. Cheap to clone; all clones show the same.
#[derive(Clone, Debug)]
pub struct Health(Arc<Signs>);

#[derive(Debug)]
struct Signs {
    trying_since: AtomicI64,
    swept_at: AtomicI64,
    commit_us: AtomicI64,
}

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(Signs {
            trying_since: AtomicI64::new(NONE),
            swept_at: AtomicI64::new(NONE),
            commit_us: AtomicI64::new(NONE),
        }))
    }
}

impl Health {
    /// The second since which it has been trying to commit without success; `None` where nothing is tried or all is
    /// well.
    pub fn trying_since(&self) -> Option<i64> {
        Some(self.0.trying_since.load(Ordering::Relaxed)).filter(|since| *since != NONE)
    }

    /// The second of the last sweep that succeeded.
    pub fn swept_at(&self) -> Option<i64> {
        Some(self.0.swept_at.load(Ordering::Relaxed)).filter(|at| *at != NONE)
    }

    /// How long the last commit of a batch took, in microseconds; `None` before the first.
    pub fn commit_us(&self) -> Option<i64> {
        Some(self.0.commit_us.load(Ordering::Relaxed)).filter(|us| *us != NONE)
    }

    /// A commit is tried at `now`.
    pub(super) fn begins(&self, now: i64) {
        // Only the writer writes here, so the first of several tries stays.
        if self.0.trying_since.load(Ordering::Relaxed) == NONE {
            self.0.trying_since.store(now, Ordering::Relaxed);
        }
    }

    /// A commit has succeeded.
    pub(super) fn succeeded(&self) {
        self.0.trying_since.store(NONE, Ordering::Relaxed);
    }

    /// A batch was committed, which took so long.
    pub(super) fn committed(&self, took: Duration) {
        let us = i64::try_from(took.as_micros()).unwrap_or(NONE - 1);
        self.0.commit_us.store(us, Ordering::Relaxed);
    }

    /// A sweep of `now` has succeeded.
    pub(super) fn swept(&self, now: i64) {
        self.0.swept_at.store(now, Ordering::Relaxed);
    }
}
