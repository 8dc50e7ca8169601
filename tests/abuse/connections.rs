//! Callers who hold connections: with half a head, half a body, nothing at all, or an answer that they do not read.

use std::time::Duration;

use overdue::clock::Clock;
use overdue::config::{Database, Durability};
use overdue::core::frequency::Grace;
use overdue::core::limits::LIVE_PAGES_MAX;
use overdue::http::{Api, Entrance, ServerLimits};
use overdue::store::{self, Guard, Rules};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::support::{PATIENCE, patiently};
use crate::{HONEST, Honest, House, STRANGER, connect, crowd, raise_file_limit, until, write};

/// Fewer than what is attacked with.
const PLACES: u64 = 150;
const ATTACKERS: usize = 300;

/// Reads the head of an answer.
async fn status_of(stream: &mut TcpStream) -> Option<u16> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await.ok()?.ok()?;
        head.push(byte);
    }
    std::str::from_utf8(&head).ok()?.split(' ').nth(1)?.parse().ok()
}

/// A request whose connection goes on.
fn lasting(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn connections_by_the_thousand_cost_little_and_keep_nobody_out() {
    let files = raise_file_limit();
    let house = House::open(&[]).await;
    let before = house.memory();
    let honest = Honest::start(house.address(), None);
    let count = crowd("ABUSE_CONNECTIONS", 1000).min(files.saturating_sub(100));
    let half_a_head = format!("GET /ping?name=slow HTTP/1.1\r\nX-Slow: {}", "x".repeat(15_000));
    let mut held = Vec::new();
    for number in 0..count {
        let mut stream = house.connect(STRANGER).await;
        match number % 3 {
            0 => {}
            1 => write(&mut stream, half_a_head.as_bytes()).await,
            _ => write(&mut stream, &lasting("/healthz")).await,
        }
        held.push(stream);
    }
    let pings = honest.finish().await;
    let each_kb = 48;
    let most = count as u64 * each_kb + 32 * 1024;
    before.grew_by_at_most(most, &format!("{count} connections beside {pings} pings"), &house);
    drop(held);
    house.server.stop().await;
}

/// Takes more connections than there are, does `attack` with each, and looks for an honest caller's pings meanwhile, and
/// for a lone one who was there before.
async fn crowd_out(what: &str, attack: &[u8]) {
    raise_file_limit();
    let house = House::with_places(PLACES, &[]).await;
    let before = house.memory();
    let mut lone = house.connect(HONEST).await;
    write(&mut lone, &lasting("/ping?name=lone&frequency=1h")).await;
    assert_eq!(status_of(&mut lone).await, Some(200), "{what}");
    let mut rest = [0; 4096];
    let _ = lone.try_read(&mut rest);
    let honest = Honest::start(house.address(), None);
    let mut held = Vec::new();
    for _ in 0..ATTACKERS {
        let stream = house.connect(STRANGER).await;
        let _ = stream.try_write(attack);
        held.push(stream);
    }
    let pings = honest.finish().await;
    before.grew_by_at_most(64 * 1024, &format!("{what} beside {pings} pings"), &house);
    write(&mut lone, &lasting("/ping/lone?frequency=1h&x")).await;
    patiently("the answer of the lone caller", async {
        loop {
            // The rest of the first answer comes before the second one.
            if status_of(&mut lone).await == Some(200) {
                break;
            }
        }
    })
    .await;
    drop(held);
    house.server.stop().await;
}

#[tokio::test]
async fn heads_that_never_end_make_room_for_others_once_all_places_are_taken() {
    crowd_out("half a head", b"GET /ping?name=a&freq").await;
}

#[tokio::test]
async fn bodies_that_never_end_make_room_for_others_once_all_places_are_taken() {
    let attack =
        b"POST /ping?name=a&frequency=1h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx";
    crowd_out("half a body", attack).await;
}

#[tokio::test]
async fn connections_that_idle_make_room_for_others_once_all_places_are_taken() {
    crowd_out("idle connections", &lasting("/healthz")).await;
}

#[tokio::test]
async fn answers_that_nobody_reads_make_room_for_others_once_all_places_are_taken() {
    crowd_out("unread answers", &lasting("/openapi.json").repeat(200)).await;
}

#[tokio::test]
async fn live_pages_that_nobody_reads_make_room_for_others_once_all_places_are_taken() {
    crowd_out("unread live pages", &lasting("/events")).await;
}

#[tokio::test]
async fn hundreds_who_watch_live_and_never_read_hold_up_nobody() {
    raise_file_limit();
    let house = House::open(&[]).await;
    for job in 0..60 {
        let target = format!("/ping?name=job-{job}&frequency=1h");
        assert_eq!(house.server.get(&target).await.status, 200);
    }
    let before = house.memory();
    let honest = Honest::start(house.address(), None);
    let mut held = Vec::new();
    for _ in 0..LIVE_PAGES_MAX + 44 {
        let mut stream = house.connect(STRANGER).await;
        write(&mut stream, &lasting("/events")).await;
        held.push(stream);
    }
    // Those beyond the bound are told so, and a page without live updates is still to be had.
    let answer = async || {
        let mut stream = house.connect(HONEST).await;
        write(&mut stream, &lasting("/events")).await;
        status_of(&mut stream).await
    };
    until("all places of live pages to be taken", async || answer().await == Some(503)).await;
    assert_eq!(house.server.get("/").await.status, 200);
    let pings = honest.finish().await;
    let what = format!("{} live pages that nobody reads beside {pings} pings", held.len());
    before.grew_by_at_most(128 * 1024, &what, &house);
    drop(held);
    until("the places of live pages to be free again", async || answer().await == Some(200)).await;
    house.server.stop().await;
}

#[tokio::test]
async fn a_caller_who_takes_nothing_of_its_answers_is_cut_off() {
    let database = Database::Memory;
    let clock = Clock::system();
    let rules = Rules {
        grace: Grace::ZERO,
        services_max: 10,
        routes: Vec::new(),
        hold_seconds: 60,
        remind_every_seconds: None,
        history: 100,
        log_bytes_max: 1_000_000,
    };
    let guard = Guard::alone(clock.clone());
    let opened =
        store::open(&database, Durability::Full, rules, clock.clone(), guard).await.unwrap();
    tokio::spawn(opened.writer.run());
    let router = overdue::http::router(Api::new(opened.store, clock, Entrance::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = ServerLimits { stall: Duration::from_millis(300), ..ServerLimits::default() };
    let stop = CancellationToken::new();
    tokio::spawn(overdue::http::serve(listener, router, limits, stop.clone()));
    // More answers than both ends of a connection can hold; the server reads no request before the one before is answered.
    let requests = lasting("/openapi.json").repeat(1000);
    let mut deaf = connect(address, STRANGER).await;
    let mut slow = connect(address, STRANGER).await;
    write(&mut deaf, &requests).await;
    write(&mut slow, &requests).await;
    let (mut taken, mut buffer) = (0_u64, vec![0; 256 * 1024]);
    let mut is_cut = false;
    let begun = std::time::Instant::now();
    while !is_cut {
        assert!(begun.elapsed() < PATIENCE, "it holds on to a caller who does not read");
        // What this one reads now and then keeps it going.
        taken += patiently("something to read", slow.read(&mut buffer)).await.unwrap() as u64;
        is_cut = matches!(deaf.take_error(), Ok(Some(_)))
            || matches!(deaf.try_write(b"GET"), Err(error) if error.kind() != std::io::ErrorKind::WouldBlock);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(taken > 0);
    let read = patiently("something to read", slow.read(&mut buffer)).await.unwrap();
    assert!(read > 0, "one who reads slowly is not cut off");
    stop.cancel();
}
