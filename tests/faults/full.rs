//! A disk that is full in earnest: a small one of the server's own, in memory, that somebody else's file fills. Making
//! one needs a right that not every machine gives; where it does not, that is said.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::disk::Disk;
use crate::support::{Receiver, Server, patiently};
use crate::{Ward, is_refused, until};

/// Enough for the database and its log, and soon filled.
const DISK_BYTES: u64 = 4 << 20;

/// A small disk in place of the folder `$1`, and then, in it, the rest.
const IN_A_SMALL_ROOM: &str =
    r#"mount -t tmpfs -o "size=$2" overdue "$1" && cd "$1" && shift 2 && exec "$@""#;

/// The same command with a small disk of its own under its feet, which nobody else sees.
fn in_a_small_room(command: &Command, room: &Path) -> Command {
    let mut wrapped = Command::new("unshare");
    wrapped.args(["-rm", "--", "sh", "-c", IN_A_SMALL_ROOM, "sh"]);
    wrapped.arg(room).arg(DISK_BYTES.to_string()).arg(command.get_program());
    wrapped.args(command.get_args()).env_clear();
    wrapped.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for (name, value) in command.get_envs() {
        value.map(|value| wrapped.env(name, value));
    }
    wrapped
}

/// Whether such a disk can be made here.
fn can_be_made(room: &Path) -> bool {
    let output = in_a_small_room(&Command::new("true"), room).output();
    match output {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            eprintln!("SKIPPED: no disk of its own can be made here: {why}");
            false
        }
        Err(error) => {
            eprintln!("SKIPPED: no disk of its own can be made here: unshare: {error}");
            false
        }
    }
}

/// Writes until nothing more goes in.
fn fill(ballast: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(ballast).unwrap();
    loop {
        match file.write(&[0; 4096]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Ward {
    /// The server's working folder, as it sees it.
    fn room(&self) -> PathBuf {
        format!("/proc/{}/cwd", self.server.pid()).into()
    }

    /// The names of the services that are on its disk, of a copy that was made while it stood still.
    async fn stored_in_the_room(&self) -> Vec<String> {
        let copy = TempDir::new().unwrap();
        self.server.signal("STOP");
        for file in ["overdue.db", "overdue.db-wal"] {
            std::fs::copy(self.room().join(file), copy.path().join(file)).unwrap();
        }
        self.server.signal("CONT");
        let url = format!("sqlite:{}", copy.path().join("overdue.db").display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let integrity: String =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
        assert_eq!(integrity, "ok");
        let names = sqlx::query_scalar("SELECT name FROM services").fetch_all(&mut connection);
        let names = names.await.unwrap();
        connection.close().await.unwrap();
        names
    }
}

#[tokio::test]
async fn a_small_disk_that_is_really_full_costs_503_is_told_and_heals_once_there_is_room() {
    let folder = TempDir::new().unwrap();
    let room = folder.path().join("room");
    std::fs::create_dir(&room).unwrap();
    let Some(disk) = Disk::of(folder.path()).filter(|_| can_be_made(&room)) else { return };
    let receiver = Receiver::start().await;
    let mut command = in_a_small_room(&disk.serve(), &room);
    command.env("PING_ALERT_URI", receiver.uri());
    let server = Server::spawn(command).await;
    let mut ward = Ward { server, receiver, disk, ahead: std::cell::Cell::new(0), folder };
    let mut answered = vec!["silent".to_owned()];
    assert_eq!(ward.ping("name=silent&frequency=3s").await.status, 200);
    // Whatever a failure frees for a moment is taken at once, until nothing can be stored.
    let ballast = ward.room().join("ballast");
    let mut refused_in_a_row = 0;
    for job in 0..10_000 {
        fill(&ballast);
        let name = format!("job-{job}");
        if is_refused(&ward.ping(&format!("name={name}&frequency=1D")).await) {
            refused_in_a_row += 1;
        } else {
            (refused_in_a_row, answered) = (0, [answered, vec![name]].concat());
        }
        if refused_in_a_row == 20 {
            break;
        }
    }
    assert_eq!(refused_in_a_row, 20, "it stores whatever the disk");
    ward.pass(60).await;
    let told = ward.hears("monitor.failing").await;
    assert!(told["text"].as_str().unwrap().contains("Nothing can be stored since"), "{told}");
    assert!(is_refused(&ward.ping("name=during&frequency=1D").await), "still");
    assert_eq!(ward.server.get("/healthz").await.status, 200);
    assert_eq!(ward.server.get("/readyz").await.status, 503);
    std::fs::remove_file(&ballast).unwrap();
    until("a ping to be stored", async || ward.ping("name=after&frequency=1D").await.status == 200)
        .await;
    answered.push("after".to_owned());
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let alert = patiently("an alert", ward.receiver.next()).await.body;
        kinds.push(format!("{} {}", alert["type"], alert["name"]).replace('"', ""));
    }
    kinds.sort_unstable();
    assert_eq!(kinds, ["monitor.recovered null", "service.overdue silent"]);
    until("readiness", async || ward.server.get("/readyz").await.status == 200).await;
    let stored = ward.stored_in_the_room().await;
    let lost: Vec<_> = answered.iter().filter(|name| !stored.contains(name)).collect();
    assert!(lost.is_empty(), "answered 200, and lost: {lost:?}");
    ward.server.stop().await;
}
