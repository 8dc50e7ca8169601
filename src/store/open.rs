//! Opening: the lock that keeps a second server away, the checks that keep strangers' files whole, the migrations.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::errors::is_not_primary;
use super::memory::Memory;
use super::start::start;
use super::{Guard, Health, Rules, Store, Writer};
use crate::clock::Clock;
use crate::config::{Database, Durability};
use crate::core::limits::{
    BUSY_MS_MAX, LINKS_MAX, READ_CONNECTIONS_MAX, READER_CACHE_KB_MAX, WAL_BYTES_MAX,
    WRITER_CACHE_KB_MAX, WRITER_QUEUE_COMMANDS_MAX,
};
use crate::metrics::Metrics;

/// Pages of the write-ahead log (16 MB) after which they are moved into the database: the same pages are written again
/// and again, so that fewer are moved, and fewer syncs waited for, the later that is.
const CHECKPOINT_PAGES: u32 = 4000;

/// Why the database could not be opened. Each is a sentence for the person who starts the program.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server holds the lock.
    #[error(
        "another overdue server already serves {path}: stop it first, or give this one a database of its own with DATABASE_URL"
    )]
    Locked {
        /// The database.
        path: String,
    },
    /// The file or the lock beside it cannot be made or opened.
    #[error("cannot open {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A database that something else made.
    #[error(
        "{path} is a database of another program: give overdue one of its own with DATABASE_URL"
    )]
    Foreign {
        /// The database.
        path: String,
    },
    /// A newer version of this program made it.
    #[error(
        "{path} was made by a newer overdue (its schema has version {version}): start that one instead"
    )]
    Newer {
        /// The database.
        path: String,
        /// The version of its schema.
        version: i64,
    },
    /// It can be read, and not written.
    #[error(
        "cannot write to the database {path} ({source}): its disk must work, and whoever runs overdue must be allowed to write it and its folder"
    )]
    NotWritable {
        /// The database.
        path: String,
        /// What SQLite said.
        source: Box<sqlx::Error>,
    },
    /// Anything else that SQLite says, such as that the file is not a database.
    #[error("cannot open the database {path}: {source}")]
    Sqlite {
        /// The database.
        path: String,
        /// What SQLite said.
        source: Box<sqlx::Error>,
    },
    /// A migration failed; the database is as it was.
    #[error("cannot bring the database {path} up to date: {source}")]
    Migrate {
        /// The database.
        path: String,
        /// What failed.
        source: Box<MigrateError>,
    },
}

impl OpenError {
    /// Whether it says that this machine may not write at the moment, rather than that something is wrong.
    pub fn is_not_primary(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => is_not_primary(source),
            Self::Migrate { source, .. } => {
                matches!(source.as_ref(), MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) if is_not_primary(source))
            }
            _ => false,
        }
    }
}

/// An open store, its writer's task that is to be run, and what holds other servers off until it is dropped.
pub struct Opened {
    /// The handle.
    pub store: Store,
    /// The task that writes.
    pub writer: Writer,
    /// Dropped last.
    pub lock: Option<File>,
    /// The file, as an absolute path; `None` in memory.
    pub path: Option<PathBuf>,
    /// Whether it was made just now.
    pub is_new: bool,
}

/// Opens the database, made on the spot where there is none, and brings its schema up to date.
///
/// # Errors
/// [`OpenError`], whose sentence says what to do. A file that is not ours, or newer than us, is left as it is.
pub async fn open(
    database: &Database,
    durability: Durability,
    rules: Rules,
    clock: Clock,
    guard: Guard,
) -> Result<Opened, OpenError> {
    let rules = Arc::new(rules);
    let Located { options, path, lock, is_new } = locate(database, durability, &guard)?;
    let begun = if let Some(term) = guard.term() {
        let started = start(&options, path.as_deref(), &rules, !guard.has_others()).await;
        started.map(|begun| Some((term, begun))).or_else(|error| not_now(error, &guard))?
    } else {
        None
    };
    let file = match path.as_deref().filter(|_| !guard.has_others()) {
        Some(path) => Some(
            FileIdentity::of(path)
                .map_err(|source| OpenError::File { path: path.display().to_string(), source })?,
        ),
        None => None,
    };
    let reads = path.is_some().then(|| {
        let options = options.clone().create_if_missing(false).read_only(true);
        SqlitePoolOptions::new()
            .max_connections(READ_CONNECTIONS_MAX)
            .connect_lazy_with(options.pragma("cache_size", format!("-{READER_CACHE_KB_MAX}")))
    });
    let (commands, waiting) = mpsc::channel(WRITER_QUEUE_COMMANDS_MAX);
    let (raised, raised_seen) = watch::channel(0);
    let (closing, health) = (CancellationToken::new(), Health::default());
    let destinations = rules.routes.iter().map(|route| route.destination.as_str());
    let metrics = Metrics::new(clock.now(), destinations);
    let writer = Writer {
        commands: waiting,
        closing: closing.clone(),
        raised,
        health: health.clone(),
        metrics: metrics.clone(),
        clock,
        guard: guard.clone(),
        term: begun.as_ref().map(|(term, _)| *term),
        is_ready: begun.is_some(),
        complaint: String::new(),
        path: path.clone(),
        flying: HashSet::new(),
        rules: Arc::clone(&rules),
        options,
        in_memory: path.is_none(),
        file,
        unreadable: HashSet::new(),
        memory: Memory::default(),
        archive: begun.as_ref().map(|(_, begun)| begun.archive).unwrap_or_default(),
        listening: begun.as_ref().map(|(_, begun)| begun.listening).unwrap_or_default(),
        services: begun.as_ref().map_or(0, |(_, begun)| begun.services),
        connection: begun.map(|(_, begun)| begun.connection),
    };
    Ok(Opened {
        store: Store {
            commands,
            reads,
            raised: raised_seen,
            health,
            metrics,
            guard,
            path: path.clone(),
            closing,
            rules,
        },
        writer,
        lock,
        path,
        is_new,
    })
}

