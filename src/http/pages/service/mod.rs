//! `/services/{name}`: all that there is to know of one service, and what can be done about it.
//!
//! A page is a row of sections, each rendered by itself, so that a page that is watched live gets those that changed.

mod commands;
mod live;
mod sections;

use askama::Template;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
pub(crate) use live::events;

use super::session::Visitor;
use super::told::Told;
use super::{Frame, Icon, html, service_path};
use crate::core::limits::PAGE_ALERTS_MAX;
use crate::core::name::Name;
use crate::core::service::{Service, Status};
use crate::core::why::{self, Setting};
use crate::http::list::read;
use crate::http::problem::Problem;
use crate::http::query::{self, Query};
use crate::http::{Api, ping};
use crate::store::{AlertsWanted, Known};
use sections::{Asked, Section};

#[derive(Template)]
#[template(path = "service/page.html")]
struct Page {
    frame: Frame,
    events: String,
    sections: Vec<Section>,
    commands: commands::Commands,
}

#[derive(Template)]
#[template(path = "service/unknown.html")]
struct Unknown {
    frame: Frame,
    name: String,
    said: Vec<String>,
    command: String,
    alerts: Vec<Told>,
    names_service: bool,
    may_change: bool,
    token: String,
    back: String,
}

/// `GET /services/{name}[?pings=CURSOR][&at=TIME]`
pub(crate) async fn page(
    State(api): State<Api>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Result<Response, Problem> {
    let name = ping::name(&query::last_segment(request.uri().path(), "name")?)?;
    let now = api.0.clock.now();
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let asked = Asked::read(&query, now, &api.0.zone)?;
    let headers = request.headers().clone();
    let found = api.0.store.service(&name).await;
    let Some(known) = found.map_err(|error| Problem::of_store(&error, name.as_str()))? else {
        return unknown(&api, &name, visitor, &headers).await;
    };
    let sections = sections::all(&api, &known, &visitor, &asked, now).await?;
    let frame = frame(&api, &known, visitor, now);
    let path = service_path(known.service.name.as_str());
    let page = Page {
        events: format!("{path}/events"),
        sections,
        commands: commands::Commands::new(&api, &known.service, &headers),
        frame,
    };
    Ok(html(StatusCode::OK, &page))
}

fn frame(api: &Api, known: &Known, visitor: Visitor, now: i64) -> Frame {
    let service = &known.service;
    let sign = Sign::of(service, now);
    let title = format!("{} {}", sign.shape, service.name.as_str());
    Frame::new(title, "services", visitor, api.0.clock.now_ms()).with_icon(sign.icon)
}

/// A friendly word about a service that is not there, with what is still known of one that was.
async fn unknown(
    api: &Api,
    name: &Name,
    visitor: Visitor,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let wanted = AlertsWanted { service: Some(name.clone()), ..AlertsWanted::default() };
    let page = read(api.0.store.alerts(wanted, PAGE_ALERTS_MAX).await)?;
    let now = api.0.clock.now();
    let zone = &api.0.zone;
    let facts = read(api.0.store.why(name, now, now).await)?;
    let setting = Setting { routes: api.0.store.routes(), zone };
    let said = if facts.is_anything() { why::sentences(&facts, &setting) } else { Vec::new() };
    let page = Unknown {
        name: name.as_str().to_owned(),
        said,
        command: commands::first_ping(api, name, headers),
        alerts: page.alerts.into_iter().map(|seen| Told::new(seen, now, zone)).collect(),
        names_service: false,
        may_change: visitor.may_change,
        token: visitor.token.clone(),
        back: service_path(name.as_str()),
        frame: Frame::new("No such service", "services", visitor, api.0.clock.now_ms()),
    };
    Ok(html(StatusCode::NOT_FOUND, &page))
}

/// How a status looks: a colour, a shape and a word, which say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sign {
    class: &'static str,
    shape: &'static str,
    word: &'static str,
    icon: Icon,
}

impl Sign {
    fn of(service: &Service, now: i64) -> Self {
        let (class, shape, word, icon) = match service.status(now) {
            Status::Overdue => ("bad", "■", "OVERDUE", Icon::Bad),
            Status::Failed => ("bad", "▲", "FAILED", Icon::Bad),
            Status::Late => ("late", "◆", "LATE", Icon::Late),
            Status::Paused => ("idle", "‖", "paused", Icon::Idle),
            Status::Waiting => ("idle", "○", "waiting", Icon::Idle),
            Status::Up if service.is_running() => ("running", "↻", "running", Icon::Up),
            Status::Up => ("up", "●", "up", Icon::Up),
        };
        Self { class, shape, word, icon }
    }
}
