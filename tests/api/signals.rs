//! Signals: a job begins, ends, fails and speaks.

use overdue::config::AlertFormat;
use overdue::store::Rules;
use serde_json::json;

use crate::house::{House, TEN, destination, rules};
use crate::support::Receiver;

/// What was raised: kind and the second it is about, from ten o'clock on.
async fn alerts(house: &House) -> Vec<String> {
    house.texts("SELECT kind || ' ' || (about - 1795600800) FROM alerts ORDER BY seq").await
}

async fn status(house: &House, name: &str) -> String {
    // A log changes nothing and tells the status.
    house.get(&format!("/ping/{name}/log")).await.json["status"].as_str().unwrap().to_owned()
}

async fn at(house: &House, second: i64, target: &str) {
    house.clock.set(TEN + second);
    assert_eq!(house.get(target).await.status, 200, "{target}");
}

#[tokio::test]
async fn every_signal_has_a_word_in_the_query_and_in_the_path() {
    let house = House::new().await;
    house.ping("name=a&frequency=1h&grace=5m").await;
    for signal in ["success", "start", "fail", "log", "0", "3", "255"] {
        assert_eq!(house.ping(&format!("name=a&frequency=1h&signal={signal}")).await["name"], "a");
    }
    for path in ["/ping/a/start", "/ping/a/fail", "/ping/a/log", "/ping/a/0", "/ping/a/00007"] {
        assert_eq!(house.get(path).await.status, 200, "{path}");
    }
    let recorded = house
        .texts("SELECT signal || coalesce(' ' || exit_status, '') FROM pings ORDER BY id")
        .await;
    assert_eq!(
        recorded,
        [
            "success",
            "success",
            "start",
            "fail",
            "log",
            "success 0",
            "fail 3",
            "fail 255",
            "start",
            "fail",
            "log",
            "success 0",
            "fail 7"
        ]
    );
    assert_eq!(house.get("/ping/a/256").await.status, 400);
    insta::assert_snapshot!(house.get("/ping/a/256").await.detail(), @r#"exit status "256" is no exit status: use 0 to 255"#);
    assert_eq!(house.get("/ping/a/foo").await.status, 404);
    insta::assert_snapshot!(house.get("/ping?name=a&frequency=1h&signal=done").await.detail(), @r#"signal "done" is not a signal: use success, start, fail, log, or an exit status from 0 to 255"#);
    insta::assert_snapshot!(house.get("/ping/a/fail?signal=success").await.detail(), @"the signal is given twice, in the path and in the query: give it once");
    assert_eq!(house.get("/ping/b%2Fstart/start?frequency=1h").await.json["name"], "b/start");
}

#[tokio::test]
async fn a_failure_is_told_at_once_and_once_and_its_end_too() {
    let mut receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await;
    house.ping("name=a&frequency=1h&grace=5m").await;
    at(&house, 100, "/ping/a/start").await;
    house.clock.set(TEN + 190);
    let request = House::request("POST", "/ping/a/3");
    let log = "ü".repeat(600) + "disk full";
    assert_eq!(house.answer(request.body(log.clone().into()).unwrap()).await.status, 200);
    at(&house, 200, "/ping/a/fail").await;
    assert_eq!(status(&house, "a").await, "failed");
    at(&house, 300, "/ping/a").await;
    assert_eq!(status(&house, "a").await, "up");
    let mut courier = house.courier(&destination);
    while courier.step(TEN + 300).await.unwrap() != overdue::alerting::Step::Idle {
        courier.settle().await;
    }
    let failed = receiver.next().await.body;
    assert_eq!(
        [&failed["type"], &failed["status"], &failed["exit_status"], &failed["last_duration_ms"]],
        [&json!("service.failed"), &json!("failed"), &json!(3), &json!(90_000)]
    );
    assert_eq!(
        failed["text"],
        "Delayed 1 min: FAILED a: exit status 3. Failed at 10:03 UTC after 1 min. Last success 10:00."
            .replace("Delayed 1 min: ", "")
    );
    assert_eq!(failed["log"].as_str().unwrap().chars().count(), log.chars().count());
    let recovered = receiver.next().await.body;
    assert_eq!(
        [&recovered["type"], &recovered["outage_seconds"]],
        [&json!("service.recovered"), &json!(110)]
    );
    assert!(receiver.rest().is_empty(), "the second failure is no news");
}

#[tokio::test]
async fn silence_after_a_failure_is_one_more_alert_and_a_failure_after_that_again() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m&signal=fail").await;
    house.sweep_at(TEN + 700).await;
    assert_eq!(status(&house, "a").await, "overdue");
    at(&house, 700, "/ping/a/fail").await;
    assert_eq!(status(&house, "a").await, "failed");
    at(&house, 710, "/ping/a/fail").await;
    at(&house, 720, "/ping/a").await;
    assert_eq!(alerts(&house).await, ["failed 0", "overdue 600", "failed 700", "recovered 720"]);
    assert_eq!(house.count("SELECT count(DISTINCT outage_since) FROM alerts").await, 1);
}

#[tokio::test]
async fn a_start_that_never_ends_is_overdue_when_its_time_is_over() {
    let house = House::new().await;
    house.ping("name=a&frequency=1D&grace=1h&max_runtime=10m").await;
    at(&house, 60, "/ping/a/start").await;
    assert_eq!(house.count("SELECT deadline - 1795600800 FROM services").await, 660);
    assert_eq!(house.texts("SELECT running FROM status").await, ["yes"]);
    assert_eq!(house.sweep_at(TEN + 661).await, 1);
    assert_eq!(house.count("SELECT running_since - 1795600800 FROM alerts").await, 60);
    at(&house, 700, "/ping/a").await;
    assert_eq!(alerts(&house).await, ["overdue 660", "recovered 700"]);
    assert_eq!(house.count("SELECT last_duration_ms FROM services").await, 640_000);
}

#[tokio::test]
async fn how_long_a_run_may_take_is_its_own_time_then_the_grace_then_the_frequency() {
    let house = House::new().await;
    for (query, seconds) in [
        ("frequency=1D&grace=1h&max_runtime=10m", 600),
        ("frequency=1D&grace=1h", 3600),
        ("frequency=1D&grace=0s", 86_400),
        ("cron=0%2012%20*%20*%20*&grace=5m", 7500),
    ] {
        house.ping(&format!("name=a&{query}&signal=start")).await;
        assert_eq!(house.count("SELECT deadline FROM services").await - TEN, seconds, "{query}");
        house.send("DELETE", "/ping/a").await;
    }
}

#[tokio::test]
async fn runs_that_overlap_have_their_own_durations() {
    let house = House::new().await;
    house.ping("name=a&frequency=1D&grace=1h&signal=start&run=one").await;
    at(&house, 10, "/ping/a/start?run=two").await;
    at(&house, 30, "/ping/a?run=two").await;
    assert_eq!(house.texts("SELECT running FROM status").await, ["yes"]);
    at(&house, 50, "/ping/a/0?run=one").await;
    assert_eq!(house.texts("SELECT running FROM status").await, ["no"]);
    assert_eq!(
        house.texts("SELECT run || ' ' || duration_ms FROM pings WHERE duration_ms IS NOT NULL ORDER BY id").await,
        ["two 20000", "one 50000"]
    );
    at(&house, 60, "/ping/a").await;
    assert_eq!(
        house.count("SELECT count(*) FROM services WHERE last_duration_ms IS NULL").await,
        1,
        "an end without a start has no duration"
    );
    at(&house, 70, "/ping/a?duration_ms=1234").await;
    assert_eq!(house.count("SELECT last_duration_ms FROM services").await, 1234);
}

#[tokio::test]
async fn a_job_that_begins_again_and_again_and_never_ends_is_noticed() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m&grace=5m&max_runtime=1h").await;
    let mut raised = 0;
    for minute in (5..300).step_by(5) {
        raised += house.sweep_at(TEN + minute * 60).await;
        at(&house, minute * 60, "/ping/a/start").await;
        if raised > 0 {
            break;
        }
    }
    assert!(raised > 0, "it put its deadline off for ever");
    assert!(house.clock.now() <= TEN + 900 + 3600 + 300);
}

