//! Every SQL text of the program. SQL stores and selects; it decides nothing.
//!
//! Rows travel in and out of a batch as one JSON array each (`json_each`), so that a batch is few statements whatever
//! its size. No value here holds a NUL, at which `json_each` would cut it. What every ping writes travels as bound rows
//! ([`OfRows`](of_rows::OfRows)), which cost a third of that.

/// Declares the texts, and lists them all for the test that prepares each on a migrated database.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$doc])* pub(in crate::store) const $name: &str = $text;)*

        /// Every text by its name.
        #[cfg(test)]
        pub(in crate::store) const ALL: &[(&str, &str)] = &[$((stringify!($name), $text)),*];
    };
}

/// The columns of a service, as `rows::service` reads them.
macro_rules! service_columns {
    () => {
        "s.id, s.name, s.description, s.frequency, s.cron, s.tz, s.grace, s.grace_given, s.max_runtime, s.locked,
            s.paused, s.last_ping, s.last_success, s.last_duration_ms, s.expected, s.deadline, s.alerted, s.failed,
            s.outage_since, s.reminded_at, s.running_since, s.runs, s.signals, s.newest_ping"
    };
}

/// The columns of an alert behind its place and its id, as `rows::due_delivery` reads them.
macro_rules! alert_columns {
    () => {
        "a.seq, a.id, a.service, a.kind, a.about, a.created_at, a.outage_since, a.frequency, a.grace, a.last_ping,
            a.deadline, a.reason, a.uncertain_from, a.uncertain_to, a.cron, a.tz, a.description, a.last_success,
            a.last_duration_ms, a.running_since, a.failed, a.exit_status, a.log"
    };
}

pub(super) mod alerts;
pub(super) mod forget;
pub(super) mod of_rows;
pub(super) mod pages;
pub(super) mod record;

