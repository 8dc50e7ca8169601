//! `overdue health`: whether the server that these settings describe answers, as an exit status for containers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::config::Config;
use crate::core::limits::HEALTH_SECONDS_MAX;

/// Why it is not well.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// Port 0 is another one each time.
    #[error(
        "it listens on a port of the system's choice, which only its greeting tells: set OVERDUE_LISTEN"
    )]
    NoPort,
    /// Nobody answers, or not in time.
    #[error("nothing answers at {url}: {reason}")]
    NoAnswer {
        /// Where it was asked.
        url: String,
        /// The innermost reason.
        reason: String,
    },
    /// The answer is not 200.
    #[error("{url} answers {status}")]
    NotWell {
        /// Where it was asked.
        url: String,
        /// The answer.
        status: reqwest::StatusCode,
    },
    /// The HTTP client cannot be made.
    #[error("cannot set up the HTTP client: {0}")]
    Client(#[from] crate::cluster::ClusterError),
}

/// Asks `/healthz` where the server would listen.
///
/// # Errors
/// [`HealthError`], which says why it is not well.
pub async fn check(config: &Config) -> Result<(), HealthError> {
    let address = reached_at(config.listen);
    if address.port() == 0 {
        return Err(HealthError::NoPort);
    }
    let url = format!("http://{address}/healthz");
    let client = crate::cluster::plain_client()?;
    let asked = client.get(&url).timeout(Duration::from_secs(HEALTH_SECONDS_MAX)).send().await;
    let answer = asked.map_err(|error| {
        let reason = crate::cluster::innermost(&error);
        HealthError::NoAnswer { url: url.clone(), reason }
    })?;
    match answer.status() {
        reqwest::StatusCode::OK => Ok(()),
        status => Err(HealthError::NotWell { url, status }),
    }
}

/// Who listens on every address is reached on loopback.
fn reached_at(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_on_loopback() {
        let reached = |listen: &str| reached_at(listen.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:4000"), "127.0.0.1:4000");
        assert_eq!(reached("[::]:4000"), "[::1]:4000");
        assert_eq!(reached("10.1.2.3:80"), "10.1.2.3:80");
    }
}
