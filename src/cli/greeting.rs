//! What `overdue serve` prints for the person who started it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use crate::config::Config;
use crate::core::text;
use crate::store::Summary;

/// What there is to say.
#[derive(Clone, Copy, Debug)]
pub struct Greeting<'a> {
    /// The address that it serves.
    pub address: SocketAddr,
    /// The database, as an absolute path; `None` in memory.
    pub database: Option<&'a Path>,
    /// Whether that was made just now.
    pub is_new: bool,
    /// What it holds.
    pub summary: Summary,
    /// What this machine is among others; `None`: there are none.
    pub role: Option<&'a str>,
}

/// Prints where it serves, what the database holds, where alerts go, and what to try.
pub fn print(greeting: &Greeting<'_>, config: &Config, now: i64) {
    // Nobody may be reading; that is no reason not to serve.
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", lines(greeting, config, now).join("\n")).and_then(|()| out.flush());
}

fn lines(greeting: &Greeting<'_>, config: &Config, now: i64) -> Vec<String> {
    let Greeting { address, database, is_new, summary, role } = greeting;
    let held = if *is_new { "new, empty".to_owned() } else { holds(summary, now) };
    let mut lines = vec![
        format!("overdue {} serves http://{address}", env!("CARGO_PKG_VERSION")),
        format!("  database  {} ({held})", shown_path(*database)),
    ];
    lines.extend(role.map(|role| format!("  role      {role}")));
    lines.extend(config.destinations.iter().map(|to| format!("  alerts    go to {}", to.shown())));
    if config.destinations.is_empty() {
        lines.push(
            "  alerts    PING_ALERT_URI is not set: they are only logged and stored".to_owned(),
        );
    }
    if !config.destinations.is_empty() && config.base_url.is_none() {
        lines.push("  links     OVERDUE_BASE_URL is not set: alerts carry none".to_owned());
    }
    let key = if config.keys.is_empty() { "" } else { "&key=KEY" };
    lines.push(format!("  try       curl 'http://{address}/ping?name=hello&frequency=10s{key}'"));
    lines
}

/// The database as people are told of it.
pub fn shown_path(database: Option<&Path>) -> String {
    database.map_or_else(
        || "in memory, ends with this process".to_owned(),
        |path| path.display().to_string(),
    )
}

/// `empty`, or `212 services, 2 overdue, last heard 14:02:11 UTC`.
fn holds(summary: &Summary, now: i64) -> String {
    let services = match summary.services {
        0 => return "empty".to_owned(),
        1 => "1 service".to_owned(),
        services => format!("{services} services"),
    };
    let heard = summary.last_ping.map_or_else(
        || "never heard".to_owned(),
        |second| format!("last heard {}", text::clock_time_utc(second, now)),
    );
    format!("{services}, {} overdue, {heard}", summary.overdue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_database_holds_is_said_in_one_breath() {
        let noon = 1_795_608_000;
        let held =
            |services, overdue, last_ping| holds(&Summary { services, overdue, last_ping }, noon);
        insta::assert_snapshot!(held(0, 0, None), @"empty");
        insta::assert_snapshot!(held(1, 0, None), @"1 service, 0 overdue, never heard");
        insta::assert_snapshot!(held(212, 2, Some(noon + 7331)), @"212 services, 2 overdue, last heard 14:02:11 UTC");
        insta::assert_snapshot!(held(212, 2, Some(noon - 86_400)), @"212 services, 2 overdue, last heard 2026-11-24 12:00:00 UTC");
    }
}
