//! What is read of alerts that were raised: their deliveries with every attempt, and the outages that they tell of.

use std::collections::HashMap;

use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use tracing::debug;

use super::reads::Reading;
use super::{Store, StoreError, rows, sql};
use crate::core::alert::{Alert, Kind, Reason};
use crate::core::limits::{LIST_LOOKED_AT_MAX, OUTAGE_ALERTS_MAX};
use crate::core::name::Name;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be tried, or tried again.
    Pending,
    /// It was accepted.
    Delivered,
    /// It is not tried again unless somebody asks for it.
    GivenUp,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::GivenUp];

    /// The word in the column `state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
        }
    }

    /// Reads the word in the column `state`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Attempts of one delivery that came one after the other and had the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptSeen {
    /// Which of the delivery's attempts the first of them was, counted from 1.
    pub number: i64,
    /// How many they are.
    pub count: i64,
    /// When the first of them ended.
    pub first_at: i64,
    /// When the last of them ended.
    pub last_at: i64,
    /// Whether it was accepted.
    pub accepted: bool,
    /// What the destination answered, or why there was no answer.
    pub answer: String,
}

/// An alert on its way to a destination, or there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverySeen {
    /// The destination's name.
    pub destination: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// How many attempts were made.
    pub attempts_made: i64,
    /// When it is to be tried (again); `None`: it is not.
    pub next_attempt: Option<i64>,
    /// When it was last tried.
    pub last_attempt: Option<i64>,
    /// Why the last attempt failed, or why it was given up.
    pub last_error: Option<String>,
    /// When it was accepted.
    pub delivered_at: Option<i64>,
    /// When somebody asked for it again after it was given up.
    pub retried_at: Option<i64>,
    /// The attempts that are kept, the oldest first.
    pub attempts: Vec<AttemptSeen>,
}

/// An alert that was raised, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertSeen {
    /// Its place in the order of alerts.
    pub seq: i64,
    /// Its id.
    pub id: String,
    /// The alert.
    pub alert: Alert,
    /// Its deliveries, by their destinations; none: nobody was to be told.
    pub deliveries: Vec<DeliverySeen>,
}

/// Which alerts are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertsWanted {
    /// Of this service, which may have been deleted.
    pub service: Option<Name>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// With a delivery in this state.
    pub state: Option<DeliveryState>,
    /// Raised before the one with this seq.
    pub before: Option<i64>,
}

/// A page of alerts, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertsPage {
    /// The alerts.
    pub alerts: Vec<AlertSeen>,
    /// What the next page is to be [before](AlertsWanted::before), if there may be one. A page may be short and not the
    /// last.
    pub next: Option<i64>,
}

/// An outage: the alerts of one service that share the second that opened it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutageSeen {
    /// When it was opened: the deadline that passed, or the failure.
    pub started_at: i64,
    /// When it ended; `None` while it lasts, and where that is not known.
    pub ended_at: Option<i64>,
    /// Whether the service is in it.
    pub lasts: bool,
    /// Why it ended, where it was not a ping that ended it.
    pub reason: Option<Reason>,
    /// Whether silence was told of in it.
    pub overdue: bool,
    /// Whether a failure was.
    pub failed: bool,
    /// How many alerts told of it.
    pub alerts: i64,
}

/// A page of outages, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutagesPage {
    /// The outages.
    pub outages: Vec<OutageSeen>,
    /// The second before which those of the next page were opened, if there may be one.
    pub next: Option<i64>,
}

