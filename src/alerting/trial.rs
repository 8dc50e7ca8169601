//! A test alert, sent outside the store: to see whether a destination is set up right.

use super::client::{Answer, Client};
use super::format::{Presentation, Subject};
use crate::config::Destination;
use crate::core::alert::{Alert, Kind};
use crate::core::frequency::{Frequency, Grace};
use crate::core::name::Name;
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
        let deadline = now - 1;
        let alert = Alert {
            service,
            kind: Kind::Overdue,
            about: deadline,
            created_at: now,
            outage_since: deadline,
            frequency,
            grace: Grace::ZERO,
            last_ping: Some(deadline - frequency.seconds()),
            deadline: Some(deadline),
            reason: None,
            uncertain: None,
        };
        let delivery = DueDelivery { seq: 0, id: alert.id(0), alert, attempts: 0 };
        match self.tell(destination, presentation, Subject::One(&delivery), now).await {
            Answer::Accepted => Ok(()),
            Answer::Refused { error } | Answer::Unable { error, .. } => Err(error),
        }
    }
}
