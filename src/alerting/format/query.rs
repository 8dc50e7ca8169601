//! `query`: `GET URI?name=…&last_ping=UNIX_SECONDS`, for receivers that take nothing else.

use url::Url;

use crate::core::alert::Alert;

pub(super) fn uri(base: &Url, alert: &Alert) -> Url {
    let mut uri = base.clone();
    let mut pairs = uri.query_pairs_mut();
    pairs.append_pair("name", alert.service.as_str());
    if let Some(last_ping) = alert.last_ping {
        pairs.append_pair("last_ping", &last_ping.to_string());
    }
    drop(pairs);
    uri
}
