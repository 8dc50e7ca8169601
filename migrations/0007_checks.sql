-- SQLite makes a table of the values of a list of three or more, for each row that it checks, and drops it again: a third
-- of what a row of the history costs. Values that are compared one by one mean the same.
--
-- A check is no part of what is stored, so its text alone is changed
-- (<https://www.sqlite.org/lang_altertable.html#otheralter>); where somebody has written it otherwise, it stays. What
-- comes is one line as what goes: the text may stand in a comment by now.
PRAGMA writable_schema = ON;

UPDATE sqlite_schema
SET sql = replace(
    sql,
    'CHECK (signal IN (''success'', ''start'', ''fail'', ''log''))',
    'CONSTRAINT signal_is_success_start_fail_or_log CHECK (signal = ''success'' OR signal = ''start'' OR signal = ''fail'' OR signal = ''log'')'
)
WHERE type = 'table' AND name = 'pings';

UPDATE sqlite_schema
SET sql = replace(
    sql,
    'CHECK (what IN (''known'', ''made'', ''declared'', ''changed'', ''paused'', ''resumed'', ''deleted''))',
    'CONSTRAINT what_is_a_change CHECK (what = ''deleted'' OR what = ''made'' OR what = ''changed'' OR what = ''known'' OR what = ''declared'' OR what = ''paused'' OR what = ''resumed'')'
)
WHERE type = 'table' AND name = 'changes';

UPDATE sqlite_schema
SET sql = replace(
    sql,
    'CHECK (kind IN (''overdue'', ''failed'', ''recovered'', ''reminder''))',
    'CONSTRAINT kind_is_overdue_failed_recovered_or_reminder CHECK (kind = ''overdue'' OR kind = ''recovered'' OR kind = ''failed'' OR kind = ''reminder'')'
)
WHERE type = 'table' AND name = 'alerts';

UPDATE sqlite_schema
SET sql = replace(
    sql,
    'CHECK (state IN (''pending'', ''delivered'', ''given_up''))',
    'CONSTRAINT state_is_pending_delivered_or_given_up CHECK (state = ''pending'' OR state = ''delivered'' OR state = ''given_up'')'
)
WHERE type = 'table' AND name = 'deliveries';

PRAGMA writable_schema = RESET;

-- Whoever has the file open reads the schema again once it was changed by a statement of its own.
CREATE VIEW overdue_checks_are_new AS SELECT 1 AS one;
DROP VIEW overdue_checks_are_new;
