-- Jobs as they are: they begin, end and fail, run by the calendar, are paused, and have a past.

-- A cron expression of five fields, in place of a frequency. An edit counts from the next ping.
ALTER TABLE services ADD COLUMN cron TEXT
    CONSTRAINT cron_or_frequency_and_not_both CHECK (cron IS NULL OR (frequency IS NULL AND length(cron) BETWEEN 9 AND 255));
-- The time zone of the expression, as in Europe/Berlin.
ALTER TABLE services ADD COLUMN tz TEXT
    CONSTRAINT tz_goes_with_cron CHECK ((tz IS NULL) = (cron IS NULL) AND (tz IS NULL OR length(tz) BETWEEN 1 AND 64));
-- 1 if somebody gave the grace; 0: it follows from the kind of the schedule.
ALTER TABLE services ADD COLUMN grace_given INTEGER NOT NULL DEFAULT 0
    CONSTRAINT grace_given_is_0_or_1 CHECK (grace_given IN (0, 1));
-- How long a run may take; NULL: as long as the grace.
ALTER TABLE services ADD COLUMN max_runtime INTEGER
    CONSTRAINT max_runtime_is_1_second_to_520_weeks CHECK (max_runtime BETWEEN 1 AND 314496000);
-- What it is, in its owner's words.
ALTER TABLE services ADD COLUMN description TEXT
    CONSTRAINT description_is_at_most_1000_characters CHECK (length(description) <= 1000);
-- 1: pings leave the schedule as it was declared.
ALTER TABLE services ADD COLUMN locked INTEGER NOT NULL DEFAULT 0 CONSTRAINT locked_is_0_or_1 CHECK (locked IN (0, 1));
-- 1: nothing is expected until it is resumed or succeeds.
ALTER TABLE services ADD COLUMN paused INTEGER NOT NULL DEFAULT 0 CONSTRAINT paused_is_0_or_1 CHECK (paused IN (0, 1));
-- 1: the last run failed, and silence was not told of since.
ALTER TABLE services ADD COLUMN failed INTEGER NOT NULL DEFAULT 0 CONSTRAINT failed_is_0_or_1 CHECK (failed IN (0, 1));
-- When the job last said that it ran well; last_ping is well or not.
ALTER TABLE services ADD COLUMN last_success INTEGER
    CONSTRAINT last_success_is_a_unix_second CHECK (last_success BETWEEN 0 AND 253402300799);
-- How long the run took that the last ping ended, in milliseconds; NULL where its start was not told.
ALTER TABLE services ADD COLUMN last_duration_ms INTEGER
    CONSTRAINT last_duration_ms_is_not_negative CHECK (last_duration_ms >= 0);
-- When the latest run began that is open; NULL: none is.
ALTER TABLE services ADD COLUMN running_since INTEGER
    CONSTRAINT running_since_is_a_unix_second CHECK (running_since BETWEEN 0 AND 253402300799);
-- The runs that are open, as a JSON array of [id, began at (milliseconds), null], and those whose end came before their
-- start, as [id, null, ended at].
ALTER TABLE services ADD COLUMN runs TEXT CONSTRAINT runs_is_json CHECK (runs IS NULL OR json_valid(runs));
-- How many signals it has sent.
ALTER TABLE services ADD COLUMN signals INTEGER NOT NULL DEFAULT 0
    CONSTRAINT signals_is_a_count CHECK (signals BETWEEN 0 AND 1000000000000000);
-- The row of pings that holds the last of them; 0: none does.
ALTER TABLE services ADD COLUMN newest_ping INTEGER NOT NULL DEFAULT 0
    CONSTRAINT newest_ping_is_a_row CHECK (newest_ping BETWEEN 0 AND 1000000000000000);

-- Only successes were known before. A grace other than none was given.
UPDATE services SET last_success = last_ping, grace_given = grace > 0;

-- A deadline that is changed by hand, and nothing else with it, is a new one, of which nobody was told. The program
-- changes it only along with a signal, which it counts, or with the schedule.
DROP TRIGGER services_deadline_by_hand;
CREATE TRIGGER services_deadline_by_hand AFTER UPDATE OF deadline ON services
WHEN NEW.deadline IS NOT OLD.deadline AND OLD.alerted = 1 AND NEW.alerted = 1 AND NEW.signals = OLD.signals
    AND NEW.last_ping IS OLD.last_ping AND NEW.expected IS OLD.expected
    AND NEW.frequency IS OLD.frequency AND NEW.cron IS OLD.cron AND NEW.tz IS OLD.tz
    AND NEW.grace IS OLD.grace AND NEW.max_runtime IS OLD.max_runtime