impl Store {
    /// Up to `rows_max` of the alerts that are `wanted`, the newest first. Where few match, not all are looked at; a
    /// row that cannot be read is left out.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn alerts(
        &self,
        wanted: AlertsWanted,
        rows_max: usize,
    ) -> Result<AlertsPage, StoreError> {
        self.read(move |connection| -> Reading<'_, AlertsPage> {
            Box::pin(page(connection, wanted, rows_max))
        })
        .await
    }

    /// The alert with the id `id`; `None` where there is none, or its row cannot be read.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn alert(&self, id: &str) -> Result<Option<AlertSeen>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| -> Reading<'_, Option<AlertSeen>> {
            Box::pin(async move {
                let query = sqlx::query(sql::alerts::ALERTS_ONE).bind(id);
                let found = query.fetch_all(&mut *connection).await?;
                Ok(seen(connection, &found).await?.pop())
            })
        })
        .await
    }

    /// The alerts of the outage of the service `name` that was opened at `started_at`, in their order; of many the newest
    /// [`OUTAGE_ALERTS_MAX`].
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn alerts_of_outage(
        &self,
        name: &Name,
        started_at: i64,
    ) -> Result<Vec<AlertSeen>, StoreError> {
        let name = name.as_str().to_owned();
        self.read(move |connection| -> Reading<'_, Vec<AlertSeen>> {
            Box::pin(async move {
                let query = sqlx::query(sql::alerts::ALERTS_OF_OUTAGE);
                let query = query.bind(name).bind(started_at).bind(OUTAGE_ALERTS_MAX);
                let found = query.fetch_all(&mut *connection).await?;
                let mut alerts = seen(connection, &found).await?;
                alerts.reverse();
                Ok(alerts)
            })
        })
        .await
    }

    /// Up to `rows_max` outages of the service `name` that were opened before `before`, the newest first.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn outages(
        &self,
        name: &Name,
        before: Option<i64>,
        rows_max: usize,
    ) -> Result<OutagesPage, StoreError> {
        let name = name.as_str().to_owned();
        self.read(move |connection| -> Reading<'_, OutagesPage> {
            Box::pin(async move {
                let query = sqlx::query(sql::alerts::OUTAGES_OF_SERVICE);
                let query = query.bind(name).bind(before.unwrap_or(i64::MAX)).bind(limit(rows_max));
                let found = query.fetch_all(connection).await?;
                let outages: Vec<OutageSeen> =
                    found.iter().map(outage).collect::<Result<_, sqlx::Error>>()?;
                let next = outages.last().filter(|_| outages.len() >= rows_max);
                Ok(OutagesPage { next: next.map(|outage| outage.started_at), outages })
            })
        })
        .await
    }
}

fn limit(rows_max: usize) -> i64 {
    i64::try_from(rows_max).unwrap_or(i64::MAX)
}

async fn page(
    connection: &mut SqliteConnection,
    wanted: AlertsWanted,
    rows_max: usize,
) -> Result<AlertsPage, sqlx::Error> {
    let before = wanted.before.unwrap_or(i64::MAX);
    let service = wanted.service.map(|name| name.as_str().to_owned());
    let is_filtered = wanted.kind.is_some() || wanted.state.is_some();
    // What may match is a window of bounded size, so that a filter that nothing passes ends.
    let looked_at = if is_filtered { LIST_LOOKED_AT_MAX } else { rows_max };
    let window = match &service {
        Some(service) => sqlx::query(sql::alerts::ALERTS_WINDOW_OF_SERVICE)
            .bind(before)
            .bind(limit(looked_at))
            .bind(service),
        None => sqlx::query(sql::alerts::ALERTS_WINDOW).bind(before).bind(limit(looked_at)),
    };
    let window = window.fetch_one(&mut *connection).await?;
    let Some(oldest) = window.try_get::<Option<i64>, _>(0)? else {
        return Ok(AlertsPage::default());
    };
    let is_full = window.try_get::<i64, _>(1)? >= limit(looked_at);
    let statement = match &service {
        Some(_) => sql::alerts::ALERTS_LIST_OF_SERVICE,
        None => sql::alerts::ALERTS_LIST,
    };
    let query = sqlx::query(statement)
        .bind(before)
        .bind(oldest)
        .bind(wanted.kind.map(Kind::as_str))
        .bind(wanted.state.map(DeliveryState::as_str))
        .bind(limit(rows_max));
    let query = match service {
        Some(service) => query.bind(service),
        None => query,
    };
    let found = query.fetch_all(&mut *connection).await?;
    let next = match found.last() {
        Some(last) if found.len() >= rows_max => Some(last.try_get(0)?),
        _ => is_full.then_some(oldest),
    };
    Ok(AlertsPage { alerts: seen(connection, &found).await?, next })
}

