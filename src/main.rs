//! The binary: everything is in the library.

use std::io::Write as _;
use std::num::NonZero;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(status) => status,
        Err(error) => {
            // Standard error may be gone; the exit status says it too.
            let _ = writeln!(std::io::stderr(), "overdue: {error}");
            let invocation = error.downcast_ref::<overdue::cli::InvocationError>();
            invocation.map_or(1, overdue::cli::InvocationError::exit_status).into()
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let invocation = overdue::cli::parse()?;
    // The database's own thread is as busy as a worker where pings come thick and fast, and all of them wait for it: on a
    // small machine a worker more would only take its processor away. It wakes the writer, which is not to stand behind
    // dozens of others.
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads((processors - 1).max(1))
        .global_queue_interval(1)
        .enable_all()
        .build()?;
    let result = runtime.block_on(overdue::app::run(invocation));
    // What is still running then was given its time.
    runtime.shutdown_background();
    Ok(result?)
}
