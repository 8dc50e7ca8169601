//! `/metrics`, read as Prometheus reads it.

use std::collections::BTreeMap;

use overdue::config::AlertFormat;
use overdue::core::limits::METRICS_SERVICES_MAX;
use overdue::core::role::{Role, Standing};
use overdue::store::Rules;
use tokio::sync::watch;

use crate::house::{House, TEN, destination, rules};
use crate::keys::entrance;
use crate::support::{Receiver, Reply};

const OPENMETRICS: &str =
    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";

/// What was scraped: types by the metrics' names, and values by what stands before them.
#[derive(Debug, Default)]
struct Scrape {
    types: BTreeMap<String, String>,
    /// Numbers as people write them: `1`, `-10`.
    samples: BTreeMap<String, String>,
    ended: bool,
}

impl Scrape {
    /// Reads an exposition by its grammar, and panics where it is wrong.
    fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        for line in text.lines() {
            assert!(!scrape.ended, "behind the end: {line}");
            if line == "# EOF" {
                scrape.ended = true;
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(scrape.types.insert(name.into(), kind.into()).is_none(), "twice: {line}");
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                assert!(rest.split_once(' ').is_some_and(|(_, help)| !help.is_empty()), "{line}");
            } else {
                let (name, labels, value) = sample(line);
                let key = match labels.as_slice() {
                    [] => name.clone(),
                    _ => format!("{name} {}", labels.join(" ")),
                };
                assert!(scrape.is_declared(&name), "without a type: {line}");
                assert!(scrape.samples.insert(key, value).is_none(), "twice: {line}");
            }
        }
        scrape
    }

    fn is_declared(&self, sample: &str) -> bool {
        ["", "_total", "_bucket", "_sum", "_count"].iter().any(|suffix| {
            sample.strip_suffix(suffix).is_some_and(|name| self.types.contains_key(name))
        })
    }

    #[track_caller]
    fn value(&self, sample: &str) -> &str {
        self.samples.get(sample).unwrap_or_else(|| panic!("{sample} is not in {self:#?}"))
    }

    fn has(&self, sample: &str) -> bool {
        self.samples.contains_key(sample)
    }
}

/// `name{label="value",…} 1`: its name, `label=value` each with what was escaped as it was, and the value.
fn sample(line: &str) -> (String, Vec<String>, String) {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    let is_word = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    assert!(is_word(name), "{line}");
    let mut labels = Vec::new();
    while rest.starts_with(['{', ',']) {
        let (label, after) = rest[1..].split_once("=\"").unwrap();
        assert!(is_word(label), "{line}");
        let (mut value, mut chars) = (String::new(), after.char_indices());
        let end = loop {
            match chars.next().unwrap() {
                (at, '"') => break at + 1,
                (_, '\\') => match chars.next().unwrap().1 {
                    'n' => value.push('\n'),
                    c @ ('"' | '\\') => value.push(c),
                    c => panic!("\\{c} is no escape: {line}"),
                },
                (_, c) => value.push(c),
            }
        };
        // The two formats write the bounds of buckets differently.
        let bound: Option<f64> = (label == "le").then(|| value.parse().unwrap());
        let value = bound.map_or(value, |bound| bound.to_string());
        labels.push(format!("{label}={value}"));
        rest = &after[end..];
    }
    let value: f64 = rest.strip_prefix('}').unwrap_or(rest).trim_start().parse().unwrap();
    (name.to_owned(), labels, value.to_string())
}

async fn scrape(house: &House) -> Scrape {
    Scrape::parse(&house.text(House::request("GET", "/metrics")).await.1)
}

#[tokio::test]
async fn a_scrape_reads_as_open_metrics_where_that_is_asked_for_and_else_as_prometheus_own_format()
{
    let house = House::new().await;
    house.ping("name=a&frequency=1h").await;
    let request = House::request("GET", "/metrics").header("accept", OPENMETRICS);
    let (headers, text) = house.text(request).await;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(headers["content-type"], kind);
    assert_eq!(headers["cache-control"], "no-store");
    let open = Scrape::parse(&text);
    assert!(open.ended);
    assert_eq!(open.types["overdue_pings"], "counter");
    let (headers, text) = house.text(House::request("GET", "/metrics")).await;
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let plain = Scrape::parse(&text);
    assert_eq!(plain.types["overdue_pings_total"], "counter");
    let names = |scrape: &Scrape| scrape.samples.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&open), names(&plain));
}