/// In WAL mode NORMAL loses acknowledged commits with the power:
/// <https://www.sqlite.org/pragma.html#pragma_synchronous>
fn synchronous(durability: Durability) -> SqliteSynchronous {
    match durability {
        Durability::Full => SqliteSynchronous::Full,
        Durability::Relaxed => SqliteSynchronous::Normal,
    }
}

/// Where the database is and how it is opened.
struct Located {
    options: SqliteConnectOptions,
    path: Option<PathBuf>,
    lock: Option<File>,
    is_new: bool,
}

fn locate(
    database: &Database,
    durability: Durability,
    guard: &Guard,
) -> Result<Located, OpenError> {
    let mut is_new = true;
    let (options, path, lock) = match database {
        Database::Memory => (SqliteConnectOptions::new().in_memory(true), None, None),
        Database::File(path) => {
            let path = absolute(path)?;
            // Among several machines LiteFS's lease keeps a second writer away.
            let lock = if guard.has_others() { None } else { Some(lock(&path)?) };
            is_new = is_empty(&path);
            let options = SqliteConnectOptions::new()
                .filename(&path)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
                .pragma("journal_size_limit", WAL_BYTES_MAX.to_string());
            (options, Some(path), lock)
        }
    };
    let options = options
        .synchronous(synchronous(durability))
        // A statement that fails half way is undone from a journal of its own: in a file it costs more than the rows.
        .pragma("temp_store", "memory")
        // A negative number is one of kilobytes.
        .pragma("cache_size", format!("-{WRITER_CACHE_KB_MAX}"))
        .busy_timeout(Duration::from_millis(BUSY_MS_MAX))
        .disable_statement_logging();
    Ok(Located { options, path, lock, is_new })
}

/// One of several serves what it can where it cannot write yet: it may not be the one to do so, and to end would take
/// the reads away too. What it waits for is tried again at every command.
fn not_now<T>(error: OpenError, guard: &Guard) -> Result<Option<T>, OpenError> {
    let is_for_later = matches!(error, OpenError::Newer { .. }) || error.is_not_primary();
    if guard.has_others() && is_for_later {
        error!(%error, "it serves reads only for now");
        return Ok(None);
    }
    Err(match error {
        OpenError::Sqlite { path, source } if is_not_primary(&source) => {
            OpenError::NotWritable { path, source }
        }
        error => error,
    })
}

/// The path that every way to the same file leads to, so that two servers meet at one lock.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    let failed = |source| OpenError::File { path: path.display().to_string(), source };
    let mut path_now = path.to_owned();
    for _ in 0..LINKS_MAX {
        if let Ok(found) = path_now.canonicalize() {
            return if found.is_dir() {
                Err(failed(io::ErrorKind::IsADirectory.into()))
            } else {
                Ok(found)
            };
        }
        let folder = match path_now.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => {
                folder.canonicalize().map_err(failed)?
            }
            _ => Path::new(".").canonicalize().map_err(failed)?,
        };
        // A link to a file that is not there yet leads to where that will be.
        if let Ok(target) = std::fs::read_link(&path_now) {
            path_now = folder.join(target);
            continue;
        }
        let name =
            path_now.file_name().ok_or_else(|| failed(io::ErrorKind::IsADirectory.into()))?;
        return Ok(folder.join(name));
    }
    Err(failed(io::Error::other("too many symbolic links")))
}

/// Which file a path led to when the database was opened.
#[derive(Clone, Debug)]
pub(super) struct FileIdentity {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl FileIdentity {
    fn of(path: &Path) -> io::Result<Self> {
        let file = std::fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), device: file.dev(), inode: file.ino() })
    }

    /// Refuses a path that leads there no more. What is written to a file without a name is lost with the process.
    pub(super) fn check(&self) -> io::Result<()> {
        let is_there = std::fs::metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == (self.device, self.inode));
        if is_there {
            return Ok(());
        }
        Err(io::Error::other(
            "the database file was moved, removed or replaced while it was served; put it back or start again",
        ))
    }
}

pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let beside = PathBuf::from(beside);
    let failed = |source| OpenError::File { path: beside.display().to_string(), source };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(OpenError::Locked { path: path.display().to_string() })
        }
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Whether there is nothing there yet: SQLite takes an empty file for a new database.
pub(super) fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).map_or(0, |file| file.len()) == 0
}
