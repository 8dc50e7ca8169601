//! `overdue list`: services and how they are, as a table for people or as JSON for programs.

use std::io::Write as _;

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::client::{Monitor, MonitorArgs};
use super::sink::escaped;
use crate::core::limits::{LIST_PAGES_MAX, LIST_ROWS_MAX};
use crate::core::service::Status;
use crate::core::text;

/// List services and how they are
#[derive(Clone, Debug, Args)]
pub(super) struct ListArgs {
    /// Only those in whose names this stands
    search: Option<String>,
    /// Only those of this status: overdue, failed, late, up, waiting or paused
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// One JSON array, for programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    monitor: MonitorArgs,
}

impl ListArgs {
    /// What is to be listed.
    ///
    /// # Errors
    /// A sentence about the argument that is wrong.
    pub(super) fn resolve(&self) -> Result<List, String> {
        if let Some(status) = self.status.as_deref().filter(|text| Status::parse(text).is_none()) {
            let words: Vec<&str> = Status::ALL.into_iter().map(Status::as_str).collect();
            return Err(format!(
                "--status {status:?} is not known: use one of {}",
                words.join(", ")
            ));
        }
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let search = self.search.as_ref().map(|text| format!("&search={}", encoded(text)));
        let status = self.status.as_ref().map(|status| format!("&status={status}"));
        let query = [Some(format!("limit={LIST_ROWS_MAX}")), search, status];
        let query: String = query.into_iter().flatten().collect();
        Ok(List { query, json: self.json, monitor: self.monitor.resolve()? })
    }
}

/// What is to be listed, how, and of which monitor.
#[derive(Debug)]
pub struct List {
    query: String,
    json: bool,
    monitor: Monitor,
}

/// Prints the list as it is at `now`; whether it could be read.
pub async fn list(list: &List, now: i64) -> bool {
    // Nobody may be reading.
    match services(list).await {
        Ok(services) if list.json => {
            let _ = writeln!(std::io::stdout(), "{}", Value::Array(services));
            true
        }
        Ok(services) => {
            let _ = write!(std::io::stdout(), "{}", table(&services, now));
            true
        }
        Err(error) => {
            let server = list.monitor.server().trim_end_matches('/');
            let _ = writeln!(std::io::stderr(), "overdue: {server} could not be asked: {error}");
            false
        }
    }
}

async fn services(list: &List) -> Result<Vec<Value>, String> {
    let (mut services, mut cursor) = (Vec::new(), String::new());
    for _ in 0..LIST_PAGES_MAX {
        let page = list.monitor.read(&format!("api/v1/services?{}{cursor}", list.query)).await?;
        let found = page.get("services").and_then(Value::as_array);
        services
            .extend(found.ok_or("its answer holds no services: is it overdue?")?.iter().cloned());
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    Ok(services)
}

/// The words of a service in a list.
struct Row {
    rank: usize,
    deadline: Option<i64>,
    words: [String; 5],
}

/// A table, the most urgent first, then what is due next.
fn table(services: &[Value], now: i64) -> String {
    if services.is_empty() {
        return "no services\n".to_owned();
    }
    let mut rows: Vec<Row> = services.iter().map(|service| row(service, now)).collect();
    rows.sort_by_key(|row| (row.rank, row.deadline.unwrap_or(i64::MAX)));
    let head = ["STATUS", "NAME", "DUE", "LAST PING", "SCHEDULE"].map(str::to_owned);
    let lines: Vec<[String; 5]> =
        std::iter::once(head).chain(rows.into_iter().map(|row| row.words)).collect();
    let width = |column: usize| {
        lines.iter().map(|words| words[column].chars().count()).max().unwrap_or_default()
    };
    let widths = [0, 1, 2, 3].map(width);
    let line = |words: &[String; 5]| {
        let padded = words.iter().zip(widths).map(|(word, width)| format!("{word:width$}  "));
        padded.chain([words[4].clone(), "\n".to_owned()]).collect::<String>()
    };
    lines.iter().map(line).collect()
}

fn row(service: &Value, now: i64) -> Row {
    let word = |name: &str| service.get(name).and_then(Value::as_str);
    let second = |name: &str| {
        word(name)
            .and_then(|text| text.parse::<jiff::Timestamp>().ok())
            .map(jiff::Timestamp::as_second)
    };
    let status = word("status").unwrap_or("?");
    let running = service.get("running").and_then(Value::as_bool) == Some(true);
    let deadline = second("deadline");
    let due = match deadline {
        None => "-".to_owned(),
        Some(deadline) if deadline < now => {
            format!("{} late", text::rough_duration(now - deadline))
        }
        Some(deadline) => format!("in {}", text::rough_duration(deadline - now)),
    };
    let last_ping = second("last_ping").map_or_else(
        || "never".to_owned(),
        |second| format!("{} ago", text::rough_duration(now - second)),
    );
    let schedule = match (word("frequency"), word("cron"), word("tz")) {
        (Some(frequency), _, _) => format!("every {frequency}"),
        (None, Some(cron), tz) => format!("{cron} ({})", tz.unwrap_or("UTC")),
        (None, None, _) => "?".to_owned(),
    };
    Row {
        rank: Status::ALL
            .into_iter()
            .position(|known| known.as_str() == status)
            .unwrap_or(Status::ALL.len()),
        deadline,
        words: [
            if running { format!("{status}, running") } else { status.to_owned() },
            escaped(word("name").unwrap_or("?")),
            due,
            last_ping,
            escaped(&schedule),
        ],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_reads_like_a_table_the_most_urgent_first() {
        let service = |name: &str, status: &str, running: bool, deadline: Option<&str>| {
            json!({
                "name": name, "status": status, "running": running, "deadline": deadline, "frequency": "1D",
                "last_ping": deadline.map(|_| "2026-11-25T09:00:00Z")
            })
        };
        let mut cron = service("nightly", "late", false, Some("2026-11-25T10:20:00Z"));
        cron["frequency"] = Value::Null;
        (cron["cron"], cron["tz"]) = (json!("0 2 * * *"), json!("Europe/Berlin"));
        let services = [
            service("new", "waiting", false, None),
            service("b", "up", true, Some("2026-11-25T12:00:00Z")),
            service("a\u{7}", "up", false, Some("2026-11-25T11:00:00Z")),
            service("backup", "overdue", false, Some("2026-11-25T08:48:00Z")),
            cron,
        ];
        let noon = "2026-11-25T10:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
        insta::assert_snapshot!(table(&services, noon), @r"
        STATUS       NAME     DUE              LAST PING  SCHEDULE
        overdue      backup   1 h 12 min late  1 h ago    every 1D
        late         nightly  in 20 min        1 h ago    0 2 * * * (Europe/Berlin)
        up           a\u{7}   in 1 h           1 h ago    every 1D
        up, running  b        in 2 h           1 h ago    every 1D
        waiting      new      -                never      every 1D
        ");
        assert_eq!(table(&[], noon), "no services\n");
    }
}
