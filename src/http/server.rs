//! The accept loop. `axum::serve` has no timeout on a request's head, with which a few hundred slow callers would hold
//! every connection; this does.

use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::caller::Peer;
use crate::core::limits::{
    CONNECTIONS_MAX, HEAD_BYTES_MAX, HEAD_SECONDS_MAX, SHUTDOWN_REQUESTS_MS_MAX,
};

/// How long to wait before accepting again when the system has no more connections to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a caller may take of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// How long a request's head may take, and an idle connection is kept.
    pub head: Duration,
    /// How long requests under way may take once the server stops.
    pub shutdown: Duration,
    /// Connections at a time.
    pub connections: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(HEAD_SECONDS_MAX),
            shutdown: Duration::from_millis(SHUTDOWN_REQUESTS_MS_MAX),
            connections: CONNECTIONS_MAX,
        }
    }
}

/// Serves `router` on `listener` until `stop`, then finishes what is under way.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServerLimits,
    stop: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    let places = std::sync::Arc::new(Semaphore::new(limits.connections));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .half_close(true)
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_BYTES_MAX);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let service = Known { peer, router: TowerToHyperService::new(router.clone()) };
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.shutdown, graceful.shutdown()).await.is_err() {
        warn!("stopped while requests were under way; their callers get no answer");
    }
}

/// The routes for one connection, whose other end every request is told of.
struct Known {
    peer: Peer,
    router: TowerToHyperService<Router>,
}

impl hyper::service::Service<Request<Incoming>> for Known {
    type Response =
        <TowerToHyperService<Router> as hyper::service::Service<Request<Incoming>>>::Response;
    type Error = <TowerToHyperService<Router> as hyper::service::Service<Request<Incoming>>>::Error;
    type Future =
        <TowerToHyperService<Router> as hyper::service::Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.router.call(request)
    }
}

/// The next connection and its place; `None` after a pause if the system has none to give.
async fn accept(
    listener: &TcpListener,
    places: &std::sync::Arc<Semaphore>,
) -> Option<(TcpStream, Peer, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are small and callers wait for them: without this they may wait 40 ms more.
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%error, "a connection was gone before it was served");
            }
            Some((stream, Peer(peer.ip()), place))
        }
        Err(error) => {
            warn!(%error, "no connection could be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
