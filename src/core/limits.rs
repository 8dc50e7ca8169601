//! Every bound of the program in one place, with its unit in its name.

mod commands;
mod connections;
mod pages;

pub use commands::*;
pub use connections::*;
pub use pages::*;

/// Seconds in one week, the largest unit a duration can have.
pub const WEEK_SECONDS: i64 = 7 * 24 * 60 * 60;

/// The longest frequency or grace: 520 weeks, about ten years.
pub const DURATION_SECONDS_MAX: i64 = 520 * WEEK_SECONDS;

/// The longest service name, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 255;

/// The longest cron expression.
pub const CRON_BYTES_MAX: usize = 255;

/// The longest name of a time zone.
pub const ZONE_BYTES_MAX: usize = 64;

/// A ping that comes so little before an occurrence of a cron expression counts for it.
pub const CRON_EARLY_SECONDS_MAX: i64 = 60;

/// The grace beside a cron expression where none was ever given: a job that pings when it ends is always after its
/// minute.
pub const CRON_GRACE_SECONDS: i64 = 3600;

/// Occurrences that are looked through for one that lies ahead: where a clock is put back, the minutes of a day repeat.
pub const CRON_STEPS_MAX: usize = 24 * 60 + 1;

/// The longest id of a run.
pub const RUN_BYTES_MAX: usize = 64;

/// Runs of one service that are open, or whose end came before their start, at a time; the oldest give way.
pub const RUNS_MAX: usize = 20;

/// By how much the end of a run may overtake its start on their way.
pub const OVERTAKING_MS_MAX: i64 = 60_000;

/// The longest description of a service.
pub const DESCRIPTION_CHARS_MAX: usize = 1000;

/// Other names that one service may have.
pub const ALIASES_MAX: usize = 20;

/// Rows that one answer of a list holds, at most, and unless told otherwise.
pub const LIST_ROWS_MAX: usize = 1000;

/// The same unless the caller says how many.
pub const LIST_ROWS_DEFAULT: usize = 100;

/// Services that one answer looks at for those that match.
pub const LIST_LOOKED_AT_MAX: usize = 20_000;

/// What is kept of a ping's log: its end.
pub const LOG_BYTES_MAX: usize = 10_000;

/// What an alert repeats of the log of a run that failed: its end.
pub const ALERT_LOG_CHARS_MAX: usize = 1000;

/// How far ahead of the server's clock a caller's clock may be.
pub const TIMESTAMP_AHEAD_SECONDS_MAX: i64 = 60;

/// The latest second that a stored time may have: the end of the year 9999, the last that calendars print in four digits.
pub const TIME_SECONDS_MAX: i64 = 253_402_300_799;

/// Characters of a caller's value that an error repeats.
pub const ECHO_CHARS_MAX: usize = 80;

/// Characters of what is wrong with a caller's JSON that an error repeats.
pub const JSON_COMPLAINT_CHARS_MAX: usize = 300;

/// The largest body of a ping: 1 MB.
pub const BODY_BYTES_MAX: usize = 1_000_000;

/// The largest body that declares a service: the longest description and twenty aliases, every character escaped, and room.
pub const DECLARATION_BYTES_MAX: usize = 64 * 1024;

/// What is still read and thrown away of a body over its limit, so that the caller gets to read the answer.
pub const BODY_DRAIN_BYTES_MAX: usize = 4 * BODY_BYTES_MAX;

/// The largest body of a ping in Healthchecks' dialect: 2.5 MB, of which it keeps the beginning.
pub const HEALTHCHECKS_BODY_BYTES_MAX: usize = 2_500_000;

/// The frequency of a service that `create=1` makes in that dialect: a day.
pub const HEALTHCHECKS_FREQUENCY_SECONDS: i64 = 86_400;

/// Its grace: an hour.
pub const HEALTHCHECKS_GRACE_SECONDS: i64 = 3600;

/// How long a caller may take to send a body.
pub const BODY_SECONDS_MAX: u64 = 20;

/// How long a caller may take to send a request's head, and how long an idle connection is kept.
pub const HEAD_SECONDS_MAX: u64 = 15;

/// The largest head (request line and headers) of a request: every connection may have one in memory.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Connections served at a time; for one more, those make room that wait for their callers.
pub const CONNECTIONS_MAX: usize = 8192;

/// Commands that may wait for the writer; one more is answered 503.
pub const WRITER_QUEUE_COMMANDS_MAX: usize = 16_384;

/// Commands that share one transaction, and so one fsync.
pub const BATCH_COMMANDS_MAX: usize = 2048;

/// Services that one transaction of a sweep looks at, so that waiting pings get their turn.
pub const SWEEP_SERVICES_MAX: usize = 100;

/// Transactions one sweep may take; what is left over is due at the next.
pub const SWEEP_PAGES_MAX: usize = 10_000;

/// Unreadable rows that are remembered, so that each is logged once and not every second.
pub const UNREADABLE_ROWS_REMEMBERED_MAX: usize = 1000;

