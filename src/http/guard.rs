//! What every request passes before its route: strangers' pages may not write, without keys or `OVERDUE_OPEN` nobody
//! comes through a proxy, a key is asked for where there are keys, and only the primary is asked to write.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::caller::{self, Caller};
use super::pages::session::{self, Visitor};
use super::pages::{self, encoded, see_other};
use super::problem::{NOTHING_READ, NOTHING_STORED, Problem, Said, shown};
use super::routes::Access;
use super::{Api, body, primary};
use crate::config::KeyKind;
use crate::core::limits::SESSION_SECONDS_MAX;

/// Headers that only a proxy adds.
const PROXY_HEADERS: [&str; 9] = [
    "forwarded",
    "x-forwarded-for",
    "fly-client-ip",
    "via",
    "x-real-ip",
    "x-forwarded-host",
    "x-forwarded-proto",
    "cf-connecting-ip",
    "true-client-ip",
];

/// Where the page is from that has the browser send this: <https://www.w3.org/TR/fetch-metadata/>.
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets a request through to a route that asks for `access`, with its [`Caller`] as an extension, or says why not.
pub(super) async fn admit(
    State((api, access)): State<(Api, Access)>,
    request: Request,
    next: Next,
) -> Response {
    if access.page {
        return admit_to_page(&api, access, request, next).await;
    }
    let response = admitted(&api, access, request, next).await;
    if access == Access::PING || access == Access::DIALECT {
        api.0.store.metrics().answer(response.status().as_u16());
    }
    response
}

async fn admitted(api: &Api, access: Access, mut request: Request, next: Next) -> Response {
    let guard = api.0.store.guard();
    let was_replayed = primary::was_replayed(guard, request.headers());
    let mut admitted = caller(api, access, request.headers(), request.uri(), request.extensions());
    if access.writes && admitted.is_ok() {
        admitted = primary::permit(guard, was_replayed).await.and(admitted);
    }
    match admitted {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            let response = next.run(request).await;
            if access.writes {
                primary::after(response, guard, was_replayed).await
            } else {
                explained(api, response).await
            }
        }
        Err(problem) => {
            // Most callers read an answer only after they have sent everything.
            drop(body::discard(request.into_body()).await);
            problem.into_response()
        }
    }
}

/// The same for a route of pages: a session is as good as a key, and people are answered with pages.
async fn admit_to_page(api: &Api, access: Access, mut request: Request, next: Next) -> Response {
    let wants_html = pages::wants_html(request.headers());
    let is_https = session::is_https(api.0.pages.outlook.base_url.as_ref(), request.headers());
    let (asks, path) = (request.method() == Method::GET, request.uri().to_string());
    let guard = api.0.store.guard();
    let was_replayed = primary::was_replayed(guard, request.headers());
    let mut admitted = visitor(api, access, &request);
    if access.writes && admitted.is_ok() {
        admitted = primary::permit(guard, was_replayed).await.and(admitted);
    }
    let (mut response, new_cookie) = match admitted {
        Ok((caller, visitor)) => {
            let new_cookie = visitor.new_cookie.clone();
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(visitor);
            let response = next.run(request).await;
            let response = if access.writes {
                primary::after(response, guard, was_replayed).await
            } else {
                explained(api, response).await
            };
            (response, new_cookie)
        }
        Err(Problem::NoKey(_)) if wants_html => {
            drop(body::discard(request.into_body()).await);
            // A form whose session has ended changes nothing: its page is where to go on after the login.
            let back = if asks { &path } else { page_of(&path) };
            return see_other(&format!("/login?next={}", encoded(back)));
        }
        Err(problem) => {
            drop(body::discard(request.into_body()).await);
            (problem.into_response(), None)
        }
    };
    if wants_html {
        response = pages::as_page(response, api.0.clock.now_ms());
        let cookie =
            new_cookie.and_then(|new| session::set_cookie(&new, SESSION_SECONDS_MAX, is_https));
        response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    }
    response
}

/// The page on which the form is that leads to `path`.
fn page_of(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((page, _)) if page.starts_with("/services/") => page,
        _ if path.starts_with("/alerts/") => "/alerts",
        _ => "/",
    }
}

/// The answer to a read, which says of what could not be read that the schema is another where that is so: a replica may
/// run the newer program before the primary does.
async fn explained(api: &Api, response: Response) -> Response {
    let said = response.extensions().get::<Said>();
    if !said.is_some_and(|Said(said)| said == NOTHING_READ || said == NOTHING_STORED) {
        return response;
    }
    let schema = api.0.store.schema().await.ok();
    let detail = schema.and_then(|schema| schema.difference());
    Problem::Unavailable(detail.unwrap_or_else(|| NOTHING_READ.to_owned())).into_response()
}

