//! What pages read: the order of services, how many there are of each kind, and what is shown of those on a page.
//!
//! The order is by rank, then by a second, then by id. Each rank is one or two walks of an index, so that the first page
//! of a million costs what the first page of a hundred does.

/// Up to `?4` services behind the place (`?2`, `?3`) of the branches given: each an index, where SQLite would choose
/// another, a column to order by, and a condition.
macro_rules! ranked {
    ($($index:literal, $key:literal, $when:expr);+) => {
        concat!("SELECT place, id FROM (", ranked!(@branches $($index, $key, $when);+), ") ORDER BY place, id LIMIT ?4")
    };
    (@branches $index:literal, $key:literal, $when:expr) => {
        concat!(
            "SELECT * FROM (SELECT ", $key, " AS place, id FROM services ", $index, " WHERE ", $when,
            " AND (", $key, ", id) > (?2, ?3) ORDER BY ", $key, ", id LIMIT ?4)"
        )
    };
    (@branches $index:literal, $key:literal, $when:expr; $($rest:tt)+) => {
        concat!(ranked!(@branches $index, $key, $when), " UNION ALL ", ranked!(@branches $($rest)+))
    };
}

/// Whether a service is late at `?1`, as far as the index of those that are knows.
macro_rules! late {
    () => {
        "grace > 0 AND alerted = 0 AND expected < ?1 AND deadline >= ?1 AND running_since IS NULL
            AND last_ping IS NOT NULL AND failed = 0 AND paused = 0"
    };
}

