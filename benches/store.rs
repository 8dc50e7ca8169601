//! What the store takes, without HTTP: batches of pings, each on disk before it is answered, and a sweep over a million
//! services none of which is due.

#![expect(clippy::print_stderr, reason = "how long it takes to open so many is worth a line")]

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use overdue::clock::Clock;
use overdue::config::{Database, Durability};
use overdue::core::frequency::{Frequency, Grace};
use overdue::core::name::Name;
use overdue::core::ping::{Ping, Terms};
use overdue::store::{self, Cursor, Guard, Opened, Rules, Store, SweepFor};
use support::filled::fill;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

const NOW: i64 = 1_795_600_800;
/// Pings go to so many services.
const SERVICES: usize = 5000;
const BATCHES: [usize; 3] = [1, 64, 1024];
const SWEPT_SERVICES: usize = 1_000_000;

fn rules() -> Rules {
    Rules {
        grace: Grace::ZERO,
        services_max: i64::MAX,
        routes: Vec::new(),
        hold_seconds: 60,
        remind_every_seconds: None,
        history: 100,
        log_bytes_max: 1_000_000,
    }
}

/// An open store and its writer, on the build folder's disk.
async fn opened(folder: &Path) -> (Store, JoinHandle<()>) {
    let database = Database::File(folder.join("overdue.db"));
    let clock = Clock::manual(NOW);
    let guard = Guard::alone(clock.clone());
    let opened = store::open(&database, Durability::Full, rules(), clock, guard).await;
    let Opened { store, writer, .. } = opened.expect("the database opens");
    (store, tokio::spawn(writer.run()))
}

fn ping(number: usize) -> Ping {
    let name = Name::parse(format!("svc-{number}")).expect("it is a name");
    let terms = Terms { frequency: Frequency::from_seconds(600), ..Terms::default() };
    Ping { terms, ..Ping::new(name, NOW) }
}

/// Sends so many pings at once, and waits for the answers.
async fn send(store: &Store, count: usize) {
    let pings = (0..count).map(|_| store.ping(ping(fastrand::usize(..SERVICES))));
    for answer in join_all(pings).await {
        answer.expect("the ping is stored");
    }
}

/// Pings that arrive together share a transaction.
fn batches(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let (store, writer) = runtime.block_on(opened(folder.path()));
    runtime.block_on(async {
        for answer in join_all((0..SERVICES).map(|number| store.ping(ping(number)))).await {
            answer.expect("the service is made");
        }
    });
    let mut group = criterion.benchmark_group("store pings, each batch on disk");
    for count in BATCHES {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::from_parameter(count), &count, |bencher, count| {
            bencher.to_async(&runtime).iter(|| send(&store, *count));
        });
    }
    group.finish();
    runtime.block_on(async {
        store.close().await;
        writer.await.expect("the writer ends");
    });
}

fn idle_sweep(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    runtime.block_on(async {
        let (store, writer) = opened(folder.path()).await;
        store.close().await;
        writer.await.expect("the writer ends");
        fill(&folder.path().join("overdue.db"), SWEPT_SERVICES, NOW).await;
    });
    let began = Instant::now();
    let (store, writer) = runtime.block_on(opened(folder.path()));
    eprintln!("opened with {SWEPT_SERVICES} services in {} ms", began.elapsed().as_millis());
    criterion.bench_function("sweep a million services, none due", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let page = store.sweep(SweepFor::Silence, NOW, Cursor::START).await;
            assert_eq!(page.expect("it sweeps").raised, 0);
        });
    });
    runtime.block_on(async {
        store.close().await;
        writer.await.expect("the writer ends");
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(8)).sample_size(30);
    targets = batches, idle_sweep
}
criterion_main!(benches);
