//! `overdue report`: how well services did in a month, as a table for people, or as CSV.

use std::io::Write as _;

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::client::{Monitor, MonitorArgs};
use super::sink::escaped;
use crate::core::limits::{LIST_PAGES_MAX, LIST_ROWS_MAX};
use crate::core::report::{self, Line};
use crate::core::text::rough_duration;

/// Say how well services did in a month
#[derive(Clone, Debug, Args)]
pub(super) struct ReportArgs {
    /// The month, as in 2026-10 [default: the present one]
    #[arg(long)]
    month: Option<String>,
    /// Comma-separated values (RFC 4180), for spreadsheets
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    monitor: MonitorArgs,
}

impl ReportArgs {
    /// What is to be reported.
    ///
    /// # Errors
    /// A sentence about the argument that is wrong.
    pub(super) fn resolve(&self) -> Result<Report, String> {
        Ok(Report { month: self.month.clone(), csv: self.csv, monitor: self.monitor.resolve()? })
    }
}

/// What is to be reported, how, and of which monitor.
#[derive(Debug)]
pub struct Report {
    month: Option<String>,
    csv: bool,
    monitor: Monitor,
}

/// What the monitor told.
struct Told {
    month: String,
    from: String,
    to: String,
    lines: Vec<Line>,
    total: Line,
}

/// Prints the report; whether it could be read.
pub async fn report(report: &Report) -> bool {
    // Nobody may be reading.
    match read(report).await {
        Ok(told) => {
            let said = if report.csv { as_csv(&told) } else { table(&told) };
            let _ = write!(std::io::stdout(), "{said}");
            true
        }
        Err(error) => {
            let server = report.monitor.server().trim_end_matches('/');
            let _ = writeln!(std::io::stderr(), "overdue: {server} could not report: {error}");
            false
        }
    }
}

async fn read(report: &Report) -> Result<Told, String> {
    let total = Line { name: "total".to_owned(), ..Line::default() };
    let (month, from, to) = (String::new(), String::new(), String::new());
    let mut told = Told { month, from, to, lines: Vec::new(), total };
    // The month that the first page is of, so that one that ends meanwhile is not mixed with the next.
    let mut wanted = report.month.clone();
    let mut cursor = String::new();
    for _ in 0..LIST_PAGES_MAX {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let month = wanted.as_deref().map(|month| format!("&month={}", encoded(month)));
        let month = month.unwrap_or_default();
        let target = format!("api/v1/report?limit={LIST_ROWS_MAX}{month}{cursor}");
        let page = report.monitor.read(&target).await?;
        let word = |name: &str| page.get(name).and_then(Value::as_str).map(str::to_owned);
        let lines = page.get("services").and_then(Value::as_array);
        for line in lines.ok_or("its answer holds no services: is it overdue?")?.iter().map(line) {
            told.total.add(&line);
            told.lines.push(line);
        }
        told.month = word("month").unwrap_or_default();
        told.from = word("from").unwrap_or_default();
        told.to = word("to").unwrap_or_default();
        wanted = Some(told.month.clone());
        match word("next_cursor") {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    Ok(told)
}

fn line(shown: &Value) -> Line {
    let number = |name: &str| shown.get(name).and_then(Value::as_i64).unwrap_or_default();
    Line {
        name: shown.get("name").and_then(Value::as_str).unwrap_or("?").to_owned(),
        outages: number("outages").unsigned_abs(),
        is_cut: shown.get("outages_are_more").and_then(Value::as_bool) == Some(true),
        downtime_seconds: number("downtime_seconds"),
        longest_seconds: number("longest_seconds"),
        watched_seconds: number("watched_seconds"),
        away_seconds: number("away_seconds"),
        paused_seconds: number("paused_seconds"),
    }
}

fn as_csv(told: &Told) -> String {
    let lines = told.lines.iter().chain([&told.total]).map(report::csv);
    std::iter::once(report::CSV_HEAD.to_owned()).chain(lines).collect()
}

/// A table, the worst first.
fn table(told: &Told) -> String {
    let head = ["NAME", "UPTIME", "OUTAGES", "DOWN", "LONGEST", "AWAY", "PAUSED"];
    let mut lines: Vec<&Line> = told.lines.iter().collect();
    lines.sort_by_key(|line| line.uptime_basis_points().unwrap_or(i64::MAX));
    let rows = lines.into_iter().chain([&told.total]).map(row);
    let rows: Vec<[String; 7]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut said = format!("{}, {} to {}\n", told.month, told.from, told.to);
    for row in &rows {
        let padded = row.iter().zip(&widths).enumerate().map(|(column, (word, width))| {
            if column == 0 { format!("{word:width$}") } else { format!("  {word:>width$}") }
        });
        said.extend(padded);
        said.push('\n');
    }
    said
}

fn row(line: &Line) -> [String; 7] {
    let span = |seconds: i64| match seconds {
        0 => "-".to_owned(),
        seconds => rough_duration(seconds),
    };
    let uptime = match line.uptime_percent() {
        text if text.is_empty() => "-".to_owned(),
        text => format!("{text} %"),
    };
    let more = if line.is_cut { "+" } else { "" };
    [
        escaped(&line.name),
        uptime,
        format!("{}{more}", line.outages),
        span(line.downtime_seconds),
        span(line.longest_seconds),
        span(line.away_seconds),
        span(line.paused_seconds),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_like_a_table_the_worst_first_and_the_total_last() {
        let line = |name: &str, downtime_seconds| Line {
            name: name.to_owned(),
            outages: u64::from(downtime_seconds > 0),
            downtime_seconds,
            longest_seconds: downtime_seconds,
            watched_seconds: 2_678_400,
            ..Line::default()
        };
        let lines = vec![
            line("a\u{7}", 0),
            line("backup", 4320),
            Line { paused_seconds: 60, ..Line { name: "p".to_owned(), ..Line::default() } },
        ];
        let mut total = Line { name: "total".to_owned(), ..Line::default() };
        for line in &lines {
            total.add(line);
        }
        let (from, to) = ("2026-10-01T00:00:00Z".to_owned(), "2026-11-01T00:00:00Z".to_owned());
        let told = Told { month: "2026-10".to_owned(), from, to, lines, total };
        insta::assert_snapshot!(table(&told), @r"
        2026-10, 2026-10-01T00:00:00Z to 2026-11-01T00:00:00Z
        NAME      UPTIME  OUTAGES        DOWN     LONGEST  AWAY  PAUSED
        backup   99.83 %        1  1 h 12 min  1 h 12 min     -       -
        a\u{7}  100.00 %        0           -           -     -       -
        p              -        0           -           -     -   1 min
        total    99.91 %        1  1 h 12 min  1 h 12 min     -   1 min
        ");
        assert_eq!(as_csv(&told).lines().last(), Some("total,1,4320,4320,99.91,5356800,0,60"));
    }
}
