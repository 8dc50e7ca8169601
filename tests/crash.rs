//! The real binary under load, killed again and again at random moments, some of them before it serves, some as it stops
//! and writes back its log, some while it brings an old database up to date. What was answered 200 is in the file, what
//! was due arrives, and no id changes.
//!
//! `CRASH_CYCLES` says how often it is killed.

#![allow(clippy::print_stdout, reason = "a campaign says what it did")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/mod.rs"]
mod support;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sqlx::{Connection as _, SqliteConnection};
use support::{Receiver, Reply, Server, now, overdue, patiently};
use tempfile::TempDir;

/// How often it is killed where nothing else is said.
const CYCLES: usize = 5;

/// Connections that send at the same time.
const WORKERS: usize = 6;

/// New services that are overdue at once, of each worker in each cycle.
const SILENT_MAX: usize = 40;

/// How long what is due may take to arrive in the end: some of it failed before and waits for its turn.
const ARRIVAL_SECONDS_MAX: u64 = 300;

/// What was answered.
#[derive(Debug, Default)]
struct Ledger {
    /// The last ping of each service that was answered 200.
    pinged: HashMap<String, i64>,
    /// The run of the last signal of each service that was answered 200.
    told: HashMap<String, String>,
    /// The services whose DELETE was answered 200.
    deleted: HashSet<String>,
    /// Those whose DELETE was not answered.
    perhaps_deleted: HashSet<String>,
    requests: usize,
}

impl Ledger {
    fn add(&mut self, other: Self) {
        self.pinged.extend(other.pinged);
        self.told.extend(other.told);
        self.deleted.extend(other.deleted);
        self.perhaps_deleted.extend(other.perhaps_deleted);
        self.requests += other.requests;
    }

    /// Deletes a service that may be there.
    async fn delete(&mut self, address: SocketAddr, name: &str) -> std::io::Result<()> {
        self.perhaps_deleted.insert(name.to_owned());
        let answer = support::send(address, "DELETE", &format!("/ping/{name}")).await?;
        if answer.status == 200 {
            self.deleted.insert(name.to_owned());
        }
        Ok(())
    }

    /// Sends one signal of a service that lives for as long as the test.
    async fn signal(&mut self, address: SocketAddr, name: &str, run: &str) -> std::io::Result<()> {
        let signal = ["success", "start", "fail", "0", "7"][fastrand::usize(..5)];
        let at = now();
        let target = format!("/ping?name={name}&frequency=1W&signal={signal}&run={run}");
        let answer = support::send(address, "POST", &target).await?;
        if answer.status == 200 {
            self.told.insert(name.to_owned(), run.to_owned());
            if signal != "start" {
                self.pinged.insert(name.to_owned(), at);
            }
        }
        Ok(())
    }

    /// A service that is overdue at once.
    async fn silent(&mut self, address: SocketAddr, name: &str) -> std::io::Result<()> {
        let at = now() - 100;
        let target = format!("/ping?name={name}&frequency=10s&timestamp={at}");
        let answer = support::send(address, "GET", &target).await?;
        if answer.status == 200 {
            self.pinged.insert(name.to_owned(), at);
        }
        Ok(())
    }
}

/// One caller, until the server is gone.
async fn call_until_it_is_gone(address: SocketAddr, cycle: usize, worker: usize) -> Ledger {
    let mut ledger = Ledger::default();
    for number in 0.. {
        ledger.requests += 1;
        let silent = format!("silent-{cycle}-{worker}-{number}");
        let called = match number % 3 {
            0 if number < 3 * SILENT_MAX => ledger.silent(address, &silent).await,
            1 if number % 4 == 1 && number < 3 * SILENT_MAX => {
                // The one that was made just now; its alert may be on its way.
                let before = format!("silent-{cycle}-{worker}-{}", number - 1);
                ledger.delete(address, &before).await
            }
            _ => {
                let name = format!("steady-{worker}-{}", fastrand::usize(..4));
                ledger.signal(address, &name, &format!("{cycle}-{number}")).await
            }
        };
        if called.is_err() {
            break;
        }
    }
    ledger
}

async fn open(folder: &Path) -> SqliteConnection {
    let path = folder.join("overdue.db");
    SqliteConnection::connect(path.to_str().unwrap()).await.unwrap()
}

