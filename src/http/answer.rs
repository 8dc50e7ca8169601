//! What is answered where nothing is wrong: as it is now, so that no cache keeps it.

use std::fmt;

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Serialize, Serializer};

/// Answers of most requests are no longer.
const JSON_BYTES_USUAL: usize = 256;

/// `body` as JSON.
pub(super) fn as_json<T: Serialize>(body: &T) -> Response {
    let mut text = Vec::with_capacity(JSON_BYTES_USUAL);
    let response = match serde_json::to_writer(&mut text, body) {
        Ok(()) => {
            let mut response = Response::new(Body::from(text));
            let kind = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        // The same again, which knows how to answer what cannot be written.
        Err(_) => Json(body).into_response(),
    };
    no_store(response)
}

/// `response`, which no cache keeps.
pub(super) fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Something that is written as the text which it is shown as.
pub(super) struct AsText<T>(pub(super) T);

impl<T: fmt::Display> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
