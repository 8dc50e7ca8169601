//! The texts that forget services: what is left of them is what somebody was told, and the record.

/// Which deliveries go with the services named in the parameter; the next two are the deliveries in flight, both times.
/// See `DELIVERIES_FORGET`.
macro_rules! of_the_forgotten {
    () => {
        "
            AND alert IN (SELECT a.seq FROM json_each(?) AS gone CROSS JOIN alerts AS a ON a.service = gone.value)
            AND NOT EXISTS (
                SELECT 1
                FROM alerts AS ending
                CROSS JOIN alerts AS beginning
                    ON beginning.service = ending.service AND beginning.outage_since = ending.outage_since
                CROSS JOIN deliveries AS told ON told.alert = beginning.seq AND told.destination = deliveries.destination
                WHERE ending.seq = deliveries.alert AND ending.kind = 'recovered' AND beginning.kind != 'recovered'
                    AND (told.state = 'delivered' OR told.attempts > 0 OR told.alert IN (
                        SELECT flying.value ->> 0 FROM json_each(?) AS flying
                        WHERE flying.value ->> 1 = told.destination
                    ))
            )
            AND NOT EXISTS (
                SELECT 1 FROM json_each(?) AS flying
                WHERE flying.value ->> 0 = deliveries.alert AND flying.value ->> 1 = deliveries.destination
            )"
    };
}

/// Forgets services, in this order. The parameter of each are the names.
pub(in crate::store) const FORGET: [&str; 2] = [PINGS_FORGET, SERVICES_FORGET];

/// Forgets what was to be told of services, in this order. The first parameter of each are the names; where there are more,
/// they are the deliveries in flight, which stay.
pub(in crate::store) const FORGET_ALERTS: [(&str, usize); 3] =
    [(DELIVERIES_CLOSE, 3), (DELIVERIES_FORGET, 3), (ALERTS_FORGET, 1)];

statements! {
    /// Forgets the history of the services named in the parameter.
    PINGS_FORGET = "
        DELETE FROM pings WHERE id IN (
            WITH RECURSIVE chain (id, number, service) AS (
                SELECT s.newest_ping, s.signals, s.name
                FROM json_each(?) AS gone
                CROSS JOIN services AS s ON s.name = gone.value
                UNION ALL
                SELECT p.previous, c.number - 1, c.service
                FROM chain AS c
                CROSS JOIN pings AS p ON p.id = c.id
                WHERE p.service = c.service AND p.number = c.number
            )
            SELECT p.id FROM chain AS c CROSS JOIN pings AS p ON p.id = c.id
            WHERE p.service = c.service AND p.number = c.number
        )";

    /// Forgets the history of one service: (row of its last signal, number of that, name, the same again). It says less to
    /// SQLite than [`PINGS_FORGET`], which has to look up whose it is and keep that beside each row.
    PINGS_FORGET_ONE = "
        DELETE FROM pings WHERE id IN (
            WITH RECURSIVE chain (id, number) AS (
                VALUES (?, ?)
                UNION ALL
                SELECT p.previous, c.number - 1
                FROM chain AS c
                CROSS JOIN pings AS p ON p.id = c.id
                WHERE p.service = ? AND p.number = c.number
            )
            SELECT p.id FROM chain AS c CROSS JOIN pings AS p ON p.id = c.id
            WHERE p.service = ? AND p.number = c.number
        )";

    /// Forgets the one signal that a service has sent: (row, name).
    PINGS_FORGET_FIRST = "
        DELETE FROM pings WHERE id = ? AND service = ? AND number = 1";

    /// Forgets the service of a row.
    SERVICES_FORGET_ONE = "
        DELETE FROM services WHERE id = ?";

    /// Forgets the services named in the parameter.
    SERVICES_FORGET = "
        DELETE FROM services WHERE name IN (SELECT value FROM json_each(?))";

    /// Forgets what was never tried of the services named in the first parameter, but for the deliveries in flight, the
    /// other two (they may arrive, and what follows them has to come behind), and for the ends of outages, which are to
    /// reach those who were told of their beginnings.
    DELIVERIES_FORGET = concat!("
        DELETE FROM deliveries
        WHERE state != 'delivered' AND attempts = 0", of_the_forgotten!());

    /// Gives up the rest of these: what was tried may have arrived, and its id is never used again.
    DELIVERIES_CLOSE = concat!("
        UPDATE deliveries SET state = 'given_up', last_error = 'the service was deleted'
        WHERE state = 'pending' AND attempts > 0", of_the_forgotten!());

    /// Forgets the alerts of the services named in the parameter that no destination was told of.
    ALERTS_FORGET = "
        DELETE FROM alerts
        WHERE service IN (SELECT value FROM json_each(?))
            AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.alert = alerts.seq)";
}
