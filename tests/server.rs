//! The real binary on a real socket, with a real receiver of alerts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/mod.rs"]
mod support;

use std::process::Stdio;

use serde_json::Value;
use support::{PATIENCE, Receiver, Reply, Server, now, overdue, patiently, raw, sqlite3};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_first_ping_then_silence_then_one_alert_then_a_recovery() {
    let mut receiver = Receiver::start().await;
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), Some(&receiver.uri())).await;
    let answer = server.get("/ping?name=daily_digest&frequency=1s").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let alert = receiver.next().await.body;
    let arrived = now();
    assert_eq!(
        (&alert["type"], &alert["name"]),
        (&"service.overdue".into(), &"daily_digest".into())
    );
    assert_eq!(alert["deadline"], answer.json()["deadline"]);
    let deadline: jiff::Timestamp = alert["deadline"].as_str().unwrap().parse().unwrap();
    assert!(arrived > deadline.as_second(), "an alert is never early");
    assert_eq!(server.get("/ping/daily_digest?frequency=1h").await.status, 200);
    assert_eq!(receiver.next().await.body["type"], "service.recovered");
    server.stop().await;
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn the_frequency_may_change_on_the_fly() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    // 10:00:00 with 1m, 10:00:30 with 10m, as far as the clock of this machine has come.
    let ten = now() - 30;
    assert_eq!(server.get(&format!("/ping?name=a&frequency=1m&timestamp={ten}")).await.status, 200);
    let answer =
        server.get(&format!("/ping?name=a&frequency=10m&timestamp={}", ten + 30)).await.json();
    assert_eq!(answer["deadline"], overdue::core::text::rfc3339(ten + 630));
    server.stop().await;
}

#[tokio::test]
async fn what_falls_due_while_it_is_killed_is_told_after_the_restart_once() {
    let mut receiver = Receiver::start().await;
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), Some(&receiver.uri())).await;
    let answer = server.get(&format!("/ping?name=a&frequency=1h&timestamp={}", now() - 3598)).await;
    assert_eq!(answer.json()["status"], "up");
    server.kill().await;
    while now() < now_after(&answer.json()) {
        tokio::task::yield_now().await;
    }
    let server = Server::start(folder.path(), Some(&receiver.uri())).await;
    assert_eq!(receiver.next().await.body["name"], "a");
    server.stop().await;
    let server = Server::start(folder.path(), Some(&receiver.uri())).await;
    // A second alert, had there been one, would stand before this one.
    server.get("/ping?name=b&frequency=1s&timestamp=7").await;
    assert_eq!(receiver.next().await.body["name"], "b");
    server.stop().await;
}

/// The first second after the deadline of an answer.
fn now_after(answer: &Value) -> i64 {
    answer["deadline"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second() + 1
}

#[tokio::test]
async fn killed_between_delivery_and_its_mark_it_delivers_again_under_the_same_id() {
    let mut receiver = Receiver::start().await;
    receiver.usually(Reply::Hang);
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), Some(&receiver.uri())).await;
    server.get("/ping?name=a&frequency=1s&timestamp=7").await;
    // It has arrived, and no answer has come back that could be noted.
    let first = receiver.next().await.body;
    server.kill().await;
    receiver.usually(Reply::Status(200));
    let server = Server::start(folder.path(), Some(&receiver.uri())).await;
    let second = receiver.next().await.body;
    assert_eq!((&first["id"], &first["name"]), (&second["id"], &second["name"]));
    server.stop().await;
}

#[tokio::test]
async fn it_stops_with_status_0_while_a_receiver_hangs_and_callers_are_connected() {
    for signal in ["TERM", "INT"] {
        let mut receiver = Receiver::start().await;
        receiver.usually(Reply::Hang);
        let folder = TempDir::new().unwrap();
        let server = Server::start(folder.path(), Some(&receiver.uri())).await;
        server.get("/ping?name=a&frequency=1s&timestamp=7").await;
        receiver.next().await;
        let _idle = TcpStream::connect(server.address).await.unwrap();
        let mut half = TcpStream::connect(server.address).await.unwrap();
        half.write_all(b"GET /ping?na").await.unwrap();
        server.signal(signal);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(10), server.ended()).await;
        assert_eq!(ended.expect("within 10 s").code(), Some(0), "{signal}");
        assert!(!folder.path().join("overdue.db-wal").exists(), "the database is closed cleanly");
    }
}

