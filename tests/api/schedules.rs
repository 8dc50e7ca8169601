//! Schedules by the calendar.

use serde_json::json;

use crate::house::{House, TEN};

/// The deadline after a ping at `second` of a service with this cron expression and no grace, as text.
async fn due(cron: &str, tz: &str, second: i64) -> String {
    let house = House::new().await;
    house.clock.set(second);
    let cron = cron.replace(' ', "+");
    let answer = house.ping(&format!("name=a&grace=0s&cron={cron}&tz={tz}")).await;
    answer["deadline"].as_str().unwrap().to_owned()
}

fn utc(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

#[tokio::test]
async fn a_cron_expression_is_due_at_its_next_occurrence_and_has_an_hour_of_grace() {
    let house = House::new().await;
    let answer = house.get("/ping?name=a&cron=30+2+*+*+1-5&tz=Europe/Berlin").await;
    assert_eq!(
        answer.json,
        json!({
            "name": "a", "status": "up", "cron": "30 2 * * 1-5", "tz": "Europe/Berlin", "grace": "1h",
            "last_ping": "2026-11-25T10:00:00Z", "deadline": "2026-11-26T02:30:00Z"
        })
    );
    let answer = house.get("/ping/a?tz=UTC").await.json;
    assert_eq!(answer["deadline"], "2026-11-26T03:30:00Z", "a zone alone moves it");
    let answer = house.get("/ping/a?frequency=1h").await.json;
    assert_eq!((&answer["grace"], &answer["frequency"]), (&json!("0s"), &json!("1h")));
    let answer = house.get("/ping/a?cron=0+12+*+*+*&grace=5m").await.json;
    assert_eq!(
        (&answer["tz"], &answer["deadline"]),
        (&json!("UTC"), &json!("2026-11-25T12:05:00Z"))
    );
    let answer = house.get("/ping/a?frequency=2h").await.json;
    assert_eq!(answer["grace"], "5m", "a grace that was given stays");
}

#[tokio::test]
async fn a_ping_a_little_before_an_occurrence_counts_for_it() {
    let noon = utc("2026-11-25T12:00:00Z");
    assert_eq!(due("0 12 * * *", "UTC", noon - 61).await, "2026-11-25T12:00:00Z");
    assert_eq!(due("0 12 * * *", "UTC", noon - 60).await, "2026-11-26T12:00:00Z");
    assert_eq!(due("0 12 * * *", "UTC", noon).await, "2026-11-26T12:00:00Z");
    assert_eq!(due("59 23 29 2 %2B7", "UTC", noon).await, "2032-02-29T23:59:00Z");
    // Less than half the interval: 30 s before the next minute it may be the one of the minute before.
    assert_eq!(due("* * * * *", "UTC", noon - 30).await, "2026-11-25T12:00:00Z");
    assert_eq!(due("* * * * *", "UTC", noon - 29).await, "2026-11-25T12:01:00Z");
}

#[tokio::test]
async fn a_time_that_daylight_saving_skips_is_due_at_the_first_instant_after_the_gap() {
    // Berlin goes from 02:00 to 03:00 on 2026-03-29 at 01:00 UTC, New York on 2026-03-08 at 07:00 UTC.
    let berlin = utc("2026-03-28T23:30:00Z");
    assert_eq!(due("30 2 * * *", "Europe/Berlin", berlin).await, "2026-03-29T01:00:00Z");
    assert_eq!(due("0 2-3 * * *", "Europe/Berlin", berlin).await, "2026-03-29T01:00:00Z");
    assert_eq!(due("*/20 2 * * *", "Europe/Berlin", berlin).await, "2026-03-29T01:00:00Z");
    let after = utc("2026-03-29T01:00:00Z");
    assert_eq!(due("0 2-3 * * *", "Europe/Berlin", after).await, "2026-03-30T00:00:00Z");
    assert_eq!(due("15 1,2,3 * * *", "Europe/Berlin", after).await, "2026-03-29T01:15:00Z");
    assert_eq!(due("0 */2 * * *", "Europe/Berlin", berlin).await, "2026-03-29T01:00:00Z");
    assert_eq!(due("0 */2 * * *", "Europe/Berlin", after).await, "2026-03-29T02:00:00Z");
    let new_york = utc("2026-03-08T06:30:00Z");
    assert_eq!(due("30 2 * * *", "America/New_York", new_york).await, "2026-03-08T07:00:00Z");
    assert_eq!(due("0 4 * * *", "America/New_York", new_york).await, "2026-03-08T08:00:00Z");
}

#[tokio::test]
async fn a_time_that_daylight_saving_repeats_is_due_once() {
    // Berlin goes back from 03:00 to 02:00 on 2026-10-25 at 01:00 UTC, New York on 2026-11-01 at 06:00 UTC.
    let berlin = utc("2026-10-24T22:30:00Z");
    assert_eq!(due("30 2 * * *", "Europe/Berlin", berlin).await, "2026-10-25T00:30:00Z");
    let first = utc("2026-10-25T00:30:00Z");
    assert_eq!(due("30 2 * * *", "Europe/Berlin", first).await, "2026-10-26T01:30:00Z");
    // In the second hour between two and three, none of the first is due again, lists and steps included.
    let second = utc("2026-10-25T01:10:00Z");
    for cron in ["*/15 2 * * *", "15,30 1-2 * * *", "0 2,4-23/2 * * *"] {
        let due = due(cron, "Europe/Berlin", second).await;
        assert!(utc(&due) >= utc("2026-10-25T02:00:00Z"), "{cron}: {due}");
    }
    assert_eq!(due("0 3 * * *", "Europe/Berlin", second).await, "2026-10-25T02:00:00Z");
    let new_york = utc("2026-11-01T05:10:00Z");
    assert_eq!(due("30 1 * * *", "America/New_York", new_york).await, "2026-11-01T05:30:00Z");
    let later = utc("2026-11-01T05:30:00Z");
    assert_eq!(due("30 1 * * *", "America/New_York", later).await, "2026-11-02T06:30:00Z");
}

#[tokio::test]
async fn what_is_no_schedule_is_told_what_would_be_right() {
    let house = House::new().await;
    let sentence = async |query: &str| {
        let answer = house.get(&format!("/ping?name=a&{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        answer.detail().to_owned()
    };
    insta::assert_snapshot!(sentence("cron=0+0+2+*+*+*").await, @r#"cron "0 0 2 * * *" is not a cron expression: use five fields (minute, hour, day of month, month, day of week), as in 0 2 * * 1-5"#);
    insta::assert_snapshot!(sentence("cron=@daily").await, @r#"cron "@daily" is not a cron expression: use five fields (minute, hour, day of month, month, day of week), as in 0 2 * * 1-5"#);
    insta::assert_snapshot!(sentence("cron=0+0+32+*+*").await, @r#"cron "0 0 32 * *" is not a cron expression: its day of month "32" cannot be read, use 1 to 31, *, lists, ranges and steps"#);
    insta::assert_snapshot!(sentence("cron=0+0+30+2+*").await, @r#"cron "0 0 30 2 *" never occurs: no day matches it"#);
    insta::assert_snapshot!(sentence("cron=0+0+31+2,4,6,9,11+*").await, @r#"cron "0 0 31 2,4,6,9,11 *" never occurs: no day matches it"#);
    insta::assert_snapshot!(sentence("cron=0+0+*+*+*&tz=Mars/Base").await, @r#"tz "Mars/Base" is not a time zone: use a name of the IANA database, as in Europe/Berlin"#);
    insta::assert_snapshot!(sentence("cron=0+0+*+*+*&frequency=1h").await, @"frequency and cron are both given: say how often or when, not both");
    insta::assert_snapshot!(sentence("frequency=1h&tz=UTC").await, @"tz is given without a cron expression: a frequency is the same in every zone");
    insta::assert_snapshot!(sentence("frequency=1h&max_runtime=0s").await, @r#"max_runtime "0s" is zero: use 1s or more"#);
    insta::assert_snapshot!(sentence("frequency=1h&run=").await, @r#"run "" is not the id of a run: use 1 to 64 bytes of UTF-8 without control characters, as in a UUID"#);
    assert_eq!(house.count("SELECT count(*) FROM services").await, 0);
}

#[tokio::test]
async fn a_schedule_of_the_calendar_alerts_like_any_other_and_hands_may_change_it() {
    let house = House::new().await;
    house.ping("name=a&cron=5+10+*+*+*&grace=1m").await;
    assert_eq!(house.sweep_at(TEN + 360).await, 0);
    assert_eq!(house.sweep_at(TEN + 361).await, 1);
    assert_eq!(house.texts("SELECT cron || ' ' || tz FROM alerts").await, ["5 10 * * * UTC"]);
    house.edit("UPDATE services SET cron = '0 11 * * *', tz = 'Europe/Berlin'").await;
    assert_eq!(house.get("/ping/a").await.json["deadline"], "2026-11-26T10:01:00Z");
    house.edit("UPDATE services SET cron = 'every day at noon'").await;
    assert_eq!(house.get("/ping/a").await.status, 503, "a row that cannot be read");
    assert_eq!(house.get("/ping/a?frequency=1h").await.status, 200, "is replaced");
}
