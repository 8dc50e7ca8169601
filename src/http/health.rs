//! `/healthz`: the program is alive. It asks nothing of the store, so that it can be the measure of everything else.

use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;

/// `GET /healthz`
pub(super) async fn healthz() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], "ok\n")
}
