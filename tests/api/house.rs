//! A house to test in: every part of the program on a file of its own, driven step by step.

#![allow(unreachable_pub, reason = "shared by the rooms of this test binary")]

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use overdue::alerting::{Client, Courier, Presentation};
use overdue::clock::Clock;
use overdue::config::{
    AlertFormat, Config, ConfigError, Database, Destination, Durability, Environment, Settings,
};
use overdue::core::frequency::Grace;
use overdue::core::role::{Role, Standing};
use overdue::http::{Api, Entrance, router};
use overdue::store::{self, Guard, Rules, Store};
use overdue::sweeper::Sweeper;
use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::watch;
use tower::ServiceExt as _;

/// 2026-11-25 10:00:00 UTC.
pub const TEN: i64 = 1_795_600_800;

pub struct House {
    pub clock: Clock,
    pub store: Store,
    pub router: Router,
    pub sweeper: Sweeper,
    writer: tokio::task::JoinHandle<()>,
    rules: Rules,
    folder: Option<TempDir>,
    lock: Option<std::fs::File>,
    standing: Option<watch::Sender<Standing>>,
}

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: axum::http::HeaderMap,
    pub json: Value,
}

impl Answer {
    /// The sentence of an error, which must be problem+json.
    pub fn detail(&self) -> &str {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        assert_eq!(self.json["status"], self.status);
        self.json["detail"].as_str().unwrap()
    }
}

pub fn rules() -> Rules {
    Rules {
        grace: Grace::ZERO,
        services_max: 1_000_000,
        routes: Vec::new(),
        hold_seconds: 60,
        remind_every_seconds: None,
        history: 100,
        log_bytes_max: 1_000_000,
    }
}

pub fn presentation() -> Presentation {
    Presentation { zone: jiff::tz::TimeZone::UTC, base_url: None }
}

/// The destinations that a file of settings gives.
pub fn destinations_of(file: &str) -> Result<Vec<Destination>, ConfigError> {
    config_of(file).map(|config| config.destinations)
}

/// What a file of settings comes to.
pub fn config_of(file: &str) -> Result<Config, ConfigError> {
    settings_of(file, &[], &[])
}

