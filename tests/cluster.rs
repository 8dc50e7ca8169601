//! The real binary as one of several machines, each with a stand-in for its LiteFS: roles that change, writes that fail
//! as on a replica, and `overdue migrate`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use overdue::core::role::Role;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use support::litefs::Litefs;
use support::{Answer, Receiver, Server, now, overdue, patiently};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// One machine: its folder, its LiteFS, and the program.
struct Node {
    folder: TempDir,
    litefs: Litefs,
    server: Server,
}

impl Node {
    async fn start(litefs: Litefs, alert_uri: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = serve(folder.path(), &litefs);
        command.env("PING_ALERT_URI", alert_uri);
        let server = Server::spawn(command).await;
        Self { folder, litefs, server }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("overdue.db")
    }

    async fn until_its_role_is(&self, role: &str) -> Answer {
        until(
            role,
            async || self.server.get("/readyz").await,
            |answer| answer.json()["role"] == role,
        )
        .await
    }

    /// Asks until the answer is 200, as callers that retry do.
    async fn ping(&self, target: &str) {
        until("a 200", async || self.server.get(target).await, |answer| answer.status == 200).await;
    }
}

fn serve(folder: &Path, litefs: &Litefs) -> Command {
    let mut command = overdue(folder);
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("OVERDUE_LITEFS", litefs.url());
    command
}

