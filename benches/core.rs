//! What a decision costs before anything is stored: reading durations and names, and the state machine.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use overdue::core::frequency::{Frequency, Grace};
use overdue::core::name::Name;
use overdue::core::ping::{Ping, Terms, ping};
use overdue::core::schedule::{CronPattern, Zone};
use overdue::core::service::{Service, sweep};
use overdue::core::signal::Signal;

const NOW: i64 = 1_795_600_800;

fn ten_minutes() -> Terms {
    Terms { frequency: Frequency::from_seconds(600), ..Terms::default() }
}

fn every_night() -> Terms {
    let (cron, zone) = (CronPattern::parse("0 2 * * 1-5"), Zone::parse("Europe/Berlin"));
    Terms { cron: cron.ok(), zone: zone.ok(), ..Terms::default() }
}

/// A ping of `job` that arrives at `now`.
fn told(terms: Terms, now: i64) -> Ping {
    Ping { terms, ..Ping::new(Name::parse("job").expect("it is a name"), now) }
}

/// The service that a first ping makes.
fn made(terms: Terms) -> Service {
    let made = ping(None, &told(terms, NOW), Grace::ZERO, NOW).expect("the first ping is taken");
    made.change.service
}

fn reading(criterion: &mut Criterion) {
    criterion.bench_function("read a frequency", |bencher| {
        bencher.iter(|| Frequency::parse(black_box("90m")));
    });
    criterion.bench_function("refuse a frequency", |bencher| {
        bencher.iter(|| Frequency::parse(black_box("1h30m")));
    });
    criterion.bench_function("read a name", |bencher| {
        bencher.iter(|| Name::parse(black_box("backup of db-1")));
    });
    criterion.bench_function("read a cron expression", |bencher| {
        bencher.iter(|| CronPattern::parse(black_box("0 2 * * 1-5")));
    });
}

fn deciding(criterion: &mut Criterion) {
    for (what, terms) in [("a frequency", ten_minutes()), ("cron", every_night())] {
        let (service, again) = (made(terms.clone()), told(terms, NOW + 60));
        criterion.bench_function(&format!("decide a success, {what}"), |bencher| {
            bencher.iter(|| ping(Some(black_box(&service)), &again, Grace::ZERO, NOW + 60));
        });
    }
    let service = made(ten_minutes());
    let failure = Ping { signal: Signal::Fail, ..told(ten_minutes(), NOW + 60) };
    criterion.bench_function("decide a failure and its alert", |bencher| {
        bencher.iter(|| ping(Some(black_box(&service)), &failure, Grace::ZERO, NOW + 60));
    });
    criterion.bench_function("decide a silence and its alert", |bencher| {
        bencher.iter(|| sweep(black_box(&service), NOW + 3600, None));
    });
    criterion.bench_function("the status of a service", |bencher| {
        bencher.iter(|| black_box(&service).status(black_box(NOW)));
    });
}

criterion_group!(benches, reading, deciding);
criterion_main!(benches);
