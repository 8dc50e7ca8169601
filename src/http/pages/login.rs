//! `/login` and `/logout`: a key opens a session, and a button ends it.

use std::net::IpAddr;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::form::Form;
use super::session::{self, Visitor};
use super::{Frame, html, see_other, way_back};
use crate::config::KeyKind;
use crate::core::limits::SESSION_SECONDS_MAX;
use crate::http::caller::Caller;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::{Api, keys};

#[derive(Template)]
#[template(path = "login.html")]
struct Page {
    frame: Frame,
    /// Where to go afterwards.
    next: String,
    /// What was wrong with the key that was given.
    complaint: Option<String>,
    /// Whether there are keys at all.
    has_keys: bool,
    /// Whether there is one that opens pages.
    has_reading_keys: bool,
}

/// `GET /login[?next=…]` shows where a key goes; `POST /login` takes one.
pub(crate) async fn login(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    if request.method() != Method::POST {
        let next = Query::parse(request.uri().query().unwrap_or_default()).get("next")?;
        return Ok(page(&api, next.as_deref().unwrap_or("/"), StatusCode::OK, None));
    }
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    let is_https = session::is_https(api.0.pages.outlook.base_url.as_ref(), request.headers());
    let form = Form::read(request).await?;
    let next = form.field("next")?.unwrap_or_default();
    let shown = form.field("key")?.unwrap_or_default();
    match open(&api, shown.trim(), caller.address) {
        Ok(cookie) => {
            let mut response = see_other(way_back(&next));
            let cookie = session::set_cookie(&cookie, SESSION_SECONDS_MAX, is_https);
            response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
            Ok(response)
        }
        Err(problem) => {
            let complaint = problem.detail().to_owned();
            let refused = problem.into_response();
            let mut response = page(&api, &next, refused.status(), Some(complaint));
            if let Some(wait) = refused.headers().get(header::RETRY_AFTER) {
                response.headers_mut().insert(header::RETRY_AFTER, wait.clone());
            }
            Ok(response)
        }
    }
}

/// `POST /logout`
pub(crate) async fn logout(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let is_https = session::is_https(api.0.pages.outlook.base_url.as_ref(), request.headers());
    // A session that has ended already may be left without its token.
    let headers: HeaderMap = request.headers().clone();
    let session = api.0.pages.sessions.find(api.0.door.keys(), &headers, api.0.clock.now());
    let visitor = session.map(|session| api.0.pages.sessions.visitor(session));
    let token = Form::read(request).await?.field("token")?.unwrap_or_default();
    if visitor.is_some_and(|visitor| !visitor.takes(&token)) {
        return Err(Problem::Forbidden(
            "this form is not one of your session: load the page again, and try once more"
                .to_owned(),
        ));
    }
    let mut response = see_other("/login");
    let forgotten = session::set_cookie("", 0, is_https);
    response.headers_mut().extend(forgotten.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

/// The cookie of a session that the key `shown` opens.
fn open(api: &Api, shown: &str, address: Option<IpAddr>) -> Result<String, Problem> {
    let (door, now) = (&api.0.door, api.0.clock.now());
    if !door.has_keys() {
        return Err(Problem::Forbidden("no key is set, so there is none to show".to_owned()));
    }
    if !door.keys().has(KeyKind::Read) {
        return Err(keys::no_such_key(KeyKind::Read));
    }
    if shown.is_empty() {
        return Err(Problem::BadRequest("the key is missing: type or paste it".to_owned()));
    }
    match door.keys().find(shown.as_bytes()) {
        Some(key) if key.kind.allows(KeyKind::Read) => {
            let cookie = api.0.pages.sessions.open(key, now);
            cookie.ok_or_else(|| {
                Problem::Unavailable("no session can be opened at the moment".to_owned())
            })
        }
        Some(_) => Err(Problem::Forbidden(
            "this key is for pings: pages take one of OVERDUE_READ_KEY or OVERDUE_ADMIN_KEY"
                .to_owned(),
        )),
        None => {
            door.count_wrong(address, now)?;
            Err(Problem::NoKey(
                "this key is not known: look for OVERDUE_READ_KEY or OVERDUE_ADMIN_KEY where the server is started"
                    .to_owned(),
            ))
        }
    }
}

fn page(api: &Api, next: &str, status: StatusCode, complaint: Option<String>) -> Response {
    let keys = api.0.door.keys();
    let frame = Frame::new("Log in", "", Visitor::default(), api.0.clock.now_ms());
    let page = Page {
        frame,
        next: way_back(next).to_owned(),
        complaint,
        has_keys: !keys.is_empty(),
        has_reading_keys: keys.has(KeyKind::Read),
    };
    html(status, &page)
}
