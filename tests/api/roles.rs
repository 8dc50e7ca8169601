//! One of several machines: what a replica answers, who sweeps and delivers, and what a new term begins with.

use axum::body::Body;
use overdue::alerting::Step;
use overdue::config::AlertFormat;
use overdue::core::role::{Role, Standing};
use overdue::http::{Access, Route, routes};
use overdue::store::{Rules, StoreError};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::house::{House, TEN, destination, rules};
use crate::support::{Receiver, Reply};

async fn house(role: Role) -> House {
    house_with(role, rules()).await
}

async fn house_with(role: Role, rules: Rules) -> House {
    House::among(watch::Sender::new(Standing::UNKNOWN.heard(role, TEN)), rules).await
}

fn replica_of(primary: &str) -> Role {
    Role::Replica { primary: Some(primary.to_owned()) }
}

/// Lets time go on until `second`, as the primary, sweeping often enough for there to be no gap.
async fn sweep_as_primary(house: &House, second: i64) -> usize {
    let mut raised = 0;
    while house.clock.now() < second {
        house.clock.set(second.min(house.clock.now() + 4));
        house.hear(Role::Primary);
        raised += house.sweeper.step(house.clock.now()).await.unwrap();
    }
    raised
}

#[tokio::test]
async fn every_route_that_writes_sends_a_replicas_callers_to_the_primary_and_no_other_does() {
    let house = house(replica_of("e286")).await;
    for Route { methods, path, access } in routes() {
        for method in methods {
            let target = path.replace("{name}", "somebody").replace("{signal}", "start");
            let request = House::request(method.as_str(), &target).body(Body::empty());
            // The body is not waited for: it need not end.
            let answer = house.router.clone().oneshot(request.unwrap()).await.unwrap();
            let replay = answer.headers().get("fly-replay").map(|value| value.to_str().unwrap());
            if access.writes {
                assert_eq!(answer.status(), 503, "{method} {path}");
                assert_eq!(answer.headers()["retry-after"], "1");
                assert_eq!(replay, Some("instance=e286;timeout=5s;fallback=force_self"));
            } else {
                assert_eq!(replay, None, "{method} {path}");
            }
        }
    }
    let answer = house.get("/ping?name=a&frequency=1h").await;
    insta::assert_snapshot!(answer.detail(), @r#"this machine is a replica of "e286", which alone can store this: try again in a second"#);
    assert!(!house.database().exists(), "nothing is made on a replica");
}

#[tokio::test]
async fn every_route_that_asks_for_a_key_that_changes_writes() {
    for route in routes() {
        let changes =
            [Access::PING, Access::DIALECT, Access::ADMIN, Access::FORM].contains(&route.access);
        assert_eq!(route.access.writes, changes, "{}", route.path);
    }
}

#[tokio::test]
async fn a_request_that_was_sent_on_before_is_held_until_the_role_has_settled() {
    for header in ["fly-replay-src", "fly-replay-failed"] {
        let house = house(replica_of("e286")).await;
        let request =
            House::request("GET", "/ping?name=a&frequency=1h").header(header, "instance=e286");
        let request = request.body(Body::empty()).unwrap();
        let settles = async {
            tokio::task::yield_now().await;
            house.hear(Role::Primary);
        };
        let (answer, ()) = tokio::join!(house.answer(request), settles);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(house.count("SELECT count(*) FROM services").await, 1);
    }
}

#[tokio::test]
async fn a_request_is_held_while_no_primary_is_known_and_sent_on_once_one_is() {
    let house = house(Role::Replica { primary: None }).await;
    let settles = async {
        tokio::task::yield_now().await;
        house.hear_of("e286");
    };
    let (answer, ()) = tokio::join!(house.get("/ping/a"), settles);
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["fly-replay"], "instance=e286;timeout=5s;fallback=force_self");
}

#[tokio::test]
async fn what_does_not_settle_within_five_seconds_is_answered_503_without_sending_on() {
    let replayed = house(replica_of("e286")).await;
    let nobody = house(Role::Replica { primary: None }).await;
    let unknown = House::among(watch::Sender::new(Standing::UNKNOWN), rules()).await;
    let request = House::request("DELETE", "/ping/a").header("fly-replay-src", "instance=e286");
    let began = std::time::Instant::now();
    let answers = tokio::join!(
        replayed.answer(request.body(Body::empty()).unwrap()),
        nobody.get("/ping/a"),
        unknown.send("DELETE", "/ping/a"),
    );
    assert!(began.elapsed() >= std::time::Duration::from_secs(5));
    for answer in [answers.0, answers.1, answers.2] {
        assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &"1".parse().unwrap()));
        assert!(!answer.headers.contains_key("fly-replay"), "{answer:?}");
        assert!(!answer.detail().is_empty());
    }
}

