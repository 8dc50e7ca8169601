//! What was given up is sent again where somebody asks for it.

use serde_json::json;
use sqlx::{Connection as _, Row as _, SqliteConnection};
use tracing::info;

use super::raise::Flying;
use super::{Rules, sql};
use crate::core::alert::Kind;
use crate::core::retry::{GivenUp, Obstacle};

/// What came of asking for an alert to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retried {
    /// It is due at once.
    Again {
        /// To these destinations.
        destinations: Vec<String>,
    },
    /// There is no such alert.
    UnknownAlert,
    /// It was given up nowhere, or not at the one destination that was asked for.
    NotGivenUp,
    /// It was given up, but is not sent again.
    Refused {
        /// At this destination.
        destination: String,
        /// For this reason.
        obstacle: Obstacle,
    },
}

/// Makes due at `at` what was given up of the alert `id`, to `destination` or to all: those that nothing stands against.
pub(super) async fn retry(
    connection: &mut SqliteConnection,
    rules: &Rules,
    flying: &Flying,
    id: &str,
    destination: Option<&str>,
    at: i64,
) -> Result<Retried, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let known = sqlx::query(sql::alerts::ALERTS_ONE).bind(id);
    if known.fetch_optional(&mut *transaction).await?.is_none() {
        return Ok(Retried::UnknownAlert);
    }
    let given_up = given_up(&mut transaction, rules, flying, id).await?;
    let asked = |name: &String| destination.is_none_or(|destination| destination == name);
    let (mut again, mut refused) = (Vec::new(), None);
    for (name, given_up) in given_up.into_iter().filter(|(name, _)| asked(name)) {
        match given_up.obstacle() {
            None => again.push(name),
            Some(obstacle) => refused = Some(Retried::Refused { destination: name, obstacle }),
        }
    }
    if again.is_empty() {
        return Ok(refused.unwrap_or(Retried::NotGivenUp));
    }
    let due = sqlx::query(sql::alerts::DELIVERIES_RETRY).bind(id).bind(at);
    due.bind(json!(again).to_string()).execute(&mut *transaction).await?;
    transaction.commit().await?;
    info!(id, destinations = ?again, "sent again, as was asked for");
    Ok(Retried::Again { destinations: again })
}

/// The deliveries of the alert that were given up, by their destinations. One whose kind cannot be read is left out: it
/// could not be sent.
async fn given_up(
    connection: &mut SqliteConnection,
    rules: &Rules,
    flying: &Flying,
    id: &str,
) -> Result<Vec<(String, GivenUp)>, sqlx::Error> {
    let query =
        sqlx::query(sql::alerts::DELIVERIES_GIVEN_UP).bind(id).bind(json!(flying).to_string());
    let mut found = Vec::new();
    for row in query.fetch_all(connection).await? {
        let (destination, kind): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let Some(kind) = Kind::parse(&kind) else { continue };
        let has_destination = rules.routes.iter().any(|route| route.destination == destination);
        let given_up = GivenUp {
            kind,
            has_destination,
            is_of_deleted: row.try_get(2)?,
            end_was_told: row.try_get(3)?,
        };
        found.push((destination, given_up));
    }
    Ok(found)
}
