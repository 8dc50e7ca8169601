use overdue::store::StoreError;

use crate::house::{House, TEN};

#[tokio::test]
async fn silence_is_told_once_and_never_within_the_deadlines_second() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m&grace=1m").await;
    assert_eq!(house.sweep_at(TEN + 660).await, 0, "the deadline itself is not past");
    assert_eq!(house.sweep_at(TEN + 661).await, 1);
    assert_eq!(house.sweep_at(TEN + 662).await, 0);
    assert_eq!(house.count("SELECT alerted FROM services").await, 1);
    assert_eq!(house.texts("SELECT kind || ' ' || service FROM alerts").await, ["overdue a"]);
}

#[tokio::test]
async fn a_ping_ends_the_outage_and_the_next_silence_is_told_again() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 601).await;
    house.clock.set(TEN + 700);
    assert_eq!(house.ping("name=a&frequency=10m").await["status"], "up");
    assert_eq!(house.sweep_at(TEN + 1300).await, 0);
    assert_eq!(house.sweep_at(TEN + 1301).await, 1);
    assert_eq!(
        house.texts("SELECT kind FROM alerts ORDER BY seq").await,
        ["overdue", "recovered", "overdue"]
    );
    assert_eq!(
        house
            .texts("SELECT service || ' ' || coalesce(outage_seconds, 'lasts') FROM outages")
            .await,
        ["a 100", "a lasts"]
    );
    assert_eq!(house.count("SELECT count(DISTINCT id) FROM alerts").await, 3);
}

#[tokio::test]
async fn a_ping_whose_own_deadline_is_past_ends_no_outage() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 601).await;
    house.clock.set(TEN + 2000);
    let late = format!("name=a&frequency=10m&timestamp={}", TEN + 1000);
    assert_eq!(house.ping(&late).await["status"], "overdue");
    assert_eq!(house.sweep_at(TEN + 2001).await, 0);
    assert_eq!(house.texts("SELECT kind FROM alerts").await, ["overdue"]);
}

#[tokio::test]
async fn the_same_deadline_missed_twice_is_two_alerts_with_two_ids() {
    let house = House::new().await;
    let ping = |frequency: &str| format!("name=a&frequency={frequency}&timestamp={}", TEN - 1000);
    house.ping(&ping("10m")).await;
    assert_eq!(house.sweep_at(TEN + 1).await, 1);
    house.ping(&ping("1D")).await;
    house.ping(&ping("10m")).await;
    assert_eq!(house.sweep_at(TEN + 2).await, 1);
    assert_eq!(
        house.count("SELECT count(DISTINCT id) FROM alerts WHERE kind = 'overdue'").await,
        2
    );
    assert_eq!(
        house.count("SELECT count(DISTINCT about) FROM alerts WHERE kind = 'overdue'").await,
        1
    );
}

#[tokio::test]
async fn thousands_that_fall_due_at_once_are_each_told_once() {
    let house = House::new().await;
    house
        .edit(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
             INSERT INTO services (name, frequency, deadline) SELECT 'job ' || i, 60, 1000 FROM n",
        )
        .await;
    assert_eq!(house.sweep_after_gap(TEN).await, 2500);
    assert_eq!(house.sweep_at(TEN + 1).await, 0);
    assert_eq!(house.count("SELECT count(DISTINCT id) FROM alerts").await, 2500);
}

#[tokio::test]
async fn edits_made_with_sqlite3_are_honoured() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    house.ping("name=b&frequency=10m").await;
    // The sweep believes the deadline alone.
    house.edit("UPDATE services SET deadline = 1000 WHERE name = 'a'").await;
    assert_eq!(house.sweep_at(TEN + 1).await, 1);
    // A changed frequency counts from the next ping.
    house.edit("UPDATE services SET frequency = 3600, grace = 60 WHERE name = 'b'").await;
    assert_eq!(house.count("SELECT deadline FROM services WHERE name = 'b'").await, TEN + 600);
    assert_eq!(house.get("/ping/b").await.json["deadline"], "2026-11-25T11:01:01Z");
    // A deleted row is gone, and one made by hand is watched.
    house.edit("DELETE FROM services WHERE name = 'b'").await;
    assert_eq!(house.get("/ping/b").await.status, 404);
    house
        .edit("INSERT INTO services (name, frequency, deadline) VALUES ('by hand', 60, 1000)")
        .await;
    assert_eq!(house.sweep_at(TEN + 2).await, 1);
    assert_eq!(house.get("/ping/by%20hand").await.json["frequency"], "1m");
    // Set back to 0, it is raised again, as an alert of its own.
    house.edit("UPDATE services SET deadline = 1000, alerted = 0 WHERE name = 'by hand'").await;
    assert_eq!(house.sweep_at(TEN + 3).await, 1);
    assert_eq!(house.count("SELECT count(DISTINCT id) FROM alerts WHERE service = 'by hand' AND kind = 'overdue'").await, 2);
}

