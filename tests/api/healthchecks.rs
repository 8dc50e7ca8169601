//! Healthchecks' dialect: which request gets which answer, and what it does.

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use overdue::http::Entrance;
use serde_json::json;
use tower::ServiceExt as _;

use crate::house::{House, TEN};
use crate::keys::entrance;

/// What Healthchecks calls a check, and we an alias.
const UUID: &str = "31365bce-8da9-4729-8ff3-aaa71d56b712";
const RUN: &str = "rid=123e4567-e89b-12d3-a456-426614174000";
const OTHER_RUN: &str = "rid=923E4567-E89B-12D3-A456-426614174009";
const METHODS: [&str; 7] = ["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Status, text and headers of an answer.
struct Said {
    status: u16,
    text: String,
    headers: axum::http::HeaderMap,
}

async fn answer(house: &House, request: Request<Body>) -> Said {
    let (head, body) = house.router.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Said { status: head.status.as_u16(), text, headers: head.headers }
}

async fn send(house: &House, method: &str, target: &str, body: impl Into<Body>) -> (u16, String) {
    let said = answer(house, House::request(method, target).body(body.into()).unwrap()).await;
    (said.status, said.text)
}

async fn get(house: &House, target: &str) -> (u16, String) {
    send(house, "GET", target, Body::empty()).await
}

fn said(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

/// Declares a service that has a UUID.
async fn declare(house: &House, name: &str, key: &str) {
    let body = json!({ "frequency": "1D", "grace": "1h", "aliases": [UUID] }).to_string();
    let request = House::request("PUT", &format!("/api/v1/services/{name}"))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {key}"));
    let status = house.answer(request.body(body.into()).unwrap()).await.status;
    assert!([200, 201].contains(&status), "{status}");
}

/// One service, `backup`, that has a UUID.
async fn house() -> House {
    let house = House::new().await;
    declare(&house, "backup", "").await;
    house
}

#[tokio::test]
async fn every_method_pings_with_and_without_a_slash_at_the_end() {
    let house = house().await;
    for method in METHODS {
        for target in [format!("/hc/{UUID}"), format!("/hc/{UUID}/"), "/hc/key/backup/".to_owned()]
        {
            let request = House::request(method, &target).body(Body::empty()).unwrap();
            let said = answer(&house, request).await;
            let text = if method == "HEAD" { "" } else { "OK" };
            assert_eq!((said.status, said.text.as_str()), (200, text), "{method} {target}");
            assert_eq!(said.headers["access-control-allow-origin"], "*");
            assert_eq!(said.headers["ping-body-limit"], "10000");
            assert_eq!(said.headers["cache-control"], "no-store");
            assert!(said.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
        }
    }
    assert_eq!(house.count("SELECT count(*) FROM pings WHERE service = 'backup'").await, 21);
}

#[tokio::test]
async fn every_row_of_the_table_gets_its_answer_with_a_uuid_a_name_and_a_slug() {
    let house = house().await;
    for base in [format!("/hc/{UUID}"), "/hc/backup".to_owned(), "/hc/key/backup".to_owned()] {
        for (rest, status, text) in [
            ("", 200, "OK"),
            ("/start", 200, "OK"),
            ("/fail", 200, "OK"),
            ("/log", 200, "OK"),
            ("/0", 200, "OK"),
            ("/1", 200, "OK"),
            ("/255", 200, "OK"),
            ("/00001", 200, "OK"),
            ("/256", 400, "invalid url format"),
            ("/99999999999999999999", 400, "invalid url format"),
            ("/-1", 404, "not found"),
            ("/foo", 404, "not found"),
            ("?rid=", 400, "invalid uuid format"),
            ("?rid=1234", 400, "invalid uuid format"),
            ("?rid=123e4567e89b12d3a456426614174000", 400, "invalid uuid format"),
            ("?rid=123e4567-e89b-12d3-a456-426614174000%0A", 400, "invalid uuid format"),
            ("?rid=123e4567-e89b-12d3-a456-42661417400%FF", 400, "invalid uuid format"),
            ("?rid=123e4567-e89b-12d3-a456-426614174000", 200, "OK"),
            ("?rid=123E4567-E89B-12D3-A456-426614174000", 200, "OK"),
            ("?create=1", 200, "OK"),
            ("?create=true", 200, "OK"),
            ("/256?create=1", 400, "invalid url format"),
            ("?create=1&rid=x", 400, "invalid uuid format"),
        ] {
            for slash in ["", "/"] {
                let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
                let target = format!("{base}{path}{slash}?{query}");
                assert_eq!(get(&house, &target).await, said(status, text), "{target}");
            }
        }
    }
    let recorded =
        "SELECT signal || coalesce(' ' || exit_status, '') FROM pings ORDER BY id LIMIT 16";
    let each = ["success", "start", "fail", "log", "success 0", "fail 1", "fail 255", "fail 1"];
    let twice: Vec<&str> = each.into_iter().flat_map(|signal| [signal, signal]).collect();
    assert_eq!(house.texts(recorded).await, twice);
    assert_eq!(house.count("SELECT count(*) FROM services").await, 1);
}

#[tokio::test]
async fn what_is_not_known_is_not_found_and_nothing_is_made_of_it() {
    let house = house().await;
    let stranger = UUID.replace('3', "4");
    for (target, status, text) in [
        (format!("/hc/{stranger}"), 404, "not found"),
        (format!("/hc/{stranger}/start"), 404, "not found"),
        (format!("/hc/{stranger}?create=1"), 404, "not found"),
        ("/hc/key/other".to_owned(), 404, "not found"),
        ("/hc/key/other/log".to_owned(), 404, "not found"),
        ("/hc/key/other?create=true".to_owned(), 404, "not found"),
        ("/hc/key/other?create=0".to_owned(), 404, "not found"),
        ("/hc/key/other/256?create=1".to_owned(), 400, "invalid url format"),
        ("/hc/key/other?create=1&create=1".to_owned(), 400, "invalid url format"),
        ("/hc/key/other?create=1&rid=x".to_owned(), 400, "invalid uuid format"),
        ("/hc/key/other?create=1&rid=".to_owned(), 400, "invalid uuid format"),
        ("/hc/key/other/foo?create=1".to_owned(), 404, "not found"),
        ("/hc/key/BACKUP".to_owned(), 400, "invalid url format"),
        ("/hc/key/Backup?create=1".to_owned(), 400, "invalid url format"),
        ("/hc/%zz".to_owned(), 400, "invalid url format"),
    ] {
        assert_eq!(get(&house, &target).await, said(status, text), "{target}");
    }
    assert_eq!(house.texts("SELECT name FROM services").await, ["backup"]);
    assert_eq!(house.count("SELECT count(*) FROM pings").await, 0);
}

#[tokio::test]
async fn create_makes_a_service_of_a_day_and_an_hour_and_leaves_one_that_is_known_as_it_is() {
    let house = House::new().await;
    assert_eq!(get(&house, "/hc/key/a?create=1").await, said(201, "Created"));
    assert_eq!(get(&house, "/hc/key/a?create=1").await, said(200, "OK"));
    assert_eq!(get(&house, "/hc/key/b/start?create=1").await, said(201, "Created"));
    assert_eq!(get(&house, "/hc/key/c/3?create=1").await, said(201, "Created"));
    assert_eq!(get(&house, "/hc/key/d/log?create=1").await, said(201, "Created"));
    assert_eq!(get(&house, "/hc/e?create=1").await, said(201, "Created"));
    let listed = house.send("GET", "/api/v1/services").await.json;
    let made: Vec<String> = listed["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|service| {
            let [name, status, frequency, grace] =
                ["name", "status", "frequency", "grace"].map(|key| service[key].as_str().unwrap());
            format!("{name} {status} {} {frequency} {grace}", service["running"])
        })
        .collect();
    assert_eq!(
        made,
        [
            "a up false 1D 1h",
            "b up true 1D 1h",
            "c failed false 1D 1h",
            "d waiting false 1D 1h",
            "e up false 1D 1h"
        ]
    );
    house.ping("name=a&frequency=10m&grace=30s").await;
    assert_eq!(get(&house, "/hc/key/a?create=1").await, said(200, "OK"));
    assert_eq!(
        house.texts("SELECT frequency || ' ' || grace FROM services WHERE name = 'a'").await,
        ["600 30"]
    );
    // A service that was declared and never pinged is known.
    declare(&house, "declared", "").await;
    assert_eq!(get(&house, "/hc/key/declared?create=1").await, said(200, "OK"));
    assert_eq!(
        house.count("SELECT deadline - 1795600800 FROM services WHERE name = 'a'").await,
        630
    );
}

#[tokio::test]
async fn two_that_make_the_same_service_at_once_have_made_it_once() {
    let house = House::new().await;
    let ask = || get(&house, "/hc/key/a?create=1");
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    let mut statuses = [one.0, two.0, three.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 201]);
    assert_eq!(house.count("SELECT signals FROM services").await, 3);
}

#[tokio::test]
async fn a_body_of_any_kind_is_taken_and_its_first_bytes_are_kept() {
    let house = house().await;
    let target = format!("/hc/{UUID}/log");
    let long = "ä".repeat(1_249_999) + "xy";
    assert_eq!(long.len(), 2_500_000);
    for (kind, body, kept) in [
        ("text/plain", b"all is well\n".to_vec(), "all is well\n".to_owned()),
        ("application/x-www-form-urlencoded", b"a=1&b=%zz".to_vec(), "a=1&b=%zz".to_owned()),
        ("application/json", b"plain text".to_vec(), "plain text".to_owned()),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken".to_vec(), "--x\r\nbroken".to_owned()),
        ("multipart/form-data", b"no boundary".to_vec(), "no boundary".to_owned()),
        ("text/plain; charset=nonsense", b"\xff\xfea\0b".to_vec(), "��a�b".to_owned()),
        ("text/plain", long.clone().into_bytes(), long[..10_000].to_owned()),
        (
            "text/plain",
            ("x".to_owned() + &long).into_bytes()[..2_000_000].to_vec(),
            "x".to_owned() + &long[..9998],
        ),
        ("text/plain", vec![0xff; 20_000], "\u{fffd}".repeat(3333)),
    ] {
        house.edit("DELETE FROM pings").await;
        let request = House::request("POST", &target).header("content-type", kind);
        let said = answer(&house, request.body(body.into()).unwrap()).await;
        assert_eq!((said.status, said.text.as_str()), (200, "OK"), "{kind}");
        let logs = house.texts("SELECT log FROM logs").await;
        assert!(logs == [kept], "{kind}: {:?}", logs[0].chars().take(80).collect::<String>());
    }
    house.edit("DELETE FROM pings").await;
    let (status, _) = send(&house, "POST", &target, long + "z").await;
    assert_eq!(status, 413);
    assert_eq!(send(&house, "POST", &target, "").await, said(200, "OK"));
    assert_eq!(house.count("SELECT count(*) FROM pings").await, 1);
    assert_eq!(house.count("SELECT count(*) FROM logs").await, 0);
}

#[tokio::test]
async fn headers_that_proxies_and_programs_garble_are_no_reason_to_refuse() {
    let house = House::with_entrance(Entrance { open: true, ..entrance("") }).await;
    declare(&house, "backup", "").await;
    let long = "x".repeat(5000);
    for (name, value) in [
        ("x-forwarded-for", b"not an address, \x80\xff".as_slice()),
        ("x-forwarded-for", b"".as_slice()),
        ("x-forwarded-for", b"1.2.3.4, , [::1".as_slice()),
        ("x-forwarded-proto", b"gopher\xff".as_slice()),
        ("user-agent", long.as_bytes()),
        ("content-type", b"\xff/\xff".as_slice()),
    ] {
        let request = House::request("POST", &format!("/hc/{UUID}")).header(name, value);
        let said = answer(&house, request.body("log".into()).unwrap()).await;
        assert_eq!((said.status, said.text.as_str()), (200, "OK"), "{name}");
    }
}

#[tokio::test]
async fn a_success_of_another_run_leaves_the_open_one_open_and_a_failure_or_no_run_closes_it() {
    let house = house().await;
    let running = async || house.texts("SELECT running FROM status").await.remove(0);
    let ping = async |rest: &str| {
        assert_eq!(get(&house, &format!("/hc/{UUID}{rest}")).await.0, 200, "{rest}");
    };
    for (end, still) in [
        (format!("?{OTHER_RUN}"), "yes"),
        (format!("/0?{OTHER_RUN}"), "yes"),
        (format!("/log?{RUN}"), "yes"),
        (format!("/fail?{OTHER_RUN}"), "no"),
        (format!("/1?{OTHER_RUN}"), "no"),
        (String::new(), "no"),
        ("/fail".to_owned(), "no"),
        (format!("?{}", RUN.to_uppercase().replace("RID", "rid")), "no"),
    ] {
        // Long after the run before, whose id is the same.
        house.clock.set(house.clock.now() + 600);
        ping(&format!("/start?{RUN}")).await;
        house.clock.set(house.clock.now() + 7);
        ping(&end).await;
        assert_eq!(running().await, still, "{end}");
        ping("").await;
    }
    let durations = "SELECT group_concat(coalesce(duration_ms, '-'), ' ') FROM (
        SELECT duration_ms FROM pings WHERE signal IN ('success', 'fail') ORDER BY id LIMIT 2)";
    assert_eq!(house.texts(durations).await, ["- 7000"]);
    assert!(house.clock.now() > TEN);
}

