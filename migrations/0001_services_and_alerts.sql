-- The file is an interface: people read and edit it with sqlite3. Times are Unix seconds (UTC), durations seconds.
-- STRICT keeps every column to its type; what the program parses has a CHECK, so that a slip of the hand is refused
-- by the edit and not found by the sweep.

-- One row for each thing that is watched.
CREATE TABLE services (
    id INTEGER PRIMARY KEY,
    -- Unique and chosen by the caller: 1 to 255 bytes without control characters.
    name TEXT NOT NULL UNIQUE CONSTRAINT name_is_1_to_255_bytes_without_control_characters CHECK (
        length(CAST(name AS BLOB)) BETWEEN 1 AND 255
        AND instr(CAST(name AS BLOB), x'00') = 0
        AND name NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'
    ),
    -- How often a ping is expected: 1 second to 520 weeks. An edit counts from the next ping.
    frequency INTEGER CONSTRAINT frequency_is_1_second_to_520_weeks CHECK (frequency BETWEEN 1 AND 314496000),
    -- How much longer to wait before silence counts. An edit counts from the next ping.
    grace INTEGER NOT NULL DEFAULT 0 CONSTRAINT grace_is_0_seconds_to_520_weeks CHECK (grace BETWEEN 0 AND 314496000),
    -- When the job last said that it ran; NULL before the first ping.
    last_ping INTEGER CONSTRAINT last_ping_is_a_unix_second CHECK (last_ping BETWEEN 0 AND 253402300799),
    -- When the next ping is expected: last_ping + frequency. Only the status `late` looks at it.
    expected INTEGER CONSTRAINT expected_is_a_unix_second CHECK (expected BETWEEN 0 AND 253402300799),
    -- The second after which the service is overdue: expected + grace. The sweep believes this column alone; NULL
    -- expects nothing.
    deadline INTEGER CONSTRAINT deadline_is_a_unix_second CHECK (deadline BETWEEN 0 AND 253402300799),
    -- 1 once `overdue` was raised for the present deadline. Set back to 0, it is raised again.
    alerted INTEGER NOT NULL DEFAULT 0 CONSTRAINT alerted_is_0_or_1 CHECK (alerted IN (0, 1)),
    -- The deadline that opened the present outage; NULL outside one.
    outage_since INTEGER CONSTRAINT outage_since_is_a_unix_second CHECK (outage_since BETWEEN 0 AND 253402300799),
    -- When the present outage was last told of again; NULL before its first reminder.
    reminded_at INTEGER CONSTRAINT reminded_at_is_a_unix_second CHECK (reminded_at BETWEEN 0 AND 253402300799)
) STRICT;

-- What the sweep looks for every second. Its size is that of what can still fall due.
CREATE INDEX services_due ON services (deadline) WHERE alerted = 0;

-- What is to be reminded of, the longest silent first.
CREATE INDEX services_in_outage ON services (coalesce(reminded_at, outage_since)) WHERE outage_since IS NOT NULL;

-- A deadline that is changed by hand, and nothing else with it, is a new one, of which nobody was told. The program
-- changes it only along with what it follows from.
CREATE TRIGGER services_deadline_by_hand AFTER UPDATE OF deadline ON services
WHEN NEW.deadline IS NOT OLD.deadline AND OLD.alerted = 1 AND NEW.alerted = 1
    AND NEW.last_ping IS OLD.last_ping AND NEW.expected IS OLD.expected
    AND NEW.frequency IS OLD.frequency AND NEW.grace IS OLD.grace
BEGIN
    UPDATE services SET alerted = 0 WHERE id = NEW.id;
END;

-- One row for each change worth telling, as it was when it was raised.
CREATE TABLE alerts (
    -- The order in which alerts were raised; never used again.
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    -- What receivers see: `alr_` and 26 characters derived from service, kind, about and occurrence.
    id TEXT NOT NULL UNIQUE,
    service TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('overdue', 'failed', 'recovered', 'reminder')),
    -- The second it is about: the deadline that passed, what ended the outage, or when a reminder was due.
    about INTEGER NOT NULL,
    -- How many alerts were raised before for just this service, kind and second.
    occurrence INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- The deadline that opened the outage.
    outage_since INTEGER NOT NULL,
    -- The service then.
    frequency INTEGER,
    grace INTEGER NOT NULL,
    last_ping INTEGER,
    deadline INTEGER,
    -- Why the outage ended, where it was not a ping that ended it.
    reason TEXT CHECK (reason IN ('deleted', 'paused')),
    -- The gap during which the monitor itself did not listen, where silence may be its own.
    uncertain_from INTEGER,
    uncertain_to INTEGER
) STRICT;

