//! The power is cut: what was not fsynced is gone, half there, or there in another order. The real binary runs on a disk
//! that notes what is done to its files; then for many moments the files are made as a cut might have left them.
//!
//! `POWER_RECORDINGS` and `POWER_CUTS` say how many runs, and how many cuts of each (`.ci/campaign power`);
//! `POWER_SEED` repeats the cuts of one that failed, though not what the server did.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "a skipped test says so, and a campaign its figures")]

#[path = "../support/disk.rs"]
mod disk;
mod platter;
mod recording;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use disk::{Call, Disk};
use fastrand::Rng;
use overdue::clock::Clock;
use platter::{Fate, Platter};
use recording::{Event, Notes, Told};
use rustix::io::Errno;
use sqlx::{Connection as _, SqliteConnection};
use support::{Receiver, Server, now, patiently};
use tempfile::TempDir;

const WORKERS: usize = 4;
/// Enough for the write-ahead log to be written back, and begun again, a few times.
const PINGS: usize = 150;

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// Pings services of its own one after the other, deletes some, and notes what it was answered before it goes on.
async fn work(address: std::net::SocketAddr, worker: usize, pings: usize, notes: Notes) {
    let begun = now() - 100_000;
    for n in 0..pings {
        let at = begun + i64::try_from(n).unwrap();
        // One service that is always there and gets newer, and new ones, some of them overdue at once.
        let (name, frequency) = match n % 3 {
            0 => (format!("same-{worker}"), "4W"),
            _ => (format!("new-{worker}-{n}"), if n % 10 == 1 { "1h" } else { "4W" }),
        };
        let target = format!("/ping?name={name}&frequency={frequency}&timestamp={at}");
        let answer = support::send(address, "GET", &target).await.unwrap();
        if answer.status == 200 {
            notes.note(&Told::Pinged { worker, name, at });
        } else {
            assert_eq!(answer.status, 503, "{answer:?}");
        }
        if n % 7 == 6 {
            let name = format!("new-{worker}-{}", n - 2);
            notes.note(&Told::Deletes { name: name.clone() });
            let answer = support::send(address, "DELETE", &format!("/ping/{name}")).await.unwrap();
            match answer.status {
                200 => notes.note(&Told::Deleted { name }),
                status => assert!(matches!(status, 404 | 503), "{answer:?}"),
            }
        }
    }
}

/// What a server did while it was pinged from all sides, and was killed. `None` where that cannot be noted.
async fn recorded(
    durability: &str,
    pings: usize,
    trouble: impl AsyncFn(&Disk),
) -> Option<Vec<Event>> {
    let folder = TempDir::new().unwrap();
    let disk = Disk::of(folder.path())?;
    let mut receiver = Receiver::start().await;
    let uri = receiver.uri();
    let notes = Notes::in_log(&disk.log());
    let mut command = disk.serve();
    command
        .env("FAULTS_LOG", disk.log())
        .args(["--durability", durability, "--log", "off"])
        .env("PING_ALERT_URI", uri);
    let server = Server::spawn(command).await;
    // Nobody has read for an hour, so the writer's connection is the only one. (Before anybody calls: connections that are
    // open would have waited too long for what comes on them.)
    disk.pass_timers(3600);
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| tokio::spawn(work(server.address, worker, pings, notes.clone())))
        .collect();
    let told = tokio::spawn(async move {
        loop {
            let alert = receiver.next().await.body;
            notes.note(&Told::Alerted { id: alert["id"].as_str().unwrap().to_owned() });
        }
    });
    trouble(&disk).await;
    for worker in workers {
        patiently("the callers", worker).await.unwrap();
    }
    server.kill().await;
    told.abort();
    let events = recording::read(&disk.log());
    let count = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
    let (writes, syncs) = (
        count(|event| matches!(event, Event::Write { .. })),
        count(|event| matches!(event, Event::Sync { .. })),
    );
    let told = count(|event| matches!(event, Event::Told(_)));
    eprintln!("{durability}: {writes} writes, {syncs} syncs, {told} answers");
    assert!(writes > 100 && syncs > 2 && told > pings, "the disk was not watched");
    Some(events)
}

/// What a database holds.
struct Found {
    last_pings: HashMap<String, i64>,
    alerts: HashSet<String>,
}

