//! `/`: the services, those in trouble first.

use askama::Template;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::session::Visitor;
use super::{Frame, Icon, html, service_path};
use crate::core::limits::LIST_ROWS_DEFAULT;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::store::ListAfter;

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Page {
    frame: Frame,
    services: Vec<Row>,
}

struct Row {
    path: String,
    name: String,
    status: &'static str,
}

/// `GET /`
pub(crate) async fn page(
    State(api): State<Api>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Problem> {
    let now = api.0.clock.now();
    let found = api.0.store.services(ListAfter::default(), String::new(), LIST_ROWS_DEFAULT).await;
    let (services, _) =
        found.map_err(|_| Problem::Unavailable("nothing can be read at the moment".to_owned()))?;
    let rows: Vec<Row> = services
        .iter()
        .map(|service| Row {
            path: service_path(service.name.as_str()),
            name: service.name.as_str().to_owned(),
            status: service.status(now).as_str(),
        })
        .collect();
    let has = |words: &[&str]| rows.iter().any(|row| words.contains(&row.status));
    let icon = match () {
        () if has(&["overdue", "failed"]) => Icon::Bad,
        () if has(&["late"]) => Icon::Late,
        () if has(&["up"]) => Icon::Up,
        () => Icon::Idle,
    };
    let title = format!("{} services", rows.len());
    let frame = Frame::new(title, "services", visitor, api.0.clock.now_ms()).with_icon(icon);
    Ok(html(StatusCode::OK, &Page { frame, services: rows }))
}