-- One service's alerts, and the occurrences of one second.
CREATE INDEX alerts_service ON alerts (service, kind, about);

-- What is too old to keep.
CREATE INDEX alerts_age ON alerts (created_at);

-- One row for each alert on its way to each destination. A retry is a row, not a sleep.
CREATE TABLE deliveries (
    alert INTEGER NOT NULL REFERENCES alerts (seq) ON DELETE CASCADE,
    -- The destination's name in the settings; `default` is PING_ALERT_URI.
    destination TEXT NOT NULL,
    -- The alert's service again, so that order per service and destination is one index away.
    service TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'given_up')),
    -- How many attempts have failed or succeeded.
    attempts INTEGER NOT NULL DEFAULT 0,
    -- When it is to be tried (again).
    next_attempt INTEGER NOT NULL,
    -- 1 if the last attempt failed because the destination as a whole did not answer or was not able to.
    destination_failed INTEGER NOT NULL DEFAULT 0 CHECK (destination_failed IN (0, 1)),
    last_attempt INTEGER,
    -- Why the last attempt failed.
    last_error TEXT,
    delivered_at INTEGER,
    PRIMARY KEY (alert, destination)
) STRICT, WITHOUT ROWID;

-- What is deleted by hand is gone as a whole: sqlite3 does not enforce foreign keys by itself.
CREATE TRIGGER alerts_gone AFTER DELETE ON alerts
BEGIN
    DELETE FROM deliveries WHERE alert = OLD.seq;
END;

-- What a destination has to do next.
CREATE INDEX deliveries_due ON deliveries (destination, next_attempt, alert) WHERE state = 'pending';

-- Whether an earlier alert of the same service is still on its way there.
CREATE INDEX deliveries_order ON deliveries (service, destination, alert) WHERE state = 'pending';

-- What the monitor remembers of its own attention: one row, at most.
CREATE TABLE monitor (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- The last second at which it is known to have listened.
    listening_until INTEGER NOT NULL,
    -- The last gap in which it did not, and until when silence is held against nobody because of it.
    gap_from INTEGER,
    gap_to INTEGER,
    hold_until INTEGER
) STRICT;

-- A table made for people: `SELECT * FROM status`. The words are those of the program; a test holds them equal.
CREATE VIEW status AS
WITH judged AS (
    SELECT
        *,
        CASE
            WHEN deadline < unixepoch() THEN 'overdue'
            WHEN last_ping IS NULL THEN 'waiting'
            WHEN deadline IS NOT NULL AND expected < unixepoch() THEN 'late'
            ELSE 'up'
        END AS status,
        abs(deadline - unixepoch()) AS distance
    FROM services
)
SELECT
    name,
    status,
    coalesce(datetime(last_ping, 'unixepoch'), 'never') AS last_ping,
    coalesce(datetime(deadline, 'unixepoch'), 'none') AS deadline,
    CASE
        WHEN deadline IS NULL THEN ''
        ELSE
            CASE WHEN deadline < unixepoch() THEN '' ELSE 'in ' END
            || CASE
                WHEN distance < 60 THEN distance || ' s'
                WHEN distance < 3600 THEN (distance / 60) || ' min'
                WHEN distance < 86400 THEN (distance / 3600) || ' h ' || (distance % 3600 / 60) || ' min'
                ELSE (distance / 86400) || ' d ' || (distance % 86400 / 3600) || ' h'
            END
            || CASE WHEN deadline < unixepoch() THEN ' ago' ELSE '' END
    END AS due
FROM judged
ORDER BY status != 'overdue', status != 'late', judged.deadline;

-- One row for each outage: the alerts of one service that share the deadline that opened it.
CREATE VIEW outages AS
SELECT
    service,
    outage_since AS started_at,
    max(CASE WHEN kind = 'recovered' THEN about END) AS ended_at,
    max(CASE WHEN kind = 'recovered' THEN about END) - outage_since AS outage_seconds,
    max(reason) AS reason
FROM alerts
GROUP BY service, outage_since;
