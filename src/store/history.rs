//! The history: a row for each signal, appended, and what keeps it within its bounds.
//!
//! Rows are appended and never moved, so a batch of pings dirties the end of one table and not a page for each service;
//! each row names its service's row before it. What is more than is kept goes in passing: a cursor walks through the
//! table, twice as fast as it grows, and removes what enough younger rows of its service follow. It rests once it has
//! passed every row since there may last have been any that are too much: since a start, an edit by hand, a deletion, or a
//! signal of a service that has as many as are kept.

use std::collections::HashSet;

use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection};

use super::script::Script;
use super::sql::of_rows::{PINGS_STORE, PINGS_STORE_PLAIN};
use super::{Rules, record, sql};
use crate::core::limits::{LOG_ROW_BYTES, LOGS_TRIM_ROWS_MAX, TRIM_AFTER_ROWS, TRIM_ROWS_MAX};
use crate::core::name::Name;
use crate::core::ping::Ping;
use crate::core::service::History;
use crate::core::signal::{RunId, Signal};

/// How often the cursor comes to the end of the table until it has certainly passed every row.
const ENDS_OF_A_WHOLE_WALK: u8 = 2;

/// Where the history stands. A copy is changed along with a transaction, and kept if that commits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Archive {
    /// The newest row.
    pub(super) newest: i64,
    /// Up to where it was looked through for what is too much.
    cursor: i64,
    /// Rows that are to be looked through next.
    owed: usize,
    /// How often the end is still to be reached, as nobody knows what is too much before it.
    ends_owed: u8,
    /// How much space all logs take.
    log_bytes: i64,
    /// How many changes are kept.
    pub(super) changes: i64,
}

/// A signal that is to be recorded.
pub(super) struct Entry<'a> {
    /// Its row.
    pub(super) id: i64,
    pub(super) service: Name,
    pub(super) ping: &'a Ping,
    /// What it follows.
    pub(super) before: History,
    /// The second that it is about.
    pub(super) at: i64,
    pub(super) duration_ms: Option<i64>,
}

impl Entry<'_> {
    /// Whether it is a success that says nothing else, and that no key was asked for.
    fn is_plain(&self) -> bool {
        let ping = self.ping;
        ping.signal == Signal::Success && ping.run.is_none() && ping.origin.key.is_none()
    }

    /// Binds what rows of every kind begin with.
    fn bind_beginning<'s>(&self, script: &'s mut Script) -> Result<&'s mut Script, sqlx::Error> {
        script
            .bind(self.id)?
            .bind(self.service.shared())?
            .bind(self.before.signals + 1)?
            .bind(self.before.newest)?
            .bind(self.at)?
            .bind(self.ping.received_at)
    }

    fn bind_plain(&self, script: &mut Script) -> Result<(), sqlx::Error> {
        let address = self.ping.origin.address.clone();
        self.bind_beginning(script)?.bind(self.duration_ms)?.bind(address)?;
        Ok(())
    }

    fn bind(&self, script: &mut Script) -> Result<(), sqlx::Error> {
        let ping = self.ping;
        self.bind_beginning(script)?
            .bind(ping.signal.as_str())?
            .bind(ping.signal.exit_status())?
            .bind(self.duration_ms)?
            .bind(ping.run.as_ref().map(RunId::as_str))?
            .bind(ping.origin.address.clone())?
            .bind(ping.origin.key.as_deref())?;
        Ok(())
    }

    fn log(&self) -> Option<Value> {
        let log = self.ping.log.as_ref()?;
        let signal = self.ping.signal;
        let is_success = i64::from(signal.is_end() && !signal.is_failure());
        Some(json!([self.id, is_success, bytes_of(log), log]))
    }
}

/// What a log is counted as, its row included.
fn bytes_of(log: &str) -> i64 {
    i64::try_from(log.len()).unwrap_or(i64::MAX - LOG_ROW_BYTES) + LOG_ROW_BYTES
}