/// What was answered is in the file, and the file is whole.
async fn check(folder: &Path, ledger: &Ledger) {
    let mut connection = open(folder).await;
    let integrity: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(integrity, "ok");
    let rows = sqlx::query_as("SELECT name, last_ping FROM services").fetch_all(&mut connection);
    let stored: HashMap<String, Option<i64>> = rows.await.unwrap().into_iter().collect();
    for (name, at) in &ledger.pinged {
        let is_there = stored.get(name).is_some_and(|last_ping| *last_ping >= Some(*at));
        assert!(
            is_there || ledger.perhaps_deleted.contains(name),
            "{name} was answered 200 for {at} and is {:?}",
            stored.get(name)
        );
    }
    for name in &ledger.deleted {
        assert!(!stored.contains_key(name), "{name} was deleted and is there");
    }
    let rows = sqlx::query_as("SELECT service, run FROM pings WHERE run IS NOT NULL");
    let runs: Vec<(String, String)> = rows.fetch_all(&mut connection).await.unwrap();
    let runs: HashSet<(String, String)> = runs.into_iter().collect();
    for signal in &ledger.told {
        let signal = (signal.0.clone(), signal.1.clone());
        assert!(runs.contains(&signal), "{signal:?} was answered 200 and is not in the history");
    }
    let kept =
        "SELECT coalesce(max(kept), 0) FROM (SELECT count(*) AS kept FROM pings GROUP BY service)";
    let kept: i64 = sqlx::query_scalar(kept).fetch_one(&mut connection).await.unwrap();
    assert!(kept < 1000, "{kept} signals are kept of one service");
}

/// What arrived: ids, each with its service and kind, in the order of their first arrival.
#[derive(Default)]
struct Arrived {
    ids: Vec<String>,
    about: HashMap<String, (String, String)>,
    repeats: usize,
}

impl Arrived {
    fn note(&mut self, receiver: &mut Receiver) {
        for got in receiver.rest() {
            let word = |name: &str| got.body[name].as_str().unwrap().to_owned();
            if word("type").starts_with("monitor.") {
                continue;
            }
            let (id, about) = (word("id"), (word("name"), word("type")));
            assert_eq!(got.headers["webhook-id"], id.as_str());
            if let Some(before) = self.about.get(&id) {
                assert_eq!(*before, about, "one id is one alert");
                self.repeats += 1;
            } else {
                self.ids.push(id.clone());
                self.about.insert(id, about);
            }
        }
    }
}

/// Kills a server that has hardly begun.
async fn kill_at_the_start(folder: &Path, uri: &str) {
    let mut command = overdue(folder);
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("PING_ALERT_URI", uri);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..60))).await;
    child.kill().await.unwrap();
}

/// Serves until everything that was raised has arrived.
async fn deliver_the_rest(folder: &Path, receiver: &mut Receiver, arrived: &mut Arrived) {
    let server = Server::start(folder, Some(&receiver.uri())).await;
    let mut connection = open(folder).await;
    let left = "SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending')
        + (SELECT count(*) FROM services WHERE deadline < unixepoch() - 2 AND alerted = 0)";
    let all_have = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        loop {
            ticks.tick().await;
            arrived.note(receiver);
            let left: i64 = sqlx::query_scalar(left).fetch_one(&mut connection).await.unwrap();
            if left == 0 {
                break;
            }
        }
    };
    let seconds = Duration::from_secs(ARRIVAL_SECONDS_MAX);
    if tokio::time::timeout(seconds, all_have).await.is_err() {
        let waiting = "SELECT attempts || ' attempts, next in ' || (next_attempt - unixepoch()) || ' s: ' || coalesce(last_error, '')
            FROM deliveries WHERE state = 'pending' ORDER BY next_attempt LIMIT 20";
        let waiting: Vec<String> =
            sqlx::query_scalar(waiting).fetch_all(&mut connection).await.unwrap();
        let left: i64 = sqlx::query_scalar(left).fetch_one(&mut connection).await.unwrap();
        panic!("what is due has to arrive: {left} have not, {waiting:#?}");
    }
    server.stop().await;
    arrived.note(receiver);
}

/// Whatever the file says was raised and delivered has arrived, in order, and nothing else has.
async fn check_arrivals(folder: &Path, ledger: &Ledger, arrived: &Arrived) {
    let mut connection = open(folder).await;
    let rows = sqlx::query_as(
        "SELECT a.seq, a.id, a.service, a.kind FROM alerts AS a JOIN deliveries AS d ON d.alert = a.seq
         WHERE d.state = 'delivered' ORDER BY a.seq",
    );
    let raised: Vec<(i64, String, String, String)> = rows.fetch_all(&mut connection).await.unwrap();
    let places: HashMap<&str, i64> =
        raised.iter().map(|(seq, id, _, _)| (id.as_str(), *seq)).collect();
    for (_, id, service, kind) in &raised {
        let about = (service.clone(), format!("service.{kind}"));
        assert_eq!(arrived.about.get(id), Some(&about), "{id} is delivered");
    }
    let mut last: HashMap<&str, i64> = HashMap::new();
    for id in &arrived.ids {
        let (service, kind) = &arrived.about[id];
        let Some(place) = places.get(id.as_str()) else {
            assert!(
                ledger.perhaps_deleted.contains(service),
                "{id} of {service} ({kind}) is unknown"
            );
            continue;
        };
        let before = last.insert(service, *place);
        assert!(before < Some(*place), "{id} of {service} ({kind}) came out of order");
    }
    let silent = ledger.pinged.keys().filter(|name| name.starts_with("silent-"));
    for name in silent.filter(|name| !ledger.perhaps_deleted.contains(*name)) {
        let about = (name.clone(), "service.overdue".to_owned());
        let times = arrived.about.values().filter(|known| **known == about).count();
        assert_eq!(times, 1, "the silence of {name} has one alert");
    }
}

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// Services and alerts of a database that the first version has left; enough for each step to take its time.
const OLD_ROWS: i64 = 20_000;

