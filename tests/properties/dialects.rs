//! What clients of other programs send.

use overdue::core::limits::LOG_BYTES_MAX;
use serde_json::Value;

use super::web::{self, Answer, Given, Web};

/// What is there before: a service with two other names.
const SERVICE: &[u8] =
    br#"{"frequency":"10m","aliases":["31365bce-8da9-4729-8ff3-aaa71d56b712","other"]}"#;

/// What Healthchecks' dialect answers.
const WORDS: [(u16, &str); 5] = [
    (200, "OK"),
    (201, "Created"),
    (404, "not found"),
    (400, "invalid url format"),
    (400, "invalid uuid format"),
];

/// A ping in another program's words is answered in these, stored exactly when it was answered so, and its log is what
/// was sent, within its bound.
pub fn dialects(input: &[u8]) {
    let Some(given) = Given::read(input) else { return };
    let (is_hc, is_push) =
        (given.path().starts_with("/hc/"), given.path().starts_with("/api/push/"));
    if !is_hc && !is_push {
        return;
    }
    web::open(|web| {
        assert_eq!(web.send("PUT", "/api/v1/services/job", "", SERVICE).status, 201);
        let answer = web.give(&given);
        let what =
            format!("{} {}: {} {}", given.method, given.target, answer.status, answer.text());
        // A path with more segments than any of theirs is nobody's.
        let is_theirs = answer.content_type() != "application/problem+json";
        assert!(is_theirs || matches!(answer.status, 400 | 404 | 405), "{what}");
        if is_theirs && given.method != "HEAD" {
            check_words(is_hc, &answer, &what);
        }
        let names = web.names("");
        assert_eq!(names.len() == 2, is_hc && answer.status == 201, "{what}");
        let last = names.iter().find_map(|name| last_signal(web, name));
        assert_eq!(last.is_some(), answer.is_ok(), "{what}, and stored is {last:?}");
        if let Some(last) = last {
            check_log(&given, is_hc, last["log"].as_str());
        }
        for name in names.iter().filter(|name| *name != "job") {
            let made = web.ask("GET", &web::service(name)).json();
            assert_eq!(
                (&made["frequency"], &made["grace"]),
                (&"1D".into(), &"1h".into()),
                "{what}"
            );
        }
        web.clear();
    });
}

fn check_words(is_hc: bool, answer: &Answer, what: &str) {
    let text = answer.text();
    if is_hc {
        assert!(WORDS.contains(&(answer.status, text.as_str())), "{what}");
        return;
    }
    let said = answer.json();
    assert_eq!(said["ok"], answer.status == 200, "{what}");
    assert!(
        answer.status == 200 || said["msg"].as_str().is_some_and(|msg| !msg.is_empty()),
        "{what}"
    );
    assert!(matches!(answer.status, 200 | 400 | 404), "{what}");
}

/// The last of a service's signals.
fn last_signal(web: &mut Web, name: &str) -> Option<Value> {
    let pings = web.ask("GET", &format!("{}/pings?limit=5", web::service(name))).json();
    let pings = pings["pings"].as_array().unwrap();
    assert!(pings.len() <= 1, "one request was stored as {pings:?}");
    pings.first().cloned()
}

fn check_log(given: &Given<'_>, is_hc: bool, log: Option<&str>) {
    assert!(log.is_none_or(|log| (1..=LOG_BYTES_MAX).contains(&log.len())));
    if !is_hc {
        return;
    }
    let sent = given.body;
    assert_eq!(log.is_some(), !sent.is_empty());
    if let (Some(log), Ok(sent)) = (log, std::str::from_utf8(sent)) {
        let whole = sent.replace('\0', "\u{fffd}");
        assert!(whole.starts_with(log), "{log:?} was kept of {sent:?}");
        assert!(log.len() == whole.len() || log.len() > LOG_BYTES_MAX - 4, "{sent:?}");
    }
}