/// The alerts of rows that hold their columns, with what became of them.
pub(super) async fn seen(
    connection: &mut SqliteConnection,
    found: &[SqliteRow],
) -> Result<Vec<AlertSeen>, sqlx::Error> {
    let mut alerts = Vec::with_capacity(found.len());
    for row in found {
        match rows::alert_seen(row) {
            Ok((seq, id, alert)) => {
                alerts.push(AlertSeen { seq, id, alert, deliveries: Vec::new() });
            }
            Err(reason) => debug!(%reason, "an alert's row cannot be read; it is left out"),
        }
    }
    let seqs: Vec<i64> = alerts.iter().map(|alert| alert.seq).collect();
    let seqs = json!(seqs).to_string();
    let mut attempts: HashMap<(i64, String), Vec<AttemptSeen>> = HashMap::new();
    let query = sqlx::query(sql::alerts::ATTEMPTS_OF).bind(&seqs);
    for row in query.fetch_all(&mut *connection).await? {
        let delivery = (row.try_get(0)?, row.try_get(1)?);
        attempts.entry(delivery).or_default().push(attempt(&row)?);
    }
    let mut deliveries: HashMap<i64, Vec<DeliverySeen>> = HashMap::new();
    let query = sqlx::query(sql::alerts::DELIVERIES_OF).bind(&seqs);
    for row in query.fetch_all(connection).await? {
        let Some(mut delivery) = delivery(&row)? else { continue };
        let seq: i64 = row.try_get(0)?;
        let tried = attempts.remove(&(seq, delivery.destination.clone()));
        delivery.attempts = tried.unwrap_or_default();
        deliveries.entry(seq).or_default().push(delivery);
    }
    for alert in &mut alerts {
        alert.deliveries = deliveries.remove(&alert.seq).unwrap_or_default();
    }
    Ok(alerts)
}

fn attempt(row: &SqliteRow) -> Result<AttemptSeen, sqlx::Error> {
    Ok(AttemptSeen {
        number: row.try_get(2)?,
        count: row.try_get(3)?,
        first_at: row.try_get(4)?,
        last_at: row.try_get(5)?,
        accepted: row.try_get::<String, _>(6)? == "accepted",
        answer: row.try_get(7)?,
    })
}

/// A delivery without its attempts.
fn delivery(row: &SqliteRow) -> Result<Option<DeliverySeen>, sqlx::Error> {
    let Some(state) = DeliveryState::parse(&row.try_get::<String, _>(2)?) else { return Ok(None) };
    let next_attempt: i64 = row.try_get(4)?;
    Ok(Some(DeliverySeen {
        destination: row.try_get(1)?,
        state,
        attempts_made: row.try_get(3)?,
        next_attempt: (state == DeliveryState::Pending).then_some(next_attempt),
        last_attempt: row.try_get(5)?,
        last_error: row.try_get(6)?,
        delivered_at: row.try_get(7)?,
        retried_at: row.try_get(8)?,
        attempts: Vec::new(),
    }))
}

fn outage(row: &SqliteRow) -> Result<OutageSeen, sqlx::Error> {
    let (ended_at, reason): (Option<i64>, Option<String>) = (row.try_get(1)?, row.try_get(2)?);
    Ok(OutageSeen {
        started_at: row.try_get(0)?,
        ended_at,
        lasts: ended_at.is_none() && row.try_get(6)?,
        reason: reason.as_deref().and_then(Reason::parse),
        overdue: row.try_get(5)?,
        failed: row.try_get(4)?,
        alerts: row.try_get(3)?,
    })
}
