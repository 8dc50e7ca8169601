//! The binary: everything is in the library.

use std::io::Write as _;
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
    // The database's own thread wakes the writer, for which all pings wait: it is not to stand behind dozens of others.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .global_queue_interval(1)
        .enable_all()
        .build()?;
    let result = runtime.block_on(overdue::app::run(invocation));
    // What is still running then was given its time.
    runtime.shutdown_background();
    Ok(result?)
}
