//! The monitor as those who ping it see it: one request, and what became of it.

use std::sync::OnceLock;
use std::time::Duration;

use clap::Args;
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::time::Instant;
use url::{Host, Url};

use super::message::Message;
use super::sink::escaped;
use crate::alerting::{client_builder, why};
use crate::clock::Clock;
use crate::config::{self, Environment};
use crate::core::frequency::Frequency;
use crate::core::limits::{
    ANSWER_BYTES_MAX, LIST_BYTES_MAX, TELLING_PAUSE_MS_MAX, TELLING_PAUSE_MS_MIN,
    TELLING_SECONDS_MAX,
};
use crate::core::retry;

/// Where a monitor is unless told otherwise.
const LOCAL: &str = "http://127.0.0.1:4000";

#[allow(clippy::doc_markdown, reason = "these are the words of --help, where backticks would show")]
/// Which monitor is meant, as it is written.
#[derive(Clone, Debug, Args)]
pub(super) struct MonitorArgs {
    /// The monitor's address [default: http://127.0.0.1:4000]
    #[arg(long, env = "OVERDUE_URL", value_name = "URL", hide_env_values = true)]
    url: Option<String>,
    /// The key that the monitor asks for; better in the variable, as others see the arguments of a command
    #[arg(long, env = "OVERDUE_KEY", value_name = "KEY", hide_env_values = true)]
    key: Option<String>,
    /// How long the monitor may take to hear of it, 10s at most [default: 10s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
}

impl MonitorArgs {
    /// The monitor that is meant.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub(super) fn resolve(&self) -> Result<Monitor, String> {
        // Set but empty means not set, as compose files and units write it.
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let key = given(&self.key).map(|key| bearer(&key)).transpose()?;
        let timeout = match &self.timeout {
            None => TELLING_SECONDS_MAX,
            Some(text) => timeout_seconds(text)?,
        };
        Ok(Monitor {
            base: base(given(&self.url).as_deref().unwrap_or(LOCAL))?,
            key,
            timeout: Duration::from_secs(timeout.unsigned_abs()),
            http: OnceLock::new(),
        })
    }
}

fn timeout_seconds(text: &str) -> Result<i64, String> {
    let seconds = Frequency::parse(text).map_err(|error| format!("--timeout {text:?} {error}"))?;
    if seconds.seconds() > TELLING_SECONDS_MAX {
        return Err(format!("--timeout {text:?} is too long: use {TELLING_SECONDS_MAX}s or less"));
    }
    Ok(seconds.seconds())
}

/// The address with a path that ends in `/`, so that others can be put behind it.
fn base(text: &str) -> Result<Url, String> {
    let is_address = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    // It is not shown: who writes a key into it would find it in a log.
    let mut url = Url::parse(text).ok().filter(is_address).ok_or(
        "the monitor's address (--url or OVERDUE_URL) is not right: use one like http://127.0.0.1:4000, and give the key in OVERDUE_KEY",
    )?;
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// The header that carries the key.
fn bearer(key: &str) -> Result<HeaderValue, String> {
    let wrong = |_| "the key (--key or OVERDUE_KEY) holds characters that no key has: use letters, digits and signs of ASCII";
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(wrong)?;
    value.set_sensitive(true);
    Ok(value)
}

/// What the monitor made of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is on the monitor's disk.
    Accepted,
    /// The monitor knows of a newer ping.
    Older(String),
    /// It does not want it, and never will.
    Refused {
        /// The status that it answered.
        status: u16,
        /// What it said.
        said: String,
    },
    /// It did not answer, or cannot take anything now.
    Unable {
        /// Why.
        error: String,
        /// Whether there was nobody to talk to at all.
        is_away: bool,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
}

/// A monitor, and the key for it.
#[derive(Debug)]
pub(super) struct Monitor {
    base: Url,
    key: Option<HeaderValue>,
    /// How long it may take to hear of something.
    pub(super) timeout: Duration,
    http: OnceLock<Result<reqwest::Client, String>>,
}

impl Monitor {
    /// Its address, which holds no secret.
    pub(super) fn server(&self) -> &str {
        self.base.as_str()
    }

    /// Sends `message`, and tries again what could not be sent, until `deadline`.
    pub(super) async fn tell(&self, message: &Message, deadline: Instant) -> Outcome {
        let mut pause = Duration::from_millis(TELLING_PAUSE_MS_MIN);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let outcome = self.post(message, left).await;
            let Outcome::Unable { retry_after, .. } = &outcome else { return outcome };
            let wait = pause.max(retry_after.unwrap_or_default());
            if Instant::now() + wait >= deadline {
                return outcome;
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(Duration::from_millis(TELLING_PAUSE_MS_MAX));
        }
    }

    /// Sends `message` once.
    pub(super) async fn post(&self, message: &Message, timeout: Duration) -> Outcome {
        let started = Instant::now();
        let outcome =
            self.send(Method::POST, &message.with_timestamp(), message.log.clone(), timeout).await;
        match &outcome {
            // A machine whose clock is ahead has run its job all the same. Nothing was stored, so nothing counts twice.
            Outcome::Refused { status: 400, said }
                if message.is_now && said.starts_with("timestamp ") =>
            {
                let left = timeout.saturating_sub(started.elapsed());
                self.send(Method::POST, &message.target, message.log.clone(), left).await
            }
            _ => outcome,
        }
    }

    /// Reads what stands at `target`, a path and query below the address.
    ///
    /// # Errors
    /// Why it could not be read, as the end of a sentence.
    pub(super) async fn read(&self, target: &str) -> Result<Value, String> {
        let http = self.http.get_or_init(|| http(&self.base)).as_ref().map_err(Clone::clone)?;
        let mut request = http.get(format!("{}{target}", self.base)).timeout(self.timeout);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key.clone());
        }
        let seconds = self.timeout.as_secs().max(1);
        let mut response = request.send().await.map_err(|error| why(&error, seconds))?;
        if !response.status().is_success() {
            return Err(said(response).await);
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| why(&error, seconds))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LIST_BYTES_MAX {
                return Err("it answered too much".to_owned());
            }
        }
        serde_json::from_slice(&bytes)
            .map_err(|_| "its answer is not JSON: is it overdue?".to_owned())
    }

    /// Sends a request to `target`, a path and query below the address.
    pub(super) async fn send(
        &self,
        method: Method,
        target: &str,
        body: Option<Vec<u8>>,
        timeout: Duration,
    ) -> Outcome {
        let unable = |error| Outcome::Unable { error, is_away: true, retry_after: None };
        let http = match self.http.get_or_init(|| http(&self.base)) {
            Ok(http) => http,
            Err(error) => return unable(error.clone()),
        };
        let mut request = http.request(method, format!("{}{target}", self.base)).timeout(timeout);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key.clone());
        }
        match request.body(body.unwrap_or_default()).send().await {
            Ok(response) => outcome(response).await,
            Err(error) => Outcome::Unable {
                error: why(&error, timeout.as_secs().max(1)),
                is_away: error.is_connect(),
                retry_after: None,
            },
        }
    }
}

