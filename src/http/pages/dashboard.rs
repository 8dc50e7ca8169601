//! `/`: the services, those in trouble first.

use askama::Template;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use url::Url;

use super::board::{self, Asked, Board, Chip, Headline, KnownRuns, read_or};
use super::session::{self, Visitor};
use super::vitals::Vitals;
use super::{Frame, html, service_path};
use crate::http::Api;
use crate::http::problem::Problem;

/// What a newcomer is told where the address of this very server cannot be read off the request.
const SOMEWHERE: &str = "127.0.0.1:4000";

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Page<'a> {
    frame: Frame,
    asked: &'a Asked,
    show: &'static str,
    board: &'a Board,
    vitals: &'a Vitals,
    headline: String,
    chips: String,
    tail: String,
    has_no_destination: bool,
    /// Where this server is: as people call it, and as programs do.
    host: String,
    base: String,
    /// What a ping's query ends in where keys are set.
    key: &'static str,
}

/// `GET /[?search=…][&show=…][&after=…]`
pub(crate) async fn page(
    State(api): State<Api>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Result<Response, Problem> {
    let asked = Asked::parse(request.uri().query().unwrap_or_default())?;
    let now_ms = api.0.clock.now_ms();
    let now = now_ms.div_euclid(1000);
    let overview = read_or(api.0.store.overview(now).await)?;
    let board = board::read(&api, &asked, &overview, &mut KnownRuns::new(), now).await?;
    let vitals = Vitals::read(&api).await;
    let base = base(api.0.pages.outlook.base_url.as_ref(), request.headers());
    let page = Page {
        frame: Frame::new(board.headline.title(), "services", visitor, now_ms)
            .with_icon(board.headline.icon),
        asked: &asked,
        show: asked.show.as_str(),
        headline: headline(&board.headline, now),
        chips: chips(&board.chips),
        tail: tail(&board),
        board: &board,
        vitals: &vitals,
        has_no_destination: api.0.pages.outlook.routes.is_empty(),
        host: base.split_once("://").map_or("", |(_, host)| host).to_owned(),
        base,
        key: if api.0.door.has_keys() { "&key=KEY" } else { "" },
    };
    Ok(html(StatusCode::OK, &page))
}

#[derive(Template)]
#[template(path = "headline.html")]
struct HeadlineParts<'a> {
    headline: &'a Headline,
    next_path: String,
    left: String,
}

/// The sentence above the list as HTML.
pub(super) fn headline(headline: &Headline, now: i64) -> String {
    let next_path = headline.next.as_ref().map_or_else(String::new, |(name, _)| service_path(name));
    let parts = HeadlineParts { headline, next_path, left: headline.left(now) };
    parts.render().unwrap_or_default()
}

#[derive(Template)]
#[template(path = "chips.html")]
struct Chips<'a> {
    chips: &'a [Chip],
}

/// The filters as HTML.
pub(super) fn chips(chips: &[Chip]) -> String {
    Chips { chips }.render().unwrap_or_default()
}

#[derive(Template)]
#[template(path = "tail.html")]
struct Tail<'a> {
    board: &'a Board,
}

/// What comes behind the rows as HTML.
pub(super) fn tail(board: &Board) -> String {
    Tail { board }.render().unwrap_or_default()
}

/// Where this server is reached: as the settings say, or as this very request did.
pub(super) fn base(base_url: Option<&Url>, headers: &HeaderMap) -> String {
    if let Some(url) = base_url {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // It goes into a line for the shell.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    let host = host.filter(|host| !host.is_empty() && host.bytes().all(is_plain));
    let scheme = if session::is_https(None, headers) { "https" } else { "http" };
    format!("{scheme}://{}", host.unwrap_or(SOMEWHERE))
}
