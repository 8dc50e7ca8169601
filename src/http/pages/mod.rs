//! The pages that people look at: rendered here, whole without a script, and kept live by one.
//!
//! A page is a template in `assets/templates`, whose text askama escapes, inside `layout.html`, which a [`Frame`] fills.
//! Nothing in a page is inline and nothing comes from elsewhere; the Content-Security-Policy says so to browsers.

pub(super) mod alerts;
pub(super) mod assets;
mod board;
mod chart;
pub(super) mod dashboard;
pub(super) mod events;
mod folds;
pub(super) mod form;
mod live;
pub(super) mod login;
pub(super) mod reports;
mod rows;
pub(super) mod service;
pub(super) mod session;
mod timeline;
mod told;
mod vitals;
mod words;

use askama::Template;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_util::sync::CancellationToken;
use tracing::error;
use url::Url;

use super::problem::{Problem, Said};
use crate::config::Keys;
use crate::core::alert::Route;
use crate::core::name::segment;
use session::Visitor;

/// Scripts, styles and images are ours and separate files, forms lead here, and no other site may frame a page.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What of a name stays as it is in a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What pages know of the program around them.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    /// Which alerts go where.
    pub routes: Vec<Route>,
    /// Where this server is reached, as far as that is known.
    pub base_url: Option<Url>,
    /// Cancelled when the program stops: a page that is watched live would hold it up.
    pub closing: CancellationToken,
}

/// What all pages share.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) outlook: Outlook,
    pub(super) sessions: session::Sessions,
    live: live::Live,
}

impl Pages {
    pub(super) fn new(outlook: Outlook, keys: &Keys) -> Self {
        let sessions = session::Sessions::new(keys);
        Self { outlook, sessions, live: live::Live::default() }
    }
}

/// What the icon of a page's tab shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Icon {
    /// Something is overdue or has failed.
    Bad,
    /// Something is late.
    Late,
    /// All is well.
    Up,
    /// Nothing is known, or the page is about something else.
    #[default]
    Idle,
}

impl Icon {
    /// Where it is.
    pub(super) fn href(self) -> String {
        assets::href(match self {
            Self::Bad => "icon-bad.svg",
            Self::Late => "icon-late.svg",
            Self::Up => "icon-up.svg",
            Self::Idle => "icon-idle.svg",
        })
    }
}

/// What surrounds every page: its title and icon, where it is among the others, and who looks at it.
#[derive(Debug)]
pub(super) struct Frame {
    /// What its tab shows.
    title: String,
    /// What its tab shows beside it.
    icon: Icon,
    /// Which entry of the navigation it belongs to.
    here: &'static str,
    /// Who looks at it.
    visitor: Visitor,
    /// The server's time in Unix milliseconds, by which the page's script reckons.
    now_ms: i64,
    style: String,
    script: String,
}

impl Frame {
    /// The frame of a page at `now_ms`, that belongs to the entry `here` of the navigation: `services`, `alerts`,
    /// `reports` or none.
    pub(super) fn new(
        title: impl Into<String>,
        here: &'static str,
        visitor: Visitor,
        now_ms: i64,
    ) -> Self {
        let (style, script) = (assets::href("style.css"), assets::href("overdue.js"));
        Self { title: title.into(), icon: Icon::Idle, here, visitor, now_ms, style, script }
    }

    /// The same, with an icon that says how things are.
    pub(super) fn with_icon(self, icon: Icon) -> Self {
        Self { icon, ..self }
    }

    /// The attribute of a navigation entry that may be the present one.
    fn current(&self, entry: &str) -> &'static str {
        if self.here == entry { "page" } else { "false" }
    }
}

/// The path of a service's page.
pub(super) fn service_path(name: &str) -> String {
    format!("/services/{}", utf8_percent_encode(&segment(name), SEGMENT))
}

/// A value as part of a query.
pub(super) fn encoded(value: &str) -> String {
    utf8_percent_encode(value, SEGMENT).to_string()
}

/// A page as an answer.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => {
            let mut response = (status, text).into_response();
            secure(response.headers_mut());
            response
        }
        Err(error) => {
            error!(%error, "a page cannot be rendered");
            Problem::Unavailable("this page cannot be shown at the moment".to_owned())
                .into_response()
        }
    }
}

/// What every page tells browsers.
fn secure(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct Refusal {
    frame: Frame,
    what: &'static str,
    detail: String,
}

/// A refusal as a page, where a person asked for one: the same status and headers, and the same sentence. Any other
/// answer is left as it is.
pub(super) fn as_page(answer: Response, now_ms: i64) -> Response {
    let Some(Said(detail)) = answer.extensions().get::<Said>().cloned() else { return answer };
    let status = answer.status();
    let what = match status {
        StatusCode::BAD_REQUEST => "That cannot be understood",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::SERVICE_UNAVAILABLE => "Not now",
        _ => "That did not work",
    };
    let frame = Frame::new(what, "", Visitor::default(), now_ms);
    let (mut head, _) = answer.into_parts();
    let (own, body) = html(status, &Refusal { frame, what, detail }).into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    for (name, value) in &own.headers {
        head.headers.insert(name, value.clone());
    }
    Response::from_parts(head, body)
}

/// Whether a caller wants a page, as browsers do that follow a link.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// A way back that leads to this very server, or the front page. What begins with two slashes, or a backslash that
/// browsers take for one, would lead elsewhere.
pub(super) fn way_back(path: &str) -> &str {
    let is_here = path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= crate::core::limits::BACK_BYTES_MAX
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_here { path } else { "/" }
}

/// Sends a browser on with GET.
pub(super) fn see_other(path: &str) -> Response {
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_back_leads_nowhere_else() {
        for path in ["/", "/services/a%2Fb?x=1#y", "/?search=a"] {
            assert_eq!(way_back(path), path);
        }
        for path in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/a\r\nset-cookie: a=b",
            " /",
            "/\t/evil.example",
            "\\/evil.example",
        ] {
            assert_eq!(way_back(path), "/", "{path:?}");
        }
    }
}
