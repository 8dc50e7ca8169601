//! Healthchecks' pings, with `/hc` as their base address, as <https://healthchecks.io/docs/http_api/> describes them.
//!
//! `/hc/{uuid-or-slug}[/start|/fail|/log|/N]`, `/hc/{ping-key}/{slug}[/…]`, `?create=1`, `?rid=UUID`, any method.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::{decoded, is_uuid, ping_of};
use crate::core::frequency::{Frequency, Grace};
use crate::core::limits::{
    HEALTHCHECKS_BODY_BYTES_MAX, HEALTHCHECKS_FREQUENCY_SECONDS, HEALTHCHECKS_GRACE_SECONDS,
    LOG_BYTES_MAX,
};
use crate::core::name::Name;
use crate::core::ping::{Ping, Refusal, Terms};
use crate::core::signal::{RunId, Signal, SignalError};
use crate::http::query::Query;
use crate::http::{Api, Problem, body};
use crate::store::StoreError;

/// An answer in Healthchecks' own words.
type Said = (StatusCode, &'static str);

const OK: Said = (StatusCode::OK, "OK");
const CREATED: Said = (StatusCode::CREATED, "Created");
const NOT_FOUND: Said = (StatusCode::NOT_FOUND, "not found");
const WRONG_URL: Said = (StatusCode::BAD_REQUEST, "invalid url format");
const WRONG_RUN: Said = (StatusCode::BAD_REQUEST, "invalid uuid format");

/// `GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS /hc/…`
pub(in crate::http) async fn ping(State(api): State<Api>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut response = match answer(&api, &head, body).await {
        Ok(said) => said.into_response(),
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(HeaderName::from_static("ping-body-limit"), LOG_BYTES_MAX.into());
    response
}

async fn answer(api: &Api, head: &Parts, body: Body) -> Result<Said, Problem> {
    // Read before anything is refused: most clients listen only after they have sent everything.
    let described = described(api, head);
    let log = body::beginning(body, HEALTHCHECKS_BODY_BYTES_MAX).await?;
    let ping = match described? {
        Ok(ping) => ping,
        Err(said) => return Ok(said),
    };
    let name = ping.name.clone();
    match api.0.store.ping_or_make(Ping { log, ..ping }).await {
        Ok(done) if done.is_new => Ok(CREATED),
        Ok(_) => Ok(OK),
        Err(StoreError::UnknownService | StoreError::Refused(Refusal::Unknown)) => Ok(NOT_FOUND),
        Err(error) => Err(Problem::of_store(&error, name.as_str())),
    }
}

/// The ping that a request describes, or what is answered to one that describes none.
fn described(api: &Api, head: &Parts) -> Result<Result<Ping, Said>, Problem> {
    let target = match Target::parse(head.uri.path()) {
        Ok(target) => target,
        Err(said) => return Ok(Err(said)),
    };
    let query = Query::parse(head.uri.query().unwrap_or_default());
    let Ok(run) = run(&query) else { return Ok(Err(WRONG_RUN)) };
    let Ok(create) = query.get("create") else { return Ok(Err(WRONG_URL)) };
    let Target { key, name, signal } = target;
    let Some(ping) = ping_of(api, head, &name, key.as_deref())? else {
        return Ok(Err(NOT_FOUND));
    };
    // A UUID is given by Healthchecks, never chosen.
    let makes = create.as_deref() == Some("1") && !is_uuid(name.as_str());
    let terms = if makes { terms() } else { Terms::default() };
    Ok(Ok(Ping { signal, run, terms, terms_if_new: true, ..ping }))
}

/// How a service is watched that `create=1` makes.
fn terms() -> Terms {
    Terms {
        frequency: Frequency::from_seconds(HEALTHCHECKS_FREQUENCY_SECONDS),
        grace: Grace::from_seconds(HEALTHCHECKS_GRACE_SECONDS),
        ..Terms::default()
    }
}

/// The run that `rid` names. Its case says nothing.
fn run(query: &Query<'_>) -> Result<Option<RunId>, Said> {
    let given = query.get("rid").map_err(|_| WRONG_RUN)?;
    let read = |text: String| match RunId::parse(text.to_ascii_lowercase()) {
        Ok(run) if is_uuid(&text) => Ok(run),
        _ => Err(WRONG_RUN),
    };
    given.map(read).transpose()
}

/// What a path says.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    key: Option<String>,
    name: Name,
    signal: Signal,
}

impl Target {
    fn parse(path: &str) -> Result<Self, Said> {
        let path = path.strip_prefix("/hc/").unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Option<Vec<String>> = path.split('/').map(decoded).collect();
        let mut segments = segments.ok_or(WRONG_URL)?.into_iter();
        let (first, second, third) = (segments.next(), segments.next(), segments.next());
        let (key, name, signal) = match (first, second, third) {
            (Some(name), None, _) => (None, name, Signal::Success),
            (Some(first), Some(second), None) => match signal(&second) {
                Some(signal) => (None, first, signal?),
                None => (Some(first), second, Signal::Success),
            },
            (Some(key), Some(name), Some(third)) => {
                (Some(key), name, signal(&third).ok_or(NOT_FOUND)??)
            }
            (None, ..) => return Err(NOT_FOUND),
        };
        if key.is_some() && is_slug_in_upper_case(&name) {
            return Err(WRONG_URL);
        }
        Ok(Self { key, name: Name::parse(name).map_err(|_| WRONG_URL)?, signal })
    }
}

/// The signal that a segment says; `None` where it is no signal's word. Success has none here.
fn signal(segment: &str) -> Option<Result<Signal, Said>> {
    match Signal::parse(segment) {
        Ok(Signal::Success) | Err(SignalError::Word) => None,
        Ok(signal) => Some(Ok(signal)),
        Err(SignalError::Status) => Some(Err(WRONG_URL)),
    }
}

/// Whether this would be a slug in lower case. Names that could be no slug may have any.
fn is_slug_in_upper_case(name: &str) -> bool {
    let is_slug = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_slug && name.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Whether the first of the segments behind `/hc` is a key.
pub(super) fn begins_with_key(segments: &[&str]) -> bool {
    match segments {
        [] | [_] | [_, ""] => false,
        [_, second] | [_, second, ""] => signal(second).is_none(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Result<(Option<String>, String, Signal), Said> {
        Target::parse(path)
            .map(|target| (target.key, target.name.as_str().to_owned(), target.signal))
    }

    #[test]
    fn of_two_segments_a_second_one_that_is_a_signal_is_one_and_else_they_are_key_and_slug() {
        let name = |name: &str, signal| Ok((None, name.to_owned(), signal));
        let slug = |slug: &str, signal| Ok((Some("key".to_owned()), slug.to_owned(), signal));
        for (path, expected) in [
            ("/hc/a", name("a", Signal::Success)),
            ("/hc/a/", name("a", Signal::Success)),
            ("/hc/a%2Fb%20%C3%BC/start/", name("a/b ü", Signal::Start)),
            ("/hc/key/00001", name("key", Signal::Exit(1))),
            ("/hc/key/log", name("key", Signal::Log)),
            ("/hc/key/success", slug("success", Signal::Success)),
            ("/hc/key/a", slug("a", Signal::Success)),
            ("/hc/key/-1", slug("-1", Signal::Success)),
            ("/hc/key/My%20Job", slug("My Job", Signal::Success)),
            ("/hc/key/start/fail", slug("start", Signal::Fail)),
            ("/hc/key/a/0/", slug("a", Signal::Exit(0))),
            ("/hc/A", name("A", Signal::Success)),
            ("/hc/key/A", Err(WRONG_URL)),
            ("/hc/key/a/256", Err(WRONG_URL)),
            ("/hc/key/256", Err(WRONG_URL)),
            ("/hc/key/a/foo", Err(NOT_FOUND)),
            ("/hc/key/a/success", Err(NOT_FOUND)),
            ("/hc/%zz", Err(WRONG_URL)),
            ("/hc/%FF", Err(WRONG_URL)),
            ("/hc/a%0A", Err(WRONG_URL)),
        ] {
            assert_eq!(read(path), expected, "{path}");
        }
    }
}