#[tokio::test]
async fn a_log_is_kept_and_changes_nothing_whatever_its_timestamp() {
    let house = House::new().await;
    assert_eq!(house.get("/ping/a/log").await.status, 404);
    assert_eq!(house.get("/ping?name=a&frequency=1h&signal=log").await.status, 404);
    house.ping("name=a&frequency=1h").await;
    let before = house.texts("SELECT last_ping || ' ' || deadline FROM services").await;
    house.clock.set(TEN + 60);
    let request = House::request("POST", "/ping/a/log?timestamp=7&frequency=2h");
    assert_eq!(house.answer(request.body("words\0\u{7}\n".into()).unwrap()).await.status, 200);
    assert_eq!(house.texts("SELECT last_ping || ' ' || deadline FROM services").await, before);
    assert_eq!(house.count("SELECT frequency FROM services").await, 3600);
    assert_eq!(house.texts("SELECT log FROM logs").await, ["words\u{fffd}\u{7}\n"]);
    assert_eq!(house.count("SELECT at FROM pings WHERE signal = 'log'").await, 7);
}

#[tokio::test]
async fn a_signal_sent_too_late_closes_nothing_that_the_next_sweep_would_open_again() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 3601).await;
    house.ping(&format!("name=a&frequency=10m&timestamp={}", TEN + 1200)).await;
    assert_eq!(status(&house, "a").await, "overdue");
    house.sweep_at(TEN + 3700).await;
    assert_eq!(alerts(&house).await, ["overdue 600"]);
    at(&house, 3700, "/ping/a").await;
    assert_eq!(alerts(&house).await, ["overdue 600", "recovered 3700"]);
}

