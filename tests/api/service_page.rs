//! The page of one service: what it says, shows and lets one do, whatever the service is called.

use axum::body::Body;
use http_body_util::BodyExt as _;
use overdue::config::AlertFormat;
use overdue::store::Rules;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::house::{House, TEN, destination, rules};
use crate::keys::entrance;
use crate::support::{Receiver, Reply, patiently};

/// A page as a browser gets it: its status, the cookie that it sets, and its text.
struct Page {
    status: u16,
    cookie: String,
    text: String,
}

impl Page {
    fn count(&self, what: &str) -> usize {
        self.text.matches(what).count()
    }

    /// The token that its forms carry.
    fn token(&self) -> &str {
        let (_, after) = self.text.split_once("name=\"token\" value=\"").unwrap();
        after.split_once('"').unwrap().0
    }
}

async fn page_with(house: &House, target: &str, key: Option<&str>) -> Page {
    let mut request = House::request("GET", target).header("accept", "text/html");
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let response =
        house.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let cookie = head.headers.get("set-cookie").map_or("", |cookie| cookie.to_str().unwrap());
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Page { status: head.status.as_u16(), cookie, text }
}

async fn page(house: &House, target: &str) -> Page {
    page_with(house, target, None).await
}

/// Sends a form as the browser that got `from` does.
async fn send_form(house: &House, from: &Page, target: &str, fields: &str) -> (u16, String) {
    let request = House::request("POST", target)
        .header("accept", "text/html")
        .header("cookie", &from.cookie)
        .header("content-type", "application/x-www-form-urlencoded");
    let response = house
        .router
        .clone()
        .oneshot(request.body(Body::from(fields.to_owned())).unwrap())
        .await
        .unwrap();
    let location = response.headers().get("location").map_or("", |to| to.to_str().unwrap());
    (response.status().as_u16(), location.to_owned())
}

/// A name as a path carries it.
fn in_path(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[tokio::test]
async fn the_first_sentence_is_that_of_the_alert_or_says_when_it_is_due() {
    let house = House::new().await;
    house.ping("name=a&frequency=1h&grace=30m").await;
    house.clock.set(TEN + 1800);
    let well = page(&house, "/services/a").await;
    assert_eq!(well.status, 200);
    assert!(well.text.contains("All is well: due in 30 min, by 11:00 UTC."), "{}", well.text);
    assert!(well.text.contains("<title>● a</title>"), "{}", well.text);
    house.sweep_at(TEN + 5400 + 4320).await;
    let overdue = page(&house, "/services/a").await;
    assert!(
        overdue.text.contains(
            "OVERDUE a: 1 h 12 min late. Expected by 11:30 UTC (grace 30 min). Last success 10:00."
        ),
        "{}",
        overdue.text
    );
    assert!(overdue.text.contains("<i>■</i>OVERDUE"));
    house.send("POST", "/api/v1/services/a/pause").await;
    let paused = page(&house, "/services/a").await;
    assert!(paused.text.contains("Paused: nothing is expected of it"));
    assert_eq!((paused.count(">Resume<"), paused.count(">Pause<")), (1, 0));
}

#[tokio::test]
async fn a_cron_schedule_shows_its_zone_and_what_comes_next() {
    let house = House::new().await;
    house.ping("name=a&cron=0+2+*+*+1-5&tz=Europe/Berlin&grace=15m").await;
    let shown = page(&house, "/services/a").await;
    assert!(shown.text.contains("at 0 2 * * 1-5 (Europe/Berlin), grace 15m"), "{}", shown.text);
    // Thursday, Friday and Monday.
    for next in ["2026-11-26T01:00:00Z", "2026-11-27T01:00:00Z", "2026-11-30T01:00:00Z"] {
        assert!(shown.text.contains(&format!("<time datetime=\"{next}\"")), "{next}");
    }
    assert!(shown.text.contains("0 2 * * 1-5 /path/to/job; curl"), "a line for a crontab");
}

#[tokio::test]
async fn whatever_it_is_called_its_name_is_text_and_its_links_lead_to_it() {
    let house = House::new().await;
    let long = "é".repeat(127);
    for name in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "a/b c?d#e&f=g%h",
        "🚀 start",
        "{{ frame }}",
        long.as_str(),
    ] {
        let path = in_path(name);
        house.ping(&format!("name={path}&frequency=1h")).await;
        let shown = page(&house, &format!("/services/{path}")).await;
        assert_eq!(shown.status, 200, "{name}");
        let text = shown.text.to_lowercase();
        for forbidden in ["<script>", "<img src=x", " style=", "javascript:"] {
            assert!(!text.contains(forbidden), "{name}: {forbidden} in {text}");
        }
        let forms: Vec<&str> = shown
            .text
            .split("method=\"post\" action=\"/services/")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert_eq!(forms.len(), 2, "pause and delete");
        for form in forms {
            let (encoded, _) = form.split_once('/').unwrap();
            let again = page(&house, &format!("/services/{encoded}")).await;
            assert_eq!(again.status, 200, "{encoded}");
        }
        let line = shown.text.split("<code>curl").nth(1).unwrap().split("&#34;").nth(1).unwrap();
        let line = line.trim_start_matches("http://127.0.0.1:4000").replace("&amp;", "&");
        assert_eq!(house.get(&line).await.status, 200, "{line} pings it");
    }
    assert_eq!(house.count("SELECT count(*) FROM services").await, 6);
}