#[tokio::test]
async fn a_role_that_was_not_confirmed_for_a_while_is_not_acted_upon() {
    let house = house(Role::Primary).await;
    house.ping("name=a&frequency=1h").await;
    house.clock.set(TEN + 6);
    assert_eq!(house.sweeper.step(TEN + 6).await, Err(StoreError::NotPrimary));
    let ping = async { house.get("/ping/a").await.status };
    let confirmed = async {
        tokio::task::yield_now().await;
        house.hear(Role::Primary);
    };
    assert_eq!(
        tokio::join!(ping, confirmed).0,
        200,
        "a machine that was paused asks before it stores"
    );
}

#[tokio::test]
async fn only_the_primary_sweeps_and_delivers_and_a_hand_over_raises_nothing_twice() {
    let mut receiver = Receiver::start().await;
    let to = destination(&receiver.uri(), AlertFormat::Json);
    let house =
        house_with(Role::Primary, Rules { routes: vec![to.route.clone()], ..rules() }).await;
    let mut courier = house.courier(&to);
    house.ping("name=gone&frequency=10m&timestamp=1000").await;
    house.ping("name=well&frequency=12s").await;
    assert_eq!(sweep_as_primary(&house, TEN + 1).await, 1);
    // Before it is delivered another machine takes over: there it is delivered and noted.
    house.hear_of("b");
    assert_eq!(house.sweeper.step(TEN + 1).await, Err(StoreError::NotPrimary));
    assert_eq!(courier.step(TEN + 1).await, Ok(Step::Idle));
    house.edit("UPDATE deliveries SET state = 'delivered', attempts = 1").await;
    house.edit("UPDATE monitor SET listening_until = 1795600815").await;
    house.edit("UPDATE services SET last_ping = last_ping + 10, expected = expected + 10, deadline = deadline + 10 WHERE name = 'well'").await;
    // Twenty seconds later it is back, and what the other has written is what it goes on with.
    house.clock.set(TEN + 20);
    house.hear(Role::Primary);
    assert_eq!(house.sweeper.step(TEN + 20).await, Ok(0), "well was heard by the other");
    courier.step(TEN + 20).await.unwrap();
    courier.settle().await;
    assert!(receiver.rest().is_empty(), "delivered once, by the other");
    assert_eq!(house.count("SELECT coalesce(gap_to, 0) FROM monitor").await, 0, "no gap");
    assert_eq!(sweep_as_primary(&house, TEN + 23).await, 1);
    courier.step(TEN + 23).await.unwrap();
    assert_eq!(receiver.next().await.body["name"], "well");
}

#[tokio::test]
async fn to_become_primary_after_nobody_listened_is_a_gap_and_causes_no_false_alarm() {
    let house = house(replica_of("b")).await;
    house.hear(Role::Primary);
    house.ping("name=a&frequency=2m").await;
    house.hear_of("b");
    assert_eq!(house.sweeper.step(TEN).await, Err(StoreError::NotPrimary));
    house.clock.set(TEN + 200);
    house.hear(Role::Primary);
    assert_eq!(house.sweeper.step(TEN + 200).await, Ok(0), "it may be the monitor that was away");
    house.ping("name=a&frequency=2m").await;
    assert_eq!(sweep_as_primary(&house, TEN + 300).await, 0);
    assert_eq!(house.count("SELECT gap_to - gap_from FROM monitor").await, 200);
}

#[tokio::test]
async fn what_was_taken_in_one_term_is_not_sent_in_the_next() {
    let mut receiver = Receiver::start().await;
    receiver.usually(Reply::Hang);
    let to = destination(&receiver.uri(), AlertFormat::Json);
    let house =
        house_with(Role::Primary, Rules { routes: vec![to.route.clone()], ..rules() }).await;
    let mut courier = house.courier(&to);
    house.ping("name=a&frequency=10m&timestamp=1000").await;
    sweep_as_primary(&house, TEN + 1).await;
    courier.step(TEN + 1).await.unwrap();
    let first = receiver.next().await.body;
    house.hear_of("b");
    courier.step(TEN + 1).await.unwrap();
    // Nothing tells whether the one in flight has arrived, so it is sent again, under the same id.
    house.hear(Role::Primary);
    receiver.usually(Reply::Status(200));
    courier.step(TEN + 1).await.unwrap();
    assert_eq!(receiver.next().await.body["id"], first["id"]);
    assert_eq!(house.count("SELECT count(*) FROM alerts").await, 1);
}