/// A database of the first version, with what it kept.
async fn left_by_the_first(folder: &Path) {
    let path = folder.join("overdue.db");
    let uri = format!("sqlite:{}?mode=rwc", path.display());
    let mut connection = SqliteConnection::connect(&uri).await.unwrap();
    let first: Vec<_> = MIGRATIONS.iter().filter(|step| step.version == 1).cloned().collect();
    let migrator =
        sqlx::migrate::Migrator { migrations: first.into(), ..sqlx::migrate::Migrator::DEFAULT };
    migrator.run(&mut connection).await.unwrap();
    let rows = sqlx::query(
        "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
         INSERT INTO services (name, frequency, grace, last_ping, expected, deadline, alerted)
         SELECT 'old-' || n, 86400, 0, ?2, ?2 + 86400, ?2 + 86400, 0 FROM n",
    );
    rows.bind(OLD_ROWS).bind(now()).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_brings_an_old_database_up_to_date_it_goes_on_from_there() {
    let folders = std::env::var("CRASH_CYCLES").map_or(2, |text| text.parse().unwrap()) / 10;
    for _ in 0..folders.max(2) {
        let folder = TempDir::new().unwrap();
        left_by_the_first(folder.path()).await;
        for _ in 0..6 {
            kill_at_the_start(folder.path(), "http://127.0.0.1:9/").await;
        }
        let server = Server::start(folder.path(), None).await;
        assert!(server.greeting.contains(&format!("({OLD_ROWS} services")), "{}", server.greeting);
        assert_eq!(server.get("/ping/old-7").await.status, 200);
        server.kill().await;
        let ledger =
            Ledger { pinged: [("old-7".to_owned(), now() - 60)].into(), ..Ledger::default() };
        check(folder.path(), &ledger).await;
        let mut connection = open(folder.path()).await;
        let kept = sqlx::query_scalar("SELECT count(*) FROM services WHERE frequency = 86400");
        let kept: i64 = kept.fetch_one(&mut connection).await.unwrap();
        assert_eq!(kept, OLD_ROWS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_loses_no_ping_and_no_alert_and_changes_no_id() {
    let cycles = std::env::var("CRASH_CYCLES").map_or(CYCLES, |text| text.parse().unwrap());
    let mut receiver = Receiver::start().await;
    let folder = TempDir::new().unwrap();
    let (mut ledger, mut arrived) = (Ledger::default(), Arrived::default());
    for cycle in 0..cycles {
        // Some answers get lost, so that some deliveries are made again.
        receiver.then([Reply::Status(200), Reply::Hang, Reply::Slow(50), Reply::Reset]);
        for _ in 0..[0, 1, 0, 3][cycle % 4] {
            kill_at_the_start(folder.path(), &receiver.uri()).await;
        }
        let server = Server::start(folder.path(), Some(&receiver.uri())).await;
        let address = server.address;
        let calls: Vec<_> = (0..WORKERS)
            .map(|worker| tokio::spawn(call_until_it_is_gone(address, cycle, worker)))
            .collect();
        // The moment is random, and nothing that is checked depends on it.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(20..2500))).await;
        if cycle % 3 == 2 {
            // As it stops, it answers who waits, and moves what is in its log into the file.
            server.signal("TERM");
            tokio::time::sleep(Duration::from_micros(fastrand::u64(0..20_000))).await;
        }
        server.kill().await;
        for call in calls {
            ledger.add(patiently("the callers", call).await.unwrap());
        }
        check(folder.path(), &ledger).await;
        arrived.note(&mut receiver);
    }
    receiver.usually(Reply::Status(200));
    deliver_the_rest(folder.path(), &mut receiver, &mut arrived).await;
    check(folder.path(), &ledger).await;
    check_arrivals(folder.path(), &ledger, &arrived).await;
    println!(
        "{cycles} kills, {} requests, {} services pinged, {} deleted: none lost; {} alerts arrived, {} of them again",
        ledger.requests,
        ledger.pinged.len(),
        ledger.deleted.len(),
        arrived.ids.len(),
        arrived.repeats
    );
}
