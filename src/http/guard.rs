//! Who may call at all, before any key: browsers on strangers' pages may not write, and without `OVERDUE_OPEN`
//! nobody comes through a proxy.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::Response;

use super::Api;
use super::problem::{Problem, shown};

/// Headers that only a proxy adds.
const PROXY_HEADERS: [&str; 3] = ["forwarded", "x-forwarded-for", "fly-client-ip"];

/// Refuses what a proxy passed on, unless the server is open. A Host that is not loopback tells of one too, or of a
/// page that had its own name resolved to this machine (DNS rebinding).
pub(super) async fn refuse_proxied(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !api.0.open
        && let Some(sign) = proxied(request.headers(), request.uri())
    {
        return Err(Problem::Forbidden(format!(
            "this server answers its own machine only, and the request has {sign}: set OVERDUE_OPEN=true to serve others"
        )));
    }
    Ok(next.run(request).await)
}

/// Refuses to write for a page of another site: its visitors' browsers would be its hands.
pub(super) async fn refuse_strangers_pages(
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let headers = request.headers();
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return Err(Problem::Forbidden(
            "a page of another site may not do this (Sec-Fetch-Site: cross-site)".to_owned(),
        ));
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let host = origin.split_once("://").map(|(_, host)| host);
        if host.is_none() || host != host_of(headers, request.uri()) {
            return Err(Problem::Forbidden(format!(
                "a page of another site may not do this (Origin: {})",
                shown(origin)
            )));
        }
    }
    Ok(next.run(request).await)
}

/// What shows that the request did not come straight from this machine.
fn proxied(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    if let Some(name) = PROXY_HEADERS.into_iter().find(|name| headers.contains_key(*name)) {
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
