//! The bounds of the commands that speak to a monitor: its spool, its lists, its imports.

/// How long a command's end may be held up until the monitor knows of it; then the ping goes to the spool.
pub const TELLING_SECONDS_MAX: i64 = 10;

/// The pause before a ping that could not be sent is tried again; it doubles.
pub const TELLING_PAUSE_MS_MIN: u64 = 250;

/// The longest pause between two tries to send a ping that the end waits for.
pub const TELLING_PAUSE_MS_MAX: u64 = 4000;

/// The longest pause between two tries to tell of a start, while the command runs.
pub const START_PAUSE_MS_MAX: u64 = 60_000;

/// Tries to tell of a start: with the pauses above, for half a day.
pub const START_TRIES_MAX: u32 = 720;

/// What is read of an answer of the monitor.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What is read of a command's output at a time.
pub const OUTPUT_CHUNK_BYTES: usize = 64 * 1024;

/// How long a command's output is still waited for after its end, where something that it left behind keeps it open.
pub const OUTPUT_AFTER_END_MS_MAX: u64 = 1000;

/// Signals that wait to be passed on to a command.
pub const SIGNALS_WAITING_MAX: usize = 64;

/// Pings that the spool keeps; the oldest makes room.
pub const SPOOL_PINGS_MAX: usize = 10_000;

/// The size of the whole spool.
pub const SPOOL_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The largest file of the spool: a ping with its log.
pub const SPOOL_FILE_BYTES_MAX: u64 = 64 * 1024;

/// How long the spool keeps a ping: 31 days.
pub const SPOOL_AGE_SECONDS_MAX: i64 = 31 * 86_400;

/// How long what a killed process has half written stays in the spool.
pub const SPOOL_SCRAP_SECONDS_MAX: u64 = 3600;

/// How long a kept ping may take to be answered before the next one has its turn.
pub const SPOOL_ANSWER_SECONDS_MAX: u64 = 3;

/// How long one process goes on sending kept pings; the next one goes on.
pub const SPOOL_SENDING_SECONDS_MAX: u64 = 60;

/// Locks of the spool: pings to servers that share one are not sent at the same time.
pub const SPOOL_LOCKS: u8 = 16;

/// The pause between two looks at a lock of the spool that another process holds.
pub const SPOOL_LOCK_PAUSE_MS: u64 = 50;

/// What the command line reads of a page of a list.
pub const LIST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Pages of a list that the command line asks for.
pub const LIST_PAGES_MAX: usize = 2000;

/// The largest file that is imported: some 20,000 checks.
pub const IMPORT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How often the monitor is asked to take over a service while it cannot.
pub const IMPORT_TRIES_MAX: u32 = 5;

/// The pause between two of these.
pub const IMPORT_PAUSE_MS: u64 = 1000;
