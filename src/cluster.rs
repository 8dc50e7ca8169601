//! The role of this machine, as LiteFS tells it: `/events` says at once when it changes, and `/info` is asked every
//! second, so that the age of what is known is known too.
//!
//! Neither a write that succeeds nor one that fails tells the role: on a replica `BEGIN IMMEDIATE` succeeds, and so does
//! a write that matches no rows. So LiteFS is asked, and whatever writes asks what it said.

use std::time::Duration;

use reqwest::{Client, Response};
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;

use crate::clock::Clock;
use crate::core::limits::{
    PRIMARY_NAME_BYTES_MAX, ROLE_ANSWER_BYTES_MAX, ROLE_ANSWER_MS_MAX, ROLE_POLL_MS, ROLE_RETRY_MS,
    ROLE_SETTLE_MS_MAX,
};
use crate::core::role::{Role, Standing};

/// That LiteFS did not say what the role is.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// It did not answer, or not as an HTTP server.
    #[error("LiteFS does not answer at {url}: {reason}")]
    NoAnswer {
        /// Where it was asked.
        url: Url,
        /// The innermost reason.
        reason: String,
    },
    /// It answered something else.
    #[error("what answers at {url} is not LiteFS's API: {reason}")]
    NotLitefs {
        /// Where it was asked.
        url: Url,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The TLS library refused its configuration.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP library refused its configuration.
    #[error("cannot set up the HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

/// The answer of `/info`, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    is_primary: bool,
    primary: Option<Named>,
}

#[derive(Debug, Deserialize)]
struct Named {
    hostname: Option<String>,
}

/// A line of `/events`. Transactions are lines too, with data of another shape.
#[derive(Debug, Deserialize)]
struct Event {
    r#type: String,
    #[serde(default)]
    data: serde_json::Value,
}

/// A client for plain HTTP to this machine: no proxies, no redirects.
///
/// # Errors
/// That none can be made, which does not happen unless this program is broken.
pub fn plain_client() -> Result<Client, ClusterError> {
    // It speaks plain HTTP; the library wants to know all the same.
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_millis(ROLE_ANSWER_MS_MAX))
        .build()?;
    Ok(client)
}

/// The innermost reason of an error.
pub fn innermost(error: &reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(inner) = reason.source() {
        reason = inner;
    }
    reason.to_string()
}

/// Listens to LiteFS, and tells the role to all who watch.
pub struct Cluster {
    url: Url,
    client: Client,
    clock: Clock,
    standing: watch::Sender<Standing>,
}

impl Cluster {
    /// One that asks LiteFS's API at `url`.
    ///
    /// # Errors
    /// That no HTTP client can be made, which does not happen unless this program is broken.
    pub fn new(url: Url, clock: Clock) -> Result<Self, ClusterError> {
        let client = plain_client()?;
        Ok(Self { url, client, clock, standing: watch::Sender::new(Standing::UNKNOWN) })
    }

    /// What it knows, from now on.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Asks once, and tells what it was told.
    ///
    /// # Errors
    /// That LiteFS did not say.
    pub async fn step(&self) -> Result<Role, ClusterError> {
        let response = self.get("info").timeout(Duration::from_millis(ROLE_ANSWER_MS_MAX)).send();
        let response = response.await.and_then(Response::error_for_status);
        let body = self.body(response.map_err(|error| self.no_answer(&error))?).await?;
        let info: Info =
            serde_json::from_slice(&body).map_err(|error| self.not_litefs(error.to_string()))?;
        let role = if info.is_primary {
            Role::Primary
        } else {
            replica(info.primary.and_then(|primary| primary.hostname))
        };
        self.tell(role.clone());
        Ok(role)
    }

    /// Asks until it is told who the primary is, but not for long; what it was told last.
    ///
    /// # Errors
    /// That LiteFS did not say what this machine is.
    pub async fn settle(&self) -> Result<Role, ClusterError> {
        let tries = ROLE_SETTLE_MS_MAX / ROLE_RETRY_MS;
        for _ in 1..tries {
            match self.step().await {
                Ok(role) if role.may_write() || role.elsewhere().is_some() => return Ok(role),
                _ => tokio::time::sleep(Duration::from_millis(ROLE_RETRY_MS)).await,
            }
        }
        self.step().await
    }

