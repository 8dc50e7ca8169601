//! What is on record of one name around a second: what `why` answers from.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::alerts::{AlertSeen, AttemptSeen, DeliverySeen, DeliveryState};
use super::reads::Reading;
use super::services::known;
use super::sql::record as sql;
use super::{Store, StoreError, alerts, record};
use crate::core::limits::{WHY_ALERTS_READ_MAX, WHY_GAPS_MAX, WHY_PINGS_MAX};
use crate::core::name::Name;
use crate::core::service::Service;
use crate::core::signal::{RunId, Signal};
use crate::core::why::{Facts, Heard, Sent, Standing, Told, Tried};

impl Store {
    /// What is on record around the second `at` of the service of this name or alias, as things stand at `now`. One that
    /// was deleted is known by its name.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn why(&self, name: &Name, at: i64, now: i64) -> Result<Facts, StoreError> {
        let name = name.clone();
        self.read(move |connection| -> Reading<'_, Facts> {
            Box::pin(facts(connection, name, at, now))
        })
        .await
    }
}

async fn facts(
    connection: &mut SqliteConnection,
    name: Name,
    at: i64,
    now: i64,
) -> Result<Facts, sqlx::Error> {
    let found = known(connection, name.as_str().to_owned()).await?;
    let is_unreadable = matches!(found, Some(Err(())));
    let service = found.and_then(Result::ok).map(|known| known.service);
    let name = service.as_ref().map_or(name, |service| service.name.clone());
    let (before, after) = match &service {
        Some(service) => heard(connection, service, at).await?,
        None => (Vec::new(), Vec::new()),
    };
    Ok(Facts {
        at,
        now,
        service,
        is_unreadable,
        before,
        after,
        changes: record::changes(connection, &name).await?,
        changes_since: sqlx::query_scalar(sql::CHANGES_OLDEST)
            .fetch_optional(&mut *connection)
            .await?,
        told: told(connection, sql::ALERTS_BEFORE, &name, at).await?,
        told_later: told(connection, sql::ALERTS_AFTER, &name, at).await?,
        gaps: record::gaps(connection, i64::MIN, at, WHY_GAPS_MAX).await?,
        name,
    })
}

/// The signals of `service` up to `at`, and the first that came later.
async fn heard(
    connection: &mut SqliteConnection,
    service: &Service,
    at: i64,
) -> Result<(Vec<Heard>, Vec<Heard>), sqlx::Error> {
    let (history, name) = (service.history, service.name.as_str());
    let query = sqlx::query(sql::PINGS_BEFORE).bind(history.newest).bind(history.signals);
    let query = query.bind(name).bind(WHY_PINGS_MAX).bind(at);
    let mut before = Vec::new();
    for row in query.fetch_all(&mut *connection).await? {
        before.extend(signal(&row)?);
    }
    before.reverse();
    let query = sqlx::query(sql::PINGS_AFTER).bind(history.newest).bind(history.signals);
    let after = query.bind(name).bind(at).fetch_optional(connection).await?;
    let after = after.map(|row| signal(&row)).transpose()?.flatten();
    Ok((before, after.into_iter().collect()))
}

/// A signal; `None` where hands have made it something else.
fn signal(row: &SqliteRow) -> Result<Option<Heard>, sqlx::Error> {
    let (word, status): (String, Option<i64>) = (row.try_get(3)?, row.try_get(4)?);
    let status = status.and_then(|status| u8::try_from(status).ok());
    let signal = status.map_or_else(|| Signal::parse(&word), |status| Ok(Signal::Exit(status)));
    let Ok(signal) = signal else { return Ok(None) };
    let run: Option<String> = row.try_get(5)?;
    Ok(Some(Heard {
        number: row.try_get(0)?,
        at: row.try_get(1)?,
        received_at: row.try_get(2)?,
        signal,
        run: run.and_then(|run| RunId::parse(run).ok()),
        key: row.try_get(6)?,
    }))
}

/// Alerts in their order, with what became of each.
async fn told(
    connection: &mut SqliteConnection,
    statement: &'static str,
    name: &Name,
    at: i64,
) -> Result<Vec<Told>, sqlx::Error> {
    let query = sqlx::query(statement).bind(name.as_str()).bind(at).bind(WHY_ALERTS_READ_MAX);
    let found = query.fetch_all(&mut *connection).await?;
    let seen = alerts::seen(connection, &found).await?;
    let mut told: Vec<Told> = seen.into_iter().map(Told::from).collect();
    told.sort_by_key(|told| told.seq);
    Ok(told)
}

impl From<AlertSeen> for Told {
    fn from(seen: AlertSeen) -> Self {
        let AlertSeen { seq, id, alert, deliveries } = seen;
        Self { seq, id, alert, sent: deliveries.into_iter().map(Sent::from).collect() }
    }
}

impl From<DeliverySeen> for Sent {
    fn from(seen: DeliverySeen) -> Self {
        let standing = match (seen.state, seen.next_attempt) {
            (DeliveryState::Delivered, _) => Standing::Delivered,
            (DeliveryState::Pending, Some(at)) => Standing::Pending(at),
            (DeliveryState::Pending | DeliveryState::GivenUp, _) => {
                Standing::GivenUp(seen.last_error)
            }
        };
        let tried = seen.attempts.into_iter().map(Tried::from).collect();
        Self { destination: seen.destination, standing, tried }
    }
}

impl From<AttemptSeen> for Tried {
    fn from(seen: AttemptSeen) -> Self {
        let AttemptSeen { number, count, first_at, last_at, accepted, answer } = seen;
        Self { number, count, first_at, last_at, accepted, answer }
    }
}
