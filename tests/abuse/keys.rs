//! Keys that are guessed.

use crate::support::{patiently, raw};
use crate::{HONEST, House, STRANGER};

const KEYS: &[(&str, &str)] = &[
    ("OVERDUE_PING_KEY", "ping-key"),
    ("OVERDUE_READ_KEY", "read-key"),
    ("OVERDUE_ADMIN_KEY", "a"),
];

/// The status of a request from `ip`.
async fn status_from(house: &House, ip: [u8; 4], target: &str, headers: &str) -> u16 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = house.connect(ip).await;
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = String::new();
    patiently("an answer", stream.read_to_string(&mut said)).await.unwrap();
    said.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn guesses_come_to_an_end_whatever_a_caller_says_of_its_address_and_right_keys_pass() {
    let house = House::open(KEYS).await;
    let mut answers = std::collections::BTreeMap::<u16, usize>::new();
    for guess in 0..200 {
        // Addresses in headers count for nothing where no proxy was told of.
        let headers = format!(
            "X-Forwarded-For: 203.0.113.{guess}\r\nForwarded: for=203.0.113.{guess}\r\nFly-Client-IP: 203.0.113.{guess}\r\n"
        );
        let target = match guess % 4 {
            0 => format!("/ping/a?key=guess-{guess}"),
            1 => format!("/hc/guess-{guess}/a"),
            2 => "/api/v1/services".to_owned(),
            _ => "/metrics".to_owned(),
        };
        let bearer = if guess % 4 < 2 {
            String::new()
        } else {
            format!("Authorization: Bearer guess-{guess}\r\n")
        };
        let status = status_from(&house, STRANGER, &target, &format!("{headers}{bearer}")).await;
        *answers.entry(status).or_default() += 1;
    }
    let refused_early: usize = answers.range(..429).map(|(_, count)| count).sum();
    assert!(refused_early <= 61, "a minute may have ended once meanwhile: {answers:?}");
    assert!(answers.keys().all(|status| [401, 404, 429].contains(status)), "{answers:?}");
    let (ping, read) = ("/ping?name=a&frequency=1h&key=ping-key", "/api/v1/services");
    let bearer = "Authorization: Bearer read-key\r\n";
    for ip in [STRANGER, HONEST] {
        assert_eq!(status_from(&house, ip, ping, "").await, 200);
        assert_eq!(status_from(&house, ip, read, bearer).await, 200);
    }
    assert_eq!(status_from(&house, HONEST, "/ping/a?key=wrong", "").await, 401);
    house.server.stop().await;
}

#[tokio::test]
async fn a_key_is_no_key_of_another_kind_and_no_part_of_one() {
    let house = House::open(KEYS).await;
    for (target, key) in [
        ("/api/v1/services", "ping-key"),
        ("/", "ping-key"),
        ("/events", "ping-key"),
        ("/metrics", "ping-key"),
        ("/ping?name=a&frequency=1h", "read-key"),
        ("/ping?name=a&frequency=1h", "ping-ke"),
        ("/ping?name=a&frequency=1h", "ping-key2"),
        ("/ping?name=a&frequency=1h", "PING-KEY"),
        ("/ping?name=a&frequency=1h", "ping:ping-key"),
        ("/ping?name=a&frequency=1h", ""),
    ] {
        let bearer = format!("Authorization: Bearer {key}\r\n");
        let status = status_from(&house, HONEST, target, &bearer).await;
        assert!([401, 403].contains(&status), "{target} with {key}: {status}");
    }
    // A reader's key in a query would end in the logs of others.
    assert_eq!(status_from(&house, HONEST, "/api/v1/services?key=read-key", "").await, 401);
    let two = b"GET /ping?name=a&frequency=1h&key=wrong&key=ping-key HTTP/1.0\r\n\r\n";
    assert_eq!(raw(house.address(), two).await.unwrap().status, 401);
    house.server.stop().await;
}
