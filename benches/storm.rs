//! A storm: thousands of services fall silent in one second, while others go on to ping. When does the first alert
//! arrive, when the last, and what do the pings feel of it?
//!
//! The receiver answers at once, so what is measured is the monitor, and the machine that all three share.

#![expect(clippy::print_stdout, reason = "figures are what this program is for")]

#[path = "support/mod.rs"]
mod support;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{io, thread};

use overdue::clock::Clock;
use support::{Connection, Server, nanoseconds, percentile_us};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Services that fall silent together.
const SERVICES: usize = 10_000;
const FREQUENCY_SECONDS: i64 = 3600;
/// Connections that make them.
const MAKERS: usize = 64;
/// From the first of them to their deadline; what is left of it is the quiet time that the storm is compared with.
const SECONDS_TO_DEADLINE: i64 = 15;
/// Callers that ping all the time, and how often each.
const CALLERS: usize = 16;
const PING_EVERY: Duration = Duration::from_millis(50);
/// The storm is over by then, or something is wrong.
const STORM_SECONDS_MAX: u64 = 120;

/// What the receiver has got.
#[derive(Default)]
struct Got {
    alerts: usize,
    ids: HashSet<String>,
    /// Milliseconds of the wall clock.
    first_ms: Option<i64>,
    last_ms: i64,
}

type Mailbox = Arc<Mutex<Got>>;

/// A receiver on a thread of its own.
fn receive(mailbox: Mailbox) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    listener.set_nonblocking(true).expect("it can be waited for");
    thread::spawn(move || {
        runtime().block_on(async move {
            let listener = TcpListener::from_std(listener).expect("it can be waited for");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(accept_all(stream, Arc::clone(&mailbox)));
            }
        });
    });
    address
}

/// Accepts every alert of a connection.
async fn accept_all(mut stream: TcpStream, mailbox: Mailbox) -> io::Result<()> {
    let (clock, mut read) = (Clock::system(), Vec::with_capacity(4096));
    loop {
        let Some((id, length)) = request(&read) else {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
            continue;
        };
        read.drain(..length);
        {
            let (mut got, now_ms) = (mailbox.lock().expect("nobody panics"), clock.now_ms());
            got.alerts += 1;
            got.first_ms.get_or_insert(now_ms);
            if got.ids.insert(id) {
                got.last_ms = now_ms;
            }
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
    }
}

/// The alert's id and the whole length of the first request, once it is there.
fn request(read: &[u8]) -> Option<(String, usize)> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    let header = |name: &str| {
        let value = head.split_once(&format!("\r\n{name}: "))?.1;
        value.split_once("\r\n").map(|(value, _)| value.to_owned())
    };
    let length = end + header("content-length")?.parse::<usize>().ok()?;
    Some((header("webhook-id")?, length)).filter(|_| read.len() >= length)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

/// Makes the services, all with the deadline `deadline`.
async fn make(address: SocketAddr, deadline: i64) {
    let mut makers = JoinSet::new();
    for maker in 0..MAKERS {
        makers.spawn(async move {
            let mut connection = Connection::open(address).await.expect("it takes connections");
            for number in (maker..SERVICES).step_by(MAKERS) {
                let at = deadline - FREQUENCY_SECONDS;
                let target = format!("/ping?name=storm-{number}&frequency=1h&timestamp={at}");
                let status = connection.ask(&head(&target)).await;
                assert_eq!(status.ok(), Some(200), "a service could not be made");
            }
        });
    }
    while let Some(made) = makers.join_next().await {
        made.expect("a maker does not panic");
    }
}

fn head(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").into_bytes()
}

/// What callers felt: when each ping was due, and how long after that it was answered.
#[derive(Default)]
struct Felt {
    pings: Vec<(i64, u32)>,
    errors: usize,
}

/// Pings every so often until the storm is over. A ping that is late because the one before took long counts its wait.
async fn ping_on(address: SocketAddr, caller: usize, mailbox: Mailbox) -> Felt {
    let (clock, mut felt) = (Clock::system(), Felt::default());
    let mut connection = Connection::open(address).await.expect("it takes connections");
    let request = head(&format!("/ping?name=caller-{caller}&frequency=10m"));
    let mut due = Instant::now();
    while mailbox.lock().expect("nobody panics").ids.len() < SERVICES {
        tokio::time::sleep_until(due.into()).await;
        let due_ms = clock.now_ms() - i64::try_from(due.elapsed().as_millis()).unwrap_or(i64::MAX);
        let answer = connection.ask(&request).await;
        felt.errors += usize::from(!matches!(answer, Ok(200)));
        felt.pings.push((due_ms, nanoseconds(due.elapsed())));
        due += PING_EVERY;
    }
    felt
}

/// What all callers felt, until the last alert has arrived.
async fn ping_through(address: SocketAddr, mailbox: &Mailbox) -> Felt {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(ping_on(address, caller, Arc::clone(mailbox)));
    }
    let mut all = Felt::default();
    while let Some(felt) = callers.join_next().await {
        let felt = felt.expect("a caller does not panic");
        all.pings.extend(felt.pings);
        all.errors += felt.errors;
    }
    all
}

