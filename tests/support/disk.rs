//! What stands between the real binary and its disk, its clock and its names: a small library in C, loaded before the
//! system's own. The crate itself has no unsafe code.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(unreachable_pub, reason = "shared by test binaries, each a crate of its own")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::io::Errno;

/// A call that can be made to fail.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    Write = 16,
    Sync = 32,
    Read = 48,
    /// Opening for writing.
    Open = 64,
    /// Looking up the address of a name; every name leads to this machine otherwise.
    Lookup = 80,
}

/// The bits of the database and its write-ahead log, the memory that its connections share, and the lock beside it.
pub const DATABASE: i32 = 1;
pub const WAL: i32 = 2;
pub const SHM: i32 = 4;
pub const LOCK: i32 = 8;

/// Where `struct control` of the library holds the seconds that are added to its clock, and to the one of its timers.
const CLOCK_AT: u64 = 0;
const TIMERS_AT: u64 = 8;
const CONTROL_BYTES: u64 = 96;

/// The library between a server in `folder` and the system.
pub struct Disk {
    folder: PathBuf,
    library: PathBuf,
    control: File,
}

impl Disk {
    /// `None`, said aloud, where it cannot be: it needs Linux and a C compiler, as the program does.
    pub fn of(folder: &Path) -> Option<Self> {
        let library = library()?;
        let folder = folder.canonicalize().unwrap();
        let control = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(folder.join("control"))
            .unwrap();
        control.set_len(CONTROL_BYTES).unwrap();
        Some(Self { folder, library, control })
    }

    pub fn database(&self) -> PathBuf {
        self.folder.join("overdue.db")
    }

    /// Where the changes of the files are noted.
    pub fn log(&self) -> PathBuf {
        self.folder.join("changes")
    }

    /// The real binary, serving with this in between.
    pub fn serve(&self) -> Command {
        let mut command = crate::support::overdue(&self.folder);
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("LD_PRELOAD", &self.library)
            .env("FAULTS_DATABASE", self.database())
            .env("FAULTS_CONTROL", self.folder.join("control"));
        command
    }

    /// From now on, so many times or until it is [mended](Self::mend), `call` fails on these files.
    pub fn fail(&self, call: Call, error: Errno, times: Option<i32>, files: i32) {
        let left = times.unwrap_or(-1);
        for (number, value) in (0..).zip([error.raw_os_error(), left, files, 0]) {
            self.set(call as u64 + 4 * number, &value.to_ne_bytes());
        }
    }

    /// How often it has.
    pub fn failed(&self, call: Call) -> i32 {
        let mut bytes = [0; 4];
        self.control.read_exact_at(&mut bytes, call as u64 + 12).unwrap();
        i32::from_ne_bytes(bytes)
    }

    pub fn mend(&self, call: Call) {
        self.set(call as u64, &0_i32.to_ne_bytes());
    }

    /// Puts the server's clock so many seconds ahead of this machine's, or behind.
    pub fn put_clock(&self, seconds: i64) {
        self.set(CLOCK_AT, &seconds.to_ne_bytes());
    }

    /// Has the server's timers believe that so many seconds have passed: those that are due later than that may be late by
    /// as much.
    pub fn pass_timers(&self, seconds: i64) {
        self.set(TIMERS_AT, &seconds.to_ne_bytes());
    }

    fn set(&self, at: u64, bytes: &[u8]) {
        self.control.write_all_at(bytes, at).unwrap();
    }
}

/// The library, compiled once.
fn library() -> Option<PathBuf> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    LIBRARY.get_or_init(compiled).clone()
}

fn compiled() -> Option<PathBuf> {
    let skipped = |why: &str| {
        assert!(std::env::var_os("CI").is_none(), "{why}, and no test may be skipped here");
        eprintln!("SKIPPED: {why}");
        None
    };
    if !cfg!(target_os = "linux") {
        return skipped("faults of the disk are made with what only Linux has");
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (library, unfinished) =
        (folder.join("disk.so"), folder.join(format!("disk-{}.so", std::process::id())));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/disk.c");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let done = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&unfinished, &source])
        .status();
    match done {
        Ok(status) if status.success() => {
            // Other test binaries may be using the one that is there.
            std::fs::rename(unfinished, &library).unwrap();
            Some(library)
        }
        Ok(status) => panic!("{} cannot be compiled: {status}", source.display()),
        Err(error) => skipped(&format!("there is no C compiler: {error}")),
    }
}
