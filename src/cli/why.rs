//! `overdue why`: why an alert came, or did not.

use std::io::Write as _;

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::client::{Monitor, MonitorArgs};
use super::sink::escaped;
use crate::core::name::{Name, segment};

#[allow(clippy::doc_markdown, reason = "these are the words of --help, where backticks would show")]
/// Say why an alert came, or did not
#[derive(Clone, Debug, Args)]
pub(super) struct WhyArgs {
    /// The service's name, or an alias; one that was deleted, too
    name: String,
    /// When: 02:00, 2026-10-03T02:00 (both in the monitor's OVERDUE_TZ), Unix seconds, or 2h for so long ago [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The facts behind the sentences as JSON, for programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    monitor: MonitorArgs,
}

impl WhyArgs {
    /// What is asked.
    ///
    /// # Errors
    /// A sentence about the argument that is wrong.
    pub(super) fn resolve(&self) -> Result<Why, String> {
        let name = Name::parse(self.name.as_str())
            .map_err(|error| format!("the name {:?} {error}", self.name))?;
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let at = self.at.as_deref().map(|at| format!("?at={}", encoded(at))).unwrap_or_default();
        let target = format!("api/v1/services/{}/why{at}", encoded(&segment(name.as_str())));
        Ok(Why { target, json: self.json, monitor: self.monitor.resolve()? })
    }
}

/// What is asked, and of which monitor.
#[derive(Debug)]
pub struct Why {
    target: String,
    json: bool,
    monitor: Monitor,
}

/// Prints the answer, a sentence a line; whether there is one.
pub async fn why(why: &Why) -> bool {
    let answer = why.monitor.read(&why.target).await;
    let said = answer.and_then(|answer| match answer.get("sentences").and_then(Value::as_array) {
        Some(_) if why.json => Ok(format!("{answer}\n")),
        Some(sentences) => {
            let lines = sentences.iter().filter_map(Value::as_str);
            Ok(lines.map(|line| escaped(line) + "\n").collect())
        }
        None => Err("its answer holds no sentences: is it overdue?".to_owned()),
    });
    // Nobody may be reading.
    match said {
        Ok(said) => {
            let _ = write!(std::io::stdout(), "{said}");
            true
        }
        Err(error) => {
            let server = why.monitor.server().trim_end_matches('/');
            let _ = writeln!(std::io::stderr(), "overdue: {server} could not say why: {error}");
            false
        }
    }
}
