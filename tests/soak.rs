//! The real binary under mixed load for a long time: pings and signals with logs, owners that declare, pause and delete,
//! pages, live pages, lists and metrics, and alerts to two destinations, of which one hangs and fails at times. Every
//! answer is the one that is expected, alerts arrive in order and are held up by nobody, and what the process takes is
//! flat: memory, descriptors, the write-ahead log, and the file but for what its alerts take.
//!
//! `SOAK_MINUTES` says for how long, `SOAK_RATE` how many requests are sent a second (`.ci/campaign soak`). Where nothing
//! is said it takes seconds, and shows that every part does its work.

#![allow(clippy::print_stdout, reason = "a campaign says what it did")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use support::{Receiver, Reply, Server, now, overdue};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How long it lasts where nothing is said.
const SHORT: Duration = Duration::from_secs(12);
/// Requests a second where nothing is said.
const RATE: u64 = 200;
/// How many send them.
const CALLERS: u64 = 16;
/// Services that are pinged all the time, that fall silent and come back, and that come and go.
const STEADY: usize = 300;
const FLICKERING: usize = 12;
const PASSING: usize = 50;
/// Pages that are kept open.
const WATCHERS: usize = 5;
/// For how long the second destination hangs, fails, and is well again.
const WEATHER: Duration = Duration::from_secs(20);

/// What may be more in the last quarter than in the one before it: by then everything has its full size.
const RSS_GROWTH_KB_MAX: u64 = 4096;
const DESCRIPTORS_GROWTH_MAX: u64 = 16;
const WAL_GROWTH_BYTES_MAX: u64 = 4 << 20;
/// The same of the file; and what one alert may take, with its deliveries and their attempts.
const FILE_GROWTH_BYTES_MAX: u64 = 2 << 20;
const ALERT_BYTES_MAX: u64 = 2500;
/// How late an alert may be at the destination that is well.
const LATE_SECONDS_MAX: i64 = 5;

/// What was seen.
#[derive(Default)]
struct Diary {
    requests: AtomicU64,
    watched_bytes: AtomicU64,
    /// What was not as it should be; the first few are enough.
    wrong: Mutex<Vec<String>>,
}

impl Diary {
    fn wrong(&self, what: String) {
        let mut wrong = self.wrong.lock().unwrap();
        if wrong.len() < 20 {
            wrong.push(what);
        }
    }
}

/// A request that a caller might make now, and the statuses that may answer it.
struct Wish {
    method: &'static str,
    target: String,
    body: Option<String>,
    right: &'static [u16],
}

impl Wish {
    fn get(target: String) -> Self {
        Self { method: "GET", target, body: None, right: &[200] }
    }

    fn random() -> Self {
        let steady = || format!("steady-{}", fastrand::usize(..STEADY));
        let passing = || format!("passing-{}", fastrand::usize(..PASSING));
        match fastrand::u32(..100) {
            0..40 => Self::get(format!("/ping?name={}&frequency=10m&grace=1m", steady())),
            40..58 => Self::signal(&steady()),
            58..62 => {
                let name = format!("flickering-{}", fastrand::usize(..FLICKERING));
                let signal = if fastrand::u32(..10) == 0 { "fail" } else { "success" };
                Self::get(format!("/ping?name={name}&frequency=6s&signal={signal}"))
            }
            62..68 => Self::get(format!("/ping?name={}&frequency=1h", passing())),
            68..74 => {
                let target = format!("/ping/{}", passing());
                Self { method: "DELETE", target, body: None, right: &[200, 404] }
            }
            74..78 => Self::owner(&passing()),
            // A timestamp of before the last ping is refused, and nothing else is.
            78..80 => {
                let at = now() - fastrand::i64(0..30);
                let target = format!("/ping?name={}&frequency=10m&timestamp={at}", steady());
                Self { right: &[200, 409], ..Self::get(target) }
            }
            _ => Self::read(&steady()),
        }
    }

    fn signal(name: &str) -> Self {
        let run = fastrand::u32(..4);
        let signal = ["start", "success", "0", "log"][fastrand::usize(..4)];
        let target = format!("/ping?name={name}&frequency=10m&signal={signal}&run=r{run}");
        let body = Some("a line of output\n".repeat(fastrand::usize(..600)));
        // A log is for a service that is known.
        Self { method: "POST", target, body, right: &[200, 404] }
    }

