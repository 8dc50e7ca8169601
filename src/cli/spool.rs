//! The spool: pings that could not be sent, one file each, under the user's state directory.
//!
//! A file is written under another name, synced and renamed, so that it is whole or not there. Who sends holds a lock,
//! so that no ping is sent twice; a process that is killed between the answer and the removal sends one again, with the
//! same run, signal and timestamp, which the monitor records once.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::message::Message;
use crate::core::limits::{
    SPOOL_AGE_SECONDS_MAX, SPOOL_BYTES_MAX, SPOOL_FILE_BYTES_MAX, SPOOL_LOCKS, SPOOL_PINGS_MAX,
    SPOOL_SCRAP_SECONDS_MAX,
};
use crate::core::name::Name;

/// What the name of a kept ping ends with.
const KEPT: &str = ".ping";

/// A kept ping as it stands in its file.
#[derive(Deserialize, Serialize)]
struct Kept {
    server: String,
    name: String,
    target: String,
    timestamp: i64,
    log: Option<String>,
}

/// A file of the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    bytes: u64,
    changed: SystemTime,
}

/// What a file of the spool holds.
#[derive(Debug)]
pub(super) enum Found {
    /// A ping for the server that was asked for.
    Ping(Message),
    /// Nothing that concerns us: a ping for another server, or a file that somebody else has sent meanwhile.
    Nothing,
    /// It cannot be read, and never will.
    Broken,
}

/// Pings that wait to be sent.
#[derive(Clone, Debug)]
pub(super) struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// The spool of this user: under `XDG_STATE_HOME`, else under `.local/state` in the home that the environment or the
    /// system's list of users names; for a user without a home under `/var/lib`, where root may write.
    pub(super) fn of_this_user() -> Self {
        let absolute = |path: PathBuf| path.is_absolute().then_some(path);
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).and_then(absolute);
        let home = || std::env::home_dir().and_then(absolute);
        let state = state.or_else(|| home().map(|home| home.join(".local/state")));
        Self { folder: state.unwrap_or_else(|| "/var/lib".into()).join("overdue/spool") }
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps `message` for `server` at `now_ms` until it can be sent; what had to go for it is a sentence each.
    ///
    /// # Errors
    /// What the system said; then the ping is lost.
    pub(super) fn keep(
        &self,
        server: &str,
        message: &Message,
        now_ms: i64,
    ) -> io::Result<Vec<String>> {
        let kept = Kept {
            server: server.to_owned(),
            name: message.name.as_str().to_owned(),
            target: message.target.clone(),
            timestamp: message.timestamp,
            log: message.log.as_ref().map(|log| STANDARD.encode(log)),
        };
        let text = serde_json::to_vec(&kept)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let warnings = self.make_room(text.len() as u64, now_ms);
        let name = format!("{now_ms:015}-{}-{:08x}", digest(server), fastrand::u32(..));
        let (scrap, whole) =
            (self.folder.join(format!(".{name}")), self.folder.join(format!("{name}{KEPT}")));
        let written = (|| {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&scrap)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&scrap, &whole)?;
            // The name is on disk once the folder is.
            File::open(&self.folder)?.sync_all()
        })();
        if written.is_err() {
            let _ = fs::remove_file(&scrap);
        }
        written.map(|()| warnings)
    }

    /// The files for `server`, in the order in which they are to be sent: as they came, but those that failed since
    /// after the others, so that none blocks another.
    pub(super) fn waiting(&self, server: &str) -> Vec<String> {
        let own = format!("-{}-", digest(server));
        let mut entries: Vec<Entry> = self.entries().unwrap_or_default();
        entries.retain(|entry| entry.name.contains(&own));
        entries.sort_by(|a, b| (a.changed, &a.name).cmp(&(b.changed, &b.name)));
        entries.into_iter().map(|entry| entry.name).collect()
    }

    /// Reads the file `name` for `server`.
    ///
    /// # Errors
    /// What the system said, where the file may be read another time.
    pub(super) fn read(&self, server: &str, name: &str) -> io::Result<Found> {
        let file = match File::open(self.folder.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            file => file?,
        };
        let mut text = Vec::new();
        file.take(SPOOL_FILE_BYTES_MAX).read_to_end(&mut text)?;
        let Ok(kept) = serde_json::from_slice::<Kept>(&text) else { return Ok(Found::Broken) };
        if kept.server != server {
            return Ok(Found::Nothing);
        }
        let log = kept.log.map(|log| STANDARD.decode(log)).transpose();
        let (Ok(name), Ok(log)) = (Name::parse(kept.name), log) else { return Ok(Found::Broken) };
        let Kept { target, timestamp, .. } = kept;
        Ok(Found::Ping(Message { name, target, timestamp, is_now: false, log }))
    }

    /// Forgets the file `name`.
    ///
    /// # Errors
    /// What the system said; nothing, where it is gone already.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Puts the file `name`, which has failed at `now_ms`, behind the others.
    pub(super) fn put_last(&self, name: &str, now_ms: i64) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(now_ms.unsigned_abs());
        // If that fails, it keeps its place.
        let file = OpenOptions::new().write(true).open(self.folder.join(name));
        let _ = file.and_then(|file| file.set_modified(time));
    }

    /// The lock of those who send to `server`; `None` while another process holds it.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn lock(&self, server: &str) -> io::Result<Option<File>> {
        let number = Sha256::digest(server)[0] % SPOOL_LOCKS;
        let path = self.folder.join(format!("lock-{number}"));
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Drops what is too old at `now_ms`, and the oldest of what is too much for another file of `bytes`.
    pub(super) fn make_room(&self, bytes: u64, now_ms: i64) -> Vec<String> {
        let mut entries = self.entries().unwrap_or_default();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let oldest = format!("{:015}", (now_ms - SPOOL_AGE_SECONDS_MAX * 1000).max(0));
        let expired = entries.partition_point(|entry| entry.name < oldest);
        let mut held: u64 = entries.iter().skip(expired).map(|entry| entry.bytes).sum();
        let mut last = expired;
        while last < entries.len()
            && (entries.len() - last >= SPOOL_PINGS_MAX || held + bytes > SPOOL_BYTES_MAX)
        {
            held -= entries[last].bytes;
            last += 1;
        }
        let dropped =
            |range: &[Entry]| range.iter().filter(|entry| self.remove(&entry.name).is_ok()).count();
        let (old, surplus) = (dropped(&entries[..expired]), dropped(&entries[expired..last]));
        let days = SPOOL_AGE_SECONDS_MAX / 86_400;
        let mut warnings = Vec::new();
        if old > 0 {
            warnings.push(format!("kept pings older than {days} days are dropped, {old} of them"));
        }
        if surplus > 0 {
            warnings.push(format!(
                "the spool {} is full: its oldest pings are dropped, {surplus} of them",
                self.folder.display()
            ));
        }
        warnings
    }

    /// Every kept ping. What a killed process has half written is removed on the way.
    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.folder)? {
            let file = file?;
            let Ok(name) = file.file_name().into_string() else { continue };
            // It may be gone already.
            let Ok(data) = file.metadata() else { continue };
            let changed = data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            if name.ends_with(KEPT) && data.is_file() {
                entries.push(Entry { name, bytes: data.len(), changed });
            } else if name.starts_with('.')
                && changed.elapsed().is_ok_and(|age| age.as_secs() > SPOOL_SCRAP_SECONDS_MAX)
            {
                let _ = fs::remove_file(file.path());
            }
        }
        Ok(entries)
    }
}

