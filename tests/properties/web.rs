//! The routes as a caller meets them, on a database in memory, with a clock that stands.

use std::cell::RefCell;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use overdue::clock::Clock;
use overdue::config::{Database, Durability};
use overdue::core::frequency::Grace;
use overdue::http::{Api, Entrance, router};
use overdue::store::{self, Guard, Rules};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

use super::{TEN, head_and_body};

/// After so many requests it begins afresh, as histories grow.
const REQUESTS_MAX: usize = 20_000;

/// A service whose answers are asked for.
pub(super) struct Web {
    runtime: Runtime,
    router: Router,
    requests: usize,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(super) fn content_type(&self) -> &str {
        self.headers.get("content-type").map_or("", |value| value.to_str().unwrap())
    }
}

/// A request as it came: a line with method and target, lines with headers, an empty line, and a body.
pub(super) struct Given<'a> {
    pub(super) method: Method,
    pub(super) target: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    pub(super) body: &'a [u8],
}

impl<'a> Given<'a> {
    /// Reads it; `None` where the server would not see it as a request at all.
    pub(super) fn read(input: &'a [u8]) -> Option<Self> {
        let (head, body) = head_and_body(input);
        let mut lines = std::str::from_utf8(head).ok()?.split('\n');
        let (method, target) = lines.next()?.split_once(' ')?;
        let headers = lines.map(|line| line.split_once(": ")).collect::<Option<Vec<_>>>()?;
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        let given = Self { method, target, headers, body };
        // Only a path goes to an origin server (RFC 9112, section 3.2.1).
        (target.starts_with('/') && given.request().is_some()).then_some(given)
    }

    fn request(&self) -> Option<Request<Body>> {
        let mut request = Request::builder().method(&self.method).uri(self.target);
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header("host", "127.0.0.1:4000");
        }
        request.body(Body::from(self.body.to_vec())).ok()
    }

    pub(super) fn path(&self) -> &str {
        self.target.split(['?', '#']).next().unwrap_or_default()
    }
}

impl Web {
    fn new(entrance: Entrance) -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let clock = Clock::manual(TEN);
        let rules = Rules {
            grace: Grace::ZERO,
            services_max: 1000,
            routes: Vec::new(),
            hold_seconds: 60,
            remind_every_seconds: None,
            history: 100,
            log_bytes_max: 1_000_000,
        };
        let router = runtime.block_on(async {
            let guard = Guard::alone(clock.clone());
            let opened =
                store::open(&Database::Memory, Durability::Full, rules, clock.clone(), guard);
            let opened = opened.await.unwrap();
            tokio::spawn(opened.writer.run());
            router(Api::new(opened.store, clock, entrance))
        });
        Self { runtime, router, requests: 0 }
    }

    /// Sends a request that was given.
    pub(super) fn give(&mut self, given: &Given<'_>) -> Answer {
        self.answer(given.request().unwrap())
    }

    /// Sends one of our own.
    pub(super) fn send(&mut self, method: &str, target: &str, key: &str, body: &[u8]) -> Answer {
        let request =
            Request::builder().method(method).uri(target).header("host", "127.0.0.1:4000");
        let request = request.header("authorization", format!("Bearer {key}"));
        self.answer(request.body(Body::from(body.to_vec())).unwrap())
    }

    /// Sends one of our own without a key.
    pub(super) fn ask(&mut self, method: &str, target: &str) -> Answer {
        self.send(method, target, "", b"")
    }

    fn answer(&mut self, request: Request<Body>) -> Answer {
        self.requests += 1;
        let router = self.router.clone();
        self.runtime.block_on(async {
            let (head, body) = router.oneshot(request).await.unwrap().into_parts();
            let is_endless = head
                .headers
                .get("content-type")
                .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
            let body = if is_endless {
                Vec::new()
            } else {
                body.collect().await.unwrap().to_bytes().to_vec()
            };
            Answer { status: head.status.as_u16(), headers: head.headers, body }
        })
    }

    /// The names of all services.
    pub(super) fn names(&mut self, key: &str) -> Vec<String> {
        let list = self.send("GET", "/api/v1/services?limit=1000", key, b"").json();
        let services = list["services"].as_array().unwrap();
        services.iter().map(|service| service["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Deletes every service, each by its path.
    pub(super) fn clear(&mut self) {
        for name in self.names("") {
            let answer = self.ask("DELETE", &service(&name));
            assert_eq!(answer.status, 200, "{name:?} cannot be deleted: {}", answer.text());
        }
        assert!(self.names("").is_empty());
    }
}

/// Where a service is in the API.
pub(super) fn service(name: &str) -> String {
    format!("/api/v1/services/{}", encoded(name))
}

pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

thread_local! {
    static OPEN: RefCell<Option<Web>> = const { RefCell::new(None) };
    static LOCKED: RefCell<Option<Web>> = const { RefCell::new(None) };
}

/// One that serves anyone.
pub(super) fn open<T>(then: impl FnOnce(&mut Web) -> T) -> T {
    let entrance = || Entrance { open: true, ..Entrance::default() };
    OPEN.with_borrow_mut(|web| then(fresh(web, entrance)))
}

/// One that asks for keys: those of `flags`.
pub(super) fn locked<T>(flags: &[(&str, &str)], then: impl FnOnce(&mut Web) -> T) -> T {
    let entrance = || {
        let config = super::config::resolved(flags, &[], "").unwrap().unwrap();
        Entrance { open: false, keys: config.keys, client_ip_header: None }
    };
    LOCKED.with_borrow_mut(|web| then(fresh(web, entrance)))
}

fn fresh(web: &mut Option<Web>, entrance: impl FnOnce() -> Entrance) -> &mut Web {
    if web.as_ref().is_some_and(|web| web.requests > REQUESTS_MAX) {
        *web = None;
    }
    web.get_or_insert_with(|| Web::new(entrance()))
}
