//! The HTTP edge: one file a resource. Handlers parse, ask the store, and answer; they decide nothing.

mod body;
mod guard;
mod health;
mod ping;
mod problem;
mod query;
mod server;
mod sink;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware;
use axum::routing::{get, post};
pub use problem::Problem;
pub use server::{ServerLimits, serve};
pub use sink::{Received, sink};

use crate::clock::Clock;
use crate::store::Store;

/// What handlers work with; cheap to clone.
#[derive(Clone, Debug)]
pub struct Api(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    store: Store,
    clock: Clock,
    open: bool,
}

impl Api {
    /// What handlers work with. Unless `open`, requests that a proxy passed on are refused.
    pub fn new(store: Store, clock: Clock, open: bool) -> Self {
        Self(Arc::new(Parts { store, clock, open }))
    }
}

/// Every route.
pub fn router(api: Api) -> Router {
    // Pings write whatever their method, so all of these refuse strangers' pages.
    let writes = Router::new()
        .route("/ping", get(ping::by_query).post(ping::by_query))
        .route("/ping/remove", post(ping::remove).delete(ping::delete))
        .route("/ping/{name}", get(ping::by_path).post(ping::by_path).delete(ping::delete))
        .layer(middleware::from_fn(guard::refuse_strangers_pages));
    Router::new()
        .merge(writes)
        .layer(middleware::from_fn_with_state(api.clone(), guard::refuse_proxied))
        .route("/healthz", get(health::healthz))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(api)
}

async fn unknown_path(request: Request) -> Problem {
    Problem::NotFound(format!(
        "there is nothing at {}: pings go to /ping?name=NAME&frequency=10m or /ping/NAME",
        problem::shown(request.uri().path())
    ))
}

async fn wrong_method(request: Request) -> Problem {
    let method = request.method();
    let path = problem::shown(request.uri().path());
    Problem::MethodNotAllowed(format!(
        "{method} does not work on {path}: use one of those in the header Allow"
    ))
}
