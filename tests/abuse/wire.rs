//! Requests that are none, are too large, or mean to be taken for another number of requests than they are.

use crate::support::{PATIENCE, patiently, raw};
use crate::{House, send_with};

/// Everything that comes back for these bytes, until the server closes.
pub(crate) async fn converse(house: &House, bytes: impl AsRef<[u8]>) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = house.connect(crate::STRANGER).await;
    let mut said = Vec::new();
    // The server may close, or reset, before it has read everything.
    let _ = tokio::time::timeout(PATIENCE, stream.write_all(bytes.as_ref())).await.unwrap();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap();
    String::from_utf8_lossy(&said).into_owned()
}

fn statuses(said: &str) -> Vec<&str> {
    said.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect()
}

const PING: &str = "POST /ping?name=bad&frequency=1h HTTP/1.1\r\nHost: localhost\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn chunks_that_are_none_are_refused_and_store_nothing() {
    let house = House::open(&[]).await;
    let extension = format!("1;{}", "x".repeat(20_000));
    let trailers = format!("0\r\n{}\r\n", "X: y\r\n".repeat(5000));
    let bodies = [
        "zz\r\nx\r\n0\r\n\r\n",
        "-1\r\nx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nx\r\n0\r\n\r\n",
        "1\r\nxx\r\n0\r\n\r\n",
        "1\nx\n0\n\n",
        "\r\n\r\n",
        extension.as_str(),
        trailers.as_str(),
    ];
    for body in bodies {
        let said = converse(&house, format!("{PING}{CHUNKED}{body}")).await;
        let shown = &body[..body.len().min(30)];
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{shown:?}: {said}");
        assert!(statuses(&said).len() <= 1, "{shown:?}: {said}");
    }
    assert!(house.names().await.is_empty());
    let said = converse(&house, format!("{PING}{CHUNKED}3;a=b\r\nlog\r\n0\r\nX: y\r\n\r\n"));
    assert_eq!(statuses(&said.await), ["200"], "an extension and a trailer are no harm");
    house.server.stop().await;
}

#[tokio::test]
async fn lengths_and_encodings_that_contradict_are_refused() {
    let house = House::open(&[]).await;
    for head in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: -1\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "X: y\r\n folded\r\n",
        "X\0: y\r\n",
        "X: a\rb\r\n",
    ] {
        let said = converse(&house, format!("{PING}{head}\r\n0\r\n\r\n")).await;
        assert!(said.is_empty() || statuses(&said) == ["400"], "{head:?}: {said}");
    }
    let old =
        "POST /ping?name=bad&frequency=1h HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let said = converse(&house, old).await;
    assert!(said.is_empty() || said.contains(" 400 "), "{said}");
    assert!(house.names().await.is_empty());
    house.server.stop().await;
}

#[tokio::test]
async fn a_request_with_a_length_and_chunks_is_the_last_of_its_connection() {
    let house = House::open(&[]).await;
    let hidden = "GET /ping?name=hidden&frequency=1h HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let seen = "POST /ping?name=seen&frequency=1h HTTP/1.1\r\nHost: localhost\r\n";
    for head in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        let said = converse(&house, format!("{seen}{head}\r\n0\r\n\r\n{hidden}")).await;
        // What stands unread when a connection is closed may reset it before the answer arrives.
        assert!(said.is_empty() || statuses(&said) == ["200"], "{head:?}: {said}");
    }
    crate::until("the request to be stored", async || house.names().await == ["seen"]).await;
    house.server.stop().await;
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_a_row_and_nothing_behind_a_broken_one() {
    let house = House::open(&[]).await;
    let ping = |name: &str| {
        format!("GET /ping?name={name}&frequency=1h HTTP/1.1\r\nHost: localhost\r\n\r\n")
    };
    let last = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let said = converse(&house, format!("{}{}{}{last}", ping("a"), ping(""), ping("b")));
    assert_eq!(statuses(&said.await), ["200", "400", "200", "200"], "a bad value breaks nothing");
    let said = converse(&house, format!("{}NONSENSE\r\n\r\n{}", ping("c"), ping("d")));
    assert_eq!(statuses(&said.await), ["200", "400"]);
    let long = "x".repeat(20_000);
    let body =
        format!("POST /ping/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\n\r\n{long}");
    let said = converse(&house, format!("{body}{body}{last}"));
    assert_eq!(statuses(&said.await), ["200", "200", "200"], "a body is no request");
    let many = ping("e").repeat(500);
    let said = converse(&house, format!("{many}{last}")).await;
    assert_eq!(statuses(&said), vec!["200"; 501]);
    let mut names = house.names().await;
    names.sort();
    assert_eq!(names, ["a", "b", "c", "e"]);
    house.server.stop().await;
}

