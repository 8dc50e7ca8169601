//! The release server in a process of its own, and what Linux says of that.

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const SECONDS_TO_STOP: u64 = 10;

/// The release server, on a database of its own.
pub struct Server {
    process: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts it in `folder` with these flags.
    pub fn start(folder: &Path, flags: &[&str]) -> Self {
        Self::start_other(Path::new(env!("CARGO_BIN_EXE_overdue")), folder, flags)
    }

    /// The same with another build of it.
    pub fn start_other(program: &Path, folder: &Path, flags: &[&str]) -> Self {
        let mut process = Command::new(program)
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

    /// How much of the processors' time it has taken, in microseconds. Linux counts in hundredths of a second.
    pub fn cpu_us(&self) -> u64 {
        cpu_us(&format!("/proc/{}/stat", self.process.id()))
    }

    /// How much memory it has in use, in kB.
    pub fn resident_kb(&self) -> u64 {
        self.number("status", "VmRSS:")
    }

    /// How often it has written to anything, and how much to files, in bytes.
    pub fn written(&self) -> (u64, u64) {
        (self.number("io", "syscw:"), self.number("io", "write_bytes:"))
    }

    /// The number behind `key` in a file of /proc.
    fn number(&self, file: &str, key: &str) -> u64 {
        let path = format!("/proc/{}/{file}", self.process.id());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        value.trim().trim_end_matches(" kB").parse().unwrap_or(0)
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

/// The processors' time that this thread has taken, in microseconds.
pub fn own_cpu_us() -> u64 {
    cpu_us("/proc/thread-self/stat")
}

fn cpu_us(path: &str) -> u64 {
    let stat = std::fs::read_to_string(path).unwrap_or_default();
    // Behind the name, which may hold anything: the 12th and 13th are user and system time.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks = after.split_whitespace().skip(11).take(2).map(|text| text.parse().unwrap_or(0));
    ticks.sum::<u64>() * 10_000
}
