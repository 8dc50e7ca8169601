//! `/healthz`: the program is alive. It asks nothing of the store, so that it can be the measure of everything else.
//! `/readyz`: it can do its part, which is to store on the primary and to read on a replica.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use crate::core::limits::READY_COMMIT_SECONDS_MAX;
use crate::core::role::Role;
use crate::store::Store;

/// `GET /healthz`
pub(super) async fn healthz() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], "ok\n")
}

/// What `/readyz` says.
#[derive(Serialize, ToSchema)]
#[schema(as = Readiness)]
pub(super) struct Readiness {
    ready: bool,
    role: &'static str,
    /// The machine that writes, where that is another.
    #[schema(required = true)]
    primary: Option<String>,
    /// How old what is known of the role is.
    #[schema(required = true)]
    role_age_seconds: Option<i64>,
    /// How long ago it was, at most, that what is stored here was written.
    #[schema(required = true)]
    lag_seconds: Option<i64>,
    /// What is wrong.
    #[schema(required = true)]
    detail: Option<String>,
}

/// How long ago it was, at most, that what is stored here was written; `None` where that cannot be read.
pub(super) async fn lag_seconds(store: &Store, now: i64) -> Option<i64> {
    let heard = store.listening_until().await.ok().flatten()?;
    Some(if store.guard().role().may_write() { 0 } else { (now - heard).max(0) })
}

/// `GET /readyz`
pub(super) async fn readyz(State(api): State<Api>) -> Response {
    let (store, now) = (&api.0.store, api.0.clock.now());
    let role = store.guard().role();
    let is_stuck =
        store.health().trying_since().is_some_and(|since| now - since > READY_COMMIT_SECONDS_MAX);
    let schema = store.schema().await;
    let detail = match (&role, &schema) {
        (Role::Unknown, _) => Some("LiteFS does not say what this machine is".to_owned()),
        (_, Err(_)) => Some("the database cannot be read".to_owned()),
        (role, Ok(_)) if role.may_write() && is_stuck => {
            Some("nothing can be stored at the moment".to_owned())
        }
        (_, Ok(schema)) => schema.difference(),
    };
    let readiness = Readiness {
        ready: detail.is_none(),
        role: role.as_str(),
        primary: role.elsewhere().map(str::to_owned),
        role_age_seconds: store.guard().age_seconds(),
        lag_seconds: lag_seconds(store, now).await,
        detail,
    };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, headers, Json(readiness)).into_response()
}
