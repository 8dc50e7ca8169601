//! Bodies: large ones that nobody asked for, and that never end.

use tokio::io::AsyncWriteExt as _;

use crate::support::{PATIENCE, patiently, raw};
use crate::{Honest, House, STRANGER, crowd, raise_file_limit, send_with};

const KEYS: &[(&str, &str)] = &[("OVERDUE_PING_KEY", "p"), ("OVERDUE_ADMIN_KEY", "a")];

/// What each sends before it stops, of a megabyte that it has announced.
const SENT_BYTES: usize = 990_000;

/// Has many send most of a body to `target`, and then nothing.
async fn half_bodies(what: &str, target: &str) {
    raise_file_limit();
    let house = House::open(KEYS).await;
    let before = house.memory();
    let honest = Honest::start(house.address(), Some("p"));
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..crowd("ABUSE_CONNECTIONS", 100).min(1000) {
        let mut stream = house.connect(STRANGER).await;
        let head =
            format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
        sending.spawn(async move {
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![b'x'; SENT_BYTES]).await.unwrap();
            stream
        });
    }
    let held = patiently("the bodies to be sent", sending.join_all()).await;
    let pings = honest.finish().await;
    let what = format!("{} bodies, {what}, beside {pings} pings", held.len());
    before.grew_by_at_most(held.len() as u64 * 100 + 24 * 1024, &what, &house);
    assert_eq!(house.server.get("/ping/honest?key=p").await.status, 200);
    drop(held);
    house.server.stop().await;
}

#[tokio::test]
async fn bodies_of_callers_without_a_key_are_not_kept() {
    half_bodies("without a key", "/ping?name=a&frequency=1h").await;
}

#[tokio::test]
async fn of_a_log_only_what_will_be_stored_is_kept_while_it_arrives() {
    half_bodies("of logs", "/ping?name=a&frequency=1h&key=p").await;
}

#[tokio::test]
async fn a_declaration_is_no_longer_than_one_can_be() {
    let house = House::open(&[]).await;
    let declaration = |bytes: usize| {
        let text = "{\"frequency\":\"1D\",\"description\":\"d\"}";
        format!("{text}{}", " ".repeat(bytes - text.len()))
    };
    let target = "/api/v1/services/a";
    let long = declaration(64 * 1024 + 1);
    let answer = send_with(house.address(), "PUT", target, &[], &long).await;
    assert_eq!(answer.status, 413);
    insta::assert_snapshot!(answer.json()["detail"].as_str().unwrap(), @"the body is over 65536 bytes: send less, a declaration needs no more");
    let longest = declaration(64 * 1024);
    let answer = send_with(house.address(), "PUT", target, &[], &longest).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let odd = format!("{{\"{}\":1}}", "x".repeat(60_000));
    let answer = send_with(house.address(), "PUT", target, &[], &odd).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.len() < 1000, "what is wrong is not repeated at length");
    // The longest description and twenty aliases, all of characters that JSON may write in twelve bytes.
    let escaped = "\\ud83d\\udcbe";
    let aliases: Vec<String> =
        (0..20).map(|number| format!("\"{number:03}{}\"", escaped.repeat(63))).collect();
    let full = format!(
        "{{\"frequency\":\"1D\",\"description\":\"{}\",\"aliases\":[{}]}}",
        escaped.repeat(1000),
        aliases.join(",")
    );
    let answer = send_with(house.address(), "PUT", target, &[], &full).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    house.server.stop().await;
}

#[tokio::test]
async fn a_body_without_end_is_cut_off_soon_after_its_limit() {
    let house = House::open(&[]).await;
    let before = house.memory();
    let mut stream = house.connect(STRANGER).await;
    let head = "POST /ping?name=a&frequency=1h HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut sent = 0_usize;
    let stopped = tokio::time::timeout(PATIENCE, async {
        while sent < 100_000_000 && stream.write_all(chunk.as_bytes()).await.is_ok() {
            sent += chunk.len();
        }
    });
    stopped.await.unwrap();
    assert!(sent < 100_000_000, "it reads on and on");
    before.grew_by_at_most(16 * 1024, "a body without end", &house);
    let answer = raw(house.address(), b"GET /healthz HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(house.names().await.is_empty());
    house.server.stop().await;
}
