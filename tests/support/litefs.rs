//! A stand-in that speaks the HTTP API of LiteFS (`/info`, `/events`), whose role changes on command.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What LiteFS says of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    Primary,
    ReplicaOf(String),
    NoPrimary,
}

/// One node's LiteFS.
pub struct Litefs {
    pub address: SocketAddr,
    role: watch::Sender<Role>,
    /// Whether `/info` is answered with an error.
    is_mute: watch::Sender<bool>,
    /// Whether somebody has asked for the events since it came back.
    is_listened_to: watch::Sender<bool>,
    here: CancellationToken,
}

impl Litefs {
    pub async fn primary() -> Self {
        Self::start(Role::Primary).await
    }

    pub async fn replica_of(node: &str) -> Self {
        Self::start(Role::ReplicaOf(node.to_owned())).await
    }

    async fn start(role: Role) -> Self {
        let mut litefs = Self {
            address: "127.0.0.1:0".parse().unwrap(),
            role: watch::Sender::new(role),
            is_mute: watch::Sender::new(false),
            is_listened_to: watch::Sender::new(false),
            here: CancellationToken::new(),
        };
        litefs.comes_back().await;
        litefs
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn becomes_primary(&self) {
        self.role.send_replace(Role::Primary);
    }

    pub fn becomes_replica_of(&self, node: &str) {
        self.role.send_replace(Role::ReplicaOf(node.to_owned()));
    }

    pub fn has_no_primary(&self) {
        self.role.send_replace(Role::NoPrimary);
    }

    /// Has `/info` fail, so that the events alone tell of a change.
    pub fn answers_info(&self, does: bool) {
        self.is_mute.send_replace(!does);
    }

    /// Waits until somebody listens to its events, and not to those from before it was away.
    pub async fn has_a_listener(&self) {
        self.is_listened_to.subscribe().wait_for(|is| *is).await.unwrap();
    }

    /// Ends every connection and refuses new ones.
    pub fn goes_away(&self) {
        self.here.cancel();
    }

    /// Answers again, where it did before.
    pub async fn comes_back(&mut self) {
        let listener = loop {
            // The one before may not have let go of the port yet.
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        self.address = listener.local_addr().unwrap();
        self.here = CancellationToken::new();
        self.is_listened_to = watch::Sender::new(false);
        let router = self.router();
        let limits = overdue::http::ServerLimits {
            shutdown: Duration::from_secs(1),
            ..overdue::http::ServerLimits::default()
        };
        tokio::spawn(overdue::http::serve(listener, router, limits, self.here.clone()));
    }

    fn router(&self) -> Router {
        let (asked, told, here) = (self.role.clone(), self.role.clone(), self.here.clone());
        let (is_mute, is_listened_to) = (self.is_mute.clone(), self.is_listened_to.clone());
        let answer = move || {
            let is_mute = *is_mute.borrow();
            if is_mute {
                Err(StatusCode::INTERNAL_SERVER_ERROR)
            } else {
                Ok(axum::Json(info(&asked.borrow())))
            }
        };
        let listen = async move || {
            is_listened_to.send_replace(true);
            Body::from_stream(events(told.subscribe(), here))
        };
        Router::new().route("/info", get(async move || answer())).route("/events", get(listen))
    }
}

fn info(role: &Role) -> Value {
    let mut info = json!({
        "clusterID": "LFSC8A6E4B5D2C1F0A97",
        "isPrimary": *role == Role::Primary,
        "candidate": true,
        "path": "/litefs",
    });
    if let Role::ReplicaOf(node) = role {
        info["primary"] = json!({ "hostname": node });
    }
    info
}

fn event(kind: &str, role: &Role) -> String {
    let mut data = json!({ "isPrimary": *role == Role::Primary });
    if let Role::ReplicaOf(node) = role {
        data["hostname"] = json!(node);
    }
    let tx = json!({ "type": "tx", "db": "overdue.db", "data": { "txID": "0000000000000001", "pageSize": 4096 } });
    format!("{}\n{tx}\n", json!({ "type": kind, "data": data }))
}

fn events(
    role: watch::Receiver<Role>,
    here: CancellationToken,
) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    futures_util::stream::unfold((role, "init"), move |(mut role, kind)| {
        let here = here.clone();
        async move {
            if kind == "primaryChange" {
                tokio::select! {
                    () = here.cancelled() => return None,
                    changed = role.changed() => changed.ok()?,
                }
            }
            let line = event(kind, &role.borrow_and_update());
            Some((Ok(Bytes::from(line)), (role, "primaryChange")))
        }
    })
}
