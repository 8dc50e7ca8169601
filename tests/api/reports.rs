//! How well services did in a month.

use serde_json::{Value, json};

use crate::house::{House, TEN};

/// The report of November, which has begun 24 days and ten hours ago.
async fn report(house: &House) -> Value {
    let answer = house.get("/api/v1/report?month=2026-11").await;
    assert_eq!(answer.status, 200, "{:?}", answer.json);
    answer.json
}

/// Outages, downtime, longest, watched, away and paused of each service.
fn figures(report: &Value) -> Vec<String> {
    let lines = report["services"].as_array().unwrap().iter().chain([&report["total"]]);
    let figures = lines.map(|line| {
        let number = |name: &str| line[name].as_i64().unwrap();
        let name = line["name"].as_str().unwrap();
        let uptime = line["uptime_percent"].as_str().unwrap_or("-");
        format!(
            "{name}: {} out {} longest {} up {uptime} watched {} away {} paused {}",
            number("outages"),
            number("downtime_seconds"),
            number("longest_seconds"),
            number("watched_seconds"),
            number("away_seconds"),
            number("paused_seconds"),
        )
    });
    figures.collect()
}

#[tokio::test]
async fn outages_are_counted_within_the_time_that_a_service_was_watched() {
    let house = House::new().await;
    house.ping("name=well&frequency=1D").await;
    house.ping("name=silent&frequency=10m").await;
    house.ping("name=fails&frequency=1D&signal=fail").await;
    house.sweep_at(TEN + 700).await;
    house.ping("name=silent&frequency=1D").await;
    house.ping("name=fails&frequency=1D").await;
    house.sweep_at(TEN + 1000).await;
    assert_eq!(
        figures(&report(&house).await),
        [
            "fails: 1 out 700 longest 700 up 30.00 watched 1000 away 0 paused 0",
            "silent: 1 out 100 longest 100 up 90.00 watched 1000 away 0 paused 0",
            "well: 0 out 0 longest 0 up 100.00 watched 1000 away 0 paused 0",
            "total: 2 out 800 longest 700 up 73.33 watched 3000 away 0 paused 0",
        ]
    );
}

#[tokio::test]
async fn time_away_paused_and_before_and_after_is_left_out_and_shown() {
    let house = House::new().await;
    house.ping("name=a&frequency=1m").await;
    house.sweep_at(TEN + 100).await;
    // Out since 60, away from 96 to 400, paused from 500 to 600, out for another 100 and deleted at 800.
    house.sweep_after_gap(TEN + 400).await;
    house.sweep_at(TEN + 500).await;
    house.send("POST", "/api/v1/services/a/pause").await;
    house.sweep_at(TEN + 600).await;
    house.send("POST", "/api/v1/services/a/resume").await;
    house.sweep_at(TEN + 800).await;
    let lasts = figures(&report(&house).await);
    assert_eq!(lasts[0], "a: 2 out 276 longest 140 up 30.30 watched 396 away 304 paused 100");
    house.send("DELETE", "/ping/a").await;
    house.sweep_at(TEN + 1000).await;
    let deleted = figures(&report(&house).await);
    // Nobody was told of its outages, so they went with it.
    assert_eq!(deleted[0], "a: 0 out 0 longest 0 up 100.00 watched 396 away 304 paused 100");
    let away = &report(&house).await["away"];
    assert_eq!(*away, json!([{"from": "2026-11-25T10:01:36Z", "to": "2026-11-25T10:06:40Z"}]));
}

#[tokio::test]
async fn an_outage_that_was_opened_again_or_ended_by_hand_is_seen_as_it_is() {
    let house = House::new().await;
    let query = format!("name=a&frequency=10m&timestamp={}", TEN - 900);
    house.ping(&query).await;
    house.sweep_at(TEN + 1).await;
    house.ping("name=a&frequency=10m").await;
    let ended = "SELECT count(*) FROM outages WHERE ended_at IS NOT NULL";
    assert_eq!(house.count(ended).await, 1);
    // The same deadline is set and passes again.
    house.edit("UPDATE services SET deadline = 1795600500, alerted = 0").await;
    house.sweep_at(TEN + 60).await;
    assert_eq!(house.count("SELECT count(*) FROM outages").await, 1);
    assert_eq!(house.count(ended).await, 0, "the view takes its last alert for what it is");
    assert_eq!(
        figures(&report(&house).await)[0],
        "a: 1 out 60 longest 60 up 0.00 watched 60 away 0 paused 0"
    );
    house.edit("UPDATE services SET outage_since = NULL, deadline = deadline + 90000").await;
    house.sweep_at(TEN + 200).await;
    // Nobody knows when: it lasted at least until it was told of.
    let by_hand = figures(&report(&house).await);
    assert_eq!(by_hand[0], "a: 1 out 5 longest 5 up 97.50 watched 200 away 0 paused 0");
}

#[tokio::test]
async fn a_month_is_checked_and_one_before_everything_is_empty() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    house.clock.set(TEN + 60);
    let wrong = house.get("/api/v1/report?month=October").await;
    assert_eq!(wrong.status, 400);
    assert_eq!(wrong.detail(), "month \"October\" is not one: use one like 2026-10");
    let before = house.get("/api/v1/report?month=2026-10").await.json;
    assert_eq!(before["services"], json!([]));
    assert_eq!(before["total"]["uptime_percent"], Value::Null);
    assert_eq!(house.get("/api/v1/report").await.json["month"], "2026-11");
}

#[tokio::test]
async fn a_report_goes_on_behind_its_cursor_with_those_that_were_deleted() {
    let house = House::new().await;
    for name in ["a", "b", "c", "d", "e"] {
        house.ping(&format!("name={name}&frequency=1D")).await;
    }
    house.clock.set(TEN + 60);
    house.send("DELETE", "/ping/b").await;
    let (mut names, mut cursor) = (Vec::new(), String::new());
    for _ in 0..5 {
        let page = house.get(&format!("/api/v1/report?limit=2{cursor}")).await.json;
        let lines = page["services"].as_array().unwrap();
        assert!(lines.len() <= 2);
        names.extend(lines.iter().map(|line| line["name"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}
