//! What benchmarks share: the server's own process, a client that costs little, and percentiles.

#![allow(unreachable_pub, reason = "shared by benchmarks, each a crate of its own")]

use std::future::poll_fn;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;

const SECONDS_TO_STOP: u64 = 10;

/// A keep-alive connection that costs little: one buffer each way, no parser but for what is needed.
pub struct Connection {
    stream: TcpStream,
    buffer: Box<[u8; 4096]>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Box::new([0; 4096]) })
    }

    /// Sends a request, reads its answer to the end, and returns the status.
    pub async fn ask(&mut self, mut request: &[u8]) -> io::Result<u16> {
        while !request.is_empty() {
            match self.stream.try_write(request) {
                Ok(sent) => request = &request[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stream.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        let mut filled = 0;
        loop {
            // poll_read and not try_read: a short read tells it that no more is there, which saves a system call.
            let mut buffer = ReadBuf::new(&mut self.buffer[filled..]);
            poll_fn(|context| Pin::new(&mut self.stream).poll_read(context, &mut buffer)).await?;
            let read = buffer.filled().len();
            if read == 0 {
                return Err(io::Error::other("the answer ended early, or is over 4096 bytes"));
            }
            filled += read;
            if let Some((status, length)) = answer(&self.buffer[..filled])
                && filled >= length
            {
                return Ok(status);
            }
        }
    }
}

/// The status of an answer and its whole length, once its head is there.
fn answer(read: &[u8]) -> Option<(u16, usize)> {
    let head = std::str::from_utf8(read).ok()?;
    let end = head.find("\r\n\r\n")? + 4;
    let status = head.get(9..12)?.parse().ok()?;
    let body = head[..end].split_once("content-length: ")?.1;
    let body: usize = body[..body.find('\r')?].parse().ok()?;
    Some((status, end + body))
}

/// As many as fit.
pub fn nanoseconds(time: Duration) -> u32 {
    u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)
}

/// Of these times, sorted on the way, in microseconds; 100 is the longest.
pub fn percentile_us(nanoseconds: &mut [u32], hundredths: usize) -> u32 {
    nanoseconds.sort_unstable();
    let at = nanoseconds.len() * hundredths / 100;
    nanoseconds.get(at.min(nanoseconds.len().saturating_sub(1))).map_or(0, |n| n / 1000)
}

/// The release server, on a database of its own.
pub struct Server {
    process: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts it in `folder` with these flags.
    pub fn start(folder: &Path, flags: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_overdue"))
            .args(["--listen", "127.0.0.1:0", "--log", "error"])
            .args(flags)
            .current_dir(folder)
            .env_clear()
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let mut words = BufReader::new(process.stdout.take().expect("its output is piped"));
        words.read_line(&mut line).expect("it says where it serves");
        // The rest is for people; read, so that the pipe stays open.
        thread::spawn(move || io::copy(&mut words, &mut io::sink()));
        let address = line.trim().rsplit_once("http://").and_then(|(_, text)| text.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}"));
        Self { process, address }
    }

    /// Ends it as a service manager would.
    pub fn stop(mut self) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there");
        assert!(sent.success(), "the server had ended by itself");
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(SECONDS_TO_STOP) {
            if let Some(status) = self.process.try_wait().expect("it can be waited for") {
                assert!(status.success(), "the server ended with {status}");
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the server did not stop within {SECONDS_TO_STOP} s of SIGTERM");
    }
}

impl Drop for Server {
    /// For when the benchmark panics; after `stop` there is nothing left to end.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
