//! How many pings and deletes a second the real program answers, over how many connections, and how long they take.
//!
//! `/healthz`, which asks nothing of the store, is the measure of everything else: client and server share the machine,
//! so only numbers of one run compare. The rounds of all kinds alternate, so that a slow minute of the machine slows
//! every kind alike.

#![expect(clippy::print_stdout, reason = "a table is what this program is for")]

#[path = "support/mod.rs"]
mod support;

use std::cell::Cell;
use std::io::Write as _;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use support::{Connection, Server, nanoseconds, percentile_us};
use tokio::task::{JoinSet, LocalSet};

/// Kinds of `/ping` go to so many services.
const SERVICES: usize = 5000;
const CONNECTIONS: [usize; 3] = [1, 64, 256];
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(2);
/// Connections that make services outside of the measured time.
const MAKERS: usize = 64;
/// Services to delete for each ping to any service, so that they do not run out. Not many more: the larger the
/// table, the farther apart lie the rows that share a transaction.
const DOOMED_PER_PING: f64 = 1.3;
const DURABILITY: &str = "full";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Healthz,
    PingAny,
    PingOne,
    Delete,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Healthz, Self::PingAny, Self::PingOne, Self::Delete];

    fn label(self, doomed: usize) -> String {
        match self {
            Self::Healthz => "GET /healthz".to_owned(),
            Self::PingAny => format!("GET /ping, any of {SERVICES} names"),
            Self::PingOne => "GET /ping, one name".to_owned(),
            Self::Delete => format!("DELETE /ping/NAME, of {doomed} names"),
        }
    }
}

