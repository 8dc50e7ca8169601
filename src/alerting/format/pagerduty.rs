//! `pagerduty`: Events API v2, <https://developer.pagerduty.com/docs/events-api-v2-overview>. The routing key is the
//! parameter `routing_key` of the destination's URI.

use serde_json::json;
use url::Url;

use super::{Message, Presentation, Subject, cut};
use crate::core::text;

/// PagerDuty refuses longer summaries.
const SUMMARY_CHARS_MAX: usize = 1024;

/// One service is one incident: it is triggered, and resolved when it has recovered. Many are one incident, which nothing
/// resolves, and which says so.
pub(super) fn message(
    mut uri: Url,
    subject: Subject<'_>,
    presentation: &Presentation,
    now: i64,
) -> Message {
    let key =
        uri.query_pairs().find(|(name, _)| name == "routing_key").map(|(_, key)| key.into_owned());
    uri.set_query(None);
    let many = matches!(subject, Subject::Many(_));
    let note = if many { ". Resolve this incident by hand." } else { "" };
    let headline = subject.headline(&presentation.zone, now);
    let summary = cut(&headline, SUMMARY_CHARS_MAX - note.len()) + note;
    let mut body = json!({
        "routing_key": key.unwrap_or_default(),
        "event_action": if subject.is_over() && !many { "resolve" } else { "trigger" },
        "dedup_key": subject.outage_key(),
        "payload": {
            "summary": summary,
            "source": "overdue",
            "severity": "error",
            "timestamp": text::rfc3339(now),
        },
    });
    match subject {
        Subject::One(delivery) => {
            let alert = &delivery.alert;
            body["payload"]["component"] = alert.service.as_str().into();
            if alert.description.is_some() || alert.log.is_some() {
                body["payload"]["custom_details"] =
                    json!({ "description": alert.description, "log": alert.log });
            }
        }
        Subject::Many(_) => {
            let lines = subject.lines(&presentation.zone, now);
            body["payload"]["custom_details"] = json!({ "alerts": lines });
        }
        Subject::Monitor(_) => {}
    }
    if let Some(link) = subject.link(presentation) {
        body["links"] = json!([{ "href": link.as_str(), "text": "Open" }]);
    }
    Message::json(uri, body.to_string())
}
