//! A receiver of alerts that accepts each at once.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::{io, thread};

use overdue::clock::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::runtime;

/// What it has got.
#[derive(Default)]
pub struct Got {
    pub alerts: usize,
    pub ids: HashSet<String>,
    /// Milliseconds of the wall clock.
    pub first_ms: Option<i64>,
    pub last_ms: i64,
}

pub type Mailbox = Arc<Mutex<Got>>;

/// A receiver on a thread of its own.
pub fn receive(mailbox: Mailbox) -> SocketAddr {
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
