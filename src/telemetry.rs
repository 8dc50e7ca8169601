//! Logs: structured, to standard error, each line readable alone.

use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging. Callers' texts are logged with `?`, which escapes what could forge a line.
///
/// # Errors
/// That `filter` cannot be read, or that logging was started before.
pub fn start(filter: &str, as_json: bool) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::builder().parse(filter)?;
    // A full disk or a closed pipe must cost log lines, and nothing else: by default a failed write panics.
    let builder =
        fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    if as_json {
        builder.json().flatten_event(true).try_init()
    } else {
        let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
        builder.with_ansi(colours).with_target(false).try_init()
    }
}
