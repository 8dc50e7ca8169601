//! The wiring: which part gets what, in which order they start, and in which they stop.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::alerting::{Client, ClientError, Courier, Heart, Presentation, Pulse, Watchman};
use crate::cli::greeting::{self, Greeting};
use crate::cli::{self, Invocation, check_config, health, migrate, sink, test_alert};
use crate::clock::Clock;
use crate::cluster::{Cluster, ClusterError};
use crate::config::{Config, LogFormat};
use crate::core::limits::{CONNECTIONS_MAX, FILES_RESERVED, SHUTDOWN_MS_MAX};
use crate::core::role::Role;
use crate::http::{self, Api, Entrance, Outlook, ServerLimits};
use crate::store::{self, Guard, OpenError, Rules, Store, StoreError, Summary};
use crate::sweeper::Sweeper;
use crate::telemetry;

/// Why the program did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address cannot be served.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The HTTP client of alerts cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The database was opened and could not be read.
    #[error("cannot read the database: {0}")]
    Read(#[from] StoreError),
    /// LiteFS cannot be asked.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The schema was not brought up to date.
    #[error(transparent)]
    Migrate(#[from] migrate::MigrateError),
    /// The server does not answer.
    #[error(transparent)]
    NotHealthy(#[from] health::HealthError),
    /// Logging cannot be started.
    #[error("cannot start logging: {0}")]
    Telemetry(String),
    /// Nobody could be told.
    #[error("cannot write to standard output: {0}")]
    Output(std::io::Error),
    /// A test alert did not arrive.
    #[error("not every destination has accepted")]
    NotAccepted,
    /// Signals cannot be listened to.
    #[error("cannot listen to signals: {0}")]
    Signals(std::io::Error),
    /// A part that must not end has ended; the reason is in the log.
    #[error("{0} ended unexpectedly")]
    PartEnded(&'static str),
}

/// Does what was asked for on the command line, until it is done or a signal ends it.
///
/// # Errors
/// [`AppError`], a sentence for the person who called.
pub async fn run(invocation: Invocation) -> Result<ExitCode, AppError> {
    let done = |()| ExitCode::SUCCESS;
    let exit = |is_well| if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    // Before anything is opened, so that a signal during the start is not lost. `overdue run` sees to its own.
    let stop = || stop_on_signals().map_err(AppError::Signals);
    match invocation {
        Invocation::Serve(config) => serve(&config, stop()?).await.map(done),
        Invocation::Run(run) => Ok(cli::run::run(*run, Clock::system()).await.into()),
        Invocation::Ping(ping) => Ok(exit(cli::ping::ping(*ping, Clock::system(), stop()?).await)),
        Invocation::Delete(delete) => Ok(exit(cli::delete::delete(&delete).await)),
        Invocation::List(list) => Ok(exit(cli::list::list(&list, Clock::system().now()).await)),
        Invocation::Why(why) => Ok(exit(cli::why::why(&why).await)),
        Invocation::Report(report) => Ok(exit(cli::report::report(&report).await)),
        Invocation::Steer(steer) => Ok(exit(cli::steer::steer(&steer).await)),
        Invocation::Import(import) => Ok(exit(cli::import::import(*import).await)),
        Invocation::Sink(options) => receive(&options, stop()?).await.map(done),
        Invocation::Migrate(config) => Ok(done(migrate::run(&config).await?)),
        Invocation::Health(config) => Ok(done(health::check(&config).await?)),
        Invocation::CheckConfig(config) => {
            check_config::print(&config).map_err(AppError::Output).map(done)
        }
        Invocation::TestAlert(config, destinations) => {
            let (client, now) = (Client::trusting(&config.authorities)?, Clock::system().now());
            let accepted =
                test_alert::send(&destinations, &client, &presentation(&config), now).await;
            if accepted { Ok(ExitCode::SUCCESS) } else { Err(AppError::NotAccepted) }
        }
    }
}

async fn serve(config: &Config, stop: CancellationToken) -> Result<(), AppError> {
    let as_json = config.log_format == LogFormat::Json;
    let _logs = telemetry::start(&config.log, as_json)
        .map_err(|error| AppError::Telemetry(error.to_string()))?;
    let clock = Clock::system();
    let app = App::start(config, clock.clone()).await?;
    if as_json {
        let Summary { services, overdue, last_ping } = app.summary;
        let database = greeting::shown_path(app.database.as_deref());
        let (destinations, role) = (config.destinations.len(), app.role.as_deref());
        info!(address = %app.address, database, services, overdue, last_ping, destinations, role, "serving");
    } else {
        greeting::print(&app.greeting(), config, clock.now());
    }
    tell_systemd(sd_notify::NotifyState::Ready);
    let told = stop.clone();
    tokio::spawn(async move {
        told.cancelled().await;
        tell_systemd(sd_notify::NotifyState::Stopping);
    });
    app.run(stop).await
}

/// Tells systemd, where it has started this and wants to know.
fn tell_systemd(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "systemd could not be told");
    }
}

/// What this machine is, asked of LiteFS where there is one, and who listens to it from now on.
async fn role(config: &Config, clock: &Clock) -> Result<(Option<Cluster>, Guard), AppError> {
    let Some(url) = config.litefs.clone() else { return Ok((None, Guard::alone(clock.clone()))) };
    let cluster = Cluster::new(url, clock.clone())?;
    if let Err(error) = cluster.settle().await {
        warn!(%error, "it serves reads only until it does");
    }
    let guard = Guard::watching(cluster.standing(), clock.clone());
    Ok((Some(cluster), guard))
}

/// `primary`, or `replica of node1`.
fn shown_role(role: &Role) -> String {
    match role.elsewhere() {
        Some(primary) => format!("{} of {primary}", role.as_str()),
        None => role.as_str().to_owned(),
    }
}

/// What the database holds. One of several may have nothing to read yet, and says so.
async fn summary(store: &Store, now: i64) -> Result<Summary, StoreError> {
    let nothing = Summary { services: 0, overdue: 0, last_ping: None };
    if !store.guard().has_others() {
        return store.summary(now).await;
    }
    let schema = store.schema().await;
    if let Some(difference) = schema.as_ref().ok().and_then(store::Schema::difference) {
        warn!(difference, "the database is not what this program works on");
    }
    match schema {
        Ok(schema) if schema.version.is_some() => Ok(store.summary(now).await.unwrap_or(nothing)),
        _ => Ok(nothing),
    }
}

/// Names the services that would fall silent with nobody told, where there are destinations at all.
async fn warn_of_untold(store: &Store, config: &Config) -> Result<(), StoreError> {
    if config.destinations.is_empty() {
        return Ok(());
    }
    let (services, count) = store.untold(&config.routes()).await?;
    if count > 0 {
        warn!(?services, count, "no destination is told of these services");
    }
    Ok(())
}

fn presentation(config: &Config) -> Presentation {
    Presentation { zone: config.zone.clone(), base_url: config.base_url.clone() }
}

fn entrance(config: &Config) -> Entrance {
    Entrance {
        open: config.open,
        keys: config.keys.clone(),
        client_ip_header: config.client_ip_header.clone(),
    }
}

/// Cancels `other` as soon as `token` is.
async fn cancel_with(token: CancellationToken, other: CancellationToken) {
    token.cancelled().await;
    other.cancel();
}

/// Every route; pages that are watched live end when `closing` is cancelled.
fn router(config: &Config, store: &Store, clock: &Clock, closing: &CancellationToken) -> Router {
    let outlook = Outlook {
        routes: config.routes(),
        base_url: config.base_url.clone(),
        closing: closing.clone(),
    };
    let api = Api::with_outlook(store.clone(), clock.clone(), entrance(config), outlook);
    http::router(api.in_zone(config.zone.clone()))
}

async fn receive(options: &sink::Sink, stop: CancellationToken) -> Result<(), AppError> {
    let (listener, address) = listen(options.listen).await?;
    options.greet(address);
    let clock = Clock::system();
    let router = http::sink(options.answer, move |received| {
        sink::receive(&received.method, &received.uri, &received.body, clock.now());
    });
    http::serve(listener, router, ServerLimits::default(), stop).await;
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), AppError> {
    let failed = |source| AppError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// As many connections as the system gives files for, but for those that the rest of the program needs.
fn connections_max() -> usize {
    let wanted = CONNECTIONS_MAX as u64 + FILES_RESERVED;
    let files = rlimit::increase_nofile_limit(wanted).unwrap_or_else(|error| {
        warn!(%error, "the number of open files cannot be raised");
        wanted
    });
    let connections = files.saturating_sub(FILES_RESERVED).max(files / 2);
    usize::try_from(connections).unwrap_or(CONNECTIONS_MAX).clamp(1, CONNECTIONS_MAX)
}

/// A token that SIGTERM and SIGINT cancel.
fn stop_on_signals() -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        token.cancel();
    });
    Ok(stop)
}

