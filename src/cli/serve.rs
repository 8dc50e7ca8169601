//! `overdue serve`: starts the server, says what it found, and stops it on SIGTERM and SIGINT.

use std::fmt::Write as _;
use std::io::Write as _;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, LogFormat};
use crate::core::text;
use crate::store::Summary;
use crate::telemetry;

pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    telemetry::start(&config.log, config.log_format).map_err(anyhow::Error::from_boxed)?;
    let stop = CancellationToken::new();
    // Before anything is opened, so that a signal during the start is not lost.
    stop_on_signals(&stop)?;
    let clock = Clock::system();
    let app = App::start(config, clock.clone()).await?;
    match config.log_format {
        LogFormat::Text => greet(&app, config, clock.now()),
        LogFormat::Json => info!(
            address = %app.address,
            database = %shown_path(&app),
            services = app.summary.services,
            overdue = app.summary.overdue,
            last_ping = app.summary.last_ping,
            destinations = config.destinations.len(),
            "serving"
        ),
    }
    Ok(app.run(stop).await?)
}

pub(super) fn stop_on_signals(stop: &CancellationToken) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}

/// A few lines for the person who started it.
fn greet(app: &App, config: &Config, now: i64) {
    let mut lines = String::new();
    let address = app.address;
    let mut line = |words: std::fmt::Arguments<'_>| {
        // Writing to a String does not fail.
        let _ = lines.write_fmt(words).and_then(|()| lines.write_char('\n'));
    };
    line(format_args!("overdue {} serves http://{address}", env!("CARGO_PKG_VERSION")));
    line(format_args!("  database  {} ({})", shown_path(app), holds(&app.summary, now)));
    for destination in &config.destinations {
        line(format_args!("  alerts    go to {}", destination.shown()));
    }
    if config.destinations.is_empty() {
        line(format_args!(
            "  alerts    PING_ALERT_URI is not set: they are only logged and stored"
        ));
    }
    line(format_args!("  try       curl 'http://{address}/ping?name=hello&frequency=10s'"));
    // Nobody may be reading; that is no reason not to serve.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
}

fn shown_path(app: &App) -> String {
    app.database.as_ref().map_or_else(
        || "in memory, ends with this process".to_owned(),
        |path| path.display().to_string(),
    )
}

/// `new, empty`, or `212 services, 2 overdue, last heard 14:02:11`.
fn holds(summary: &Summary, now: i64) -> String {
    if summary.services == 0 {
        return "new, empty".to_owned();
    }
    let services = if summary.services == 1 { "service" } else { "services" };
    let heard = match summary.last_ping {
        Some(second) => format!("last heard {}", text::clock_time_utc(second, now)),
        None => "never heard".to_owned(),
    };
    format!("{} {services}, {} overdue, {heard}", summary.services, summary.overdue)
}