/// Asks again and again until the answer is right, with a bound.
async fn until(
    what: &str,
    ask: impl AsyncFn() -> Answer,
    is_right: impl Fn(&Answer) -> bool,
) -> Answer {
    patiently(what, async {
        loop {
            let answer = ask().await;
            if is_right(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

/// Makes the second database hold what the first one does, as replication would.
async fn replicate(from: &Path, to: &Path) {
    let options = SqliteConnectOptions::new().busy_timeout(Duration::from_secs(5));
    if !to.exists() {
        let mut connection = options.clone().filename(from).connect().await.unwrap();
        let copy = sqlx::query("VACUUM INTO ?1").bind(to.to_str().unwrap());
        copy.execute(&mut connection).await.unwrap();
        // LiteFS replicates the journal mode, which is a byte in the header; a copy made so has lost it.
        let mut copied = SqliteConnection::connect(to.to_str().unwrap()).await.unwrap();
        sqlx::query("PRAGMA journal_mode = WAL").execute(&mut copied).await.unwrap();
        copied.close().await.unwrap();
        return;
    }
    let mut connection = options.filename(to).connect().await.unwrap();
    sqlx::query("ATTACH ?1 AS original")
        .bind(from.to_str().unwrap())
        .execute(&mut connection)
        .await
        .unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name = 'deliveries'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
    for table in tables.iter().rev() {
        let statement = format!("DELETE FROM main.{table}");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *transaction).await.unwrap();
    }
    for table in &tables {
        let columns: Vec<String> =
            sqlx::query_scalar("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0")
                .bind(table)
                .fetch_all(&mut *transaction)
                .await
                .unwrap();
        let columns = columns.join(", ");
        let statement =
            format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM original.{table}");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
    connection.close().await.unwrap();
}

async fn rows(database: &Path, statement: &'static str) -> Vec<String> {
    let mut connection =
        SqliteConnectOptions::new().filename(database).read_only(true).connect().await.unwrap();
    sqlx::query_scalar(statement).fetch_all(&mut connection).await.unwrap()
}

/// Hands the writing over: LiteFS has the one let go, sends what is left, and tells the other.
async fn hand_over(from: &Node, to: &Node, name: &str) {
    from.litefs.becomes_replica_of(name);
    let answer = from.until_its_role_is("replica").await.json();
    assert_eq!(answer["primary"], name);
    until(
        "that it has let go",
        async || from.server.get("/ping/nobody").await,
        |answer| answer.status == 503,
    )
    .await;
    replicate(&from.database(), &to.database()).await;
    to.litefs.becomes_primary();
    to.until_its_role_is("primary").await;
}

/// Alerts by type and name, and how often each came.
fn counted(alerts: &[Value]) -> HashMap<(String, String), usize> {
    let mut counted = HashMap::new();
    for alert in alerts {
        let word = |name: &str| alert[name].as_str().unwrap().to_owned();
        *counted.entry((word("type"), word("name"))).or_default() += 1;
    }
    counted
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_hand_over_and_back_no_alert_is_lost_and_none_is_raised_twice() {
    let mut receiver = Receiver::start().await;
    // The replica comes first, before there is any database.
    let b = Node::start(Litefs::replica_of("a").await, &receiver.uri()).await;
    assert!(b.server.greeting.contains("role      replica of a"), "{}", b.server.greeting);
    assert_eq!(b.server.get("/healthz").await.status, 200);
    let answer = b.server.get("/ping?name=x&frequency=1h").await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.head.contains("fly-replay: instance=a;timeout=5s;fallback=force_self"),
        "{answer:?}"
    );
    assert!(!b.database().exists());
    let a = Node::start(Litefs::primary().await, &receiver.uri()).await;
    let pids = (a.server.pid(), b.server.pid());
    let mut alerts = Vec::new();

    a.ping("/ping?name=well&frequency=1h").await;
    a.ping("/ping?name=gone&frequency=1s&timestamp=7").await;
    alerts.push(receiver.next().await.body);
    replicate(&a.database(), &b.database()).await;
    assert_eq!(b.until_its_role_is("replica").await.status, 200);

    // Its deadline passes while the writing is handed over.
    a.ping("/ping?name=late&frequency=1s&grace=1s").await;
    hand_over(&a, &b, "b").await;
    alerts.push(receiver.next().await.body);
    b.ping("/ping/gone?frequency=1h").await;
    alerts.push(receiver.next().await.body);
    let rows_of_a = "SELECT name || ' ' || last_ping || ' ' || alerted FROM services ORDER BY name";
    let before = rows(&a.database(), rows_of_a).await;
    assert_eq!(a.server.get("/ping/gone").await.status, 503);

    hand_over(&b, &a, "a").await;
    a.ping("/ping/late?frequency=1h").await;
    alerts.push(receiver.next().await.body);
    a.ping("/ping?name=new&frequency=1s&timestamp=7").await;
    // Had anything been raised or delivered a second time, it would stand before this one.
    alerts.push(receiver.next().await.body);
    assert_ne!(
        before,
        rows(&a.database(), rows_of_a).await,
        "it goes on with what the other wrote"
    );

    let expected = [
        ("service.overdue", "gone"),
        ("service.overdue", "late"),
        ("service.recovered", "gone"),
        ("service.recovered", "late"),
        ("service.overdue", "new"),
    ];
    let expected = expected.map(|(kind, name)| ((kind.to_owned(), name.to_owned()), 1));
    assert_eq!(counted(&alerts), HashMap::from(expected));
    assert!(alerts.iter().all(|alert| alert["uncertain"].is_null()), "{alerts:?}");
    assert_eq!((a.server.pid(), b.server.pid()), pids);
    a.server.stop().await;
    b.server.stop().await;
    assert!(receiver.rest().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_as_on_a_replica_is_answered_as_there_and_the_program_goes_on() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    assert_eq!(server.get("/ping?name=a&frequency=1h").await.status, 200);
    server.stop().await;
    // The shared memory of the log is there and need not grow, so that it is the log itself that cannot be written.
    let database = folder.path().join("overdue.db");
    let mut other = SqliteConnection::connect(database.to_str().unwrap()).await.unwrap();
    sqlx::query("SELECT count(*) FROM services").execute(&mut other).await.unwrap();
    let litefs = Litefs::primary().await;
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -S -f 1; exec \"$0\" serve --listen 127.0.0.1:0"])
        .arg(env!("CARGO_BIN_EXE_overdue"))
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("OVERDUE_LITEFS", litefs.url())
        .stderr(Stdio::piped());
    let mut server = Server::spawn_with_log(command).await;
    let mut log = BufReader::new(server.log()).lines();
    let mut said = String::new();
    let ping = server.get("/ping/a");
    // The write has failed before LiteFS says why.
    let settles = async {
        while !said.contains("778") {
            let line = patiently("the failed write", log.next_line()).await.unwrap();
            said.push_str(&line.expect("it has ended"));
        }
        litefs.becomes_replica_of("b");
    };
    let (answer, ()) = tokio::join!(ping, settles);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("fly-replay: instance=b;"), "{answer:?}");
    litefs.becomes_primary();
    let pid = server.pid().to_string();
    let lifted =
        Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap();
    assert!(lifted.success());
    until("a 200", async || server.get("/ping/a").await, |answer| answer.status == 200).await;
    assert_eq!(server.get("/readyz").await.status, 200);
    server.stop().await;
    while let Some(line) = log.next_line().await.unwrap() {
        said.push_str(&line);
    }
    assert!(said.contains("not primary now"), "{said}");
    assert!(!said.contains("ERROR"), "it is no internal error: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_litefs_is_away_nothing_is_stored_and_when_it_is_back_it_goes_on() {
    let receiver = Receiver::start().await;
    let mut node = Node::start(Litefs::primary().await, &receiver.uri()).await;
    node.ping("/ping?name=a&frequency=1h").await;
    node.litefs.goes_away();
    let answer = node.until_its_role_is("unknown").await;
    assert_eq!(answer.status, 503);
    let began = now();
    let answer = node.server.get("/ping/a").await;
    assert_eq!(answer.status, 503);
    assert!(now() - began >= 4, "it was held for the role to settle");
    assert!(!answer.head.contains("fly-replay"), "{answer:?}");
    let held = node.server.get("/ping/a");
    let (answer, ()) = tokio::join!(held, node.litefs.comes_back());
    assert_eq!(answer.status, 200, "what is held is stored once the role is known: {answer:?}");
    node.litefs.has_no_primary();
    node.until_its_role_is("replica").await;
    node.server.stop().await;
}

/// Runs `overdue migrate`: its exit status and what it says.
fn migrate(folder: &Path, litefs: Option<&str>) -> (Option<i32>, String) {
    let mut command = overdue(folder);
    command.arg("migrate");
    if let Some(url) = litefs {
        command.env("OVERDUE_LITEFS", url);
    }
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap().trim_end().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_is_the_primarys_and_harmless_everywhere_and_every_time() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_owned();
    let run = async |litefs: Option<String>| {
        let path = path.clone();
        tokio::task::spawn_blocking(move || migrate(&path, litefs.as_deref())).await.unwrap()
    };
    let database = folder.path().join("overdue.db");
    let mut litefs = Litefs::replica_of("node1").await;
    let (status, said) = run(Some(litefs.url())).await;
    assert_eq!((status, database.exists()), (Some(0), false));
    insta::assert_snapshot!(said, @"this machine is a replica of node1: the primary migrates, nothing is changed here");
    litefs.has_no_primary();
    let (status, said) = run(Some(litefs.url())).await;
    assert_eq!((status, database.exists()), (Some(0), false));
    insta::assert_snapshot!(said, @"no machine is the primary now: it migrates once it is, nothing is changed here");
    litefs.becomes_primary();
    let (status, said) = run(Some(litefs.url())).await;
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.ends_with(&format!("overdue.db is made, its schema has version {}", newest())),
        "{said}"
    );
    let before = std::fs::read(&database).unwrap();
    for litefs in [Some(litefs.url()), None] {
        let (status, said) = run(litefs).await;
        assert_eq!(status, Some(0));
        assert!(said.contains("is up to date"), "{said}");
    }
    assert_eq!(std::fs::read(&database).unwrap(), before);
    let server = Server::start(folder.path(), None).await;
    assert_eq!(run(None).await.0, Some(0), "while it is served");
    server.stop().await;
    litefs.goes_away();
    let (status, said) = run(Some(litefs.url())).await;
    assert_eq!(status, Some(1));
    assert!(
        said.starts_with(&format!("overdue: LiteFS does not answer at {}", litefs.url())),
        "{said}"
    );
    litefs.comes_back().await;
}

/// The version of the newest migration.
fn newest() -> usize {
    std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_ahead_or_behind_is_said_and_what_can_be_served_is() {
    let receiver = Receiver::start().await;
    let node = Node::start(Litefs::replica_of("a").await, &receiver.uri()).await;
    let original = TempDir::new().unwrap();
    let server = Server::start(original.path(), None).await;
    server.get("/ping?name=a&frequency=1h").await;
    server.stop().await;
    let original = original.path().join("overdue.db");
    let known = newest();
    for (statement, version) in [
        ("INSERT INTO _sqlx_migrations VALUES (9999, 'more', 0, 1, x'', 0)", 9999),
        ("DELETE FROM _sqlx_migrations WHERE version != 1", 1),
    ] {
        let mut connection = SqliteConnection::connect(original.to_str().unwrap()).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        replicate(&original, &node.database()).await;
        let answer = node.server.get("/readyz").await;
        let detail = answer.json()["detail"].clone();
        if version == known {
            assert_eq!((answer.status, detail), (200, Value::Null));
        } else {
            let said = format!("the schema has version {version} and this program knows {known}");
            assert!(detail.as_str().unwrap().starts_with(&said), "{detail}");
        }
        assert_eq!(node.server.get("/healthz").await.status, 200);
        let mut command = serve(node.folder.path(), &node.litefs);
        command.arg("--alert-history=1D");
        let second = Server::spawn(command).await;
        assert!(second.greeting.contains("(1 service, 0 overdue"), "{}", second.greeting);
        second.stop().await;
    }
    node.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_whose_schema_is_newer_serves_reads_and_stores_nothing() {
    let receiver = Receiver::start().await;
    let node = Node::start(Litefs::primary().await, &receiver.uri()).await;
    node.ping("/ping?name=a&frequency=1h").await;
    node.litefs.becomes_replica_of("b");
    node.until_its_role_is("replica").await;
    let mut connection =
        SqliteConnection::connect(node.database().to_str().unwrap()).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations VALUES (9999, 'more', 0, 1, x'', 0)";
    until(
        "the lock",
        async || {
            // Until it has let go of the database, which it does within a second.
            node.server.get("/ping/a").await
        },
        |answer| answer.status == 503,
    )
    .await;
    sqlx::query(newer).execute(&mut connection).await.unwrap();
    node.litefs.becomes_primary();
    node.until_its_role_is("primary").await;
    let answer = node.server.get("/ping/a?frequency=2h").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(
        rows(&node.database(), "SELECT CAST(frequency AS TEXT) FROM services").await,
        ["3600"]
    );
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 9999")
        .execute(&mut connection)
        .await
        .unwrap();
    node.ping("/ping/a?frequency=2h").await;
    node.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_with_status_0_whatever_its_role_and_gives_the_lease_up_so() {
    let mut receiver = Receiver::start().await;
    receiver.usually(support::Reply::Hang);
    let node = Node::start(Litefs::primary().await, &receiver.uri()).await;
    node.ping("/ping?name=a&frequency=1s&timestamp=7").await;
    receiver.next().await;
    let _idle = tokio::net::TcpStream::connect(node.server.address).await.unwrap();
    node.litefs.has_no_primary();
    node.until_its_role_is("replica").await;
    let address = node.server.address;
    let held = tokio::spawn(async move { support::send(address, "GET", "/ping/a").await });
    node.server.signal("TERM");
    let ended = tokio::time::timeout(Duration::from_secs(10), node.server.ended()).await;
    assert_eq!(ended.expect("within 10 s").code(), Some(0));
    if let Ok(answer) = held.await.unwrap() {
        assert_eq!(answer.status, 503);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_was_paused_while_another_took_over_stores_and_raises_nothing() {
    let mut receiver = Receiver::start().await;
    let a = Node::start(Litefs::primary().await, &receiver.uri()).await;
    let b = Node::start(Litefs::replica_of("a").await, &receiver.uri()).await;
    // Due soon after the pause began, so that a sweep that did not ask would find it.
    a.ping("/ping?name=job&frequency=1s&grace=2s").await;
    replicate(&a.database(), &b.database()).await;
    a.server.signal("STOP");
    let paused_at = now();
    a.litefs.becomes_replica_of("b");
    b.litefs.becomes_primary();
    assert_eq!(receiver.next().await.body["name"], "job");
    b.ping("/ping/job?frequency=1h").await;
    assert_eq!(receiver.next().await.body["type"], "service.recovered");
    // Longer than a role is believed, and shorter than a lease lasts.
    while now() - paused_at <= overdue::core::limits::ROLE_SECONDS_MAX + 1 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let address = a.server.address;
    let waiting = tokio::spawn(async move { support::send(address, "GET", "/ping/job").await });
    tokio::task::yield_now().await;
    a.server.signal("CONT");
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("fly-replay: instance=b;"), "{answer:?}");
    assert_eq!(rows(&a.database(), "SELECT id FROM alerts").await, Vec::<String>::new());
    a.server.stop().await;
    b.server.stop().await;
    assert!(receiver.rest().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_tell_at_once_that_it_is_no_longer_primary_and_are_listened_to_again() {
    let mut litefs = Litefs::primary().await;
    let clock = overdue::clock::Clock::system();
    let cluster = overdue::cluster::Cluster::new(litefs.url().parse().unwrap(), clock).unwrap();
    let mut standing = cluster.standing();
    let stop = tokio_util::sync::CancellationToken::new();
    let listening = tokio::spawn(cluster.run(stop.clone()));
    let mut becomes = async |what: &str, wanted: Role| {
        let told = standing.wait_for(|standing| standing.role(now()) == wanted);
        patiently(what, told).await.unwrap();
    };
    for round in ["at first", "after it was away"] {
        litefs.becomes_primary();
        litefs.answers_info(true);
        becomes(round, Role::Primary).await;
        // The end of the stream before may come late, and another one is opened only while it answers.
        patiently("a listener", litefs.has_a_listener()).await;
        // From here on nothing but an event can tell; the first one on a stream tells what is so when it begins.
        litefs.answers_info(false);
        litefs.becomes_replica_of("b");
        becomes(round, Role::Replica { primary: Some("b".to_owned()) }).await;
        litefs.goes_away();
        litefs.comes_back().await;
    }
    stop.cancel();
    patiently("the end", listening).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_on_a_replica_shows_what_comes_from_the_primary_while_it_is_looked_at() {
    let receiver = Receiver::start().await;
    let a = Node::start(Litefs::primary().await, &receiver.uri()).await;
    let b = Node::start(Litefs::replica_of("a").await, &receiver.uri()).await;
    a.ping("/ping?name=there-before&frequency=1h").await;
    replicate(&a.database(), &b.database()).await;
    until(
        "the replica to read",
        async || b.server.get("/").await,
        |answer| answer.status == 200 && answer.body.contains("there-before"),
    )
    .await;
    let mut stream = TcpStream::connect(b.server.address).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await.unwrap();
    let mut read = String::new();
    until_it_says(&mut stream, &mut read, "there-before").await;
    assert!(!read.contains("come-since"), "{read}");
    a.ping("/ping?name=come-since&frequency=1h").await;
    replicate(&a.database(), &b.database()).await;
    until_it_says(&mut stream, &mut read, "come-since").await;
}

/// Reads on until these words have come.
async fn until_it_says(stream: &mut TcpStream, read: &mut String, words: &str) {
    patiently(words, async {
        let mut buffer = [0; 4096];
        while !read.contains(words) {
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "the stream has ended: {read}");
            read.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    })
    .await;
}
