//! The texts about the record: changes, gaps, what `why` and `report` read beside them, and how far the history was
//! looked through.

/// The columns of a change, as `record::changed` reads them.
macro_rules! change_columns {
    () => {
        "c.at, c.what, c.by_ping, c.key, c.signals, c.was_frequency, c.was_cron, c.was_tz, c.was_grace,
            c.was_max_runtime, c.frequency, c.cron, c.tz, c.grace, c.max_runtime, c.paused, c.expected, c.deadline"
    };
}

statements! {
    /// Up to where the history was looked through.
    PINGS_TRIMMED_UNTIL = "
        SELECT coalesce(max(trimmed_until), 0) FROM monitor";

    /// Notes up to where the history is looked through by going so many rows on from one, and returns it. At the end that
    /// is 0, where it begins anew: or it would look at nothing but what has just come. (A limit that is bound as it is
    /// would have the statement prepared anew each time.)
    PINGS_NOTE_TRIMMED = "
        UPDATE monitor SET trimmed_until = coalesce(
            (
                SELECT nullif(max(id), (SELECT max(id) FROM pings))
                FROM (SELECT id FROM pings WHERE id > ? ORDER BY id LIMIT ? + 0)
            ),
            0
        )
        WHERE id = 1
        RETURNING trimmed_until";

    /// Appends one change, as [`CHANGES_STORE`](super::of_rows::CHANGES_STORE) does many: (service, service, and the other
    /// columns in their order).
    CHANGES_STORE_ONE = "
        INSERT OR ROLLBACK INTO changes (
            service, number, at, what, by_ping, key, signals, was_frequency, was_cron, was_tz, was_grace,
            was_max_runtime, frequency, cron, tz, grace, max_runtime, paused, expected, deadline
        )
        VALUES (
            ?, coalesce((SELECT max(before.number) FROM changes AS before WHERE before.service = ?), 0) + ?,
            ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
        )";

    /// Removes the changes of the service, given twice, that so many newer ones follow.
    CHANGES_TRIM_OF_ONE = "
        DELETE FROM changes
        WHERE service = ? AND number <= (
            SELECT max(newest.number) FROM changes AS newest WHERE newest.service = ?
        ) - ?";

    /// Removes the changes of the services named in the first parameter that so many newer ones follow.
    CHANGES_TRIM_OF = "
        DELETE FROM changes WHERE seq IN (
            SELECT c.seq
            FROM json_each(?) AS wanted
            CROSS JOIN changes AS c ON c.service = wanted.value AND c.number <= (
                SELECT max(newest.number) FROM changes AS newest WHERE newest.service = wanted.value
            ) - ?
        )";

    /// Removes so many of the oldest changes.
    CHANGES_TRIM = "
        DELETE FROM changes WHERE seq IN (SELECT seq FROM changes ORDER BY seq LIMIT ?)";

    /// How many changes there are.
    CHANGES_COUNT = "
        SELECT count(*) FROM changes";

    /// The changes of the service `?1`, the oldest first.
    CHANGES_OF = concat!("
        SELECT ", change_columns!(), "
        FROM changes AS c
        WHERE c.service = ?1
        ORDER BY c.number");

    /// The second of the oldest change that is kept.
    CHANGES_OLDEST = "
        SELECT at FROM changes WHERE seq = (SELECT min(seq) FROM changes)";

    /// Up to `?4` rows of the history of the service `?3` that had come by `?5`, the last ones, from the row `?1` with the
    /// number `?2` on back.
    PINGS_BEFORE = "
        WITH RECURSIVE chain (id, number) AS (
            VALUES (?1, ?2)
            UNION ALL
            SELECT p.previous, p.number - 1
            FROM chain AS c
            CROSS JOIN pings AS p ON p.id = c.id
            WHERE p.service = ?3 AND p.number = c.number
        )
        SELECT p.number, p.at, p.received_at, p.signal, p.exit_status, p.run, p.key
        FROM chain AS c
        CROSS JOIN pings AS p ON p.id = c.id
        WHERE p.service = ?3 AND p.number = c.number AND p.received_at <= ?5
        ORDER BY p.number DESC
        LIMIT ?4";

    /// The first row of it that came later.
    PINGS_AFTER = "
        WITH RECURSIVE chain (id, number) AS (
            VALUES (?1, ?2)
            UNION ALL
            SELECT p.previous, p.number - 1
            FROM chain AS c
            CROSS JOIN pings AS p ON p.id = c.id
            WHERE p.service = ?3 AND p.number = c.number
        )
        SELECT p.number, p.at, p.received_at, p.signal, p.exit_status, p.run, p.key
        FROM chain AS c
        CROSS JOIN pings AS p ON p.id = c.id
        WHERE p.service = ?3 AND p.number = c.number AND p.received_at > ?4
        ORDER BY p.number
        LIMIT 1";

    /// Up to `?3` alerts of the service `?1` that were raised by `?2`, the newest first.
    ALERTS_BEFORE = concat!("
        SELECT ", alert_columns!(), "
        FROM alerts AS a INDEXED BY alerts_outage
        WHERE a.service = ?1 AND +a.created_at <= ?2
        ORDER BY +a.seq DESC
        LIMIT ?3");

    /// Up to `?3` that were raised later, the oldest first.
    ALERTS_AFTER = concat!("
        SELECT ", alert_columns!(), "
        FROM alerts AS a INDEXED BY alerts_outage
        WHERE a.service = ?1 AND +a.created_at > ?2
        ORDER BY +a.seq
        LIMIT ?3");

    /// Up to `?2` names behind `?1` of services that are there, or were.
    NAMES_EVER = "
        SELECT name FROM (
            SELECT name FROM (SELECT name FROM services WHERE name > ?1 ORDER BY name LIMIT ?2)
            UNION
            SELECT name FROM (SELECT DISTINCT service AS name FROM changes WHERE service > ?1 ORDER BY service LIMIT ?2)
        )
        ORDER BY name
        LIMIT ?2";

    /// Whether a service `?1` is there, and since when it is in an outage.
    SERVICE_IN_OUTAGE = "
        SELECT outage_since FROM services WHERE name = ?1";

    /// Up to `?4` outages of the service `?1` that were opened before `?3` and had not ended by `?2`, the newest first:
    /// when it was opened, what its last alert told, the second that is about, and when that was raised.
    OUTAGES_IN = "
        SELECT a.outage_since, a.kind, a.about, a.created_at, max(a.seq)
        FROM alerts AS a INDEXED BY alerts_outage
        WHERE a.service = ?1 AND a.outage_since < ?3
        GROUP BY a.outage_since
        HAVING a.kind != 'recovered' OR a.about >= ?2
        ORDER BY a.outage_since DESC
        LIMIT ?4";

    /// Stores a gap, or that it has become longer.
    GAPS_STORE = "
        INSERT INTO gaps (gap_from, gap_to, hold_until) VALUES (?1, ?2, ?3)
        ON CONFLICT (gap_from) DO UPDATE SET gap_to = excluded.gap_to, hold_until = excluded.hold_until";

    /// Removes the gap that began at `?1`: a clock that was wrong had found it.
    GAPS_FORGET = "
        DELETE FROM gaps WHERE gap_from = ?1";

    /// Removes the gaps that `?1` newer ones follow.
    GAPS_TRIM = "
        DELETE FROM gaps WHERE gap_from <= (SELECT gap_from FROM gaps ORDER BY gap_from DESC LIMIT 1 OFFSET ?1)";

    /// Up to `?3` gaps that began by `?2` and whose hold ended at `?1` or later, the newest first.
    GAPS_AROUND = "
        SELECT gap_from, gap_to, hold_until FROM gaps
        WHERE gap_from <= ?2 AND max(hold_until, gap_to) >= ?1
        ORDER BY gap_from DESC
        LIMIT ?3";
}
