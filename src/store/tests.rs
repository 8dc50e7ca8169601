//! What only the store can show: that every statement fits the schema, how the planner answers them, and what one
//! batch gives.

use std::sync::Arc;

use sqlx::{Connection as _, Executor as _, Row as _, SqlSafeStr as _, SqliteConnection};
use tempfile::TempDir;

use super::memory::{Alerts, Memory, Remembered};
use super::sql::of_rows::{
    CHANGES_STORE, PINGS_STORE, PINGS_STORE_PLAIN, SERVICES_PINGED, SERVICES_PINGED_AGAIN,
    SERVICES_TOLD, STATEMENT_ROWS,
};
use super::start::has_no_trigger_but_ours;
use super::{Guard, Opened, Rules, Store, StoreError, Writer, open, sql};
use crate::clock::Clock;
use crate::config::{Database, Durability};
use crate::core::declaration::Declaration;
use crate::core::frequency::{Frequency, Grace};
use crate::core::limits::SERVICES_REMEMBERED_MAX;
use crate::core::name::Name;
use crate::core::ping::{Origin, Ping, Terms};
use crate::core::service::Service;
use crate::core::signal::Signal;

const NOW: i64 = 1_795_600_800;

fn clock() -> Clock {
    Clock::manual(NOW)
}

struct Opening {
    folder: TempDir,
    store: Store,
    writer: Writer,
}

async fn opening() -> Opening {
    opening_of(100).await
}

/// A store of up to so many services.
async fn opening_of(services_max: i64) -> Opening {
    let folder = TempDir::new().unwrap();
    let database = Database::File(folder.path().join("overdue.db"));
    let rules = Rules {
        grace: Grace::ZERO,
        services_max,
        routes: Vec::new(),
        hold_seconds: 60,
        remind_every_seconds: None,
        history: 100,
        log_bytes_max: 1_000_000,
    };
    let Opened { store, writer, .. } =
        open(&database, Durability::Full, rules, clock(), Guard::alone(clock())).await.unwrap();
    Opening { folder, store, writer }
}

async fn connection(opening: &Opening) -> SqliteConnection {
    let path = opening.folder.path().join("overdue.db");
    SqliteConnection::connect(path.to_str().unwrap()).await.unwrap()
}

fn ping(name: &str, frequency: i64) -> Ping {
    let terms = Terms { frequency: Frequency::from_seconds(frequency), ..Terms::default() };
    Ping { terms, ..Ping::new(Name::parse(name).unwrap(), NOW) }
}

/// Every text by its name.
fn texts() -> Vec<(&'static str, String)> {
    let of_rows = [
        ("SERVICES_PINGED", &SERVICES_PINGED),
        ("SERVICES_PINGED_AGAIN", &SERVICES_PINGED_AGAIN),
        ("SERVICES_TOLD", &SERVICES_TOLD),
        ("PINGS_STORE_PLAIN", &PINGS_STORE_PLAIN),
        ("PINGS_STORE", &PINGS_STORE),
        ("CHANGES_STORE", &CHANGES_STORE),
    ];
    let of_rows = of_rows.iter().flat_map(|(name, statement)| {
        STATEMENT_ROWS.into_iter().map(|rows| (*name, statement.text(rows).0.to_owned()))
    });
    let all = [sql::ALL, sql::alerts::ALL, sql::forget::ALL, sql::record::ALL, sql::pages::ALL];
    all.into_iter()
        .flatten()
        .map(|(name, text)| (*name, (*text).to_owned()))
        .chain(of_rows)
        .collect()
}

#[tokio::test]
async fn all_triggers_of_a_migrated_database_are_known_so_that_its_services_are_remembered() {
    let opening = opening().await;
    let mut connection = connection(&opening).await;
    assert!(has_no_trigger_but_ours(&mut connection).await.unwrap());
    for edit in [
        "CREATE TRIGGER mine AFTER INSERT ON pings BEGIN SELECT 1; END",
        "DROP TRIGGER mine; DROP TRIGGER pings_gone; CREATE TRIGGER pings_gone AFTER DELETE ON pings BEGIN SELECT 1; END",
    ] {
        sqlx::raw_sql(edit).execute(&mut connection).await.unwrap();
        assert!(!has_no_trigger_but_ours(&mut connection).await.unwrap(), "{edit}");
    }
}

