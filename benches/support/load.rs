//! Load: so many connections that send one request after the other, and what came of them.

use std::io::Write as _;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

use super::server::own_cpu_us;
use super::{Connection, median, nanoseconds, permille_us, runtime};

/// What a connection sends.
#[derive(Clone, Copy)]
pub enum What {
    Healthz,
    /// To any of so many.
    PingAny(usize),
    PingOne,
    /// The first ping of the service of each number, under this prefix.
    Make(&'static str),
    Delete(&'static str),
}

/// What a connection sends, once for each number, unless its time is over before.
pub struct Requests {
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
            What::PingAny(services) => {
                write!(head, "GET /ping?name=svc-{}&frequency=1h", fastrand::usize(..services))
            }
            What::PingOne => write!(head, "GET /ping?name=one&frequency=1h"),
            What::Make(prefix) => write!(head, "GET /ping?name={prefix}-{number}&frequency=1h"),
            What::Delete(prefix) => write!(head, "DELETE /ping/{prefix}-{number}"),
        };
        written.and_then(|()| write!(head, " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).is_ok()
    }

    /// As many as fit into the time, on each connection.
    pub fn endless(what: What, connections: usize) -> Vec<Self> {
        (0..connections).map(|_| Self { what, numbers: 0..usize::MAX }).collect()
    }

    /// One for each number, shared among the connections.
    pub fn numbered(what: What, numbers: &Range<usize>, connections: usize) -> Vec<Self> {
        let each = numbers.len().div_ceil(connections);
        let place = |connection: usize| (numbers.start + connection * each).min(numbers.end);
        (0..connections)
            .map(|connection| Self { what, numbers: place(connection)..place(connection + 1) })
            .collect()
    }
}

/// What came of a round, or of all of one kind.
#[derive(Default)]
pub struct Outcome {
    pub nanoseconds: Vec<u32>,
    pub errors: usize,
    /// How long it was measured.
    pub took: Duration,
    /// Requests a second that were served, one number a round.
    pub rates: Vec<f64>,
    /// Of the processors, by the server, where somebody has asked.
    pub server_cpu_us: u64,
    /// The same, by the client.
    pub client_cpu_us: u64,
}

impl Outcome {
    pub fn add(&mut self, other: Self) {
        self.nanoseconds.extend(other.nanoseconds);
        self.errors += other.errors;
        self.took += other.took;
        self.rates.extend(other.rates);
        self.server_cpu_us += other.server_cpu_us;
        self.client_cpu_us += other.client_cpu_us;
    }

    /// The median of the rounds.
    pub fn rate(&self) -> f64 {
        median(&self.rates)
    }

    /// The median of what each round is of the same round of `other`, so that a slow minute of the machine counts on
    /// both sides.
    pub fn of(&self, other: &[f64]) -> f64 {
        let ratios: Vec<f64> =
            self.rates.iter().zip(other).map(|(own, other)| own / other).collect();
        median(&ratios)
    }

    /// What a request takes of the processors, in microseconds: in the server, and in the client.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn cpu_us_each(&self) -> (f64, f64) {
        let requests = self.nanoseconds.len().max(1) as f64;
        (self.server_cpu_us as f64 / requests, self.client_cpu_us as f64 / requests)
    }

    /// What one request took on average, in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn mean_us(&self) -> f64 {
        let sum: u64 = self.nanoseconds.iter().copied().map(u64::from).sum();
        sum as f64 / 1000.0 / self.nanoseconds.len().max(1) as f64
    }

    /// Of all rounds together, in microseconds.
    pub fn permille_us(&mut self, thousandths: usize) -> u32 {
        permille_us(&mut self.nanoseconds, thousandths)
    }
}

/// How a load ends.
#[derive(Clone)]
struct End {
    time: Option<Duration>,
    /// Set as soon as one connection has no more to send: with one less, the rest would measure something else.
    over: Arc<AtomicBool>,
}

/// Sends `requests` on a connection each, from so many threads, for a time or to their end. Returns what of them is left
/// over, too.
pub fn load(
    address: SocketAddr,
    mut requests: Vec<Requests>,
    threads: usize,
    time: Option<Duration>,
) -> (Outcome, Vec<Requests>) {
    let threads = threads.clamp(1, requests.len().max(1));
    let end = End { time, over: Arc::default() };
    let together = Arc::new(Barrier::new(threads));
    let mut running = Vec::with_capacity(threads);
    for left in (1..=threads).rev() {
        let own = requests.split_off(requests.len() - requests.len() / left);
        let (end, together) = (end.clone(), Arc::clone(&together));
        running
            .push(thread::spawn(move || runtime().block_on(share(address, own, end, &together))));
    }
    let (mut all, mut rest, mut longest) = (Outcome::default(), Vec::new(), Duration::ZERO);
    for thread in running {
        let (outcome, requests, took) =
            thread.join().expect("a thread of the client does not panic");
        all.add(outcome);
        rest.extend(requests);
        longest = longest.max(took);
    }
    all.took = longest;
    all.rates = vec![per_second(all.nanoseconds.len() - all.errors, longest)];
    (all, rest)
}

/// The share of one thread.
async fn share(
    address: SocketAddr,
    requests: Vec<Requests>,
    end: End,
    together: &Barrier,
) -> (Outcome, Vec<Requests>, Duration) {
    let mut connections = Vec::with_capacity(requests.len());
    for requests in requests {
        let connection = Connection::open(address).await.expect("the server takes connections");
        connections.push((connection, requests));
    }
    together.wait();
    let (cpu_us, start) = (own_cpu_us(), Instant::now());
    let (tasks, mut running) = (LocalSet::new(), JoinSet::new());
    for (connection, requests) in connections {
        running.spawn_local_on(converse(address, connection, requests, end.clone(), start), &tasks);
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
    all.client_cpu_us = own_cpu_us() - cpu_us;
    (all, rest, start.elapsed())
}

/// One connection's requests, one after the other.
async fn converse(
    address: SocketAddr,
    mut connection: Connection,
    mut requests: Requests,
    end: End,
    start: Instant,
) -> (Outcome, Requests) {
    let (mut outcome, mut head) = (Outcome::default(), Vec::with_capacity(256));
    let mut before = Instant::now();
    while !end.over.load(Ordering::Relaxed) && end.time.is_none_or(|time| before - start < time) {
        if !requests.next(&mut head) {
            end.over.store(end.time.is_some(), Ordering::Relaxed);
            break;
        }
        let answer = connection.ask(&head).await;
        if answer.is_err() {
            connection = Connection::open(address).await.expect("the server takes connections");
        }
        outcome.errors += usize::from(!matches!(answer, Ok(200)));
        let after = Instant::now();
        outcome.nanoseconds.push(nanoseconds(after - before));
        before = after;
    }
    (outcome, requests)
}

/// Sends all of `requests`, unmeasured. None may fail, or what is measured after it means nothing.
pub fn prepare(address: SocketAddr, requests: Vec<Requests>) {
    let (outcome, _) = load(address, requests, 1, None);
    assert_eq!(outcome.errors, 0, "what is to be measured could not be prepared");
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
