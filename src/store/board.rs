//! What the list of services shows: in which order, how many there are of each kind, and what is known of those on a page.
//!
//! Of a few thousand services all are looked at, so that order, numbers and folds are exact; of more, indexes tell
//! (`sql/pages.rs`), and what is due next is told by its deadline alone.

use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use tracing::debug;

use super::sql::pages as sql;
use super::{Store, StoreError, rows};
use crate::core::limits::{
    DELIVERIES_LOOKED_AT_MAX, OUTLINE_SERVICES_MAX, PAGE_ROWS, RUN_SIGNALS_LOOKED_AT_MAX,
    SEARCH_FOUND_MAX, TIME_SECONDS_MAX,
};
use crate::core::service::{Service, Signs, Status};

/// Where a service stands in the order of pages: by its trouble, then by what is due next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// How urgent it is: the place of its status in [`Status::ALL`].
    pub rank: u8,
    /// The second by which it stands among its like.
    pub second: i64,
    /// The row.
    pub id: i64,
}

impl Place {
    /// The place of a service with these signs at `now`.
    fn of(signs: &Signs, id: i64, now: i64) -> Self {
        let status = signs.status(now);
        let second = match status {
            Status::Overdue | Status::Failed => signs.deadline,
            Status::Late | Status::Up | Status::Waiting => signs.expected.or(signs.deadline),
            Status::Paused => None,
        };
        // A run's own deadline counts while it lasts.
        let second = if signs.running && status == Status::Up { signs.deadline } else { second };
        let second = second.unwrap_or(if status == Status::Paused { 0 } else { TIME_SECONDS_MAX });
        Self { rank: rank(status), second, id }
    }

    /// Whether it is one of trouble.
    pub fn is_trouble(&self) -> bool {
        self.rank <= rank(Status::Late)
    }
}

/// The place of a status among all.
pub fn rank(status: Status) -> u8 {
    let place = Status::ALL.into_iter().position(|one| one == status);
    u8::try_from(place.unwrap_or(Status::ALL.len())).unwrap_or(u8::MAX)
}

/// A service as far as the order needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlined {
    /// Where it stands.
    pub place: Place,
    /// Its name.
    pub name: String,
    /// Whether a run is open.
    pub running: bool,
    /// When the next ping is expected, or else its deadline.
    pub due: Option<i64>,
}

/// How many services there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All.
    pub total: i64,
    /// By status, in the order of [`Status::ALL`].
    pub by_status: [i64; 6],
    /// Those with an open run.
    pub running: i64,
}

impl Tally {
    /// How many have this status.
    pub fn of(&self, status: Status) -> i64 {
        self.by_status[usize::from(rank(status))]
    }

    /// How many are in trouble.
    pub fn trouble(&self) -> i64 {
        self.of(Status::Overdue) + self.of(Status::Failed) + self.of(Status::Late)
    }

    /// The numbers of a whole outline.
    pub fn count(outline: &[Outlined]) -> Self {
        let mut tally = Self::default();
        for one in outline {
            tally.total += 1;
            tally.by_status[usize::from(one.place.rank)] += 1;
            tally.running += i64::from(one.running);
        }
        tally
    }
}

/// What of all services the order and the numbers follow from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overview {
    /// Every service, in its order.
    Whole(Vec<Outlined>),
    /// There are too many to look at each.
    Counted(Tally),
}

/// What a page of many services is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// Those of these ranks, from the first to the last.
    Ranks(u8, u8),
    /// Those that run.
    Running,
}

/// A run that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    /// Whether it failed.
    pub failed: bool,
    /// How long it took, where its start was told.
    pub duration_ms: Option<i64>,
}

/// What became of an alert at one destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Told {
    /// The destination's name.
    pub destination: String,
    /// `pending`, `delivered` or `given_up`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was accepted.
    pub delivered_at: Option<i64>,
}

/// What became of the newest alert of an outage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fate {
    /// The exit status of the run that failed.
    pub exit_status: Option<i64>,
    /// The last line that it printed.
    pub last_line: Option<String>,
    /// Each delivery.
    pub told: Vec<Told>,
}

/// A service as a row of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its row.
    pub id: i64,
    /// What is known of it.
    pub service: Service,
    /// Its last runs, the oldest first.
    pub runs: Vec<Run>,
    /// What became of the alert, in an outage.
    pub fate: Option<Fate>,
    /// How it was paused, as far as that is on record, while it is.
    pub pause: Option<Pause>,
}

/// When a service was paused, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pause {
    /// When.
    pub at: i64,
    /// The label of the key that was used.
    pub key: Option<String>,
}

/// The last attempt to deliver something: when, and whether it was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastDelivery {
    /// When.
    pub at: i64,
    /// Whether it was accepted.
    pub accepted: bool,
}

