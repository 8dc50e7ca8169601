//! The accept loop. `axum::serve` has no timeout on a request's head, with which a few hundred slow callers would hold
//! every connection; this does. Nor has it one on callers who do not read, or a way to make room when all places are taken:
//! `wire` and `places` see to that.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioTimer;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::caller::Peer;
use super::places::{Place, Places, Stay};
use super::wire::{Arriving, Wire};
use crate::core::limits::{
    ANSWER_STALL_SECONDS_MAX, CONNECTIONS_MAX, HEAD_BYTES_MAX, HEAD_SECONDS_MAX,
    SHUTDOWN_REQUESTS_MS_MAX,
};

/// How long to wait before accepting again when the system has no more connections to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a caller may take of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// How long a request's head may take, and an idle connection is kept.
    pub head: Duration,
    /// How long a caller may take nothing of its answer.
    pub stall: Duration,
    /// How long requests under way may take once the server stops.
    pub shutdown: Duration,
    /// Connections at a time.
    pub connections: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(HEAD_SECONDS_MAX),
            stall: Duration::from_secs(ANSWER_STALL_SECONDS_MAX),
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
    let places = Places::new(limits.connections);
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
        let Some((stream, peer, stay)) = accepted else { continue };
        let place = Arc::clone(&stay.place);
        let wire = Wire::new(stream, Arc::clone(&place), limits.stall);
        let service = Known { peer, place, router: TowerToHyperService::new(router.clone()) };
        let connection = graceful.watch(http.serve_connection(wire, service));
        tokio::spawn(attend(stay, connection));
    }
    drop(listener);
    if tokio::time::timeout(limits.shutdown, graceful.shutdown()).await.is_err() {
        warn!("stopped while requests were under way; their callers get no answer");
    }
}

/// Serves a connection until it ends, or has to make room.
async fn attend(stay: Stay, connection: impl Future<Output = hyper::Result<()>>) {
    tokio::select! {
        biased;
        ended = connection => {
            if let Err(error) = ended {
                debug!(%error, "a connection ended early");
            }
        }
        () = stay.has_to_end() => debug!("a connection made room for another one"),
    }
}

/// The routes for one connection, whose other end every request is told of.
struct Known {
    peer: Peer,
    place: Arc<Place>,
    router: TowerToHyperService<Router>,
}

impl Service<Request<Incoming>> for Known {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<
        <TowerToHyperService<Router> as Service<Request<Arriving>>>::Future,
        Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>,
    >;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.place.work();
        request.extensions_mut().insert(self.peer.clone());
        let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
        let request = request.map(|body| Arriving::new(body, Arc::clone(&self.place)));
        let answer = self.router.call(request);
        if is_chunked { Either::Right(Box::pin(last(answer))) } else { Either::Left(answer) }
    }
}

/// An answer that ends its connection. Where a request is chunked and gives a length too, a proxy may think that it ends
/// elsewhere, and what follows it be taken for a request of its own (RFC 9112, 6.1). The library no longer shows the
/// length, so every chunked request is the last one.
async fn last(
    answer: impl Future<Output = Result<Response, Infallible>>,
) -> Result<Response, Infallible> {
    let mut response = answer.await?;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(response)
}

/// The next connection and its place; `None` after a pause if the system has none to give.
async fn accept(listener: &TcpListener, places: &Arc<Places>) -> Option<(TcpStream, Peer, Stay)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are small and callers wait for them: without this they may wait 40 ms more.
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%error, "a connection was gone before it was served");
            }
            let stay = places.take(peer.ip()).await;
            Some((stream, Peer::new(peer.ip()), stay))
        }
        Err(error) => {
            warn!(%error, "no connection could be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
