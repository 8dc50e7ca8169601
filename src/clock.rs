//! The only reader of wall time. Everything else is told what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the time comes from: the system, or a hand that sets it.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at a Unix second until it is [set](Self::set).
    pub fn manual(second: i64) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(second * 1000))))
    }

    /// The Unix second, rounded down.
    pub fn now(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// Unix milliseconds, rounded down.
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System => system_ms(),
            Source::Manual(ms) => ms.load(Ordering::SeqCst),
        }
    }

    /// Puts a manual clock to another Unix second, forwards or backwards. The machine's clock stays as it is.
    pub fn set(&self, second: i64) {
        if let Source::Manual(ms) = &self.0 {
            ms.store(second * 1000, Ordering::SeqCst);
        }
    }

    /// How long it is until the next wall-clock second begins.
    pub fn until_next_second(&self) -> Duration {
        Duration::from_millis(1000 - self.now_ms().rem_euclid(1000).unsigned_abs())
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the time")]
fn system_ms() -> i64 {
    // A machine whose clock stands before 1970 has no usable time; 0 is as good as any.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