fn print(got: &Got, felt: &Felt, deadline: i64, quiet_since_ms: i64) {
    let after = |ms: i64| Duration::from_millis((ms - deadline * 1000).unsigned_abs());
    let first_ms = got.first_ms.expect("alerts have arrived");
    println!(
        "nproc {}, {SERVICES} services with one deadline, {CALLERS} callers that ping every {} ms",
        thread::available_parallelism().map_or(0, usize::from),
        PING_EVERY.as_millis(),
    );
    println!("first alert: {:.2} s after the deadline", after(first_ms).as_secs_f64());
    println!("last alert:  {:.2} s after the deadline", after(got.last_ms).as_secs_f64());
    println!("alerts: {}, ids: {}", got.alerts, got.ids.len());
    println!(
        "{:<8}  {:>6}  {:>8}  {:>8}  {:>8}",
        "pings", "number", "p50 \u{b5}s", "p99 \u{b5}s", "max \u{b5}s"
    );
    // The sweep comes as the second after the deadline begins.
    let storm_ms = (deadline + 1) * 1000;
    for (when, from_ms, to_ms) in
        [("before", quiet_since_ms, storm_ms), ("meanwhile", storm_ms, got.last_ms)]
    {
        let times = felt.pings.iter().filter(|(due_ms, _)| (from_ms..to_ms).contains(due_ms));
        let mut times: Vec<u32> = times.map(|(_, nanoseconds)| *nanoseconds).collect();
        println!(
            "{when:<9} {:>6}  {:>8}  {:>8}  {:>8}",
            times.len(),
            percentile_us(&mut times, 50),
            percentile_us(&mut times, 99),
            percentile_us(&mut times, 100),
        );
    }
    println!("pings that were not answered 200: {}", felt.errors);
}

fn main() {
    // `cargo test --benches` runs this too, and wants to know no more than that it compiles.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    // In the build folder: a temporary folder may be in memory, where an fsync costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let mailbox = Mailbox::default();
    let uri = format!("http://{}/alerts", receive(Arc::clone(&mailbox)));
    let server = Server::start(folder.path(), &["--alert-uri", &uri]);
    let (address, clock) = (server.address, Clock::system());
    let deadline = clock.now() + SECONDS_TO_DEADLINE;
    let (felt, quiet_since_ms) = runtime().block_on(async {
        make(address, deadline).await;
        let quiet_since_ms = clock.now_ms();
        assert!(
            quiet_since_ms < deadline * 1000,
            "the services were not made before their deadline"
        );
        let storm = Duration::from_secs(STORM_SECONDS_MAX);
        let felt = tokio::time::timeout(storm, ping_through(address, &mailbox)).await;
        (felt.expect("every alert arrives in time"), quiet_since_ms)
    });
    print(&mailbox.lock().expect("nobody panics"), &felt, deadline, quiet_since_ms);
    server.stop();
}
