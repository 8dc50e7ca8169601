//! The binary: everything is in the library.

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match overdue::cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be gone; the exit status says it too.
            let _ = writeln!(std::io::stderr(), "overdue: {error:#}");
            ExitCode::FAILURE
        }
    }
}
