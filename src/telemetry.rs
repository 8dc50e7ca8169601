//! Logs: structured, to standard error, each line readable alone.

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, fmt};

use crate::core::limits::LOG_LINES_WAITING_MAX;

/// Starts logging; lines that wait are written out when what it returns is dropped. Callers' texts are logged with `?`,
/// which escapes what could forge a line.
///
/// # Errors
/// That `filter` cannot be read, or that logging was started before.
pub fn start(
    filter: &str,
    as_json: bool,
) -> Result<WorkerGuard, Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::builder().parse(filter)?;
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A reader that has stopped reading, a full disk or a closed pipe must cost log lines and nothing else: lines wait in
    // a bounded queue, those beyond are dropped, and a failed write does not panic.
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LOG_LINES_WAITING_MAX)
        .finish(std::io::stderr());
    let builder = fmt().with_env_filter(filter).with_writer(writer).log_internal_errors(false);
    if as_json {
        builder.json().flatten_event(true).try_init()?;
    } else {
        builder.with_ansi(colours).with_target(false).try_init()?;
    }
    Ok(guard)
}
