//! The binary: everything is in the library.

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be gone; the exit status says it too.
            let _ = writeln!(std::io::stderr(), "overdue: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let invocation = overdue::cli::parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(overdue::app::run(invocation));
    // What is still running then was given its time.
    runtime.shutdown_background();
    Ok(result?)
}
