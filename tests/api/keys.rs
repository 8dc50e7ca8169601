//! Keys: every route with every kind of key, wrong ones and none.

#![allow(unreachable_pub, reason = "shared by the rooms of this test binary")]

use axum::body::Body;
use axum::http::Request;
use overdue::config::KeyKind;
use overdue::http::{Access, Entrance, Route, routes};
use tower::ServiceExt as _;

use crate::house::{Answer, House, TEN, config_of};

/// One key of each kind, the one for pings with a successor.
const KEYS: &str = "ping_key = \"old:p1,new:p2\"\nread_key = \"r1\"\nadmin_key = \"a1\"";

pub fn entrance(file: &str) -> Entrance {
    let header = Some("x-forwarded-for".to_owned());
    Entrance { keys: config_of(file).unwrap().keys, client_ip_header: header, open: false }
}

async fn house(file: &str) -> House {
    House::with_entrance(entrance(file)).await
}

fn keyed(method: &str, target: &str, key: Option<&str>) -> Request<Body> {
    let mut request = House::request(method, target).header("x-forwarded-for", "203.0.113.7");
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    request.body(Body::empty()).unwrap()
}

async fn with_key(house: &House, method: &str, target: &str, key: Option<&str>) -> Answer {
    house.answer(keyed(method, target, key)).await
}

/// The same, without waiting for a body, which need not end.
async fn status_with_key(house: &House, method: &str, target: &str, key: Option<&str>) -> u16 {
    house.router.clone().oneshot(keyed(method, target, key)).await.unwrap().status().as_u16()
}

/// What a request with `key` to a route that asks for `access` is answered; `None`: the route's own answer.
fn expected(access: Access, key: Option<&str>) -> Option<u16> {
    let needed = access.key?;
    match (key, needed) {
        (Some("a1"), _) | (Some("p1" | "p2"), KeyKind::Ping) | (Some("r1"), KeyKind::Read) => None,
        (Some("p1" | "p2" | "r1"), _) => Some(403),
        _ => Some(401),
    }
}

#[tokio::test]
async fn every_route_lets_those_through_whose_key_allows_it_and_nobody_else() {
    let house = house(KEYS).await;
    for Route { methods, path, access } in routes() {
        for method in methods {
            // Wrong keys are counted by the minute.
            house.clock.set(house.clock.now() + 60);
            for key in
                [None, Some("p1"), Some("p2"), Some("r1"), Some("a1"), Some("wrong"), Some("")]
            {
                let target = path.replace("{name}", "somebody").replace("{signal}", "start");
                let target = target.replace("{key}", "wrong");
                let status = status_with_key(&house, method.as_str(), &target, key).await;
                let said = format!("{method} {path} with {key:?} was answered {status}");
                match expected(access, key) {
                    Some(refused) => assert_eq!(status, refused, "{said}"),
                    None => assert!(![401, 403, 429, 405].contains(&status), "{said}"),
                }
            }
        }
    }
    assert_eq!(house.count("SELECT count(*) FROM services").await, 0);
}

#[tokio::test]
async fn every_path_but_those_that_tell_nothing_asks_for_a_key_in_one_way_or_another() {
    for route in routes() {
        let is_open = ["/healthz", "/readyz", "/assets/{name}", "/openapi.json"]
            .contains(&route.path)
            || route.access == Access::LOGIN;
        // Other programs' dialects ask in ways of their own; their tests are beside theirs.
        let is_dialect = ["/hc/", "/api/push/"].iter().any(|base| route.path.starts_with(base));
        assert_eq!(route.access == Access::DIALECT, is_dialect, "{}", route.path);
        // So do badges.
        let is_other = is_dialect || route.path == "/badge/{name}";
        assert_eq!(route.access.key.is_none(), is_open || is_other, "{}", route.path);
        let changes = route.methods.iter().any(|method| method == "DELETE");
        assert!(!changes || is_dialect || route.access == Access::ADMIN, "{}", route.path);
        let is_form = route.access.page && !route.methods.contains(&axum::http::Method::GET);
        assert!(
            !is_form || route.path == "/logout" || route.access == Access::FORM,
            "{}",
            route.path
        );
    }
}