/// A server that has bound its address and opened its database, and is about to serve.
pub struct App {
    /// The address that it serves.
    pub address: SocketAddr,
    /// Its database, as an absolute path; `None` in memory.
    pub database: Option<PathBuf>,
    /// Whether that was made just now.
    pub is_new: bool,
    /// What it holds.
    pub summary: Summary,
    /// What this machine is among others; `None`: there are none.
    pub role: Option<String>,
    cluster: Option<Cluster>,
    listener: TcpListener,
    router: Router,
    store: Store,
    writer: tokio::task::JoinHandle<()>,
    sweeper: Sweeper,
    couriers: Vec<Courier>,
    watchman: Watchman,
    heart: Option<Heart>,
    /// Ends the pages that are watched live.
    closing: CancellationToken,
    /// Held until the end, so that no second server opens the file.
    lock: Option<File>,
}

impl App {
    /// Opens the database and binds the address.
    ///
    /// # Errors
    /// [`AppError`], whose sentence says what to do.
    pub async fn start(config: &Config, clock: Clock) -> Result<Self, AppError> {
        let rules = Rules {
            grace: config.grace,
            services_max: config.services_max,
            routes: config.routes(),
            hold_seconds: config.hold_seconds,
            remind_every_seconds: config.remind_every_seconds,
            history: config.history,
            log_bytes_max: config.log_bytes_max,
        };
        let (listener, address) = listen(config.listen).await?;
        let (cluster, guard) = role(config, &clock).await?;
        let role = cluster.is_some().then(|| shown_role(&guard.role()));
        let opened =
            store::open(&config.database, config.durability, rules, clock.clone(), guard).await?;
        let store = opened.store;
        let writer = tokio::spawn(opened.writer.run());
        let summary = summary(&store, clock.now()).await?;
        if store.guard().role().may_write() {
            warn_of_untold(&store, config).await?;
        }
        let closing = CancellationToken::new();
        let client = Client::trusting(&config.authorities)?;
        let presentation = presentation(config);
        let pulse = Pulse::default();
        let couriers = config.destinations.iter().map(|destination| {
            Courier::new(
                destination.clone(),
                store.clone(),
                client.clone(),
                presentation.clone(),
                pulse.clone(),
                clock.clone(),
            )
        });
        let couriers = couriers.collect();
        let watchman = Watchman::new(
            &config.destinations,
            store.health(),
            client.clone(),
            presentation.clone(),
            clock.clone(),
        );
        let heart = config
            .heartbeat_uri
            .clone()
            .map(|uri| Heart::new(uri, pulse.clone(), &store, client.clone(), clock.clone()));
        Ok(Self {
            address,
            database: opened.path,
            is_new: opened.is_new,
            summary,
            role,
            cluster,
            listener,
            router: router(config, &store, &clock, &closing),
            closing,
            writer,
            sweeper: Sweeper::new(store.clone(), clock, config.alert_history_seconds),
            couriers,
            watchman,
            heart,
            lock: opened.lock,
            store,
        })
    }