#[tokio::test]
async fn no_more_services_are_remembered_than_may_be() {
    let named = |number: usize| Name::parse(format!("service {number}")).unwrap();
    let decision = crate::core::ping::ping(None, &ping("a", 600), Grace::ZERO, NOW);
    let service = Arc::new(decision.unwrap().change.service);
    let remembered = || Remembered { id: 1, service: Arc::clone(&service), alerts: Alerts::None };
    let mut memory = Memory::default();
    memory.begin(1, true);
    for number in (0..SERVICES_REMEMBERED_MAX).chain([0]) {
        memory.keep(named(number), remembered());
    }
    assert!(memory.take(&named(1)).is_some(), "as many as may be");
    for number in 1..=SERVICES_REMEMBERED_MAX {
        memory.keep(named(number), remembered());
    }
    assert!(memory.take(&named(2)).is_none(), "one more");
    assert!(memory.take(&named(SERVICES_REMEMBERED_MAX)).is_some());
}

#[tokio::test]
async fn a_service_that_takes_much_room_is_not_remembered() {
    let name = Name::parse("a").unwrap();
    let decision = crate::core::ping::ping(None, &ping("a", 600), Grace::ZERO, NOW);
    let service = decision.unwrap().change.service;
    let mut memory = Memory::default();
    memory.begin(1, true);
    for (bytes, is_kept) in [(1000, true), (1001, false)] {
        let description = Some("x".repeat(bytes));
        let service = Arc::new(Service { description, ..service.clone() });
        memory.keep(name.clone(), Remembered { id: 1, service, alerts: Alerts::None });
        assert_eq!(memory.take(&name).is_some(), is_kept, "{bytes}");
    }
}

#[tokio::test]
async fn every_statement_can_be_prepared_on_a_migrated_database() {
    let opening = opening().await;
    let mut connection = connection(&opening).await;
    assert!(sql::ALL.len() > 10);
    for (name, text) in texts() {
        if let Err(error) = connection.prepare(sqlx::AssertSqlSafe(text).into_sql_str()).await {
            panic!("{name}: {error}");
        }
    }
}

#[tokio::test]
async fn the_sweep_uses_its_partial_index_and_nothing_scans_a_table_that_grows() {
    let opening = opening().await;
    let mut connection = connection(&opening).await;
    // What was asked for, the rows that a walk through one service's history has come to, and a page with its limit.
    let is_bounded = |step: &str| {
        // What a subquery reads is a step of its own.
        let given = ["VIRTUAL TABLE", "CONSTANT ROW", "-ROW VALUES", "SCAN (subquery"];
        given.iter().any(|given| step.contains(given))
            || ["SCAN w", "SCAN c", "SCAN page", "SCAN pinged", "SCAN told"].contains(&step)
    };
    // Counting counts; what left the settings is looked for once a start, and a clock that went back is rare.
    let may_scan = [
        "CHANGES_COUNT",
        // From one end on, up to a limit.
        "CHANGES_TRIM",
        "GAPS_TRIM",
        // Two pages of names that become one.
        "NAMES_EVER",
        "SERVICES_COUNT",
        // Up to limits; a search goes through the names.
        "DELIVERY_LAST",
        "OUTLINE",
        "OUTLINE_FOUND",
        "SERVICES_CENSUS",
        "SERVICES_COUNT_TO",
        "SERVICES_WATCHED_IN_OUTAGE",
        "TALLY",
        "LOGS_BYTES",
        "LOGS_TRIM",
        "SUMMARY",
        "TABLES",
        "TRIGGERS_STRANGE",
        "DELIVERIES_GIVE_UP_STRANGERS",
        "DELIVERIES_UNSTICK",
        "MIGRATIONS_APPLIED",
    ];
    for (name, text) in texts() {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
        let rows = sqlx::query(explain).fetch_all(&mut connection).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(3)).collect();
        // A rank is read along an index that says where it begins, or that holds nothing else.
        if name.starts_with("RANK_") {
            let reads: Vec<&String> =
                plan.iter().filter(|step| step.contains(" services")).collect();
            let is_indexed = |step: &&String| {
                step.starts_with("SEARCH services USING ")
                    || ["services_failed", "services_late", "services_paused", "services_running"]
                        .into_iter()
                        .any(|index| {
                            step.starts_with("SCAN services USING ") && step.ends_with(index)
                        })
            };
            assert!(!reads.is_empty() && reads.iter().all(is_indexed), "{name}: {plan:#?}");
            continue;
        }
        // Nearly all have not been told of: what is stored of a few is not looked for among those.
        let is_by_alerted = plan.iter().any(|step| step.contains("services_due (alerted=?)"));
        assert!(!is_by_alerted || may_scan.contains(&name), "{name}: {plan:#?}");
        if name == "SERVICES_DUE" {
            assert_eq!(
                plan,
                ["SEARCH s USING INDEX services_due (alerted=? AND deadline>? AND deadline<?)"]
            );
        }
        let scans = plan.iter().any(|step| step.starts_with("SCAN ") && !is_bounded(step));
        assert!(!scans || may_scan.contains(&name), "{name}: {plan:#?}");
    }
}