#[tokio::test]
async fn a_start_beside_its_end_does_not_open_a_run_for_ever() {
    let house = House::new().await;
    house.ping("name=a&frequency=1h&grace=5m").await;
    at(&house, 5, "/ping/a/0?run=x").await;
    at(&house, 6, "/ping/a/start?run=x").await;
    assert_eq!(house.texts("SELECT running FROM status").await, ["no"]);
    assert_eq!(house.count("SELECT deadline - 1795600800 FROM services").await, 3905);
}

#[tokio::test]
async fn a_signal_that_comes_again_is_neither_recorded_nor_acted_on_twice() {
    let house = House::new().await;
    let ping = async |signal: &str, run: &str| {
        let query =
            format!("name=a&frequency=1h&grace=5s&timestamp={TEN}&signal={signal}&run={run}");
        house.ping(&query).await;
    };
    ping("start", "x").await;
    ping("success", "x").await;
    ping("start", "x").await;
    assert_eq!(house.texts("SELECT running FROM status").await, ["no"]);
    ping("fail", "y").await;
    ping("success", "z").await;
    ping("fail", "y").await;
    assert_eq!(alerts(&house).await, ["failed 0", "recovered 0"]);
    assert_eq!(house.count("SELECT count(*) FROM pings").await, 4);
}

#[tokio::test]
async fn a_spool_that_empties_tells_of_its_failures_once() {
    let house = House::new().await;
    for minute in 0..8 {
        let at = TEN - 1000 + minute * 60;
        house.ping(&format!("name=a&frequency=10s&signal=fail&timestamp={at}")).await;
    }
    assert_eq!(alerts(&house).await, ["failed -1000"]);
    house.sweep_at(TEN + 1).await;
    house.ping("name=a&frequency=10s&signal=fail").await;
    assert_eq!(alerts(&house).await, ["failed -1000", "overdue -570", "failed 1"]);
}

#[tokio::test]
async fn a_job_that_never_ended_before_is_noticed_when_it_begins_again_and_again() {
    let house = House::new().await;
    let mut raised = 0;
    for minute in 0..30 {
        raised += house.sweep_at(TEN + minute * 60).await;
        house.ping("name=a&frequency=10m&grace=5m&signal=start").await;
    }
    assert!(raised > 0, "it put its deadline off for ever");
}

#[tokio::test]
async fn reminders_of_a_failure_say_what_it_is() {
    let house = House::with(Rules { remind_every_seconds: Some(60), ..rules() }).await;
    house.ping("name=a&frequency=1h&signal=fail").await;
    assert_eq!(house.sweep_at(TEN + 60).await, 1);
    assert_eq!(
        house.texts("SELECT kind || ' ' || failed FROM alerts ORDER BY seq").await,
        ["failed 1", "reminder 1"]
    );
}

#[tokio::test]
async fn hands_that_end_all_runs_are_believed() {
    let house = House::new().await;
    house.ping("name=a&frequency=1h&signal=start").await;
    house.edit("UPDATE services SET running_since = NULL").await;
    at(&house, 60, "/ping/a").await;
    assert_eq!(house.count("SELECT count(last_duration_ms) FROM services").await, 0);
}
