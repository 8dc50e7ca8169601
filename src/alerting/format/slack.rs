//! `slack`: an incoming webhook, <https://api.slack.com/messaging/webhooks>.

use serde_json::json;
use url::Url;

use super::{Message, Presentation, Subject, chars, cut};

/// Slack cuts texts longer than this, <https://docs.slack.dev/changelog/2018-truncating-really-long-messages>.
const TEXT_CHARS_MAX: usize = 4000;

pub(super) fn message(
    uri: Url,
    subject: Subject<'_>,
    presentation: &Presentation,
    now: i64,
) -> Message {
    let link = subject
        .link(presentation)
        // What follows the first bar would be what the link is called.
        .map_or_else(String::new, |link| {
            format!("\n<{}|Open>", escaped(link.as_str()).replace('|', "%7C"))
        });
    let room = TEXT_CHARS_MAX.saturating_sub(chars(&link));
    let fits = |text: &str| chars(text) <= room;
    let text = subject.written(&presentation.zone, now, escaped, fits);
    Message::json(uri, json!({ "text": cut(&text, room) + &link }).to_string())
}

/// What Slack would take for its own: without `<` there is no link and no mention,
/// <https://docs.slack.dev/messaging/formatting-message-text#escaping>.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
