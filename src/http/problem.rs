//! Every error that a caller sees: `application/problem+json` (RFC 9457).

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::core::limits::ECHO_CHARS_MAX;
use crate::store::StoreError;

/// Seconds after which a caller that was answered 503 may try again.
const RETRY_AFTER_SECONDS: i64 = 1;

/// What a caller is told where no machine is known that stores.
pub(super) const NO_PRIMARY: &str =
    "no machine is known to be the primary, which alone can store this: try again in a second";

/// What a caller is told where the database cannot be read.
pub(super) const NOTHING_READ: &str = "nothing can be read at the moment";

/// What a caller is told where nothing can be written, or read where a service is looked for.
pub(super) const NOTHING_STORED: &str =
    "nothing can be stored at the moment: try again in a second";

/// Why a request was not served. The text names the parameter, shows its value and says what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// 400: the request cannot be understood.
    BadRequest(String),
    /// 401: no key, or one that is not known.
    NoKey(String),
    /// 403: the caller may not do this from there, or not with this key.
    Forbidden(String),
    /// 404: there is no such service or path.
    NotFound(String),
    /// 405: the path exists, but not for this method.
    MethodNotAllowed(String),
    /// 408: the body took too long.
    BodyTimeout(String),
    /// 409: the timestamp is older than the stored last ping.
    Older(String),
    /// 409: nothing was given up that could be sent again.
    NothingToRetry(String),
    /// 413: the body is over its limit.
    BodyTooLarge(String),
    /// 429: too many wrong keys came from the caller's address.
    TooManyWrongKeys {
        /// What would be right.
        detail: String,
        /// After how many seconds another one is looked at.
        retry_after_seconds: i64,
    },
    /// 503: this machine is not the one that stores.
    NotPrimary {
        /// Who is, as far as it is known.
        detail: String,
        /// The machine to which Fly's proxy may send the request again.
        replay_at: Option<String>,
    },
    /// 503: it cannot be stored now.
    Unavailable(String),
}

/// A problem as it is sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

/// On the answer of a handler whose write was refused because this machine is no longer the one that stores.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotPrimaryNow;

/// On the answer of every error: its sentence, for those who show it in another way.
#[derive(Clone, Debug)]
pub(super) struct Said(pub(super) String);

impl Problem {
    /// What the store said about the service `name`, for the caller. What the store knows of its own trouble is in
    /// the log.
    pub(super) fn of_store(error: &StoreError, name: &str) -> Self {
        let name = shown(name);
        Self::Unavailable(match error {
            StoreError::NotPrimary => {
                return Self::NotPrimary { detail: NO_PRIMARY.to_owned(), replay_at: None };
            }
            StoreError::Refused(_) | StoreError::UnknownService => {
                return Self::NotFound(format!("there is no service {name}"));
            }
            StoreError::AliasTaken { alias } => {
                return Self::BadRequest(format!(
                    "alias {} is the name or an alias of another service: choose another",
                    shown(alias)
                ));
            }
            StoreError::Unreadable => format!(
                "the stored row of {name} cannot be read: ping it with a frequency, DELETE it, or mend it with sqlite3"
            ),
            StoreError::Full { services_max } => format!(
                "{name} is new and there are {services_max} services already: delete some, or raise OVERDUE_MAX_SERVICES"
            ),
            StoreError::Overloaded => {
                "too many pings are waiting to be stored: try again in a second".to_owned()
            }
            StoreError::Unavailable => NOTHING_STORED.to_owned(),
        })
    }

    /// The sentence.
    pub(super) fn detail(&self) -> &str {
        match self {
            Self::BadRequest(detail)
            | Self::NoKey(detail)
            | Self::Forbidden(detail)
            | Self::NotFound(detail)
            | Self::MethodNotAllowed(detail)
            | Self::BodyTimeout(detail)
            | Self::Older(detail)
            | Self::NothingToRetry(detail)
            | Self::BodyTooLarge(detail)
            | Self::TooManyWrongKeys { detail, .. }
            | Self::NotPrimary { detail, .. }
            | Self::Unavailable(detail) => detail,
        }
    }

    /// After how many seconds it is worth another try, where that is known.
    fn retry_after_seconds(&self) -> Option<i64> {
        match self {
            Self::TooManyWrongKeys { retry_after_seconds, .. } => Some(*retry_after_seconds),
            Self::Unavailable(_) | Self::NotPrimary { .. } => Some(RETRY_AFTER_SECONDS),
            _ => None,
        }
    }

    fn parts(self) -> (StatusCode, String) {
        match self {
            Self::BadRequest(detail) => (StatusCode::BAD_REQUEST, detail),
            Self::NoKey(detail) => (StatusCode::UNAUTHORIZED, detail),
            Self::Forbidden(detail) => (StatusCode::FORBIDDEN, detail),
            Self::NotFound(detail) => (StatusCode::NOT_FOUND, detail),
            Self::MethodNotAllowed(detail) => (StatusCode::METHOD_NOT_ALLOWED, detail),
            Self::BodyTimeout(detail) => (StatusCode::REQUEST_TIMEOUT, detail),
            Self::Older(detail) | Self::NothingToRetry(detail) => (StatusCode::CONFLICT, detail),
            Self::BodyTooLarge(detail) => (StatusCode::PAYLOAD_TOO_LARGE, detail),
            Self::TooManyWrongKeys { detail, .. } => (StatusCode::TOO_MANY_REQUESTS, detail),
            Self::NotPrimary { detail, .. } | Self::Unavailable(detail) => {
                (StatusCode::SERVICE_UNAVAILABLE, detail)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let retry_after_seconds = self.retry_after_seconds();
        let replay = match &self {
            Self::NotPrimary { replay_at, .. } => Some(replay_at.as_deref().and_then(replay)),
            _ => None,
        };
        let (status, detail) = self.parts();
        let title = status.canonical_reason().unwrap_or_default();
        let said = Said(detail.clone());
        let body =
            ProblemBody { r#type: "about:blank", title, status: status.as_u16(), detail: &detail };
        let mut response = (status, Json(body)).into_response();
        response.extensions_mut().insert(said);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(replay) = replay {
            headers.extend(replay.map(|value| (HeaderName::from_static("fly-replay"), value)));
            response.extensions_mut().insert(NotPrimaryNow);
        } else if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What has Fly's proxy send the request to another machine, and back here if that cannot be reached.
/// <https://fly.io/docs/networking/dynamic-request-routing/>
fn replay(machine: &str) -> Option<HeaderValue> {
    let value = format!("instance={machine};timeout=5s;fallback=force_self");
    HeaderValue::from_str(&value).ok()
}

/// A caller's value as an error repeats it: quoted, escaped, and cut to a bound.
pub(super) fn shown(value: &str) -> String {
    if value.chars().count() <= ECHO_CHARS_MAX {
        return format!("{value:?}");
    }
    let start: String = value.chars().take(ECHO_CHARS_MAX).collect();
    format!("{start:?}…")
}
