//! What happens in a simulation, as lines that can be pasted into a test.

use overdue::core::signal::Signal;

use crate::model::Terms;

/// The names that there are. A path may use each, whether it is a service's or an alias.
pub const NAMES: [&str; 7] = ["alpha", "bravo", "charlie", "delta", "echo", "xray", "yankee"];

/// Expressions, each with a zone whose clock is put forward and back.
pub const CRONS: [(&str, &str); 6] = [
    ("* * * * *", "UTC"),
    ("*/5 * * * *", "America/New_York"),
    ("30 2 * * *", "Europe/Berlin"),
    ("15 1 * * *", "Europe/Berlin"),
    ("30 2 * * 0-5", "America/New_York"),
    ("*/20 1-2 * * *", "Australia/Lord_Howe"),
];

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Time goes on, and the sweeper with it.
    Wait(Wait),
    /// The clock is set by so many seconds, and nobody noticed: a pause of the machine, or a wrong clock.
    Jump(i64),
    /// Commands that wait together, and so share a transaction.
    Batch(Vec<Command>),
    /// The same, but the machine dies as they are written, with so many thousandths of what they write in the file, and
    /// stays away for so many seconds. Nobody is answered.
    Torn {
        commands: Vec<Command>,
        written: i64,
        away: i64,
    },
    Sweep,
    /// A destination's courier takes what is due.
    Take {
        to: usize,
        limit: usize,
    },
    /// Somebody asks for an alert again that was given up, the oldest of them being 0: to one destination, or to all.
    Retry {
        nth: usize,
        to: Option<usize>,
    },
    /// What waits because a destination had failed is due.
    Revive {
        to: usize,
    },
    /// What a destination that forgets is told again.
    Upkeep {
        to: usize,
    },
    /// Alerts older than so many seconds go.
    Purge {
        age: i64,
    },
    Hand(Hand),
    /// The program dies, and what is in flight has arrived or not. It stays away for so many seconds.
    Crash {
        arrived: bool,
        away: i64,
    },
    /// It is stopped as it should be.
    Stop {
        away: i64,
    },
    /// The same, and it starts again with other settings: of the destinations those that are there, say.
    Change {
        there: [bool; 2],
        grace: i64,
        hold: i64,
        remind: Option<i64>,
        away: i64,
    },
    /// LiteFS says what this machine is.
    Role(Part),
}

/// How long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// So many seconds.
    Seconds(i64),
    /// Until so many seconds after the next deadline.
    Deadline(i64),
    /// Until something is to be delivered.
    Delivery,
}

/// What this machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Primary,
    Elsewhere,
    Nobody,
}

/// What waits in the writer's queue.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Ping(Call),
    Delete(&'static str),
    Pause(&'static str),
    Resume(&'static str),
    Declare(Word),
    /// What became of one of the deliveries in flight, the oldest being 0.
    Land {
        nth: usize,
        how: How,
    },
}

/// A ping.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub name: &'static str,
    pub signal: Signal,
    pub run: Option<&'static str>,
    pub terms: Terms,
    pub if_new: bool,
    pub by_alias: bool,
    /// Its timestamp, from now or from the last ping.
    pub when: When,
    /// How long ago it arrived.
    pub lag: i64,
    pub duration_ms: Option<i64>,
    /// The length of its log.
    pub log: usize,
}

/// A timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Unsaid,
    FromNow(i64),
    FromLast(i64),
}

/// What an owner says.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub name: &'static str,
    pub is_whole: bool,
    pub terms: Terms,
    pub locked: Option<bool>,
    pub aliases: Option<Vec<&'static str>>,
}

/// How an attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Accepted,
    Refused,
    /// No connection.
    Down,
    /// It arrived, and the answer did not.
    Lost,
}

/// What somebody does with sqlite3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    Deadline {
        name: &'static str,
        from_now: Option<i64>,
    },
    Alerted {
        name: &'static str,
        value: bool,
    },
    Frequency {
        name: &'static str,
        seconds: i64,
    },
    Grace {
        name: &'static str,
        seconds: i64,
    },
    /// A row of which nothing is known but how often it is expected, and by when.
    Insert {
        name: &'static str,
        seconds: i64,
        from_now: Option<i64>,
    },
    Delete(&'static str),
    /// What cannot be read is in its row.
    Spoil(&'static str),
    Mend(&'static str),
    /// The newest alert of it goes.
    DeleteAlert(&'static str),
}
