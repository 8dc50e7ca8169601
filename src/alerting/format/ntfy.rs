//! `ntfy`: a push notification, published as JSON, <https://docs.ntfy.sh/publish/#publish-as-json>.

use serde_json::json;
use url::Url;

use super::{Message, Presentation, Subject, cut_bytes};

/// A longer message becomes an attachment, <https://docs.ntfy.sh/publish/#limitations>.
const MESSAGE_BYTES_MAX: usize = 4000;

/// Default and high, <https://docs.ntfy.sh/publish/#message-priority>.
const PRIORITY_DEFAULT: u8 = 3;
const PRIORITY_HIGH: u8 = 4;

pub(super) fn message(
    mut uri: Url,
    subject: Subject<'_>,
    presentation: &Presentation,
    now: i64,
) -> Message {
    // The topic is the last part of the address that people subscribe to; JSON goes to the server's root.
    if let Ok(mut parts) = uri.path_segments_mut() {
        parts.pop_if_empty();
    }
    let topic =
        uri.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default().to_owned();
    if let Ok(mut parts) = uri.path_segments_mut() {
        parts.pop().push("");
    }
    let fits = |text: &str| text.len() <= MESSAGE_BYTES_MAX;
    let text = subject.written(&presentation.zone, now, str::to_owned, fits);
    let (priority, tag) = if subject.is_over() {
        (PRIORITY_DEFAULT, "white_check_mark")
    } else {
        (PRIORITY_HIGH, "rotating_light")
    };
    let mut body = json!({
        "topic": topic,
        "message": cut_bytes(&text, MESSAGE_BYTES_MAX),
        "priority": priority,
        "tags": [tag],
    });
    if let Some(link) = subject.link(presentation) {
        body["click"] = link.as_str().into();
    }
    Message::json(uri, body.to_string())
}
