//! The real binary, killed at random moments again and again: every alert that is due arrives, each under one id, and
//! every ping that was answered 200 is in the file.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/mod.rs"]
mod support;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use sqlx::{Connection as _, SqliteConnection};
use support::{Receiver, Reply, Server, now, patiently};
use tempfile::TempDir;

/// How often it is killed.
const CYCLES: usize = 5;

/// The services that were pinged with an answer of 200, by their last such ping.
type Acknowledged = HashMap<String, i64>;

/// Pings new services that are overdue at once, until the server is gone.
async fn ping_until_it_is_gone(
    address: std::net::SocketAddr,
    cycle: usize,
    worker: usize,
) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    for number in 0.. {
        let (name, at) = (format!("job-{cycle}-{worker}-{number}"), now() - 100);
        let target = format!("/ping?name={name}&frequency=10s&timestamp={at}");
        match support::send(address, "GET", &target).await {
            Ok(answer) if answer.status == 200 => drop(acknowledged.insert(name, at)),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    acknowledged
}

async fn rows(folder: &Path) -> HashMap<String, i64> {
    let path = folder.join("overdue.db");
    let mut connection = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    let integrity: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(integrity, "ok");
    let rows: Vec<(String, i64)> = sqlx::query_as("SELECT name, last_ping FROM services")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    rows.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_loses_no_ping_and_no_alert_and_changes_no_id() {
    let mut receiver = Receiver::start().await;
    let folder = TempDir::new().unwrap();
    let mut acknowledged = Acknowledged::new();
    for cycle in 0..CYCLES {
        // Some answers get lost, so that some deliveries are made again.
        receiver.then([Reply::Status(200), Reply::Hang, Reply::Status(500)]);
        let server = Server::start(folder.path(), Some(&receiver.uri())).await;
        let pings: Vec<_> = (0..4)
            .map(|worker| tokio::spawn(ping_until_it_is_gone(server.address, cycle, worker)))
            .collect();
        // The moment is random, and nothing that is checked depends on it.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(200..2500))).await;
        server.kill().await;
        for ping in pings {
            acknowledged.extend(patiently("the callers", ping).await.unwrap());
        }
        let stored = rows(folder.path()).await;
        for (name, at) in &acknowledged {
            assert!(
                stored.get(name).is_some_and(|last_ping| last_ping >= at),
                "{name} was answered 200 and is lost"
            );
        }
    }
    let server = Server::start(folder.path(), Some(&receiver.uri())).await;
    let due: HashSet<String> = rows(folder.path()).await.into_keys().collect();
    let mut ids: HashMap<String, HashSet<String>> = HashMap::new();
    while ids.len() < due.len() {
        let alert = receiver.next().await.body;
        let word = |name: &str| alert[name].as_str().unwrap().to_owned();
        assert_eq!(word("type"), "service.overdue");
        ids.entry(word("name")).or_default().insert(word("id"));
    }
    server.stop().await;
    assert_eq!(ids.keys().cloned().collect::<HashSet<_>>(), due);
    assert!(ids.values().all(|ids| ids.len() == 1), "one id each: {ids:?}");
}
