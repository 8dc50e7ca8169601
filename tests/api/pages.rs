//! The pages: who may look, who may change, what a page says, and that nothing in it is anybody else's.

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use overdue::config::AlertFormat;
use overdue::core::limits::{LIVE_PAGES_MAX, SESSION_SECONDS_MAX};
use overdue::http::Entrance;
use overdue::store::Rules;
use tower::ServiceExt as _;

use crate::house::{House, TEN, config_of, destination, rules};
use crate::support::Receiver;

const KEYS: &str = "ping_key = \"p1\"\nread_key = \"look:r1\"\nadmin_key = \"ops:a1\"";

/// A name that would be a script, were it not escaped.
const SCRIPT: &str = "<script>alert(1)</script>\"' onload=x";

fn entrance(file: &str) -> Entrance {
    Entrance { keys: config_of(file).unwrap().keys, ..Entrance::default() }
}

async fn keyed() -> House {
    House::with_entrance(entrance(KEYS)).await
}

/// An answer with its body as text.
struct Page {
    status: u16,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Page {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The cookie that it sets, as browsers send it back.
    fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    /// The token of its forms.
    fn token(&self) -> String {
        let (_, after) = self.text.split_once("name=\"token\" value=\"").unwrap();
        after.split('"').next().unwrap().to_owned()
    }

    /// The names on its rows, in order.
    fn rows(&self) -> Vec<String> {
        values(&self.text, "data-name=\"")
    }

    fn headline(&self) -> &str {
        let (_, after) = self.text.split_once("<title>").unwrap();
        after.split(" · overdue</title>").next().unwrap()
    }
}

fn values(text: &str, before: &str) -> Vec<String> {
    text.split(before).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

async fn send(house: &House, request: Request<Body>) -> Page {
    let response = house.router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Page { status: head.status.as_u16(), headers: head.headers, text }
}

/// What a browser asks for that follows a link.
async fn visit(house: &House, target: &str, cookie: &str) -> Page {
    let request = House::request("GET", target).header("accept", "text/html,*/*;q=0.8");
    let request = if cookie.is_empty() { request } else { request.header("cookie", cookie) };
    send(house, request.body(Body::empty()).unwrap()).await
}

/// What a browser sends for a form of ours.
async fn submit(house: &House, target: &str, cookie: &str, fields: &str) -> Page {
    let request = House::request("POST", target)
        .header("accept", "text/html,*/*;q=0.8")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", "http://127.0.0.1:4000")
        .header("sec-fetch-site", "same-origin")
        .header("cookie", cookie);
    send(house, request.body(Body::from(fields.to_owned())).unwrap()).await
}

async fn log_in(house: &House, key: &str) -> String {
    let page = submit(house, "/login", "", &format!("key={key}&next=%2F")).await;
    assert_eq!(page.status, 303, "{}", page.text);
    page.cookie()
}

#[tokio::test]
async fn a_browser_without_a_session_is_sent_to_the_login_and_back() {
    let house = keyed().await;
    let sent = visit(&house, "/?search=a%26b", "").await;
    assert_eq!((sent.status, sent.header("location")), (303, "/login?next=%2F%3Fsearch%3Da%2526b"));
    let login = visit(&house, sent.header("location"), "").await;
    assert!(login.text.contains("name=\"next\" value=\"/?search=a%26b\""), "{}", login.text);
    let back = submit(&house, "/login", "", "key=r1&next=%2F%3Fsearch%3Da%2526b").await;
    assert_eq!((back.status, back.header("location")), (303, "/?search=a%26b"));
    assert_eq!(visit(&house, "/", &back.cookie()).await.status, 200);
    for other in ["//evil.example", "https://evil.example/", "/%5Cevil.example", "javascript:a"] {
        let fields = format!("key=r1&next={other}");
        assert_eq!(submit(&house, "/login", "", &fields).await.header("location"), "/", "{other}");
    }
    let program = send(&house, House::request("GET", "/").body(Body::empty()).unwrap()).await;
    assert_eq!((program.status, program.header("content-type")), (401, "application/problem+json"));
}

#[tokio::test]
async fn a_session_is_a_cookie_that_scripts_and_other_sites_do_not_get() {
    let house = keyed().await;
    let page = submit(&house, "/login", "", "key=a1").await;
    let cookie = page.header("set-cookie");
    assert!(cookie.starts_with("overdue_session=admin."), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(!cookie.contains("a1;") && !cookie.contains("=a1"));
    let https = House::request("POST", "/login").header("x-forwarded-proto", "https");
    let page = send(&house, https.body("key=a1".into()).unwrap()).await;
    assert!(page.header("set-cookie").ends_with("; Secure"), "{}", page.header("set-cookie"));
}

#[tokio::test]
async fn a_session_that_was_tampered_with_has_ended_or_lost_its_key_is_none() {
    let house = keyed().await;
    let cookie = log_in(&house, "r1").await;
    let status = async |house: &House, cookie: &str| visit(house, "/", cookie).await.status;
    assert_eq!(status(&house, &cookie).await, 200);
    let raised = cookie.replacen("=read.", "=admin.", 1);
    let longer = cookie.replacen(&TEN.to_string(), &(TEN + 1).to_string(), 1);
    let cut = &cookie[..cookie.len() - 1];
    for forged in
        [raised.as_str(), longer.as_str(), cut, "overdue_session=", "overdue_session=...."]
    {
        assert_eq!(status(&house, forged).await, 303, "{forged}");
    }
    let among_others = format!("a=b; overdue_session=planted; {cookie}");
    assert_eq!(status(&house, &among_others).await, 200);
    house.clock.set(TEN + SESSION_SECONDS_MAX - 1);
    assert_eq!(status(&house, &cookie).await, 200);
    house.clock.set(TEN + SESSION_SECONDS_MAX);
    assert_eq!(status(&house, &cookie).await, 303);
    let same = keyed().await;
    assert_eq!(status(&same, &cookie).await, 200, "any machine with these keys takes it");
    for rotated in [KEYS.replace("r1", "r2"), KEYS.replace("a1", "a2"), KEYS.replace("look", "new")]
    {
        let rotated = House::with_entrance(entrance(&rotated)).await;
        assert_eq!(status(&rotated, &cookie).await, 303);
    }
}

#[tokio::test]
async fn a_login_says_what_is_wrong_with_a_key_and_counts_wrong_ones() {
    let house = keyed().await;
    let page = submit(&house, "/login", "", "key=p1").await;
    assert_eq!(page.status, 403);
    assert!(page.text.contains("this key is for pings"), "{}", page.text);
    assert_eq!(submit(&house, "/login", "", "key=").await.status, 400);
    for _ in 0..30 {
        let page = submit(&house, "/login", "", "key=guess").await;
        assert_eq!((page.status, page.header("set-cookie")), (401, ""));
        assert!(!page.text.contains("guess"));
    }
    let page = submit(&house, "/login", "", "key=guess").await;
    assert_eq!((page.status, page.header("retry-after")), (429, "60"));
    log_in(&house, "r1").await;
    let strange = House::request("POST", "/login").header("origin", "https://evil.example");
    assert_eq!(send(&house, strange.body("key=r1".into()).unwrap()).await.status, 403);
    let without = House::with_entrance(entrance("ping_key = \"p1\"")).await;
    let page = visit(&without, "/login", "").await;
    assert!(page.text.contains("OVERDUE_READ_KEY"), "{}", page.text);
    let open = House::new().await;
    assert!(visit(&open, "/login", "").await.text.contains("No key is set"));
}

#[tokio::test]
async fn a_form_changes_something_only_with_the_token_of_its_session() {
    let house = keyed().await;
    house.get("/ping?name=a&frequency=1h&key=p1").await;
    let (admin, other) = (log_in(&house, "a1").await, log_in(&house, "a1").await);
    let token = visit(&house, "/", &admin).await.token();
    let strange = visit(&house, "/", &other).await.token();
    assert_ne!(token, strange, "each session has its own");
    for wrong in [String::new(), "token=".to_owned(), format!("token={strange}")] {
        let page = submit(&house, "/services/a/pause", &admin, &wrong).await;
        assert_eq!(page.status, 403, "{wrong}");
        assert!(page.text.contains("load the page again"), "{}", page.text);
    }
    assert_eq!(house.count("SELECT paused FROM services").await, 0);
    let fields = format!("token={token}");
    let page = submit(&house, "/services/a/pause", &admin, &fields).await;
    assert_eq!((page.status, page.header("location")), (303, "/services/a"));
    let list = visit(&house, "/", &admin).await.text;
    assert!(list.contains(" · paused by ops <span data-mode=\"ago\""), "{list}");
    assert_eq!(house.count("SELECT paused FROM services").await, 1);
    submit(&house, "/services/a/resume", &admin, &format!("{fields}&back=%2F%3Fsearch%3Da")).await;
    assert_eq!(house.count("SELECT paused FROM services").await, 0);
    let reader = log_in(&house, "r1").await;
    let own = format!("token={}", visit(&house, "/", &reader).await.token());
    assert_eq!(submit(&house, "/services/a/delete", &reader, &own).await.status, 403);
    assert_eq!(submit(&house, "/services/b/delete", &admin, &fields).await.status, 404);
    let page = submit(&house, "/services/a/delete", &admin, &fields).await;
    assert_eq!((page.status, page.header("location")), (303, "/"));
    assert_eq!(house.count("SELECT count(*) FROM services").await, 0);
}

#[tokio::test]
async fn without_keys_a_form_goes_with_the_cookie_of_the_first_visit() {
    let house = House::new().await;
    house.ping("name=a&frequency=1h").await;
    let first = visit(&house, "/", "").await;
    assert!(first.header("set-cookie").contains("HttpOnly; SameSite=Lax"));
    let cookie = first.cookie();
    let again = visit(&house, "/services/a", &cookie).await;
    assert_eq!(again.header("set-cookie"), "");
    let fields = format!("token={}", again.token());
    assert_eq!(submit(&house, "/services/a/pause", "", &fields).await.status, 403);
    let planted = "overdue_session=planted";
    assert_eq!(submit(&house, "/services/a/pause", planted, &fields).await.status, 403);
    assert_eq!(submit(&house, "/services/a/pause", &cookie, &fields).await.status, 303);
    assert_eq!(house.count("SELECT paused FROM services").await, 1);
}

#[tokio::test]
async fn a_logout_forgets_the_cookie() {
    let house = keyed().await;
    let cookie = log_in(&house, "r1").await;
    assert_eq!(submit(&house, "/logout", &cookie, "token=no").await.status, 403);
    let token = visit(&house, "/", &cookie).await.token();
    let page = submit(&house, "/logout", &cookie, &format!("token={token}")).await;
    assert_eq!((page.status, page.header("location")), (303, "/login"));
    assert!(page.header("set-cookie").starts_with("overdue_session=; Path=/; Max-Age=0"));
}

/// Complains of what a strict policy would not let run, or what would come from elsewhere.
fn expect_nothing_inline(page: &str, what: &str) {
    for tag in page.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        // What stands in quotes is text.
        let bare: Vec<&str> = tag.split('"').step_by(2).collect();
        let words = bare.join("\"\"");
        let attributes = words.split_ascii_whitespace().skip(1);
        for attribute in attributes {
            let is_inline = attribute.starts_with("style=") || attribute.starts_with("on");
            assert!(!is_inline, "{what}: <{tag}>");
        }
        assert!(!tag.starts_with("style"), "{what}: <{tag}>");
        assert!(!tag.starts_with("script") || tag.contains("src=\"/assets/"), "{what}: <{tag}>");
        for reference in ["src=\"", "href=\"", "action=\""] {
            for target in values(tag, reference) {
                let is_ours =
                    target.starts_with('/') || target.starts_with('#') || target.is_empty();
                assert!(is_ours && !target.starts_with("//"), "{what}: <{tag}>");
            }
        }
    }
}

#[tokio::test]
async fn no_page_has_anything_inline_or_from_elsewhere_whatever_a_service_is_called() {
    let house = House::new().await;
    let name = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27%20onload%3Dx";
    house.ping(&format!("name={name}&frequency=1h")).await;
    let request = House::request("POST", &format!("/ping?name={name}&frequency=1h&signal=3"));
    house.answer(request.body("</li><script>alert(2)</script>".into()).unwrap()).await;
    for target in [
        "/",
        "/?search=%22%3E%3Cscript%3E",
        "/?show=trouble",
        "/?show=wrong",
        &format!("/services/{name}"),
        "/alerts",
        "/login?next=%22onload%3Dx",
        "/nowhere%22%3E%3Cscript%3E",
    ] {
        let page = visit(&house, target, "").await;
        expect_nothing_inline(&page.text, target);
        assert_eq!(
            page.header("content-security-policy"),
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            "{target}"
        );
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(!page.text.contains("<script>"), "{target}: {}", page.text);
    }
    let page = visit(&house, "/", "").await;
    assert!(page.text.contains("&#60;script&#62;alert(1)"), "{}", page.text);
    let mut live = Live::open(&house, "/events").await;
    let html = live.page().await["rows"][0][1].as_str().unwrap().to_owned();
    expect_nothing_inline(&html, "the row as it is sent");
    assert!(html.contains("alert(1)") && !html.contains(SCRIPT) && !html.contains("<script"));
}

#[tokio::test]
async fn files_are_named_by_their_content_and_kept_for_good() {
    let house = keyed().await;
    let login = visit(&house, "/login", "").await;
    let path = values(&login.text, "src=\"").into_iter().next().unwrap();
    let file = send(&house, House::request("GET", &path).body(Body::empty()).unwrap()).await;
    assert_eq!((file.status, file.header("content-type")), (200, "text/javascript; charset=utf-8"));
    assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
    let known = House::request("GET", &path).header("if-none-match", file.header("etag"));
    assert_eq!(send(&house, known.body(Body::empty()).unwrap()).await.status, 304);
    let old = "/assets/overdue.0123456789abcdef.js";
    let file = send(&house, House::request("GET", old).body(Body::empty()).unwrap()).await;
    assert_eq!((file.status, file.header("cache-control")), (200, "no-cache"));
    for path in ["/assets/overdue.js.map", "/assets/a", "/assets/..%2FCargo.toml", "/assets/style"]
    {
        assert_eq!(house.get(path).await.status, 404, "{path}");
    }
}

/// Services of each kind at ten o'clock.
async fn one_of_each(house: &House) {
    house.ping(&format!("name=silent&frequency=10m&timestamp={}", TEN - 4920)).await;
    house.ping(&format!("name=late&frequency=1h&grace=2h&timestamp={}", TEN - 4920)).await;
    house.ping(&format!("name=later&frequency=3h&grace=1h&timestamp={}", TEN - 60)).await;
    house.ping("name=soon&frequency=2h&grace=5h").await;
    house.ping("name=broken&frequency=1h&signal=7").await;
    house.ping("name=runs&frequency=1D&max_runtime=30m&signal=start").await;
    house.ping("name=asleep&frequency=1h").await;
    house.send("POST", "/api/v1/services/asleep/pause").await;
    let declared = serde_json::json!({ "frequency": "1D" });
    house.send_json("PUT", "/api/v1/services/declared", &declared).await;
}

#[tokio::test]
async fn rows_stand_by_their_trouble_and_then_by_what_is_due_next() {
    let house = House::new().await;
    one_of_each(&house).await;
    house.sweep_at(TEN + 1).await;
    let page = visit(&house, "/", "").await;
    assert_eq!(page.headline(), "1 overdue, 1 failed, 1 late, 3 up");
    assert!(page.text.contains("href=\"/assets/icon-bad."));
    let order = ["silent", "broken", "late", "runs", "soon", "later", "declared", "asleep"];
    assert_eq!(page.rows(), order);
    for said in [
        ">every 1h · paused <span data-mode=\"ago\" data-at=\"1795600800\">1 s ago</span></small>",
        ">1 h 12 min late<",
        ">22 min into its grace<",
        ">due in 1 h 59 min<",
        ">started 1 s ago<",
        ">never pinged<",
        ">expects nothing<",
        "every 1h · exit 7<",
        "All <b>8</b>",
        "Trouble <b>3</b>",
        "Running <b>1</b>",
        "Paused <b>1</b>",
    ] {
        assert!(page.text.contains(said), "{said} in {}", page.text);
    }
    let shown = async |target: &str| visit(&house, target, "").await.rows();
    assert_eq!(shown("/?show=trouble").await, ["silent", "broken", "late"]);
    assert_eq!(shown("/?show=running").await, ["runs"]);
    assert_eq!(shown("/?show=paused").await, ["asleep"]);
    assert_eq!(shown("/?search=LATE").await, ["late", "later"]);
    assert!(visit(&house, "/?search=nothing", "").await.text.contains("No name has"));
}

#[tokio::test]
async fn the_headline_tells_of_calm_and_of_what_comes_next() {
    let house = House::new().await;
    let page = visit(&house, "/", "").await;
    assert_eq!(page.headline(), "Nothing is watched yet");
    let line =
        "curl &#39;http://127.0.0.1:4000/ping?name=hello&amp;frequency=1m&amp;grace=10s&#39;";
    assert!(
        page.text.contains(line)
            || page.text.contains(
                "curl 'http://127.0.0.1:4000/ping?name=hello&amp;frequency=1m&amp;grace=10s'"
            ),
        "{}",
        page.text
    );
    house.ping("name=b&frequency=1h").await;
    house.ping("name=a&frequency=4m").await;
    let page = visit(&house, "/", "").await;
    assert_eq!(page.headline(), "All 2 up");
    assert!(page.text.contains("Next: <a href=\"/services/a\">a</a> in <span"), "{}", page.text);
    assert!(page.text.contains(">4 min</span>"));
    assert!(page.text.contains("href=\"/assets/icon-up."));
}

#[tokio::test]
async fn a_list_of_many_goes_on_page_by_page_and_misses_none() {
    let house = House::new().await;
    let queries = (0..120).map(|n| format!("name=job{n:03}&frequency={}s", 3600 + n));
    house.ping_all(queries).await;
    let (mut found, mut target) = (Vec::new(), "/".to_owned());
    for _ in 0..3 {
        let page = visit(&house, &target, "").await;
        found.extend(page.rows());
        let next = page.text.split("\" rel=\"next\"").next().unwrap();
        target = next.rsplit("href=\"").next().unwrap().replace("&#38;", "&");
    }
    let expected: Vec<String> = (0..120).map(|n| format!("job{n:03}")).collect();
    assert_eq!(found, expected);
    assert_eq!(visit(&house, "/?after=nowhere", "").await.status, 400);
}

#[tokio::test]
async fn names_that_begin_alike_fold_while_all_of_them_are_well() {
    let house = House::new().await;
    house.ping_all((0..30).map(|n| format!("name=backup-{n:02}&frequency=1h"))).await;
    house.ping("name=other&frequency=2h").await;
    let page = visit(&house, "/", "").await;
    assert_eq!(page.rows(), ["other"]);
    assert!(page.text.contains("30 services, next <span"), "{}", page.text);
    assert_eq!(visit(&house, "/?search=backup-", "").await.rows().len(), 30);
    house.get("/ping/backup-07/fail").await;
    assert_eq!(visit(&house, "/", "").await.rows().len(), 31);
}

#[tokio::test]
async fn of_more_services_than_are_all_looked_at_the_indexes_tell_the_same() {
    let house = House::new().await;
    one_of_each(&house).await;
    house.sweep_at(TEN + 1).await;
    house
        .edit(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10100)
             INSERT INTO services (name, frequency, last_ping, last_success, expected, deadline)
             SELECT printf('zz-%05d', i), 86400, 1795600800, 1795600800, 1795687200 + i, 1795687200 + i FROM n",
        )
        .await;
    let page = visit(&house, "/", "").await;
    assert_eq!(page.headline(), "1 overdue, 1 failed, 1 late, 10,103 up");
    let rows = page.rows();
    assert_eq!(rows.len(), 50);
    // What is due next is told by its deadline alone here, and no names fold.
    assert_eq!(rows[..7], ["silent", "broken", "late", "runs", "later", "soon", "zz-00001"]);
    for (show, names) in [
        ("trouble", &["silent", "broken", "late"][..]),
        ("running", &["runs"]),
        ("paused", &["asleep"]),
    ] {
        assert_eq!(visit(&house, &format!("/?show={show}"), "").await.rows(), names, "{show}");
    }
    assert_eq!(visit(&house, "/?search=zz-0042", "").await.rows().len(), 10);
    assert!(visit(&house, "/?search=zz-", "").await.text.contains("Over 1000 match"));
    let next = page.text.split("\" rel=\"next\"").next().unwrap();
    let next = next.rsplit("href=\"").next().unwrap().to_owned();
    assert_eq!(visit(&house, &next, "").await.rows()[0], "zz-00045");
    house.edit("DELETE FROM services WHERE name GLOB 'zz-*' AND name > 'zz-10090'").await;
    house.edit("UPDATE services SET paused = 1, deadline = NULL WHERE name GLOB 'zz-*'").await;
    let page = visit(&house, "/", "").await;
    assert_eq!(page.rows()[6..9], ["declared", "asleep", "zz-00001"]);
}

#[tokio::test]
async fn what_became_of_an_alert_stands_on_its_row() {
    let mut receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 601).await;
    assert!(visit(&house, "/", "").await.text.contains("→ default …"));
    let mut courier = house.courier(&destination);
    while courier.step(house.clock.now()).await.unwrap() != overdue::alerting::Step::Idle {
        courier.settle().await;
    }
    receiver.next().await;
    let page = visit(&house, "/", "").await;
    assert!(
        page.text.contains("→ default ✓ <time datetime=\"2026-11-25T10:10:01Z\""),
        "{}",
        page.text
    );
    assert!(page.text.contains("last delivery <time"), "{}", page.text);
    let nobody = House::new().await;
    nobody.ping("name=a&frequency=10m").await;
    nobody.sweep_at(TEN + 601).await;
    let page = visit(&nobody, "/", "").await;
    assert!(
        page.text.contains("alerts nobody") && page.text.contains("id=\"untold\""),
        "{}",
        page.text
    );
}

