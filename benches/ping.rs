//! How many pings and deletes a second the real program answers, over how many connections, and how long they take.
//!
//! `/healthz`, which asks nothing of the store, is the measure of everything else: client and server share the machine,
//! so only numbers of one run compare. The rounds of all kinds alternate, so that a slow minute of the machine slows
//! every kind alike, and a ratio is the median of the rounds' ratios. What the server takes of the processors for a
//! request hardly depends on its neighbours.
//!
//! Behind `cargo bench --bench ping --`: `--services 1000000` (5000), `--connections 1,16,64` (1,64,256), `--requests
//! healthz,any,one,new,delete` (all of them), `--durability relaxed` (full), `--rounds 5` (3), `--threads 2` of the client
//! (1), `--program PATH` of another build to be measured, `--out FILE` to append the figures to.

#![expect(clippy::print_stdout, reason = "a table is what this program is for")]

#[path = "support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use support::figures::Flags;
use support::load::{Outcome, Requests, What, load, per_second, prepare};
use support::server::Server;
use support::{filled, nanoseconds, runtime};

/// Kinds of `/ping` go to so many services, unless told otherwise.
const SERVICES: usize = 5000;
const CONNECTIONS: [usize; 3] = [1, 64, 256];
const ROUNDS: usize = 3;
/// More services than that are not pinged into being.
const SERVICES_MADE_MAX: usize = 10_000;
const ROUND: Duration = Duration::from_secs(2);
/// The same for first pings and deletes, as what they make is deleted, and what they delete made, again and again.
const ROUND_OF_ONCE: Duration = Duration::from_millis(500);
/// How long the bare disk is asked in each round.
const BARE_ROUND: Duration = Duration::from_millis(500);
/// Connections that make services outside of the measured time.
const MAKERS: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Healthz,
    PingAny,
    PingOne,
    PingNew,
    Delete,
}

impl Kind {
    const ALL: [Self; 5] =
        [Self::Healthz, Self::PingAny, Self::PingOne, Self::PingNew, Self::Delete];

    /// What flags and figures call it.
    fn name(self) -> &'static str {
        match self {
            Self::Healthz => "healthz",
            Self::PingAny => "any",
            Self::PingOne => "one",
            Self::PingNew => "new",
            Self::Delete => "delete",
        }
    }

    fn label(self, services: usize) -> String {
        match self {
            Self::Healthz => "GET /healthz".to_owned(),
            Self::PingAny => format!("GET /ping, any of {services} names"),
            Self::PingOne => "GET /ping, one name".to_owned(),
            Self::PingNew => format!("GET /ping, the first of {} names", doomed(services)),
            Self::Delete => format!("DELETE /ping/NAME, of {} names", doomed(services)),
        }
    }
}

/// What is to be measured.
struct Options {
    services: usize,
    connections: Vec<usize>,
    kinds: Vec<Kind>,
    rounds: usize,
    threads: usize,
    durability: String,
    program: PathBuf,
    flags: Flags,
}

impl Options {
    fn read() -> Option<Self> {
        let flags = Flags::read(&[
            "services",
            "connections",
            "requests",
            "rounds",
            "threads",
            "durability",
        ])?;
        let all = Kind::ALL.map(Kind::name).join(",");
        let wanted = flags.text("requests", &all);
        let kinds: Vec<Kind> = Kind::ALL
            .into_iter()
            .filter(|kind| wanted.split(',').any(|name| name == kind.name()))
            .collect();
        assert_eq!(kinds.len(), wanted.split(',').count(), "--requests may name {all}");
        assert!(kinds.contains(&Kind::Healthz), "all else is measured against healthz");
        Some(Self {
            services: flags.number("services", SERVICES),
            connections: flags.numbers("connections", &CONNECTIONS),
            kinds,
            rounds: flags.number("rounds", ROUNDS),
            threads: flags.number("threads", 1),
            durability: flags.text("durability", "full").to_owned(),
            program: flags.program(),
            flags,
        })
    }
}

/// The bare disk: transactions of one row, each on disk before the next, by one statement.
struct Baseline(sqlx::SqliteConnection);

/// What the bare disk took: a commit, and for comparison a statement that needs no disk, which is nearly all the way to
/// the library's thread and back.
#[derive(Default)]
struct Bare {
    commit: Outcome,
    trip: Outcome,
}

