//! `/badge/{name}.svg`: the status of one service as a small picture, for pages of others. Where there are keys, its
//! address carries a signature of the name, so that whoever embeds it holds no key.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use super::keys::Door;
use super::problem::Problem;
use super::query::{self, Query};
use super::{Api, caller, guard};
use crate::config::{Key, KeyKind};
use crate::core::limits::BADGE_NAME_CHARS_MAX;
use crate::core::name::Name;
use crate::core::service::Status;

/// Keeps these signatures apart from whatever else a key signs.
const PURPOSE: &[u8] = b"overdue badge\n";

/// What a badge is served with: asked for afresh each time, shown on every page, and doing nothing by itself.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml; charset=utf-8")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, max-age=0")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    ),
];

/// `GET /badge/{name}.svg[?sig=…]`
pub(super) async fn badge(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let (parts, uri) = (&api.0, request.uri());
    let now = parts.clock.now();
    let file = query::last_segment(uri.path(), "name")?;
    let name = file.strip_suffix(".svg").ok_or_else(|| {
        Problem::NotFound("there is no such badge: its address ends in .svg".to_owned())
    })?;
    let sig = Query::parse(uri.query().unwrap_or_default()).get("sig")?;
    if !parts.door.has_keys() && !parts.open {
        guard::refuse_proxied(request.headers(), uri)?;
    }
    let is_signed = sig.is_some_and(|sig| is_signature(&parts.door, name, &sig));
    if parts.door.has_keys() && !is_signed {
        // Whether there is such a service is not told to those who may not know.
        if !request.headers().contains_key(header::AUTHORIZATION) {
            return Err(unknown());
        }
        let proxy_header = parts.client_ip_header.as_deref();
        let address = caller::address(request.headers(), request.extensions(), proxy_header);
        parts.door.admit(KeyKind::Read, request.headers(), uri, address, now)?;
    }
    let name = Name::parse(name).map_err(|_| unknown())?;
    let found = parts.store.service(&name).await;
    let known = found.map_err(|error| Problem::of_store(&error, name.as_str()))?;
    let status = known.ok_or_else(unknown)?.service.status(now);
    Ok((HEADERS, drawn(name.as_str(), status)).into_response())
}

fn unknown() -> Problem {
    Problem::NotFound(
        "there is no such badge: where keys are set its address carries ?sig=, as the service's page shows it"
            .to_owned(),
    )
}

/// Where the badge of `name` is, signed where there are keys. The signature is void once the key is gone: the first for
/// reading, or else the first admin key.
pub fn badge_target(api: &Api, name: &Name) -> String {
    let door = &api.0.door;
    let path = format!("/badge/{}.svg", utf8_percent_encode(name.as_str(), NON_ALPHANUMERIC));
    let mut keys = signing(door).collect::<Vec<_>>();
    keys.sort_by_key(|key| key.kind == KeyKind::Admin);
    match keys.first() {
        Some(key) => {
            let sig = mac(key, name.as_str()).finalize().into_bytes();
            format!("{path}?sig={}", URL_SAFE_NO_PAD.encode(sig))
        }
        None => path,
    }
}

/// The keys that may sign: those with which services can be read.
fn signing(door: &Door) -> impl Iterator<Item = &Key> {
    door.keys().iter().filter(|key| key.kind.allows(KeyKind::Read))
}

fn is_signature(door: &Door, name: &str, sig: &str) -> bool {
    let Ok(sig) = URL_SAFE_NO_PAD.decode(sig) else { return false };
    // Every key is tried, so that the time tells nothing.
    signing(door).filter(|key| mac(key, name).verify_slice(&sig).is_ok()).count() > 0
}

fn mac(key: &Key, name: &str) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.digest()).expect("HMAC takes keys of any length");
    mac.update(PURPOSE);
    mac.update(name.as_bytes());
    mac
}

/// How a status looks: its colour, and a shape of 10 by 10 that tells it from the others without colour.
fn look(status: Status) -> (&'static str, &'static str) {
    match status {
        Status::Up => ("#2e7d32", r#"<circle cx="5" cy="5" r="4"/>"#),
        Status::Late => ("#8f5f00", r#"<path d="M5 0l5 5-5 5-5-5z"/>"#),
        Status::Failed => ("#b3261e", r#"<path d="M5 1l5 8.5H0z"/>"#),
        Status::Overdue => ("#b3261e", r#"<path d="M1 1h8v8H1z"/>"#),
        Status::Waiting => (
            "#5f6368",
            r#"<circle cx="5" cy="5" r="3.5" fill="none" stroke="currentColor" stroke-width="1.5"/>"#,
        ),
        Status::Paused => ("#5f6368", r#"<path d="M1 1h3v8H1zM6 1h3v8H6z"/>"#),
    }
}

/// The picture. Widths are estimated, and the text is told to keep to them, as nobody knows the reader's font.
fn drawn(name: &str, status: Status) -> String {
    let mut label: String = name.chars().take(BADGE_NAME_CHARS_MAX).collect();
    if label.len() < name.len() {
        label.push('…');
    }
    let word = status.as_str();
    let (colour, shape) = look(status);
    let (label_width, word_width) = (width(&label), width(word));
    let (left, right) = (label_width + 12, word_width + 26);
    let (total, shape_at, word_at) = (left + right, left + 6, left + 20);
    let (name, label) = (escaped(name), escaped(&label));
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="20" role="img" aria-label="{name}: {word}">
<title>{name}: {word}</title>
<clipPath id="round"><rect width="{total}" height="20" rx="3"/></clipPath>
<g clip-path="url(#round)">
<path fill="#3c4043" d="M0 0h{left}v20H0z"/>
<path fill="{colour}" d="M{left} 0h{right}v20H{left}z"/>
</g>
<g fill="#fff" color="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">
<text x="6" y="14" textLength="{label_width}" lengthAdjust="spacingAndGlyphs">{label}</text>
<g transform="translate({shape_at} 5)">{shape}</g>
<text x="{word_at}" y="14" textLength="{word_width}" lengthAdjust="spacingAndGlyphs">{word}</text>
</g>
</svg>
"##
    )
}

/// About how wide a text is in Verdana of 11 pixels.
fn width(text: &str) -> usize {
    let tenths = text.chars().map(|c| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 38,
        'f' | 't' | 'r' | ' ' | '-' | '/' | '(' | ')' | '[' | ']' => 46,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 100,
        'A'..='Z' => 78,
        _ if c.is_ascii() => 68,
        // Half of the world's letters are as narrow as these, the others twice as wide.
        '\u{80}'..='\u{10ff}' => 68,
        _ => 120,
    });
    tenths.sum::<usize>().div_ceil(10)
}

/// A text as XML takes it: without what is markup, and without what XML has no place for
/// (<https://www.w3.org/TR/xml/#charsets>).
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            c if c.is_control() => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}
