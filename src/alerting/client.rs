//! The HTTP client of alerts: no redirects, no proxies, a bound on time, and no body read.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderValue};

use super::format::Message;
use crate::core::limits::{
    DELIVERY_CONNECT_SECONDS_MAX, DELIVERY_ERROR_CHARS_MAX, DELIVERY_SECONDS_MAX,
};

/// What a destination made of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Any 2xx.
    Accepted,
    /// It answered, but did not want this one.
    Refused { error: String },
    /// It did not answer, or said that it cannot take anything now.
    Unable { error: String },
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
pub struct Client(reqwest::Client);

impl Client {
    /// A client that trusts the compiled-in certificate authorities.
    ///
    /// # Errors
    /// [`ClientError`], which does not happen unless this program is broken.
    pub fn new() -> Result<Self, ClientError> {
        let roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(DELIVERY_CONNECT_SECONDS_MAX))
            .timeout(Duration::from_secs(DELIVERY_SECONDS_MAX))
            .user_agent(concat!("overdue/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    pub(super) async fn send(&self, message: Message) -> Answer {
        let request = match message.json {
            None => self.0.get(message.uri),
            Some(json) => self
                .0
                .post(message.uri)
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(json),
        };
        // https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
        let request = request
            .header("webhook-id", message.id)
            .header("webhook-timestamp", message.sent_at.to_string());
        match request.send().await {
            Ok(response) => answer(response.status()),
            Err(error) => Answer::Unable { error: why(&error) },
        }
    }
}

fn answer(status: StatusCode) -> Answer {
    let error = || format!("it answered {status}");
    match status.as_u16() {
        200..=299 => Answer::Accepted,
        408 | 425 | 429 | 500..=599 => Answer::Unable { error: error() },
        _ => Answer::Refused { error: error() },
    }
}

/// The innermost reason, without the URI, in which secrets may stand.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {DELIVERY_SECONDS_MAX} s");
    }
    let mut reason: &dyn std::error::Error = error;
    while let Some(inner) = reason.source() {
        reason = inner;
    }
    let what = if error.is_connect() { "no connection" } else { "no answer" };
    format!("{what}: {reason}").chars().take(DELIVERY_ERROR_CHARS_MAX).collect()
}
