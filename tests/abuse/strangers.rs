//! Pages of strangers in the browser of one who may: they can neither change anything (CSRF) nor, by having their own
//! name resolved to this machine, read anything (DNS rebinding). Every route is tried, so that a new one is too.

use overdue::http::{Access, Route, routes};

use crate::{House, encoded, send_with};

/// The path of a route, about a service that is there.
fn target(route: &Route) -> String {
    let query = match route.path {
        "/ping" => "?name=new&frequency=1h",
        "/ping/remove" => "?name=heirloom",
        _ => "",
    };
    let path = route.path.replace("{name}", "heirloom").replace("{key}", "any");
    format!("{}{query}", path.replace("{signal}", "fail").replace("{id}", "1"))
}

/// Every route that changes something, with each method that does.
fn changing() -> Vec<(String, String, Access)> {
    let mut found = Vec::new();
    for route in routes() {
        for method in &route.methods {
            let asks = method == "GET" || method == "HEAD";
            if route.access.writes || !asks {
                found.push((method.to_string(), target(&route), route.access));
            }
        }
    }
    found
}

/// What is stored, but for what time changes.
async fn stored(house: &House) -> serde_json::Value {
    let list = house.server.get("/api/v1/services").await.json();
    let pings = house.server.get("/api/v1/services/heirloom/pings").await.json();
    serde_json::json!([list, pings])
}

#[tokio::test]
async fn a_strangers_page_changes_nothing_by_any_route() {
    let house = House::open(&[("OVERDUE_OPEN", "true")]).await;
    assert_eq!(house.server.get("/ping?name=heirloom&frequency=1h").await.status, 200);
    let before = stored(&house).await;
    let changing = changing();
    assert!(changing.len() > 30);
    for (method, target, _) in changing {
        for header in [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Origin", "http://localhost:1"),
        ] {
            let answer = send_with(house.address(), &method, &target, &[header], "").await;
            assert_eq!(answer.status, 403, "{method} {target} {header:?}: {answer:?}");
        }
    }
    assert_eq!(stored(&house).await, before);
    house.server.stop().await;
}

#[tokio::test]
async fn a_form_without_the_token_of_its_session_changes_nothing() {
    let house = House::open(&[("OVERDUE_READ_KEY", "r"), ("OVERDUE_ADMIN_KEY", "a,other:b")]).await;
    let address = house.address();
    let target = "/ping?name=heirloom&frequency=1h&key=a";
    assert_eq!(house.server.get(target).await.status, 200);
    // Heads are shown in small letters, and sessions are not: the cookie is read from the answer as it came.
    let session = async |key: &str| {
        let body = format!("key={key}");
        let request = format!(
            "POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let said = crate::wire::converse(&house, request).await;
        let cookie = said.split("set-cookie: ").nth(1).unwrap();
        cookie.split(';').next().unwrap().to_owned()
    };
    let (own, other) = (session("a").await, session("b").await);
    let page = async |cookie: &str| {
        let answer =
            send_with(address, "GET", "/services/heirloom", &[("Cookie", cookie)], "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let token = answer.body.split("name=\"token\" value=\"").nth(1).unwrap();
        token.split('"').next().unwrap().to_owned()
    };
    let (own_token, others_token) = (page(&own).await, page(&other).await);
    assert_ne!(own_token, others_token);
    let forms: Vec<_> =
        changing().into_iter().filter(|(_, _, access)| *access == Access::FORM).collect();
    assert!(forms.len() >= 4);
    let wrong = ["", "token=", "token=x", &format!("token={others_token}"), "token=a&token=b"];
    for (method, target, _) in &forms {
        for body in wrong {
            let answer = send_with(address, method, target, &[("Cookie", &own)], body).await;
            assert!([400, 403].contains(&answer.status), "{target} {body}: {answer:?}");
        }
    }
    let reader = session("r").await;
    for (method, target, _) in &forms {
        let answer = send_with(address, method, target, &[("Cookie", &reader)], "token=x").await;
        assert_eq!(answer.status, 403, "{target}: a reader's session changes nothing");
    }
    let body = format!("token={}", encoded(&own_token));
    let answer =
        send_with(address, "POST", "/services/heirloom/pause", &[("Cookie", &own)], &body).await;
    assert_eq!(answer.status, 303, "the right one is taken: {answer:?}");
    house.server.stop().await;
}

#[tokio::test]
async fn a_page_whose_name_was_resolved_to_this_machine_reads_and_changes_nothing() {
    let house = House::open(&[]).await;
    assert_eq!(house.server.get("/ping?name=heirloom&frequency=1h").await.status, 200);
    let before = stored(&house).await;
    let host = format!("rebound.example:{}", house.address().port());
    let headers = [("Host", host.as_str()), ("Sec-Fetch-Site", "same-origin")];
    for route in routes() {
        for method in &route.methods {
            let target = target(&route).replace("/badge/heirloom", "/badge/heirloom.svg");
            let answer = send_with(house.address(), method.as_str(), &target, &headers, "").await;
            let tells_nothing = route.access == Access::LOGIN
                || (route.access == Access::NONE && route.path != "/badge/{name}");
            if tells_nothing {
                let about = !target.contains("heirloom") && answer.body.contains("heirloom");
                assert!(!about, "{method} {target}: {answer:?}");
            } else {
                assert_eq!(answer.status, 403, "{method} {target}: {answer:?}");
            }
        }
    }
    assert_eq!(stored(&house).await, before);
    house.server.stop().await;
}
