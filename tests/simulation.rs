//! A deterministic simulation: the real core, store and sweeper on a real file, under a clock that jumps from event to
//! event, driven by a seed, against a naive model of the whole. After each step everything that is in the file is what
//! the model says: services with their deadlines, alerts, deliveries, the history, what is remembered of gaps.
//!
//! Deliveries are driven as a courier drives them, by what the store hands out and is told of each attempt; couriers and
//! sockets have tests of their own. Commands go through the real queue, those of a batch together and in a fixed order.
//!
//! A seed that fails prints its steps, as few as still fail. `SIMULATION_SEED` runs one seed, `SIMULATION_SEEDS` so many
//! of them from `SIMULATION_FROM` on, `SIMULATION_STEPS` steps each.
#![allow(clippy::print_stdout, reason = "a campaign says what it does")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    unreachable_pub,
    reason = "each room of this test binary uses what it needs of the others"
)]

#[path = "simulation/check.rs"]
mod check;
#[path = "simulation/hands.rs"]
mod hands;
#[path = "simulation/machine.rs"]
mod machine;
#[path = "model/mod.rs"]
mod model;
#[path = "simulation/plot.rs"]
mod plot;
#[path = "simulation/regressions.rs"]
mod regressions;
#[path = "simulation/run.rs"]
mod run;
#[path = "simulation/shrink.rs"]
mod shrink;
#[path = "simulation/step.rs"]
mod step;
#[path = "simulation/world.rs"]
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use plot::{Setting, plot};
use step::Step;

const SEEDS: u64 = 200;
const STEPS: u64 = 200;

/// Replays before the shortest is good enough.
const REPLAYS_MAX: usize = 400;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, which is no number")))
}

fn simulate(setting: &Setting, steps: &[Step]) -> Result<(), (usize, String)> {
    // What panics on the way fails as well, and is to be replayed like the rest.
    let simulated = std::panic::catch_unwind(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(run::run(setting, steps));
        runtime.shutdown_background();
        result
    });
    simulated.unwrap_or_else(|_| Err((steps.len(), "it panicked".to_owned())))
}

/// Runs one seed. Where it fails, the shortest steps that still do, and what is wrong then.
fn try_seed(seed: u64, steps: usize) -> Option<String> {
    let (setting, steps) = (Setting::of(seed), plot(seed, steps));
    let (at, error) = simulate(&setting, &steps).err()?;
    let mut last = (at, error);
    let found = shrink::shortest(&steps[..steps.len().min(last.0 + 1)], REPLAYS_MAX, |steps| {
        let failed = simulate(&setting, steps).err();
        let fails = failed.is_some();
        last = failed.unwrap_or_else(|| last.clone());
        fails
    });
    let (_, error) = simulate(&setting, &found).err().unwrap_or(last);
    let lines: Vec<String> = found.iter().map(|step| format!("        {step:?},\n")).collect();
    Some(format!(
        "seed {seed} fails, {setting:?}\n    replay({seed}, &[\n{}    ]);\n{error}",
        lines.concat()
    ))
}

#[test]
fn whatever_happens_the_file_is_what_a_naive_model_says() {
    let steps = usize::try_from(number("SIMULATION_STEPS").unwrap_or(STEPS)).unwrap();
    if let Some(seed) = number("SIMULATION_SEED") {
        assert_eq!(try_seed(seed, steps), None);
        return;
    }
    let first = number("SIMULATION_FROM").unwrap_or(0);
    let count = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let (next, failures) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || failures.lock().unwrap().len() >= 3 {
                        break;
                    }
                    if let Some(failure) = try_seed(seed, steps) {
                        println!("{failure}\n");
                        failures.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "these seeds fail: {failures:?}");
    println!("{count} seeds of {steps} steps from {first} on: as the model says");
}