#[tokio::test]
async fn pings_batches_and_commits_are_counted() {
    let house = House::new().await;
    house.ping("name=a&frequency=1h").await;
    house.ping("name=a&frequency=1h&signal=7").await;
    house.get("/ping/a/start").await;
    assert_eq!(house.get(&format!("/ping/a?timestamp={}", TEN - 9)).await.status, 409);
    assert_eq!(house.get("/ping/nobody").await.status, 404);
    assert_eq!(house.get("/ping?name=a&frequency=1x").await.status, 400);
    let scrape = scrape(&house).await;
    for (sample, value) in [
        ("overdue_pings_total signal=success outcome=stored", "1"),
        ("overdue_pings_total signal=fail outcome=stored", "1"),
        ("overdue_pings_total signal=start outcome=stored", "1"),
        ("overdue_pings_total signal=success outcome=refused", "2"),
        ("overdue_pings_total signal=log outcome=unavailable", "0"),
        ("overdue_ping_answers_total code=200", "3"),
        ("overdue_ping_answers_total code=409", "1"),
        ("overdue_ping_answers_total code=404", "1"),
        ("overdue_ping_answers_total code=400", "1"),
        ("overdue_batch_commands_count", "5"),
        ("overdue_batch_commands_sum", "5"),
        ("overdue_batch_commands_bucket le=1", "5"),
        ("overdue_batch_duration_seconds_count", "5"),
        ("overdue_commit_duration_seconds_bucket le=inf", "5"),
        ("overdue_alerts_total kind=failed", "1"),
        ("overdue_queue_commands", "0"),
        ("overdue_commit_failing_seconds", "0"),
        ("process_start_time_seconds", "1795600800"),
        ("overdue_role role=alone", "1"),
        ("overdue_role role=replica", "0"),
        ("overdue_replication_lag_seconds", "0"),
    ] {
        assert_eq!(scrape.value(sample), value, "{sample}");
    }
    for sample in
        ["overdue_commit_duration_seconds_sum", "overdue_wal_bytes", "overdue_database_bytes"]
    {
        assert!(scrape.value(sample).parse::<f64>().unwrap() > 0.0, "{sample}");
    }
    let build = concat!("overdue_build_info version=", env!("CARGO_PKG_VERSION"));
    assert_eq!(scrape.value(build), "1");
}

#[tokio::test]
async fn services_are_counted_by_their_status_and_each_has_series_with_its_name_as_it_is() {
    let house = House::new().await;
    let odd = r#"a "quoted" \ name, {b="c"} ☃"#;
    let encoded = percent_encoding::utf8_percent_encode(odd, percent_encoding::NON_ALPHANUMERIC);
    house.ping(&format!("name={encoded}&frequency=10s")).await;
    house.ping("name=late&frequency=10s&grace=1h").await;
    house.ping("name=up&frequency=1h").await;
    house.ping("name=failed&frequency=1h&signal=fail").await;
    house.ping("name=paused&frequency=1h").await;
    house.ping("name=running&frequency=10s&signal=start&max_runtime=1h").await;
    assert_eq!(house.send("POST", "/api/v1/services/paused/pause").await.status, 200);
    let declared = serde_json::json!({"frequency": "1h"});
    assert_eq!(house.send_json("PUT", "/api/v1/services/waiting", &declared).await.status, 201);
    house.sweep_at(TEN + 20).await;
    let scrape = scrape(&house).await;
    for status in ["overdue", "failed", "late", "up", "waiting", "paused"] {
        let listed = house.get(&format!("/api/v1/services?status={status}")).await;
        let listed = listed.json["services"].as_array().unwrap().len();
        assert!(listed > 0, "{status}");
        let sample = format!("overdue_services status={status}");
        assert_eq!(scrape.value(&sample), listed.to_string(), "{sample}");
    }
    for (name, up, deadline) in [
        (odd, "0", "-10"),
        ("late", "1", "3590"),
        ("up", "1", "3580"),
        ("failed", "0", "3580"),
        ("running", "1", "3580"),
    ] {
        let value = |metric| scrape.value(&format!("{metric} name={name}")).to_owned();
        assert_eq!(value("overdue_service_up"), up, "{name}");
        assert_eq!(value("overdue_service_until_deadline_seconds"), deadline, "{name}");
    }
    for name in ["paused", "waiting"] {
        assert!(!scrape.has(&format!("overdue_service_up name={name}")), "nothing is expected");
    }
    assert_eq!(scrape.value("overdue_sweep_lag_seconds"), "0");
    assert_eq!(scrape.value("overdue_services_without_series"), "0");
}