impl Store {
    /// What the order and the numbers follow from at `now`.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn overview(&self, now: i64) -> Result<Overview, StoreError> {
        self.read(move |connection| {
            Box::pin(async move {
                let limit = i64::try_from(OUTLINE_SERVICES_MAX + 1).unwrap_or(i64::MAX);
                let count = sqlx::query_scalar(sql::SERVICES_COUNT_TO).bind(limit);
                let count: i64 = count.fetch_one(&mut *connection).await?;
                if count >= limit {
                    return tally(connection, now).await.map(Overview::Counted);
                }
                let query = sqlx::query(sql::OUTLINE).bind(limit);
                Ok(Overview::Whole(outlined(&query.fetch_all(connection).await?, now)))
            })
        })
        .await
    }

    /// Services in whose names `search` stands, in their order at `now`, up to
    /// [`SEARCH_FOUND_MAX`].
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn search(&self, search: String, now: i64) -> Result<Vec<Outlined>, StoreError> {
        self.read(move |connection| {
            Box::pin(async move {
                let limit = i64::try_from(SEARCH_FOUND_MAX).unwrap_or(i64::MAX);
                let query = sqlx::query(sql::OUTLINE_FOUND).bind(limit).bind(search);
                Ok(outlined(&query.fetch_all(connection).await?, now))
            })
        })
        .await
    }

    /// The places of a page of `walk` behind `after` at `now`, of many services; one more than a page has rows, if there
    /// are more.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn walk(
        &self,
        walk: Walk,
        after: Option<Place>,
        now: i64,
    ) -> Result<Vec<Place>, StoreError> {
        self.read(move |connection| {
            Box::pin(async move {
                let mut places = Vec::new();
                let (first, last) = match walk {
                    Walk::Ranks(first, last) => (first, last),
                    Walk::Running => (0, 0),
                };
                for rank in after.map_or(first, |after| after.rank.max(first))..=last {
                    let room = PAGE_ROWS + 1 - places.len();
                    let statement = match walk {
                        Walk::Running => sql::RANK_RUNNING,
                        Walk::Ranks(..) => statement(rank),
                    };
                    let after = after.filter(|after| after.rank == rank);
                    let found = sqlx::query(statement)
                        .bind(now)
                        .bind(after.map_or(i64::MIN, |after| after.second))
                        .bind(after.map_or(i64::MIN, |after| after.id))
                        .bind(i64::try_from(room).unwrap_or(i64::MAX))
                        .fetch_all(&mut *connection)
                        .await?;
                    for row in &found {
                        places.push(Place { rank, second: row.try_get(0)?, id: row.try_get(1)? });
                    }
                    if places.len() > PAGE_ROWS {
                        break;
                    }
                }
                Ok(places)
            })
        })
        .await
    }

    /// The services in the rows `ids`, in that order, with their last runs, what became of their alerts and how they were paused. Rows that are
    /// gone or cannot be read are left out; the runs of those that `knows` the runs of, by row and number of signals, too.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn shown(
        &self,
        ids: Vec<i64>,
        knows: impl Fn(i64, i64) -> bool + Send + Sync + 'static,
    ) -> Result<Vec<Shown>, StoreError> {
        self.read(move |connection| {
            Box::pin(async move {
                let query = sqlx::query(sql::SERVICES_BY_ID).bind(json!(ids).to_string());
                let mut shown = Vec::with_capacity(ids.len());
                for row in &query.fetch_all(&mut *connection).await? {
                    match rows::service(row) {
                        Ok(service) => shown.push(Shown {
                            id: row.try_get(0)?,
                            service,
                            runs: Vec::new(),
                            fate: None,
                            pause: None,
                        }),
                        Err(reason) => debug!(%reason, "a row is left out of a page"),
                    }
                }
                add_runs(connection, &mut shown, knows).await?;
                add_fates(connection, &mut shown).await?;
                add_pauses(connection, &mut shown).await?;
                Ok(shown)
            })
        })
        .await
    }

    /// The last attempt to deliver anything.
    ///
    /// # Errors
    /// That the store cannot be read now.
    pub async fn last_delivery(&self) -> Result<Option<LastDelivery>, StoreError> {
        self.read(|connection| {
            Box::pin(async move {
                let query = sqlx::query(sql::DELIVERY_LAST).bind(DELIVERIES_LOOKED_AT_MAX);
                let row = query.fetch_one(connection).await?;
                let (at, accepted): (Option<i64>, Option<bool>) =
                    (row.try_get(0)?, row.try_get(1)?);
                Ok(at.map(|at| LastDelivery { at, accepted: accepted.unwrap_or_default() }))
            })
        })
        .await
    }
}

/// The statement that walks a rank.
fn statement(rank: u8) -> &'static str {
    match Status::ALL.get(usize::from(rank)) {
        Some(Status::Overdue) => sql::RANK_OVERDUE,
        Some(Status::Failed) => sql::RANK_FAILED,
        Some(Status::Late) => sql::RANK_LATE,
        Some(Status::Up) => sql::RANK_UP,
        Some(Status::Waiting) => sql::RANK_WAITING,
        Some(Status::Paused) | None => sql::RANK_PAUSED,
    }
}