impl Baseline {
    async fn open(folder: &Path) -> Result<Self, sqlx::Error> {
        let mut connection = SqliteConnectOptions::new()
            .filename(folder.join("baseline.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging()
            .connect()
            .await?;
        sqlx::query("CREATE TABLE services (name TEXT PRIMARY KEY, last_ping INTEGER NOT NULL)")
            .execute(&mut connection)
            .await?;
        Ok(Self(connection))
    }

    async fn round(&mut self) -> Result<Bare, sqlx::Error> {
        let commit = self.repeat("INSERT INTO services VALUES ('svc-' || abs(random() % 5000), 0) ON CONFLICT DO UPDATE SET last_ping = last_ping + 1").await?;
        Ok(Bare { commit, trip: self.repeat("SELECT 1").await? })
    }

    async fn repeat(&mut self, statement: &'static str) -> Result<Outcome, sqlx::Error> {
        let mut outcome = Outcome::default();
        let start = Instant::now();
        let mut before = start;
        while before - start < BARE_ROUND {
            sqlx::query(statement).execute(&mut self.0).await?;
            let after = Instant::now();
            outcome.nanoseconds.push(nanoseconds(after - before));
            before = after;
        }
        outcome.rates = vec![per_second(outcome.nanoseconds.len(), start.elapsed())];
        Ok(outcome)
    }
}

/// One row of the table.
struct Measured {
    connections: usize,
    kind: Kind,
    outcome: Outcome,
}

/// The rounds of all kinds, one after the other and all over again.
fn measure(server: &Server, options: &Options, baseline: &mut Baseline) -> (Vec<Measured>, Bare) {
    let kinds = |connections: &usize| {
        let connections = *connections;
        let row =
            move |kind: &Kind| Measured { connections, kind: *kind, outcome: Outcome::default() };
        options.kinds.iter().map(row)
    };
    let mut table: Vec<Measured> = options.connections.iter().flat_map(kinds).collect();
    let mut bare = Bare::default();
    for _ in 0..options.rounds {
        let round = runtime().block_on(baseline.round());
        let Bare { commit, trip } = round.expect("the bare database can be written");
        bare.commit.add(commit);
        bare.trip.add(trip);
        for row in &mut table {
            let round = round_of(row, server, options);
            row.outcome.add(round);
        }
    }
    (table, bare)
}

/// One round of one kind.
fn round_of(row: &Measured, server: &Server, options: &Options) -> Outcome {
    let endless = |what| Requests::endless(what, row.connections);
    let requests = match row.kind {
        Kind::Healthz => endless(What::Healthz),
        Kind::PingAny => endless(What::PingAny(options.services)),
        Kind::PingOne => endless(What::PingOne),
        Kind::PingNew | Kind::Delete => return round_of_once(row, server, options),
    };
    measured(server, requests, options, ROUND).0
}

/// A round of what each name is asked once: its first ping, or its deletion. There are never more such services than are
/// pinged, so that all find the same before them; what the next pass needs is done in between, and does not count.
fn round_of_once(row: &Measured, server: &Server, options: &Options) -> Outcome {
    const PREFIX: &str = "doomed";
    let mut all = Outcome::default();
    let numbers = 0..doomed(options.services).max(row.connections);
    let (make, delete) = (What::Make(PREFIX), What::Delete(PREFIX));
    let (before, what, after) = match row.kind {
        Kind::Delete => (Some(make), delete, None),
        _ => (None, make, Some(delete)),
    };
    let aside = |what| prepare(server.address, Requests::numbered(what, &numbers, MAKERS));
    while all.took < ROUND_OF_ONCE {
        before.map(aside);
        let requests = Requests::numbered(what, &numbers, row.connections);
        let time = ROUND_OF_ONCE.saturating_sub(all.took);
        let (pass, rest) = measured(server, requests, options, time);
        prepare(server.address, rest);
        after.map(aside);
        all.add(pass);
    }
    all.rates = vec![per_second(all.nanoseconds.len() - all.errors, all.took)];
    all
}

/// Services there are to make and to delete at a time.
fn doomed(services: usize) -> usize {
    services.min(SERVICES_MADE_MAX)
}

fn measured(
    server: &Server,
    requests: Vec<Requests>,
    options: &Options,
    time: Duration,
) -> (Outcome, Vec<Requests>) {
    let before = server.cpu_us();
    let (mut outcome, rest) = load(server.address, requests, options.threads, Some(time));
    outcome.server_cpu_us = server.cpu_us() - before;
    (outcome, rest)
}

/// What figures mean nothing without.
fn note_machine(flags: &Flags) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let of = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        line.trim_start_matches([' ', '\t', ':']).to_owned()
    };
    flags.note(&json!({
        "bench": "machine", "cores": thread::available_parallelism().map_or(0, usize::from),
        "processor": of(&read("/proc/cpuinfo"), "model name"), "memory": of(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
    }));
}

fn print(options: &Options, table: &mut [Measured], bare: &mut Bare) {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    println!(
        "nproc {cores}, {} services, durability {}, {} rounds of {} s each, client threads {}",
        options.services,
        options.durability,
        options.rounds,
        ROUND.as_secs(),
        options.threads,
    );
    let (commit, trip) = (&mut bare.commit, &mut bare.trip);
    println!(
        "bare SQLite, one row a commit, WAL, synchronous=FULL: {:.0}/s, p50 {} µs, p99 {} µs; of them {} µs for no statement at all",
        commit.rate(),
        commit.permille_us(500),
        commit.permille_us(990),
        trip.permille_us(500),
    );
    options.flags.note(&json!({
        "bench": "bare", "services": options.services, "durability": options.durability,
        "rate": commit.rate().round(), "p50_us": commit.permille_us(500), "p99_us": commit.permille_us(990),
        "trip_p50_us": trip.permille_us(500),
    }));
    println!(
        "{:>11}  {:<36}  {:>10}  {:>11}  {:>8}  {:>8}  {:>8}  {:>8}  {:>6}  {:>6}  {:>6}",
        "connections",
        "request",
        "requests/s",
        "of /healthz",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "max µs",
        "CPU µs",
        "client",
        "errors",
    );
    let mut healthz = Vec::new();
    for row in table {
        if row.kind == Kind::Healthz {
            healthz.clone_from(&row.outcome.rates);
        }
        print_row(options, row, &healthz);
    }
}

fn print_row(options: &Options, row: &mut Measured, healthz: &[f64]) {
    let Measured { connections, kind, outcome } = row;
    let (rate, ratio) = (outcome.rate(), outcome.of(healthz));
    let [p50, p99, p999, max] = [500, 990, 999, 1000].map(|permille| outcome.permille_us(permille));
    let (server_us, client_us) = outcome.cpu_us_each();
    println!(
        "{connections:>11}  {:<36}  {rate:>10.0}  {ratio:>11.2}  {p50:>8}  {p99:>8}  {p999:>8}  {max:>8}  {server_us:>6.1}  {client_us:>6.1}  {:>6}",
        kind.label(options.services),
        outcome.errors,
    );
    options.flags.note(&json!({
        "bench": "ping", "services": options.services, "durability": options.durability,
        "connections": connections, "request": kind.name(), "rate": rate.round(),
        "ratio": (ratio * 1000.0).round() / 1000.0, "mean_us": outcome.mean_us().round(), "p50_us": p50, "p99_us": p99, "p999_us": p999, "max_us": max,
        "server_cpu_us": (server_us * 10.0).round() / 10.0, "client_cpu_us": (client_us * 10.0).round() / 10.0,
        "errors": outcome.errors, "rates": outcome.rates.iter().map(|rate| rate.round()).collect::<Vec<_>>(),
    }));
}

/// What one ping takes beyond its parts, where there is one connection.
fn print_single(options: &Options, table: &mut [Measured], bare: &mut Bare) {
    let mut p50 = |kind| {
        let row = table.iter_mut().find(|row| row.connections == 1 && row.kind == kind)?;
        Some(i64::from(row.outcome.permille_us(500)))
    };
    let (Some(healthz), Some(ping)) = (p50(Kind::Healthz), p50(Kind::PingAny)) else { return };
    let commit = match options.durability.as_str() {
        "full" => i64::from(bare.commit.permille_us(500)) - i64::from(bare.trip.permille_us(500)),
        _ => 0,
    };
    println!(
        "at 1 connection the median ping takes {ping} µs: {healthz} as /healthz, {commit} for a bare commit, and {} more",
        ping - healthz - commit,
    );
}

fn main() {
    let Some(options) = Options::read() else { return };
    note_machine(&options.flags);
    // In the build folder: a temporary folder may be in memory, where an fsync costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let is_filled = options.services > SERVICES_MADE_MAX;
    if is_filled {
        runtime().block_on(filled::make(&options.program, folder.path(), options.services));
    }
    let flags = ["--durability", &options.durability];
    let server = Server::start_other(&options.program, folder.path(), &flags);
    if !is_filled {
        let numbers = 0..options.services;
        prepare(server.address, Requests::numbered(What::Make("svc"), &numbers, MAKERS));
    }
    let baseline = runtime().block_on(Baseline::open(folder.path()));
    let mut baseline = baseline.expect("a bare database opens");
    let (mut table, mut bare) = measure(&server, &options, &mut baseline);
    print(&options, &mut table, &mut bare);
    print_single(&options, &mut table, &mut bare);
    println!("{} kB resident at the end", server.resident_kb());
    server.stop();
}
