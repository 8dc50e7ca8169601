//! The texts of what pings and deletions write. Their rows are bound, not packed into JSON: that costs a third.
//!
//! A batch that fails is undone as a whole, so these say `OR ROLLBACK`: to be undone alone, a statement of many rows keeps
//! a copy of every page that it changes.

use std::sync::OnceLock;

/// Rows of a statement: what comes is cut into pieces of these sizes.
pub(in crate::store) const STATEMENT_ROWS: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// The most rows of one statement.
pub(in crate::store) const STATEMENT_ROWS_MAX: usize = STATEMENT_ROWS[STATEMENT_ROWS.len() - 1];

/// A statement for a number of rows: `VALUES` stands between its head and its tail.
pub(in crate::store) struct OfRows {
    /// The same for one row, where that spares SQLite a table in between.
    one: Option<&'static str>,
    head: &'static str,
    /// How many columns each row has.
    pub(in crate::store) columns: usize,
    tail: &'static str,
    /// The texts that were asked for, by their numbers of rows.
    texts: [OnceLock<String>; STATEMENT_ROWS.len()],
}

impl OfRows {
    const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        let texts = [const { OnceLock::new() }; STATEMENT_ROWS.len()];
        Self { one: None, head, columns, tail, texts }
    }

    /// It with another text for one row, whose parameters are the columns in their order. SQLite makes and drops a table for
    /// what it joins or reads while it writes: many rows share that, one does not.
    const fn or_one(mut self, one: &'static str) -> Self {
        self.one = Some(one);
        self
    }

    /// The text for at least so many rows, up to [`STATEMENT_ROWS_MAX`], and for how many it is.
    pub(in crate::store) fn text(&self, rows: usize) -> (&str, usize) {
        if let (Some(one), 1) = (self.one, rows) {
            return (one, 1);
        }
        let place = STATEMENT_ROWS.iter().position(|places| *places >= rows);
        let place = place.unwrap_or(STATEMENT_ROWS.len() - 1);
        let places = STATEMENT_ROWS[place];
        let text = self.texts[place].get_or_init(|| {
            let row = format!("({})", ["?"].repeat(self.columns).join(","));
            [self.head, &[row.as_str()].repeat(places).join(","), self.tail].concat()
        });
        (text, places)
    }
}

/// Stores of services by their ids what a ping changes each time: (last ping, last success, last duration, expected,
/// deadline, signals, newest ping, id).
pub(in crate::store) static SERVICES_PINGED: OfRows = OfRows::new(
    "
        WITH pinged (last_ping, last_success, last_duration_ms, expected, deadline, signals, newest_ping, id)
        AS (VALUES ",
    8,
    ")
        UPDATE OR ROLLBACK services SET
            last_ping = pinged.last_ping,
            last_success = pinged.last_success,
            last_duration_ms = pinged.last_duration_ms,
            expected = pinged.expected,
            deadline = pinged.deadline,
            signals = pinged.signals,
            newest_ping = pinged.newest_ping
        FROM pinged
        WHERE services.id = pinged.id",
)
.or_one(
    "
        UPDATE OR ROLLBACK services SET
            last_ping = ?,
            last_success = ?,
            last_duration_ms = ?,
            expected = ?,
            deadline = ?,
            signals = ?,
            newest_ping = ?
        WHERE id = ?",
);

/// Stores of services by their ids what a ping changes that came in the second of the one before, and so moves no deadline:
/// (signals, newest ping, id). An index whose columns are stored anew is written anew, even with what it held.
pub(in crate::store) static SERVICES_PINGED_AGAIN: OfRows = OfRows::new(
    "
        WITH pinged (signals, newest_ping, id)
        AS (VALUES ",
    3,
    ")
        UPDATE OR ROLLBACK services SET
            signals = pinged.signals,
            newest_ping = pinged.newest_ping
        FROM pinged
        WHERE services.id = pinged.id",
)
.or_one(
    "
        UPDATE OR ROLLBACK services SET
            signals = ?,
            newest_ping = ?
        WHERE id = ?",
);

/// Stores of services by their ids what a sweep changes: (id, alerted, failed, outage's beginning, last told of).
pub(in crate::store) static SERVICES_TOLD: OfRows = OfRows::new(
    "
        WITH told (id, alerted, failed, outage_since, reminded_at)
        AS (VALUES ",
    5,
    ")
        UPDATE OR ROLLBACK services SET
            alerted = told.alerted,
            failed = told.failed,
            outage_since = told.outage_since,
            reminded_at = told.reminded_at
        FROM told
        WHERE services.id = told.id",
);

/// Appends rows to the history, of successes that say nothing else and that no key was asked for: nearly all there are. (id,
/// service, number, previous, at, received at, duration, address)
pub(in crate::store) static PINGS_STORE_PLAIN: OfRows = OfRows::new(
    "
        INSERT OR ROLLBACK INTO pings (
            id, service, number, previous, at, received_at, duration_ms, address, signal
        )
        SELECT *, 'success' FROM (VALUES ",
    8,
    ")
        WHERE column1 IS NOT NULL",
);

/// Appends rows to the history.
pub(in crate::store) static PINGS_STORE: OfRows = OfRows::new(
    "
        INSERT OR ROLLBACK INTO pings (
            id, service, number, previous, at, received_at, signal, exit_status, duration_ms, run, address, key
        )
        SELECT * FROM (VALUES ",
    12,
    ")
        WHERE column1 IS NOT NULL",
);

/// Appends changes: (service, which of its changes it is among these, and the other columns in their order).
pub(in crate::store) static CHANGES_STORE: OfRows = OfRows::new(
    "
        INSERT OR ROLLBACK INTO changes (
            service, number, at, what, by_ping, key, signals, was_frequency, was_cron, was_tz, was_grace,
            was_max_runtime, frequency, cron, tz, grace, max_runtime, paused, expected, deadline
        )
        SELECT
            column1,
            coalesce((SELECT max(before.number) FROM changes AS before WHERE before.service = column1), 0) + column2,
            column3, column4, column5, column6, column7, column8, column9, column10, column11, column12, column13,
            column14, column15, column16, column17, column18, column19, column20
        FROM (VALUES ",
    20,
    ")
        WHERE column1 IS NOT NULL",
);
