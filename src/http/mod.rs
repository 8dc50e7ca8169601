//! The HTTP edge: one file a resource. Handlers parse, ask the store, and answer; they decide nothing.

mod alerts;
mod answer;
mod badge;
mod body;
mod caller;
mod dialects;
mod guard;
mod health;
mod keys;
mod list;
mod metrics;
mod openapi;
mod pages;
mod ping;
mod places;
mod primary;
mod problem;
mod query;
mod report;
mod routes;
mod server;
mod services;
mod sink;
mod why;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
pub use badge::badge_target;
pub use caller::Caller;
use jiff::tz::TimeZone;
pub use pages::Outlook;
pub use problem::Problem;
pub use routes::{Access, Route};
pub use server::{ServerLimits, serve};
pub use sink::{Received, sink};
use tracing::debug;

use crate::clock::Clock;
use crate::config::Keys;
use crate::store::Store;

/// What handlers work with; cheap to clone.
#[derive(Clone, Debug)]
pub struct Api(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    store: Store,
    clock: Clock,
    open: bool,
    door: keys::Door,
    client_ip_header: Option<String>,
    pages: pages::Pages,
    zone: TimeZone,
}

/// Who is served.
#[derive(Clone, Debug, Default)]
pub struct Entrance {
    /// Whether anyone is, without a key.
    pub open: bool,
    /// The keys; as soon as there is one, every route asks for one that allows it.
    pub keys: Keys,
    /// The header in which a proxy passes on the caller's address, in lower case.
    pub client_ip_header: Option<String>,
}

impl Api {
    /// What handlers work with. Without keys, and unless it is open, requests that a proxy passed on are refused.
    pub fn new(store: Store, clock: Clock, entrance: Entrance) -> Self {
        Self::with_outlook(store, clock, entrance, Outlook::default())
    }

    /// The same, with what pages know of the program around them.
    pub fn with_outlook(store: Store, clock: Clock, entrance: Entrance, outlook: Outlook) -> Self {
        let Entrance { open, keys, client_ip_header } = entrance;
        let pages = pages::Pages::new(outlook, &keys);
        let (door, zone) = (keys::Door::new(keys, store.metrics().clone()), TimeZone::UTC);
        Self(Arc::new(Parts { store, clock, open, door, client_ip_header, pages, zone }))
    }

    /// The same with times that it tells, and is told of, in `zone`; before it is cloned.
    #[must_use]
    pub fn in_zone(mut self, zone: TimeZone) -> Self {
        if let Some(parts) = Arc::get_mut(&mut self.0) {
            parts.zone = zone;
        }
        self
    }
}

/// Every route as it is declared.
pub fn routes() -> Vec<Route> {
    routes::table().into_iter().map(|entry| entry.route).collect()
}

/// Every route, each behind what it asks for.
pub fn router(api: Api) -> Router {
    let mut router = Router::new();
    for routes::Entry { route, handlers } in routes::table() {
        let gate = middleware::from_fn_with_state((api.clone(), route.access), guard::admit);
        router = router.route(route.path, handlers.route_layer(gate));
    }
    let router = router.fallback(unknown_path).method_not_allowed_fallback(wrong_method);
    let is_logged = tracing::enabled!(tracing::Level::DEBUG);
    let router = if is_logged { router.layer(middleware::from_fn(log)) } else { router };
    router.with_state(api)
}

/// Logs a request, without anything in it that is a key.
async fn log(request: Request, next: middleware::Next) -> Response {
    let (method, path) = (request.method().clone(), dialects::without_keys(request.uri().path()));
    let response = next.run(request).await;
    debug!(%method, ?path, status = response.status().as_u16(), "a request was answered");
    response
}

async fn unknown_path(State(api): State<Api>, request: Request) -> Response {
    let wants_html = pages::wants_html(request.headers());
    let answer = Problem::NotFound(format!(
        "there is nothing at {}: pings go to /ping?name=NAME&frequency=10m or /ping/NAME",
        problem::shown(request.uri().path())
    ))
    .into_response();
    if wants_html { pages::as_page(answer, api.0.clock.now_ms()) } else { answer }
}

async fn wrong_method(request: Request) -> Problem {
    let method = request.method();
    let path = problem::shown(request.uri().path());
    Problem::MethodNotAllowed(format!(
        "{method} does not work on {path}: use one of those in the header Allow"
    ))
}
