//! What tests share: a real alert receiver, the real binary, and raw HTTP requests to it.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(unreachable_pub, reason = "shared by test binaries, each a crate of its own")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub mod litefs;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::HeaderMap;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;
use tokio::sync::{Notify, mpsc};

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `future`, with a bound.
pub async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// What a receiver got.
#[derive(Clone, Debug)]
pub struct Got {
    pub method: String,
    pub uri: String,
    pub headers: HeaderMap,
    pub body: Value,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

/// How a receiver answers.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    Status(u16),
    /// This status, and to come back after so many seconds.
    RetryAfter(u16, u32),
    /// 200, after so many milliseconds.
    Slow(u64),
    /// The connection is reset once the request is read.
    Reset,
    /// Never.
    Hang,
}

/// What the connections of a receiver share.
#[derive(Clone)]
struct Post {
    sender: mpsc::UnboundedSender<Got>,
    next: Arc<Mutex<VecDeque<Reply>>>,
    otherwise: Arc<Mutex<Reply>>,
}

/// Serves one connection to its end.
async fn converse(stream: TcpStream, post: Post) {
    let reset = Arc::new(Notify::new());
    let ours = Arc::clone(&reset);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let (post, ours) = (post.clone(), Arc::clone(&ours));
        Box::pin(async move { Ok::<_, Infallible>(reply(request, &post, &ours).await) })
    });
    let io = hyper_util::rt::TokioIo::new(stream);
    let mut connection = hyper::server::conn::http1::Builder::new().serve_connection(io, service);
    tokio::select! {
        _ = &mut connection => {}
        () = reset.notified() => {
            // Closed so, it sends no end but a reset.
            let stream = connection.into_parts().io.into_inner();
            stream.set_zero_linger().unwrap();
        }
    }
}

async fn reply(
    request: hyper::Request<Incoming>,
    post: &Post,
    reset: &Notify,
) -> hyper::Response<String> {
    let (head, body) = request.into_parts();
    let bytes = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let (method, uri) = (head.method.to_string(), head.uri.to_string());
    let _ = post.sender.send(Got { method, uri, headers: head.headers, body, bytes });
    let next = post.next.lock().unwrap().pop_front();
    let reply = next.unwrap_or(*post.otherwise.lock().unwrap());
    let response = hyper::Response::builder();
    let response = match reply {
        Reply::Status(status) => response.status(status),
        Reply::RetryAfter(status, seconds) => {
            response.status(status).header("retry-after", seconds.to_string())
        }
        Reply::Slow(ms) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            response.status(200)
        }
        Reply::Reset => {
            reset.notify_one();
            std::future::pending().await
        }
        Reply::Hang => std::future::pending().await,
    };
    response.body(String::new()).unwrap()
}

/// A receiver of alerts on a real socket, whose answers can be set.
pub struct Receiver {
    pub address: SocketAddr,
    got: mpsc::UnboundedReceiver<Got>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    usual: Arc<Mutex<Reply>>,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    pub async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, got) = mpsc::unbounded_channel();
        let replies = Arc::new(Mutex::new(VecDeque::new()));
        let usual = Arc::new(Mutex::new(Reply::Status(200)));
        let post = Post { sender, next: Arc::clone(&replies), otherwise: Arc::clone(&usual) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, post.clone()));
            }
        });
        Self { address, got, replies, usual }
    }

    pub fn uri(&self) -> String {
        format!("http://{}/alerts", self.address)
    }

    /// Answers so from now on.
    pub fn usually(&self, reply: Reply) {
        *self.usual.lock().unwrap() = reply;
    }

    /// Answers so, once each, before the usual.
    pub fn then(&self, replies: impl IntoIterator<Item = Reply>) {
        self.replies.lock().unwrap().extend(replies);
    }

    /// The next alert, or whatever else is sent.
    pub async fn next(&mut self) -> Got {
        patiently("an alert", self.got.recv()).await.unwrap()
    }

    /// What came and was not looked at yet.
    pub fn rest(&mut self) -> Vec<Got> {
        std::iter::from_fn(|| self.got.try_recv().ok()).collect()
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Sends these bytes, and reads to the end of the connection.
pub async fn raw(address: SocketAddr, request: &[u8]) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status
        .ok_or_else(|| std::io::Error::other("the connection was closed without an answer"))?;
    Ok(Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
}

/// Sends a request without a body, and asks for the connection to be closed.
pub async fn send(address: SocketAddr, method: &str, target: &str) -> std::io::Result<Answer> {
    let request =
        format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    patiently("an answer", raw(address, request.as_bytes())).await
}

/// The real binary, serving a database in a folder.
pub struct Server {
    pub address: SocketAddr,
    /// What it printed when it started.
    pub greeting: String,
    child: Child,
}

/// The real binary with nothing of this process's environment that could change it.
pub fn overdue(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_overdue"));
    command.current_dir(folder).env_clear();
    command
}

impl Server {
    /// Starts it on a port of its own; alerts go to `alert_uri`.
    pub async fn start(folder: &Path, alert_uri: Option<&str>) -> Self {
        let mut command = overdue(folder);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        if let Some(uri) = alert_uri {
            command.env("PING_ALERT_URI", uri);
        }
        Self::spawn(command).await
    }

    pub async fn spawn(mut command: Command) -> Self {
        command.stderr(Stdio::null());
        Self::spawn_with_log(command).await
    }

    /// Starts it with its standard error as it is.
    pub async fn spawn_with_log(mut command: Command) -> Self {
        command.stdout(Stdio::piped());
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut greeting = String::new();
        while !greeting.contains("try ") {
            let line = patiently("the greeting", lines.next_line()).await.unwrap();
            let line = line.unwrap_or_else(|| panic!("it ended before it served: {greeting}"));
            greeting.push_str(&line);
            greeting.push('\n');
        }
        let first = greeting.lines().next().unwrap();
        let address = first.rsplit("http://").next().unwrap().parse().unwrap();
        Self { address, greeting, child }
    }

    pub async fn get(&self, target: &str) -> Answer {
        send(self.address, "GET", target).await.unwrap()
    }

    pub async fn send(&self, method: &str, target: &str) -> Answer {
        send(self.address, method, target).await.unwrap()
    }

    /// What it says from now on, where its standard error was piped.
    pub fn log(&mut self) -> tokio::process::ChildStderr {
        self.child.stderr.take().unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Ends it as a power cut would, but for the disk.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends a signal, as in `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.pid().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> ExitStatus {
        patiently("the end", self.child.wait()).await.unwrap()
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(self) {
        self.signal("TERM");
        assert_eq!(self.ended().await.code(), Some(0));
    }
}

/// Runs a statement in the `sqlite3` program, as a person would. `None` where it is not installed, which is an error
/// where tests must be complete.
pub fn sqlite3(database: &Path, statement: &str) -> Option<String> {
    let output = Command::new("sqlite3")
        .args(["-cmd", ".timeout 5000"])
        .arg(database)
        .arg(statement)
        .output();
    let output = match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(
                std::env::var_os("CI").is_none(),
                "sqlite3 is not installed, and no test may be skipped here"
            );
            eprintln!("SKIPPED: sqlite3 is not installed");
            return None;
        }
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
}

/// Seconds of the machine's clock.
pub fn now() -> i64 {
    overdue::clock::Clock::system().now()
}
