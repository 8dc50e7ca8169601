//! Faults of what the monitor stands on: its disk, its file, its clock, its descriptors, its log and the names it looks up.
//! The real binary meets each of them while it serves. What cannot be stored is answered 503, destinations hear of it,
//! and it heals by itself.
//!
//! `FAULTS_REAL_SECONDS` has the tests wait in earnest where they put the clock forward otherwise (`.ci/campaign faults`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

#[path = "../support/disk.rs"]
mod disk;
mod full;
mod opening;
mod storage;
#[path = "../support/mod.rs"]
mod support;
mod surroundings;
mod time;

use std::cell::Cell;
use std::time::Duration;

use disk::Disk;
use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};
use support::{Answer, PATIENCE, Receiver, Server, now};
use tempfile::TempDir;

/// A server with faults at hand, and the receiver of its alerts.
struct Ward {
    server: Server,
    receiver: Receiver,
    disk: Disk,
    /// How far the server's clock was put forward.
    ahead: Cell<i64>,
    folder: TempDir,
}

impl Ward {
    /// `None`, said aloud, where faults cannot be made.
    async fn open() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let disk = Disk::of(folder.path())?;
        let receiver = Receiver::start().await;
        let mut command = disk.serve();
        command.env("PING_ALERT_URI", receiver.uri());
        let server = Server::spawn(command).await;
        Some(Self { server, receiver, disk, ahead: Cell::new(0), folder })
    }

    /// Lets time pass: for the server's clock, or in earnest.
    async fn pass(&self, seconds: i64) {
        if std::env::var_os("FAULTS_REAL_SECONDS").is_some() {
            tokio::time::sleep(Duration::from_secs(seconds.unsigned_abs())).await;
        } else {
            self.put_clock(self.ahead.get() + seconds);
        }
    }

    /// Puts the server's clock so far ahead of this machine's.
    fn put_clock(&self, seconds: i64) {
        self.ahead.set(seconds);
        self.disk.put_clock(seconds);
    }

    /// The second that the server believes it is.
    fn now(&self) -> i64 {
        now() + self.ahead.get()
    }

    async fn ping(&self, query: &str) -> Answer {
        self.server.get(&format!("/ping?{query}")).await
    }

    /// The next alert must be of this type.
    async fn hears(&mut self, kind: &str) -> Value {
        let alert = self.receiver.next().await.body;
        assert_eq!(alert["type"], kind, "{alert}");
        alert
    }

    /// How many alerts were raised, whether or not they could leave.
    async fn raised(&self) -> i64 {
        let url = format!("sqlite:{}", self.disk.database().display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let raised = sqlx::query_scalar("SELECT count(*) FROM alerts").fetch_one(&mut connection);
        let raised = raised.await.unwrap();
        connection.close().await.unwrap();
        raised
    }

    async fn stored(&self) -> Vec<String> {
        let url = format!("sqlite:{}", self.disk.database().display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let integrity: String =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
        assert_eq!(integrity, "ok");
        let names = sqlx::query_scalar("SELECT name FROM services ORDER BY name")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        names
    }
}

/// Asks again until it is so.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn is_refused(answer: &Answer) -> bool {
    assert!(answer.status == 503 || answer.status == 200, "{answer:?}");
    if answer.status == 503 {
        assert!(answer.head.contains("retry-after: "), "{answer:?}");
        assert_eq!(
            answer.json()["detail"],
            "nothing can be stored at the moment: try again in a second"
        );
    }
    answer.status == 503
}