    /// What there is to say about it at the start.
    pub fn greeting(&self) -> Greeting<'_> {
        Greeting {
            address: self.address,
            database: self.database.as_deref(),
            is_new: self.is_new,
            summary: self.summary,
            role: self.role.as_deref(),
        }
    }

    /// Serves until `stop`, then finishes what was accepted and closes the database.
    ///
    /// # Errors
    /// [`AppError::PartEnded`], if a part died: better no process than one that looks alive and notices nothing.
    pub async fn run(self, stop: CancellationToken) -> Result<(), AppError> {
        let Self {
            listener,
            router,
            store,
            mut writer,
            sweeper,
            couriers,
            watchman,
            heart,
            lock,
            cluster,
            closing,
            ..
        } = self;
        // A page that is watched live would hold the server up.
        tokio::spawn(cancel_with(stop.clone(), closing));
        // Whoever writes to the end has to know to the end whether it may.
        let role_unheard = CancellationToken::new();
        let _until_the_end = role_unheard.clone().drop_guard();
        let mut listening = tokio::spawn(async move {
            match cluster {
                Some(cluster) => cluster.run(role_unheard).await,
                None => role_unheard.cancelled().await,
            }
        });
        let mut parts = JoinSet::new();
        let mut part = |name, work: Pin<Box<dyn Future<Output = ()> + Send>>| {
            parts.spawn(async move {
                work.await;
                name
            });
        };
        let limits = ServerLimits { connections: connections_max(), ..ServerLimits::default() };
        part("the server", Box::pin(http::serve(listener, router, limits, stop.clone())));
        part("the sweeper", Box::pin(sweeper.run(stop.clone())));
        part("the watchman", Box::pin(watchman.run(stop.clone())));
        if let Some(heart) = heart {
            part("the heart", Box::pin(heart.run(stop.clone())));
        }
        for courier in couriers {
            part("the notifier", Box::pin(courier.run(stop.clone())));
        }
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            part = parts.join_next() => Some(part.and_then(Result::ok).unwrap_or("a part")),
            _ = &mut writer => Some("the writer"),
            _ = &mut listening => Some("the listener to LiteFS"),
        };
        if let Some(part) = ended {
            error!(part, "ended unexpectedly; the process stops so that it can be started afresh");
            return Err(AppError::PartEnded(part));
        }
        info!("stopping");
        let finish = async {
            while parts.join_next().await.is_some() {}
            store.close().await;
            writer.await
        };
        match tokio::time::timeout(Duration::from_millis(SHUTDOWN_MS_MAX), finish).await {
            Ok(Ok(())) => info!("stopped"),
            Ok(Err(_)) => return Err(AppError::PartEnded("the writer")),
            Err(_) => {
                error!("the database could not be closed in time; nothing acknowledged is lost");
            }
        }
        drop(lock);
        Ok(())
    }
}