/// How long the store waits for another process that holds a lock on the file.
pub const BUSY_MS_MAX: u64 = 5000;

/// Connections of the read pool.
pub const READ_CONNECTIONS_MAX: u32 = 4;

/// Services of which the writer remembers the rows, some 500 bytes each, and at most four times as much.
pub const SERVICES_REMEMBERED_MAX: usize = 32_000;

/// The most bytes that the description and the open runs of such a service may have together.
pub const SERVICE_REMEMBERED_TEXT_BYTES_MAX: usize = 1000;

/// What the connection that writes keeps of the database in memory. The system keeps the rest, and SQLite looks through all
/// of its own with most commits to a file of up to a gigabyte, so more of it makes pings slower.
pub const WRITER_CACHE_KB_MAX: u32 = 8 * 1024;

/// The same of each connection that reads.
pub const READER_CACHE_KB_MAX: u32 = 2000;

/// The size to which the write-ahead log is cut back after a checkpoint.
pub const WAL_BYTES_MAX: i64 = 64 * 1024 * 1024;

/// What is copied of the write-ahead log at a time, where it is written again.
pub const WAL_CHUNK_BYTES: usize = 256 * 1024;

/// A longer time than this without listening is a gap.
pub const GAP_SECONDS_MAX: i64 = 10;

/// How old `listening_until` may grow before a batch of pings writes it along.
pub const LISTENING_BATCH_SECONDS_MAX: i64 = 1;

/// How old `listening_until` may grow before a sweep writes it.
pub const LISTENING_SWEEP_SECONDS_MAX: i64 = 5;

/// Old alerts that one transaction removes.
pub const PURGE_ALERTS_MAX: i64 = 1000;

/// The time between two removals of old alerts.
pub const PURGE_EVERY_SECONDS: i64 = 3600;

/// Rows of the history that are to be looked through for what is too much before they are.
pub const TRIM_AFTER_ROWS: usize = 128;

/// Rows of the history that one transaction looks through.
pub const TRIM_ROWS_MAX: usize = 8192;

/// What the row of a log is counted as besides its text.
pub const LOG_ROW_BYTES: i64 = 64;

/// Logs that one transaction removes.
pub const LOGS_TRIM_ROWS_MAX: i64 = 10_000;

/// Signals kept of each service, at most.
pub const HISTORY_ROWS_MAX: i64 = 10_000;

/// Changes kept of each service, the newest.
pub const CHANGES_OF_SERVICE_MAX: i64 = 100;

/// Changes kept in all; the oldest make room. The migration repeats it.
pub const CHANGES_ROWS_MAX: i64 = 1_000_000;

/// Changes that one transaction removes beyond those that are too many, so that not every change costs this.
pub const CHANGES_TRIM_ROWS: i64 = 1000;

/// Gaps in the monitor's own attention that are kept, the newest.
pub const GAPS_ROWS_MAX: i64 = 10_000;

/// The longest text that is read as a time.
pub const WHEN_BYTES_MAX: usize = 64;

/// Signals before a second that `why` decides again, the last ones.
pub const WHY_PINGS_MAX: i64 = 200;

/// Alerts of the outage in question that `why` tells of, the last ones.
pub const WHY_ALERTS_MAX: usize = 5;

/// Alerts before a second that `why` looks at, and after it.
pub const WHY_ALERTS_READ_MAX: i64 = 20;

/// Rows of attempts of one delivery that a sentence tells of, the last ones.
pub const WHY_ATTEMPTS_MAX: usize = 10;

/// Gaps before a second that `why` looks at, the last ones.
pub const WHY_GAPS_MAX: i64 = 10;

/// Outages of one service that a report counts in a month: one a minute and more.
pub const REPORT_OUTAGES_MAX: i64 = 50_000;

/// Destinations that may be configured.
pub const DESTINATIONS_MAX: usize = 100;

/// The longest name of a destination.
pub const DESTINATION_NAME_CHARS_MAX: usize = 64;

/// Services of which no destination is told that are named at the start; the others are counted.
pub const UNTOLD_NAMES_MAX: usize = 10;

/// Names that one read goes through.
pub const NAMES_PAGE_ROWS_MAX: i64 = 5000;

/// Alerts that wait for a chat, a phone or a mailbox before they go out as one message.
pub const BUNDLE_ALERTS_MIN: usize = 11;

/// Alerts that wait for a pager before they go out as one message: each is an incident of its own.
pub const PAGER_BUNDLE_ALERTS_MIN: usize = 51;

/// Alerts that one message tells of.
pub const BUNDLE_ALERTS_MAX: usize = 10_000;

/// Alerts that such a message names; the others are counted.
pub const BUNDLE_LINES_MAX: usize = 20;

/// No commit for so long, while some were tried, means that the monitor fails.
pub const MONITOR_FAILING_SECONDS: i64 = 30;

/// How often a failing monitor says so again.
pub const MONITOR_FAILING_EVERY_SECONDS: i64 = 3600;

/// The time between two heartbeats.
pub const HEARTBEAT_EVERY_SECONDS: u64 = 60;