/// Opens what a cut left behind as the program does, and as a stranger would. Whatever is wrong with it is an error.
async fn found(folder: &Path) -> Result<Found, String> {
    let path = folder.join("overdue.db");
    let wrong = |error: sqlx::Error| error.to_string();
    let rules = overdue::store::Rules {
        grace: overdue::core::frequency::Grace::ZERO,
        services_max: 1_000_000,
        routes: Vec::new(),
        hold_seconds: 60,
        remind_every_seconds: None,
        history: 100,
        log_bytes_max: 1_000_000,
    };
    let database = overdue::config::Database::File(path.clone());
    let (full, clock) = (overdue::config::Durability::Full, Clock::system());
    let guard = overdue::store::Guard::alone(clock.clone());
    let opened = overdue::store::open(&database, full, rules, clock, guard).await;
    drop(opened.map_err(|error| error.to_string())?);
    let url = format!("sqlite:{}", path.display());
    let mut connection = SqliteConnection::connect(&url).await.map_err(wrong)?;
    let integrity: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_all(&mut connection)
        .await
        .map_err(wrong)?;
    if integrity != ["ok"] {
        return Err(integrity.join("; "));
    }
    let rows: Vec<(String, i64)> = sqlx::query_as("SELECT name, last_ping FROM services")
        .fetch_all(&mut connection)
        .await
        .map_err(wrong)?;
    let alerts: Vec<String> = sqlx::query_scalar("SELECT id FROM alerts")
        .fetch_all(&mut connection)
        .await
        .map_err(wrong)?;
    // A stranger's connection need not leave the folder tidy: the real program comes after it.
    Ok(Found { last_pings: rows.into_iter().collect(), alerts: alerts.into_iter().collect() })
}

impl Found {
    fn has(&self, name: &str, at: i64) -> bool {
        self.last_pings.get(name).is_some_and(|last_ping| *last_ping >= at)
    }

    /// What was told before the cut and is not so; `full` promises that there is nothing.
    fn lost(&self, told: &[Told]) -> Vec<String> {
        let mut lost = Vec::new();
        let may_be_gone = deleted(told);
        for told in told {
            let is_so = match told {
                Told::Pinged { name, at, .. } => {
                    may_be_gone.contains(name.as_str()) || self.has(name, *at)
                }
                Told::Deletes { .. } => true,
                Told::Deleted { name } => !self.last_pings.contains_key(name),
                Told::Alerted { id } => self.alerts.contains(id),
            };
            if !is_so {
                lost.push(format!("{told:?}"));
            }
        }
        lost
    }

    /// Pings that are lost although a later one of the same caller is there; `relaxed` promises that there is none.
    fn lost_from_the_middle(&self, told: &[Told]) -> Vec<String> {
        let may_be_gone = deleted(told);
        let mut lost = Vec::new();
        for caller in 0..WORKERS {
            let pings = told.iter().filter_map(|told| match told {
                Told::Pinged { worker, name, at } if *worker == caller => Some((name, *at)),
                _ => None,
            });
            let pings = pings.filter(|(name, _)| !may_be_gone.contains(name.as_str()));
            let there: Vec<_> = pings.map(|(name, at)| (name, at, self.has(name, at))).collect();
            let newest = there.iter().rposition(|(_, _, is_there)| *is_there).unwrap_or(0);
            let gone = there.iter().take(newest).filter(|(_, _, is_there)| !is_there);
            lost.extend(gone.map(|(name, at, _)| format!("{name} {at}")));
        }
        lost
    }
}

fn deleted(told: &[Told]) -> HashSet<&str> {
    let names = told.iter().filter_map(|told| match told {
        Told::Deletes { name } => Some(name.as_str()),
        _ => None,
    });
    names.collect()
}

/// What a durability promises.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Promise {
    Everything,
    AllButTheEnd,
}

/// Cuts the power at random moments, and says what was found against the promise. Every so many-th database is served
/// by the real binary, too, which then takes a ping.
async fn cut(
    events: &[Event],
    cuts: usize,
    seed: u64,
    promise: Promise,
    every: usize,
) -> Vec<String> {
    let mut rng = Rng::with_seed(seed);
    let mut moments: Vec<_> =
        (0..cuts).map(|_| (rng.usize(0..=events.len()), Fate::random(&mut rng))).collect();
    moments.sort_unstable_by_key(|(moment, _)| *moment);
    cut_at(events, moments, seed, promise, every).await
}

async fn cut_at(
    events: &[Event],
    moments: Vec<(usize, Fate)>,
    seed: u64,
    promise: Promise,
    every: usize,
) -> Vec<String> {
    let (mut rng, mut at) = (Rng::with_seed(seed), 0);
    let (mut platter, mut told, mut complaints) = (Platter::default(), Vec::new(), Vec::new());
    for (number, (moment, fate)) in (0..).zip(moments) {
        for event in &events[at..moment] {
            platter.take(event);
            if let Event::Told(word) = event {
                told.push(word.clone());
            }
        }
        at = moment;
        let folder = TempDir::new().unwrap();
        platter.leave(folder.path(), fate, &mut rng);
        let wrong = match found(folder.path()).await {
            Err(error) => vec![error],
            Ok(found) => match promise {
                Promise::Everything => found.lost(&told),
                Promise::AllButTheEnd => found.lost_from_the_middle(&told),
            },
        };
        if wrong.is_empty() && number % every == 0 {
            let server = Server::start(folder.path(), None).await;
            assert_eq!(server.get("/ping?name=after&frequency=1h").await.status, 200);
            server.stop().await;
        }
        if !wrong.is_empty() {
            complaints.push(format!(
                "POWER_SEED={seed}, cut {number} at {moment} of {}, {fate:?}: {}",
                events.len(),
                wrong.join(", ")
            ));
        }
    }
    complaints
}

