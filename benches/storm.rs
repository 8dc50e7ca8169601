//! A storm: thousands of services fall silent in one second, while others go on to ping. When does the first alert
//! arrive, when the last, and what do the pings feel of it?
//!
//! The receiver answers at once, so what is measured is the monitor, and the machine that all three share.
//!
//! Behind `cargo bench --bench storm --`: `--silent 100000` that fall silent (10000), `--services 1000000` in all (as many
//! as fall silent), `--program PATH` of another build, `--out FILE` to append the figures to.

#![expect(clippy::print_stdout, reason = "figures are what this program is for")]

#[path = "support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use overdue::clock::Clock;
use serde_json::json;
use support::figures::Flags;
use support::receiver::{Got, Mailbox, receive};
use support::server::Server;
use support::{Connection, filled, get, permille, runtime};
use tokio::task::JoinSet;

/// Services that fall silent together, unless told otherwise.
const SILENT: usize = 10_000;
/// From the start to their deadline; what is left of it is the quiet time that the storm is compared with.
const SECONDS_TO_DEADLINE: i64 = 20;
/// Callers that ping all the time, and how often each.
const CALLERS: usize = 16;
const PING_EVERY: Duration = Duration::from_millis(50);
/// While the storm breaks, most alerts are raised; how long that is looked at by itself.
const BREAKING_MS: i64 = 5000;
/// The storm is over by then, or something is wrong.
const STORM_SECONDS_MAX: u64 = 180;

/// How many there are.
#[derive(Clone, Copy)]
struct Storm {
    silent: usize,
    services: usize,
}

impl Storm {
    /// One that goes on to ping: of the services that do not fall silent, or a new one.
    fn caller(self, caller: usize) -> String {
        if self.services > self.silent {
            format!("svc-{}", fastrand::usize(self.silent..self.services))
        } else {
            format!("caller-{caller}")
        }
    }
}

/// What callers felt: when each ping was due, and how many microseconds after that it was answered.
#[derive(Default)]
struct Felt {
    pings: Vec<(i64, u32)>,
    errors: usize,
}

/// Pings every so often until the storm is over. A ping that is late because the one before took long counts its wait.
async fn ping_on(address: SocketAddr, caller: usize, storm: Storm, mailbox: Mailbox) -> Felt {
    let (clock, mut felt) = (Clock::system(), Felt::default());
    let mut connection = Connection::open(address).await.expect("it takes connections");
    let mut due = Instant::now();
    while mailbox.lock().expect("nobody panics").ids.len() < storm.silent {
        tokio::time::sleep_until(due.into()).await;
        let due_ms = clock.now_ms() - i64::try_from(due.elapsed().as_millis()).unwrap_or(i64::MAX);
        let target = format!("/ping?name={}&frequency=1h", storm.caller(caller));
        let answer = connection.ask(&get(&target)).await;
        felt.errors += usize::from(!matches!(answer, Ok(200)));
        felt.pings.push((due_ms, u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX)));
        due += PING_EVERY;
    }
    felt
}

/// What all callers felt, until the last alert has arrived.
async fn ping_through(address: SocketAddr, storm: Storm, mailbox: &Mailbox) -> Felt {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(ping_on(address, caller, storm, Arc::clone(mailbox)));
    }
    let mut all = Felt::default();
    while let Some(felt) = callers.join_next().await {
        let felt = felt.expect("a caller does not panic");
        all.pings.extend(felt.pings);
        all.errors += felt.errors;
    }
    all
}

fn print(flags: &Flags, storm: Storm, got: &Got, felt: &Felt, deadline: i64, quiet_since_ms: i64) {
    let after = |ms: i64| Duration::from_millis((ms - deadline * 1000).unsigned_abs());
    let (first, last) = (after(got.first_ms.expect("alerts have arrived")), after(got.last_ms));
    println!(
        "nproc {}, {} of {} services with one deadline, {CALLERS} callers that ping every {} ms",
        thread::available_parallelism().map_or(0, usize::from),
        storm.silent,
        storm.services,
        PING_EVERY.as_millis(),
    );
    println!("first alert: {:.2} s after the deadline", first.as_secs_f64());
    println!("last alert:  {:.2} s after the deadline", last.as_secs_f64());
    println!("alerts: {}, ids: {}", got.alerts, got.ids.len());
    println!(
        "{:<10}  {:>6}  {:>8}  {:>8}  {:>8}  {:>10}",
        "pings", "number", "p50 \u{b5}s", "p99 \u{b5}s", "max \u{b5}s", "of p99"
    );
    // The sweep comes as the second after the deadline begins.
    let storm_ms = (deadline + 1) * 1000;
    let mut usual_us = None;
    for (when, from_ms, to_ms) in [
        ("before", quiet_since_ms, storm_ms),
        ("breaking", storm_ms, storm_ms + BREAKING_MS),
        ("meanwhile", storm_ms, got.last_ms),
    ] {
        let times = felt.pings.iter().filter(|(due_ms, _)| (from_ms..to_ms).contains(due_ms));
        let mut times: Vec<u32> = times.map(|(_, us)| *us).collect();
        let [p50, p99, max] = [500, 990, 1000].map(|thousandths| permille(&mut times, thousandths));
        let ratio = f64::from(p99) / f64::from((*usual_us.get_or_insert(p99)).max(1));
        println!("{when:<10}  {:>6}  {p50:>8}  {p99:>8}  {max:>8}  {ratio:>10.2}", times.len());
        flags.note(&json!({
            "bench": "storm", "services": storm.services, "silent": storm.silent, "when": when,
            "pings": times.len(), "p50_us": p50, "p99_us": p99, "max_us": max,
            "ratio": (ratio * 100.0).round() / 100.0, "errors": felt.errors,
            "first_alert_s": first.as_secs_f64(), "last_alert_s": last.as_secs_f64(),
        }));
    }
    println!("pings that were not answered 200: {}", felt.errors);
}

fn main() {
    let Some(flags) = Flags::read(&["silent", "services"]) else { return };
    let silent = flags.number("silent", SILENT);
    let storm = Storm { silent, services: flags.number("services", silent).max(silent) };
    // In the build folder: a temporary folder may be in memory, where an fsync costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let mailbox = Mailbox::default();
    let uri = format!("http://{}/alerts", receive(Arc::clone(&mailbox)));
    runtime().block_on(filled::make(&flags.program(), folder.path(), storm.services));
    let server = Server::start_other(&flags.program(), folder.path(), &["--alert-uri", &uri]);
    let (address, clock) = (server.address, Clock::system());
    let deadline = clock.now() + SECONDS_TO_DEADLINE;
    let (felt, quiet_since_ms) = runtime().block_on(async {
        filled::expect_by(&folder.path().join("overdue.db"), silent, deadline).await;
        let quiet_since_ms = clock.now_ms();
        assert!(quiet_since_ms < deadline * 1000, "the deadlines were not set before they passed");
        let patience = Duration::from_secs(STORM_SECONDS_MAX);
        let felt = tokio::time::timeout(patience, ping_through(address, storm, &mailbox)).await;
        (felt.expect("every alert arrives in time"), quiet_since_ms)
    });
    let got = mailbox.lock().expect("nobody panics");
    print(&flags, storm, &got, &felt, deadline, quiet_since_ms);
    println!("{} kB resident at the end", server.resident_kb());
    server.stop();
}
