//! What a server did to its files, in the order in which it did, and what its callers were told meanwhile.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

/// Number, name and place of what the library in C notes.
const CREATE: u32 = 1;
const WRITE: u32 = 2;
const TRUNCATE: u32 = 3;
const SYNC: u32 = 4;
const SYNC_FAILED: u32 = 5;
const UNLINK: u32 = 6;
/// Noted by the tests.
const TOLD: u32 = 100;

/// What a record is before its data.
const HEAD_BYTES: usize = 24;

/// The kind of file that stands for their folder.
pub(crate) const FOLDER: usize = 5;

/// The endings of the files' names, by kind.
pub(crate) const SUFFIXES: [&str; FOLDER] = ["", "-wal", "-shm", ".lock", "-journal"];

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A file came to be under a name.
    Create {
        kind: usize,
        object: u32,
    },
    Write {
        object: u32,
        at: usize,
        data: Vec<u8>,
    },
    Truncate {
        object: u32,
        length: usize,
    },
    /// Everything that was written to it before is on disk; of the folder: what has a name.
    Sync {
        object: u32,
    },
    /// Nothing is known of what was written to it before, and the system forgets that it is not on disk.
    SyncFailed {
        object: u32,
    },
    Unlink {
        kind: usize,
    },
    Told(Told),
}

/// What a caller knows, or is about to ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told {
    /// Its ping was answered 200.
    Pinged { worker: usize, name: String, at: i64 },
    /// It asks for the service to be deleted, so that it may be gone from now on.
    Deletes { name: String },
    /// That was answered 200.
    Deleted { name: String },
    /// A receiver got this alert.
    Alerted { id: String },
}

/// Appends what callers know to the log in which the changes of the files stand.
#[derive(Clone)]
pub(crate) struct Notes(Arc<Mutex<File>>);

impl Notes {
    pub(crate) fn in_log(path: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        Self(Arc::new(Mutex::new(file)))
    }

    pub(crate) fn note(&self, told: &Told) {
        let data = serde_json::to_vec(told).unwrap();
        let mut record = Vec::with_capacity(HEAD_BYTES + data.len());
        record.extend(TOLD.to_ne_bytes());
        record.extend([0; 12]);
        record.extend((data.len() as u64).to_ne_bytes());
        record.extend(data);
        // One write, so that it stands whole between those of the server.
        let written = self.0.lock().unwrap().write(&record).unwrap();
        assert_eq!(written, record.len());
    }
}

/// Reads a log. A record that the end of the server has cut off is left out.
pub(crate) fn read(path: &Path) -> Vec<Event> {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut events = Vec::new();
    while let Some((head, after)) = rest.split_at_checked(HEAD_BYTES) {
        let word = |at: usize| u32::from_ne_bytes(head[at..at + 4].try_into().unwrap());
        let long = |at: usize| {
            usize::try_from(u64::from_ne_bytes(head[at..at + 8].try_into().unwrap())).unwrap()
        };
        let (op, object, at) = (word(0), word(4), long(8));
        let Some((data, after)) = after.split_at_checked(long(16)) else { break };
        events.push(match op {
            CREATE => Event::Create { kind: at, object },
            WRITE => Event::Write { object, at, data: data.to_vec() },
            TRUNCATE => Event::Truncate { object, length: at },
            SYNC => Event::Sync { object },
            SYNC_FAILED => Event::SyncFailed { object },
            UNLINK => Event::Unlink { kind: at },
            TOLD => Event::Told(serde_json::from_slice(data).unwrap()),
            other => panic!("the log holds {other}, which has no meaning here"),
        });
        rest = after;
    }
    events
}
