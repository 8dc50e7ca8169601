//! Every SQL text of the program. SQL stores and selects; it decides nothing.
//!
//! Rows travel in and out of a batch as one JSON array each (`json_each`), so that a batch is few statements whatever
//! its size. No value here holds a NUL, at which `json_each` would cut it.

/// Declares the texts, and lists them all for the test that prepares each on a migrated database.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub(super) const $name: &str = $text;)*

        /// Every text by its name.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $text)),*];
    };
}

statements! {
    /// The rows of the services named in `?1`, an array of names.
    SERVICES_BY_NAME = "
        SELECT s.id, s.name, s.frequency, s.grace, s.last_ping, s.expected, s.deadline, s.alerted, s.outage_since,
            s.reminded_at
        FROM json_each(?1) AS wanted
        CROSS JOIN services AS s ON s.name = wanted.value";

    /// The services whose deadline has passed at `?1` and that were not alerted of, after the cursor (`?2`, `?3`).
    SERVICES_DUE = "
        SELECT id, name, frequency, grace, last_ping, expected, deadline, alerted, outage_since, reminded_at, deadline
        FROM services
        WHERE deadline < ?1 AND alerted = 0 AND (deadline, id) > (?2, ?3)
        ORDER BY deadline, id
        LIMIT ?4";

    /// The services in an outage that was opened, or last told of again, by `?1`, after the cursor (`?2`, `?3`).
    SERVICES_TO_REMIND = "
        SELECT
            id, name, frequency, grace, last_ping, expected, deadline, alerted, outage_since, reminded_at,
            coalesce(reminded_at, outage_since)
        FROM services
        WHERE outage_since IS NOT NULL AND coalesce(reminded_at, outage_since) <= ?1
            AND (coalesce(reminded_at, outage_since), id) > (?2, ?3)
        ORDER BY coalesce(reminded_at, outage_since), id
        LIMIT ?4";

    /// Stores the services of `?1`, an array of rows.
    SERVICES_STORE = "
        INSERT INTO services (
            name, frequency, grace, last_ping, expected, deadline, alerted, outage_since, reminded_at
        )
        SELECT
            value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
            value ->> 8
        FROM json_each(?1)
        WHERE true
        ON CONFLICT (name) DO UPDATE SET
            frequency = excluded.frequency,
            grace = excluded.grace,
            last_ping = excluded.last_ping,
            expected = excluded.expected,
            deadline = excluded.deadline,
            alerted = excluded.alerted,
            outage_since = excluded.outage_since,
            reminded_at = excluded.reminded_at";

    /// Forgets the services named in `?1`.
    SERVICES_FORGET = "
        DELETE FROM services WHERE name IN (SELECT value FROM json_each(?1))";

    /// The destinations that were told, or may have been, of an outage of `?1`, an array of (service, outage's
    /// beginning); `?2` are the deliveries in flight, as (alert's seq, destination).
    DESTINATIONS_TOLD = "
        SELECT DISTINCT a.service, d.destination
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

    /// Forgets what was not delivered of the services named in `?1`, but for the deliveries in flight, `?2` (they may
    /// arrive, and what follows them has to come behind), and for the ends of outages, which are to reach those who were
    /// told of their beginnings.
    DELIVERIES_FORGET = "
        DELETE FROM deliveries
        WHERE state != 'delivered'
            AND alert IN (SELECT a.seq FROM json_each(?1) AS gone CROSS JOIN alerts AS a ON a.service = gone.value)
            AND NOT EXISTS (
                SELECT 1
                FROM alerts AS ending
                CROSS JOIN alerts AS beginning
                    ON beginning.service = ending.service AND beginning.outage_since = ending.outage_since
                CROSS JOIN deliveries AS told ON told.alert = beginning.seq AND told.destination = deliveries.destination
                WHERE ending.seq = deliveries.alert AND ending.kind = 'recovered' AND beginning.kind != 'recovered'
                    AND (told.state = 'delivered' OR told.attempts > 0 OR told.alert IN (
                        SELECT flying.value ->> 0 FROM json_each(?2) AS flying
                        WHERE flying.value ->> 1 = told.destination
                    ))
            )
            AND NOT EXISTS (
                SELECT 1 FROM json_each(?2) AS flying
                WHERE flying.value ->> 0 = deliveries.alert AND flying.value ->> 1 = deliveries.destination
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

    /// Forgets the alerts of the services named in `?1` that no destination was told of.
    ALERTS_FORGET = "
        DELETE FROM alerts
        WHERE service IN (SELECT value FROM json_each(?1))
            AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.alert = alerts.seq)";

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
        INSERT INTO alerts (
            id, service, kind, about, occurrence, created_at, outage_since, frequency, grace, last_ping, deadline,
            reason, uncertain_from, uncertain_to
        )
        SELECT
            value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
            value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13
        FROM json_each(?1)";

    /// Stores the deliveries of `?1`, an array of (alert's id, destination, due at).
    DELIVERIES_STORE = "
        INSERT INTO deliveries (alert, destination, service, next_attempt)
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
    DELIVERIES_DUE = "
        SELECT
            a.seq, a.id, a.service, a.kind, a.about, a.created_at, a.outage_since, a.frequency, a.grace, a.last_ping,
            a.deadline, a.reason, a.uncertain_from, a.uncertain_to, d.attempts
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
        LIMIT ?3";

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

    /// The newest migration, and whether the first is ours.
    MIGRATIONS_APPLIED = "
        SELECT coalesce(max(version), 0), coalesce(sum(version = 1 AND description = 'services and alerts'), 0)
        FROM _sqlx_migrations";

    /// Whether this is a database of ours, of something else, or empty.
    TABLES = "
        SELECT count(*), coalesce(sum(name = '_sqlx_migrations'), 0) FROM sqlite_schema WHERE type = 'table'";
}
