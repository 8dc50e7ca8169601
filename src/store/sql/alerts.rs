//! The texts about alerts that were raised, their deliveries with every attempt, and the outages that they tell of.

/// The columns of a delivery behind its alert's place, as `store::alerts` reads them.
macro_rules! delivery_columns {
    () => {
        "d.alert, d.destination, d.state, d.attempts, d.next_attempt, d.last_attempt, d.last_error, d.delivered_at,
            d.retried_at"
    };
}

statements! {
    /// Notes the attempts of `?1`, an array as `DELIVERIES_RECORD` takes it and (outcome, answer) behind: along with the
    /// one before it where that had the same answer. The deliveries count them only after this.
    ATTEMPTS_RECORD = "
        INSERT INTO attempts (alert, destination, number, first_at, last_at, outcome, answer)
        SELECT
            d.alert, d.destination,
            coalesce(
                (
                    SELECT CASE WHEN last.outcome = result.value ->> 7 AND last.answer = result.value ->> 8 THEN last.number END
                    FROM attempts AS last
                    WHERE last.alert = d.alert AND last.destination = d.destination
                    ORDER BY last.number DESC
                    LIMIT 1
                ),
                min(max(d.attempts, 0), 1000000) + 1
            ),
            result.value ->> 5, result.value ->> 5, result.value ->> 7, result.value ->> 8
        FROM json_each(?1) AS result
        CROSS JOIN deliveries AS d ON d.alert = result.value ->> 0 AND d.destination = result.value ->> 1
        WHERE d.state = 'pending'
        ON CONFLICT DO UPDATE SET
            count = count + 1,
            last_at = excluded.last_at,
            outcome = excluded.outcome,
            answer = excluded.answer";

    /// Forgets of the deliveries of `?1`, an array of (alert's seq, destination, …), all but the last `?2` rows of
    /// attempts.
    ATTEMPTS_TRIM = "
        DELETE FROM attempts WHERE (alert, destination, number) IN (
            SELECT old.alert, old.destination, old.number
            FROM json_each(?1) AS result
            CROSS JOIN attempts AS old ON old.alert = result.value ->> 0 AND old.destination = result.value ->> 1
                AND old.number <= (
                    SELECT kept.number
                    FROM attempts AS kept
                    WHERE kept.alert = result.value ->> 0 AND kept.destination = result.value ->> 1
                    ORDER BY kept.number DESC
                    LIMIT 1 OFFSET ?2
                )
        )";

    /// The last of up to `?2` alerts raised before the one with the seq `?1`, and how many those are.
    ALERTS_WINDOW = "
        SELECT min(seq), count(*) FROM (SELECT seq FROM alerts WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2) AS page";

    /// The same of the service `?3`.
    ALERTS_WINDOW_OF_SERVICE = "
        SELECT min(seq), count(*) FROM (
            SELECT seq FROM alerts INDEXED BY alerts_outage WHERE service = ?3 AND +seq < ?1 ORDER BY +seq DESC LIMIT ?2
        ) AS page";

    /// Up to `?5` alerts from the seq `?2` to before `?1`, the newest first, of the kind `?3` and with a delivery in the
    /// state `?4`, where these are given.
    ALERTS_LIST = concat!("
        SELECT ", alert_columns!(), "
        FROM alerts AS a
        WHERE a.seq < ?1 AND a.seq >= ?2 AND (?3 IS NULL OR a.kind = ?3)
            AND (?4 IS NULL OR EXISTS (SELECT 1 FROM deliveries AS d WHERE d.alert = a.seq AND d.state = ?4))
        ORDER BY a.seq DESC
        LIMIT ?5");

    /// The same of the service `?6`.
    ALERTS_LIST_OF_SERVICE = concat!("
        SELECT ", alert_columns!(), "
        FROM alerts AS a INDEXED BY alerts_outage
        WHERE a.service = ?6 AND +a.seq < ?1 AND +a.seq >= ?2 AND (?3 IS NULL OR a.kind = ?3)
            AND (?4 IS NULL OR EXISTS (SELECT 1 FROM deliveries AS d WHERE d.alert = a.seq AND d.state = ?4))
        ORDER BY +a.seq DESC
        LIMIT ?5");

    /// The alert with the id `?1`.
    ALERTS_ONE = concat!("
        SELECT ", alert_columns!(), " FROM alerts AS a WHERE a.id = ?1");

    /// The alerts of the outage of the service `?1` that was opened at `?2`, in their order; the last `?3`.
    ALERTS_OF_OUTAGE = concat!("
        SELECT ", alert_columns!(), "
        FROM alerts AS a
        WHERE a.service = ?1 AND a.outage_since = ?2
        ORDER BY a.seq DESC
        LIMIT ?3");

    /// The deliveries of the alerts whose seqs are in `?1`.
    DELIVERIES_OF = concat!("
        SELECT ", delivery_columns!(), "
        FROM json_each(?1) AS wanted
        CROSS JOIN deliveries AS d ON d.alert = wanted.value
        ORDER BY d.alert, d.destination");

    /// Their attempts.
    ATTEMPTS_OF = "
        SELECT t.alert, t.destination, t.number, t.count, t.first_at, t.last_at, t.outcome, t.answer
        FROM json_each(?1) AS wanted
        CROSS JOIN attempts AS t ON t.alert = wanted.value
        ORDER BY t.alert, t.destination, t.number";

    /// Up to `?3` outages of the service `?1` that were opened before `?2`, the newest first: when it was opened, its
    /// end, why it ended, how many alerts told of it, whether a failure and whether
    /// silence was told of in it, and whether the service is in it.
    OUTAGES_OF_SERVICE = "
        SELECT
            a.outage_since,
            max(CASE WHEN a.kind = 'recovered' THEN a.about END),
            max(a.reason),
            count(*),
            coalesce(max(a.kind = 'failed'), 0),
            coalesce(max(a.kind = 'overdue'), 0),
            EXISTS (SELECT 1 FROM services AS s WHERE s.name = ?1 AND s.outage_since = a.outage_since)
        FROM alerts AS a
        WHERE a.service = ?1 AND a.outage_since < ?2
        GROUP BY a.outage_since
        ORDER BY a.outage_since DESC
        LIMIT ?3";

    /// What stands for or against sending the alert `?1` again, of each delivery that was given up: its destination,
    /// the alert's kind, whether its service was deleted, and whether the destination was told of the end of its outage,
    /// or may have been; `?2` are the deliveries in flight, as (alert's seq, destination).
    DELIVERIES_GIVEN_UP = "
        SELECT
            d.destination,
            a.kind,
            coalesce(d.last_error, '') = 'the service was deleted'
                OR NOT EXISTS (SELECT 1 FROM services AS s WHERE s.name = a.service),
            EXISTS (
                SELECT 1
                FROM alerts AS ending
                CROSS JOIN deliveries AS told ON told.alert = ending.seq AND told.destination = d.destination
                WHERE ending.service = a.service AND ending.outage_since = a.outage_since
                    AND ending.kind = 'recovered' AND ending.seq > a.seq
                    AND (told.state = 'delivered' OR EXISTS (
                        SELECT 1 FROM json_each(?2) AS flying
                        WHERE flying.value ->> 0 = told.alert AND flying.value ->> 1 = told.destination
                    ))
            )
        FROM alerts AS a
        CROSS JOIN deliveries AS d ON d.alert = a.seq
        WHERE a.id = ?1 AND d.state = 'given_up'
        ORDER BY d.destination";

    /// Makes due at `?2` the deliveries of the alert `?1` to the destinations of `?3` that were given up.
    DELIVERIES_RETRY = "
        UPDATE deliveries SET state = 'pending', next_attempt = ?2, retried_at = ?2, destination_failed = 0
        WHERE alert = (SELECT seq FROM alerts WHERE id = ?1) AND state = 'given_up'
            AND destination IN (SELECT value FROM json_each(?3))";
}
