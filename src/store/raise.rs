//! How alerts come into the database: each with an id that no other has, and a delivery to every destination that it
//! goes to.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection};

use tracing::{info, warn};

use super::batch::execute;
use super::{Rules, rows, sql};
use crate::core::alert::{Alert, Kind};
use crate::core::name::Name;

/// The deliveries in flight: (alert's seq, destination).
pub(super) type Flying = HashSet<(i64, String)>;

/// An alert that was raised, and its id.
pub(super) type Raised = (String, Alert);

/// Which destinations an alert goes to.
pub(super) enum To {
    /// All that want it.
    Everyone,
    /// Of those, the ones that were told of its outage.
    ThoseTold,
}

/// Logs what was raised.
pub(super) fn log(raised: &[Raised]) {
    for (id, alert) in raised {
        let (service, about) = (alert.service.as_str(), alert.about);
        let uncertain = alert.uncertain.is_some();
        match alert.kind {
            Kind::Overdue => warn!(%id, ?service, deadline = about, uncertain, "overdue"),
            Kind::Failed => {
                warn!(%id, ?service, at = about, exit_status = alert.exit_status, "failed");
            }
            Kind::Reminder => warn!(%id, ?service, since = alert.outage_since, "still overdue"),
            Kind::Recovered => {
                info!(%id, ?service, outage_seconds = alert.outage_seconds(), "recovered");
            }
        }
    }
}

/// Stores `alerts`, in their order.
pub(super) async fn raise(
    connection: &mut SqliteConnection,
    alerts: Vec<(Alert, To)>,
    rules: &Rules,
    flying: &Flying,
) -> Result<Vec<Raised>, sqlx::Error> {
    if alerts.is_empty() {
        return Ok(Vec::new());
    }
    let told = told(connection, &alerts, flying).await?;
    let mut addressed: Vec<(Alert, Vec<&str>)> = Vec::with_capacity(alerts.len());
    for (alert, to) in alerts {
        let wanted = rules.routes.iter().filter(|route| route.takes(&alert));
        let names = wanted.map(|route| route.destination.as_str());
        let is_told = |name: &&str| {
            let service = alert.service.as_str().to_owned();
            told.contains(&(service, alert.outage_since, (*name).to_owned()))
        };
        match to {
            To::Everyone => {
                let names = names.collect();
                addressed.push((alert, names));
            }
            To::ThoseTold => {
                let names: Vec<&str> = names.filter(is_told).collect();
                // Nobody has heard of the outage, so nobody needs to hear of its end.
                if !names.is_empty() {
                    addressed.push((alert, names));
                }
            }
        }
    }
    store(connection, addressed).await
}

async fn store(
    connection: &mut SqliteConnection,
    addressed: Vec<(Alert, Vec<&str>)>,
) -> Result<Vec<Raised>, sqlx::Error> {
    let occurrences = occurrences(connection, &addressed).await?;
    let (mut rows, mut deliveries, mut raised) = (Vec::new(), Vec::new(), Vec::new());
    for ((alert, names), occurrence) in addressed.into_iter().zip(occurrences) {
        let id = alert.id(occurrence);
        rows.push(rows::alert_values(&id, occurrence, &alert));
        deliveries.extend(names.into_iter().map(|name| json!([id, name, alert.created_at])));
        raised.push((id, alert));
    }
    execute(connection, sql::ALERTS_STORE, &rows).await?;
    if !deliveries.is_empty() {
        execute(connection, sql::DELIVERIES_STORE, &deliveries).await?;
    }
    Ok(raised)
}

/// Who was told of the outages that end here: each service, its outage's beginning, and a destination.
async fn told(
    connection: &mut SqliteConnection,
    alerts: &[(Alert, To)],
    flying: &Flying,
) -> Result<HashSet<(String, i64, String)>, sqlx::Error> {
    let ending: Vec<Value> = alerts
        .iter()
        .filter(|(_, to)| matches!(to, To::ThoseTold))
        .map(|(alert, _)| json!([alert.service.as_str(), alert.outage_since]))
        .collect();
    if ending.is_empty() {
        return Ok(HashSet::new());
    }
    let found = sqlx::query(sql::DESTINATIONS_TOLD)
        .bind(json!(ending).to_string())
        .bind(json!(flying).to_string());
    let found = found.fetch_all(connection).await?;
    found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
}

/// How many alerts of the same service, kind and second came before each of `alerts`, in this batch or earlier.
async fn occurrences(
    connection: &mut SqliteConnection,
    alerts: &[(Alert, Vec<&str>)],
) -> Result<Vec<i64>, sqlx::Error> {
    let keys: Vec<Value> = alerts
        .iter()
        .map(|(alert, _)| json!([alert.service.as_str(), alert.kind.as_str(), alert.about]))
        .collect();
    let mut occurrences = vec![0; alerts.len()];
    let found = sqlx::query(sql::ALERTS_OCCURRENCE)
        .bind(json!(keys).to_string())
        .fetch_all(connection)
        .await?;
    for row in found {
        let (index, stored): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        if let Some(occurrence) =
            usize::try_from(index).ok().and_then(|index| occurrences.get_mut(index))
        {
            *occurrence = stored.unwrap_or(0);
        }
    }
    let mut seen: HashMap<(&Name, Kind, i64), i64> = HashMap::new();
    for ((alert, _), occurrence) in alerts.iter().zip(&mut occurrences) {
        let in_batch = seen.entry((&alert.service, alert.kind, alert.about)).or_default();
        *occurrence += *in_batch;
        *in_batch += 1;
    }
    Ok(occurrences)
}