statements! {
    /// Those overdue at `?1`, the longest silent first.
    RANK_OVERDUE = ranked!(
        "", "deadline", "alerted = 1 AND deadline < ?1 AND paused = 0";
        "", "deadline", "alerted = 0 AND deadline < ?1 AND paused = 0"
    );

    /// Those that failed and are not overdue at `?1`.
    RANK_FAILED = ranked!(
        "INDEXED BY services_failed", "coalesce(deadline, 253402300799)",
        "failed = 1 AND paused = 0 AND coalesce(deadline, 253402300799) >= ?1"
    );

    /// Those late at `?1`.
    RANK_LATE = ranked!("INDEXED BY services_late", "expected", late!());

    /// Those that have a deadline and no trouble at `?1`, the one that is due next first.
    RANK_UP = ranked!(
        "", "deadline", "alerted = 0 AND deadline >= ?1 AND paused = 0 AND failed = 0
            AND NOT (grace > 0 AND expected < ?1 AND running_since IS NULL AND last_ping IS NOT NULL)";
        "", "deadline", "alerted = 1 AND deadline >= ?1 AND paused = 0 AND failed = 0"
    );

    /// Those of which nothing is expected yet at `?1`.
    RANK_WAITING = ranked!(
        "", "id", "?1 = ?1 AND alerted = 0 AND deadline IS NULL AND paused = 0 AND failed = 0";
        "", "id", "?1 = ?1 AND alerted = 1 AND deadline IS NULL AND paused = 0 AND failed = 0"
    );

    /// Those that are paused; only hands give one a deadline.
    RANK_PAUSED = ranked!(
        "INDEXED BY services_paused", "id", "?1 = ?1 AND paused = 1 AND deadline IS NULL";
        "INDEXED BY services_paused", "id", "?1 = ?1 AND paused = 1 AND deadline >= 0"
    );

    /// Those that run, the longest first.
    RANK_RUNNING = ranked!(
        "INDEXED BY services_running", "running_since", "?1 = ?1 AND running_since IS NOT NULL"
    );

    /// How many services there are at `?1`: all, overdue, failed, late, paused, waiting, running.
    TALLY = concat!("
        SELECT
            (SELECT count(*) FROM services),
            (SELECT count(*) FROM services WHERE alerted = 1 AND deadline < ?1)
                + (SELECT count(*) FROM services WHERE alerted = 0 AND deadline < ?1)
                - (SELECT count(*) FROM services INDEXED BY services_paused WHERE paused = 1 AND deadline < ?1),
            (SELECT count(*) FROM services INDEXED BY services_failed WHERE failed = 1 AND coalesce(deadline, 253402300799) >= ?1 AND paused = 0),
            (SELECT count(*) FROM services INDEXED BY services_late WHERE ", late!(), "),
            (SELECT count(*) FROM services WHERE paused = 1),
            (SELECT count(*) FROM services INDEXED BY services_unheard
                WHERE last_ping IS NULL AND running_since IS NULL AND paused = 0 AND (deadline IS NULL OR deadline >= ?1)),
            (SELECT count(*) FROM services WHERE running_since IS NOT NULL)");

    /// How many services there are, counted no further than `?1`.
    SERVICES_COUNT_TO = "
        SELECT count(*) FROM (SELECT 1 FROM services LIMIT ?1)";

    /// What the order of up to `?1` services follows from.
    OUTLINE = "
        SELECT id, name, paused, failed, last_ping IS NOT NULL, running_since, expected, deadline
        FROM services
        LIMIT ?1";

    /// The same of up to `?1` in whose names `?2` stands.
    OUTLINE_FOUND = "
        SELECT s.id, s.name, s.paused, s.failed, s.last_ping IS NOT NULL, s.running_since, s.expected, s.deadline
        FROM (SELECT id FROM services WHERE instr(lower(name), lower(?2)) > 0 LIMIT ?1) AS found
        CROSS JOIN services AS s ON s.id = found.id";

    /// The services of `?1`, an array of ids, in its order.
    SERVICES_BY_ID = concat!("
        SELECT ", service_columns!(), "
        FROM json_each(?1) AS wanted
        CROSS JOIN services AS s ON s.id = wanted.value
        ORDER BY wanted.key");

    /// The ends of runs among the last `?2` signals of each service of `?1`, an array of (newest row, its number, name),
    /// by its place there, the oldest first.
    RUNS = "
        WITH RECURSIVE chain (place, id, number, name, steps) AS (
            SELECT key, value ->> 0, value ->> 1, value ->> 2, 1 FROM json_each(?1)
            UNION ALL
            SELECT c.place, p.previous, c.number - 1, c.name, c.steps + 1
            FROM chain AS c
            CROSS JOIN pings AS p ON p.id = c.id
            WHERE p.service = c.name AND p.number = c.number AND c.steps < ?2
        )
        SELECT c.place, p.signal = 'fail', p.duration_ms
        FROM chain AS c
        CROSS JOIN pings AS p ON p.id = c.id
        WHERE p.service = c.name AND p.number = c.number AND p.signal IN ('success', 'fail')
        ORDER BY c.place, c.number";

    /// What became of the newest alert of each outage of `?1`, an array of (service, its beginning), by its place there:
    /// of the run that failed its exit status and log, and of each delivery its destination, state, attempts and end.
    FATES = "
        SELECT wanted.key, a.exit_status, a.log, d.destination, d.state, d.attempts, d.delivered_at
        FROM json_each(?1) AS wanted
        CROSS JOIN alerts AS a ON a.seq = (
            SELECT max(told.seq)
            FROM alerts AS told
            WHERE told.service = wanted.value ->> 0 AND told.kind IN ('overdue', 'failed', 'reminder')
                AND told.about >= wanted.value ->> 1 AND told.outage_since = wanted.value ->> 1
        )
        LEFT JOIN deliveries AS d ON d.alert = a.seq
        ORDER BY wanted.key, d.destination";

    /// The last pause of each service of `?1`, an array of names, by its place there: when, and by which key's label.
    PAUSES = "
        SELECT wanted.key, c.at, c.key
        FROM json_each(?1) AS wanted
        CROSS JOIN changes AS c ON c.service = wanted.value AND c.number = (
            SELECT max(paused.number)
            FROM changes AS paused
            WHERE paused.service = wanted.value AND paused.what = 'paused'
        )
        ORDER BY wanted.key";

    /// The last attempt among the newest `?1` deliveries: when, and whether it was accepted.
    DELIVERY_LAST = "
        SELECT max(last_attempt), state = 'delivered'
        FROM (SELECT last_attempt, state FROM deliveries ORDER BY alert DESC LIMIT ?1)";

    /// Changes when another connection has written.
    DATA_VERSION = "
        PRAGMA data_version";
}
