//! Whether commits succeed, as seen from outside the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// No commit is being waited for.
const WELL: i64 = i64::MAX;

/// Since when the store has been trying to commit. Cheap to clone; all clones show the same.
#[derive(Clone, Debug)]
pub struct Health(Arc<AtomicI64>);

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(WELL)))
    }
}

impl Health {
    /// The second since which it has been trying without success; `None` where nothing is tried or all is well.
    pub fn trying_since(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|since| *since != WELL)
    }

    /// A commit is tried at `now`.
    pub(super) fn begins(&self, now: i64) {
        // Only the writer writes here, so the first of several tries stays.
        if self.0.load(Ordering::Relaxed) == WELL {
            self.0.store(now, Ordering::Relaxed);
        }
    }

    /// A commit has succeeded.
    pub(super) fn succeeded(&self) {
        self.0.store(WELL, Ordering::Relaxed);
    }
}
