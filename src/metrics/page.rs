//! What a scrape is told: the counts, and what was looked up for it.

use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{CODES, Labels, Metrics, PingOutcome, SIGNALS};
use crate::core::alert::Kind;
use crate::core::role::Role;
use crate::core::service::Status;

/// A service that has series of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: Status,
    /// Its deadline.
    pub deadline: Option<i64>,
}

impl Watched {
    /// Whether what it is expected to do it has done; `None` where nothing is expected of it, or was ever heard.
    fn is_up(&self) -> Option<bool> {
        match self.status {
            Status::Up | Status::Late => Some(true),
            Status::Overdue | Status::Failed => Some(false),
            Status::Waiting | Status::Paused => None,
        }
    }
}

/// What the services are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// How many there are of each status.
    pub by_status: Vec<(Status, i64)>,
    /// Those that have series of their own.
    pub watched: Vec<Watched>,
}

impl Census {
    /// How many services have no series of their own. Between counting and naming some may have come or gone.
    fn unwatched(&self) -> i64 {
        let all: i64 = self.by_status.iter().map(|(_, count)| count).sum();
        (all - i64::try_from(self.watched.len()).unwrap_or(i64::MAX)).max(0)
    }
}

/// What is looked up for a scrape.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub now: i64,
    /// The services; `None` where the store cannot be read.
    pub census: Option<Census>,
    /// What this machine is.
    pub role: Role,
    /// How long ago, at most, that what is stored here was written, in seconds.
    pub lag_seconds: Option<i64>,
    /// The last sweep that succeeded.
    pub swept_at: Option<i64>,
    /// Since when commits are tried without success.
    pub trying_since: Option<i64>,
    /// Commands that wait for the writer.
    pub queue_commands: usize,
    /// How many may.
    pub queue_commands_max: usize,
    /// The size of the database; `None` where it is in memory.
    pub database_bytes: Option<u64>,
    /// That of its write-ahead log.
    pub wal_bytes: Option<u64>,
}

/// In which text format metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0, for those who ask for it.
    OpenMetrics,
    /// Prometheus' own, 0.0.4, for everyone else.
    Prometheus,
}

impl Format {
    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
        }
    }
}

impl Metrics {
    /// Everything that is counted, and what was `seen`, as `format` writes it.
    pub fn write(&self, seen: Seen, format: Format) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Page { metrics: self.clone(), seen }));
        let mut written = String::new();
        // Only the writer could fail, and a string does not.
        let _ = match format {
            Format::OpenMetrics => text::encode(&mut written, &registry),
            Format::Prometheus => prometheus_text::encode(&mut written, &registry),
        };
        written
    }
}

/// One scrape.
#[derive(Debug)]
struct Page {
    metrics: Metrics,
    seen: Seen,
}

/// Samples of one metric: labels and a value each.
type Samples = Vec<(Labels, f64)>;

fn one(value: Option<f64>) -> Samples {
    value.map(|value| (Vec::new(), value)).into_iter().collect()
}

