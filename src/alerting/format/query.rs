//! `query`: `GET URI?name=…&last_ping=UNIX_SECONDS`, for receivers that take nothing else.

use url::Url;

use super::{Message, Subject};

/// The request for one alert; there are no words for many, or for the monitor itself.
pub(super) fn message(mut uri: Url, subject: Subject<'_>) -> Option<Message> {
    let Subject::One(delivery) = subject else { return None };
    let mut pairs = uri.query_pairs_mut();
    pairs.append_pair("name", delivery.alert.service.as_str());
    if let Some(last_ping) = delivery.alert.last_ping {
        pairs.append_pair("last_ping", &last_ping.to_string());
    }
    drop(pairs);
    Some(Message { uri, body: None, content_type: "", headers: Vec::new() })
}
