//! What alerts look like on their way: one file a format.

mod json;
mod query;

use url::Url;

use crate::config::{AlertFormat, Destination};
use crate::store::DueDelivery;

/// A request to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) uri: Url,
    /// `None` asks by GET, `Some` posts this JSON.
    pub(super) json: Option<String>,
    /// The value of `webhook-id`: the alert's id.
    pub(super) id: String,
    /// The value of `webhook-timestamp`: when this attempt is made.
    pub(super) sent_at: i64,
}

/// The request for `delivery` to `destination` as it leaves at `now`.
pub(super) fn message(destination: &Destination, delivery: &DueDelivery, now: i64) -> Message {
    let (uri, json) = match destination.format {
        AlertFormat::Json => (destination.uri.clone(), Some(json::body(delivery, now))),
        AlertFormat::Query => (query::uri(&destination.uri, &delivery.alert), None),
    };
    Message { uri, json, id: delivery.id.clone(), sent_at: now }
}
