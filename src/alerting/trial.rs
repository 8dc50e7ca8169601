//! A test alert, sent outside the store: to see whether a destination is set up right.

use super::client::{Answer, Client};
use super::format::{Presentation, Subject};
use crate::config::Destination;
use crate::core::alert::{Alert, Kind};
use crate::core::frequency::{Frequency, Grace};
use crate::core::name::Name;
use crate::core::schedule::Schedule;
use crate::core::service::Service;
use crate::store::DueDelivery;

/// What the test alert says has fallen silent.
const SERVICE: &str = "this is a test";

impl Client {
    /// Sends a test alert to `destination` at `now`.
    ///
    /// # Errors
    /// Why it was not accepted.
    pub async fn test(
        &self,
        destination: &Destination,
        presentation: &Presentation,
        now: i64,
    ) -> Result<(), String> {
        let service = Name::parse(SERVICE).map_err(|error| error.to_string())?;
        let frequency = Frequency::parse("1D").map_err(|error| error.to_string())?;
        let (deadline, last_ping) = (now - 1, Some(now - 1 - frequency.seconds()));
        let service = Service {
            last_ping,
            last_success: last_ping,
            deadline: Some(deadline),
            ..Service::new(service, Schedule::Every(frequency), Grace::ZERO)
        };
        let alert = Alert::of(&service, Kind::Overdue, deadline, deadline, now);
        let delivery =
            DueDelivery { seq: 0, id: alert.id(0), alert, attempts: 0, retried_at: None };
        match self.tell(destination, presentation, Subject::One(&delivery), now).await {
            Answer::Accepted { .. } => Ok(()),
            Answer::Refused { error } | Answer::Unable { error, .. } => Err(error),
        }
    }
}
