-- What `why` and `report` answer from: every change of a service, and every time the monitor itself was away.

-- One row for each change of a service by its pings or its owner. Rows outlive the service. The newest of each service
-- are kept, and so many in all. Hands that edit with sqlite3 leave none.
CREATE TABLE changes (
    -- The order in which they came; what goes first, where there are too many in all.
    seq INTEGER PRIMARY KEY CONSTRAINT seq_leaves_room CHECK (seq BETWEEN 1 AND 1000000000000000),
    service TEXT NOT NULL,
    -- Which of the changes of this name it is, counted from 1.
    number INTEGER NOT NULL,
    -- When it came, by the server's clock.
    at INTEGER NOT NULL,
    -- `known`: how the service was when this record began; `made`: by its first ping; `declared`: by its owner before any;
    -- `changed`: another schedule, grace or max_runtime.
    what TEXT NOT NULL CHECK (what IN ('known', 'made', 'declared', 'changed', 'paused', 'resumed', 'deleted')),
    -- 1: a ping did it; 0: its owner did, through the API.
    by_ping INTEGER NOT NULL CHECK (by_ping IN (0, 1)),
    -- The label of the key that was used.
    key TEXT,
    -- How many signals the service had sent by then, this one included.
    signals INTEGER NOT NULL,
    -- How it was watched before; NULL where it was not.
    was_frequency INTEGER,
    was_cron TEXT,
    was_tz TEXT,
    was_grace INTEGER,
    was_max_runtime INTEGER,
    -- How it is watched since; NULL where it is not.
    frequency INTEGER,
    cron TEXT,
    tz TEXT,
    grace INTEGER,
    max_runtime INTEGER,
    -- 1: nothing is expected since.
    paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
    -- What was expected then.
    expected INTEGER,
    deadline INTEGER
) STRICT;

-- One service's changes, in their order.
CREATE UNIQUE INDEX changes_service ON changes (service, number);

-- What is there already, up to as many as are kept.
INSERT INTO changes (
    service, number, at, what, by_ping, signals, frequency, cron, tz, grace, max_runtime, paused, expected, deadline
)
SELECT name, 1, unixepoch(), 'known', 0, signals, frequency, cron, tz, grace, max_runtime, paused, expected, deadline
FROM services
ORDER BY id
LIMIT 1000000;

-- One row for each gap: a time in which the monitor did not listen. The newest are kept; `monitor` has the last.
CREATE TABLE gaps (
    -- When it last listened before.
    gap_from INTEGER PRIMARY KEY,
    -- When it did again.
    gap_to INTEGER NOT NULL,
    -- Until when silence was held against nobody.
    hold_until INTEGER NOT NULL
) STRICT;

INSERT INTO gaps (gap_from, gap_to, hold_until)
SELECT gap_from, gap_to, hold_until FROM monitor
WHERE gap_from IS NOT NULL AND gap_to IS NOT NULL AND hold_until IS NOT NULL;

-- One row for each outage: the alerts of one service that share the second that opened it. It has ended if the last of
-- them says so; a deadline that was set twice may have opened it again.
DROP VIEW outages;
CREATE VIEW outages AS
SELECT
    service,
    started_at,
    ended_at,
    -- What ran in time and was told late has been no outage.
    max(ended_at - started_at, 0) AS outage_seconds,
    reason
FROM (
    SELECT
        service,
        outage_since AS started_at,
        CASE WHEN kind = 'recovered' THEN about END AS ended_at,
        reason,
        -- The columns beside this are those of the last alert.
        max(seq)
    FROM alerts
    GROUP BY service, outage_since
);
