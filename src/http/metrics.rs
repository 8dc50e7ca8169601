//! `/metrics`: what the monitor counts of itself and of its services, for Prometheus.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::Api;
use super::answer::no_store;
use crate::core::limits::METRICS_SERVICES_MAX;
use crate::metrics::{Format, Seen};

/// `GET /metrics`
pub(super) async fn metrics(State(api): State<Api>, headers: HeaderMap) -> Response {
    let (store, now) = (&api.0.store, api.0.clock.now());
    let (queue_commands, queue_commands_max) = store.queue();
    let (database_bytes, wal_bytes) = store.file_bytes();
    let health = store.health();
    let seen = Seen {
        now,
        // A store that cannot be read is what is to be seen then, so the rest is told all the same.
        census: store.census(now, METRICS_SERVICES_MAX).await.ok(),
        role: store.guard().role(),
        lag_seconds: super::health::lag_seconds(store, now).await,
        swept_at: health.swept_at(),
        trying_since: health.trying_since(),
        queue_commands,
        queue_commands_max,
        database_bytes,
        wal_bytes,
    };
    let format = format(&headers);
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()))];
    no_store((kind, store.metrics().write(seen, format)).into_response())
}

/// Prometheus asks for OpenMetrics first; people and older programs do not ask for it at all.
fn format(headers: &HeaderMap) -> Format {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepted.flat_map(|value| value.split(','));
    if types.any(|one| one.trim_start().starts_with("application/openmetrics-text")) {
        Format::OpenMetrics
    } else {
        Format::Prometheus
    }
}
