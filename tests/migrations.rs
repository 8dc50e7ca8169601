//! Every migration is applied over what the versions before it have left behind.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use overdue::clock::Clock;
use overdue::config::{Database, Durability};
use overdue::core::frequency::Grace;
use overdue::core::name::Name;
use overdue::core::ping::Ping;
use overdue::store::{self, Guard, Rules};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tempfile::TempDir;

const NOW: i64 = 1_795_600_800;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// A database as the version `version` has left it, with what `rows` insert.
async fn left_by(version: i64, folder: &TempDir, rows: &'static str) -> std::path::PathBuf {
    let path = folder.path().join("overdue.db");
    let uri = format!("sqlite:{}?mode=rwc", path.display());
    let mut connection = SqliteConnection::connect(&uri).await.unwrap();
    let migrations: Vec<_> =
        MIGRATIONS.iter().filter(|migration| migration.version <= version).cloned().collect();
    assert!(!migrations.is_empty());
    let migrator = Migrator { migrations: migrations.into(), ..Migrator::DEFAULT };
    migrator.run(&mut connection).await.unwrap();
    sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    path
}

fn rules() -> Rules {
    Rules {
        grace: Grace::ZERO,
        services_max: 100,
        routes: Vec::new(),
        hold_seconds: 60,
        remind_every_seconds: None,
        history: 100,
        log_bytes_max: 1_000_000,
    }
}

#[tokio::test]
async fn the_first_schema_is_brought_up_to_date_with_all_that_it_holds() {
    let folder = TempDir::new().unwrap();
    let path = left_by(
        1,
        &folder,
        "INSERT INTO services (name, frequency, grace, last_ping, expected, deadline, alerted, outage_since) VALUES
             ('up', 600, 60, 1795600800, 1795601400, 1795601460, 0, NULL),
             ('overdue', 60, 0, 1795600000, 1795600060, 1795600060, 1, 1795600060);
         INSERT INTO alerts (id, service, kind, about, occurrence, created_at, outage_since, frequency, grace, last_ping, deadline)
             VALUES ('alr_x', 'overdue', 'overdue', 1795600060, 0, 1795600061, 1795600060, 60, 0, 1795600000, 1795600060);
         INSERT INTO deliveries (alert, destination, service, next_attempt) VALUES (1, 'gone', 'overdue', 1795600061);
         INSERT INTO monitor (id, listening_until) VALUES (1, 1795600800);",
    )
    .await;
    let clock = Clock::manual(NOW);
    let database = Database::File(path.clone());
    let opened =
        store::open(&database, Durability::Full, rules(), clock.clone(), Guard::alone(clock))
            .await
            .unwrap();
    assert!(!opened.is_new);
    let writer = tokio::spawn(opened.writer.run());
    let store = opened.store;
    let name = |text: &str| Name::parse(text).unwrap();
    let known = store.service(&name("up")).await.unwrap().unwrap().service;
    assert_eq!((known.deadline, known.grace_given), (Some(NOW + 660), true));
    assert_eq!(known.last_success, Some(NOW));
    let pinged = store.ping(Ping::new(name("overdue"), NOW)).await.unwrap();
    assert_eq!((pinged.deadline, pinged.outage_since), (Some(NOW + 60), None));
    store.close().await;
    writer.await.unwrap();
    let uri = format!("sqlite:{}", path.display());
    let mut connection = SqliteConnection::connect(&uri).await.unwrap();
    let told: Vec<(String, Option<i64>)> =
        sqlx::query_as("SELECT kind, last_success FROM alerts ORDER BY seq")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert_eq!(
        told,
        [("overdue".to_owned(), Some(1_795_600_000)), ("recovered".to_owned(), Some(NOW))]
    );
    let integrity: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(integrity, "ok");
}