    /// Listens until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut is_answering = true;
        let mut events: Option<Events> = None;
        loop {
            let answer = tokio::select! {
                () = stop.cancelled() => return,
                answer = self.step() => answer,
            };
            if let Err(error) = &answer
                && is_answering
            {
                warn!(%error, "the role is not known until it does");
            }
            is_answering = answer.is_ok();
            let pause = if is_answering { ROLE_POLL_MS } else { ROLE_RETRY_MS };
            if is_answering && events.is_none() {
                events = self.listen().await;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(pause)) => {}
                heard = next_role(&mut events) => match heard {
                    // That it is no longer primary counts at once; that it is, only if it says so now.
                    Some(role) if role != Role::Primary => self.tell(role),
                    Some(_) => {}
                    None => events = None,
                },
            }
        }
    }

    /// Opens the stream of events, if LiteFS has one to give; else asking every second has to do.
    async fn listen(&self) -> Option<Events> {
        let patience = Duration::from_millis(ROLE_ANSWER_MS_MAX);
        let response =
            tokio::time::timeout(patience, self.get("events").send()).await.ok()?.ok()?;
        let response = response.error_for_status().ok()?;
        Some(Events { response, waiting: Vec::new() })
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        let mut url = self.url.clone();
        url.set_path(path);
        self.client.get(url)
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, ClusterError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.no_answer(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > ROLE_ANSWER_BYTES_MAX {
                return Err(self.not_litefs(format!("over {ROLE_ANSWER_BYTES_MAX} bytes")));
            }
        }
        Ok(body)
    }

    fn tell(&self, role: Role) {
        let now = self.clock.now();
        let before = self.standing.borrow().role(now);
        if before != role {
            let (is, was) = (role.as_str(), before.as_str());
            info!(is, was, primary = role.elsewhere(), "the role has changed");
        }
        self.standing.send_modify(|standing| *standing = standing.heard(role, now));
    }

    fn no_answer(&self, error: &reqwest::Error) -> ClusterError {
        let reason = error
            .status()
            .map_or_else(|| innermost(error), |status| format!("it answers {status}"));
        ClusterError::NoAnswer { url: self.url.clone(), reason }
    }

    fn not_litefs(&self, reason: String) -> ClusterError {
        ClusterError::NotLitefs { url: self.url.clone(), reason }
    }
}

/// The stream of events, and what has come of the next line.
struct Events {
    response: Response,
    waiting: Vec<u8>,
}

impl Events {
    /// The role that the next event tells of; `None`: there will be no more.
    async fn next(&mut self) -> Option<Role> {
        loop {
            while let Some(end) = self.waiting.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.waiting.drain(..=end).collect();
                if let Some(role) = told(&line) {
                    return Some(role);
                }
            }
            if self.waiting.len() > ROLE_ANSWER_BYTES_MAX {
                return None;
            }
            let chunk = self.response.chunk().await.ok()??;
            self.waiting.extend_from_slice(&chunk);
        }
    }
}

/// Without a stream there is nothing to wait for.
async fn next_role(events: &mut Option<Events>) -> Option<Role> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

/// The role that a line of the events tells of, if it is about that.
fn told(line: &[u8]) -> Option<Role> {
    let event: Event = serde_json::from_slice(line).ok()?;
    if !matches!(event.r#type.as_str(), "init" | "primaryChange") {
        return None;
    }
    if event.data.get("isPrimary")?.as_bool()? {
        return Some(Role::Primary);
    }
    let hostname = event.data.get("hostname").and_then(serde_json::Value::as_str);
    Some(replica(hostname.map(str::to_owned)))
}

/// A replica of the machine with this name. One that is empty is none, and one that is out of bounds cannot be passed
/// on.
fn replica(primary: Option<String>) -> Role {
    let is_name = |name: &String| {
        (1..=PRIMARY_NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';')
    };
    Role::Replica { primary: primary.filter(is_name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_litefs_writes_them() {
        let of = |name: &str| Some(replica(Some(name.to_owned())));
        assert_eq!(told(br#"{"type":"init","data":{"isPrimary":true}}"#), Some(Role::Primary));
        assert_eq!(
            told(br#"{"type":"init","data":{"isPrimary":false,"hostname":"node1"}}"#),
            of("node1")
        );
        assert_eq!(
            told(br#"{"type":"primaryChange","data":{"isPrimary":false}}"#),
            Some(Role::Replica { primary: None })
        );
        assert_eq!(
            told(br#"{"type":"tx","db":"overdue.db","data":{"txID":"0000000000000001"}}"#),
            None
        );
        assert_eq!(told(b"nonsense"), None);
    }

    #[test]
    fn a_name_that_would_break_a_header_is_not_passed_on() {
        for name in ["", "a;app=other", "a b", "a\r\nb", &"x".repeat(256)] {
            assert_eq!(replica(Some(name.to_owned())), Role::Replica { primary: None });
        }
    }
}
