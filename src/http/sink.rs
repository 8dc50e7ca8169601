//! The receiver behind `overdue sink`: takes anything, anywhere.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;

use super::body;
use super::problem::Problem;
use crate::core::limits::BODY_BYTES_MAX;

/// What was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The path and query.
    pub uri: String,
    /// The body, invalid UTF-8 replaced.
    pub body: String,
}

/// A router that hands everything it receives to `take` and answers `status`.
pub fn sink(status: u16, take: impl Fn(Received) + Send + Sync + 'static) -> Router {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let take = Arc::new(take);
    Router::new().fallback(move |request: Request| {
        let take = Arc::clone(&take);
        async move {
            let (head, body) = request.into_parts();
            let body = body::whole(body, BODY_BYTES_MAX, "an alert").await?;
            take(Received {
                method: head.method.to_string(),
                uri: head.uri.to_string(),
                body: String::from_utf8_lossy(&body).into_owned(),
            });
            Ok::<_, Problem>(status)
        }
    })
}