#[tokio::test]
async fn old_requests_and_odd_targets_are_answered_and_lead_nowhere_else() {
    let house = House::open(&[]).await;
    let address = house.address();
    for (request, status) in [
        ("GET /ping?name=old&frequency=1h HTTP/1.0\r\n\r\n".to_owned(), 200),
        (format!("GET http://{address}/ping/old HTTP/1.1\r\nHost: {address}\r\n\r\n"), 200),
        (format!("GET http://evil.example/ping/old HTTP/1.1\r\nHost: {address}\r\n\r\n"), 403),
        (format!("GET http://evil.example/ HTTP/1.1\r\nHost: {address}\r\n\r\n"), 403),
        (format!("GET /ping/old HTTP/1.1\r\nHost: {address}\r\nHost: evil.example\r\n\r\n"), 403),
        (format!("GET /ping/old HTTP/1.1\r\nHost: evil.example\r\nHost: {address}\r\n\r\n"), 403),
        ("GET /../../etc/passwd HTTP/1.0\r\n\r\n".to_owned(), 404),
        ("GET /assets/..%2f..%2fCargo.toml HTTP/1.0\r\n\r\n".to_owned(), 404),
        ("GET /assets/%00 HTTP/1.0\r\n\r\n".to_owned(), 404),
        (format!("CONNECT evil.example:443 HTTP/1.1\r\nHost: {address}\r\n\r\n"), 404),
        (format!("OPTIONS * HTTP/1.1\r\nHost: {address}\r\n\r\n"), 404),
        (format!("TRACE / HTTP/1.1\r\nHost: {address}\r\n\r\n"), 405),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
    ] {
        let closing = request.replacen("HTTP/1.1\r\n", "HTTP/1.1\r\nConnection: close\r\n", 1);
        let answer = patiently("an answer", raw(address, closing.as_bytes())).await;
        let answer = answer.unwrap_or_else(|error| panic!("{request:?}: {error}"));
        assert_eq!(answer.status, status, "{request:?}: {answer:?}");
    }
    let said = converse(&house, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(said.is_empty() || statuses(&said) == ["400"], "{said}");
    assert_eq!(house.names().await, ["old"]);
    house.server.stop().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_not_repeated() {
    let house = House::open(&[]).await;
    let before = house.memory();
    let address = house.address();
    for bytes in [17_000, 70_000, 5_000_000] {
        let long = "x".repeat(bytes);
        for request in [
            format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            format!("GET /ping?name={long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"),
            format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{long}: x\r\n\r\n"),
            format!("{long} /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ] {
            let said = converse(&house, &request).await;
            let is_refused = ["400", "414", "431"].contains(&statuses(&said).join(" ").as_str());
            assert!(said.is_empty() || is_refused, "{}: {said}", &request[..30]);
        }
    }
    let many = "X: y\r\n".repeat(200);
    let said = converse(&house, format!("GET / HTTP/1.1\r\n{many}\r\n")).await;
    assert_eq!(statuses(&said), ["431"]);
    // What fits is refused in a sentence that shows the beginning.
    let long = "x".repeat(12_000);
    for target in [
        format!("/{long}"),
        format!("/ping?name={long}&frequency=1h"),
        format!("/ping?name=a&frequency={long}"),
        format!("/ping/{long}"),
        format!("/ping/a/{long}"),
        format!("/services/{long}"),
        format!("/badge/{long}.svg"),
        format!("/hc/{long}/{long}")[..15_000].to_owned(),
        format!("/api/push/{long}?status={long}")[..15_000].to_owned(),
        format!("/api/v1/services?cursor={long}"),
        format!("/events?search={long}"),
        format!("/reports?month={long}"),
        format!("/?search={long}"),
    ] {
        for accept in ["*/*", "text/html"] {
            let answer = send_with(address, "GET", &target, &[("Accept", accept)], "").await;
            let shown = &target[..20];
            assert!([400, 404].contains(&answer.status), "{shown}: {answer:?}");
            assert!(!answer.body.contains(&"x".repeat(500)), "{shown} is repeated at length");
        }
    }
    before.grew_by_at_most(32 * 1024, "heads of all sizes", &house);
    assert!(house.names().await.is_empty());
    house.server.stop().await;
}
