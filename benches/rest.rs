//! What the program takes when there is nothing to do: its size, its start, and what an idle server uses of memory, of
//! the processors and of the disk.
//!
//! Behind `cargo bench --bench rest --`: `--seconds 10` of idling (60), `--services 1000` that are known (100), `--program
//! PATH` of another build, `--out FILE` to append the figures to.

#![expect(clippy::print_stdout, reason = "figures are what this program is for")]

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use support::figures::Flags;
use support::load::{Requests, What, load, prepare};
use support::median;
use support::server::Server;

const SECONDS: usize = 60;
const SERVICES: usize = 100;
const STARTS: usize = 11;
/// After the first pings, before it is watched.
const SETTLING: Duration = Duration::from_secs(3);

/// Milliseconds from the start of the process to its first answer, and the server.
#[expect(clippy::cast_precision_loss, reason = "microseconds of a start are few")]
fn start(program: &Path, folder: &Path) -> (f64, Server) {
    let began = Instant::now();
    let server = Server::start_other(program, folder, &[]);
    let (outcome, _) = load(server.address, Requests::numbered(What::Healthz, &(0..1), 1), 1, None);
    assert_eq!(outcome.errors, 0, "the server is alive");
    (began.elapsed().as_micros() as f64 / 1000.0, server)
}

fn main() {
    let Some(flags) = Flags::read(&["seconds", "services"]) else { return };
    let program = flags.program();
    let bytes = std::fs::metadata(&program).expect("the program is there").len();
    println!("the program has {:.1} MB ({bytes} bytes)", bytes_mb(bytes));

    let (mut fresh, mut known) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder is made");
        for times in [&mut fresh, &mut known] {
            let (ms, server) = start(&program, folder.path());
            times.push(ms);
            server.stop();
        }
    }
    let (fresh_ms, known_ms) = (median(&fresh), median(&known));
    let worst = |times: &[f64]| times.iter().copied().fold(0.0, f64::max);
    println!(
        "from its start to its first answer: {fresh_ms:.0} ms on a new database (at most {:.0}), {known_ms:.0} ms on one that is there (at most {:.0})",
        worst(&fresh),
        worst(&known),
    );
    flags.note(&json!({
        "bench": "start", "bytes": bytes, "fresh_ms": fresh_ms.round(), "known_ms": known_ms.round(),
        "fresh_max_ms": worst(&fresh).round(), "known_max_ms": worst(&known).round(),
    }));
    idle(&flags, &program);
}

/// Watches a server to which nobody speaks.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn idle(flags: &Flags, program: &Path) {
    let (seconds, services) =
        (flags.number("seconds", SECONDS), flags.number("services", SERVICES));
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder is made");
    let (_, server) = start(program, folder.path());
    prepare(server.address, Requests::numbered(What::Make("svc"), &(0..services), 1));
    thread::sleep(SETTLING);
    let (cpu_us, (writes, written)) = (server.cpu_us(), server.written());
    thread::sleep(Duration::from_secs(seconds as u64));
    let cpu_percent = (server.cpu_us() - cpu_us) as f64 / (seconds as f64 * 10_000.0);
    let (writes_after, written_after) = server.written();
    let (writes, written) = (writes_after - writes, written_after - written);
    let resident_kb = server.resident_kb();
    println!(
        "idle for {seconds} s with {services} services: {resident_kb} kB resident, {cpu_percent:.2}% of a core, {writes} writes of any kind, {written} bytes to the disk",
    );
    flags.note(&json!({
        "bench": "idle", "seconds": seconds, "services": services, "resident_kb": resident_kb,
        "cpu_percent": (cpu_percent * 100.0).round() / 100.0, "writes": writes, "written_bytes": written,
    }));
    server.stop();
}

#[expect(clippy::cast_precision_loss, reason = "a program is small")]
fn bytes_mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