#[tokio::test]
async fn pings_are_listed_with_their_logs_as_text_and_go_on_behind_a_cursor() {
    let house = House::new().await;
    for second in 0..24 {
        house.clock.set(TEN + second);
        house.ping("name=a&frequency=1h&duration_ms=4230").await;
    }
    let request = House::request("POST", "/ping/a/3?run=r1");
    house.answer(request.body("<b>it broke</b> & burned".into()).unwrap()).await;
    let newest = page(&house, "/services/a").await;
    assert!(
        newest.text.contains("&#60;b&#62;it broke&#60;/b&#62; &#38; burned"),
        "{}",
        newest.text
    );
    assert!(newest.text.contains("failure, exit status 3"));
    assert_eq!(newest.count("data-key=\"log "), 1);
    assert_eq!(newest.count("<span class=\"took\">4.2 s</span>"), 19);
    assert_eq!(newest.count("<rect class=\"bar\""), 24, "a bar for each run that went well");
    assert_eq!(newest.count("class=\"tick "), 25);
    let (_, after) = newest.text.split_once("href=\"/services/a?pings=").unwrap();
    let cursor = after.split(['#', '"']).next().unwrap();
    let older = page(&house, &format!("/services/a?pings={cursor}")).await;
    assert_eq!(older.count("<span class=\"took\">4.2 s</span>"), 5);
    assert_eq!((older.count(">Older<"), older.count(">Newest<")), (0, 1));
    assert_eq!(page(&house, "/services/a?pings=x").await.status, 400);
}

#[tokio::test]
async fn an_alert_shows_each_attempt_and_what_was_given_up_is_sent_again() {
    let receiver = Receiver::start().await;
    receiver.usually(Reply::Status(500));
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await;
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 601).await;
    let mut courier = house.courier(&destination);
    courier.step(TEN + 601).await.unwrap();
    courier.settle().await;
    let retrying = page(&house, "/services/a").await;
    assert!(retrying.text.contains("<b>default</b> retrying: "), "{}", retrying.text);
    assert!(retrying.text.contains("<summary>1 attempt</summary>"), "{}", retrying.text);
    assert_eq!(retrying.count(">Send again<"), 0);
    house.edit("UPDATE deliveries SET state = 'given_up'").await;
    let given_up = page(&house, "/services/a").await;
    assert_eq!((given_up.count("<b>default</b> given up"), given_up.count(">Send again<")), (1, 1));
    let id = house.texts("SELECT id FROM alerts").await.remove(0);
    let path = format!("/alerts/{id}/retry");
    let state = async || house.texts("SELECT state FROM deliveries").await.remove(0);
    let (status, _) = send_form(&house, &given_up, &path, "destination=default").await;
    assert_eq!((status, state().await.as_str()), (403, "given_up"), "without the token");
    let fields =
        format!("destination=default&back=/services/a%23alerts&token={}", given_up.token());
    let (status, location) = send_form(&house, &given_up, &path, &fields).await;
    assert_eq!(
        (status, location.as_str(), state().await.as_str()),
        (303, "/services/a#alerts", "pending")
    );
    let (status, _) = send_form(&house, &given_up, &path, &fields).await;
    assert_eq!(status, 409, "it is under way already");
}