/// What a connection sends.
#[derive(Clone, Copy)]
enum What {
    Healthz,
    PingAny,
    PingOne,
    /// The first ping of the service of each number, under this prefix.
    Make(&'static str),
    Delete(&'static str),
}

/// What a connection sends, once for each number, unless its time is over before.
struct Requests {
    what: What,
    numbers: Range<usize>,
}

impl Requests {
    /// Writes the next one; `false` if there is none.
    fn next(&mut self, head: &mut Vec<u8>) -> bool {
        let Some(number) = self.numbers.next() else { return false };
        head.clear();
        let written = match self.what {
            What::Healthz => write!(head, "GET /healthz"),
            What::PingAny => {
                write!(head, "GET /ping?name=svc-{}&frequency=10m", fastrand::usize(..SERVICES))
            }
            What::PingOne => write!(head, "GET /ping?name=one&frequency=10m"),
            What::Make(prefix) => write!(head, "GET /ping?name={prefix}-{number}&frequency=10m"),
            What::Delete(prefix) => write!(head, "DELETE /ping/{prefix}-{number}"),
        };
        written.and_then(|()| write!(head, " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).is_ok()
    }

    /// As many as fit into the time, on each connection.
    fn endless(what: What, connections: usize) -> Vec<Self> {
        (0..connections).map(|_| Self { what, numbers: 0..usize::MAX }).collect()
    }

    /// One for each number, shared among the connections.
    fn numbered(what: What, numbers: &Range<usize>, connections: usize) -> Vec<Self> {
        let each = numbers.len().div_ceil(connections);
        let place = |connection: usize| (numbers.start + connection * each).min(numbers.end);
        (0..connections)
            .map(|connection| Self { what, numbers: place(connection)..place(connection + 1) })
            .collect()
    }
}

/// What came of a round, or of all of one kind.
#[derive(Default)]
struct Outcome {
    nanoseconds: Vec<u32>,
    errors: usize,
    /// Requests a second, one number a round.
    rates: Vec<f64>,
}

impl Outcome {
    fn add(&mut self, other: Self) {
        self.nanoseconds.extend(other.nanoseconds);
        self.errors += other.errors;
        self.rates.extend(other.rates);
    }

    /// The median of the rounds, of requests that were served.
    fn rate(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    }

    /// Of all rounds together, in microseconds.
    fn percentile(&mut self, hundredths: usize) -> u32 {
        percentile_us(&mut self.nanoseconds, hundredths)
    }
}

/// Sends `requests` on a connection each, for a time or to their end. Returns what of them is left over, too.
async fn load(
    address: SocketAddr,
    requests: Vec<Requests>,
    time: Option<Duration>,
) -> (Outcome, Vec<Requests>) {
    let mut connections = Vec::with_capacity(requests.len());
    for requests in requests {
        let connection = Connection::open(address).await.expect("the server takes connections");
        connections.push((connection, requests));
    }
    let over = Rc::new(Cell::new(false));
    let (tasks, mut running) = (LocalSet::new(), JoinSet::new());
    let start = Instant::now();
    for (mut connection, mut requests) in connections {
        let over = over.clone();
        let task = async move {
            let (mut outcome, mut head) = (Outcome::default(), Vec::with_capacity(256));
            let mut before = Instant::now();
            while !over.get() && time.is_none_or(|time| before - start < time) {
                if !requests.next(&mut head) {
                    // With one connection less, the rest of the round would measure something else.
                    over.set(time.is_some());
                    break;
                }
                let answer = connection.ask(&head).await;
                if answer.is_err() {
                    connection =
                        Connection::open(address).await.expect("the server takes connections");
                }
                outcome.errors += usize::from(!matches!(answer, Ok(200)));
                let after = Instant::now();
                outcome.nanoseconds.push(nanoseconds(after - before));
                before = after;
            }
            (outcome, requests)
        };
        running.spawn_local_on(task, &tasks);
    }
    let (mut all, mut rest) = (Outcome::default(), Vec::new());
    let finish = async {
        while let Some(done) = running.join_next().await {
            let (outcome, requests) = done.expect("a connection does not panic");
            all.add(outcome);
            rest.push(requests);
        }
    };
    tasks.run_until(finish).await;
    all.rates = vec![per_second(all.nanoseconds.len() - all.errors, start.elapsed())];
    (all, rest)
}

/// Sends all of `requests`, unmeasured. None may fail, or what is measured after it means nothing.
async fn prepare(address: SocketAddr, requests: Vec<Requests>) {
    let (outcome, _) = load(address, requests, None).await;
    assert_eq!(outcome.errors, 0, "what is to be measured could not be prepared");
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// The bare disk: transactions of one row, each on disk before the next.
struct Baseline(sqlx::SqliteConnection);

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

    async fn round(&mut self) -> Result<Outcome, sqlx::Error> {
        let mut outcome = Outcome::default();
        let start = Instant::now();
        let mut before = start;
        while before - start < ROUND {
            let mut transaction = self.0.begin().await?;
            sqlx::query("INSERT INTO services VALUES (?, 0) ON CONFLICT DO UPDATE SET last_ping = last_ping + 1")
                .bind(format!("svc-{}", fastrand::usize(..SERVICES)))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
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
    /// How many services the deletes of the last round had before them.
    doomed: usize,
    outcome: Outcome,
}

async fn measure(address: SocketAddr, baseline: &mut Baseline) -> (Vec<Measured>, Outcome) {
    let names = (0..CONNECTIONS.len() * Kind::ALL.len()).map(|row| Measured {
        connections: CONNECTIONS[row / Kind::ALL.len()],
        kind: Kind::ALL[row % Kind::ALL.len()],
        doomed: 0,
        outcome: Outcome::default(),
    });
    let (mut table, mut bare) = (names.collect::<Vec<_>>(), Outcome::default());
    for _ in 0..ROUNDS {
        bare.add(baseline.round().await.expect("the bare database can be written"));
        let mut pings = 0.0;
        for Measured { connections, kind, doomed, outcome } in &mut table {
            let endless = |what| Requests::endless(what, *connections);
            let requests = match kind {
                Kind::Healthz => endless(What::Healthz),
                Kind::PingAny => endless(What::PingAny),
                Kind::PingOne => endless(What::PingOne),
                Kind::Delete => {
                    *doomed = enough(pings).max(*connections);
                    let numbers = 0..*doomed;
                    prepare(address, Requests::numbered(What::Make("doomed"), &numbers, MAKERS))
                        .await;
                    Requests::numbered(What::Delete("doomed"), &numbers, *connections)
                }
            };
            let (round, rest) = load(address, requests, Some(ROUND)).await;
            if *kind == Kind::Delete {
                prepare(address, rest).await;
            }
            if *kind == Kind::PingAny {
                pings = round.rate();
            }
            outcome.add(round);
        }
    }
    (table, bare)
}

/// Services to delete in a round in which there were so many pings a second.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is small and not negative"
)]
fn enough(pings_per_second: f64) -> usize {
    (pings_per_second * ROUND.as_secs_f64() * DOOMED_PER_PING) as usize
}

fn print(table: &mut [Measured], bare: &mut Outcome) {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    println!(
        "nproc {cores}, durability {DURABILITY}, {ROUNDS} rounds of {} s each",
        ROUND.as_secs()
    );
    println!(
        "bare SQLite, one row a transaction, synchronous=FULL: {:.0}/s, p50 {} µs, p99 {} µs",
        bare.rate(),
        bare.percentile(50),
        bare.percentile(99),
    );
    println!(
        "{:>11}  {:<34}  {:>10}  {:>8}  {:>8}  {:>6}  {:>11}",
        "connections", "request", "requests/s", "p50 µs", "p99 µs", "errors", "of /healthz",
    );
    let mut healthz = 0.0;
    for Measured { connections, kind, doomed, outcome } in table {
        let rate = outcome.rate();
        if *kind == Kind::Healthz {
            healthz = rate;
        }
        println!(
            "{connections:>11}  {:<34}  {rate:>10.0}  {:>8}  {:>8}  {:>6}  {:>11.2}",
            kind.label(*doomed),
            outcome.percentile(50),
            outcome.percentile(99),
            outcome.errors,
            rate / healthz,
        );
    }
}

fn main() {
    // `cargo test --benches` runs this too, and wants to know no more than that it compiles.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    // In the build folder: a temporary folder may be in memory, where an fsync costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let server = Server::start(folder.path(), &["--durability", DURABILITY]);
    let address = server.address;
    // One thread, so that the client takes one core at most.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the client's runtime starts");
    let (mut table, mut bare) = runtime.block_on(async {
        let mut baseline = Baseline::open(folder.path()).await.expect("a bare database opens");
        prepare(address, Requests::numbered(What::Make("svc"), &(0..SERVICES), MAKERS)).await;
        measure(address, &mut baseline).await
    });
    print(&mut table, &mut bare);
    server.stop();
}
