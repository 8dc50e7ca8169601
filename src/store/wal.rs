//! The write-ahead log, written again where nobody knows what of it is on disk.
//!
//! After a sync that failed the system may take for written what is not, and then no later sync writes it: it can be read
//! until the power goes, and is not there afterwards. SQLite knows of this within a connection, and writes over it. A
//! connection that opens the file afresh sees nothing but a log that looks whole, and would build on it.
//! <https://wiki.postgresql.org/wiki/Fsync_Errors>

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use sqlx::{Connection as _, SqliteConnection};

use crate::core::limits::WAL_CHUNK_BYTES;

/// Writes the log of `database` again as it reads, and syncs it, so that what is found in it is on disk. Nobody else
/// writes meanwhile.
pub(super) async fn write_again(
    connection: &mut SqliteConnection,
    database: &Path,
) -> Result<(), sqlx::Error> {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    let path = PathBuf::from(path);
    if !path.exists() {
        return Ok(());
    }
    let alone = connection.begin_with("BEGIN IMMEDIATE").await?;
    let written = tokio::task::spawn_blocking(move || rewrite(&path)).await;
    alone.rollback().await?;
    written.map_err(|_| sqlx::Error::WorkerCrashed)?.map_err(sqlx::Error::Io)
}

fn rewrite(path: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let length = file.metadata()?.len();
    let mut chunk = vec![0; WAL_CHUNK_BYTES];
    let mut at = 0;
    while at < length {
        let read = file.read_at(&mut chunk, at)?;
        if read == 0 {
            break;
        }
        file.write_all_at(&chunk[..read], at)?;
        at += read as u64;
    }
    File::sync_all(&file)
}