/// A page that is watched live.
struct Live {
    body: Body,
    read: String,
}

impl Live {
    async fn open(house: &House, target: &str) -> Self {
        let request = House::request("GET", target).body(Body::empty()).unwrap();
        let response = house.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), read: String::new() }
    }

    /// The next event: its name and its data; `None` where the stream has ended.
    async fn event(&mut self) -> Option<(String, serde_json::Value)> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let line = |name: &str| {
                    event.lines().find_map(|line| line.strip_prefix(name).map(str::trim))
                };
                let named = line("event:").map(str::to_owned);
                let data = line("data:").map(|data| serde_json::from_str(data).unwrap());
                let rest = rest.to_owned();
                self.read = rest;
                if let (Some(name), Some(data)) = (named, data) {
                    return Some((name, data));
                }
                continue;
            }
            let frame = self.body.frame().await?.unwrap();
            self.read.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    }

    /// The next event that changes the page.
    async fn page(&mut self) -> serde_json::Value {
        let next = async {
            loop {
                let (name, data) = self.event().await.expect("the stream goes on");
                if name == "page" {
                    return data;
                }
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(10), next).await;
        waited.expect("an event comes within seconds")
    }
}

#[tokio::test]
async fn a_ping_is_sent_to_those_who_watch_and_nothing_that_they_have() {
    let house = House::new().await;
    house.ping("name=a&frequency=2h").await;
    house.ping("name=b&frequency=1h").await;
    let mut live = Live::open(&house, "/events").await;
    let first = live.page().await;
    assert_eq!(first["order"].as_array().unwrap().len(), 2);
    assert_eq!(first["title"], "All 2 up · overdue");
    let (b, a) = (first["order"][0].clone(), first["order"][1].clone());
    house.clock.set(TEN + 1);
    house.ping("name=a&frequency=1m").await;
    let second = live.page().await;
    assert_eq!(second["order"], serde_json::json!([a, b]));
    let rows = second["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0][0]), (1, &a), "{second}");
    assert!(second.get("title").is_none() && second.get("chips").is_none(), "{second}");
    // What somebody else writes into the file is live too.
    house.edit("DELETE FROM services WHERE name = 'b'").await;
    let third = live.page().await;
    assert_eq!(
        (&third["order"], &third["title"]),
        (&serde_json::json!([a]), &"1 up · overdue".into())
    );
    assert!(third.get("rows").is_none(), "{third}");
}

#[tokio::test]
async fn a_service_turns_late_before_ones_eyes_without_a_write() {
    let house = House::new().await;
    house.ping("name=a&frequency=10m&grace=10m").await;
    let mut live = Live::open(&house, "/events").await;
    live.page().await;
    house.clock.set(TEN + 601);
    let page = live.page().await;
    assert_eq!(page["title"], "1 late · overdue");
    assert!(page["icon"].as_str().unwrap().starts_with("/assets/icon-late."));
}

#[tokio::test]
async fn a_search_is_watched_by_itself() {
    let house = House::new().await;
    house.ping("name=apple&frequency=1h").await;
    house.ping("name=pear&frequency=1h").await;
    let mut live = Live::open(&house, "/events?search=pea").await;
    assert_eq!(live.page().await["order"].as_array().unwrap().len(), 1);
    assert_eq!(house.get("/events?show=wrong").await.status, 400);
}

#[tokio::test]
async fn only_so_many_watch_at_a_time_and_a_place_is_free_again_once_one_leaves() {
    let house = House::new().await;
    let mut watching = Vec::new();
    for _ in 0..LIVE_PAGES_MAX {
        watching.push(Live::open(&house, "/events").await);
    }
    let answer = house.get("/events").await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &"1".parse().unwrap()));
    drop(watching);
    let free = async {
        loop {
            let request = House::request("HEAD", "/events").body(Body::empty()).unwrap();
            if house.router.clone().oneshot(request).await.unwrap().status() == 200 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), free).await.unwrap();
}

#[tokio::test]
async fn what_is_watched_ends_with_the_session() {
    let house = keyed().await;
    let cookie = log_in(&house, "r1").await;
    let request = House::request("GET", "/events").header("cookie", cookie);
    let request = request.body(Body::empty()).unwrap();
    let response = house.router.clone().oneshot(request).await.unwrap();
    let mut live = Live { body: response.into_body(), read: String::new() };
    live.page().await;
    house.clock.set(TEN + SESSION_SECONDS_MAX);
    let ended = async { while live.event().await.is_some() {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), ended).await.unwrap();
    assert_eq!(house.get("/events").await.status, 401);
}