#[tokio::test]
async fn for_one_ping_and_for_one_deletion_sqlite_makes_no_table_in_between() {
    let opening = opening().await;
    let mut connection = connection(&opening).await;
    for text in [
        SERVICES_PINGED.text(1).0,
        SERVICES_PINGED_AGAIN.text(1).0,
        PINGS_STORE_PLAIN.text(1).0,
        sql::forget::PINGS_FORGET_FIRST,
        sql::forget::SERVICES_FORGET_ONE,
        sql::record::CHANGES_STORE_ONE,
        sql::record::CHANGES_TRIM_OF_ONE,
    ] {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN {text}"));
        let rows = sqlx::query(explain).fetch_all(&mut connection).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.get("opcode")).collect();
        assert!(steps.len() > 10 && !steps.iter().any(|step| step == "OpenEphemeral"), "{text}");
    }
}

#[tokio::test]
async fn a_batch_gives_what_its_commands_one_by_one_would_have_given() {
    let opening = opening().await;
    let (store, a) = (opening.store.clone(), Name::parse("a").unwrap());
    // The writer does not run yet, so all of these wait in its queue and become one batch.
    let asked = async {
        let deleted_before = store.delete(a.clone(), NOW, Origin::default());
        let mut with_grace = ping("a", 600);
        with_grace.terms.grace = Grace::from_seconds(60);
        let first = store.ping(with_grace);
        let changed = store.ping(ping("a", 3600));
        let other = store.ping(ping("b", 600));
        let deleted = store.delete(a.clone(), NOW, Origin::default());
        let unknown = store.ping(Ping::new(a.clone(), NOW));
        let again = store.ping(ping("a", 60));
        tokio::join!(deleted_before, first, changed, other, deleted, unknown, again)
    };
    let (answers, ()) = tokio::join!(
        async {
            let answers = asked.await;
            store.close().await;
            answers
        },
        opening.writer.run()
    );
    let (deleted_before, first, changed, other, deleted, unknown, again) = answers;
    assert_eq!(deleted_before, Err(StoreError::UnknownService));
    assert_eq!(first.unwrap().deadline, Some(NOW + 660));
    assert_eq!(changed.unwrap().deadline, Some(NOW + 3660), "the grace of the ping before is kept");
    assert!(other.is_ok() && deleted.is_ok());
    assert_eq!(unknown, Err(StoreError::Refused(crate::core::ping::Refusal::Unknown)));
    assert_eq!(again.unwrap().deadline, Some(NOW + 60), "made afresh, without the grace of before");
    let path = opening.folder.path().join("overdue.db");
    let mut connection = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT name, deadline FROM services ORDER BY name")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert_eq!(rows, [("a".to_owned(), NOW + 60), ("b".to_owned(), NOW + 600)]);
}

