//! Every error that a caller sees: `application/problem+json` (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::core::limits::ECHO_CHARS_MAX;
use crate::store::StoreError;

/// Seconds after which a caller that was answered 503 may try again.
const RETRY_AFTER_SECONDS: i64 = 1;

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
    /// 413: the body is over its limit.
    BodyTooLarge(String),
    /// 429: too many wrong keys came from the caller's address.
    TooManyWrongKeys {
        /// What would be right.
        detail: String,
        /// After how many seconds another one is looked at.
        retry_after_seconds: i64,
    },
    /// 503: it cannot be stored now.
    Unavailable(String),
}

impl Problem {
    /// What the store said about the service `name`, for the caller. What the store knows of its own trouble is in
    /// the log.
    pub(super) fn of_store(error: &StoreError, name: &str) -> Self {
        let name = shown(name);
        Self::Unavailable(match error {
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
            StoreError::Unavailable => {
                "nothing can be stored at the moment: try again in a second".to_owned()
            }
        })
    }

    /// After how many seconds it is worth another try, where that is known.
    fn retry_after_seconds(&self) -> Option<i64> {
        match self {
            Self::TooManyWrongKeys { retry_after_seconds, .. } => Some(*retry_after_seconds),
            Self::Unavailable(_) => Some(RETRY_AFTER_SECONDS),
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
            Self::Older(detail) => (StatusCode::CONFLICT, detail),
            Self::BodyTooLarge(detail) => (StatusCode::PAYLOAD_TOO_LARGE, detail),
            Self::TooManyWrongKeys { detail, .. } => (StatusCode::TOO_MANY_REQUESTS, detail),
            Self::Unavailable(detail) => (StatusCode::SERVICE_UNAVAILABLE, detail),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let retry_after_seconds = self.retry_after_seconds();
        let (status, detail) = self.parts();
        let title = status.canonical_reason().unwrap_or_default();
        let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A caller's value as an error repeats it: quoted, escaped, and cut to a bound.
pub(super) fn shown(value: &str) -> String {
    if value.chars().count() <= ECHO_CHARS_MAX {
        return format!("{value:?}");
    }
    let start: String = value.chars().take(ECHO_CHARS_MAX).collect();
    format!("{start:?}…")
}