#[tokio::test]
async fn of_attempts_before_they_were_kept_the_last_is_known() {
    let folder = TempDir::new().unwrap();
    let path = left_by(
        2,
        &folder,
        "INSERT INTO services (name, frequency, grace, last_ping, expected, deadline, alerted, outage_since) VALUES
             ('a', 600, 60, 1795600000, 1795600600, 1795600660, 1, 1795600660);
         INSERT INTO alerts (id, service, kind, about, occurrence, created_at, outage_since, frequency, grace, last_ping, deadline)
             VALUES ('alr_a', 'a', 'overdue', 1795600660, 0, 1795600661, 1795600660, 600, 60, 1795600000, 1795600660);
         INSERT INTO deliveries (alert, destination, service, state, attempts, next_attempt, last_attempt, last_error) VALUES
             (1, 'accepts', 'a', 'delivered', 1, 1795600661, 1795600661, NULL),
             (1, 'fails', 'a', 'pending', 3, 1795600900, 1795600700, 'it answered 500 Internal Server Error'),
             (1, 'gone', 'a', 'given_up', 2, 1795600661, 1795600690, 'the destination has left the settings'),
             (1, 'waits', 'a', 'pending', 0, 1795600661, NULL, NULL);",
    )
    .await;
    let clock = Clock::manual(NOW);
    let database = Database::File(path);
    let opened =
        store::open(&database, Durability::Full, rules(), clock.clone(), Guard::alone(clock))
            .await
            .unwrap();
    let writer = tokio::spawn(opened.writer.run());
    let store = opened.store;
    let alert = store.alert("alr_a").await.unwrap().unwrap();
    let known: Vec<_> = alert
        .deliveries
        .iter()
        .map(|delivery| {
            let attempt = delivery.attempts.first();
            let attempt = attempt.map(|attempt| (attempt.number, attempt.answer.as_str()));
            (delivery.destination.as_str(), delivery.attempts_made, attempt)
        })
        .collect();
    assert_eq!(
        known,
        [
            ("accepts", 1, Some((1, "it was accepted"))),
            ("fails", 3, Some((3, "it answered 500 Internal Server Error"))),
            ("gone", 2, None),
            ("waits", 0, None)
        ]
    );
    store.close().await;
    writer.await.unwrap();
}

#[tokio::test]
async fn the_record_of_changes_begins_with_what_is_there_and_with_the_last_gap() {
    let folder = TempDir::new().unwrap();
    let path = left_by(
        3,
        &folder,
        "INSERT INTO services (name, frequency, grace, grace_given, paused, last_ping, expected, deadline, signals) VALUES
             ('up', 600, 60, 1, 0, 1795600800, 1795601400, 1795601460, 7),
             ('paused', 60, 0, 0, 1, 1795600000, NULL, NULL, 1);
         INSERT INTO alerts (id, service, kind, about, occurrence, created_at, outage_since, grace) VALUES
             ('alr_1', 'up', 'overdue', 1795600000, 0, 1795600001, 1795600000, 60),
             ('alr_2', 'up', 'recovered', 1795599990, 0, 1795600002, 1795600000, 60);
         INSERT INTO monitor (id, listening_until, gap_from, gap_to, hold_until)
             VALUES (1, 1795600800, 1795600100, 1795600200, 1795600260);",
    )
    .await;
    let clock = Clock::manual(NOW);
    let database = Database::File(path.clone());
    let opened =
        store::open(&database, Durability::Full, rules(), clock.clone(), Guard::alone(clock))
            .await
            .unwrap();
    let writer = tokio::spawn(opened.writer.run());
    let facts = opened.store.why(&Name::parse("up").unwrap(), NOW, NOW).await.unwrap();
    assert_eq!(facts.changes.len(), 1);
    assert_eq!(facts.gaps.len(), 1);
    opened.store.close().await;
    writer.await.unwrap();
    let uri = format!("sqlite:{}", path.display());
    let mut connection = SqliteConnection::connect(&uri).await.unwrap();
    let changes: Vec<String> = sqlx::query_scalar(
        "SELECT service || ' ' || number || ' ' || what || ' ' || frequency || ' ' || paused || ' ' || signals
         FROM changes ORDER BY seq",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(changes, ["up 1 known 600 0 7", "paused 1 known 60 1 1"]);
    let outage: (i64, i64, i64) =
        sqlx::query_as("SELECT started_at, ended_at, outage_seconds FROM outages")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert_eq!(outage, (1_795_600_000, 1_795_599_990, 0), "what ran in time was no outage");
}

#[tokio::test]
async fn what_may_be_written_is_the_same_after_its_checks_were_written_anew() {
    let signals = ["success", "start", "fail", "log"].map(ping_of);
    let changes = ["known", "made", "declared", "changed", "paused", "resumed", "deleted"];
    let changes = changes.map(change_of);
    let kinds = ["overdue", "failed", "recovered", "reminder"].map(alert_of);
    let states = ["pending", "delivered", "given_up"].map(delivery_of);
    let allowed = [signals.as_slice(), &changes, &kinds, &states].concat();
    let others = ["x", "", "ping", "Start", "success ", "overdue,failed"];
    let others =
        others.map(|word| [ping_of(word), change_of(word), alert_of(word), delivery_of(word)]);
    let others = others.concat();
    let folder = TempDir::new().unwrap();
    let path = left_by(6, &folder, "INSERT INTO monitor (id, listening_until) VALUES (1, 7)").await;
    let uri = format!("sqlite:{}", path.display());
    // One that had the file open before reads the schema again.
    let mut early = SqliteConnection::connect(&uri).await.unwrap();
    for statement in &allowed {
        sqlx::raw_sql(AssertSqlSafe(statement.as_str())).execute(&mut early).await.unwrap();
    }
    let mut connection = SqliteConnection::connect(&uri).await.unwrap();
    MIGRATIONS.run(&mut connection).await.unwrap();
    let may_edit: i64 =
        sqlx::query_scalar("PRAGMA writable_schema").fetch_one(&mut connection).await.unwrap();
    assert_eq!(may_edit, 0);
    let mut late = SqliteConnection::connect(&uri).await.unwrap();
    for connection in [&mut early, &mut connection, &mut late] {
        for statement in &allowed {
            sqlx::raw_sql(AssertSqlSafe(statement.as_str()))
                .execute(&mut *connection)
                .await
                .unwrap();
        }
        for statement in &others {
            let refused = sqlx::raw_sql(AssertSqlSafe(statement.as_str()));
            let refused = refused.execute(&mut *connection).await.unwrap_err().to_string();
            assert!(refused.contains("CHECK constraint failed: "), "{statement}: {refused}");
            assert!(!refused.contains(" IN ("), "{statement}: {refused}");
        }
        let integrity: String =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_one(connection).await.unwrap();
        assert_eq!(integrity, "ok");
    }
    let lists: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM sqlite_schema WHERE sql LIKE '% IN (''%'',%'',%' OR name = 'overdue_checks_are_new'",
    )
    .fetch_one(&mut late)
    .await
    .unwrap();
    assert_eq!(lists, 0, "a list of three or more is left, or what had the schema read again");
}

