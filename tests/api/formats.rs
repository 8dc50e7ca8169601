//! What each format sends: one alert, its end, many alerts, and names that would like to be more than names.

#![allow(unreachable_pub, reason = "shared by the rooms of this test binary")]

use overdue::alerting::{Client, Courier, Presentation, Pulse};
use overdue::config::Destination;
use overdue::store::Rules;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::Value;

use crate::house::{House, TEN, destinations_of, rules};
use crate::support::{Got, Receiver};

/// A name that every format has to disarm.
pub const HOSTILE: &str = "<!channel> & @everyone **b** \"q\" [x](https://evil.example) 💾";

/// A house with one destination.
pub struct Office {
    pub house: House,
    receiver: Receiver,
    destination: Destination,
}

impl Office {
    pub async fn of(format: &str, path: &str) -> Self {
        let receiver = Receiver::start().await;
        let uri = format!("http://{}{path}", receiver.address);
        let file =
            format!("[[destination]]\nname = \"here\"\nuri = \"{uri}\"\nformat = \"{format}\"\n");
        let destination = destinations_of(&file).unwrap().remove(0);
        let house = House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await;
        Self { house, receiver, destination }
    }

    /// Lets `count` services called `name`, and a number, fall silent for ten minutes.
    pub async fn silence(&self, name: &str, count: usize) {
        for number in 0..count {
            let name = if count == 1 { name.to_owned() } else { format!("{name} {number}") };
            let name = percent_encode(name.as_bytes(), NON_ALPHANUMERIC);
            self.house.ping(&format!("name={name}&frequency=10m&timestamp={}", TEN - 1200)).await;
        }
        assert_eq!(self.house.sweep_at(self.house.clock.now() + 1).await, count);
    }

    /// Delivers what is due, and returns what arrived.
    async fn deliver(&mut self) -> Vec<Got> {
        let mut courier = self.house.courier(&self.destination);
        while courier.step(self.house.clock.now()).await.unwrap() != overdue::alerting::Step::Idle {
            courier.settle().await;
        }
        self.receiver.rest()
    }

    /// The same, with links to the pages of a server.
    pub async fn deliver_with_links(&mut self) -> Vec<Value> {
        let base_url = Some("https://overdue.example".parse().unwrap());
        let mut courier = Courier::new(
            self.destination.clone(),
            self.house.store.clone(),
            Client::new().unwrap(),
            Presentation { zone: jiff::tz::TimeZone::UTC, base_url },
            Pulse::default(),
            self.house.clock.clone(),
        );
        while courier.step(self.house.clock.now()).await.unwrap() != overdue::alerting::Step::Idle {
            courier.settle().await;
        }
        self.receiver.rest().into_iter().map(|got| got.body).collect()
    }

    pub async fn bodies(&mut self) -> Vec<Value> {
        self.deliver().await.into_iter().map(|got| got.body).collect()
    }
}

fn pretty(body: &Value) -> String {
    serde_json::to_string_pretty(body).unwrap()
}

#[tokio::test]
async fn slack_gets_a_text_in_which_a_name_is_only_a_name() {
    let mut office = Office::of("slack", "/services/T/B/x").await;
    office.silence(HOSTILE, 1).await;
    let bodies = office.bodies().await;
    insta::assert_snapshot!(pretty(&bodies[0]), @r#"{
  "text": "OVERDUE &lt;!channel&gt; &amp; @ever…: 10 min late. Expected by 09:50 UTC. Last success 09:40. Name: &lt;!channel&gt; &amp; @everyone **b** \"q\" [x](https://evil.example) 💾"
}"#);
}

#[tokio::test]
async fn discord_gets_a_content_that_mentions_nobody() {
    let mut office = Office::of("discord", "/api/webhooks/1/x").await;
    office.silence(HOSTILE, 1).await;
    let bodies = office.bodies().await;
    insta::assert_snapshot!(pretty(&bodies[0]), @r#"{
  "allowed_mentions": {
    "parse": []
  },
  "content": "OVERDUE \\<!channel\\> & \\@ever…: 10 min late. Expected by 09:50 UTC. Last success 09:40. Name: \\<!channel\\> & \\@everyone \\*\\*b\\*\\* \"q\" \\[x\\](https:\\//evil.example) 💾"
}"#);
}

