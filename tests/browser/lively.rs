//! A monitor as it is after a while: some services well, some in trouble, and what became of them.
#![allow(unreachable_pub, reason = "shared by the rooms of this test binary")]

use std::fmt::Write as _;

use crate::support::{Server, now, raw};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// A service whose runs are made up.
struct Past {
    name: &'static str,
    /// What it says of its schedule.
    terms: &'static str,
    every: i64,
    /// How long ago the last run was.
    ago: i64,
    usual_ms: i64,
    runs: i64,
    /// Which runs failed.
    failed: &'static [i64],
}

const PASTS: [Past; 9] = [
    past("nightly-backup", "frequency=1D&grace=1h", DAY, DAY + 2 * HOUR + 720, 183_000, &[]),
    past("invoices/send", "frequency=1D&grace=15m", DAY, DAY + 1420, 40_000, &[9]),
    past("sync-crm", "frequency=30m&grace=6m", 1800, 240, 12_000, &[3]),
    past("report.weekly", "frequency=1W&grace=6h", 7 * DAY, 7 * DAY + 1320, 660_000, &[]),
    past("rotate-certs", "frequency=12h&grace=1h", 12 * HOUR, 11 * HOUR, 2000, &[]),
    past("daily_digest", "frequency=1D&grace=30m", DAY, DAY - 1380, 48_000, &[28]),
    past("export-warehouse", "frequency=2h&grace=20m", 2 * HOUR, 3480, 360_000, &[]),
    past(
        "train-embeddings",
        "frequency=1D&grace=2h&max_runtime=4h",
        DAY,
        DAY - HOUR,
        7_800_000,
        &[],
    ),
    past("legacy-import", "frequency=1h&grace=5m", HOUR, 1200, 9000, &[]),
];

const fn past(
    name: &'static str,
    terms: &'static str,
    every: i64,
    ago: i64,
    usual_ms: i64,
    failed: &'static [i64],
) -> Past {
    Past { name, terms, every, ago, usual_ms, runs: 30, failed }
}

/// Fills a server with what has happened, and with `more` services that are well.
pub async fn seed(server: &Server, more: i64) {
    let mut requests = Vec::new();
    for past in &PASTS {
        let last = now() - past.ago;
        for run in 0..past.runs {
            let at = last - (past.runs - 1 - run) * past.every;
            // Up to a fifth more or less, as if by chance and the same each time.
            let chance = (run * run * 7919 + run * 104_729 + past.usual_ms) % 211 % 41;
            let took = past.usual_ms * (80 + chance) / 100;
            let signal = if past.failed.contains(&run) { "fail" } else { "success" };
            requests.push(ping(
                past.name,
                &format!("{}&timestamp={at}&duration_ms={took}&signal={signal}", past.terms),
            ));
        }
    }
    requests.push(request(
        "POST",
        "/ping/sync-crm/7",
        "connecting to crm.example.com\nconnection refused\n",
    ));
    requests.push(ping(
        "train-embeddings",
        &format!("signal=start&frequency=1D&timestamp={}", now() - 38 * 60),
    ));
    requests.push(request("POST", "/api/v1/services/legacy-import/pause", ""));
    requests.push(request(
        "PUT",
        "/api/v1/services/quarterly-close",
        r#"{"frequency":"12W","description":"Closes the quarter"}"#,
    ));
    for number in 0..more {
        let name = format!(
            "{}-{number:03}",
            ["backup", "mail", "cache", "thumbnails"][usize::try_from(number % 4).unwrap()]
        );
        let at = now() - (number * 131) % (20 * HOUR);
        requests.push(ping(
            &name,
            &format!("frequency=1D&grace=1h&timestamp={at}&duration_ms={}", 900 + number * 13),
        ));
    }
    // One connection each would be many; a hundred requests share one.
    for batch in requests.chunks(100) {
        let mut text = String::new();
        for (place, request) in batch.iter().enumerate() {
            let end = if place + 1 == batch.len() { "close" } else { "keep-alive" };
            let _ = write!(
                text,
                "{}",
                request.replace("HOST", &server.address.to_string()).replace("END", end)
            );
        }
        let answer = raw(server.address, text.as_bytes()).await.unwrap();
        let all = format!("{}\r\n\r\n{}", answer.head, answer.body).to_ascii_lowercase();
        let accepted = all.matches("http/1.1 200").count() + all.matches("http/1.1 201").count();
        assert_eq!(accepted, batch.len(), "{all}");
    }
}

fn ping(name: &str, query: &str) -> String {
    let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    request("GET", &format!("/ping?name={name}&{query}"), "")
}

fn request(method: &str, target: &str, body: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: HOST\r\nConnection: END\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