/// Without a sweep or a commit for longer than this, where one was due, the heart stops.
pub const HEARTBEAT_SWEEP_SECONDS_MAX: i64 = 30;

/// A destination may fail for so long before the heart stops.
pub const HEARTBEAT_FAILING_SECONDS_MAX: i64 = 300;

/// The longest wait that a destination may ask for with `Retry-After`.
pub const RETRY_AFTER_SECONDS_MAX: i64 = 3600;

/// Requests that are on their way to one destination at a time.
pub const DELIVERIES_IN_FLIGHT_MAX: usize = 8;

/// The highest number of attempts that is counted; hands may have written a higher one.
pub const ATTEMPTS_SHOWN_MAX: i64 = 1_000_000;

/// Rows of attempts that are kept of one delivery, each of any number of attempts with the same answer; the oldest go.
pub const ATTEMPTS_KEPT_ROWS_MAX: i64 = 50;

/// Alerts of one outage that are shown together; of a longer one the newest.
pub const OUTAGE_ALERTS_MAX: i64 = 100;

/// Log lines that wait to be written; more are dropped.
pub const LOG_LINES_WAITING_MAX: usize = 10_000;

/// File descriptors that are not for callers: the database, alerts, logs.
pub const FILES_RESERVED: u64 = 64;

/// How often an outage that lasts is posted again to a destination that forgets.
pub const UPKEEP_EVERY_SECONDS: i64 = 60;

/// For how long such a post holds: long enough for some to fail, short enough to end what nobody watches any more.
pub const UPKEEP_HOLDS_SECONDS: i64 = 600;

/// Outages that are looked at, and posted together.
pub const UPKEEP_OUTAGES_MAX: usize = 500;

/// Attempts after which a delivery keeps to its own schedule, whatever becomes of others.
pub const REVIVED_ATTEMPTS_MAX: i64 = 6;

/// Symbolic links that are followed to a database that is not there yet.
pub const LINKS_MAX: usize = 8;

/// The largest file of certificate authorities.
pub const AUTHORITIES_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How long a destination may take to answer.
pub const DELIVERY_SECONDS_MAX: u64 = 10;

/// How long connecting to a destination may take, within the above.
pub const DELIVERY_CONNECT_SECONDS_MAX: u64 = 5;

/// Retries are given up this long after the alert was raised: two days.
pub const DELIVERY_RETRY_SECONDS_MAX: i64 = 2 * 24 * 60 * 60;

/// Characters of a delivery's error that are kept.
pub const DELIVERY_ERROR_CHARS_MAX: usize = 300;

/// How long requests under way may take to finish once the program was told to stop: longer than the store waits for a
/// lock, so that what was accepted is answered.
pub const SHUTDOWN_REQUESTS_MS_MAX: u64 = BUSY_MS_MAX + 1000;

/// How long alerts in flight may take to finish once the program was told to stop. They are rows, so none is lost.
pub const SHUTDOWN_DELIVERIES_MS_MAX: u64 = 3000;

/// How long the last note in the database may wait for a lock.
pub const SHUTDOWN_BUSY_MS_MAX: i64 = 500;

/// How long the whole stop may take before the process ends anyway.
pub const SHUTDOWN_MS_MAX: u64 = 9000;

/// Keys of all kinds that may be set.
pub const KEYS_MAX: usize = 100;

/// The longest label of a key.
pub const KEY_LABEL_CHARS_MAX: usize = 64;

/// The longest secret of a key.
pub const KEY_BYTES_MAX: usize = 256;

/// Wrong keys that one address may show in a minute; more are answered 429.
pub const WRONG_KEYS_MAX: u32 = 30;

/// The minute of the above.
pub const WRONG_KEYS_SECONDS: i64 = 60;

/// Addresses whose wrong keys are counted each by itself; those beyond are counted together.
pub const WRONG_KEY_ADDRESSES_MAX: usize = 10_000;

/// A role that was not confirmed for longer than this is not known: shorter than the ten seconds after which LiteFS gives
/// a silent primary's lease away.
pub const ROLE_SECONDS_MAX: i64 = 5;

/// How often LiteFS is asked for its role, beside what it tells by itself.
pub const ROLE_POLL_MS: u64 = 1000;

/// How soon it is asked again after it did not answer.
pub const ROLE_RETRY_MS: u64 = 200;

/// How long LiteFS may take to tell its role.
pub const ROLE_ANSWER_MS_MAX: u64 = 2000;

/// The longest answer, or line of its events, that is read.
pub const ROLE_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How long a request that writes is held for the role to settle.
pub const ROLE_SETTLE_MS_MAX: u64 = 5000;

/// The longest name of a primary that is passed on.
pub const PRIMARY_NAME_BYTES_MAX: usize = 255;

/// Nothing committed for longer than this, where it was tried, means that a primary is not ready.
pub const READY_COMMIT_SECONDS_MAX: i64 = 5;

/// How long `overdue health` waits for an answer.
pub const HEALTH_SECONDS_MAX: u64 = 4;
