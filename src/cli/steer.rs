//! `overdue pause` and `overdue resume`.

use std::io::Write as _;

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;

use super::client::{Monitor, MonitorArgs, Outcome};
use crate::core::name::{Name, segment};

/// What is to be done to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Nothing is expected of it.
    Pause,
    /// Its next ping is expected.
    Resume,
}

/// Which service is meant, and of which monitor.
#[derive(Clone, Debug, Args)]
pub(super) struct SteerArgs {
    /// The service's name, or an alias
    name: String,
    #[command(flatten)]
    monitor: MonitorArgs,
}

impl SteerArgs {
    /// What is to be done.
    ///
    /// # Errors
    /// A sentence about the argument that is wrong.
    pub(super) fn resolve(&self, verb: Verb) -> Result<Steer, String> {
        let name = Name::parse(self.name.as_str())
            .map_err(|error| format!("the name {:?} {error}", self.name))?;
        Ok(Steer { name, verb, monitor: self.monitor.resolve()? })
    }
}

/// What is to be done to which service, and by whom.
#[derive(Debug)]
pub struct Steer {
    name: Name,
    verb: Verb,
    monitor: Monitor,
}

/// Has it done, and says so; whether it was.
pub async fn steer(steer: &Steer) -> bool {
    let Steer { name, verb, monitor } = steer;
    let (word, done) = match verb {
        Verb::Pause => ("pause", "paused"),
        Verb::Resume => ("resume", "expected again"),
    };
    let segment = utf8_percent_encode(&segment(name.as_str()), NON_ALPHANUMERIC).to_string();
    let target = format!("api/v1/services/{segment}/{word}");
    let outcome = monitor.send(Method::POST, &target, None, monitor.timeout).await;
    let name = name.as_str();
    // Nobody may be reading.
    let _ = match &outcome {
        Outcome::Accepted => writeln!(std::io::stdout(), "{name:?} is {done}"),
        Outcome::Older(why)
        | Outcome::Refused { said: why, .. }
        | Outcome::Unable { error: why, .. } => {
            let server = monitor.server().trim_end_matches('/');
            writeln!(std::io::stderr(), "overdue: {server} did not {word} {name:?}: {why}")
        }
    };
    outcome == Outcome::Accepted
}