statements! {
    /// The rows of the services named in `?1`, an array of names; a row of nothing for a name that is none's.
    SERVICES_BY_NAME = concat!("
        SELECT ", service_columns!(), "
        FROM json_each(?1) AS wanted
        LEFT JOIN services AS s ON s.name = wanted.value");

    /// The same in one value: a JSON array of rows, of those names that are some service's. One row travels faster than
    /// many. And the newest row of the history, how often others wrote to the file, and the newest row of services. And
    /// those names, bound again, that are aliases, each with its service, and, bound once more, those that alerts name:
    /// where there is no alias or no alert at all, not one is looked for.
    SERVICES_PACKED = concat!("
        SELECT
            json_group_array(json_array(", service_columns!(), ")),
            (SELECT max(id) FROM pings),
            (SELECT data_version FROM pragma_data_version),
            (SELECT max(id) FROM services),
            (
                SELECT json_group_array(json_array(a.alias, a.service))
                FROM json_each(iif((SELECT min(alias) FROM aliases) IS NULL, '[]', ?)) AS wanted
                CROSS JOIN aliases AS a ON a.alias = wanted.value
            ),
            (
                SELECT json_group_array(wanted.value)
                FROM json_each(iif((SELECT min(seq) FROM alerts) IS NULL, '[]', ?)) AS wanted
                WHERE EXISTS (SELECT 1 FROM alerts AS a WHERE a.service = wanted.value)
            )
        FROM json_each(?) AS wanted
        CROSS JOIN services AS s ON s.name = wanted.value");

    /// Gives no row, and fails unless others wrote to the file as often as the parameter says: what it gives then is no
    /// JSON.
    UNCHANGED = "
        SELECT json(data_version || ' is another') FROM pragma_data_version WHERE data_version != ?";

    /// How many triggers there are that are not in the parameter, the text of the migrations, as they are.
    TRIGGERS_STRANGE = "
        SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND instr(?, sql) = 0";

    /// The services that the names of `?1`, an array, are aliases of.
    ALIASES_BY_NAME = "
        SELECT a.alias, a.service FROM json_each(?1) AS wanted CROSS JOIN aliases AS a ON a.alias = wanted.value";

    /// Forgets the aliases of the services named in the parameter.
    ALIASES_FORGET = "
        DELETE FROM aliases WHERE service IN (SELECT value FROM json_each(?))";

    /// Stores the aliases of the parameter, an array of (alias, service).
    ALIASES_STORE = "
        INSERT INTO aliases (alias, service) SELECT value ->> 0, value ->> 1 FROM json_each(?)
        WHERE true
        ON CONFLICT (alias) DO UPDATE SET service = excluded.service";

    /// The aliases of the service `?1`.
    ALIASES_OF = "
        SELECT alias FROM aliases WHERE service = ?1 ORDER BY alias";

    /// Up to `?3` services behind the name `?1` in whose names `?2` stands.
    SERVICES_LIST = concat!("
        SELECT ", service_columns!(), "
        FROM services AS s
        WHERE s.name > ?1 AND (?2 = '' OR instr(lower(s.name), lower(?2)) > 0)
        ORDER BY s.name
        LIMIT ?3");

    /// Up to `?4` rows of the history of the service `?3`, from the row `?1` with the number `?2` on back.
    PINGS_LIST = "
        WITH RECURSIVE chain (id, number, steps) AS (
            VALUES (?1, ?2, 0)
            UNION ALL
            SELECT p.previous, p.number - 1, c.steps + 1
            FROM chain AS c
            CROSS JOIN pings AS p ON p.id = c.id
            WHERE p.service = ?3 AND p.number = c.number AND c.steps < ?4 - 1
        )
        SELECT
            p.id, p.number, p.previous, p.at, p.received_at, p.signal, p.exit_status, p.duration_ms, p.run, p.address,
            p.key, l.log
        FROM chain AS c
        CROSS JOIN pings AS p ON p.id = c.id
        LEFT JOIN logs AS l ON l.ping = p.id
        WHERE p.service = ?3 AND p.number = c.number
        ORDER BY p.number DESC";

    /// The services whose deadline has passed at `?1` and that were not alerted of, after the cursor (`?2`, `?3`).
    SERVICES_DUE = concat!("
        SELECT ", service_columns!(), ", s.deadline
        FROM services AS s
        WHERE s.deadline < ?1 AND s.alerted = 0 AND (s.deadline, s.id) > (?2, ?3)
        ORDER BY s.deadline, s.id
        LIMIT ?4");

    /// The services in an outage that was opened, or last told of again, by `?1`, after the cursor (`?2`, `?3`).
    SERVICES_TO_REMIND = concat!("
        SELECT ", service_columns!(), ", coalesce(s.reminded_at, s.outage_since)
        FROM services AS s
        WHERE s.outage_since IS NOT NULL AND coalesce(s.reminded_at, s.outage_since) <= ?1
            AND (coalesce(s.reminded_at, s.outage_since), s.id) > (?2, ?3)
        ORDER BY coalesce(s.reminded_at, s.outage_since), s.id
        LIMIT ?4");

    /// Stores the services of the parameter, an array of rows. The last column, the id, is for those that are new.
    SERVICES_STORE = "
        INSERT INTO services (
            name, description, frequency, cron, tz, grace, grace_given, max_runtime, locked, paused, last_ping,
            last_success, last_duration_ms, expected, deadline, alerted, failed, outage_since, reminded_at,
            running_since, runs, signals, newest_ping, id
        )
        SELECT
            value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
            value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14,
            value ->> 15, value ->> 16, value ->> 17, value ->> 18, value ->> 19, value ->> 20, value ->> 21,
            value ->> 22, value ->> 23
        FROM json_each(?)
        WHERE true
        ON CONFLICT (name) DO UPDATE SET
            description = excluded.description,
            frequency = excluded.frequency,
            cron = excluded.cron,
            tz = excluded.tz,
            grace = excluded.grace,
            grace_given = excluded.grace_given,
            max_runtime = excluded.max_runtime,
            locked = excluded.locked,
            paused = excluded.paused,
            last_ping = excluded.last_ping,
            last_success = excluded.last_success,
            last_duration_ms = excluded.last_duration_ms,
            expected = excluded.expected,
            deadline = excluded.deadline,
            alerted = excluded.alerted,
            failed = excluded.failed,
            outage_since = excluded.outage_since,
            reminded_at = excluded.reminded_at,
            running_since = excluded.running_since,
            runs = excluded.runs,
            signals = excluded.signals,
            newest_ping = excluded.newest_ping";

    /// Sets right that the services named in the parameter were told of, where the trigger has taken a new deadline for
    /// one that hands have set. By their names: the index of those that were not told of holds nearly all there are, and
    /// the `+` keeps it out.
    SERVICES_ALERTED = "
        UPDATE services SET alerted = 1 WHERE +alerted = 0 AND name IN (SELECT value FROM json_each(?))";

    /// Which of `?1`, an array of (newest row, its number, service, run, signal, second), are in the history already,
    /// by their place there; each service's last `?2` signals are looked at.
    PINGS_RECORDED = "
        WITH RECURSIVE walk (place, id, number, service, run, signal, at, steps) AS (
            SELECT key, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, 0
            FROM json_each(?1)
            UNION ALL
            SELECT w.place, p.previous, w.number - 1, w.service, w.run, w.signal, w.at, w.steps + 1
            FROM walk AS w
            CROSS JOIN pings AS p ON p.id = w.id
            WHERE p.service = w.service AND p.number = w.number AND w.steps < ?2 - 1
                -- What was received more than a minute before this second cannot be about it.
                AND p.received_at >= w.at - 60
        )
        SELECT DISTINCT w.place
        FROM walk AS w
        CROSS JOIN pings AS p ON p.id = w.id
        WHERE p.service = w.service AND p.number = w.number AND p.run IS w.run AND p.signal = w.signal AND p.at = w.at";

    /// Removes from the rows of the history behind one, up to where it was looked through now, those that so many younger
    /// ones of their service follow, and those whose service is gone or was made afresh.
    PINGS_TRIM = "
        DELETE FROM pings
        WHERE id > ?
            AND id <= (SELECT coalesce(nullif(trimmed_until, 0), 1000000000000000) FROM monitor WHERE id = 1)
            AND coalesce(
                (SELECT s.signals - number >= ? OR number > s.signals FROM services AS s WHERE s.name = pings.service),
                true
            )";

    /// The newest row of the history.
    PINGS_NEWEST = "
        SELECT coalesce(max(id), 0) FROM pings";

    /// Stores the logs of the parameter, an array of (row of the history, whether of a success, bytes, text).
    LOGS_STORE = "
        INSERT INTO logs (ping, is_success, bytes, log)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)";

    /// How much space all logs take.
    LOGS_BYTES = "
        SELECT coalesce(sum(bytes), 0) FROM logs";

    /// Removes logs that take at least `?1` bytes, or the `?2` that go first.
    LOGS_TRIM = "
        DELETE FROM logs WHERE ping IN (
            SELECT ping FROM (
                SELECT ping, bytes, sum(bytes) OVER (ORDER BY is_success DESC, ping) AS freed
                FROM (SELECT ping, bytes, is_success FROM logs ORDER BY is_success DESC, ping LIMIT ?2)
            )
            WHERE freed - bytes < ?1
        )";

    /// The destinations that were told, or may have been, of an outage of `?1`, an array of (service, outage's
    /// beginning); `?2` are the deliveries in flight, as (alert's seq, destination).
    DESTINATIONS_TOLD = "
        SELECT DISTINCT a.service, a.outage_since, d.destination
        FROM json_each(?1) AS outage
        CROSS JOIN alerts AS a ON a.service = outage.value ->> 0 AND a.outage_since = outage.value ->> 1
        CROSS JOIN deliveries AS d ON d.alert = a.seq
        WHERE a.kind != 'recovered' AND (
            d.state = 'delivered' OR d.attempts > 0
            OR EXISTS (
                SELECT 1 FROM json_each(?2) AS flying
                WHERE flying.value ->> 0 = d.alert AND flying.value ->> 1 = d.destination
            )
        )";

    /// Forgets reminders that were not delivered of the services named in `?1`, but for those in flight, `?2`: a newer
    /// one takes their place.
    REMINDERS_REPLACE = "
        DELETE FROM deliveries
        WHERE state = 'pending'
            AND alert IN (
                SELECT a.seq FROM json_each(?1) AS late
                CROSS JOIN alerts AS a ON a.service = late.value AND a.kind = 'reminder'
            )
            AND NOT EXISTS (
                SELECT 1 FROM json_each(?2) AS flying
                WHERE flying.value ->> 0 = deliveries.alert AND flying.value ->> 1 = deliveries.destination
            )";

    /// For each (service, kind, second) of `?1`, by its place there, the occurrence that comes next.
    ALERTS_OCCURRENCE = "
        SELECT raised.key, (
            SELECT max(a.occurrence) + 1
            FROM alerts AS a
            WHERE a.service = raised.value ->> 0 AND a.kind = raised.value ->> 1 AND a.about = raised.value ->> 2
        )
        FROM json_each(?1) AS raised";

    /// Stores the alerts of `?1`, an array of rows, in their order.
    ALERTS_STORE = "
        INSERT OR ROLLBACK INTO alerts (
            id, service, kind, about, occurrence, created_at, outage_since, frequency, grace, last_ping, deadline,
            reason, uncertain_from, uncertain_to, cron, tz, description, last_success, last_duration_ms, running_since,
            failed, exit_status, log
        )
        SELECT
            value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
            value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14,
            value ->> 15, value ->> 16, value ->> 17, value ->> 18, value ->> 19, value ->> 20, value ->> 21,
            value ->> 22
        FROM json_each(?1)";

    /// Stores the deliveries of `?1`, an array of (alert's id, destination, due at).
    DELIVERIES_STORE = "
        INSERT OR ROLLBACK INTO deliveries (alert, destination, service, next_attempt)
        SELECT a.seq, wanted.value ->> 1, a.service, wanted.value ->> 2
        FROM json_each(?1) AS wanted
        CROSS JOIN alerts AS a ON a.id = wanted.value ->> 0";

    /// Notes what became of the attempts of `?1`, an array of (alert's seq, destination, state, next attempt, whether
    /// the destination failed, when, error).
    DELIVERIES_RECORD = "
        UPDATE deliveries SET
            state = result.value ->> 2,
            attempts = min(attempts, 1000000) + 1,
            next_attempt = result.value ->> 3,
            destination_failed = result.value ->> 4,
            last_attempt = result.value ->> 5,
            last_error = result.value ->> 6,
            delivered_at = CASE WHEN result.value ->> 2 = 'delivered' THEN result.value ->> 5 END
        FROM json_each(?1) AS result
        WHERE alert = result.value ->> 0 AND destination = result.value ->> 1 AND state = 'pending'";

    /// Makes due at `?2` what waits because the destination `?1` as a whole had failed, unless it failed over `?3` times:
    /// it may be what makes the destination fail.
    DELIVERIES_REVIVE = "
        UPDATE deliveries SET next_attempt = ?2
        WHERE destination = ?1 AND state = 'pending' AND next_attempt > ?2 AND destination_failed = 1
            AND attempts <= ?3";

    /// Makes due at `?1` what would be tried again only after `?2`.
    DELIVERIES_UNSTICK = "
        UPDATE deliveries SET next_attempt = ?1 WHERE state = 'pending' AND next_attempt > ?2";

    /// Gives up what waits for destinations that are not among those of `?1`.
    DELIVERIES_GIVE_UP_STRANGERS = "
        UPDATE deliveries SET state = 'given_up', last_error = 'the destination has left the settings'
        WHERE state = 'pending' AND destination NOT IN (SELECT value FROM json_each(?1))";

    /// Up to `?3` deliveries that the destination `?1` has to make at `?2`, with their alerts, the longest due first;
    /// of each service only the oldest.
    DELIVERIES_DUE = concat!("
        SELECT ", alert_columns!(), ", d.attempts, d.retried_at
        FROM deliveries AS d
        CROSS JOIN alerts AS a ON a.seq = d.alert
        WHERE d.destination = ?1 AND d.state = 'pending' AND d.next_attempt <= ?2
            AND NOT EXISTS (
                SELECT 1
                FROM deliveries AS earlier
                WHERE earlier.service = d.service AND earlier.destination = d.destination
                    AND earlier.state = 'pending' AND earlier.alert < d.alert
            )
        ORDER BY d.next_attempt, d.alert
        LIMIT ?3");

    /// Of up to `?5` services in an outage, after the cursor (`?3`, `?4`): the newest alert of it, of the kinds of `?2`,
    /// that the destination `?1` was told of, unless its end was raised since; and the service's place in the order.
    /// What ends an outage is no earlier than the last ping before it, which may have been a minute ahead.
    OUTAGES_TOLD = concat!("
        SELECT ", alert_columns!(), ", 0, NULL,
            coalesce(s.reminded_at, s.outage_since) AS place_second, s.id AS place_id
        FROM services AS s
        LEFT JOIN alerts AS a ON a.seq = (
            SELECT max((
                SELECT told.seq
                FROM alerts AS told
                CROSS JOIN deliveries AS d ON d.alert = told.seq AND d.destination = ?1
                WHERE told.service = s.name AND told.kind = kind.value AND told.about >= s.outage_since
                    AND told.outage_since = s.outage_since AND d.state = 'delivered'
                ORDER BY told.about DESC
                LIMIT 1
            ))
            FROM json_each(?2) AS kind
        ) AND NOT EXISTS (
            SELECT 1
            FROM alerts AS ending
            WHERE ending.service = s.name AND ending.kind = 'recovered'
                AND ending.about >= coalesce(a.last_ping, 0) - 60 AND ending.outage_since = s.outage_since
                AND ending.seq > a.seq
        )
        WHERE s.outage_since IS NOT NULL AND coalesce(s.reminded_at, s.outage_since) >= ?3
            AND (coalesce(s.reminded_at, s.outage_since), s.id) > (?3, ?4)
        ORDER BY coalesce(s.reminded_at, s.outage_since), s.id
        LIMIT ?5");

    /// Removes up to `?2` alerts raised before `?1`, but none on its way and none of an outage that lasts.
    ALERTS_PURGE = "
        DELETE FROM alerts WHERE seq IN (
            SELECT a.seq
            FROM alerts AS a
            WHERE a.created_at < ?1
                AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.alert = a.seq AND d.state = 'pending')
                AND NOT EXISTS (
                    SELECT 1 FROM services AS s WHERE s.name = a.service AND s.outage_since = a.outage_since
                )
            ORDER BY a.created_at
            LIMIT ?2
        )";

    /// What the monitor remembers of its own attention.
    MONITOR_READ = "
        SELECT listening_until, gap_from, gap_to, hold_until FROM monitor WHERE id = 1";

    /// Notes until when the monitor has listened, and its last gap.
    MONITOR_STORE = "
        INSERT INTO monitor (id, listening_until, gap_from, gap_to, hold_until)
        VALUES (1, ?1, ?2, ?3, ?4)
        ON CONFLICT (id) DO UPDATE SET
            listening_until = excluded.listening_until,
            gap_from = excluded.gap_from,
            gap_to = excluded.gap_to,
            hold_until = excluded.hold_until";

    /// Up to `?2` services behind the row `?1`: id and name.
    SERVICES_NAMES = "
        SELECT id, name FROM services WHERE id > ?1 ORDER BY id LIMIT ?2";

    /// How many services there are.
    SERVICES_COUNT = "
        SELECT count(*) FROM services";

    /// What the database holds at `?1`: services, those overdue, the last ping of all.
    SUMMARY = "
        SELECT count(*), coalesce(sum(deadline < ?1), 0), max(last_ping) FROM services";

    /// Up to `?2` services, counted by what their status at `?1` follows from, in the order of `core::service::Signs`.
    SERVICES_CENSUS = "
        SELECT
            paused, deadline IS NOT NULL AND deadline < ?1, failed, last_ping IS NOT NULL, running_since IS NOT NULL,
            deadline IS NOT NULL AND expected IS NOT NULL AND expected < ?1, count(*)
        FROM (SELECT paused, deadline, failed, last_ping, running_since, expected FROM services LIMIT ?2)
        GROUP BY 1, 2, 3, 4, 5, 6";

    /// Up to `?2` services in an outage, the longest silent first: what their status at `?1` follows from, their names
    /// and deadlines.
    SERVICES_WATCHED_IN_OUTAGE = "
        SELECT
            paused, deadline IS NOT NULL AND deadline < ?1, failed, last_ping IS NOT NULL, running_since IS NOT NULL,
            deadline IS NOT NULL AND expected IS NOT NULL AND expected < ?1, name, deadline
        FROM services
        WHERE outage_since IS NOT NULL
        ORDER BY coalesce(reminded_at, outage_since)
        LIMIT ?2";

    /// The same of up to `?2` services that are in none, in the order in which they were made.
    SERVICES_WATCHED = "
        SELECT
            paused, deadline IS NOT NULL AND deadline < ?1, failed, last_ping IS NOT NULL, running_since IS NOT NULL,
            deadline IS NOT NULL AND expected IS NOT NULL AND expected < ?1, name, deadline
        FROM services
        WHERE outage_since IS NULL AND id > 0
        ORDER BY id
        LIMIT ?2";

    /// The newest migration, and whether the first is ours.
    MIGRATIONS_APPLIED = "
        SELECT coalesce(max(version), 0), coalesce(sum(version = 1 AND description = 'services and alerts'), 0)
        FROM _sqlx_migrations";

    /// Whether this is a database of ours, of something else, or empty.
    TABLES = "
        SELECT count(*), coalesce(sum(name = '_sqlx_migrations'), 0) FROM sqlite_schema WHERE type = 'table'";
}