#[tokio::test]
async fn an_action_whose_kind_has_no_key_is_refused_and_the_setting_is_named() {
    let house = house("read_key = \"r1\"").await;
    for key in [None, Some("r1"), Some("wrong")] {
        let answer = with_key(&house, "GET", "/ping?name=a&frequency=1h", key).await;
        assert_eq!(answer.status, 403);
        insta::allow_duplicates! {
            insta::assert_snapshot!(answer.detail(), @"there is no key that allows this: set OVERDUE_PING_KEY or OVERDUE_ADMIN_KEY");
        }
    }
    assert_eq!(house.count("SELECT count(*) FROM services").await, 0);
}

#[tokio::test]
async fn a_key_may_stand_in_the_query_of_a_ping_and_nowhere_else() {
    let house = house(KEYS).await;
    assert_eq!(house.get("/ping?name=a&frequency=1h&key=p1").await.status, 200);
    assert_eq!(house.get("/ping/a?key=a1").await.status, 200);
    for target in ["/ping/a?key=wrong", "/ping/a?key=", "/ping/a?key=%zz", "/ping/a?key=p1&key=p1"]
    {
        let answer = house.get(target).await;
        assert_eq!(answer.status, 401, "{target}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        insta::allow_duplicates! {
            insta::assert_snapshot!(answer.detail(), @"this key is not known: send Authorization: Bearer KEY, or ?key=KEY");
        }
    }
    let answer = house.send("DELETE", "/ping/a?key=a1").await;
    assert_eq!(answer.status, 401);
    insta::assert_snapshot!(answer.detail(), @"a key is missing: send Authorization: Bearer KEY");
    let answer = with_key(&house, "DELETE", "/ping/a", Some("p2")).await;
    insta::assert_snapshot!(answer.detail(), @r#"the key "new" is for pings, and this needs one of OVERDUE_ADMIN_KEY"#);
    assert_eq!(with_key(&house, "DELETE", "/ping/a", Some("a1")).await.status, 200);
    let spelt =
        House::request("GET", "/ping?name=b&frequency=1h").header("authorization", "bearer p2");
    assert_eq!(house.answer(spelt.body(Body::empty()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn with_a_key_a_proxy_may_pass_requests_on_and_a_strangers_page_still_may_not() {
    let house = house(KEYS).await;
    let send = async |origin: Option<&str>| {
        let mut request = axum::http::Request::builder()
            .uri("/ping?name=a&frequency=1h&key=p1")
            .header("host", "overdue.example.com")
            .header("fly-client-ip", "203.0.113.7");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        house.answer(request.body(Body::empty()).unwrap()).await.status
    };
    assert_eq!(send(None).await, 200);
    assert_eq!(send(Some("https://evil.example")).await, 403);
}

#[tokio::test]
async fn after_thirty_wrong_keys_in_a_minute_an_address_gets_429_for_wrong_keys_only() {
    let house = house(KEYS).await;
    let try_key = async |from: &str, key: &str| {
        let request = House::request("GET", "/ping?name=a&frequency=1h")
            .header("x-forwarded-for", format!("10.9.8.7, {from}"))
            .header("authorization", format!("Bearer {key}"));
        house.answer(request.body(Body::empty()).unwrap()).await
    };
    for _ in 0..30 {
        assert_eq!(try_key("203.0.113.7", "guess").await.status, 401);
    }
    house.clock.set(TEN + 20);
    let answer = try_key("203.0.113.7", "guess").await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (429, &"40".parse().unwrap()));
    insta::assert_snapshot!(answer.detail(), @"over 30 wrong keys came from this address within a minute: a right one is taken at any time");
    assert_eq!(try_key("203.0.113.7", "p1").await.status, 200);
    assert_eq!(try_key("203.0.113.7", "r1").await.status, 403);
    assert_eq!(try_key("203.0.113.8", "guess").await.status, 401);
    house.clock.set(TEN + 60);
    assert_eq!(try_key("203.0.113.7", "guess").await.status, 401);
}
