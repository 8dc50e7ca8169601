//! `overdue sink`: a receiver that prints the alerts it gets, so that the first one needs no account anywhere.

use std::io::Write as _;
use std::net::SocketAddr;

use clap::Args;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::core::text;
use crate::http::{self, ServerLimits};

/// Receives alerts and prints them.
#[derive(Debug, Args)]
pub(super) struct Sink {
    /// The address to receive on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4001")]
    listen: SocketAddr,
    /// The status to answer with, to see how a failing receiver is treated
    #[arg(long, value_name = "STATUS", default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=599))]
    answer: u16,
}

impl Sink {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let listener = TcpListener::bind(self.listen)
            .await
            .map_err(|error| anyhow::anyhow!("cannot listen on {}: {error}", self.listen))?;
        let address = listener.local_addr()?;
        print(&format!(
            "prints alerts sent to http://{address} and answers {}; end it with Ctrl-C",
            self.answer
        ));
        let stop = CancellationToken::new();
        super::serve::stop_on_signals(&stop)?;
        let router = http::sink(self.answer, |received| print(&line(&received, &Clock::system())));
        http::serve(listener, router, ServerLimits::default(), stop).await;
        Ok(())
    }
}

/// When, what, and the alert's own words; whatever else came is shown as it is, but escaped.
fn line(received: &http::Received, clock: &Clock) -> String {
    let at = text::rfc3339(clock.now());
    let json: Option<Value> = serde_json::from_str(&received.body).ok();
    let word = |name: &str| {
        json.as_ref().and_then(|json| json.get(name)).and_then(Value::as_str).map(escaped)
    };
    match (word("id"), word("text")) {
        (Some(id), Some(text)) => format!("{at} {id} {text}"),
        _ => format!(
            "{at} {} {} {}",
            received.method,
            escaped(&received.uri),
            escaped(&received.body)
        ),
    }
}

/// Terminals obey control characters; alerts come from anywhere.
fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

fn print(line: &str) {
    // Nobody may be reading.
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
