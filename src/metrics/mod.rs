//! What a server counts of itself, and how that reads for Prometheus.
//!
//! What happens on the way of a ping costs an atomic addition; histograms have a lock, and take one value a batch. The
//! counts belong to one server and not to the process. What is looked up for each scrape comes as a [`Seen`].

mod page;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

pub use page::{Census, Format, Seen, Watched};

use crate::core::alert::Kind;
use crate::core::signal::Signal;

/// What became of a ping that was well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingOutcome {
    /// It is on disk.
    Stored,
    /// It does not fit what is known: older, ahead, or of a service that is not there.
    Refused,
    /// The store could not take it.
    Unavailable,
}

impl PingOutcome {
    const ALL: [Self; 3] = [Self::Stored, Self::Refused, Self::Unavailable];

    fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What became of an attempt to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The destination has accepted.
    Delivered,
    /// It has not, and is asked again.
    Failed,
    /// It is not asked again.
    GivenUp,
}

impl DeliveryOutcome {
    const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::GivenUp];

    fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

/// Signals as they are counted; exit statuses are successes or failures.
const SIGNALS: [Signal; 4] = [Signal::Success, Signal::Start, Signal::Fail, Signal::Log];

/// Answers to pings that are counted each by itself; any other is `other`.
const CODES: [u16; 11] = [200, 201, 400, 401, 403, 404, 405, 409, 413, 429, 503];

/// Pairs of a label's name and its value.
type Labels = Vec<(&'static str, String)>;

/// The counts of one server. Cheap to clone; all clones show the same.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    started_at: i64,
    pings: [[AtomicU64; PingOutcome::ALL.len()]; SIGNALS.len()],
    answers: [AtomicU64; CODES.len() + 1],
    batch_commands: Histogram,
    batch_seconds: Histogram,
    commit_seconds: Histogram,
    alerts: [AtomicU64; Kind::ALL.len()],
    deliveries: Family<Labels, Counter>,
    keys: OnceLock<Vec<KeyUse>>,
}

#[derive(Debug)]
struct KeyUse {
    kind: &'static str,
    label: String,
    /// 0: not yet.
    last_used_at: AtomicI64,
}

/// How much is done, from the writer's view.
impl Metrics {
    /// Nothing counted yet, of a server that starts at `now` and delivers to these destinations.
    pub fn new<'a>(now: i64, destinations: impl IntoIterator<Item = &'a str>) -> Self {
        // From 0.1 ms, which a fast disk takes, to 3 s, at which everyone has noticed.
        let seconds = || Histogram::new(exponential_buckets(0.000_1, 2.0, 16));
        let deliveries = Family::<Labels, Counter>::default();
        for destination in destinations {
            for outcome in DeliveryOutcome::ALL {
                drop(deliveries.get_or_create(&delivery_labels(destination, outcome)));
            }
        }
        Self(Arc::new(Counts {
            started_at: now,
            pings: Default::default(),
            answers: Default::default(),
            batch_commands: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            batch_seconds: seconds(),
            commit_seconds: seconds(),
            alerts: Default::default(),
            deliveries,
            keys: OnceLock::new(),
        }))
    }

    /// So many pings with this signal had this outcome.
    pub fn pings(&self, signal: Signal, outcome: PingOutcome, count: u64) {
        let signal = SIGNALS.iter().position(|one| one.as_str() == signal.as_str());
        self.0.pings[signal.unwrap_or_default()][outcome as usize]
            .fetch_add(count, Ordering::Relaxed);
    }

    /// A batch of so many commands took so long, from its beginning to where it is on disk.
    pub fn batch(&self, commands: usize, took: Duration) {
        self.0.batch_commands.observe(f64::from(u32::try_from(commands).unwrap_or(u32::MAX)));
        self.0.batch_seconds.observe(took.as_secs_f64());
    }

    /// A commit took so long.
    pub fn commit(&self, took: Duration) {
        self.0.commit_seconds.observe(took.as_secs_f64());
    }

    /// An alert was raised.
    pub fn alert(&self, kind: Kind) {
        let kind = Kind::ALL.iter().position(|one| *one == kind).unwrap_or_default();
        self.0.alerts[kind].fetch_add(1, Ordering::Relaxed);
    }

    /// An attempt to deliver to `destination` ended so.
    pub fn delivery(&self, destination: &str, outcome: DeliveryOutcome) {
        self.0.deliveries.get_or_create(&delivery_labels(destination, outcome)).inc();
    }
}