/// The same, among these variables, and beside these files.
pub fn settings_of(
    file: &str,
    variables: &[(&str, &str)],
    files: &[(&str, &str)],
) -> Result<Config, ConfigError> {
    let folder = TempDir::new().unwrap();
    for (name, text) in files.iter().chain(&[("overdue.toml", file)]) {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let environment =
        Environment { variables: variables.collect(), folder: folder.path().to_owned() };
    let command = <Settings as clap::Args>::augment_args(clap::Command::new("overdue"));
    let matches = command.get_matches_from(["overdue"]);
    let settings = <Settings as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
    settings.resolve(&matches, &environment)
}

pub fn destination(uri: &str, format: AlertFormat) -> Destination {
    Destination::new("default", uri.parse().unwrap(), format)
}

impl House {
    /// On a new file, at ten o'clock.
    pub async fn new() -> Self {
        Self::with(rules()).await
    }

    pub async fn with(rules: Rules) -> Self {
        let folder = TempDir::new().unwrap();
        Self::open(Some(folder), rules, Entrance::default()).await
    }

    pub async fn in_memory() -> Self {
        Self::open(None, rules(), Entrance::default()).await
    }

    pub async fn open_to_all() -> Self {
        Self::with_entrance(Entrance { open: true, ..Entrance::default() }).await
    }

    /// One that serves whom `entrance` says.
    pub async fn with_entrance(entrance: Entrance) -> Self {
        Self::open(Some(TempDir::new().unwrap()), rules(), entrance).await
    }

    /// Stops it cleanly and starts it again on the same file, with the same clock.
    pub async fn restart(self) -> Self {
        let rules = self.rules.clone();
        self.restart_with(rules).await
    }

    /// The same, with other rules.
    pub async fn restart_with(mut self, rules: Rules) -> Self {
        let (folder, clock) = (self.folder.take(), self.clock.clone());
        self.store.close().await;
        self.writer.await.unwrap();
        drop(self.lock);
        Self::open_at(clock, folder, rules, Entrance::default()).await
    }

    async fn open(folder: Option<TempDir>, rules: Rules, entrance: Entrance) -> Self {
        Self::open_at(Clock::manual(TEN), folder, rules, entrance).await
    }

    async fn open_at(
        clock: Clock,
        folder: Option<TempDir>,
        rules: Rules,
        entrance: Entrance,
    ) -> Self {
        Self::open_among(clock, folder, rules, entrance, None).await
    }

    /// One among several machines, which is told of its role.
    pub async fn among(standing: watch::Sender<Standing>, rules: Rules) -> Self {
        let folder = Some(TempDir::new().unwrap());
        let clock = Clock::manual(TEN);
        Self::open_among(clock, folder, rules, Entrance::default(), Some(standing)).await
    }

    async fn open_among(
        clock: Clock,
        folder: Option<TempDir>,
        rules: Rules,
        entrance: Entrance,
        standing: Option<watch::Sender<Standing>>,
    ) -> Self {
        let database = match &folder {
            Some(folder) => Database::File(folder.path().join("overdue.db")),
            None => Database::Memory,
        };
        let guard = match &standing {
            Some(standing) => Guard::watching(standing.subscribe(), clock.clone()),
            None => Guard::alone(clock.clone()),
        };
        let opened = store::open(&database, Durability::Full, rules.clone(), clock.clone(), guard)
            .await
            .unwrap();
        let writer = tokio::spawn(opened.writer.run());
        let store = opened.store;
        Self {
            router: router(Api::new(store.clone(), clock.clone(), entrance)),
            sweeper: Sweeper::new(store.clone(), clock.clone(), 1_000_000),
            clock,
            store,
            writer,
            rules,
            folder,
            lock: opened.lock,
            standing,
        }
    }

    /// Has LiteFS say what this machine is.
    pub fn hear(&self, role: Role) {
        let now = self.clock.now();
        let standing = self.standing.as_ref().unwrap();
        standing.send_modify(|standing| *standing = standing.heard(role, now));
    }

    /// That another machine is the primary.
    pub fn hear_of(&self, primary: &str) {
        self.hear(Role::Replica { primary: Some(primary.to_owned()) });
    }

    pub fn courier(&self, destination: &Destination) -> Courier {
        self.courier_with(destination, overdue::alerting::Pulse::default())
    }

    /// One whose destination's failures show in `pulse`.
    pub fn courier_with(
        &self,
        destination: &Destination,
        pulse: overdue::alerting::Pulse,
    ) -> Courier {
        let client = Client::new().unwrap();
        Courier::new(
            destination.clone(),
            self.store.clone(),
            client,
            presentation(),
            pulse,
            self.clock.clone(),
        )
    }

    /// A request as a caller on this machine makes it.
    pub fn request(method: &str, target: &str) -> axum::http::request::Builder {
        Request::builder().method(method).uri(target).header("host", "127.0.0.1:4000")
    }

    pub async fn answer(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: head.status.as_u16(), headers: head.headers, json }
    }

    /// The body of an answer as text, which must be well.
    pub async fn text(
        &self,
        request: axum::http::request::Builder,
    ) -> (axum::http::HeaderMap, String) {
        let response =
            self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        assert_eq!(head.status, 200);
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        (head.headers, String::from_utf8(body).unwrap())
    }

    pub async fn send(&self, method: &str, target: &str) -> Answer {
        self.answer(Self::request(method, target).body(Body::empty()).unwrap()).await
    }

    /// Sends JSON.
    pub async fn send_json(&self, method: &str, target: &str, body: &Value) -> Answer {
        let request = Self::request(method, target).header("content-type", "application/json");
        self.answer(request.body(body.to_string().into()).unwrap()).await
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.send("GET", target).await
    }

    /// A ping that must be accepted.
    pub async fn ping(&self, query: &str) -> Value {
        let answer = self.get(&format!("/ping?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {:?}", answer.json);
        answer.json
    }

    /// Pings at once, which must all be accepted.
    pub async fn ping_all(&self, queries: impl Iterator<Item = String>) {
        let mut pings = tokio::task::JoinSet::new();
        for query in queries {
            let request = Self::request("GET", &format!("/ping?{query}")).body(Body::empty());
            pings.spawn(self.router.clone().oneshot(request.unwrap()));
        }
        for answer in pings.join_all().await {
            assert_eq!(answer.unwrap().status(), 200);
        }
    }

    /// Lets time go on until `second`, sweeping often enough for there to be no gap; how many alerts that raised.
    pub async fn sweep_at(&self, second: i64) -> usize {
        let mut raised = 0;
        while self.clock.now() < second {
            raised += self.sweep_after_gap(second.min(self.clock.now() + 4)).await;
        }
        raised
    }

    /// Sets the clock, however far, and sweeps; how many alerts that raised.
    pub async fn sweep_after_gap(&self, second: i64) -> usize {
        self.clock.set(second);
        self.sweeper.step(second).await.unwrap()
    }

    /// The file.
    pub fn database(&self) -> std::path::PathBuf {
        self.folder.as_ref().unwrap().path().join("overdue.db")
    }

    /// A connection of somebody else's to the file.
    pub async fn sqlite(&self) -> SqliteConnection {
        let path = self.database();
        SqliteConnection::connect(path.to_str().unwrap()).await.unwrap()
    }

    /// Does as a person with sqlite3 would.
    pub async fn edit(&self, statement: &'static str) -> u64 {
        let mut connection = self.sqlite().await;
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap().rows_affected()
    }

    /// Rows of one text column.
    pub async fn texts(&self, statement: &'static str) -> Vec<String> {
        let mut connection = self.sqlite().await;
        sqlx::query_scalar(statement).fetch_all(&mut connection).await.unwrap()
    }

    pub async fn count(&self, statement: &'static str) -> i64 {
        let mut connection = self.sqlite().await;
        sqlx::query_scalar(statement).fetch_one(&mut connection).await.unwrap()
    }
}
