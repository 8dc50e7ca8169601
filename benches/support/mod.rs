//! What benchmarks share: the server's own process, a client that costs little, percentiles, flags and the file of
//! figures.

#![allow(
    unreachable_pub,
    dead_code,
    unused_imports,
    reason = "shared by benchmarks, each a crate of its own that uses some of it"
)]

pub mod figures;
pub mod filled;
pub mod load;
pub mod receiver;
pub mod server;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;

/// The longest answer that is read: a page of metrics of 5,000 services has about a megabyte.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A keep-alive connection that costs little: one buffer each way, no parser but for what is needed.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 4096] })
    }

    /// Sends a request, reads its answer to the end, and returns the status.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<u16> {
        self.ask_for_bytes(request).await.map(|(status, _)| status)
    }

    /// The same, with the answer's length.
    pub async fn ask_for_bytes(&mut self, mut request: &[u8]) -> io::Result<(u16, usize)> {
        while !request.is_empty() {
            match self.stream.try_write(request) {
                Ok(sent) => request = &request[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stream.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        let (mut filled, mut expected) = (0, None);
        loop {
            if filled == self.buffer.len() {
                if filled >= ANSWER_BYTES_MAX {
                    return Err(io::Error::other("the answer is too long"));
                }
                self.buffer.resize(filled * 2, 0);
            }
            // poll_read and not try_read: a short read tells it that no more is there, which saves a system call.
            let mut buffer = ReadBuf::new(&mut self.buffer[filled..]);
            poll_fn(|context| Pin::new(&mut self.stream).poll_read(context, &mut buffer)).await?;
            let read = buffer.filled().len();
            if read == 0 {
                return Err(io::Error::other("the answer ended early"));
            }
            filled += read;
            expected = expected.or_else(|| answer(&self.buffer[..filled]));
            if let Some((status, length)) = expected
                && filled >= length
            {
                return Ok((status, length));
            }
        }
    }
}

/// The status of an answer and its whole length, once its head is there.
fn answer(read: &[u8]) -> Option<(u16, usize)> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&read[..end]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let body = head.split_once("content-length: ")?.1;
    let body: usize = body[..body.find('\r')?].parse().ok()?;
    Some((status, end + body))
}

/// A `GET` of `target`.
pub fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").into_bytes()
}

/// A runtime of one thread.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

/// As many as fit.
pub fn nanoseconds(time: Duration) -> u32 {
    u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)
}

/// Of these times, sorted on the way, in microseconds; 100 is the longest.
pub fn percentile_us(nanoseconds: &mut [u32], hundredths: usize) -> u32 {
    permille_us(nanoseconds, hundredths * 10)
}

/// The same in thousandths.
pub fn permille_us(nanoseconds: &mut [u32], thousandths: usize) -> u32 {
    permille(nanoseconds, thousandths) / 1000
}

/// The value that so many thousandths of all are below, or the largest.
pub fn permille(values: &mut [u32], thousandths: usize) -> u32 {
    values.sort_unstable();
    let at = values.len() * thousandths / 1000;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// The one in the middle; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// How long `work` takes.
pub async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let done = work.await;
    (done, began.elapsed())
}