/// Who calls, from the edge's view.
impl Metrics {
    /// A ping's request was answered with this status.
    pub fn answer(&self, code: u16) {
        let place = CODES.iter().position(|one| *one == code).unwrap_or(CODES.len());
        self.0.answers[place].fetch_add(1, Ordering::Relaxed);
    }

    /// The keys whose use is noted, by their kind and label. What is told a second time changes nothing.
    pub fn watch_keys<'a>(&self, keys: impl Iterator<Item = (&'static str, &'a str)>) {
        let mut uses: Vec<KeyUse> = Vec::new();
        for (kind, label) in keys {
            if !uses.iter().any(|key| (key.kind, key.label.as_str()) == (kind, label)) {
                let last_used_at = AtomicI64::new(0);
                uses.push(KeyUse { kind, label: label.to_owned(), last_used_at });
            }
        }
        let _ = self.0.keys.set(uses);
    }

    /// The key was used at `now`.
    pub fn key_used(&self, kind: &'static str, label: &str, now: i64) {
        let keys = self.0.keys.get().into_iter().flatten();
        for key in keys.filter(|key| (key.kind, key.label.as_str()) == (kind, label)) {
            key.last_used_at.store(now, Ordering::Relaxed);
        }
    }
}

fn delivery_labels(destination: &str, outcome: DeliveryOutcome) -> Labels {
    vec![("destination", destination.to_owned()), ("outcome", outcome.as_str().to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::role::Role;

    fn seen() -> Seen {
        Seen {
            now: 1000,
            census: None,
            role: Role::Alone,
            lag_seconds: Some(0),
            swept_at: None,
            trying_since: None,
            queue_commands: 0,
            queue_commands_max: 16,
            database_bytes: None,
            wal_bytes: None,
        }
    }

    #[test]
    fn every_status_that_a_ping_is_answered_with_has_its_series_or_is_other() {
        let metrics = Metrics::new(0, []);
        for code in [200, 200, 503, 500, 418] {
            metrics.answer(code);
        }
        let written = metrics.write(seen(), Format::Prometheus);
        for line in ["{code=\"200\"} 2", "{code=\"503\"} 1", "{code=\"other\"} 2"] {
            let line = format!("overdue_ping_answers_total{line}\n");
            assert!(written.contains(&line), "{line}: {written}");
        }
    }

    #[test]
    fn exit_statuses_are_counted_as_what_they_mean() {
        let metrics = Metrics::new(0, []);
        metrics.pings(Signal::Exit(0), PingOutcome::Stored, 2);
        metrics.pings(Signal::Exit(9), PingOutcome::Stored, 3);
        metrics.pings(Signal::Log, PingOutcome::Refused, 4);
        let written = metrics.write(seen(), Format::OpenMetrics);
        for line in [
            "{signal=\"success\",outcome=\"stored\"} 2",
            "{signal=\"fail\",outcome=\"stored\"} 3",
            "{signal=\"log\",outcome=\"refused\"} 4",
        ] {
            let line = format!("overdue_pings_total{line}\n");
            assert!(written.contains(&line), "{line}: {written}");
        }
    }

    #[test]
    fn what_cannot_be_known_has_no_sample() {
        let written = Metrics::new(0, []).write(seen(), Format::OpenMetrics);
        for absent in ["overdue_sweep_lag_seconds ", "overdue_wal_bytes ", "overdue_services{"] {
            assert!(!written.lines().any(|line| line.starts_with(absent)), "{written}");
        }
        assert!(written.contains("\noverdue_store_readable 0"), "{written}");
        assert!(written.ends_with("# EOF\n"));
    }
}
