//! The table of routes. Each says what it asks of its caller, so that none can be added without saying it.

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::dialects::{self, healthchecks, uptime_kuma};
use super::pages::{self, assets, dashboard, events, form, login};
use super::{Api, alerts, badge, health, metrics, openapi, ping, report, services, why};
use crate::config::KeyKind;

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The kind of key that allows it; `None`: none is asked for, or the route asks in a way of its own.
    pub key: Option<KeyKind>,
    /// Whether it writes: it refuses strangers' pages, and is served by the primary alone.
    pub writes: bool,
    /// Whether it is for browsers: a session is as good as the key, and what is refused is a page too.
    pub page: bool,
}

impl Access {
    /// Anyone may, and it tells nothing worth a key.
    pub const NONE: Self = Self { key: None, writes: false, page: false };
    /// Pings, and asks for a key in a way of its own.
    pub const DIALECT: Self = Self { key: None, writes: true, page: false };
    /// Reads what is stored.
    pub const READ: Self = Self { key: Some(KeyKind::Read), writes: false, page: false };
    /// Pings.
    pub const PING: Self = Self { key: Some(KeyKind::Ping), writes: true, page: false };
    /// Changes or deletes.
    pub const ADMIN: Self = Self { key: Some(KeyKind::Admin), writes: true, page: false };
    /// Shows a page.
    pub const PAGE: Self = Self { key: Some(KeyKind::Read), writes: false, page: true };
    /// Changes or deletes what a page's form says.
    pub const FORM: Self = Self { key: Some(KeyKind::Admin), writes: true, page: true };
    /// Begins or ends a session.
    pub const LOGIN: Self = Self { key: None, writes: false, page: true };
}

/// A route as it is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The methods that it takes.
    pub methods: Vec<Method>,
    /// Its path, with `{name}` for a segment that may be anything.
    pub path: &'static str,
    /// What it asks for.
    pub access: Access,
}

impl Route {
    /// Whether it is a page, or a part of one: no interface for programs.
    pub fn is_for_browsers(&self) -> bool {
        self.access.page || self.path.starts_with("/assets/")
    }
}

/// A route and what answers it.
pub(super) struct Entry {
    pub(super) route: Route,
    pub(super) handlers: MethodRouter<Api>,
}

/// Every route.
pub(super) fn table() -> Vec<Entry> {
    let get_or_post = &[Method::GET, Method::POST];
    vec![
        entry(get_or_post, "/ping", Access::PING, ping::by_query),
        entry(&[Method::POST], "/ping/remove", Access::ADMIN, ping::remove),
        entry(&[Method::DELETE], "/ping/remove", Access::ADMIN, ping::delete),
        entry(get_or_post, "/ping/{name}", Access::PING, ping::by_path),
        entry(&[Method::DELETE], "/ping/{name}", Access::ADMIN, ping::delete),
        entry(get_or_post, "/ping/{name}/{signal}", Access::PING, ping::signal_by_path),
        entry(&[Method::GET], "/api/v1/services", Access::READ, services::list),
        entry(&[Method::GET], "/api/v1/services/{name}", Access::READ, services::one),
        entry(&[Method::PUT], "/api/v1/services/{name}", Access::ADMIN, services::put),
        entry(&[Method::PATCH], "/api/v1/services/{name}", Access::ADMIN, services::patch),
        entry(&[Method::DELETE], "/api/v1/services/{name}", Access::ADMIN, services::delete),
        entry(&[Method::POST], "/api/v1/services/{name}/pause", Access::ADMIN, services::pause),
        entry(&[Method::POST], "/api/v1/services/{name}/resume", Access::ADMIN, services::resume),
        entry(&[Method::GET], "/api/v1/services/{name}/pings", Access::READ, services::pings),
        entry(&[Method::GET], "/api/v1/services/{name}/outages", Access::READ, alerts::outages),
        entry(&[Method::GET], "/api/v1/services/{name}/why", Access::READ, why::why),
        entry(&[Method::GET], "/api/v1/report", Access::READ, report::report),
        entry(&[Method::GET], "/api/v1/alerts", Access::READ, alerts::list),
        entry(&[Method::GET], "/api/v1/alerts/{id}", Access::READ, alerts::one),
        entry(&[Method::POST], "/api/v1/alerts/{id}/retry", Access::ADMIN, alerts::retry),
        entry(&dialects::METHODS, "/hc/{name}", Access::DIALECT, healthchecks::ping),
        entry(&dialects::METHODS, "/hc/{name}/", Access::DIALECT, healthchecks::ping),
        entry(&dialects::METHODS, "/hc/{key}/{name}", Access::DIALECT, healthchecks::ping),
        entry(&dialects::METHODS, "/hc/{key}/{name}/", Access::DIALECT, healthchecks::ping),
        entry(&dialects::METHODS, "/hc/{key}/{name}/{signal}", Access::DIALECT, healthchecks::ping),
        entry(
            &dialects::METHODS,
            "/hc/{key}/{name}/{signal}/",
            Access::DIALECT,
            healthchecks::ping,
        ),
        entry(&dialects::METHODS, "/api/push/{name}", Access::DIALECT, uptime_kuma::push),
        entry(&dialects::METHODS, "/api/push/{name}/", Access::DIALECT, uptime_kuma::push),
        entry(&[Method::GET], "/", Access::PAGE, dashboard::page),
        entry(&[Method::GET], "/services/{name}", Access::PAGE, pages::service::page),
        entry(&[Method::GET], "/services/{name}/events", Access::PAGE, pages::service::events),
        entry(&[Method::GET], "/alerts", Access::PAGE, pages::alerts::page),
        entry(&[Method::GET], "/reports", Access::PAGE, pages::reports::page),
        entry(&[Method::GET], "/reports.csv", Access::PAGE, pages::reports::csv),
        entry(&[Method::POST], "/alerts/{id}/retry", Access::FORM, pages::alerts::retry),
        entry(&[Method::GET], "/events", Access::PAGE, events::stream),
        entry(&[Method::POST], "/services/{name}/pause", Access::FORM, form::pause),
        entry(&[Method::POST], "/services/{name}/resume", Access::FORM, form::resume),
        entry(&[Method::POST], "/services/{name}/delete", Access::FORM, form::delete),
        entry(get_or_post, "/login", Access::LOGIN, login::login),
        entry(&[Method::POST], "/logout", Access::LOGIN, login::logout),
        entry(&[Method::GET], "/assets/{name}", Access::NONE, assets::asset),
        entry(&[Method::GET], "/healthz", Access::NONE, health::healthz),
        entry(&[Method::GET], "/readyz", Access::NONE, health::readyz),
        entry(&[Method::GET], "/metrics", Access::READ, metrics::metrics),
        entry(&[Method::GET], "/badge/{name}", Access::NONE, badge::badge),
        entry(&[Method::GET], "/openapi.json", Access::NONE, openapi::openapi),
    ]
}

/// A route that takes these methods, and HEAD where it takes GET.
fn entry<T: 'static>(
    methods: &[Method],
    path: &'static str,
    access: Access,
    handler: impl Handler<T, Api>,
) -> Entry {
    let mut methods = methods.to_vec();
    if methods.contains(&Method::GET) {
        methods.push(Method::HEAD);
    }
    let filters = methods.iter().filter_map(|method| MethodFilter::try_from(method.clone()).ok());
    let handlers = match filters.reduce(MethodFilter::or) {
        Some(filter) => on(filter, handler),
        None => MethodRouter::new(),
    };
    Entry { route: Route { methods, path, access }, handlers }
}