BEGIN
    UPDATE services SET alerted = 0 WHERE id = NEW.id;
END;

-- Other names that paths may use for a service: a UUID, say.
CREATE TABLE aliases (
    alias TEXT PRIMARY KEY,
    service TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX aliases_service ON aliases (service);

CREATE TRIGGER services_gone AFTER DELETE ON services
BEGIN
    DELETE FROM aliases WHERE service = OLD.name;
END;

CREATE TRIGGER services_renamed AFTER UPDATE OF name ON services
BEGIN
    UPDATE aliases SET service = NEW.name WHERE service = OLD.name;
END;

-- The history: one row for each signal. Rows are only appended, so that a ping dirties one page and not one of each
-- service; each row names the one before it of its service, and what is more than OVERDUE_HISTORY keeps goes later.
CREATE TABLE pings (
    -- What comes is appended behind the highest.
    id INTEGER PRIMARY KEY CONSTRAINT id_leaves_room CHECK (id BETWEEN 1 AND 1000000000000000),
    service TEXT NOT NULL,
    -- Which of the service's signals it is, counted from 1.
    number INTEGER NOT NULL CONSTRAINT number_is_a_count CHECK (number BETWEEN 0 AND 1000000000000000),
    -- The row of the one before; 0: there is none.
    previous INTEGER NOT NULL,
    -- When the job ran, by the caller's clock.
    at INTEGER NOT NULL,
    -- When the signal came, by the server's.
    received_at INTEGER NOT NULL,
    signal TEXT NOT NULL CHECK (signal IN ('success', 'start', 'fail', 'log')),
    exit_status INTEGER,
    -- How long the run took that it ended, in milliseconds; NULL where the start was not told.
    duration_ms INTEGER,
    -- The id of the run, where it was given.
    run TEXT,
    -- The caller's address.
    address TEXT,
    -- The label of the key that was used.
    key TEXT
) STRICT;

-- What jobs printed: the end of it, up to 10,000 bytes.
CREATE TABLE logs (
    ping INTEGER PRIMARY KEY,
    -- 1 for a success: these go first when OVERDUE_LOG_SPACE is full.
    is_success INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    log TEXT NOT NULL
) STRICT;

-- What goes first.
CREATE INDEX logs_oldest ON logs (is_success DESC, ping, bytes);

CREATE TRIGGER pings_gone AFTER DELETE ON pings
BEGIN
    DELETE FROM logs WHERE ping = OLD.id;
END;

-- The service as it was when the alert was raised.
ALTER TABLE alerts ADD COLUMN cron TEXT;
ALTER TABLE alerts ADD COLUMN tz TEXT;
ALTER TABLE alerts ADD COLUMN description TEXT;
ALTER TABLE alerts ADD COLUMN last_success INTEGER;
ALTER TABLE alerts ADD COLUMN last_duration_ms INTEGER;
ALTER TABLE alerts ADD COLUMN running_since INTEGER;
-- 1 if the outage was one of failures then, not of silence.
ALTER TABLE alerts ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
-- Of the run that failed.
ALTER TABLE alerts ADD COLUMN exit_status INTEGER;
-- The end of its log.
ALTER TABLE alerts ADD COLUMN log TEXT;

UPDATE alerts SET last_success = last_ping;

-- A table made for people: `SELECT * FROM status`. The words are those of the program; a test holds them equal.
DROP VIEW status;
CREATE VIEW status AS
WITH judged AS (
    SELECT
        *,
        CASE
            WHEN paused = 1 THEN 'paused'
            WHEN deadline < unixepoch() THEN 'overdue'
            WHEN failed = 1 THEN 'failed'
            WHEN last_ping IS NULL AND running_since IS NULL THEN 'waiting'
            WHEN deadline IS NOT NULL AND running_since IS NULL AND expected < unixepoch() THEN 'late'
            ELSE 'up'
        END AS status,
        abs(deadline - unixepoch()) AS distance
    FROM services
)
SELECT
    name,
    status,
    CASE WHEN running_since IS NULL THEN 'no' ELSE 'yes' END AS running,
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
ORDER BY status != 'overdue', status != 'failed', status != 'late', judged.deadline;
