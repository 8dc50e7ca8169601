//! `overdue delete`: has the monitor forget a service.

use std::io::Write as _;

use clap::Args;

use super::client::{Monitor, MonitorArgs, Outcome};
use super::message;
use crate::core::name::Name;

/// Have the monitor forget a service, with its history and the alerts that were not sent yet
#[derive(Clone, Debug, Args)]
pub(super) struct DeleteArgs {
    /// The service's name
    name: String,
    #[command(flatten)]
    monitor: MonitorArgs,
}

impl DeleteArgs {
    /// What is to be done.
    ///
    /// # Errors
    /// A sentence about the argument that is wrong.
    pub(super) fn resolve(&self) -> Result<Delete, String> {
        let name = Name::parse(self.name.as_str())
            .map_err(|error| format!("the name {:?} {error}", self.name))?;
        Ok(Delete { name, monitor: self.monitor.resolve()? })
    }
}

/// A service to be forgotten, and by whom.
#[derive(Debug)]
pub struct Delete {
    name: Name,
    monitor: Monitor,
}

/// Has it forgotten, and says so; whether it was.
pub async fn delete(delete: &Delete) -> bool {
    let Delete { name, monitor } = delete;
    let (method, target) = message::deletion(name);
    let outcome = monitor.send(method, &target, None, monitor.timeout).await;
    let server = monitor.server().trim_end_matches('/');
    // Nobody may be reading.
    let _ = match &outcome {
        Outcome::Accepted => writeln!(std::io::stdout(), "{:?} is forgotten", name.as_str()),
        Outcome::Older(said) | Outcome::Refused { said, .. } => {
            writeln!(
                std::io::stderr(),
                "overdue: {server} did not delete {:?}: {said}",
                name.as_str()
            )
        }
        Outcome::Unable { error, .. } => {
            writeln!(
                std::io::stderr(),
                "overdue: {server} could not be asked to delete {:?}: {error}",
                name.as_str()
            )
        }
    };
    outcome == Outcome::Accepted
}