#[tokio::test]
async fn a_check_that_somebody_has_written_otherwise_stays() {
    let folder = TempDir::new().unwrap();
    let path = left_by(
        6,
        &folder,
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'signal TEXT NOT NULL CHECK', '-- was: CHECK (signal IN (''success'', ''start'', ''fail'', ''log''))
             signal TEXT NOT NULL -- and CHECK (signal IN (''success'', ''start'', ''fail'', ''log''))
             CHECK (length(signal) > 2) CHECK') WHERE name = 'pings';
         UPDATE sqlite_schema SET sql = replace(sql, 'kind IN (', 'kind in (') WHERE name = 'alerts';
         PRAGMA writable_schema = RESET;",
    )
    .await;
    let uri = format!("sqlite:{}", path.display());
    let mut connection = SqliteConnection::connect(&uri).await.unwrap();
    MIGRATIONS.run(&mut connection).await.unwrap();
    for (statement, is_allowed) in [
        (ping_of("log"), true),
        (ping_of("x"), false),
        (ping_of("ping"), false),
        (alert_of("failed"), true),
        (alert_of("ping"), false),
    ] {
        let done = sqlx::raw_sql(AssertSqlSafe(statement.as_str())).execute(&mut connection).await;
        assert_eq!(done.is_ok(), is_allowed, "{statement}: {done:?}");
    }
}

fn ping_of(signal: &str) -> String {
    format!(
        "INSERT INTO pings (service, number, previous, at, received_at, signal) VALUES ('a', 1, 0, 1, 1, '{signal}')"
    )
}

fn change_of(what: &str) -> String {
    format!(
        "INSERT INTO changes (service, number, at, what, by_ping, signals, paused)
         SELECT 'a', count(*), 1, '{what}', 0, 0, 0 FROM changes"
    )
}

fn alert_of(kind: &str) -> String {
    format!(
        "INSERT INTO alerts (id, service, kind, about, occurrence, created_at, outage_since, grace)
         SELECT 'alr_' || count(*), 'a', '{kind}', 1, 0, 1, 1, 0 FROM alerts"
    )
}

fn delivery_of(state: &str) -> String {
    format!(
        "INSERT INTO deliveries (alert, destination, service, state, next_attempt)
         SELECT 1, 'd' || count(*), 'a', '{state}', 1 FROM deliveries"
    )
}