/// What tells the files of one server from those of others, before they are read.
fn digest(server: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(server)[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "http://127.0.0.1:4000/";
    const NOON_MS: i64 = 1_795_608_000_000;

    fn spool() -> (tempfile::TempDir, Spool) {
        let folder = tempfile::TempDir::new().unwrap();
        let spool = Spool { folder: folder.path().join("overdue/spool") };
        (folder, spool)
    }

    fn message(name: &str) -> Message {
        let target = format!("ping?name={name}&frequency=1D");
        let log = Some(vec![0, 255, b'\n']);
        let name = Name::parse(name).unwrap();
        Message { name, target, timestamp: 7, is_now: false, log }
    }

    fn names(spool: &Spool, server: &str) -> Vec<String> {
        let read = spool.waiting(server).into_iter().map(|file| spool.read(server, &file).unwrap());
        read.filter_map(|found| match found {
            Found::Ping(message) => Some(message.name.as_str().to_owned()),
            Found::Nothing | Found::Broken => None,
        })
        .collect()
    }

    #[test]
    fn what_is_kept_is_found_again_for_its_server_and_no_other() {
        let (_folder, spool) = spool();
        assert!(spool.keep(SERVER, &message("a"), NOON_MS).unwrap().is_empty());
        let files = spool.waiting(SERVER);
        let Found::Ping(found) = spool.read(SERVER, &files[0]).unwrap() else { panic!() };
        assert_eq!(found, message("a"));
        assert!(spool.waiting("http://127.0.0.1:4001/").is_empty());
        assert!(matches!(spool.read("http://127.0.0.1:4001/", &files[0]), Ok(Found::Nothing)));
        spool.remove(&files[0]).unwrap();
        spool.remove(&files[0]).unwrap();
        assert!(matches!(spool.read(SERVER, &files[0]), Ok(Found::Nothing)));
        assert!(spool.waiting(SERVER).is_empty());
    }

    #[test]
    fn others_may_read_neither_the_folder_nor_a_ping() {
        use std::os::unix::fs::PermissionsExt as _;

        let (_folder, spool) = spool();
        spool.keep(SERVER, &message("a"), NOON_MS).unwrap();
        let file = spool.folder.join(&spool.waiting(SERVER)[0]);
        for (path, mode) in [(&spool.folder, 0o700), (&file, 0o600)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
        }
    }

    #[test]
    fn what_failed_comes_after_what_did_not() {
        let (_folder, spool) = spool();
        for (name, ms) in [("a", 0), ("b", 1), ("c", 2)] {
            spool.keep(SERVER, &message(name), NOON_MS + ms).unwrap();
            let file = spool
                .waiting(SERVER)
                .into_iter()
                .find(|file| file.starts_with(&format!("{:015}", NOON_MS + ms)));
            spool.put_last(&file.unwrap(), NOON_MS + ms);
        }
        assert_eq!(names(&spool, SERVER), ["a", "b", "c"]);
        spool.put_last(&spool.waiting(SERVER)[0], NOON_MS + 3);
        assert_eq!(names(&spool, SERVER), ["b", "c", "a"]);
    }

    #[test]
    fn what_is_too_old_or_too_much_is_dropped_with_a_sentence_the_oldest_first() {
        let (_folder, spool) = spool();
        spool.keep(SERVER, &message("old"), NOON_MS).unwrap();
        let later = NOON_MS + SPOOL_AGE_SECONDS_MAX * 1000 + 1;
        let warnings = spool.keep(SERVER, &message("first"), later).unwrap();
        assert_eq!(warnings, ["kept pings older than 31 days are dropped, 1 of them"]);
        assert_eq!(names(&spool, SERVER), ["first"]);
        for number in 1..SPOOL_PINGS_MAX {
            let name = format!("{:015}-0-{number}{KEPT}", later + 1);
            fs::write(spool.folder.join(name), "").unwrap();
        }
        let warnings = spool.keep(SERVER, &message("last"), later + 2).unwrap();
        assert!(warnings[0].ends_with("is full: its oldest pings are dropped, 1 of them"));
        assert_eq!(names(&spool, SERVER), ["last"]);
        assert_eq!(spool.entries().unwrap().len(), SPOOL_PINGS_MAX);
    }

    #[test]
    fn the_size_of_all_is_bounded_too() {
        let (_folder, spool) = spool();
        spool.keep(SERVER, &message("first"), NOON_MS).unwrap();
        let large = File::create(spool.folder.join(format!("{:015}-0-0{KEPT}", NOON_MS + 1)));
        large.unwrap().set_len(SPOOL_BYTES_MAX - 100).unwrap();
        assert_eq!(spool.keep(SERVER, &message("last"), NOON_MS + 2).unwrap().len(), 1);
        assert_eq!(names(&spool, SERVER), ["last"]);
    }

    #[test]
    fn a_file_that_is_no_ping_is_broken_and_one_that_is_half_written_is_not_seen() {
        let (_folder, spool) = spool();
        spool.keep(SERVER, &message("a"), NOON_MS).unwrap();
        let file = spool.waiting(SERVER).remove(0);
        fs::write(spool.folder.join(&file), "{\"server\":").unwrap();
        assert!(matches!(spool.read(SERVER, &file), Ok(Found::Broken)));
        fs::write(spool.folder.join(".scrap"), "").unwrap();
        assert_eq!(spool.waiting(SERVER), [file]);
        assert!(spool.folder.join(".scrap").exists(), "its writer may still be at it");
        let scrap = OpenOptions::new().write(true).open(spool.folder.join(".scrap")).unwrap();
        scrap.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(spool.waiting(SERVER).len(), 1);
        assert!(!spool.folder.join(".scrap").exists());
    }

    #[test]
    fn one_sends_at_a_time() {
        let (_folder, spool) = spool();
        assert!(spool.lock(SERVER).is_err(), "there is no folder yet");
        spool.keep(SERVER, &message("a"), NOON_MS).unwrap();
        let held = spool.lock(SERVER).unwrap();
        assert!(held.is_some() && spool.lock(SERVER).unwrap().is_none());
        drop(held);
        assert!(spool.lock(SERVER).unwrap().is_some());
    }
}
