//! Sessions: what a browser shows in place of a key once its person has shown one.
//!
//! A cookie says which key opened the session and until when, and is signed with a secret that follows from the admin
//! keys and that very key. So nothing is stored, any machine with the same settings takes it, and it ends with the key.
//! Where no keys are set there is nothing to open; the cookie is then a random value that the tokens of forms go with.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use url::Url;

use crate::config::{Key, KeyKind, Keys};
use crate::core::limits::{SESSION_BYTES_MAX, SESSION_COOKIES_MAX, SESSION_SECONDS_MAX};

/// The cookie's name.
const COOKIE: &str = "overdue_session";

/// Bytes of chance in a cookie.
const NONCE_BYTES: usize = 18;

/// Who looks at a page, as an extension of every request to one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Visitor {
    /// Whether it may change and delete.
    pub(crate) may_change: bool,
    /// The label of the key that opened the session; `None`: there is none to end.
    pub(crate) session: Option<String>,
    /// When the session ends; `None`: it does not.
    pub(crate) until: Option<i64>,
    /// What its forms have to carry; empty where they need nothing, as the key itself came along.
    pub(crate) token: String,
    /// Whether what it sends has to carry the token.
    pub(super) needs_token: bool,
    /// A cookie that the answer is to set.
    pub(crate) new_cookie: Option<String>,
}

impl Visitor {
    /// One that has shown a key of this kind with the request itself.
    pub(crate) fn with_key(may_change: bool) -> Self {
        Self { may_change, ..Self::default() }
    }

    /// Whether `token` is that of its forms.
    pub(super) fn takes(&self, token: &str) -> bool {
        !self.needs_token || bool::from(self.token.as_bytes().ct_eq(token.as_bytes()))
    }
}

/// An open session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session<'a> {
    /// The key that opened it.
    pub(crate) key: &'a Key,
    until: i64,
    cookie: &'a str,
}

/// What signs sessions and tokens.
pub(crate) struct Sessions {
    session_secret: [u8; 32],
    token_secret: [u8; 32],
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions(…)")
    }
}

impl Sessions {
    pub(super) fn new(keys: &Keys) -> Self {
        Self {
            session_secret: keys.derived("sessions of pages"),
            token_secret: keys.derived("tokens of forms"),
        }
    }

    /// The session that a browser shows, if it is one of ours that lasts at `now` and its key is still there.
    pub(crate) fn find<'a>(
        &self,
        keys: &'a Keys,
        headers: &'a HeaderMap,
        now: i64,
    ) -> Option<Session<'a>> {
        cookies(headers).find_map(|cookie| self.read(keys, cookie, now))
    }

    fn read<'a>(&self, keys: &'a Keys, cookie: &'a str, now: i64) -> Option<Session<'a>> {
        let (signed, signature) = cookie.rsplit_once('.')?;
        let mut parts = signed.split('.');
        let mut next = || parts.next();
        let (kind, issued, until) = (next()?, next()?, next()?);
        let (issued, until): (i64, i64) = (issued.parse().ok()?, until.parse().ok()?);
        let label = URL_SAFE_NO_PAD.decode(next()?).ok()?;
        let label = std::str::from_utf8(&label).ok()?;
        let kind = [KeyKind::Read, KeyKind::Admin].into_iter().find(|one| one.as_str() == kind)?;
        let key = keys.labelled(kind, label).find(|key| {
            let right = self.signature(signed, key);
            bool::from(right.as_bytes().ct_eq(signature.as_bytes()))
        })?;
        let lasts = now < until && until <= issued.saturating_add(SESSION_SECONDS_MAX);
        lasts.then_some(Session { key, until, cookie })
    }

    /// The value of a cookie that opens a session with `key` at `now`.
    pub(super) fn open(&self, key: &Key, now: i64) -> Option<String> {
        let label = URL_SAFE_NO_PAD.encode(&key.label);
        let (kind, until) = (key.kind.as_str(), now + SESSION_SECONDS_MAX);
        let signed = format!("{kind}.{now}.{until}.{label}.{}", nonce()?);
        let signature = self.signature(&signed, key);
        Some(format!("{signed}.{signature}"))
    }

    /// The visitor of an open session.
    pub(crate) fn visitor(&self, session: Session<'_>) -> Visitor {
        Visitor {
            may_change: session.key.kind == KeyKind::Admin,
            session: Some(session.key.label.clone()),
            until: Some(session.until),
            token: self.token(session.cookie),
            needs_token: true,
            new_cookie: None,
        }
    }

    /// A visitor where no keys are set, whose cookie is made on the first visit.
    pub(crate) fn stranger(&self, headers: &HeaderMap) -> Visitor {
        let known = cookies(headers).next().map(str::to_owned);
        let new = if known.is_none() { nonce() } else { None };
        let token = known.as_ref().or(new.as_ref()).map(|cookie| self.token(cookie));
        Visitor {
            may_change: true,
            token: token.unwrap_or_default(),
            needs_token: true,
            new_cookie: new,
            ..Visitor::default()
        }
    }

    fn signature(&self, signed: &str, key: &Key) -> String {
        tag(&self.session_secret, &[key.digest(), signed.as_bytes()])
    }

    fn token(&self, cookie: &str) -> String {
        tag(&self.token_secret, &[cookie.as_bytes()])
    }
}

fn tag(secret: &[u8; 32], parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// What nobody can guess; `None` where the system has no chance to give.
fn nonce() -> Option<String> {
    let mut bytes = [0; NONCE_BYTES];
    rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// The values of our cookie that a browser sends; there may be several, as neighbours can set some too.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
        .filter(|value| !value.is_empty() && value.len() <= SESSION_BYTES_MAX)
        .take(SESSION_COOKIES_MAX)
}

/// The header that has a browser keep the cookie for so many seconds, 0 to forget it. It is for this server alone, no
/// script sees it, and no other site's form sends it along.
pub(crate) fn set_cookie(value: &str, seconds: i64, is_https: bool) -> Option<HeaderValue> {
    let secure = if is_https { "; Secure" } else { "" };
    let cookie =
        format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&cookie).ok()
}

/// Whether browsers reach this server by https: its address says so, or the proxy that passed the request on.
pub(crate) fn is_https(base_url: Option<&Url>, headers: &HeaderMap) -> bool {
    base_url.is_some_and(|url| url.scheme() == "https")
        || headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https")
}