/// The outline of rows that can be read, in its order.
fn outlined(found: &[SqliteRow], now: i64) -> Vec<Outlined> {
    let mut outline = Vec::with_capacity(found.len());
    for row in found {
        match outlined_row(row, now) {
            Ok(one) => outline.push(one),
            Err(reason) => debug!(%reason, "a row is left out of a page"),
        }
    }
    outline.sort_unstable_by_key(|one| one.place);
    outline
}

fn outlined_row(row: &SqliteRow, now: i64) -> Result<Outlined, sqlx::Error> {
    let running: Option<i64> = row.try_get(5)?;
    let signs = Signs {
        paused: row.try_get(2)?,
        failed: row.try_get(3)?,
        pinged: row.try_get(4)?,
        running: running.is_some(),
        expected: row.try_get(6)?,
        deadline: row.try_get(7)?,
    };
    Ok(Outlined {
        place: Place::of(&signs, row.try_get(0)?, now),
        name: row.try_get(1)?,
        running: signs.running,
        due: signs.expected.or(signs.deadline),
    })
}

/// How many services there are of each kind at `now`, as indexes tell it.
pub(super) async fn tally(
    connection: &mut SqliteConnection,
    now: i64,
) -> Result<Tally, sqlx::Error> {
    let row = sqlx::query(sql::TALLY).bind(now).fetch_one(connection).await?;
    let mut tally = Tally { total: row.try_get(0)?, ..Tally::default() };
    let counted = [Status::Overdue, Status::Failed, Status::Late, Status::Paused, Status::Waiting];
    let mut others = tally.total;
    for (column, status) in (1..).zip(counted) {
        let count: i64 = row.try_get(column)?;
        tally.by_status[usize::from(rank(status))] = count;
        others -= count;
    }
    tally.by_status[usize::from(rank(Status::Up))] = others.max(0);
    tally.running = row.try_get(6)?;
    Ok(tally)
}

async fn add_runs(
    connection: &mut SqliteConnection,
    shown: &mut [Shown],
    knows: impl Fn(i64, i64) -> bool,
) -> Result<(), sqlx::Error> {
    let (mut asked, mut places) = (Vec::new(), Vec::new());
    for (place, Shown { id, service, .. }) in shown.iter().enumerate() {
        let history = service.history;
        if history.newest > 0 && !knows(*id, history.signals) {
            asked.push(json!([history.newest, history.signals, service.name.as_str()]));
            places.push(place);
        }
    }
    if asked.is_empty() {
        return Ok(());
    }
    let query =
        sqlx::query(sql::RUNS).bind(json!(asked).to_string()).bind(RUN_SIGNALS_LOOKED_AT_MAX);
    for row in query.fetch_all(connection).await? {
        let place = usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(usize::MAX);
        let run = Run { failed: row.try_get(1)?, duration_ms: row.try_get(2)? };
        if let Some(place) = places.get(place) {
            shown[*place].runs.push(run);
        }
    }
    Ok(())
}

async fn add_fates(
    connection: &mut SqliteConnection,
    shown: &mut [Shown],
) -> Result<(), sqlx::Error> {
    let (mut asked, mut places) = (Vec::new(), Vec::new());
    for (place, Shown { service, .. }) in shown.iter().enumerate() {
        if let Some(since) = service.outage_since {
            asked.push(json!([service.name.as_str(), since]));
            places.push(place);
        }
    }
    if asked.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(sql::FATES).bind(json!(asked).to_string());
    for row in query.fetch_all(connection).await? {
        let place = usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(usize::MAX);
        let Some(place) = places.get(place) else { continue };
        let log: Option<String> = row.try_get(2)?;
        let last_line =
            log.as_deref().and_then(|log| log.lines().rfind(|line| !line.trim().is_empty()));
        let fate = shown[*place].fate.get_or_insert_with(Fate::default);
        fate.exit_status = row.try_get(1)?;
        fate.last_line = last_line.map(|line| line.trim().to_owned());
        if let Some(destination) = row.try_get(3)? {
            fate.told.push(Told {
                destination,
                state: row.try_get(4)?,
                attempts: row.try_get(5)?,
                delivered_at: row.try_get(6)?,
            });
        }
    }
    Ok(())
}

async fn add_pauses(
    connection: &mut SqliteConnection,
    shown: &mut [Shown],
) -> Result<(), sqlx::Error> {
    let paused = |(place, shown): (usize, &Shown)| {
        shown.service.paused.then(|| (place, shown.service.name.as_str().to_owned()))
    };
    let (places, names): (Vec<usize>, Vec<String>) =
        shown.iter().enumerate().filter_map(paused).unzip();
    if names.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(sql::PAUSES).bind(json!(names).to_string());
    for row in query.fetch_all(connection).await? {
        let place = usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(usize::MAX);
        if let Some(place) = places.get(place) {
            shown[*place].pause = Some(Pause { at: row.try_get(1)?, key: row.try_get(2)? });
        }
    }
    Ok(())
}
