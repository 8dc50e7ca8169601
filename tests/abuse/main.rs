//! Abuse: callers who mean harm, or are badly broken, against the real binary. What they hold and send costs the server
//! little memory, and a caller beside them who only wants to ping is answered 200 all the while.
//!
//! `ABUSE_CONNECTIONS` and `ABUSE_NAMES` make the crowds larger (`.ci/campaign abuse`). What each costs is printed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "what an attack costs is worth knowing")]

mod bodies;
mod connections;
mod keys;
mod names;
mod redirects;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
mod wire;
mod words;

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use support::{Answer, PATIENCE, Server, overdue, patiently, send};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Where attacks come from, and where honest callers do.
const STRANGER: [u8; 4] = [127, 0, 0, 3];
const HONEST: [u8; 4] = [127, 0, 0, 2];

/// A server to be attacked.
struct House {
    server: Server,
    /// Holds its files.
    _folder: TempDir,
}

impl House {
    /// With these variables.
    async fn open(variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = overdue(folder.path());
        command.args(["serve", "--listen", "127.0.0.1:0"]).envs(variables.iter().copied());
        Self { server: Server::spawn(command).await, _folder: folder }
    }

    /// With so few files that it serves only `places` connections at a time.
    async fn with_places(places: u64, variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new("sh");
        let files = places + overdue::core::limits::FILES_RESERVED;
        command
            .current_dir(folder.path())
            .env_clear()
            .envs(variables.iter().copied())
            .args(["-c", "ulimit -n \"$0\"; exec \"$@\"", &files.to_string()])
            .args([env!("CARGO_BIN_EXE_overdue"), "serve", "--listen", "127.0.0.1:0"]);
        Self { server: Server::spawn(command).await, _folder: folder }
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// A connection from `ip`.
    async fn connect(&self, ip: [u8; 4]) -> TcpStream {
        connect(self.address(), ip).await
    }

    /// The names that are stored.
    async fn names(&self) -> Vec<String> {
        let list = self.server.get("/api/v1/services?limit=1000").await.json();
        let services = list["services"].as_array().unwrap();
        services.iter().map(|service| service["name"].as_str().unwrap().to_owned()).collect()
    }

    /// What the server has in memory, now and at most since it started, in KB.
    fn memory(&self) -> Memory {
        let path = format!("/proc/{}/status", self.server.pid());
        let text = std::fs::read_to_string(path).unwrap();
        let read = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        Memory { now_kb: read("VmRSS:"), most_kb: read("VmHWM:") }
    }
}

#[derive(Clone, Copy, Debug)]
struct Memory {
    now_kb: u64,
    most_kb: u64,
}

impl Memory {
    /// Prints what an attack has cost since, and refuses more than `kb_max`.
    fn grew_by_at_most(self, kb_max: u64, what: &str, house: &House) {
        let after = house.memory();
        let grown = after.most_kb.saturating_sub(self.now_kb);
        eprintln!("{what}: {} KB before, {} KB more at most", self.now_kb, grown);
        assert!(grown <= kb_max, "{what} cost {grown} KB, and may cost {kb_max}");
    }
}

/// How large a crowd is.
fn crowd(name: &str, usually: usize) -> usize {
    std::env::var(name).map_or(usually, |text| text.parse().unwrap())
}

/// Connections are files, on both sides.
fn raise_file_limit() -> usize {
    usize::try_from(rlimit::increase_nofile_limit(u64::MAX).unwrap()).unwrap_or(usize::MAX)
}

async fn connect(address: SocketAddr, ip: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((ip, 0).into()).unwrap();
    patiently("a connection", socket.connect(address)).await.unwrap()
}

/// Sends these bytes, as far as they are taken.
async fn write(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = tokio::time::timeout(PATIENCE, stream.write_all(bytes)).await;
}

/// A caller who pings again and again, each time over a connection of its own, and must always be answered 200.
struct Honest {
    done: CancellationToken,
    task: JoinHandle<usize>,
}

impl Honest {
    fn start(address: SocketAddr, key: Option<&str>) -> Self {
        let done = CancellationToken::new();
        let key = key.map(|key| format!("&key={key}")).unwrap_or_default();
        let target = format!("/ping?name=honest&frequency=1h{key}");
        let task = tokio::spawn({
            let done = done.clone();
            async move {
                let mut count = 0;
                loop {
                    let is_last = done.is_cancelled();
                    let answer = send(address, "GET", &target).await.unwrap();
                    assert_eq!(answer.status, 200, "{answer:?}");
                    count += 1;
                    if is_last {
                        return count;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        });
        Self { done, task }
    }

    /// Pings once more; how often it has pinged.
    async fn finish(self) -> usize {
        self.done.cancel();
        patiently("the honest caller", self.task).await.unwrap()
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

/// Sends a request with these headers, and asks for the connection to be closed.
async fn send_with(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let is_named = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
    let host = if is_named { String::new() } else { format!("Host: {address}\r\n") };
    let headers: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    let request = format!(
        "{method} {target} HTTP/1.1\r\n{host}{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    patiently("an answer", support::raw(address, request.as_bytes())).await.unwrap()
}

/// A text as a segment of a path, or a value of a query.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