#[tokio::test]
async fn concurrent_pings_of_one_service_over_many_connections_are_all_accepted_and_durable() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    let address = server.address;
    let pings: Vec<_> = (0..100)
        .map(|_| {
            tokio::spawn(
                async move { support::send(address, "GET", "/ping?name=a&frequency=1h").await },
            )
        })
        .collect();
    for ping in pings {
        assert_eq!(ping.await.unwrap().unwrap().status, 200);
    }
    assert_eq!(server.get("/ping?name=b&frequency=1h").await.status, 200);
    assert_eq!(server.send("DELETE", "/ping/a").await.status, 200);
    server.kill().await;
    let server = Server::start(folder.path(), None).await;
    assert!(server.greeting.contains("(1 service, 0 overdue, last heard"), "{}", server.greeting);
    assert_eq!(server.get("/ping/a").await.status, 404);
    assert_eq!(server.get("/ping/b").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn clocks_ahead_and_clocks_gone_back_cost_no_ping() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    let ahead = now() + 50;
    assert_eq!(
        server.get(&format!("/ping?name=a&frequency=1h&timestamp={ahead}")).await.status,
        200
    );
    assert_eq!(
        server.get("/ping/a").await.json()["last_ping"],
        overdue::core::text::rfc3339(ahead)
    );
    let older = server.get(&format!("/ping?name=a&frequency=1h&timestamp={}", now() - 5)).await;
    assert_eq!((older.status, older.json()["status"].as_u64()), (409, Some(409)));
    // A row that hands make needs no more than a name and a schedule.
    let by_hand = "INSERT INTO services (name, frequency) VALUES ('by hand', 3600)";
    if sqlite3(&folder.path().join("overdue.db"), by_hand).is_some() {
        assert_eq!(server.get("/ping/by%20hand").await.status, 200);
    }
    // As if the clock had gone back an hour since the last ping.
    let database = folder.path().join("overdue.db");
    if sqlite3(&database, "UPDATE services SET last_ping = unixepoch() + 3600").is_some() {
        let before = now();
        let answer = server.get("/ping/a").await.json();
        let last_ping: jiff::Timestamp = answer["last_ping"].as_str().unwrap().parse().unwrap();
        assert!((before..=now()).contains(&last_ping.as_second()));
    }
    server.stop().await;
}

#[tokio::test]
async fn the_file_can_be_read_and_edited_with_sqlite3_while_it_serves() {
    let mut receiver = Receiver::start().await;
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("overdue.db");
    let server = Server::start(folder.path(), Some(&receiver.uri())).await;
    server.get("/ping?name=a&frequency=1h").await;
    let Some(status) = sqlite3(&database, "SELECT name, status FROM status") else { return };
    assert_eq!(status, "a|up");
    sqlite3(&database, "UPDATE services SET deadline = unixepoch() - 5 WHERE name = 'a'");
    assert_eq!(receiver.next().await.body["name"], "a");
    sqlite3(&database, "DELETE FROM services");
    assert_eq!(server.get("/ping/a").await.status, 404);
    assert_eq!(sqlite3(&database, "PRAGMA integrity_check").unwrap(), "ok");
    server.stop().await;
}

