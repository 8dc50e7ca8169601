//! The HTTP client of alerts: no redirects, no proxies, a bound on time, and no body read.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use url::Url;

use super::format::{self, Message, Presentation, Subject};
use super::mail;
use crate::config::{AlertFormat, Destination};
use crate::core::alert::Alert;
use crate::core::limits::{
    DELIVERY_CONNECT_SECONDS_MAX, DELIVERY_ERROR_CHARS_MAX, DELIVERY_SECONDS_MAX,
};
use crate::core::retry;

/// What a destination made of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Any 2xx.
    Accepted {
        /// In the same words as what is said of the others.
        answer: String,
    },
    /// It answered, but did not want this one.
    Refused { error: String },
    /// It did not answer, or said that it cannot take anything now.
    Unable {
        error: String,
        /// How long it asks to be left alone.
        retry_after_seconds: Option<i64>,
    },
}

impl Answer {
    /// To a message that the destination's format has no words for.
    pub(super) fn unsent() -> Self {
        Self::Accepted { answer: "nothing was sent: its format has no words for this".to_owned() }
    }

    pub(super) fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }
}

/// That no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The TLS library refused its configuration.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP library refused its configuration.
    #[error("cannot set up the HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

/// A client; cheap to clone, and sharing its connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    authorities: Arc<[CertificateDer<'static>]>,
}

impl Client {
    /// A client that trusts the compiled-in certificate authorities.
    ///
    /// # Errors
    /// [`ClientError`], which does not happen unless this program is broken.
    pub fn new() -> Result<Self, ClientError> {
        Self::trusting(&[])
    }

    /// A client that trusts these certificate authorities, too.
    ///
    /// # Errors
    /// The same, and that one of them is no certificate.
    pub fn trusting(authorities: &[CertificateDer<'static>]) -> Result<Self, ClientError> {
        let http = client_builder(authorities)?.no_proxy().build()?;
        Ok(Self { http, authorities: authorities.into() })
    }

    /// Tells `destination` of `subject` at `now`.
    pub(super) async fn tell(
        &self,
        destination: &Destination,
        presentation: &Presentation,
        subject: Subject<'_>,
        now: i64,
    ) -> Answer {
        if destination.format == AlertFormat::Email {
            return mail::tell(destination, &self.authorities, presentation, subject, now).await;
        }
        match format::message(destination, presentation, subject, now) {
            Some(message) => self.send(message, destination.timeout_seconds, now).await,
            None => Answer::unsent(),
        }
    }

    /// Tells `destination`, which forgets, of outages that last at `now`.
    pub(super) async fn keep_up(
        &self,
        destination: &Destination,
        presentation: &Presentation,
        outages: &[(String, Alert)],
        now: i64,
    ) -> Answer {
        match format::upkeep(destination, presentation, outages, now) {
            Some(message) => self.send(message, destination.timeout_seconds, now).await,
            None => Answer::unsent(),
        }
    }

    /// Asks for `uri` at `now`.
    pub(super) async fn get(&self, uri: Url, now: i64) -> Answer {
        let message = Message { uri, body: None, content_type: "", headers: Vec::new() };
        self.send(message, DELIVERY_SECONDS_MAX, now).await
    }

    async fn send(&self, message: Message, timeout_seconds: u64, now: i64) -> Answer {
        let mut request = match message.body {
            None => self.http.get(message.uri),
            Some(body) => {
                self.http.post(message.uri).header(CONTENT_TYPE, message.content_type).body(body)
            }
        };
        for (name, value) in message.headers {
            request = request.header(name, value);
        }
        match request.timeout(Duration::from_secs(timeout_seconds)).send().await {
            Ok(response) => answer(&response, now),
            Err(error) => {
                Answer::Unable { error: why(&error, timeout_seconds), retry_after_seconds: None }
            }
        }
    }
}

/// What every client of this program has: it trusts the compiled-in certificate authorities and these, follows no
/// redirect, and does not wait long for a connection.
///
/// # Errors
/// [`ClientError`]: one of the authorities is no certificate, or this program is broken.
pub fn client_builder(
    authorities: &[CertificateDer<'static>],
) -> Result<reqwest::ClientBuilder, ClientError> {
    let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    for authority in authorities {
        roots.add(authority.clone())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(DELIVERY_CONNECT_SECONDS_MAX))
        .user_agent(concat!("overdue/", env!("CARGO_PKG_VERSION"))))
}

fn answer(response: &Response, now: i64) -> Answer {
    let error = || format!("it answered {}", response.status());
    match response.status().as_u16() {
        200..=299 => Answer::Accepted { answer: error() },
        408 | 425 | 429 | 500..=599 => {
            let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let retry_after_seconds = asked.and_then(|text| retry::after_seconds(text, now));
            Answer::Unable { error: error(), retry_after_seconds }
        }
        _ => Answer::Refused { error: error() },
    }
}

/// The innermost reason, without the URI, in which secrets may stand.
pub fn why(error: &reqwest::Error, timeout_seconds: u64) -> String {
    if error.is_timeout() {
        return format!("no answer within {timeout_seconds} s");
    }
    let mut reason: &dyn std::error::Error = error;
    while let Some(inner) = reason.source() {
        reason = inner;
    }
    let what = if error.is_connect() { "no connection" } else { "no answer" };
    format!("{what}: {}", explained(reason)).chars().take(DELIVERY_ERROR_CHARS_MAX).collect()
}

/// A reason, and where an authority is not known, how to make it known: TLS says that in one word.
pub(super) fn explained(reason: &dyn std::error::Error) -> String {
    let reason = reason.to_string();
    if reason.ends_with("UnknownIssuer") {
        return format!(
            "{reason}: to trust an authority of your own, name its file in SSL_CERT_FILE"
        );
    }
    reason
}