#[tokio::test]
async fn of_more_services_than_have_series_those_in_an_outage_come_first_and_the_rest_is_counted() {
    let house = House::new().await;
    house.edit("
        WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 5010)
        INSERT INTO services (name, frequency, grace, last_ping, expected, deadline)
        SELECT 'service ' || n, 3600, 0, 1795600800, 1795604400, 1795604400 FROM numbers
    ").await;
    house.ping("name=last&frequency=1h&signal=fail").await;
    let scrape = scrape(&house).await;
    let series = |metric: &str| scrape.samples.keys().filter(|key| key.starts_with(metric)).count();
    assert_eq!(series("overdue_service_up name="), METRICS_SERVICES_MAX);
    assert_eq!(scrape.value("overdue_service_up name=last"), "0");
    assert_eq!(scrape.value("overdue_services status=up"), "5010");
    assert_eq!(scrape.value("overdue_services_without_series"), "11");
}

#[tokio::test]
async fn of_more_services_than_are_looked_at_indexes_count_the_same_by_status() {
    let house = House::new().await;
    // All that signals, sweeps and owners can make of a service: paused or not, failed or not, with a run or not, pinged
    // or not, and expected since long, lately or later.
    house.edit("
        WITH RECURSIVE numbers (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM numbers WHERE n < 575),
        states AS (
            SELECT n, n & 1 AS paused, (n >> 1) & 1 AS failed, (n >> 2) & 1 AS runs, (n >> 3) & 1 AS pinged,
                1795600800 + ((n >> 4) % 3 - 1) * 1000 - (n >> 4) AS expected
            FROM numbers
        )
        INSERT INTO services (name, frequency, grace, paused, failed, running_since, last_ping, expected, deadline, alerted)
        SELECT
            'state ' || n, 3600, 500, paused, failed AND pinged, iif(runs, 1795600000, NULL),
            iif(pinged, 1795500000, NULL), iif(paused, NULL, expected), iif(paused, NULL, expected + 500),
            NOT paused AND expected + 500 < 1795600800 AND n % 5 > 0
        FROM states
    ").await;
    let looked_at = by_status(&scrape(&house).await);
    assert!(looked_at.values().all(|count| *count > 0), "{looked_at:?}");
    assert_eq!(looked_at.values().sum::<u32>(), 576);
    house.edit("
        WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)
        INSERT INTO services (name, frequency, last_ping, expected, deadline)
        SELECT 'more ' || n, 3600, 1795600800, 1795604400, 1795604400 FROM numbers
    ").await;
    let mut counted = by_status(&scrape(&house).await);
    *counted.get_mut("up").unwrap() -= 20_000;
    assert_eq!(counted, looked_at);
}

fn by_status(scrape: &Scrape) -> BTreeMap<String, u32> {
    let one = |(sample, value): (&String, &String)| {
        let status = sample.strip_prefix("overdue_services status=")?;
        Some((status.to_owned(), value.parse().unwrap()))
    };
    scrape.samples.iter().filter_map(one).collect()
}

#[tokio::test]
async fn deliveries_are_counted_by_destination_and_outcome() {
    let mut receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let routes = vec![destination.route.clone()];
    let house = House::with(Rules { routes, ..rules() }).await;
    let delivered = "overdue_deliveries_total destination=default outcome=delivered";
    let failed = "overdue_deliveries_total destination=default outcome=failed";
    assert_eq!(scrape(&house).await.value(delivered), "0");
    house.ping("name=a&frequency=1h&signal=fail").await;
    receiver.then([Reply::Status(500)]);
    let mut courier = house.courier(&destination);
    for second in [TEN, TEN + 60] {
        house.clock.set(second);
        courier.step(second).await.unwrap();
        courier.settle().await;
        receiver.next().await;
    }
    let scrape = scrape(&house).await;
    assert_eq!(scrape.value(delivered), "1");
    assert_eq!(scrape.value(failed), "1");
}

#[tokio::test]
async fn metrics_ask_for_a_read_key_and_tell_when_each_key_was_last_used() {
    let keys = "ping_key = \"old:p1,new:p2\"\nread_key = \"r1\"\nadmin_key = \"a1\"";
    let house = House::with_entrance(entrance(keys)).await;
    assert_eq!(house.get("/metrics").await.status, 401);
    house.clock.set(TEN + 5);
    assert_eq!(house.get("/ping?name=a&frequency=1h&key=p2").await.status, 200);
    house.clock.set(TEN + 7);
    assert_eq!(house.get("/hc/p2/a").await.status, 200);
    let request = House::request("GET", "/metrics").header("authorization", "Bearer r1");
    let scrape = Scrape::parse(&house.text(request).await.1);
    let used = |key: &str| {
        scrape.value(&format!("overdue_key_last_used_timestamp_seconds {key}")).to_owned()
    };
    assert_eq!(used("kind=ping label=old"), "0");
    assert_eq!(used("kind=ping label=new"), "1795600807");
    assert_eq!(used("kind=read label=read"), "1795600807");
    assert_eq!(used("kind=admin label=admin"), "0");
}

#[tokio::test]
async fn a_store_that_cannot_be_read_or_written_shows_and_hides_nothing_else() {
    let house = House::new().await;
    house.edit("DROP VIEW status; DROP TABLE services").await;
    assert_eq!(house.get("/ping?name=a&frequency=1h").await.status, 503);
    house.clock.set(TEN + 40);
    let scrape = scrape(&house).await;
    assert_eq!(scrape.value("overdue_store_readable"), "0");
    assert_eq!(scrape.value("overdue_commit_failing_seconds"), "40");
    assert!(!scrape.has("overdue_services status=up"));
    let unavailable = "overdue_pings_total signal=success outcome=unavailable";
    assert_eq!(scrape.value(unavailable), "1");
    assert_eq!(scrape.value("overdue_ping_answers_total code=503"), "1");
}

#[tokio::test]
async fn a_replica_tells_its_role_and_no_sweep_of_its_own() {
    let role = Role::Replica { primary: Some("e286".to_owned()) };
    let house = House::among(watch::Sender::new(Standing::UNKNOWN.heard(role, TEN)), rules()).await;
    let scrape = scrape(&house).await;
    assert_eq!(scrape.value("overdue_role role=replica"), "1");
    assert_eq!(scrape.value("overdue_role role=primary"), "0");
    assert!(!scrape.has("overdue_sweep_lag_seconds"));
}

#[tokio::test]
async fn two_servers_in_one_process_count_each_its_own() {
    let (one, other) = (House::new().await, House::in_memory().await);
    one.ping("name=a&frequency=1h").await;
    let stored = "overdue_pings_total signal=success outcome=stored";
    assert_eq!(scrape(&one).await.value(stored), "1");
    let scrape = scrape(&other).await;
    assert_eq!(scrape.value(stored), "0");
    assert!(!scrape.has("overdue_wal_bytes"), "there is no file");
}

#[tokio::test]
async fn the_example_rules_ask_for_nothing_that_is_not_told() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus-rules.yml");
    let rules: serde_json::Value =
        serde_saphyr::from_str(&std::fs::read_to_string(rules).unwrap()).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    let rules: Vec<_> = groups.flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() > 5);
    let told = scrape(&House::new().await).await.types;
    for rule in rules {
        let expression = rule["expr"].as_str().unwrap();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = expression.split(|c| !is_part(c));
        for word in words.filter(|word| word.starts_with("overdue_")) {
            assert!(told.contains_key(word), "{word} of {expression}");
        }
        assert!(rule["annotations"]["summary"].as_str().is_some_and(|text| !text.is_empty()));
    }
}