#[tokio::test]
async fn ntfy_gets_a_message_for_its_topic_at_the_root() {
    let mut office = Office::of("ntfy", "/base/my-topic").await;
    office.silence(HOSTILE, 1).await;
    let got = office.deliver().await.remove(0);
    assert_eq!((got.method.as_str(), got.uri.as_str()), ("POST", "/base/"));
    insta::assert_snapshot!(pretty(&got.body), @r#"{
  "message": "OVERDUE <!channel> & @ever…: 10 min late. Expected by 09:50 UTC. Last success 09:40. Name: <!channel> & @everyone **b** \"q\" [x](https://evil.example) 💾",
  "priority": 4,
  "tags": [
    "rotating_light"
  ],
  "topic": "my-topic"
}"#);
}

#[tokio::test]
async fn pagerduty_triggers_and_resolves_under_one_key() {
    let mut office = Office::of("pagerduty", "/v2/enqueue?routing_key=R0").await;
    office.silence("daily_digest", 1).await;
    office.house.get("/ping/daily_digest").await;
    let got = office.deliver().await;
    assert_eq!(got[0].uri, "/v2/enqueue", "the key is in the body alone");
    insta::assert_snapshot!(pretty(&got[0].body), @r#"{
  "dedup_key": "out_cw4dqkhx56jm3gpwjo25jjzpcq",
  "event_action": "trigger",
  "payload": {
    "component": "daily_digest",
    "severity": "error",
    "source": "overdue",
    "summary": "OVERDUE daily_digest: 10 min late. Expected by 09:50 UTC. Last success 09:40.",
    "timestamp": "2026-11-25T10:00:01Z"
  },
  "routing_key": "R0"
}"#);
    assert_eq!(got[1].body["event_action"], "resolve");
    assert_eq!(got[1].body["dedup_key"], got[0].body["dedup_key"]);
}

#[tokio::test]
async fn a_key_of_pagerduty_that_is_missing_stops_the_start() {
    let file =
        "[[destination]]\nname = \"pager\"\nuri = \"https://events.pagerduty.com/v2/enqueue\"\n";
    let error = destinations_of(file).unwrap_err();
    insta::assert_snapshot!(error.to_string(), @"overdue.toml line 3: uri has no routing key: use https://events.pagerduty.com/v2/enqueue?routing_key=KEY");
}

#[tokio::test]
async fn the_format_is_chosen_by_the_address_where_none_is_given() {
    use overdue::config::AlertFormat::{Discord, Email, Json, Ntfy, Pagerduty, Slack};
    for (uri, format) in [
        ("https://hooks.slack.com/services/x", Slack),
        ("https://discord.com/api/webhooks/1/x", Discord),
        ("ntfy.sh/topic", Ntfy),
        ("https://events.pagerduty.com/v2/enqueue?routing_key=x", Pagerduty),
        ("smtps://mail.example.com?from=a@example.com&to=b@example.com", Email),
        ("https://example.com/slack", Json),
    ] {
        let file = format!("[[destination]]\nname = \"x\"\nuri = \"{uri}\"\n");
        assert_eq!(destinations_of(&file).unwrap()[0].format, format, "{uri}");
    }
}

#[tokio::test]
async fn up_to_ten_alerts_are_a_message_each_and_more_are_one() {
    let mut office = Office::of("ntfy", "/topic").await;
    office.silence("job", 10).await;
    assert_eq!(office.bodies().await.len(), 10);
    office.silence("other", 11).await;
    let bodies = office.bodies().await;
    assert_eq!(bodies.len(), 1);
    assert!(bodies[0]["message"].as_str().unwrap().starts_with("11 OVERDUE\nOVERDUE other "));
    assert_eq!(
        office.house.count("SELECT count(*) FROM deliveries WHERE state = 'delivered'").await,
        21
    );
}

#[tokio::test]
async fn a_storm_is_one_incident_of_pagerduty_and_every_recovery_resolves_its_own() {
    let mut office = Office::of("pagerduty", "/v2/enqueue?routing_key=R0").await;
    office.silence("job", 51).await;
    let bodies = office.bodies().await;
    assert_eq!(bodies.len(), 1);
    assert_eq!(bodies[0]["payload"]["summary"], "51 OVERDUE. Resolve this incident by hand.");
    assert_eq!(bodies[0]["event_action"], "trigger");
    let lines = bodies[0]["payload"]["custom_details"]["alerts"].as_array().unwrap();
    assert_eq!((lines.len(), &lines[20]), (21, &Value::from("and 31 more")));
    for number in 0..51 {
        office.house.get(&format!("/ping/job%20{number}")).await;
    }
    let bodies = office.bodies().await;
    assert_eq!(bodies.len(), 51);
    assert!(bodies.iter().all(|body| body["event_action"] == "resolve"));
}

