//! `discord`: a webhook, <https://discord.com/developers/docs/resources/webhook#execute-webhook>.

use serde_json::json;
use url::Url;

use super::{Message, Presentation, Subject, chars, cut};

/// Discord refuses longer contents.
const CONTENT_CHARS_MAX: usize = 2000;

/// What Discord would take for formatting, mentions or links.
const MARKDOWN: &str = r"\*_~`|>#[]<@+";

pub(super) fn message(
    uri: Url,
    subject: Subject<'_>,
    presentation: &Presentation,
    now: i64,
) -> Message {
    let link = subject.link(presentation).map_or_else(String::new, |link| format!("\n<{link}>"));
    let room = CONTENT_CHARS_MAX.saturating_sub(chars(&link));
    let fits = |text: &str| chars(text) <= room;
    let text = subject.written(&presentation.zone, now, escaped, fits);
    let content = cut(&text, room) + &link;
    // Whatever a name says, nobody is mentioned.
    let body = json!({ "content": content, "allowed_mentions": { "parse": [] } });
    Message::json(uri, body.to_string())
}

/// With a backslash before everything that Discord would not show as it is.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if MARKDOWN.contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    // Without this an address in a name would become a link.
    escaped.replace("://", ":\\//")
}