#[tokio::test]
async fn who_may_only_read_is_shown_no_buttons() {
    let house =
        House::with_entrance(entrance("ping_key = \"p1\"\nread_key = \"r1\"\nadmin_key = \"a1\""))
            .await;
    let ping =
        House::request("GET", "/ping?name=a&frequency=1h").header("authorization", "Bearer p1");
    assert_eq!(house.answer(ping.body(Body::empty()).unwrap()).await.status, 200);
    let reader = page_with(&house, "/services/a", Some("r1")).await;
    assert_eq!((reader.status, reader.count("method=\"post\"")), (200, 0));
    assert!(reader.text.contains("Authorization: Bearer $PING_KEY"), "{}", reader.text);
    assert!(reader.text.contains("key ping"), "which key pinged it");
    let (_, badge) = reader.text.split_once("class=\"badge\" src=\"").unwrap();
    let badge = page(&house, &badge.split('"').next().unwrap().replace("&#38;", "&")).await;
    assert!(badge.status == 200 && badge.text.contains("<svg"), "{}", badge.text);
    let admin = page_with(&house, "/services/a", Some("a1")).await;
    assert_eq!(admin.count("action=\"/services/a/"), 2);
    assert_eq!(page(&house, "/services/a").await.status, 303, "to the login");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_said_with_what_makes_it_and_what_was_told_of_it() {
    let receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await;
    let never = page(&house, "/services/no%20such").await;
    assert_eq!(never.status, 404);
    assert!(never.text.contains("There is no service no such"), "{}", never.text);
    assert!(never.text.contains("/ping?name=no%20such&#38;frequency=1D"), "{}", never.text);
    house.ping("name=a&frequency=10m").await;
    house.sweep_at(TEN + 601).await;
    let mut courier = house.courier(&destination);
    courier.step(TEN + 601).await.unwrap();
    courier.settle().await;
    let form = page(&house, "/services/a").await;
    let (status, location) =
        send_form(&house, &form, "/services/a/delete", &format!("token={}", form.token())).await;
    assert_eq!((status, location.as_str()), (303, "/"));
    let gone = page(&house, "/services/a").await;
    assert_eq!(gone.status, 404);
    assert!(gone.text.contains("deleted"), "{}", gone.text);
    assert!(gone.text.contains("OVERDUE a: 1 s late."), "{}", gone.text);
    assert!(gone.text.contains("Not by a ping: it was deleted at 10:10 UTC."), "{}", gone.text);
}

/// Reads sections off a page that is watched live, until `is_it`.
async fn section(body: &mut Body, is_it: impl Fn(&str, &Value) -> bool) -> Value {
    let reading = async {
        let mut text = String::new();
        loop {
            let frame = body.frame().await.expect("the page is still live").unwrap();
            text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
            while let Some((event, rest)) = text.split_once("\n\n") {
                let line = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap_or_default().trim_start()
                };
                let data = serde_json::from_str(line("data:")).unwrap_or(Value::Null);
                if is_it(line("event:"), &data) {
                    return data;
                }
                text = rest.to_owned();
            }
        }
    };
    patiently("a section of a live page", reading).await
}

