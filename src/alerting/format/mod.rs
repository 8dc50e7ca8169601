//! What alerts look like on their way: one file a format.

mod json;
mod query;
mod signature;
mod subject;

use jiff::tz::TimeZone;
pub(super) use subject::Subject;
use url::Url;

use crate::config::{AlertFormat, Destination};
use crate::core::alert::Alert;

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
    /// `None` asks by GET, `Some` posts this.
    pub(super) body: Option<String>,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(String, String)>,
}

impl Message {
    /// Posts JSON.
    fn json(uri: Url, body: String) -> Self {
        Self { uri, body: Some(body), content_type: "application/json", headers: Vec::new() }
    }
}

/// The request that tells `destination` of `subject` as it leaves at `now`; `None` where its format has no words for it.
pub(super) fn message(
    destination: &Destination,
    presentation: &Presentation,
    subject: Subject<'_>,
    now: i64,
) -> Option<Message> {
    let uri = destination.uri.clone();
    let mut message = match destination.format {
        AlertFormat::Json => Message::json(uri, json::body(subject, presentation, now)?),
        AlertFormat::Query => query::message(uri, subject)?,
    };
    let body = message.body.as_deref().unwrap_or_default();
    let signed = signature::headers(subject.id(), now, body, &destination.secrets);
    message.headers.extend(destination.headers.iter().cloned().chain(signed));
    Some(message)
}
