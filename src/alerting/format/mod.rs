//! What alerts look like on their way: one file a format.

mod json;
mod query;
mod signature;

use jiff::tz::TimeZone;
use url::Url;

use crate::config::{AlertFormat, Destination};
use crate::core::alert::Alert;
use crate::store::DueDelivery;

/// How alerts speak of times and places.
#[derive(Clone, Debug)]
pub struct Presentation {
    /// The zone of times in texts.
    pub zone: TimeZone,
    /// Where this server is reached; `None`: alerts carry no link.
    pub base_url: Option<Url>,
}

impl Presentation {
    /// The page of the alert's service.
    fn link(&self, alert: &Alert) -> Option<Url> {
        let mut link = self.base_url.clone()?;
        link.path_segments_mut().ok()?.pop_if_empty().extend(["services", alert.service.as_str()]);
        Some(link)
    }
}

/// A request to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) uri: Url,
    /// `None` asks by GET, `Some` posts this JSON.
    pub(super) json: Option<String>,
    pub(super) headers: Vec<(String, String)>,
}

/// The request for `delivery` to `destination` as it leaves at `now`.
pub(super) fn message(
    destination: &Destination,
    presentation: &Presentation,
    delivery: &DueDelivery,
    now: i64,
) -> Message {
    let (uri, json) = match destination.format {
        AlertFormat::Json => {
            (destination.uri.clone(), Some(json::body(delivery, presentation, now)))
        }
        AlertFormat::Query => (query::uri(&destination.uri, &delivery.alert), None),
    };
    let mut headers = destination.headers.clone();
    let body = json.as_deref().unwrap_or_default();
    headers.extend(signature::headers(&delivery.id, now, body, &destination.secrets));
    Message { uri, json, headers }
}
