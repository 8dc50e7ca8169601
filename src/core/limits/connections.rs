//! The bounds of connections, and of what one may take of the server.

/// How long a caller may take nothing of its answer before the connection ends.
pub const ANSWER_STALL_SECONDS_MAX: u64 = 20;

/// When all places are taken, one connection in so many makes room at a time, of those that wait for their callers.
pub const CONNECTIONS_MAKING_ROOM_SHARE: usize = 64;

/// How long room is waited for until it is looked for again.
pub const ROOM_MS_MAX: u64 = 100;

/// How often it is said that all places are taken, while they are.
pub const CROWDED_EVERY_SECONDS: u64 = 60;
