-- What came of each attempt to deliver an alert, and what is asked for again.

-- One row for attempts of one delivery that came one after the other and had the same answer: a destination that is down
-- for two days is a row, not 576.
CREATE TABLE attempts (
    alert INTEGER NOT NULL REFERENCES alerts (seq) ON DELETE CASCADE,
    destination TEXT NOT NULL,
    -- Which of the delivery's attempts the first of them was, counted from 1. Where it is not 1 in the first row that is
    -- there, those before are not kept.
    number INTEGER NOT NULL CONSTRAINT number_is_counted_from_1 CHECK (number >= 1),
    -- How many they are.
    count INTEGER NOT NULL DEFAULT 1 CONSTRAINT count_is_at_least_1 CHECK (count >= 1),
    -- When the first and the last of them ended.
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('accepted', 'failed')),
    -- What the destination answered, or why there was no answer.
    answer TEXT NOT NULL,
    PRIMARY KEY (alert, destination, number)
) STRICT, WITHOUT ROWID;

-- Of what was tried before, the last attempt is all that is known.
INSERT INTO attempts (alert, destination, number, first_at, last_at, outcome, answer)
SELECT
    alert, destination, attempts, last_attempt, last_attempt,
    CASE WHEN last_error IS NULL THEN 'accepted' ELSE 'failed' END,
    coalesce(last_error, 'it was accepted')
FROM deliveries
WHERE attempts >= 1 AND last_attempt IS NOT NULL
    AND coalesce(last_error, '') NOT IN ('the service was deleted', 'the destination has left the settings');

-- When somebody asked for what was given up to be sent again: the two days of its retries begin anew. NULL: nobody did.
ALTER TABLE deliveries ADD COLUMN retried_at INTEGER;

-- A delivery that is forgotten takes what is known of its attempts along.
CREATE TRIGGER deliveries_gone AFTER DELETE ON deliveries
BEGIN
    DELETE FROM attempts WHERE alert = OLD.alert AND destination = OLD.destination;
END;

-- The alerts of one outage, and the outages of one service one after the other.
CREATE INDEX alerts_outage ON alerts (service, outage_since);