/// Waits for each of these sections to say these words, in whatever order they come: a look at the page may fall between
/// any two things that happen.
async fn sections(body: &mut Body, wanted: &[(&str, &str)]) {
    let mut left = wanted.to_vec();
    while !left.is_empty() {
        let is_left =
            |id: &str, html: &str, &(of, words): &(&str, &str)| id == of && html.contains(words);
        let parts = |data: &Value| {
            let part = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
            (part("id"), part("html"))
        };
        let found = section(body, |_, data| {
            let (id, html) = parts(data);
            left.iter().any(|one| is_left(&id, &html, one))
        });
        let (id, html) = parts(&found.await);
        left.retain(|one| !is_left(&id, &html, one));
    }
}

#[tokio::test]
async fn a_page_that_is_watched_shows_a_ping_within_moments_and_the_end_of_its_service() {
    let house = House::new().await;
    house.ping("name=a%2Fb&frequency=10m").await;
    let request = House::request("GET", "/services/a%2Fb/events").body(Body::empty()).unwrap();
    let response = house.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    for id in ["state", "runs", "alerts", "pings", "outages"] {
        section(&mut body, |event, data| event == "section" && data["id"] == id).await;
    }
    house.sweep_at(TEN + 661).await;
    let silent = "OVERDUE a/b: 1 min late.";
    let alerts = ("alerts", "Nobody was told: no destination takes it.");
    sections(&mut body, &[("state", silent), alerts]).await;
    house.get("/ping/a%2Fb").await;
    let well = "All is well: due in 10 min";
    sections(&mut body, &[("state", well), ("outages", "it was pinged")]).await;
    house.send("DELETE", "/ping/a%2Fb").await;
    section(&mut body, |event, _| event == "gone").await;
    let rest = patiently("the end of the stream", body.frame()).await;
    assert!(rest.is_none(), "{rest:?}");
}

