//! Addresses of pages: whatever a service is called, browsers get where they lead.

use axum::body::Body;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use url::Url;

use crate::house::House;

/// A page, as a browser asks for it that knows the cookie: its status, its cookie if it sets one, and its text.
async fn page(house: &House, target: &str, cookie: &str) -> (u16, String, String) {
    let request = House::request("GET", target).header("accept", "text/html");
    let request = request.header("cookie", cookie).body(Body::empty()).unwrap();
    let response = house.router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let set = head.headers.get("set-cookie").map_or("", |cookie| cookie.to_str().unwrap());
    let set = set.split(';').next().unwrap().to_owned();
    let text = body.collect().await.unwrap().to_bytes().to_vec();
    (head.status.as_u16(), set, String::from_utf8(text).unwrap())
}

/// Where a browser gets that follows `link` on the page at `from`.
fn followed(from: &str, link: &str) -> String {
    let base: Url = "http://127.0.0.1:4000".parse().unwrap();
    let url = base.join(from).unwrap().join(&link.replace("&amp;", "&")).unwrap();
    url[url::Position::BeforePath..].to_owned()
}

/// The text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap().0
}

#[tokio::test]
async fn services_called_dot_and_dots_have_pages_and_buttons_though_browsers_resolve_such_segments()
{
    for name in [".", ".."] {
        let house = House::new().await;
        house.ping(&format!("name={name}&frequency=1h")).await;
        let (_, cookie, list) = page(&house, "/", "").await;
        let link = between(&list, "<div class=\"name\"><a href=\"", "\"");
        let path = followed("/", link);
        let (status, _, shown) = page(&house, &path, &cookie).await;
        assert_eq!(status, 200, "{path}");
        assert!(shown.contains(&format!("<h1>{name}</h1>")), "{path}: {shown}");
        let events = followed(&path, between(&shown, "data-events=\"", "\""));
        assert_eq!(house.send("HEAD", &events).await.status, 200, "{events}");
        let form = between(&shown, "<form method=\"post\" action=\"", "\"");
        let token = between(&shown, "name=\"token\" value=\"", "\"");
        let request = House::request("POST", &followed(&path, form)).header("cookie", &cookie);
        let request = request.body(Body::from(format!("token={token}"))).unwrap();
        let answer = house.answer(request).await;
        assert_eq!(answer.status, 303, "{form}");
        assert_eq!(answer.headers["location"], link);
        assert_eq!(house.count("SELECT paused FROM services").await, 1);
        let badge = followed(&path, between(&shown, "<img class=\"badge\" src=\"", "\""));
        assert_eq!(house.send("HEAD", &badge).await.status, 200, "{badge}");
        // The API takes the same segment, and another name is still none.
        let api = path.replace("/services/", "/api/v1/services/");
        assert_eq!(house.get(&api).await.json["name"], name);
        assert_eq!(house.get("/api/v1/services/%1Fa").await.status, 400);
    }
}

#[tokio::test]
async fn a_form_whose_session_has_ended_leads_to_the_login_and_back_to_its_page() {
    let entrance = crate::house::config_of("admin_key = \"a1\"\nread_key = \"r1\"").unwrap();
    let house = House::with_entrance(overdue::http::Entrance {
        keys: entrance.keys.clone(),
        ..overdue::http::Entrance::default()
    })
    .await;
    for (form, back) in [
        ("/services/a%2Fb/pause", "/login?next=%2Fservices%2Fa%252Fb"),
        ("/alerts/alr_x/retry", "/login?next=%2Falerts"),
    ] {
        let request = House::request("POST", form)
            .header("accept", "text/html")
            .header("cookie", "overdue_session=old");
        let answer = house.answer(request.body(Body::from("token=old")).unwrap()).await;
        assert_eq!(answer.status, 303, "{form}");
        assert_eq!(answer.headers["location"], back);
    }
    // A program that sends no key is told so.
    assert_eq!(house.send("POST", "/services/a/pause").await.status, 401);
}
