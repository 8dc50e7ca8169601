//! What became of attempts to deliver, in the rows of their deliveries and in those of the attempts.

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::execute;
use crate::core::limits::ATTEMPTS_KEPT_ROWS_MAX;
use crate::store::raise::Flying;
use crate::store::{Attempt, AttemptOutcome, sql};

/// The row of an attempt, as `DELIVERIES_RECORD` and `ATTEMPTS_RECORD` take it.
pub(super) fn values(attempt: &Attempt) -> Value {
    let (state, next_attempt, destination_failed) = match &attempt.outcome {
        AttemptOutcome::Delivered { .. } => ("delivered", attempt.at, false),
        AttemptOutcome::Failed { next_attempt, destination_failed, .. } => {
            ("pending", *next_attempt, *destination_failed)
        }
        AttemptOutcome::GivenUp { .. } => ("given_up", attempt.at, false),
    };
    let (outcome, answer, error) = match &attempt.outcome {
        AttemptOutcome::Delivered { answer } => ("accepted", answer, None),
        AttemptOutcome::Failed { error, .. } | AttemptOutcome::GivenUp { error } => {
            ("failed", error, Some(error))
        }
    };
    let (seq, destination, at) = (attempt.seq, &attempt.destination, attempt.at);
    let failed = i64::from(destination_failed);
    json!([seq, destination, state, next_attempt, failed, at, error, outcome, answer])
}

/// Notes the attempts of `values` beside those before them; the deliveries are still as these found them.
pub(super) async fn record(
    connection: &mut SqliteConnection,
    values: &[Value],
) -> Result<(), sqlx::Error> {
    execute(connection, sql::alerts::ATTEMPTS_RECORD, values).await?;
    let trim = sqlx::query(sql::alerts::ATTEMPTS_TRIM)
        .bind(json!(values).to_string())
        .bind(ATTEMPTS_KEPT_ROWS_MAX);
    trim.execute(connection).await?;
    Ok(())
}

/// What is in flight still, where `attempts` that are noted along with it have ended; `None`: all of it.
pub(super) fn still_flying(flying: &Flying, attempts: &[&Attempt]) -> Option<Flying> {
    if attempts.is_empty() {
        return None;
    }
    let mut still = flying.clone();
    for attempt in attempts {
        still.remove(&(attempt.seq, attempt.destination.clone()));
    }
    Some(still)
}