fn labelled(name: &'static str, label: &str, value: f64) -> (Labels, f64) {
    (vec![(name, label.to_owned())], value)
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: &Samples,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in samples {
        ConstGauge::new(*value).encode(metric.encode_family(labels)?)?;
    }
    Ok(())
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: Vec<(Labels, u64)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in samples {
        ConstCounter::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn histogram(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    histogram: &Histogram,
) -> fmt::Result {
    histogram.encode(encoder.encode_descriptor(name, help, None, MetricType::Histogram)?)
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.services(&mut encoder)?;
        self.pings(&mut encoder)?;
        self.writer(&mut encoder)?;
        self.alerts(&mut encoder)?;
        self.keys(&mut encoder)?;
        self.itself(&mut encoder)
    }
}

#[expect(clippy::cast_precision_loss, reason = "no count or second here comes near 2^53")]
impl Page {
    fn services(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let census = self.seen.census.as_ref();
        let by_status = census.into_iter().flat_map(|census| &census.by_status);
        let by_status =
            by_status.map(|(status, count)| labelled("status", status.as_str(), *count as f64));
        gauge(encoder, "overdue_services", "Services by their status", &by_status.collect())?;
        let watched = || census.into_iter().flat_map(|census| &census.watched);
        let up = watched().filter_map(|service| {
            Some(labelled("name", &service.name, f64::from(u8::from(service.is_up()?))))
        });
        gauge(
            encoder,
            "overdue_service_up",
            "1 for a service that is up or late, 0 for one that is overdue or failed; none for one that is waiting or paused",
            &up.collect(),
        )?;
        let deadlines = watched().filter_map(|service| {
            let seconds = service.deadline?.saturating_sub(self.seen.now);
            Some(labelled("name", &service.name, seconds as f64))
        });
        gauge(
            encoder,
            "overdue_service_until_deadline_seconds",
            "Time until the service is overdue; negative once it is",
            &deadlines.collect(),
        )?;
        let beyond = census.map(Census::unwatched);
        gauge(
            encoder,
            "overdue_services_without_series",
            "Services that have no series of their own, since there are too many; those in an outage come first",
            &one(beyond.map(|count| count as f64)),
        )
    }

    fn pings(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counts = &self.metrics.0;
        let mut pings = Vec::new();
        for (signal, by_outcome) in SIGNALS.iter().zip(&counts.pings) {
            for (outcome, count) in PingOutcome::ALL.iter().zip(by_outcome) {
                let labels = vec![
                    ("signal", signal.as_str().to_owned()),
                    ("outcome", outcome.as_str().to_owned()),
                ];
                pings.push((labels, count.load(Ordering::Relaxed)));
            }
        }
        counter(encoder, "overdue_pings", "Well-formed pings by signal and outcome", pings)?;
        let codes = CODES.iter().map(ToString::to_string).chain(["other".to_owned()]);
        let answers = codes.zip(&counts.answers);
        let answers =
            answers.map(|(code, count)| (vec![("code", code)], count.load(Ordering::Relaxed)));
        counter(
            encoder,
            "overdue_ping_answers",
            "Answers to requests that ping, in every dialect, by HTTP status",
            answers.collect(),
        )
    }

    fn writer(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (counts, seen) = (&self.metrics.0, &self.seen);
        histogram(
            encoder,
            "overdue_batch_commands",
            "Pings and other commands that shared a transaction",
            &counts.batch_commands,
        )?;
        histogram(
            encoder,
            "overdue_batch_duration_seconds",
            "Time a batch took from its beginning to where it was on disk",
            &counts.batch_seconds,
        )?;
        histogram(
            encoder,
            "overdue_commit_duration_seconds",
            "Time a commit took, which is mostly that of the fsync",
            &counts.commit_seconds,
        )?;
        let queue = [
            ("overdue_queue_commands", "Commands that wait for the writer", seen.queue_commands),
            (
                "overdue_queue_commands_max",
                "Commands that may wait for the writer; one more is answered 503",
                seen.queue_commands_max,
            ),
        ];
        for (name, help, value) in queue {
            gauge(encoder, name, help, &one(Some(value as f64)))?;
        }
        let failing = seen.trying_since.map_or(0, |since| (seen.now - since).max(0));
        gauge(
            encoder,
            "overdue_commit_failing_seconds",
            "For how long commits have been tried without success; 0 where all is well",
            &one(Some(failing as f64)),
        )?;
        let lag = seen.swept_at.map(|at| (seen.now - at).max(0) as f64);
        gauge(
            encoder,
            "overdue_sweep_lag_seconds",
            "Time since the last sweep that succeeded; none before the first, and on a replica, which does not sweep",
            &one(lag.filter(|_| seen.role.may_write())),
        )?;
        let readable = f64::from(u8::from(seen.census.is_some()));
        gauge(
            encoder,
            "overdue_store_readable",
            "1 if the store could be read for this scrape; else what is read from it is missing",
            &one(Some(readable)),
        )?;
        let database = "Size of the database's file; none in memory";
        let bytes = |bytes: Option<u64>| one(bytes.map(|bytes| bytes as f64));
        gauge(encoder, "overdue_database_bytes", database, &bytes(seen.database_bytes))?;
        let wal = "Size of the database's write-ahead log; none in memory";
        gauge(encoder, "overdue_wal_bytes", wal, &bytes(seen.wal_bytes))
    }

    fn alerts(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counts = &self.metrics.0;
        let alerts = Kind::ALL.iter().zip(&counts.alerts).map(|(kind, count)| {
            (vec![("kind", kind.as_str().to_owned())], count.load(Ordering::Relaxed))
        });
        counter(encoder, "overdue_alerts", "Alerts raised, by kind", alerts.collect())?;
        let metric = encoder.encode_descriptor(
            "overdue_deliveries",
            "Attempts to deliver an alert, by destination and outcome",
            None,
            MetricType::Counter,
        )?;
        counts.deliveries.encode(metric)
    }

    fn keys(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let keys = self.metrics.0.keys.get().into_iter().flatten();
        let keys = keys.map(|key| {
            let labels = vec![("kind", key.kind.to_owned()), ("label", key.label.clone())];
            (labels, key.last_used_at.load(Ordering::Relaxed) as f64)
        });
        gauge(
            encoder,
            "overdue_key_last_used_timestamp_seconds",
            "When a key was last used since the start; 0: not yet",
            &keys.collect(),
        )
    }

    fn itself(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let seen = &self.seen;
        let roles = Role::WORDS
            .map(|word| labelled("role", word, f64::from(u8::from(word == seen.role.as_str()))));
        gauge(encoder, "overdue_role", "1 for the role of this machine", &roles.to_vec())?;
        gauge(
            encoder,
            "overdue_replication_lag_seconds",
            "How long ago, at most, that what is stored here was written; 0 on the machine that writes",
            &one(seen.lag_seconds.map(|seconds| seconds as f64)),
        )?;
        let build = labelled("version", env!("CARGO_PKG_VERSION"), 1.0);
        gauge(encoder, "overdue_build_info", "The version that runs", &vec![build])?;
        gauge(
            encoder,
            "process_start_time_seconds",
            "When the server started",
            &one(Some(self.metrics.0.started_at as f64)),
        )
    }
}