    fn owner(name: &str) -> Self {
        let target = format!("/api/v1/services/{name}");
        let (method, target, body) = match fastrand::u32(..3) {
            0 => {
                ("PUT", target, Some(r#"{"frequency":"1h","description":"It passes"}"#.to_owned()))
            }
            1 => ("POST", target + "/pause", Some(String::new())),
            _ => ("POST", target + "/resume", Some(String::new())),
        };
        Self { method, target, body, right: &[200, 201, 404] }
    }

    fn read(name: &str) -> Self {
        let target = match fastrand::u32(..10) {
            0 => "/".to_owned(),
            1 => format!("/services/{name}"),
            2 => "/api/v1/services?limit=50&status=up".to_owned(),
            3 => "/api/v1/alerts?limit=20".to_owned(),
            4 => format!("/api/v1/services/{name}/pings"),
            5 => format!("/api/v1/services/{name}/why"),
            6 => format!("/badge/{name}.svg"),
            7 => "/metrics".to_owned(),
            8 => "/readyz".to_owned(),
            _ => format!("/api/v1/services/{name}/outages"),
        };
        let is_certain = !target.contains(name);
        Self { right: if is_certain { &[200] } else { &[200, 404] }, ..Self::get(target) }
    }

    fn bytes(&self, address: SocketAddr) -> Vec<u8> {
        let (method, target) = (self.method, &self.target);
        let body = self.body.as_deref();
        let length =
            body.map_or_else(String::new, |body| format!("Content-Length: {}\r\n", body.len()));
        let body = body.unwrap_or_default();
        let text = format!(
            "{method} {target} HTTP/1.1\r\nHost: {address}\r\n{length}Connection: close\r\n\r\n{body}"
        );
        text.into_bytes()
    }
}

/// Calls again and again, each time a connection of its own.
async fn call(address: SocketAddr, rate: u64, diary: Arc<Diary>, end: CancellationToken) {
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 * CALLERS / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !end.is_cancelled() {
        ticks.tick().await;
        let wish = Wish::random();
        let request = wish.bytes(address);
        let answer = support::patiently("an answer", support::raw(address, &request)).await;
        diary.requests.fetch_add(1, Ordering::Relaxed);
        match answer {
            Ok(answer) if wish.right.contains(&answer.status) => {}
            Ok(answer) => {
                diary.wrong(format!("{} {}: {answer:?}", wish.method, wish.target));
            }
            Err(error) => diary.wrong(format!("{} {}: {error}", wish.method, wish.target)),
        }
    }
}

/// Keeps a live page open; where `for_a_while`, it is closed and opened again.
async fn watch(
    address: SocketAddr,
    for_a_while: Option<Duration>,
    diary: Arc<Diary>,
    end: CancellationToken,
) {
    while !end.is_cancelled() {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let (opened, mut bytes, mut is_first) = (Instant::now(), vec![0; 65536], true);
        while for_a_while.is_none_or(|patience| opened.elapsed() < patience) {
            let read = tokio::select! {
                () = end.cancelled() => return,
                read = stream.read(&mut bytes) => read.unwrap_or(0),
            };
            let is_right = !is_first || bytes.starts_with(b"HTTP/1.1 200");
            if read == 0 || !is_right {
                diary.wrong(format!(
                    "a live page ended: {}",
                    String::from_utf8_lossy(&bytes[..read])
                ));
                return;
            }
            is_first = false;
            diary.watched_bytes.fetch_add(read as u64, Ordering::Relaxed);
        }
    }
}

/// What arrives at a destination.
#[derive(Default)]
struct Arrived {
    alerts: u64,
    again: u64,
    monitor: u64,
    /// Of each service, when its last alert was raised.
    last: HashMap<String, i64>,
    ids: HashMap<String, String>,
}

fn second(value: &serde_json::Value) -> i64 {
    value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second()
}

impl Arrived {
    fn note(&mut self, got: &support::Got, diary: &Diary, late_seconds_max: Option<i64>) {
        let (kind, id) = (got.body["type"].as_str().unwrap(), got.body["id"].as_str().unwrap());
        if kind.starts_with("monitor.") {
            self.monitor += 1;
            diary.wrong(format!("the monitor says: {}", got.body["text"]));
            return;
        }
        let name = got.body["name"].as_str().unwrap();
        let about = format!("{kind} {name} {}", got.body["created_at"]);
        if let Some(before) = self.ids.insert(id.to_owned(), about.clone()) {
            self.again += 1;
            if before != about {
                diary.wrong(format!("{id} is {about} and was {before}"));
            }
            return;
        }
        self.alerts += 1;
        let raised = second(&got.body["created_at"]);
        let before = self.last.insert(name.to_owned(), raised);
        if before > Some(raised) {
            diary.wrong(format!("out of order: {about} after {before:?}"));
        }
        let late = now() - raised;
        if late_seconds_max.is_some_and(|most| late > most) {
            diary.wrong(format!("{about} came {late} s after it was raised"));
        }
    }
}

/// What the process takes at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    rss_kb: u64,
    descriptors: u64,
    wal_bytes: u64,
    file_bytes: u64,
}

impl Sample {
    fn take(pid: u32, database: &Path) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let size = |ending: &str| {
            let path = PathBuf::from(format!("{}{ending}", database.display()));
            std::fs::metadata(path).map_or(0, |file| file.len())
        };
        Self {
            rss_kb: rss.trim().trim_end_matches(" kB").parse().unwrap(),
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64,
            wal_bytes: size("-wal"),
            file_bytes: size(""),
        }
    }
}

