//! `overdue sink`: a receiver that prints the alerts it gets, so that the first one needs no account anywhere.

use std::io::Write as _;
use std::net::SocketAddr;

use clap::Args;
use serde_json::Value;

use crate::core::text;

/// Receives alerts and prints them.
#[derive(Debug, Args)]
pub struct Sink {
    /// The address to receive on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4001")]
    pub listen: SocketAddr,
    /// The status to answer with, to see how a failing receiver is treated
    #[arg(long, value_name = "STATUS", default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=599))]
    pub answer: u16,
}

impl Sink {
    /// Says where it receives.
    pub fn greet(&self, address: SocketAddr) {
        print(&format!(
            "prints alerts sent to http://{address} and answers {}; end it with Ctrl-C",
            self.answer
        ));
    }
}

/// Prints what was received at `now`: when, which, and the alert's own words. Whatever else came is shown as it is, but
/// escaped.
pub fn receive(method: &str, uri: &str, body: &str, now: i64) {
    print(&line(method, uri, body, now));
}

fn line(method: &str, uri: &str, body: &str, now: i64) -> String {
    let at = text::rfc3339(now);
    let json: Option<Value> = serde_json::from_str(body).ok();
    let word = |name: &str| {
        json.as_ref().and_then(|json| json.get(name)).and_then(Value::as_str).map(escaped)
    };
    match (word("id"), word("text")) {
        (Some(id), Some(text)) => format!("{at} {id} {text}"),
        _ => format!("{at} {method} {} {}", escaped(uri), escaped(body)).trim_end().to_owned(),
    }
}

/// Terminals obey control characters, and alerts come from anywhere.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

fn print(line: &str) {
    // Nobody may be reading.
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_printed_with_its_own_words_and_anything_else_as_it_is() {
        let alert = r#"{"id":"alr_x","text":"OVERDUE a: 1 s late."}"#;
        insta::assert_snapshot!(line("POST", "/", alert, 0), @"1970-01-01T00:00:00Z alr_x OVERDUE a: 1 s late.");
        insta::assert_snapshot!(line("GET", "/?name=a&last_ping=7", "", 0), @"1970-01-01T00:00:00Z GET /?name=a&last_ping=7");
        insta::assert_snapshot!(line("POST", "/", "\u{1b}[2J\nforged", 0), @r#"1970-01-01T00:00:00Z POST / \u{1b}[2J\nforged"#);
    }
}
