//! What owners write of services, in JSON.

use overdue::core::limits::{ALIASES_MAX, DECLARATION_BYTES_MAX, DESCRIPTION_CHARS_MAX};
use serde_json::{Value, json};

use super::check_sentence;
use super::web::{self, Answer, Web};

const JOB: &str = "/api/v1/services/job";

/// A declaration that is taken is shown as it was written, says the same when it is made again from what is shown, and
/// changes nothing where it is refused, on a service that is there and on one that is not.
pub fn declarations(input: &[u8]) {
    web::open(|web| {
        let made = web.send("PUT", JOB, "", input);
        check_answer(&made, input);
        let shown = web.ask("GET", JOB);
        assert_eq!(shown.status == 200, made.status == 201, "{}", made.text());
        if made.status == 201 {
            assert_eq!(shown.json(), made.json());
            check_shown(&made.json());
            check_again(web, input, &made.json());
        }
        check_patch(web, input);
        web.clear();
    });
}

fn check_answer(answer: &Answer, input: &[u8]) {
    let what = || String::from_utf8_lossy(input).into_owned();
    let is_refused = match answer.status {
        200 | 201 => false,
        400 => true,
        413 => input.len() > DECLARATION_BYTES_MAX,
        _ => panic!("{}: {}", what(), answer.text()),
    };
    if is_refused {
        assert_eq!(answer.content_type(), "application/problem+json");
        check_sentence(answer.json()["detail"].as_str().unwrap(), 1500);
    } else {
        let written: Value = serde_json::from_slice(input).unwrap();
        let shown = answer.json();
        for field in ["cron", "description", "locked"] {
            let is_written = written.get(field).is_some_and(|value| !value.is_null());
            // Fields are separated by one space, whatever was written.
            let value = match (&written[field], field) {
                (Value::String(text), "cron") => {
                    Value::from(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
                }
                (value, _) => value.clone(),
            };
            assert!(
                !is_written || shown[field] == value,
                "{}: {field} is {}",
                what(),
                shown[field]
            );
        }
    }
}

fn check_shown(shown: &Value) {
    assert_eq!(shown["name"], "job");
    assert_ne!(shown["frequency"].is_null(), shown["cron"].is_null(), "{shown}");
    assert_eq!(shown["tz"].is_null(), shown["cron"].is_null(), "{shown}");
    let is_short = |text: &str| text.chars().count() <= DESCRIPTION_CHARS_MAX;
    assert!(shown["description"].as_str().is_none_or(is_short), "{shown}");
    assert!(shown["aliases"].as_array().unwrap().len() <= ALIASES_MAX, "{shown}");
    assert_eq!(shown["status"], "waiting", "{shown}");
}

/// The same declaration, and the one that is shown, come to the same.
fn check_again(web: &mut Web, input: &[u8], made: &Value) {
    let again = web.send("PUT", JOB, "", input);
    assert_eq!((again.status, &again.json()), (200, made));
    let mut copy = json!({});
    for field in
        ["frequency", "cron", "tz", "grace", "max_runtime", "description", "locked", "aliases"]
    {
        if !made[field].is_null() {
            copy[field] = made[field].clone();
        }
    }
    let again = web.send("PUT", JOB, "", copy.to_string().as_bytes());
    assert_eq!((again.status, &again.json()), (200, made), "{copy}");
    let unchanged = web.send("PATCH", JOB, "", b"{}");
    assert_eq!((unchanged.status, &unchanged.json()), (200, made));
    for alias in made["aliases"].as_array().unwrap() {
        let by_alias = web.ask("GET", &web::service(alias.as_str().unwrap()));
        assert_eq!((by_alias.status, &by_alias.json()["name"]), (200, &made["name"]), "{alias}");
    }
}

/// A change of a service that has pinged, and of one that is not there.
fn check_patch(web: &mut Web, input: &[u8]) {
    web.clear();
    let none = web.send("PATCH", JOB, "", input);
    assert!(matches!(none.status, 400 | 404), "{}", none.text());
    assert_eq!(web.ask("GET", "/ping?name=job&frequency=10m&grace=5m").status, 200);
    let before = web.ask("GET", JOB).json();
    let patched = web.send("PATCH", JOB, "", input);
    check_answer(&patched, input);
    let after = web.ask("GET", JOB).json();
    if patched.status == 200 {
        assert_eq!(patched.json(), after);
        assert_eq!(before["last_ping"], after["last_ping"]);
        let again = web.send("PATCH", JOB, "", input);
        assert_eq!((again.status, again.json()), (200, after));
    } else {
        assert_eq!(before, after, "{} changed it", String::from_utf8_lossy(input));
    }
}