/// A client that trusts whom `SSL_CERT_FILE` names, too, and goes through the proxy that the environment names, but not
/// to this machine. What is wrong there is no reason for a command not to run, so it is told as a failure to connect.
fn http(base: &Url) -> Result<reqwest::Client, String> {
    let is_here = match base.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    };
    let variables = std::env::vars_os().collect();
    let environment = Environment { variables, folder: ".".into() };
    let authorities = config::authorities(&environment).map_err(|error| error.to_string())?;
    let builder = client_builder(&authorities).map_err(|error| error.to_string())?;
    let builder = if is_here { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| format!("cannot set up the HTTP client: {error}"))
}

async fn outcome(response: Response) -> Outcome {
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = after.and_then(|text| retry::after_seconds(text, Clock::system().now()));
    let retry_after = after.map(|seconds| Duration::from_secs(seconds.unsigned_abs()));
    match status.as_u16() {
        200..=299 => Outcome::Accepted,
        409 => Outcome::Older(said(response).await),
        408 | 429 | 500..=599 => {
            Outcome::Unable { error: format!("it answered {status}"), is_away: false, retry_after }
        }
        status => Outcome::Refused { status, said: said(response).await },
    }
}

/// What an answer says in words, else its status. Terminals obey control characters, so none is left.
async fn said(mut response: Response) -> String {
    let status = response.status();
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_BYTES_MAX {
            break;
        }
    }
    let json: Option<Value> = serde_json::from_slice(&bytes).ok();
    let detail = json.as_ref().and_then(|json| json.get("detail")).and_then(Value::as_str);
    detail.map_or_else(|| format!("it answered {status}"), escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_web_address_without_secrets_and_may_have_a_path() {
        for (text, whole) in [
            ("http://127.0.0.1:4000", "http://127.0.0.1:4000/"),
            ("https://example.com/monitor", "https://example.com/monitor/"),
            ("https://example.com/monitor/", "https://example.com/monitor/"),
        ] {
            assert_eq!(base(text).map(String::from).as_deref(), Ok(whole), "{text}");
        }
        for text in [
            "",
            "ftp://example.com",
            "127.0.0.1:4000",
            "localhost:4000",
            "https://user:secret@example.com",
            "https://example.com/?key=secret",
            "https://",
        ] {
            let said = base(text).unwrap_err();
            assert!(said.contains("OVERDUE_URL") && !said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn a_timeout_is_a_duration_of_ten_seconds_at_most() {
        assert_eq!(timeout_seconds("10s"), Ok(10));
        insta::assert_snapshot!(timeout_seconds("11s").unwrap_err(), @r#"--timeout "11s" is too long: use 10s or less"#);
        insta::assert_snapshot!(timeout_seconds("0s").unwrap_err(), @r#"--timeout "0s" is zero: use 1s or more"#);
        assert!(bearer("a\nb").unwrap_err().contains("OVERDUE_KEY"));
    }
}
