//! The file is spoilt, or cannot be written, when the program starts: a sentence, and the file as it was.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use tempfile::TempDir;

use crate::disk::{Call, DATABASE, Disk, LOCK};
use crate::support::{Server, overdue};
use crate::until;

/// What a start that must fail says.
fn says(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("overdue: ") && said.lines().count() == 1, "{said}");
    said
}

fn serve(folder: &Path) -> Command {
    let mut command = overdue(folder);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command
}

/// A database with some services, stopped cleanly.
async fn filled(folder: &Path) -> std::path::PathBuf {
    let server = Server::start(folder, None).await;
    for job in 0..200 {
        let target = format!("/ping?name=job-{job}&frequency=1D");
        assert_eq!(server.get(&target).await.status, 200);
    }
    server.stop().await;
    folder.join("overdue.db")
}

#[tokio::test]
async fn a_database_that_is_spoilt_stops_the_start_and_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = filled(folder.path()).await;
    let whole = std::fs::read(&path).unwrap();
    let cut_off = whole[..whole.len() / 8192 * 4096].to_vec();
    let mut overwritten = whole.clone();
    overwritten[4096..].fill(0xa5);
    let mut first_page = whole.clone();
    first_page[100..4096].fill(0);
    for (what, bytes) in
        [("cut off", cut_off), ("overwritten", overwritten), ("without a schema", first_page)]
    {
        std::fs::write(&path, &bytes).unwrap();
        let said = says(serve(folder.path()));
        assert!(said.contains("overdue.db: "), "{what}: {said}");
        assert!(said.contains("malformed"), "{what}: {said}");
        assert!(std::fs::read(&path).unwrap() == bytes, "{what}: it was changed");
    }
    std::fs::write(&path, &whole).unwrap();
    let server = Server::start(folder.path(), None).await;
    assert!(server.greeting.contains("(200 services"), "{}", server.greeting);
    server.stop().await;
}

#[tokio::test]
async fn a_log_of_which_the_end_is_spoilt_costs_the_end_and_no_start() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    assert_eq!(server.get("/ping?name=a&frequency=1D").await.status, 200);
    let log = folder.path().join("overdue.db-wal");
    let before = std::fs::metadata(&log).unwrap().len();
    assert_eq!(server.get("/ping?name=b&frequency=1D").await.status, 200);
    server.kill().await;
    let file = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
    file.write_all_at(&[0xa5; 64], before + 100).unwrap();
    let server = Server::start(folder.path(), None).await;
    assert_eq!(server.get("/ping/a").await.status, 200);
    assert_eq!(server.get("/ping/b").await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_file_or_a_folder_that_cannot_be_written_stops_the_start_with_a_sentence() {
    let folder = TempDir::new().unwrap();
    let Some(disk) = Disk::of(folder.path()) else { return };
    let path = filled(folder.path()).await;
    let whole = std::fs::read(&path).unwrap();
    for (files, error, said) in [
        (LOCK, Errno::ROFS, "overdue.db.lock: Read-only file system"),
        (LOCK, Errno::ACCESS, "overdue.db.lock: Permission denied"),
        (
            DATABASE,
            Errno::ACCESS,
            "attempt to write a readonly database): its disk must work, and whoever runs",
        ),
    ] {
        disk.fail(Call::Open, error, None, files);
        let sentence = says(disk.serve());
        assert!(sentence.contains(said), "{sentence}");
        assert!(std::fs::read(&path).unwrap() == whole);
    }
    disk.mend(Call::Open);
    let server = Server::spawn(disk.serve()).await;
    until("a ping", async || server.get("/ping/job-1").await.status == 200).await;
    server.stop().await;
}
