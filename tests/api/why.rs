//! Why an alert came, or did not: the sentences, after what really happened.

use axum::body::Body;
use overdue::alerting::Step;
use overdue::config::Destination;
use overdue::core::limits::CHANGES_OF_SERVICE_MAX;
use overdue::store::Rules;
use serde_json::json;

use crate::house::{Answer, House, TEN, config_of, destinations_of, rules};
use crate::keys::entrance;
use crate::support::{Receiver, Reply};

async fn ask(house: &House, target: &str) -> Answer {
    let answer = house.get(&format!("/api/v1/services/{target}")).await;
    assert_eq!(answer.status, 200, "{target}: {:?}", answer.json);
    answer
}

/// The sentences about the service `a` at `second`.
async fn why(house: &House, second: i64) -> String {
    said(&ask(house, &format!("a/why?at={second}")).await)
}

/// The sentences about it now.
async fn why_now(house: &House) -> String {
    said(&ask(house, "a/why").await)
}

fn said(answer: &Answer) -> String {
    let sentences = answer.json["sentences"].as_array().unwrap();
    sentences.iter().map(|sentence| sentence.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

async fn deliver(house: &House, destination: &Destination) {
    let mut courier = house.courier(destination);
    while courier.step(house.clock.now()).await.unwrap() != Step::Idle {
        courier.settle().await;
    }
}

/// Settings with a destination for everything and one for some services.
fn hook_and_pager(uri: &str) -> String {
    format!(
        "[[destination]]\nname = \"hook\"\nuri = \"{uri}\"\n[[destination]]\nname = \"pager\"\nuri = \"{uri}\"\nservices = [\"backup-*\", \"db\"]\n"
    )
}

/// A request with a key.
async fn with_key(house: &House, method: &str, target: &str, key: &str, body: &str) -> Answer {
    let request = House::request(method, target).header("authorization", format!("Bearer {key}"));
    house.answer(request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn what_is_up_says_until_when_and_who_would_be_told() {
    let file = "[[destination]]\nname = \"pager\"\nuri = \"http://127.0.0.1:9/\"\nservices = [\"backup-*\"]\n
        [[destination]]\nname = \"hook\"\nuri = \"http://127.0.0.1:9/\"\n
        [[destination]]\nname = \"log\"\nuri = \"http://127.0.0.1:9/\"\nalerts = [\"failed\"]\n";
    let routes = config_of(file).unwrap().routes();
    let house = House::with(Rules { routes, ..rules() }).await;
    house.ping("name=a&frequency=10m&grace=5m").await;
    house.sweep_at(TEN + 60).await;
    insta::assert_snapshot!(why_now(&house).await, @r#"
    Now, 2026-11-25 10:01:00 UTC: "a" is up.
    Deadline 10:15:00 UTC: last ping 10:00:00 UTC + frequency 10m + grace 5m.
    Last heard 10:00:00 UTC: success.
    Made 10:00:00 UTC by a ping: every 10m, grace 5m.
    No alert is due: its deadline has not passed.
    An alert would go to hook.
    Not to pager: its services are backup-*.
    Not to log: it is told of failed, and not of overdue.
    "#);
    house.sweep_at(TEN + 660).await;
    insta::assert_snapshot!(why_now(&house).await, @r#"
    Now, 2026-11-25 10:11:00 UTC: "a" is late, and not overdue: its grace ends 10:15:00 UTC.
    Deadline 10:15:00 UTC: last ping 10:00:00 UTC + frequency 10m + grace 5m.
    Last heard 10:00:00 UTC: success.
    Made 10:00:00 UTC by a ping: every 10m, grace 5m.
    No alert is due: its deadline has not passed.
    An alert would go to hook.
    Not to pager: its services are backup-*.
    Not to log: it is told of failed, and not of overdue.
    "#);
}

#[tokio::test]
async fn what_is_overdue_says_which_alert_told_whom_with_every_attempt() {
    let receiver = Receiver::start().await;
    let file = hook_and_pager(&receiver.uri());
    let destinations = destinations_of(&file).unwrap();
    let routes = destinations.iter().map(|destination| destination.route.clone()).collect();
    let house = House::with(Rules { routes, ..rules() }).await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 600).await;
    insta::assert_snapshot!(why_now(&house).await, @r#"
    Now, 2026-11-25 10:10:00 UTC: "a" is up.
    Deadline 10:10:00 UTC: last ping 10:00:00 UTC + frequency 10m.
    Last heard 10:00:00 UTC: success.
    Made 10:00:00 UTC by a ping: every 10m, grace 0s.
    No alert is due: its deadline has not passed.
    An alert would go to hook.
    Not to pager: its services are backup-*, db.
    "#);
    assert_eq!(house.sweep_at(TEN + 601).await, 1);
    insta::assert_snapshot!(why_now(&house).await, @r#"
    Now, 2026-11-25 10:10:01 UTC: "a" is overdue, for 1 s: its deadline, 10:10:00 UTC, has passed.
    Deadline 10:10:00 UTC: last ping 10:00:00 UTC + frequency 10m.
    Last heard 10:00:00 UTC: success.
    Made 10:00:00 UTC by a ping: every 10m, grace 0s.
    Alert alr_shwqsgsko4k2nph7qcc2kollbh (overdue) was raised 10:10:01 UTC.
    To hook: first attempt due 10:10:01 UTC.
    Not to pager: its services are backup-*, db.
    "#);
    receiver.then([Reply::Status(503), Reply::Status(503)]);
    for second in [TEN + 602, TEN + 620] {
        house.clock.set(second);
        deliver(&house, &destinations[0]).await;
    }
    let retrying = why_now(&house).await;
    assert!(
        retrying.contains("To hook: attempts 1 to 2, 10:10:02 UTC to 10:10:20 UTC, failed ("),
        "{retrying}"
    );
    assert!(retrying.contains("; next attempt 10:10:"), "{retrying}");
    house.clock.set(TEN + 700);
    deliver(&house, &destinations[0]).await;
    house.sweep_at(TEN + 701).await;
    house.ping("name=a&frequency=10m").await;
    insta::assert_snapshot!(why(&house, TEN + 700).await, @r#"
    2026-11-25 10:11:40 UTC: "a" was overdue, for 1 min: its deadline, 10:10:00 UTC, had passed.
    Deadline 10:10:00 UTC: last ping 10:00:00 UTC + frequency 10m.
    Last heard 10:00:00 UTC: success.
    Heard next 10:11:41 UTC: success.
    Made 10:00:00 UTC by a ping: every 10m, grace 0s.
    The monitor itself did not listen from 10:10:02 UTC to 10:11:40 UTC, and held silence against nobody until 10:12:40 UTC.
    Alert alr_shwqsgsko4k2nph7qcc2kollbh (overdue) was raised 10:10:01 UTC.
    To hook: attempts 1 to 2, 10:10:02 UTC to 10:10:20 UTC, failed (it answered 503 Service Unavailable); attempt 3, 10:11:40 UTC, accepted (it answered 200 OK).
    Not to pager: its services are backup-*, db.
    Later: Alert alr_tzqfldbc2vewsd32aqexdzcsfx (recovered) was raised 10:11:41 UTC.
    "#);
    insta::assert_snapshot!(why_now(&house).await, @r#"
    Now, 2026-11-25 10:11:41 UTC: "a" is up.
    Deadline 10:21:41 UTC: last ping 10:11:41 UTC + frequency 10m.
    Last heard 10:11:41 UTC: success.
    Made 10:00:00 UTC by a ping: every 10m, grace 0s.
    The monitor itself did not listen from 10:10:02 UTC to 10:11:40 UTC, and held silence against nobody until 10:12:40 UTC.
    No alert is due: its deadline has not passed.
    An alert would go to hook.
    Not to pager: its services are backup-*, db.
    Before: Alert alr_shwqsgsko4k2nph7qcc2kollbh (overdue) was raised 10:10:01 UTC.
    To hook: attempts 1 to 2, 10:10:02 UTC to 10:10:20 UTC, failed (it answered 503 Service Unavailable); attempt 3, 10:11:40 UTC, accepted (it answered 200 OK).
    Before: Alert alr_tzqfldbc2vewsd32aqexdzcsfx (recovered) was raised 10:11:41 UTC.
    To hook: first attempt due 10:11:41 UTC.
    "#);
}

#[tokio::test]
async fn a_second_long_ago_is_answered_from_what_was_known_then() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m&grace=5m").await;
    house.clock.set(TEN + 300);
    house.ping("name=a&frequency=1h").await;
    house.clock.set(TEN + 600);
    house.send_json("PATCH", "/api/v1/services/a", &json!({"grace": "10m"})).await;
    house.clock.set(TEN + 900);
    house.ping("name=a&frequency=1h").await;
    house.clock.set(TEN + 7200);
    insta::assert_snapshot!(why(&house, TEN + 200).await, @r#"
    2026-11-25 10:03:20 UTC: "a" was up.
    Deadline 10:15:00 UTC: last ping 10:00:00 UTC + frequency 10m + grace 5m.
    Last heard 10:00:00 UTC: success.
    Heard next 10:05:00 UTC: success.
    Made 10:00:00 UTC by a ping: every 10m, grace 5m.
    The monitor itself did not listen from 10:00:00 UTC to 10:15:00 UTC, and held silence against nobody until 10:16:00 UTC.
    No alert was due: its deadline had not passed.
    An alert would go to nobody: no destination is set.
    "#);
    insta::assert_snapshot!(why(&house, TEN + 400).await, @r#"
    2026-11-25 10:06:40 UTC: "a" was up.
    Deadline 11:10:00 UTC: last ping 10:05:00 UTC + frequency 1h + grace 5m.
    Last heard 10:05:00 UTC: success.
    Heard next 10:15:00 UTC: success.
    Changed 10:05:00 UTC by a ping: every 10m, grace 5m became every 1h, grace 5m.
    The monitor itself did not listen from 10:00:00 UTC to 10:15:00 UTC, and held silence against nobody until 10:16:00 UTC.
    No alert was due: its deadline had not passed.
    An alert would go to nobody: no destination is set.
    "#);
    insta::assert_snapshot!(why(&house, TEN + 700).await, @r#"
    2026-11-25 10:11:40 UTC: "a" was up.
    Deadline 11:15:00 UTC: last ping 10:05:00 UTC + frequency 1h + grace 10m.
    Last heard 10:05:00 UTC: success.
    Heard next 10:15:00 UTC: success.
    Changed 10:10:00 UTC by its owner: every 1h, grace 5m became every 1h, grace 10m.
    The monitor itself did not listen from 10:00:00 UTC to 10:15:00 UTC, and held silence against nobody until 10:16:00 UTC.
    No alert was due: its deadline had not passed.
    An alert would go to nobody: no destination is set.
    "#);
    insta::assert_snapshot!(why(&house, TEN - 1).await, @r#"
    2026-11-25 09:59:59 UTC: there was no service "a" yet.
    Made 10:00:00 UTC by a ping: every 10m, grace 5m.
    "#);
}

#[tokio::test]
async fn a_gap_and_its_hold_say_why_nothing_was_told() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 100).await;
    assert_eq!(house.sweep_after_gap(TEN + 900).await, 0);
    insta::assert_snapshot!(why_now(&house).await, @r#"
    Now, 2026-11-25 10:15:00 UTC: "a" is overdue, for 5 min: its deadline, 10:10:00 UTC, has passed.
    Deadline 10:10:00 UTC: last ping 10:00:00 UTC + frequency 10m.
    Last heard 10:00:00 UTC: success.
    Made 10:00:00 UTC by a ping: every 10m, grace 0s.
    The monitor itself did not listen from 10:01:36 UTC to 10:15:00 UTC, and held silence against nobody until 10:16:00 UTC.
    No alert yet: the monitor had been away, and held its silence against nobody until 10:16:00 UTC.
    "#);
    assert_eq!(house.sweep_at(TEN + 960).await, 1);
    insta::assert_snapshot!(why_now(&house).await, @r#"
    Now, 2026-11-25 10:16:00 UTC: "a" is overdue, for 6 min: its deadline, 10:10:00 UTC, has passed.
    Deadline 10:10:00 UTC: last ping 10:00:00 UTC + frequency 10m.
    Last heard 10:00:00 UTC: success.
    Made 10:00:00 UTC by a ping: every 10m, grace 0s.
    The monitor itself did not listen from 10:01:36 UTC to 10:15:00 UTC, and held silence against nobody until 10:16:00 UTC.
    Alert alr_shwqsgsko4k2nph7qcc2kollbh (overdue) was raised 10:16:00 UTC. It is uncertain: the monitor was away from 10:01:36 UTC to 10:15:00 UTC.
    It went to nobody.
    No destination is set.
    "#);
    // A further gap replaces the one that is remembered, and not the one on record.
    house.sweep_at(TEN + 1000).await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_after_gap(TEN + 2000).await;
    assert_eq!(house.count("SELECT count(*) FROM gaps").await, 2);
    let then = why(&house, TEN + 950).await;
    assert!(then.contains("did not listen from 10:01:36 UTC to 10:15:00 UTC"), "{then}");
}

#[tokio::test]
async fn pauses_changes_and_deletions_say_who_did_them() {
    let house =
        House::with_entrance(entrance("ping_key = \"ci:p1\"\nadmin_key = \"ops:a1\"")).await;
    let base = "/api/v1/services/a";
    assert_eq!(with_key(&house, "PUT", base, "a1", "{\"frequency\":\"1D\"}").await.status, 201);
    let why = |target: &'static str| async {
        let answer = with_key(&house, "GET", target, "a1", "").await;
        assert_eq!(answer.status, 200, "{:?}", answer.json);
        said(&answer)
    };
    insta::assert_snapshot!(why("/api/v1/services/a/why").await, @r#"
    Now, 2026-11-25 10:00:00 UTC: "a" is waiting for its first ping: nothing is expected before that.
    Declared 10:00:00 UTC by its owner, key "ops": every 1D, grace 0s.
    An alert would go to nobody: no destination is set.
    "#);
    house.clock.set(TEN + 1);
    with_key(&house, "GET", "/ping?name=a&frequency=1D", "p1", "").await;
    with_key(&house, "POST", "/api/v1/services/a/pause", "a1", "").await;
    house.clock.set(TEN + 2);
    insta::assert_snapshot!(why("/api/v1/services/a/why").await, @r#"
    Now, 2026-11-25 10:00:02 UTC: "a" is paused: nothing is expected until it is resumed or succeeds.
    Last heard 10:00:01 UTC: success, key "ci".
    Paused 10:00:01 UTC by its owner, key "ops".
    "#);
    with_key(&house, "POST", "/api/v1/services/a/resume", "a1", "").await;
    house.clock.set(TEN + 3);
    insta::assert_snapshot!(why("/api/v1/services/a/why").await, @r#"
    Now, 2026-11-25 10:00:03 UTC: "a" is up.
    Deadline 2026-11-26 10:00:02 UTC: resumed 10:00:02 UTC + frequency 1D.
    Last heard 10:00:01 UTC: success, key "ci".
    Resumed 10:00:02 UTC by its owner, key "ops".
    No alert is due: its deadline has not passed.
    An alert would go to nobody: no destination is set.
    "#);
    with_key(&house, "DELETE", base, "a1", "").await;
    house.clock.set(TEN + 4);
    insta::assert_snapshot!(why("/api/v1/services/a/why").await, @r#"
    Now, 2026-11-25 10:00:04 UTC: there is no service "a", so nothing is expected.
    Deleted 10:00:03 UTC by its owner, key "ops".
    "#);
    insta::assert_snapshot!(why("/api/v1/services/a/why?at=1795600802").await, @r#"
    2026-11-25 10:00:02 UTC: what was expected of "a" cannot be known. The service was deleted 10:00:03 UTC, and its history with it.
    Resumed 10:00:02 UTC by its owner, key "ops".
    "#);
    let unknown = with_key(&house, "GET", "/api/v1/services/nobody/why", "a1", "").await;
    assert_eq!(unknown.status, 404);
    insta::assert_snapshot!(unknown.detail(), @r#"there is no service "nobody", and none of this name is on record (what changed is since 2026-11-25T10:00:00Z)"#);
}

#[tokio::test]
async fn runs_and_failures_say_what_was_waited_for() {
    let house = House::new().await;
    house.ping("name=a&frequency=1D&max_runtime=1h&signal=start").await;
    house.clock.set(TEN + 60);
    insta::assert_snapshot!(why_now(&house).await, @r#"
    Now, 2026-11-25 10:01:00 UTC: "a" is up. A run began 10:00:00 UTC and has not ended.
    Deadline 11:00:00 UTC: the run began 10:00:00 UTC + max_runtime 1h.
    Last heard 10:00:00 UTC: start.
    Made 10:00:00 UTC by a ping: every 1D, grace 0s, max_runtime 1h.
    No alert is due: its deadline has not passed.
    An alert would go to nobody: no destination is set.
    "#);
    house.ping("name=a&frequency=1D&signal=3").await;
    house.clock.set(TEN + 120);
    insta::assert_snapshot!(why_now(&house).await, @r#"
    Now, 2026-11-25 10:02:00 UTC: "a" is failed: its last run did not end well.
    Deadline 2026-11-26 10:01:00 UTC: last ping 10:01:00 UTC + frequency 1D.
    Last heard 10:01:00 UTC: exit status 3.
    Made 10:00:00 UTC by a ping: every 1D, grace 0s, max_runtime 1h.
    The monitor itself did not listen from 10:00:00 UTC to 10:01:00 UTC, and held silence against nobody until 10:02:00 UTC.
    Alert alr_kzraqy2zqy5xi3uj3dbb62h4wf (failed, exit status 3) was raised 10:01:00 UTC.
    It went to nobody.
    No destination is set.
    "#);
    house.ping("name=a&cron=0+2+*+*+*&tz=Europe/Berlin").await;
    house.clock.set(TEN + 180);
    insta::assert_snapshot!(why_now(&house).await, @r#"
    Now, 2026-11-25 10:03:00 UTC: "a" is up.
    Deadline 2026-11-26 02:00:00 UTC: last ping 10:02:00 UTC; the occurrence of 0 2 * * * (Europe/Berlin) that follows is 2026-11-26 01:00:00 UTC + grace 1h.
    Last heard 10:02:00 UTC: success.
    Changed 10:02:00 UTC by a ping: every 1D, grace 0s, max_runtime 1h became at 0 2 * * * (Europe/Berlin), grace 1h, max_runtime 1h.
    The monitor itself did not listen from 10:00:00 UTC to 10:02:00 UTC, and held silence against nobody until 10:03:00 UTC.
    No alert is due: its deadline has not passed.
    An alert would go to nobody: no destination is set.
    Before: Alert alr_kzraqy2zqy5xi3uj3dbb62h4wf (failed, exit status 3) was raised 10:01:00 UTC.
    It went to nobody.
    Before: Alert alr_ixiaion6eyu5lw3opjodxucp6p (recovered) was raised 10:02:00 UTC.
    It went to nobody.
    "#);
}

#[tokio::test]
async fn what_hands_did_is_said_where_it_can_be_known() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    house.edit("UPDATE services SET deadline = deadline + 86400").await;
    insta::assert_snapshot!(why_now(&house).await, @r#"
    Now, 2026-11-25 10:00:00 UTC: "a" is up.
    Deadline 2026-11-26 10:10:00 UTC.
    What is expected, with its grace, gives 10:10:00 UTC: the row was edited by hand, or a start that opened no run has brought another schedule.
    Last heard 10:00:00 UTC: success.
    Made 10:00:00 UTC by a ping: every 10m, grace 0s.
    No alert is due: its deadline has not passed.
    An alert would go to nobody: no destination is set.
    "#);
    house.edit("UPDATE services SET frequency = 7200").await;
    let edited = why_now(&house).await;
    assert!(
        edited.contains("The row now says every 2h, grace 0s, and no ping or change on record did"),
        "{edited}"
    );
    house.edit("DELETE FROM services").await;
    insta::assert_snapshot!(why_now(&house).await, @r#"
    Now, 2026-11-25 10:00:00 UTC: what is expected of "a" cannot be known. There is no such service now, and it was not deleted by the program: it was deleted or renamed by hand, when cannot be known.
    Made 10:00:00 UTC by a ping: every 10m, grace 0s.
    "#);
}

#[tokio::test]
async fn what_the_history_no_longer_holds_is_said_to_be_unknown() {
    let house = House::with(Rules { history: 2, ..rules() }).await;
    for minute in 0..200 {
        house.clock.set(TEN + minute * 60);
        house.ping("name=a&frequency=10m").await;
    }
    house.edit("DELETE FROM changes").await;
    insta::assert_snapshot!(why(&house, TEN + 90).await, @r#"
    2026-11-25 10:01:30 UTC: what was expected of "a" cannot be known. The history that is kept begins 13:10:00 UTC.
    The monitor itself did not listen from 10:00:00 UTC to 13:19:00 UTC, and held silence against nobody until 13:20:00 UTC.
    "#);
    assert_eq!(ask(&house, &format!("a/why?at={}", TEN + 90)).await.json["state"], "unknown");
}

#[tokio::test]
async fn a_ping_that_changes_nothing_leaves_no_row_and_the_newest_hundred_are_kept() {
    let house = House::new().await;
    for _ in 0..3 {
        house.ping("name=a&frequency=10m").await;
    }
    assert_eq!(house.texts("SELECT what FROM changes").await, ["made"]);
    for minute in 1..=CHANGES_OF_SERVICE_MAX + 5 {
        house.ping(&format!("name=a&frequency={}m", 10 + minute)).await;
    }
    assert_eq!(house.count("SELECT count(*) FROM changes").await, CHANGES_OF_SERVICE_MAX);
    assert_eq!(house.count("SELECT max(number) FROM changes").await, CHANGES_OF_SERVICE_MAX + 6);
    let house = house.restart().await;
    house.send("DELETE", "/ping/a").await;
    house.ping("name=a&frequency=10m").await;
    let last = "SELECT what || number FROM changes ORDER BY seq DESC LIMIT 2";
    assert_eq!(house.texts(last).await, ["made108", "deleted107"]);
}

#[tokio::test]
async fn a_batch_numbers_the_changes_of_each_service() {
    let house = House::new().await;
    house
        .ping_all((0..50).map(|number| format!("name=s{}&frequency={}m", number % 5, number + 1)))
        .await;
    let wrong = "SELECT count(*) FROM (SELECT service FROM changes GROUP BY service HAVING count(*) != 10 OR max(number) != 10)";
    assert_eq!(house.count(wrong).await, 0);
}

#[tokio::test]
async fn a_time_that_is_none_or_to_come_is_told_what_would_be_right() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    let wrong = house.get("/api/v1/services/a/why?at=noon").await;
    assert_eq!(wrong.status, 400);
    insta::assert_snapshot!(wrong.detail(), @r#"at "noon" is not a time: use Unix seconds, 2026-10-03T02:00:00Z, 2026-10-03T02:00, 02:00, or 2h for so long ago"#);
    let ahead = house.get(&format!("/api/v1/services/a/why?at={}", TEN + 1)).await;
    assert_eq!(ahead.status, 400);
    insta::assert_snapshot!(ahead.detail(), @r#"at "1795600801" is in the future: use a time that has passed"#);
}