impl Archive {
    /// Where the history of an opened database stands.
    pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let newest = sqlx::query_scalar(sql::PINGS_NEWEST).fetch_one(&mut *connection).await?;
        let log_bytes = sqlx::query_scalar(sql::LOGS_BYTES).fetch_one(&mut *connection).await?;
        let changes = record::count(&mut *connection).await?;
        let cursor =
            sqlx::query_scalar(sql::record::PINGS_TRIMMED_UNTIL).fetch_one(connection).await?;
        // However seldom something comes between two starts, each looks at a page.
        let owed = if newest == 0 { 0 } else { TRIM_AFTER_ROWS };
        let mut archive = Self { newest, cursor, owed, ends_owed: 0, log_bytes, changes };
        archive.doubt();
        Ok(archive)
    }

    /// There may be rows that are too much anywhere.
    pub(super) fn doubt(&mut self) {
        self.ends_owed = ENDS_OF_A_WHOLE_WALK;
    }

    /// Has `script` append `entries`, those of so many `signals` that are kept, and remove what is too much.
    pub(super) fn append(
        &mut self,
        script: &mut Script,
        entries: &[Entry<'_>],
        signals: usize,
        rules: &Rules,
    ) -> Result<(), sqlx::Error> {
        if entries.iter().any(|entry| entry.before.signals >= rules.history) {
            self.doubt();
        }
        if self.ends_owed > 0 {
            self.owed += 2 * signals;
        }
        if entries.iter().all(Entry::is_plain) {
            script.rows(&PINGS_STORE_PLAIN, entries, |script, entry| entry.bind_plain(script))?;
        } else {
            script.rows(&PINGS_STORE, entries, |script, entry| entry.bind(script))?;
        }
        let logs: Vec<Value> = entries.iter().filter_map(Entry::log).collect();
        let logged = entries.iter().filter_map(|entry| entry.ping.log.as_ref());
        self.log_bytes += logged.map(|log| bytes_of(log)).sum::<i64>();
        script.array(sql::LOGS_STORE, &logs)?;
        self.trim(script, rules)
    }

    /// Has `script` remove what is too much of the rows behind the cursor, where enough are to be looked through.
    fn trim(&mut self, script: &mut Script, rules: &Rules) -> Result<(), sqlx::Error> {
        if self.owed < TRIM_AFTER_ROWS {
            return Ok(());
        }
        let rows = self.owed.min(TRIM_ROWS_MAX);
        self.owed -= rows;
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        script.add(sql::record::PINGS_NOTE_TRIMMED).bind(self.cursor)?.bind(rows)?;
        script.add(sql::PINGS_TRIM).bind(self.cursor)?.bind(rules.history)?;
        Ok(())
    }

    /// Takes up to where the history was looked through, where it was: 0 is its end.
    pub(super) fn trimmed(&mut self, until: Option<i64>) {
        self.cursor = until.unwrap_or(self.cursor);
        if until == Some(0) {
            self.ends_owed = self.ends_owed.saturating_sub(1);
        }
    }

    /// Whether logs take more space than they may.
    pub(super) fn is_full(&self, rules: &Rules) -> bool {
        self.log_bytes > rules.log_bytes_max
    }

    /// Makes room for logs, a twentieth more than is needed so that not every log costs this.
    pub(super) async fn trim_logs(
        &mut self,
        connection: &mut SqliteConnection,
        rules: &Rules,
    ) -> Result<(), sqlx::Error> {
        let bytes = sql::LOGS_BYTES;
        // Logs go with their rows as well, so what was counted may be too much.
        self.log_bytes = sqlx::query_scalar(bytes).fetch_one(&mut *connection).await?;
        let excess = self.log_bytes - rules.log_bytes_max;
        if excess <= 0 {
            return Ok(());
        }
        let trim = sqlx::query(sql::LOGS_TRIM).bind(excess + rules.log_bytes_max / 20);
        trim.bind(LOGS_TRIM_ROWS_MAX).execute(&mut *connection).await?;
        self.log_bytes = sqlx::query_scalar(bytes).fetch_one(connection).await?;
        Ok(())
    }
}

/// A signal that may have been recorded before, as it is sent again until it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mark {
    pub(super) service: Name,
    pub(super) run: Option<RunId>,
    signal: &'static str,
    at: i64,
}

impl Mark {
    /// The mark of a ping of `service`, if it says itself when it is about: any other is new.
    pub(super) fn of(service: &Name, ping: &Ping) -> Option<Self> {
        ping.timestamp.map(|at| Self::at(service, ping, at))
    }

    /// The mark of a ping of `service` about the second `at`.
    pub(super) fn at(service: &Name, ping: &Ping, at: i64) -> Self {
        let (run, signal) = (ping.run.clone(), ping.signal.as_str());
        Self { service: service.clone(), run, signal, at }
    }
}

/// Which of `marks` are in the history, each with where its service stands there.
pub(super) async fn recorded(
    connection: &mut SqliteConnection,
    marks: Vec<(Mark, History)>,
    rules: &Rules,
) -> Result<HashSet<Mark>, sqlx::Error> {
    if marks.is_empty() {
        return Ok(HashSet::new());
    }
    let asked: Vec<Value> = marks
        .iter()
        .map(|(mark, history)| {
            let run = mark.run.as_ref().map(RunId::as_str);
            json!([
                history.newest,
                history.signals,
                mark.service.as_str(),
                run,
                mark.signal,
                mark.at
            ])
        })
        .collect();
    let found = sqlx::query(sql::PINGS_RECORDED)
        .bind(json!(asked).to_string())
        .bind(rules.history)
        .fetch_all(connection)
        .await?;
    let mut recorded = HashSet::new();
    for row in found {
        let place = usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(usize::MAX);
        recorded.extend(marks.get(place).map(|(mark, _)| mark.clone()));
    }
    Ok(recorded)
}
