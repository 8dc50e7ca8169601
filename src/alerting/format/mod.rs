//! What alerts look like on their way: one file a format.

mod alertmanager;
mod discord;
mod email;
mod json;
mod ntfy;
mod pagerduty;
mod query;
mod signature;
mod slack;
mod subject;

pub(super) use email::message as mail;
use jiff::tz::TimeZone;
pub(super) use subject::Subject;
use url::Url;

use crate::config::{AlertFormat, Destination};
use crate::core::alert::Alert;
use crate::core::name::segment;

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
        link.path_segments_mut()
            .ok()?
            .pop_if_empty()
            .extend(["services", &segment(alert.service.as_str())]);
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

    /// Adds the headers of the destination, and those of Standard Webhooks.
    fn sign(&mut self, destination: &Destination, id: &str, now: i64) {
        let body = self.body.as_deref().unwrap_or_default();
        let signed = signature::headers(id, now, body, &destination.secrets);
        self.headers.extend(destination.headers.iter().cloned().chain(signed));
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
        AlertFormat::Slack => slack::message(uri, subject, presentation, now),
        AlertFormat::Discord => discord::message(uri, subject, presentation, now),
        AlertFormat::Ntfy => ntfy::message(uri, subject, presentation, now),
        AlertFormat::Pagerduty => pagerduty::message(uri, subject, presentation, now),
        AlertFormat::Alertmanager => alertmanager::message(uri, subject, presentation, now),
        // Not a request: see `mail`.
        AlertFormat::Email => return None,
    };
    message.sign(destination, subject.id(), now);
    Some(message)
}

/// The request that tells `destination` that these outages, each by its last alert and that one's id, last at `now`;
/// `None` where its format forgets nothing.
pub(super) fn upkeep(
    destination: &Destination,
    presentation: &Presentation,
    outages: &[(String, Alert)],
    now: i64,
) -> Option<Message> {
    let (first, _) = outages.first().filter(|_| destination.format.forgets())?;
    let alerts = outages.iter().map(|(_, alert)| alert);
    let mut message = alertmanager::upkeep(destination.uri.clone(), alerts, presentation, now);
    // No alert's own id: a receiver that knows that one would throw this away.
    message.sign(destination, &format!("{first}-{now}"), now);
    Some(message)
}

/// The number of characters, of which an emoji counts as two: some services count so, and refuse what is longer.
fn chars(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The beginning of `text`, if it is longer than so many characters, counted so.
fn cut(text: &str, chars_max: usize) -> String {
    if chars(text) <= chars_max {
        return text.to_owned();
    }
    let mut taken = '…'.len_utf16();
    let fits = text.chars().take_while(|c| {
        taken += c.len_utf16();
        taken <= chars_max
    });
    let mut text: String = fits.collect();
    text.push('…');
    text
}

/// The beginning of `text`, if it is longer than so many bytes.
fn cut_bytes(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes_max.saturating_sub('…'.len_utf8()));
    format!("{}…", &text[..end])
}
