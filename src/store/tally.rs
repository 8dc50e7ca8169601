//! What the writer has done, counted once a batch.

use super::batch::Answer;
use super::command::Command;
use super::raise::Raised;
use super::{AttemptOutcome, StoreError};
use crate::core::signal::Signal;
use crate::metrics::{DeliveryOutcome, Metrics, PingOutcome};

/// Counts a run that is on disk, with what its commands were answered.
pub(super) fn done(metrics: &Metrics, run: &[Command], answers: &[Result<Answer, StoreError>]) {
    let pings = run.iter().zip(answers).filter_map(|(command, answer)| {
        let outcome = match answer {
            Ok(_) => PingOutcome::Stored,
            Err(StoreError::Refused(_) | StoreError::UnknownService) => PingOutcome::Refused,
            Err(_) => PingOutcome::Unavailable,
        };
        Some((signal(command)?, outcome))
    });
    count(metrics, pings);
    for command in run {
        let Command::Record { attempts, .. } = command else { continue };
        for attempt in attempts {
            let outcome = match attempt.outcome {
                AttemptOutcome::Delivered { .. } => DeliveryOutcome::Delivered,
                AttemptOutcome::Failed { .. } => DeliveryOutcome::Failed,
                AttemptOutcome::GivenUp { .. } => DeliveryOutcome::GivenUp,
            };
            metrics.delivery(&attempt.destination, outcome);
        }
    }
}

/// Counts alerts that were raised.
pub(super) fn alerts(metrics: &Metrics, raised: &[Raised]) {
    for (_, alert) in raised {
        metrics.alert(alert.kind);
    }
}

/// Counts commands that could not be done.
pub(super) fn failed<'a>(metrics: &Metrics, commands: impl IntoIterator<Item = &'a Command>) {
    let signals = commands.into_iter().filter_map(signal);
    count(metrics, signals.map(|signal| (signal, PingOutcome::Unavailable)));
}

fn signal(command: &Command) -> Option<Signal> {
    match command {
        Command::Ping { ping, .. } => Some(ping.signal),
        _ => None,
    }
}

/// Adds up what is alike before it is shared: nearly all pings of a batch are.
fn count(metrics: &Metrics, pings: impl Iterator<Item = (Signal, PingOutcome)>) {
    let mut last: Option<(Signal, PingOutcome)> = None;
    let mut alike = 0;
    for ping in pings {
        if last != Some(ping) {
            if let Some((signal, outcome)) = last.replace(ping) {
                metrics.pings(signal, outcome, alike);
            }
            alike = 0;
        }
        alike += 1;
    }
    if let Some((signal, outcome)) = last {
        metrics.pings(signal, outcome, alike);
    }
}