#[tokio::test]
async fn another_process_that_holds_the_lock_for_seconds_costs_no_ping() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    server.get("/ping?name=a&frequency=1h").await;
    let Some(_) = sqlite3(&folder.path().join("overdue.db"), "SELECT 1") else { return };
    let mut other = tokio::process::Command::new("sqlite3")
        .arg(folder.path().join("overdue.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut orders = other.stdin.take().unwrap();
    orders.write_all(b"BEGIN IMMEDIATE;\nSELECT 'locked';\n").await.unwrap();
    let mut said = [0; 7];
    patiently("the lock", other.stdout.as_mut().unwrap().read_exact(&mut said)).await.unwrap();
    // Nothing is timed here: the pings go out first, then the other process takes its 3 s and lets go.
    let address = server.address;
    let pings: Vec<_> = (0..20)
        .map(|job| {
            tokio::spawn(async move {
                support::send(address, "GET", &format!("/ping?name=job-{job}&frequency=1h"))
                    .await
                    .unwrap()
                    .status
            })
        })
        .collect();
    orders.write_all(b".shell sleep 3\nCOMMIT;\n.quit\n").await.unwrap();
    for ping in pings {
        assert_eq!(ping.await.unwrap(), 200);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_second_server_on_the_same_file_stops_with_a_sentence() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    std::os::unix::fs::symlink("overdue.db", folder.path().join("other.db")).unwrap();
    for url in ["sqlite:overdue.db", "sqlite:other.db"] {
        let output = overdue(folder.path())
            .args(["--listen", "127.0.0.1:0", "--database-url", url])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("overdue: another overdue server already serves /"), "{said}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off_and_others_are_served_meanwhile() {
    let folder = TempDir::new().unwrap();
    let clock = overdue::clock::Clock::system();
    let database = overdue::config::Database::File(folder.path().join("overdue.db"));
    let rules = overdue::store::Rules {
        grace: overdue::core::frequency::Grace::ZERO,
        services_max: 10,
        routes: Vec::new(),
        hold_seconds: 60,
        remind_every_seconds: None,
        history: 100,
        log_bytes_max: 1_000_000,
    };
    let opened = overdue::store::open(
        &database,
        overdue::config::Durability::Full,
        rules,
        clock.clone(),
        overdue::store::Guard::alone(clock.clone()),
    )
    .await
    .unwrap();
    tokio::spawn(opened.writer.run());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = overdue::http::ServerLimits {
        head: std::time::Duration::from_millis(200),
        ..overdue::http::ServerLimits::default()
    };
    let router = overdue::http::router(overdue::http::Api::new(
        opened.store.clone(),
        clock,
        overdue::http::Entrance::default(),
    ));
    tokio::spawn(overdue::http::serve(
        listener,
        router,
        limits,
        tokio_util::sync::CancellationToken::new(),
    ));
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /ping?name=slow&frequency=1h HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        .await
        .unwrap();
    assert_eq!(
        support::send(address, "GET", "/ping?name=fast&frequency=1h").await.unwrap().status,
        200
    );
    let mut rest = Vec::new();
    let _ = patiently("the cut", slow.read_to_end(&mut rest)).await;
    let rest = String::from_utf8_lossy(&rest).into_owned();
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408"), "{rest}");
    assert_eq!(opened.store.summary(0).await.unwrap().services, 1);
}

#[tokio::test]
async fn nonsense_on_the_wire_stores_nothing_and_harms_nobody() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    let long = format!(
        "GET /ping?name=a&frequency=1h HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "x".repeat(200_000)
    );
    for request in [
        &b"NONSENSE\r\n\r\n"[..],
        b"GET /ping?name=\xff&frequency=1h HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /ping?name=a b&frequency=1h HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"POST /ping?name=a&frequency=1h HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
        b"POST /ping?name=a&frequency=1h HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        long.as_bytes(),
    ] {
        if let Ok(answer) = tokio::time::timeout(PATIENCE, raw(server.address, request)).await.unwrap() {
            assert!((400..500).contains(&answer.status), "{answer:?}");
        }
    }
    let answer =
        raw(server.address, b"GET /ping?name=old&frequency=1h HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    server.stop().await;
    let server = Server::start(folder.path(), None).await;
    assert!(server.greeting.contains("(1 service"), "{}", server.greeting);
    server.stop().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_answered_413_on_the_wire() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    let mut request = "POST /ping?name=a&frequency=1h HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2000000\r\n\r\n".as_bytes().to_vec();
    request.resize(request.len() + 2_000_000, b'x');
    let answer = patiently("an answer", raw(server.address, &request)).await.unwrap();
    assert_eq!(answer.status, 413, "{answer:?}");
    assert!(answer.head.contains("content-type: application/problem+json"));
    server.stop().await;
}

#[tokio::test]
async fn a_caller_that_has_finished_talking_still_gets_its_answer() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET /ping?name=a&frequency=1h HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    patiently("an answer", stream.read_to_end(&mut answer)).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200"), "{answer:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_reader_of_the_log_that_has_stopped_reading_holds_up_no_ping() {
    let folder = TempDir::new().unwrap();
    let mut command = overdue(folder.path());
    command.args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped());
    let server = Server::spawn_with_log(command).await;
    // Far more lines than a pipe holds, which nobody reads.
    for job in 0..1500 {
        let target = format!("/ping?name=job-{job}&frequency=1s&timestamp=7");
        assert_eq!(server.get(&target).await.status, 200);
    }
    let database = folder.path().join("overdue.db");
    if let Some(first) = sqlite3(&database, "SELECT count(*) FROM services") {
        assert_eq!(first, "1500");
    }
    assert_eq!(server.get("/ping/job-1?frequency=1h").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn keys_end_in_no_log_and_wrong_ones_are_counted_by_the_callers_address() {
    let folder = TempDir::new().unwrap();
    let mut command = overdue(folder.path());
    command
        .args(["--listen", "127.0.0.1:0"])
        .env("OVERDUE_PING_KEY", "laptop:swordfish")
        .env("RUST_LOG", "trace")
        .stderr(std::fs::File::create(folder.path().join("log")).unwrap());
    let server = Server::spawn_with_log(command).await;
    assert_eq!(server.get("/ping?name=a&frequency=1h&key=swordfish").await.status, 200);
    assert_eq!(server.get("/ping?name=a&frequency=1h").await.status, 401);
    for _ in 0..30 {
        assert_eq!(server.get("/ping/a?key=gefilte").await.status, 401);
    }
    assert_eq!(server.get("/ping/a?key=gefilte").await.status, 429);
    assert_eq!(server.get("/ping/a?key=swordfish").await.status, 200);
    assert_eq!(server.get("/hc/swordfish/a").await.status, 200);
    assert_eq!(server.get("/hc/swordfish/a/b/c").await.status, 404);
    assert_eq!(server.get("/healthz").await.status, 200);
    let greeting = server.greeting.clone();
    server.stop().await;
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("stopped"), "{log}");
    assert!(log.contains("path=\"/hc/***/a\" status=200"), "{log}");
    for secret in ["swordfish", "gefilte"] {
        assert!(!log.contains(secret) && !greeting.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn systemd_is_told_when_it_serves_and_when_it_stops() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let mut command = overdue(folder.path());
    command.args(["--listen", "127.0.0.1:0"]).env("NOTIFY_SOCKET", &path);
    let server = Server::spawn(command).await;
    let told = async || {
        let mut bytes = [0; 100];
        let length = patiently("a word to systemd", socket.recv(&mut bytes)).await.unwrap();
        String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
    };
    assert_eq!(told().await, "READY=1");
    assert_eq!(server.get("/healthz").await.status, 200);
    server.signal("TERM");
    assert_eq!(told().await, "STOPPING=1");
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn destinations_that_hang_reset_and_refuse_delay_neither_a_healthy_one_nor_pings() {
    let (mut well, mut hung) = (Receiver::start().await, Receiver::start().await);
    let (reset, refusing) = (Receiver::start().await, Receiver::start().await);
    hung.usually(Reply::Hang);
    reset.usually(Reply::Reset);
    refusing.usually(Reply::Status(400));
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = TempDir::new().unwrap();
    let destination =
        |name: &str, uri: &str| format!("[[destination]]\nname = \"{name}\"\nuri = \"{uri}\"\n");
    let settings = [
        destination("hung", &hung.uri()),
        destination("reset", &reset.uri()),
        destination("refusing", &refusing.uri()),
        destination("dead", &format!("http://{dead}/")),
        destination("well", &well.uri()),
    ];
    std::fs::write(folder.path().join("overdue.toml"), settings.concat()).unwrap();
    // A proxy that is not there is not asked either.
    let mut command = overdue(folder.path());
    command.args(["--listen", "127.0.0.1:0"]).env("HTTP_PROXY", format!("http://{dead}"));
    command.env("http_proxy", format!("http://{dead}"));
    let server = Server::spawn(command).await;
    // More services than go on their way to one destination at a time.
    for job in 0..20 {
        let target = format!("/ping?name=job-{job}&frequency=1s&timestamp={}", now() - 1);
        assert_eq!(server.get(&target).await.status, 200);
    }
    hung.next().await;
    let mut late = Vec::new();
    for _ in 0..20 {
        let alert = well.next().await.body;
        late.push(now() - now_after(&alert));
    }
    // The hung one has not even been given up.
    assert!(late.iter().all(|seconds| *seconds < 5), "{late:?}");
    let before = std::time::Instant::now();
    assert_eq!(server.get("/ping?name=other&frequency=1h").await.status, 200);
    assert!(before.elapsed() < std::time::Duration::from_secs(5));
    server.stop().await;
}