#[tokio::test]
async fn of_however_many_services_that_ping_again_in_one_second_each_knows_its_last_signal() {
    for services in [1, 2, 3, 5, 257, 600] {
        let opening = opening_of(services).await;
        let writer = tokio::spawn(opening.writer.run());
        for _ in 1..=3 {
            // All wait in the queue before the writer has its turn, and become one batch.
            let pings = (0..services).map(|number| {
                let store = opening.store.clone();
                tokio::spawn(async move { store.ping(ping(&format!("job-{number}"), 600)).await })
            });
            for answer in pings.collect::<Vec<_>>() {
                assert!(answer.await.unwrap().is_ok());
            }
        }
        opening.store.close().await;
        writer.await.unwrap();
        let path = opening.folder.path().join("overdue.db");
        let mut connection = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
        let right: i64 = sqlx::query_scalar(
            "SELECT count(*)
             FROM services AS s
             JOIN pings AS third ON third.id = s.newest_ping AND third.service = s.name AND third.number = s.signals
             JOIN pings AS second ON second.id = third.previous AND second.service = s.name AND second.number = 2
             JOIN pings AS first ON first.id = second.previous AND first.service = s.name AND first.number = 1
             WHERE s.signals = 3 AND s.deadline = s.last_ping + 600",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!(right, services);
    }
}

#[tokio::test]
async fn what_a_service_made_afresh_raises_in_the_batch_of_its_deletion_is_not_forgotten() {
    let opening = opening().await;
    let (store, a) = (opening.store.clone(), Name::parse("a").unwrap());
    let failure = || Ping { signal: Signal::Fail, ..ping("a", 600) };
    let change = Declaration { description: None, ..Declaration::default() };
    let declare = super::Action::Declare(Box::new(change));
    let asked = async {
        let first = store.ping(failure());
        let deleted = store.delete(a.clone(), NOW, Origin::default());
        let changed = store.steer(a.clone(), declare, NOW, Origin::default());
        let again = store.ping(failure());
        tokio::join!(first, deleted, changed, again)
    };
    let (answers, ()) = tokio::join!(
        async {
            let answers = asked.await;
            store.close().await;
            answers
        },
        opening.writer.run()
    );
    let (first, deleted, changed, again) = answers;
    assert!(first.is_ok() && deleted.is_ok() && again.is_ok());
    assert_eq!(changed, Err(StoreError::Refused(crate::core::ping::Refusal::Unknown)));
    let path = opening.folder.path().join("overdue.db");
    let mut connection = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    let kinds: Vec<String> =
        sqlx::query_scalar("SELECT kind FROM alerts").fetch_all(&mut connection).await.unwrap();
    assert_eq!(kinds, ["failed"]);
}

#[tokio::test]
async fn what_waits_when_the_store_is_closed_is_done_and_what_comes_later_is_refused() {
    let opening = opening().await;
    let store = opening.store.clone();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.ping(ping("a", 600)).await }
    });
    tokio::task::yield_now().await;
    store.close().await;
    opening.writer.run().await;
    assert!(waiting.await.unwrap().is_ok());
    assert_eq!(store.ping(ping("b", 600)).await, Err(StoreError::Unavailable));
    assert_eq!(store.summary(NOW).await, Err(StoreError::Unavailable));
}

#[tokio::test]
async fn a_queue_that_is_full_says_so_at_once() {
    let opening = opening().await;
    let store = &opening.store;
    let mut waiting = Vec::new();
    for _ in 0..crate::core::limits::WRITER_QUEUE_COMMANDS_MAX {
        let store = store.clone();
        waiting.push(tokio::spawn(async move { store.ping(ping("a", 600)).await }));
    }
    tokio::task::yield_now().await;
    while store.commands.capacity() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.ping(ping("b", 600)).await, Err(StoreError::Overloaded));
    let writer = tokio::spawn(opening.writer.run());
    for answer in waiting {
        assert!(answer.await.unwrap().is_ok());
    }
    store.close().await;
    writer.await.unwrap();
}

#[tokio::test]
async fn full_durability_syncs_every_commit_and_relaxed_does_not() {
    for (durability, synchronous) in [(Durability::Full, 2), (Durability::Relaxed, 1)] {
        let folder = TempDir::new().unwrap();
        let database = Database::File(folder.path().join("overdue.db"));
        let rules = Rules {
            grace: Grace::ZERO,
            services_max: 1,
            routes: Vec::new(),
            hold_seconds: 60,
            remind_every_seconds: None,
            history: 100,
            log_bytes_max: 1_000_000,
        };
        let mut opened =
            open(&database, durability, rules, clock(), Guard::alone(clock())).await.unwrap();
        let connection = opened.writer.connection.as_mut().unwrap();
        let (level, journal): (i64, String) = sqlx::query_as(
            "SELECT synchronous, journal_mode FROM pragma_synchronous, pragma_journal_mode",
        )
        .fetch_one(connection)
        .await
        .unwrap();
        assert_eq!((level, journal.as_str()), (synchronous, "wal"));
    }
}