/// Who looks at a page, if it may.
fn visitor(api: &Api, access: Access, request: &Request) -> Result<(Caller, Visitor), Problem> {
    let (parts, headers, uri) = (&api.0, request.headers(), request.uri());
    if request.method() == Method::POST {
        refuse_strangers_pages(headers, uri)?;
    }
    let address = caller::address(headers, request.extensions(), parts.client_ip_header.as_deref());
    let Some(needed) = access.key else {
        return Ok((Caller { address, key: None }, Visitor::default()));
    };
    if !parts.door.has_keys() {
        if !parts.open {
            refuse_proxied(headers, uri)?;
        }
        return Ok((Caller { address, key: None }, parts.pages.sessions.stranger(headers)));
    }
    let now = parts.clock.now();
    let session = parts.pages.sessions.find(parts.door.keys(), headers, now);
    let Some(session) = session.filter(|_| !headers.contains_key(header::AUTHORIZATION)) else {
        let key = parts.door.admit(needed, headers, uri, address, now)?;
        let may_change = parts.door.admit(KeyKind::Admin, headers, uri, address, now).is_ok();
        return Ok((Caller { address, key }, Visitor::with_key(may_change)));
    };
    if !session.key.kind.allows(needed) {
        return Err(Problem::Forbidden(format!(
            "the key {:?} of this session is for reading, and this changes something: log in with one of {}",
            session.key.label,
            needed.setting()
        )));
    }
    let key = Some(session.key.label.clone());
    Ok((Caller { address, key }, parts.pages.sessions.visitor(session)))
}

/// Who calls, if it may.
fn caller(
    api: &Api,
    access: Access,
    headers: &HeaderMap,
    uri: &Uri,
    extensions: &axum::http::Extensions,
) -> Result<Caller, Problem> {
    let parts = &api.0;
    let asks_for_nothing = access == Access::NONE;
    if !parts.open && !parts.door.has_keys() && !asks_for_nothing {
        refuse_proxied(headers, uri)?;
    }
    if access.writes {
        refuse_strangers_pages(headers, uri)?;
    }
    let address = caller::address(headers, extensions, parts.client_ip_header.as_deref());
    let key = match access.key {
        Some(needed) => parts.door.admit(needed, headers, uri, address, parts.clock.now())?,
        None => None,
    };
    Ok(Caller { address, key })
}

/// Refuses what a proxy passed on. A Host that is not loopback tells of one too, or of a page that had its own name
/// resolved to this machine (DNS rebinding).
pub(super) fn refuse_proxied(headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    match proxied(headers, uri) {
        Some(sign) => Err(Problem::Forbidden(format!(
            "this server answers its own machine only, and the request has {sign}: set a key (OVERDUE_PING_KEY, OVERDUE_READ_KEY, OVERDUE_ADMIN_KEY) or OVERDUE_OPEN=true to serve others"
        ))),
        None => Ok(()),
    }
}

/// Refuses to write for a page of another site: its visitors' browsers would be its hands.
fn refuse_strangers_pages(headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    // A neighbour under the same domain, or at another port, is a stranger too.
    let strange = ["cross-site", "same-site"];
    let site = headers.get(&SEC_FETCH_SITE).and_then(|site| site.to_str().ok());
    if let Some(site) = site.filter(|site| strange.contains(site)) {
        return Err(Problem::Forbidden(format!(
            "a page of another site may not do this (Sec-Fetch-Site: {site})"
        )));
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let host = origin.split_once("://").map(|(_, host)| host);
        if host.is_none() || host != host_of(headers, uri) {
            return Err(Problem::Forbidden(format!(
                "a page of another site may not do this (Origin: {})",
                shown(origin)
            )));
        }
    }
    Ok(())
}

/// What shows that the request did not come straight from this machine.
fn proxied(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    if let Some(name) = headers.keys().find(|name| PROXY_HEADERS.contains(&name.as_str())) {
        return Some(format!("the header {name}"));
    }
    let hosts = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("?"));
    let foreign =
        hosts.chain(uri.authority().map(Authority::as_str)).find(|host| !is_loopback(host));
    foreign.map(|host| format!("the Host {}", shown(host)))
}

/// Whom the caller asked for, port included.
fn host_of<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let authority = uri.authority().map(Authority::as_str);
    authority.or_else(|| headers.get(header::HOST)?.to_str().ok())
}

fn is_loopback(host_and_port: &str) -> bool {
    let host = match host_and_port.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(':') =>
        {
            host
        }
        _ => host_and_port,
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_hosts_are_known_with_and_without_port() {
        for host in
            ["localhost", "LOCALHOST:4000", "127.0.0.1", "127.8.0.1:80", "[::1]", "[::1]:4000"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "127.0.0.1.example.com",
            "10.0.0.1:4000",
            "[::2]",
            "localhost.example.com",
            "?",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
