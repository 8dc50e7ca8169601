//! `overdue test-alert`: sends one alert and prints the answer.

use std::io::Write as _;

use clap::Args;

use crate::alerting::{Client, Presentation};
use crate::config::{Config, Destination};

/// Sends one alert to a destination, and prints the answer.
#[derive(Debug, Args)]
pub struct TestAlert {
    /// The destination's name; without one, every destination gets it
    destination: Option<String>,
    #[command(flatten)]
    pub(super) settings: crate::config::Settings,
}

impl TestAlert {
    /// Which of the settings' destinations are meant.
    ///
    /// # Errors
    /// A sentence that says which there are.
    pub(super) fn chosen(&self, config: &Config) -> Result<Vec<Destination>, String> {
        let destinations = &config.destinations;
        let is_meant = |name: &str| self.destination.as_deref().is_none_or(|wanted| wanted == name);
        let chosen: Vec<_> = destinations
            .iter()
            .filter(|destination| is_meant(&destination.name))
            .cloned()
            .collect();
        if !chosen.is_empty() {
            return Ok(chosen);
        }
        let names: Vec<&str> =
            destinations.iter().map(|destination| destination.name.as_str()).collect();
        Err(match &self.destination {
            Some(name) if !names.is_empty() => {
                format!("there is no destination {name:?}: there are {}", names.join(", "))
            }
            _ => "there is no destination: set PING_ALERT_URI, or add a [[destination]] to overdue.toml".to_owned(),
        })
    }
}

/// Sends a test alert to each of `destinations` at `now` and prints the answers; whether all accepted.
pub async fn send(
    destinations: &[Destination],
    client: &Client,
    presentation: &Presentation,
    now: i64,
) -> bool {
    let mut all_accepted = true;
    for destination in destinations {
        let answer = client.test(destination, presentation, now).await;
        let (said, accepted) = match answer {
            Ok(()) => ("accepted".to_owned(), true),
            Err(error) => (format!("not accepted: {error}"), false),
        };
        all_accepted &= accepted;
        // Nobody may be reading.
        let _ =
            writeln!(std::io::stdout(), "{} ({}): {said}", destination.name, destination.shown());
    }
    all_accepted
}