#[tokio::test]
async fn a_link_stands_where_each_service_shows_it() {
    let linked = async |format: &str, path: &str| {
        let mut office = Office::of(format, path).await;
        office.silence("a|b <c>", 1).await;
        office.deliver_with_links().await.remove(0)
    };
    insta::assert_snapshot!(linked("slack", "/x").await["text"].as_str().unwrap(), @r"
OVERDUE a|b &lt;c&gt;: 10 min late. Expected by 09:50 UTC. Last success 09:40.
<https://overdue.example/services/a%7Cb%20%3Cc%3E|Open>
");
    insta::assert_snapshot!(linked("discord", "/x").await["content"].as_str().unwrap(), @r"
OVERDUE a\|b \<c\>: 10 min late. Expected by 09:50 UTC. Last success 09:40.
<https://overdue.example/services/a|b%20%3Cc%3E>
");
    insta::assert_snapshot!(linked("ntfy", "/x/").await["click"], @r#""https://overdue.example/services/a|b%20%3Cc%3E""#);
    insta::assert_snapshot!(linked("pagerduty", "/x?routing_key=R0").await["links"], @r#"[{"href":"https://overdue.example/services/a|b%20%3Cc%3E","text":"Open"}]"#);
    insta::assert_snapshot!(linked("alertmanager", "/").await[0]["generatorURL"], @r#""https://overdue.example/services/a|b%20%3Cc%3E""#);
}

#[tokio::test]
async fn the_end_of_an_outage_is_told_by_its_length_and_its_cause() {
    for (format, path, field) in [
        ("slack", "/x", "/text"),
        ("discord", "/x", "/content"),
        ("ntfy", "/x", "/message"),
        ("pagerduty", "/x?routing_key=R0", "/payload/summary"),
        ("alertmanager", "/", "/0/annotations/summary"),
    ] {
        let mut office = Office::of(format, path).await;
        office.silence("pinged", 1).await;
        office.silence("deleted", 1).await;
        office.deliver().await;
        office.house.get("/ping/pinged").await;
        office.house.send("DELETE", "/ping/deleted").await;
        let bodies = office.bodies().await;
        let said: Vec<&str> =
            bodies.iter().map(|body| body.pointer(field).unwrap().as_str().unwrap()).collect();
        assert_eq!(
            said,
            [
                "RECOVERED pinged: after 10 min. Pinged 10:00 UTC. Next expected by 10:10.",
                "RECOVERED deleted: after 10 min. Not by a ping: it was deleted at 10:00 UTC."
            ],
            "{format}"
        );
    }
}

#[tokio::test]
async fn a_dozen_alerts_are_a_headline_and_a_line_each() {
    let mut office = Office::of("slack", "/x").await;
    office.silence("<job>", 12).await;
    let body = office.deliver_with_links().await.remove(0);
    insta::assert_snapshot!(body["text"].as_str().unwrap(), @r"
12 OVERDUE
OVERDUE &lt;job&gt; 0: 10 min late. Expected by 09:50 UTC. Last success 09:40.
OVERDUE &lt;job&gt; 1: 10 min late. Expected by 09:50 UTC. Last success 09:40.
OVERDUE &lt;job&gt; 2: 10 min late. Expected by 09:50 UTC. Last success 09:40.
OVERDUE &lt;job&gt; 3: 10 min late. Expected by 09:50 UTC. Last success 09:40.
OVERDUE &lt;job&gt; 4: 10 min late. Expected by 09:50 UTC. Last success 09:40.
OVERDUE &lt;job&gt; 5: 10 min late. Expected by 09:50 UTC. Last success 09:40.
OVERDUE &lt;job&gt; 6: 10 min late. Expected by 09:50 UTC. Last success 09:40.
OVERDUE &lt;job&gt; 7: 10 min late. Expected by 09:50 UTC. Last success 09:40.
OVERDUE &lt;job&gt; 8: 10 min late. Expected by 09:50 UTC. Last success 09:40.
OVERDUE &lt;job&gt; 9: 10 min late. Expected by 09:50 UTC. Last success 09:40.
OVERDUE &lt;job&gt; 10: 10 min late. Expected by 09:50 UTC. Last success 09:40.
OVERDUE &lt;job&gt; 11: 10 min late. Expected by 09:50 UTC. Last success 09:40.
<https://overdue.example/|Open>
");
}

#[tokio::test]
async fn ntfy_without_a_topic_stops_the_start() {
    let file = "[[destination]]\nname = \"phone\"\nuri = \"https://ntfy.sh\"\n";
    insta::assert_snapshot!(destinations_of(file).unwrap_err().to_string(), @"overdue.toml line 3: uri has no topic: use https://ntfy.sh/TOPIC");
}

#[tokio::test]
async fn alertmanager_keeps_an_alert_up_until_its_service_recovers() {
    let mut office = Office::of("alertmanager", "/base").await;
    office.silence(HOSTILE, 1).await;
    let got = office.deliver().await.remove(0);
    assert_eq!((got.method.as_str(), got.uri.as_str()), ("POST", "/base/api/v2/alerts"));
    insta::assert_snapshot!(pretty(&got.body), @r#"
[
  {
    "annotations": {
      "description": "Expected every 10m (grace 0s). Last ping: 2026-11-25T09:40:00Z.",
      "summary": "OVERDUE <!channel> & @ever…: 10 min late. Expected by 09:50 UTC. Last success 09:40. Name: <!channel> & @everyone **b** \"q\" [x](https://evil.example) 💾"
    },
    "endsAt": "2026-11-25T10:10:01Z",
    "labels": {
      "alertname": "OverdueService",
      "service": "<!channel> & @everyone **b** \"q\" [x](https://evil.example) 💾",
      "severity": "critical"
    },
    "startsAt": "2026-11-25T09:50:00Z"
  }
]
"#);
    // A ping may be a minute ahead; the end is not.
    let name = percent_encode(HOSTILE.as_bytes(), NON_ALPHANUMERIC);
    office.house.ping(&format!("name={name}&frequency=10m&timestamp={}", TEN + 41)).await;
    let end = office.bodies().await.remove(0);
    assert_eq!(end[0]["labels"], got.body[0]["labels"]);
    assert_eq!(end[0]["startsAt"], got.body[0]["startsAt"]);
    assert_eq!(end[0]["endsAt"], "2026-11-25T10:00:01Z");
}

#[tokio::test]
async fn alertmanager_gets_each_alert_where_its_whole_address_is_given_too() {
    let mut office = Office::of("alertmanager", "/api/v2/alerts").await;
    office.silence("job", 12).await;
    let got = office.deliver().await;
    let is_one = |got: &&Got| got.body.as_array().unwrap().len() == 1;
    // The others keep up what was delivered.
    assert_eq!(got.iter().filter(is_one).count(), 12);
    assert!(got.iter().all(|got| got.uri == "/api/v2/alerts"));
}

#[tokio::test]
async fn a_failure_brings_what_the_job_is_and_the_end_of_its_log_disarmed_everywhere() {
    for (format, path, field, told) in [
        (
            "slack",
            "/x",
            "/text",
            "FAILED a: exit status 3. Failed at 10:00 UTC. It never succeeded.\nCopies &lt;b&gt;\n&lt;!channel&gt; *no space*\n@everyone",
        ),
        (
            "discord",
            "/x",
            "/content",
            "FAILED a: exit status 3. Failed at 10:00 UTC. It never succeeded.\nCopies \\<b\\>\n\\<!channel\\> \\*no space\\*\n\\@everyone",
        ),
        (
            "ntfy",
            "/x",
            "/message",
            "FAILED a: exit status 3. Failed at 10:00 UTC. It never succeeded.\nCopies <b>\n<!channel> *no space*\n@everyone",
        ),
        (
            "pagerduty",
            "/x?routing_key=R0",
            "/payload/custom_details/log",
            "<!channel> *no space*\n@everyone\n",
        ),
        (
            "alertmanager",
            "/",
            "/0/annotations/description",
            "Copies <b>\nExpected every 1h (grace 0s). Last ping: 2026-11-25T10:00:00Z.\n<!channel> *no space*\n@everyone\n",
        ),
        ("json", "/", "/log", "<!channel> *no space*\n@everyone\n"),
    ] {
        let mut office = Office::of(format, path).await;
        let body = serde_json::json!({ "frequency": "1h", "description": "Copies <b>" });
        office.house.send_json("PUT", "/api/v1/services/a", &body).await;
        let log = "<!channel> *no space*\n@everyone\n";
        let request = House::request("POST", "/ping/a/3").body(log.into()).unwrap();
        assert_eq!(office.house.answer(request).await.status, 200);
        let bodies = office.bodies().await;
        assert_eq!(bodies[0].pointer(field).unwrap(), told, "{format}");
    }
}
