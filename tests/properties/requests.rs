//! Requests of any kind to any route.

use super::check_sentence;
use super::web::{self, Answer, Given, Web, encoded};

/// Stands in what callers choose; a page that shows it as it is would let it do anything.
const TAG: &[u8] = b"<canary";

/// Every request gets an answer of its kind: none is a fault of ours, an error is a sentence, a page shows nothing as it
/// came, and a ping that is answered 200 is there, by its name in every form.
pub fn requests(input: &[u8]) {
    let Some(given) = Given::read(input) else { return };
    web::open(|web| {
        let made = web.send("PUT", "/api/v1/services/job", "", SERVICE);
        assert!(made.is_ok(), "{}", made.text());
        assert_eq!(web.ask("GET", "/ping/job/fail").status, 200);
        let answer = web.give(&given);
        check_answer(&given, &answer);
        if answer.status == 200 && given.path().starts_with("/ping") && given.method != "HEAD" {
            check_ping(web, &given, &answer);
        }
        web.clear();
    });
}

/// What is there before.
const SERVICE: &[u8] = br#"{"frequency":"10m","description":"<canary>","aliases":["other"]}"#;

pub(super) fn check_answer(given: &Given<'_>, answer: &Answer) {
    let (path, what) = (given.path(), format!("{} {}", given.method, given.target));
    // Nothing sweeps here, and it says so.
    let is_fine = answer.status < 500 || answer.status == 503 && path == "/readyz";
    assert!(is_fine, "{what}: {} {}", answer.status, answer.text());
    for (name, value) in &answer.headers {
        assert!(value.to_str().is_ok(), "{what}: {name} is {value:?}");
    }
    let content_type = answer.content_type();
    if content_type.starts_with("text/html") || content_type.starts_with("image/svg") {
        let shows_tag = answer.body.windows(TAG.len()).any(|window| window == TAG);
        assert!(!shows_tag, "{what}: {}", answer.text());
        return;
    }
    let is_dialect = path.starts_with("/hc/") || path.starts_with("/api/push/");
    if answer.status < 400 || given.method == "HEAD" || answer.status == 503 || is_dialect {
        return;
    }
    assert_eq!(content_type, "application/problem+json", "{what}: {}", answer.status);
    let problem = answer.json();
    assert_eq!(problem["status"], answer.status, "{what}");
    check_sentence(problem["detail"].as_str().unwrap(), 1500);
}

/// A ping that was answered 200 is there, and the same one again changes nothing.
fn check_ping(web: &mut Web, given: &Given<'_>, answer: &Answer) {
    let pinged = answer.json();
    let name = pinged["name"].as_str().unwrap();
    let what = format!("{} {}", given.method, given.target);
    if pinged["deleted"] == true {
        assert_eq!(web.ask("GET", &web::service(name)).status, 404, "{what}");
        assert_eq!(web.give(given).status, 404, "{what}");
        return;
    }
    let known = web.ask("GET", &web::service(name));
    assert_eq!(known.status, 200, "{what}: {name:?} is not there");
    let known = known.json();
    for (field, value) in pinged.as_object().unwrap() {
        assert_eq!(known[field], *value, "{what}: {field} of {name:?}");
    }
    let again = web.give(given);
    assert_eq!((again.status, again.json()), (200, pinged.clone()), "{what}, again");
    let by_path = web.ask("GET", &format!("/ping/{}/log", encoded(name)));
    assert_eq!((by_path.status, &by_path.json()), (200, &pinged), "{what}: {name:?} by its path");
}
