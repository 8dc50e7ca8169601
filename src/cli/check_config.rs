//! `overdue check-config`: says what is wrong with the settings, or what they come to.

use std::io::Write as _;

use crate::config::Config;
use crate::core::alert::Kind;

/// Prints what the settings come to.
///
/// # Errors
/// That nobody could be told.
pub fn print(config: &Config) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", lines(config).join("\n"))?;
    out.flush()
}

fn lines(config: &Config) -> Vec<String> {
    let mut lines = vec![format!("the settings are right; it would listen on {}", config.listen)];
    for destination in &config.destinations {
        let kinds: Vec<&str> = destination.route.kinds.iter().copied().map(Kind::as_str).collect();
        let services =
            if destination.route.services.is_some() { "some services" } else { "all services" };
        let signed = if destination.secrets.is_empty() { "" } else { ", signed" };
        lines.push(format!(
            "  {}: {} of {services} to {}{signed}",
            destination.name,
            kinds.join(", "),
            destination.shown()
        ));
    }
    if config.destinations.is_empty() {
        lines.push("  no destination: alerts are only logged and stored".to_owned());
    }
    lines
}