#[tokio::test]
async fn readyz_tells_the_role_and_how_far_behind_a_replica_is() {
    let house = house(replica_of("b")).await;
    let answer = house.get("/readyz").await;
    assert_eq!(answer.status, 503);
    insta::assert_snapshot!(answer.json, @r#"{"detail":"there is no database yet: the primary makes it","lag_seconds":null,"primary":"b","ready":false,"role":"replica","role_age_seconds":0}"#);
    house.hear(Role::Primary);
    house.ping("name=a&frequency=1h").await;
    let answer = house.get("/readyz").await;
    assert_eq!(answer.status, 200);
    insta::assert_snapshot!(answer.json, @r#"{"detail":null,"lag_seconds":0,"primary":null,"ready":true,"role":"primary","role_age_seconds":0}"#);
    house.clock.set(TEN + 3);
    house.hear_of("b");
    house.clock.set(TEN + 5);
    let answer = house.get("/readyz").await;
    assert_eq!(answer.status, 200);
    insta::assert_snapshot!(answer.json, @r#"{"detail":null,"lag_seconds":5,"primary":"b","ready":true,"role":"replica","role_age_seconds":2}"#);
    house.clock.set(TEN + 30);
    let answer = house.get("/readyz").await;
    assert_eq!(answer.status, 503);
    insta::assert_snapshot!(answer.json, @r#"{"detail":"LiteFS does not say what this machine is","lag_seconds":30,"primary":null,"ready":false,"role":"unknown","role_age_seconds":27}"#);
    let alone = House::new().await;
    assert_eq!(alone.get("/readyz").await.json["role"], "alone");
}

#[tokio::test]
async fn the_last_primary_tells_when_nobody_is_and_not_when_another_is() {
    let mut receiver = Receiver::start().await;
    let to = destination(&receiver.uri(), AlertFormat::Json);
    let house = house(Role::Primary).await;
    let client = overdue::alerting::Client::new().unwrap();
    let mut watchman = overdue::alerting::Watchman::new(
        &[to],
        house.store.health(),
        client,
        crate::house::presentation(),
        house.clock.clone(),
    );
    house.ping("name=a&frequency=1h").await;
    house.hear_of("b");
    for second in [1, 31, 32] {
        assert_eq!(house.sweeper.step(TEN + second).await, Err(StoreError::NotPrimary));
        assert_eq!(watchman.step(TEN + second).await, 0);
    }
    house.hear(Role::Primary);
    house.sweeper.step(TEN + 1).await.unwrap();
    house.hear(Role::Replica { primary: None });
    assert_eq!(house.sweeper.step(TEN + 1).await, Err(StoreError::NotPrimary));
    assert_eq!(watchman.step(TEN + 30).await, 0);
    assert_eq!(watchman.step(TEN + 31).await, 1);
    assert_eq!(receiver.next().await.body["type"], "monitor.failing");
    house.hear_of("b");
    assert_eq!(house.sweeper.step(TEN + 31).await, Err(StoreError::NotPrimary));
    assert_eq!(watchman.step(TEN + 32).await, 1);
    assert_eq!(receiver.next().await.body["type"], "monitor.recovered");
}

#[tokio::test]
async fn only_the_primarys_heart_beats() {
    let mut receiver = Receiver::start().await;
    let house = house(Role::Primary).await;
    house.ping("name=a&frequency=1D").await;
    let client = overdue::alerting::Client::new().unwrap();
    let (uri, pulse) = (receiver.uri().parse().unwrap(), overdue::alerting::Pulse::default());
    let heart =
        overdue::alerting::Heart::new(uri, pulse, &house.store, client, house.clock.clone());
    sweep_as_primary(&house, TEN + 1).await;
    assert!(heart.step(TEN + 1).await);
    house.hear_of("b");
    assert!(!heart.step(TEN + 1).await);
    house.hear(Role::Primary);
    sweep_as_primary(&house, TEN + 2).await;
    assert!(heart.step(TEN + 2).await);
    receiver.next().await;
    receiver.next().await;
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn a_replica_with_an_older_schema_serves_what_it_can_and_says_why_it_cannot_serve_the_rest() {
    let house = house(replica_of("b")).await;
    let answer = house.get("/").await;
    assert_eq!(answer.detail(), "there is no database yet: the primary makes it");
    house.hear(Role::Primary);
    house.ping("name=a&frequency=1h").await;
    house
        .edit(
            "DROP INDEX services_failed; DROP INDEX services_late; DROP INDEX services_paused;
             DROP INDEX services_running; DROP INDEX services_unheard;
             DELETE FROM _sqlx_migrations WHERE version > 4",
        )
        .await;
    house.hear_of("b");
    let (_, page) = house.text(House::request("GET", "/")).await;
    assert!(page.contains("data-name=\"a\""), "{page}");
    house
        .edit(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
             INSERT INTO services (name, frequency, last_ping, last_success, expected, deadline)
             SELECT printf('z%05d', i), 86400, 1795600800, 1795600800, 1795687200, 1795687200 FROM n",
        )
        .await;
    let answer = house.get("/").await;
    assert_eq!(answer.status, 503);
    let said = "the schema has version 4 and this program knows ";
    assert!(answer.detail().starts_with(said), "{answer:?}");
    assert_eq!(house.get("/api/v1/services?limit=1").await.json["services"][0]["name"], "a");
}