/// The middle of what `of` tells of these samples.
fn median(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> u64 {
    let mut values: Vec<u64> = samples.iter().map(of).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// Says what the samples of each quarter were, and complains of what grew in the second half.
fn judge(samples: &[Sample], alerts: u64, diary: &Diary) {
    let quarters: Vec<&[Sample]> = samples.chunks(samples.len().div_ceil(4)).collect();
    let row = |what: &str, of: fn(&Sample) -> u64, growth_max: u64| {
        let medians: Vec<u64> = quarters.iter().map(|quarter| median(quarter, of)).collect();
        println!(
            "{what}: medians of the quarters {medians:?}, most {:?}",
            samples.iter().map(of).max()
        );
        if medians[3] > medians[2] + growth_max {
            diary.wrong(format!("{what} grew from {} to {}", medians[2], medians[3]));
        }
    };
    row("resident memory, kB", |sample| sample.rss_kb, RSS_GROWTH_KB_MAX);
    row("open descriptors", |sample| sample.descriptors, DESCRIPTORS_GROWTH_MAX);
    row("write-ahead log, bytes", |sample| sample.wal_bytes, WAL_GROWTH_BYTES_MAX);
    // Alerts are kept for 400 days: of all of them, those of a quarter of the time lie between the two.
    let kept = FILE_GROWTH_BYTES_MAX + alerts / 4 * ALERT_BYTES_MAX;
    row("database, bytes", |sample| sample.file_bytes, kept);
}

fn serve(folder: &Path, well: &Receiver, moody: &Receiver) -> std::process::Command {
    let settings = format!(
        "[[destination]]\nname = \"well\"\nuri = \"{}\"\n\n[[destination]]\nname = \"moody\"\nuri = \"{}\"\ntimeout = \"2s\"\n",
        well.uri(),
        moody.uri()
    );
    std::fs::write(folder.join("overdue.toml"), settings).unwrap();
    let mut command = overdue(folder);
    // A history that is full before the first quarter is over.
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--history", "20"]);
    command
}

/// For how long it is to last, and whether that is long enough for what it takes to be flat.
fn length() -> (Duration, bool) {
    match std::env::var("SOAK_MINUTES") {
        Ok(text) => (Duration::from_secs(60 * text.parse::<u64>().unwrap()), true),
        Err(_) => (SHORT, false),
    }
}

/// Watches for as long as it lasts. What the process took meanwhile.
async fn observe(
    server: &Server,
    database: &Path,
    receivers: (&mut Receiver, &mut Receiver),
    arrived: &mut [Arrived; 2],
    diary: &Diary,
) -> Vec<Sample> {
    let (well, moody) = receivers;
    let (length, is_long) = length();
    let begun = Instant::now();
    let weather = if is_long { WEATHER } else { length / 6 };
    let mut ticks = tokio::time::interval(weather / 20);
    let mut samples = Vec::new();
    while begun.elapsed() < length {
        ticks.tick().await;
        for got in well.rest() {
            arrived[0].note(&got, diary, Some(LATE_SECONDS_MAX));
        }
        for got in moody.rest() {
            arrived[1].note(&got, diary, None);
        }
        let days = begun.elapsed().as_millis() / weather.as_millis();
        moody.usually(
            [Reply::Status(200), Reply::Hang, Reply::Status(500), Reply::Slow(300)]
                [usize::try_from(days % 4).unwrap()],
        );
        samples.push(Sample::take(server.pid(), database));
    }
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn under_mixed_load_for_a_long_time_nothing_grows_and_nothing_fails() {
    let (_, is_long) = length();
    let rate = std::env::var("SOAK_RATE").map_or(RATE, |text| text.parse().unwrap());
    let folder = TempDir::new().unwrap();
    let (mut well, mut moody) = (Receiver::start().await, Receiver::start().await);
    let server = Server::spawn(serve(folder.path(), &well, &moody)).await;
    let (address, database) = (server.address, folder.path().join("overdue.db"));
    let (diary, end) = (Arc::new(Diary::default()), CancellationToken::new());
    let mut tasks = Vec::new();
    for _ in 0..CALLERS {
        tasks.push(tokio::spawn(call(address, rate, Arc::clone(&diary), end.clone())));
    }
    for watcher in 0..WATCHERS {
        let for_a_while = (watcher == 0).then_some(Duration::from_secs(3));
        tasks.push(tokio::spawn(watch(address, for_a_while, Arc::clone(&diary), end.clone())));
    }
    let mut arrived = [Arrived::default(), Arrived::default()];
    let receivers = (&mut well, &mut moody);
    let samples = observe(&server, &database, receivers, &mut arrived, &diary).await;
    end.cancel();
    for task in tasks {
        support::patiently("the callers", task).await.unwrap();
    }
    server.stop().await;
    let [well, moody] = &arrived;
    println!(
        "{} requests, {} kB to live pages; {} alerts arrived where all is well, {} where it is not, {} of them again",
        diary.requests.load(Ordering::Relaxed),
        diary.watched_bytes.load(Ordering::Relaxed) / 1024,
        well.alerts,
        moody.alerts,
        moody.again,
    );
    if is_long {
        judge(&samples, well.alerts, &diary);
    }
    assert!(well.alerts > 0 && moody.alerts > 0 && samples.len() > 50);
    assert!(diary.watched_bytes.load(Ordering::Relaxed) > 0);
    let wrong = diary.wrong.lock().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