fn seed() -> u64 {
    std::env::var("POWER_SEED").map_or_else(|_| fastrand::u64(..), |text| text.parse().unwrap())
}

#[track_caller]
fn expect_none(complaints: &[String]) {
    let first: Vec<String> =
        complaints.iter().take(5).map(|text| text.chars().take(300).collect()).collect();
    assert!(complaints.is_empty(), "{} cuts: {}", complaints.len(), first.join("\n"));
}

const NO_TROUBLE: fn(&Disk) -> std::future::Ready<()> = |_| std::future::ready(());

#[tokio::test(flavor = "multi_thread")]
async fn full_keeps_every_ping_that_was_answered_and_every_alert_that_was_told() {
    for _ in 0..number("POWER_RECORDINGS", 1) {
        let Some(events) = recorded("full", PINGS, NO_TROUBLE).await else { return };
        let cuts = number("POWER_CUTS", 20);
        expect_none(&cut(&events, cuts, seed(), Promise::Everything, cuts / 4).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_may_be_cut_short_at_any_moment() {
    let Some(events) = recorded("full", PINGS, NO_TROUBLE).await else { return };
    let begun = events.iter().position(|event| matches!(event, Event::Told(_))).unwrap();
    // The file is made, and its journal changed from one kind to the other, in the first of these.
    let moments =
        (0..=begun.min(60)).flat_map(|moment| [(moment, Fate::Lost), (moment, Fate::Kept)]);
    expect_none(&cut_at(&events, moments.collect(), seed(), Promise::Everything, 20).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn relaxed_loses_only_the_end_and_corrupts_nothing() {
    for _ in 0..number("POWER_RECORDINGS", 1) {
        let Some(events) = recorded("relaxed", PINGS, NO_TROUBLE).await else { return };
        let (cuts, seed) = (number("POWER_CUTS", 20), seed());
        expect_none(&cut(&events, cuts, seed, Promise::AllButTheEnd, cuts / 4).await);
        let complaints = cut(&events, 20, seed, Promise::Everything, 20).await;
        assert!(!complaints.is_empty(), "what relaxed loses is found where nothing may be lost");
    }
}

/// What is found here would be found in a program that does not sync, or not before it answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_lies_about_its_syncs_is_found_out() {
    let Some(mut events) = recorded("full", PINGS, NO_TROUBLE).await else { return };
    events.retain(|event| !matches!(event, Event::Sync { object } if *object != 6));
    let complaints = cut(&events, 20, seed(), Promise::Everything, 20).await;
    assert!(complaints.len() > 5, "{complaints:?}");
}

/// After a failed sync the system takes for written what is not, and no later sync writes it.
#[tokio::test(flavor = "multi_thread")]
async fn after_syncs_that_failed_nothing_is_built_on_what_they_did_not_write() {
    for _ in 0..number("POWER_RECORDINGS", 1) {
        let trouble = async |disk: &Disk| {
            // When the writer's connection ends, which is the only one, all that is known of the file is what can be read
            // from it, which is more than what is on disk. Soon after another failure, too: where the log has just begun,
            // no older commit covers what a lost one has changed.
            for _ in 0..20 {
                let files = *fastrand::choice(&[disk::WAL, disk::WAL, disk::DATABASE]).unwrap();
                disk.fail(Call::Sync, Errno::IO, Some(fastrand::i32(1..8)), files);
                let pause = fastrand::choice([1..10, 20..150]).unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(pause))).await;
            }
            disk.mend(Call::Sync);
        };
        let Some(events) = recorded("full", PINGS, trouble).await else { return };
        let cuts = number("POWER_CUTS", 20);
        expect_none(&cut(&events, cuts, seed(), Promise::Everything, cuts).await);
        let (mut rng, moments) = (Rng::with_seed(seed()), behind_failures(&events));
        let mut moments: Vec<_> =
            (0..cuts).map(|_| (*rng.choice(&moments).unwrap(), Fate::random(&mut rng))).collect();
        moments.sort_unstable_by_key(|(moment, _)| *moment);
        expect_none(&cut_at(&events, moments, seed(), Promise::Everything, cuts).await);
    }
}

/// The moments soon after a sync that failed where the next one did not: what is built on the first is in danger there.
fn behind_failures(events: &[Event]) -> Vec<usize> {
    let is_sync =
        |event: &&(usize, &Event)| matches!(event.1, Event::SyncFailed { .. } | Event::Sync { .. });
    let numbered: Vec<_> = events.iter().enumerate().collect();
    let syncs: Vec<_> = numbered.iter().filter(is_sync).collect();
    let last_failed = syncs.windows(2).filter_map(|pair| match pair {
        [(_, Event::SyncFailed { .. }), (at, Event::Sync { .. })] => Some(*at),
        _ => None,
    });
    last_failed.flat_map(|at| at..(at + 40).min(events.len())).collect()
}