const KEYS: &str = "ping_key = \"old:p1,new:p2\"\nread_key = \"r1\"\nadmin_key = \"a1\"";

#[tokio::test]
async fn with_keys_the_one_in_the_path_or_the_query_must_be_right_and_a_uuid_is_its_own() {
    let house = House::with_entrance(entrance(KEYS)).await;
    declare(&house, "backup", "a1").await;
    let named = UUID.replace("31", "99");
    house.ping(&format!("name={named}&frequency=1h&key=p1")).await;
    for (target, key, status) in [
        ("/hc/p1/backup".to_owned(), Some("old"), 200),
        ("/hc/p2/backup/start/".to_owned(), Some("new"), 200),
        ("/hc/a1/backup".to_owned(), Some("admin"), 200),
        ("/hc/r1/backup".to_owned(), None, 404),
        ("/hc/wrong/backup".to_owned(), None, 404),
        ("/hc/wrong/backup?key=p1".to_owned(), Some("old"), 200),
        ("/hc/wrong/new?create=1".to_owned(), None, 404),
        (format!("/hc/wrong/{UUID}"), None, 404),
        ("/hc/backup".to_owned(), None, 404),
        ("/hc/backup/start".to_owned(), None, 404),
        ("/hc/backup?key=p1".to_owned(), Some("old"), 200),
        ("/hc/backup/fail?key=wrong".to_owned(), None, 404),
        ("/hc/new?create=1".to_owned(), None, 404),
        (format!("/hc/{UUID}"), Some(""), 200),
        (format!("/hc/{UUID}/3/"), Some(""), 200),
        (format!("/hc/{UUID}?key=wrong"), Some(""), 200),
        (format!("/hc/{UUID}?key=p1"), Some("old"), 200),
        (format!("/hc/p1/{UUID}/log"), Some("old"), 200),
        // A UUID that is a name is no secret.
        (format!("/hc/{named}"), None, 404),
        (format!("/hc/{named}?key=p2"), Some("new"), 200),
        (format!("/hc/p2/{named}?create=1"), Some("new"), 200),
        ("/hc/p1/new?create=1".to_owned(), Some("old"), 201),
    ] {
        house.edit("DELETE FROM pings").await;
        house.clock.set(house.clock.now() + 5);
        let (seen, text) = get(&house, &target).await;
        assert_eq!(seen, status, "{target}: {text}");
        let recorded = house.texts("SELECT coalesce(key, '') FROM pings").await;
        assert_eq!(recorded, key.into_iter().collect::<Vec<_>>(), "{target}");
    }
    let bearer = House::request("GET", "/hc/backup").header("authorization", "Bearer p1");
    assert_eq!(answer(&house, bearer.body(Body::empty()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn where_no_key_allows_pings_only_a_uuid_does() {
    let house = House::with_entrance(entrance("read_key = \"r1\"")).await;
    for target in ["/hc/any/backup?create=1", "/hc/r1/backup", "/hc/backup"] {
        let request = House::request("GET", target).body(Body::empty()).unwrap();
        let answer = house.answer(request).await;
        assert_eq!(answer.status, 403, "{target}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(answer.detail(), @"there is no key that allows this: set OVERDUE_PING_KEY or OVERDUE_ADMIN_KEY");
        }
    }
    house.edit("INSERT INTO services (name, frequency) VALUES ('backup', 60)").await;
    house.edit("INSERT INTO aliases (alias, service) VALUES ('31365bce-8da9-4729-8ff3-aaa71d56b712', 'backup')").await;
    assert_eq!(get(&house, &format!("/hc/{UUID}")).await, said(200, "OK"));
}

#[tokio::test]
async fn wrong_keys_are_counted_and_unknown_uuids_are_not() {
    let house = House::with_entrance(entrance(KEYS)).await;
    declare(&house, "backup", "a1").await;
    for _ in 0..40 {
        assert_eq!(get(&house, &format!("/hc/{}", UUID.replace('3', "4"))).await.0, 404);
        assert_eq!(get(&house, "/hc/backup").await.0, 404);
    }
    for _ in 0..30 {
        assert_eq!(get(&house, "/hc/wrong/backup").await, said(404, "not found"));
    }
    let request = House::request("GET", "/hc/wrong/backup").body(Body::empty()).unwrap();
    let refused = answer(&house, request).await;
    assert_eq!((refused.status, &refused.headers["retry-after"]), (429, &"60".parse().unwrap()));
    assert_eq!(get(&house, "/hc/p1/backup").await, said(200, "OK"));
    assert_eq!(get(&house, &format!("/hc/{UUID}")).await, said(200, "OK"));
}

#[tokio::test]
async fn a_strangers_page_may_not_ping_so_either() {
    let house = House::with_entrance(Entrance { open: true, ..Entrance::default() }).await;
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        for target in ["/hc/key/a?create=1", "/api/push/a"] {
            let request = House::request("POST", target).header(name, value);
            let said = answer(&house, request.body(Body::empty()).unwrap()).await;
            assert_eq!(said.status, 403, "{target}");
        }
    }
    assert_eq!(house.count("SELECT count(*) FROM services").await, 0);
}

#[tokio::test]
async fn a_store_that_cannot_store_says_so_in_a_way_that_clients_retry() {
    let house = house().await;
    std::fs::remove_file(house.database()).unwrap();
    let targets =
        [format!("/hc/{UUID}"), "/hc/k/new?create=1".to_owned(), "/api/push/backup".to_owned()];
    for target in targets {
        let request = House::request("POST", &target).body(Body::empty()).unwrap();
        let said = answer(&house, request).await;
        assert_eq!((said.status, &said.headers["retry-after"]), (503, &"1".parse().unwrap()));
        assert!(!said.text.contains("OK") && !said.text.contains("true"), "{}", said.text);
    }
}

#[tokio::test]
async fn a_row_that_hands_have_spoilt_is_not_replaced_by_what_create_would_make() {
    let house = house().await;
    house.edit("PRAGMA ignore_check_constraints = 1; UPDATE services SET frequency = 0").await;
    assert_eq!(get(&house, "/hc/key/backup?create=1").await.0, 503);
    assert_eq!(house.count("SELECT frequency FROM services").await, 0);
}