#[tokio::test]
async fn a_slip_of_the_hand_is_refused_by_the_edit() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m").await;
    let mut connection = house.sqlite().await;
    for statement in [
        "UPDATE services SET frequency = 0",
        "UPDATE services SET frequency = '10m'",
        "UPDATE services SET grace = -1",
        "UPDATE services SET deadline = -1",
        "UPDATE services SET last_ping = 1664743905000",
        "UPDATE services SET alerted = 2",
        "UPDATE services SET name = ''",
        "UPDATE services SET name = 'a' || char(10) || 'b'",
        "UPDATE services SET name = 'a' || char(0)",
    ] {
        assert!(sqlx::query(statement).execute(&mut connection).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn rows_spoilt_by_hand_are_skipped_and_spoil_nothing_else() {
    let house = House::new().await;
    house
        .edit(
            "PRAGMA ignore_check_constraints = ON;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
             INSERT INTO services (name, frequency, deadline) SELECT 'spoilt ' || i, -i, 1000 FROM n;
             INSERT INTO services (name, frequency, deadline) VALUES (CAST(x'ff' AS TEXT), 60, 1000);
             INSERT INTO services (name, frequency, deadline) VALUES ('a' || char(10) || 'b', 60, 1000);
             INSERT INTO services (name, frequency, deadline) VALUES ('well', 60, 1001);",
        )
        .await;
    assert_eq!(
        house.sweep_after_gap(TEN).await,
        1,
        "those before it in the order of deadlines hide nothing"
    );
    assert_eq!(house.texts("SELECT service FROM alerts").await, ["well"]);
    // In one batch with a healthy one.
    let (spoilt, well) = tokio::join!(house.get("/ping/spoilt%201"), house.get("/ping/well"));
    assert_eq!((spoilt.status, well.status), (503, 200));
    insta::assert_snapshot!(spoilt.detail(), @r#"the stored row of "spoilt 1" cannot be read: ping it with a frequency, DELETE it, or mend it with sqlite3"#);
    // A ping that says everything replaces the row, and DELETE removes one.
    house.ping("name=spoilt 1&frequency=1h".replace(' ', "+").as_str()).await;
    assert_eq!(house.send("DELETE", "/ping/spoilt%202").await.status, 200);
    assert_eq!(house.count("SELECT count(*) FROM services").await, 1502);
}

#[tokio::test]
async fn a_command_that_the_database_refuses_costs_only_itself() {
    let house = House::new().await;
    house
        .edit("CREATE TRIGGER poison BEFORE INSERT ON services WHEN NEW.name = 'poison' BEGIN SELECT RAISE(ABORT, 'no'); END")
        .await;
    let names = ["a", "poison", "b", "c"];
    let pings = names.map(|name| {
        let name = overdue::core::name::Name::parse(name).unwrap();
        let mut ping = overdue::core::ping::Ping::new(name, TEN);
        ping.terms.frequency = overdue::core::frequency::Frequency::from_seconds(60);
        house.store.ping(ping)
    });
    let [a, poison, b, c] = pings;
    let (a, poison, b, c) = tokio::join!(a, poison, b, c);
    assert_eq!(poison, Err(StoreError::Unavailable));
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(house.texts("SELECT name FROM services ORDER BY name").await, ["a", "b", "c"]);
}

/// Name, status, running, three seconds, paused and failed.
type StatusRow = (String, String, String, Second, Second, Second, i64, i64);

/// A stored second, or none.
type Second = Option<i64>;

#[tokio::test]
async fn the_view_says_the_same_status_as_the_program() {
    let house = House::new().await;
    house
        .edit(
            "WITH seconds(name, last_ping, expected, deadline, paused, failed, running_since) AS (VALUES
                 ('never pinged', NULL, NULL, NULL, 0, 0, NULL), ('declared', NULL, 300, 300, 0, 0, NULL),
                 ('declared, late', NULL, -300, 300, 0, 0, NULL), ('declared, overdue', NULL, -600, -300, 0, 0, NULL),
                 ('up', -10, 300, 600, 0, 0, NULL), ('late', -10, -5, 600, 0, 0, NULL),
                 ('overdue', -900, -600, -300, 0, 0, NULL), ('expects nothing', -10, -5, NULL, 0, 0, NULL),
                 ('deadline by hand', -10, 300, -300, 0, 0, NULL), ('paused', -900, NULL, NULL, 1, 0, NULL),
                 ('paused by hand', -900, -600, -300, 1, 1, NULL), ('failed', -10, 300, 600, 0, 1, NULL),
                 ('failed, then silent', -900, -600, -300, 0, 1, NULL), ('failed and late', -10, -5, 600, 0, 1, NULL),
                 ('running for the first time', NULL, NULL, 600, 0, 0, -10), ('running, past expected', -10, -5, 600, 0, 0, -5),
                 ('running for too long', -900, -600, -300, 0, 0, -600))
             INSERT INTO services (
                 name, frequency, last_ping, expected, deadline, paused, failed, running_since, runs
             )
             SELECT name, 60, unixepoch() + last_ping, unixepoch() + expected, unixepoch() + deadline, paused, failed,
                 unixepoch() + running_since,
                 CASE WHEN running_since IS NOT NULL THEN json_array(json_array(NULL, 1000, NULL)) END
             FROM seconds",
        )
        .await;
    let now = crate::support::now();
    let mut connection = house.sqlite().await;
    let rows: Vec<StatusRow> = sqlx::query_as(
        "SELECT name, status.status, status.running, services.last_ping, expected, services.deadline, paused, failed
         FROM services JOIN status USING (name)",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(rows.len(), 17);
    let mut seen = std::collections::HashSet::new();
    for (name, status, running, last_ping, expected, deadline, paused, failed) in rows {
        let mut runs = overdue::core::runs::Runs::default();
        if running == "yes" {
            runs.start(None, 1000);
        }
        let service = overdue::core::service::Service {
            last_ping,
            expected,
            deadline,
            paused: paused == 1,
            failed: failed == 1,
            runs,
            ..overdue::core::service::Service::new(
                overdue::core::name::Name::parse(name.as_str()).unwrap(),
                overdue::core::schedule::Schedule::Every(
                    overdue::core::frequency::Frequency::from_seconds(60).unwrap(),
                ),
                overdue::core::frequency::Grace::ZERO,
            )
        };
        assert_eq!(service.status(now).as_str(), status, "{name}");
        seen.insert(status);
    }
    assert_eq!(seen.len(), 6, "every status is among them");
}

#[tokio::test]
async fn the_view_reads_like_a_table_made_for_people() {
    let house = House::new().await;
    house
        .edit(
            "INSERT INTO services (name, frequency, last_ping, expected, deadline) VALUES
                 ('c', 60, 1795600800, unixepoch() + 4410, unixepoch() + 4410),
                 ('a', 60, 1795600800, 1795600860, unixepoch() - 200000),
                 ('b', 60, NULL, NULL, NULL)",
        )
        .await;
    assert_eq!(
        house
            .texts("SELECT name || '|' || status || '|' || last_ping || '|' || due FROM status")
            .await,
        [
            "a|overdue|2026-11-25 10:00:00|2 d 7 h ago",
            "b|waiting|never|",
            "c|up|2026-11-25 10:00:00|in 1 h 13 min"
        ]
    );
}

#[tokio::test]
async fn old_alerts_are_removed_but_none_that_is_on_its_way_or_of_an_outage_that_lasts() {
    let routes = vec![
        crate::house::destination("http://127.0.0.1:9/", overdue::config::AlertFormat::Json).route,
    ];
    let house = House::with(overdue::store::Rules { routes, ..crate::house::rules() }).await;
    for name in ["lasts", "pending", "over"] {
        house.ping(&format!("name={name}&frequency=10m&timestamp=1000")).await;
    }
    house.sweep_at(TEN + 1).await;
    house.ping("name=over&frequency=10m").await;
    house.ping("name=pending&frequency=10m").await;
    house.edit("UPDATE deliveries SET state = 'delivered' WHERE service != 'pending'").await;
    assert_eq!(house.store.purge(TEN + 1).await, Ok(0), "none is old enough");
    assert_eq!(house.store.purge(TEN + 100).await, Ok(2));
    assert_eq!(
        house.texts("SELECT service || ' ' || kind FROM alerts ORDER BY seq").await,
        ["lasts overdue", "pending overdue", "pending recovered"]
    );
    assert_eq!(house.count("SELECT count(*) FROM deliveries").await, 3);
}
