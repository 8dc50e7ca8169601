//! Requests of those who have no key.

use super::requests::check_answer;
use super::web::{self, Given};

/// Keys that no input holds by chance.
const PING: &str = "p-4f1c2f6d9a0b7e3358c1";
const READ: &str = "r-9b7e0d2c4a6f813557ee";
const ADMIN: &str = "a-1d3e5f7a9c8b6d402f64";

/// Where anyone may look.
const FOR_ALL: [&str; 6] =
    ["/healthz", "/readyz", "/openapi.json", "/assets/", "/login", "/logout"];

/// Whoever shows no right key gets nothing, makes nothing and changes nothing, whatever they send.
pub fn strangers(input: &[u8]) {
    let holds = |key: &str| input.windows(key.len()).any(|window| window == key.as_bytes());
    if [PING, READ, ADMIN].into_iter().any(holds) {
        return;
    }
    let Some(given) = Given::read(input) else { return };
    let flags = [("ping-key", PING), ("read-key", READ), ("admin-key", ADMIN)];
    web::locked(&flags, |web| {
        if web.names(ADMIN).is_empty() {
            let body = br#"{"frequency":"10m","description":"words of its owner"}"#;
            assert_eq!(web.send("PUT", "/api/v1/services/job", ADMIN, body).status, 201);
            assert_eq!(web.send("GET", "/ping/job", PING, b"").status, 200);
        }
        let before = web.send("GET", "/api/v1/services/job", READ, b"").json();
        let answer = web.give(&given);
        check_answer(&given, &answer);
        let what =
            format!("{} {}: {} {}", given.method, given.target, answer.status, answer.text());
        let is_for_all = FOR_ALL.iter().any(|path| given.path().starts_with(path));
        let is_preflight = given.method == "OPTIONS";
        assert!(!answer.is_ok() || is_for_all || is_preflight, "{what}");
        assert!(!answer.text().contains("words of its owner"), "{what}");
        assert!([PING, READ, ADMIN].iter().all(|key| !answer.text().contains(key)), "{what}");
        assert!(!answer.headers.contains_key("set-cookie") || !answer.is_ok(), "{what}");
        assert_eq!(web.names(ADMIN), ["job"], "{what}");
        assert_eq!(web.send("GET", "/api/v1/services/job", READ, b"").json(), before, "{what}");
    });
}
