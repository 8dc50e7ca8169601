//! What clients of other programs send, translated at the edge into the same signals.
//!
//! They are asked for keys in ways of their own: a path may hold one, and whoever knows a UUID that is a service's alias
//! needs no other.

pub(super) mod healthchecks;
pub(super) mod uptime_kuma;

use axum::http::Method;
use axum::http::request::Parts;

use super::caller::Caller;
use super::keys::ShownKey;
use super::ping::origin_of;
use super::problem::Problem;
use super::{Api, query};
use crate::core::name::Name;
use crate::core::ping::Ping;

/// The methods of all their routes; HEAD goes with GET.
pub(super) const METHODS: [Method; 6] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// What hides a key.
const HIDDEN: &str = "***";

/// Whether `text` is a UUID in its canonical form, in either case (RFC 9562, section 4).
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A ping of the service `name` that arrives now, if its caller may ping it; `None` where it may not. `key` is the one
/// in its path.
///
/// # Errors
/// That no key allows it, or that too many wrong ones came.
fn ping_of(
    api: &Api,
    head: &Parts,
    name: &Name,
    key: Option<&str>,
) -> Result<Option<Ping>, Problem> {
    let received_ms = api.0.clock.now_ms();
    let ping = Ping {
        origin: origin_of(&head.extensions),
        received_ms,
        ..Ping::new(name.clone(), received_ms.div_euclid(1000))
    };
    let address = head.extensions.get::<Caller>().and_then(|caller| caller.address);
    let door = &api.0.door;
    Ok(match door.shown_ping_key(key, &head.headers, &head.uri, ping.received_at) {
        ShownKey::NotAsked => Some(ping),
        ShownKey::Right(label) => {
            let mut ping = ping;
            ping.origin.key = Some(label);
            Some(ping)
        }
        ShownKey::None | ShownKey::Wrong if key.is_none() && is_uuid(name.as_str()) => {
            Some(Ping { by_alias_alone: true, ..ping })
        }
        shown => {
            door.refuse_ping(&shown, address, received_ms.div_euclid(1000))?;
            None
        }
    })
}

/// A path as logs may show it: without what is a key, or as good as one.
pub(super) fn without_keys(path: &str) -> String {
    let mut segments: Vec<&str> = path.split('/').collect();
    if let ["", "hc", target @ ..] = segments.as_mut_slice()
        && healthchecks::begins_with_key(target)
        && let Some(key) = target.first_mut()
    {
        *key = HIDDEN;
    }
    for segment in &mut segments {
        if is_uuid(segment) {
            *segment = HIDDEN;
        }
    }
    segments.join("/")
}

/// A path segment as text; `None` where it is not percent-encoded UTF-8.
fn decoded(segment: &str) -> Option<String> {
    query::last_segment(segment, "name").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "31365bce-8da9-4729-8ff3-aaa71d56b712";

    #[test]
    fn a_uuid_is_its_canonical_form_in_either_case() {
        assert!(is_uuid(UUID) && is_uuid(&UUID.to_uppercase()));
        for text in ["", "31365bce8da947298ff3aaa71d56b712", &UUID[..35], &format!("{UUID}\n")] {
            assert!(!is_uuid(text), "{text:?}");
        }
        assert!(!is_uuid("31365bce-8da9-4729-8ff3-aaa71d56b71g"));
        assert!(!is_uuid("31365bce+8da9-4729-8ff3-aaa71d56b712"));
    }

    #[test]
    fn logs_show_no_key_of_a_path() {
        for (path, shown) in [
            ("/hc/s3cret/backup", "/hc/***/backup"),
            ("/hc/s3cret/backup/", "/hc/***/backup/"),
            ("/hc/s3cret/backup/start", "/hc/***/backup/start"),
            ("/hc/s3cret/a/b/c", "/hc/***/a/b/c"),
            ("/hc/backup/start", "/hc/backup/start"),
            ("/hc/backup/255/", "/hc/backup/255/"),
            ("/hc/backup/256", "/hc/backup/256"),
            ("/hc/backup", "/hc/backup"),
            ("/hc/s3cret//backup", "/hc/***//backup"),
            ("/ping/backup/start", "/ping/backup/start"),
            ("/api/push/backup", "/api/push/backup"),
            ("/healthz", "/healthz"),
        ] {
            assert_eq!(without_keys(path), shown);
        }
        for path in [
            "/hc/UUID",
            "/hc/UUID/",
            "/hc/UUID/start",
            "/hc/UUID/x",
            "/api/push/UUID/",
            "/ping/UUID",
            "/api/v1/services/UUID/pings",
        ] {
            assert_eq!(without_keys(&path.replace("UUID", UUID)), path.replace("UUID", "***"));
        }
    }
}
