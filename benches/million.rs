//! A million services: how soon the server is ready, what it takes of memory, and how long pages, lists and metrics take
//! over HTTP while they stand there.
//!
//! Behind `cargo bench --bench million --`: `--services 1000` (1000000), `--program PATH` of another build, `--out FILE` to
//! append the figures to.

#![expect(clippy::print_stdout, reason = "a table is what this program is for")]

#[path = "support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use support::figures::Flags;
use support::load::{Requests, What, load};
use support::server::Server;
use support::{Connection, filled, get, nanoseconds, percentile_us, runtime};

const SERVICES: usize = 1_000_000;
/// Connections that ping at random before anything is looked at, and for how long.
const PINGERS: usize = 64;
const PINGED: Duration = Duration::from_secs(5);
/// How often each page is asked for.
const LOOKS: usize = 20;
/// The same of what may take long.
const LOOKS_LONG: usize = 5;

/// What is asked for: a name, a target, and how often.
const PAGES: [(&str, &str, usize); 14] = [
    ("healthz", "/healthz", LOOKS),
    ("the dashboard", "/", LOOKS),
    ("the dashboard, those in trouble", "/?show=trouble", LOOKS),
    ("the dashboard, those that run", "/?show=running", LOOKS),
    ("the dashboard, a search that finds many", "/?search=svc-1", LOOKS_LONG),
    ("the dashboard, a search that finds one", "/?search=svc-765432", LOOKS_LONG),
    ("the dashboard, a search that finds none", "/?search=nothing", LOOKS_LONG),
    ("a service's page", "/services/svc-765", LOOKS),
    ("the list", "/api/v1/services", LOOKS),
    ("the list, those overdue", "/api/v1/services?status=overdue", LOOKS),
    ("the list, a search that finds many", "/api/v1/services?search=svc-1", LOOKS),
    ("the list, a search that finds none", "/api/v1/services?search=nothing", LOOKS),
    ("one service", "/api/v1/services/svc-765", LOOKS),
    ("metrics", "/metrics", LOOKS_LONG),
];

/// Asks for a page so often, and prints what it took.
async fn look(address: SocketAddr, flags: &Flags, services: usize, page: (&str, &str, usize)) {
    let (name, target, looks) = page;
    let mut connection = Connection::open(address).await.expect("the server takes connections");
    let (mut times, mut bytes, mut errors) = (Vec::with_capacity(looks), 0, 0);
    for _ in 0..looks {
        let began = Instant::now();
        match connection.ask_for_bytes(&get(target)).await {
            Ok((200, length)) => bytes = length,
            other => {
                // One line is enough.
                if errors == 0 {
                    println!("{target}: {other:?}");
                }
                errors += 1;
            }
        }
        times.push(nanoseconds(began.elapsed()));
    }
    let first_us = times.first().map_or(0, |first| first / 1000);
    let (p50, max) = (percentile_us(&mut times, 50), percentile_us(&mut times, 100));
    println!("{name:<42}  {first_us:>9}  {p50:>9}  {max:>9}  {bytes:>9}  {errors:>6}");
    flags.note(&json!({
        "bench": "pages", "services": services, "page": name, "target": target, "first_us": first_us,
        "p50_us": p50, "max_us": max, "bytes": bytes, "errors": errors,
    }));
}

fn main() {
    let Some(flags) = Flags::read(&["services"]) else { return };
    let services = flags.number("services", SERVICES);
    // In the build folder: a temporary folder may be in memory, where an fsync costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    runtime().block_on(filled::make(&flags.program(), folder.path(), services));
    let began = Instant::now();
    let server = Server::start_other(&flags.program(), folder.path(), &[]);
    let healthz = Requests::numbered(What::Healthz, &(0..1), 1);
    load(server.address, healthz, 1, None);
    let (ready_ms, at_start_kb) = (began.elapsed().as_millis(), server.resident_kb());
    let pings = Requests::endless(What::PingAny(services), PINGERS);
    let (mut pings, _) = load(server.address, pings, 1, Some(PINGED));
    let after_pings_kb = server.resident_kb();
    println!("{services} services: ready after {ready_ms} ms, with {at_start_kb} kB resident");
    println!(
        "{PINGERS} connections that ping at random: {:.0}/s, p99 {} µs, {} errors; then {after_pings_kb} kB resident",
        pings.rate(),
        pings.permille_us(990),
        pings.errors,
    );
    println!(
        "{:<42}  {:>9}  {:>9}  {:>9}  {:>9}  {:>6}",
        "asked for", "first µs", "p50 µs", "max µs", "bytes", "errors"
    );
    for page in PAGES {
        runtime().block_on(look(server.address, &flags, services, page));
    }
    let resident_kb = server.resident_kb();
    println!("{resident_kb} kB resident at the end");
    flags.note(&json!({
        "bench": "million", "services": services, "ready_ms": ready_ms, "at_start_kb": at_start_kb,
        "after_pings_kb": after_pings_kb, "at_end_kb": resident_kb, "pings_per_second": pings.rate().round(),
    }));
    server.stop();
}