#[tokio::test]
async fn alerts_are_listed_filtered_and_go_on_behind_a_cursor() {
    let house = House::new().await;
    for number in 0..24 {
        house.ping(&format!("name=job-{number:02}&frequency=10m&signal=fail")).await;
    }
    house.ping("name=a%26b&frequency=10m").await;
    house.sweep_at(TEN + 601).await;
    let first = page(&house, "/alerts").await;
    assert_eq!((first.status, first.count("<article")), (200, 20));
    assert_eq!(first.count("class=\"name\" href=\"/services/"), 20);
    let (_, after) = first.text.split_once("href=\"/alerts?cursor=").unwrap();
    let cursor = after.split('"').next().unwrap();
    let mut shown = 20;
    let second = page(&house, &format!("/alerts?cursor={cursor}")).await;
    shown += second.count("<article");
    assert_eq!(second.count(">Newest<"), 1);
    let all = usize::try_from(house.count("SELECT count(*) FROM alerts").await).unwrap();
    assert!(shown == all.min(40), "{shown} of {all}");
    let of_one = page(&house, "/alerts?service=a%26b&kind=overdue&state=").await;
    assert_eq!(of_one.count("<article"), 1, "{}", of_one.text);
    assert!(of_one.text.contains("value=\"a&#38;b\""), "{}", of_one.text);
    assert!(of_one.text.contains("<option value=\"overdue\" selected>"));
    let none = page(&house, "/alerts?state=given_up").await;
    assert_eq!(none.count("<article"), 0);
    assert!(none.text.contains("None of these was raised."));
    for wrong in ["kind=x", "state=x", "cursor=x", "service=%00"] {
        assert_eq!(page(&house, &format!("/alerts?{wrong}")).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn the_page_says_why_now_and_at_another_time() {
    let house = House::new().await;
    house.ping("name=a%26b&frequency=10m").await;
    house.sweep_at(TEN + 1200).await;
    let why = async |target: &str| {
        let answer = house.get(&format!("/api/v1/services/a%26b/why{target}")).await.json;
        let said = answer["sentences"].as_array().unwrap().clone();
        said.into_iter().map(|said| said.as_str().unwrap().to_owned()).collect::<Vec<String>>()
    };
    let escaped = |text: &str| {
        let text = text.replace('&', "&#38;").replace('"', "&#34;");
        text.replace('\'', "&#39;").replace('<', "&#60;").replace('>', "&#62;")
    };
    for (query, api, opened) in [("", "", 0), ("?at=15m%20ago", "?at=15m", 1)] {
        let shown = page(&house, &format!("/services/a%26b{query}")).await;
        let said = why(api).await;
        assert!(!said.is_empty());
        for said in said {
            assert!(shown.text.contains(&escaped(&said)), "{said}: {}", shown.text);
        }
        assert_eq!(shown.count("data-key=\"why\" open"), opened, "{}", shown.text);
    }
    assert_eq!(page(&house, "/services/a%26b?at=soon").await.status, 400);
}

#[tokio::test]
async fn a_month_is_reported_as_a_table_and_as_csv() {
    let house = House::new().await;
    house.ping("name=%3Db,c&frequency=10m").await;
    house.ping("name=well&frequency=1D").await;
    house.sweep_at(TEN + 1200).await;
    house.get("/ping/%3Db,c").await;
    let report = page(&house, "/reports").await;
    assert_eq!(report.status, 200);
    assert!(
        report.text.contains("Report of 2026-11 <span class=\"quiet\">so far"),
        "{}",
        report.text
    );
    assert_eq!(report.count("href=\"/services/%3Db%2Cc\""), 1, "{}", report.text);
    assert_eq!(
        (report.count("100.00 %"), report.count("<i>▼</i> 50.00 %")),
        (1, 1),
        "{}",
        report.text
    );
    assert_eq!((report.count(">all together<"), report.count(">Month after<")), (1, 0));
    assert!(report.text.contains("It listened all the time"), "{}", report.text);
    assert!(page(&house, "/reports?month=2026-10").await.text.contains("No service was watched"));
    for wrong in ["month=2026-13", "month=x", "cursor=%25"] {
        assert_eq!(page(&house, &format!("/reports?{wrong}")).await.status, 400, "{wrong}");
    }
    let csv = page(&house, "/reports.csv?month=2026-11").await;
    insta::assert_snapshot!(csv.text.replace('\r', ""), @r#"
    service,outages,downtime_seconds,longest_seconds,uptime_percent,watched_seconds,away_seconds,paused_seconds
    "'=b,c",1,600,600,50.00,1200,0,0
    well,0,0,0,100.00,1200,0,0
    total,1,600,600,75.00,2400,0,0
    "#);
    house.ping("name=0-new&frequency=1D").await;
    house.sweep_at(TEN + 1300).await;
    let report = page(&house, "/reports").await;
    let place = |name: &str| report.text.find(&format!("title=\"{name}\"")).unwrap();
    assert!(place("=b,c") < place("0-new"), "those that were out come first: {}", report.text);
}

#[tokio::test]
async fn a_report_of_many_services_goes_on_behind_a_cursor_and_its_csv_has_all() {
    let house = House::new().await;
    house.ping_all((0..130).map(|number| format!("name=job-{number:03}&frequency=1h"))).await;
    house.clock.set(TEN + 60);
    let first = page(&house, "/reports").await;
    assert_eq!((first.count("class=\"name\""), first.count(">these together<")), (100, 1));
    let (_, after) = first.text.split_once("&#38;cursor=").unwrap();
    let cursor = after.split('"').next().unwrap();
    let second = page(&house, &format!("/reports?month=2026-11&cursor={cursor}")).await;
    assert_eq!((second.count("class=\"name\""), second.count(">First<")), (30, 1));
    let csv = page(&house, "/reports.csv").await;
    assert_eq!(csv.text.lines().count(), 132, "a head, all of them, and a total");
}
