//! The real thing: the store, its writer and the sweeper on a file, under a clock set by hand, and a second connection
//! that looks at the file and edits it as sqlite3 would.

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use globset::{Glob, GlobSetBuilder};
use overdue::clock::Clock;
use overdue::config::{Database, Durability};
use overdue::core::alert::{Kind, Route};
use overdue::core::declaration::Declaration;
use overdue::core::frequency::{Frequency, Grace};
use overdue::core::name::Name;
use overdue::core::ping::{Origin, Ping, Refusal, Terms};
use overdue::core::role::{Role, Standing};
use overdue::core::schedule::{CronPattern, Zone};
use overdue::core::service::Service;
use overdue::core::signal::RunId;
use overdue::store::{self, Action, Attempt, Guard, Rules, Store, StoreError};
use overdue::sweeper::Sweeper;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::model::{self, Ask, No};
use crate::plot::Setting;
use crate::step::{Call, Part, Word};
use crate::world::DESTINATIONS;

/// What is asked of the store at once.
pub enum Request {
    Ping(Box<Ping>),
    Delete(Name),
    Steer(Name, Action),
    Record(Vec<Attempt>),
}

/// What it answers: the service and whether it is new, where it answers with one.
pub type Answered = Result<Option<(Service, bool)>, StoreError>;

pub struct Machine {
    pub clock: Clock,
    pub store: Store,
    pub eyes: SqliteConnection,
    writer: JoinHandle<()>,
    sweeper: Sweeper,
    standing: Option<watch::Sender<Standing>>,
    rules: Rules,
    folder: TempDir,
    lock: Option<fs::File>,
}

/// How long the log of writes is, before and after what is torn.
#[derive(Clone, Copy, Debug)]
pub struct Written(u64);

fn rules(setting: &Setting) -> Rules {
    let mut globs = GlobSetBuilder::new();
    let names = ["alpha", "delta", "xray"];
    for name in names {
        globs.add(Glob::new(name).unwrap());
    }
    let all = Route {
        destination: DESTINATIONS[0].to_owned(),
        kinds: Kind::ALL.to_vec(),
        services: None,
        patterns: Vec::new(),
    };
    let some = Route {
        destination: DESTINATIONS[1].to_owned(),
        kinds: vec![Kind::Overdue, Kind::Recovered],
        services: Some(globs.build().unwrap()),
        patterns: names.map(str::to_owned).to_vec(),
    };
    let routes = [all, some].into_iter().zip(setting.there);
    Rules {
        grace: Grace::from_seconds(setting.grace).unwrap(),
        services_max: setting.services_max,
        routes: routes.filter_map(|(route, is_there)| is_there.then_some(route)).collect(),
        hold_seconds: setting.hold,
        remind_every_seconds: setting.remind,
        history: setting.history,
        log_bytes_max: setting.log_bytes,
    }
}

/// The size above which what was written may have been moved from the log into the file already.
const LOG_BYTES_UNMOVED: u64 = 900 * 4120;

impl Machine {
    /// A machine with a new file.
    pub async fn new(setting: &Setting) -> Self {
        let clock = Clock::manual(setting.start);
        let standing = setting
            .is_cluster
            .then(|| watch::Sender::new(Standing::UNKNOWN.heard(Role::Primary, setting.start)));
        Self::open(TempDir::new().unwrap(), clock, rules(setting), standing).await
    }

    async fn open(
        folder: TempDir,
        clock: Clock,
        rules: Rules,
        standing: Option<watch::Sender<Standing>>,
    ) -> Self {
        let path = folder.path().join("overdue.db");
        let guard = match &standing {
            Some(standing) => Guard::watching(standing.subscribe(), clock.clone()),
            None => Guard::alone(clock.clone()),
        };
        // Nothing here cuts the power: a process that dies leaves what it wrote, fsynced or not. So that is left out.
        let database = Database::File(path.clone());
        let opened =
            store::open(&database, Durability::Relaxed, rules.clone(), clock.clone(), guard)
                .await
                .unwrap();
        let writer = tokio::spawn(opened.writer.run());
        let store = opened.store;
        let sweeper = Sweeper::new(store.clone(), clock.clone(), i64::MAX / 4);
        let options = SqliteConnectOptions::new().filename(path);
        let eyes = options.disable_statement_logging().connect().await.unwrap();
        let lock = opened.lock;
        Self { clock, store, eyes, writer, sweeper, standing, rules, folder, lock }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("overdue.db")
    }

    /// How much is in the log of writes.
    pub fn written(&self) -> Written {
        Written(fs::metadata(beside(&self.database(), "-wal")).map_or(0, |file| file.len()))
    }

    /// Whether what was written since can be torn: it is at the end of the log and nowhere else.
    pub fn can_tear(&self, before: Written) -> bool {
        let now = self.written().0;
        now > before.0 && now < LOG_BYTES_UNMOVED
    }

    /// Dies, and starts again `away` seconds later on what is in the file: all of it, or only so many thousandths of what
    /// was written after `torn`.
    pub async fn crash(self, torn: Option<(Written, i64)>, away: i64) -> Self {
        let folder = TempDir::new().unwrap();
        let (from, to) = (self.database(), folder.path().join("overdue.db"));
        fs::copy(&from, &to).unwrap();
        let log = beside(&to, "-wal");
        if fs::copy(beside(&from, "-wal"), &log).is_ok()
            && let Some((before, thousandths)) = torn
        {
            let added = self.written().0 - before.0;
            let kept = before.0 + added * u64::try_from(thousandths).unwrap() / 1000;
            fs::File::options().write(true).open(log).unwrap().set_len(kept).unwrap();
        }
        self.writer.abort();
        let _ = self.writer.await;
        drop((self.eyes, self.store, self.sweeper, self.lock, self.folder));
        Self::again(folder, self.clock, self.rules, self.standing, away).await
    }

    /// Stops as it should, and starts again `away` seconds later.
    pub async fn stop(self, away: i64) -> Self {
        self.store.close().await;
        self.writer.await.unwrap();
        drop((self.eyes, self.store, self.sweeper, self.lock));
        Self::again(self.folder, self.clock, self.rules, self.standing, away).await
    }

    /// Takes up other settings, once it starts again.
    pub fn adopt(&mut self, setting: &Setting) {
        self.rules = rules(setting);
    }

    async fn again(
        folder: TempDir,
        clock: Clock,
        rules: Rules,
        standing: Option<watch::Sender<Standing>>,
        away: i64,
    ) -> Self {
        clock.set(clock.now() + away);
        let standing = standing.map(|standing| {
            let role = standing.borrow().role(clock.now() - away);
            let standing = watch::Sender::new(Standing::UNKNOWN);
            standing.send_modify(|before| *before = before.heard(role, clock.now()));
            standing
        });
        Self::open(folder, clock, rules, standing).await
    }

    /// Has LiteFS say what this machine is.
    pub fn hear(&self, part: Part) {
        let Some(standing) = &self.standing else { return };
        let role = match part {
            Part::Primary => Role::Primary,
            Part::Elsewhere => Role::Replica { primary: Some("another".to_owned()) },
            Part::Nobody => Role::Replica { primary: None },
        };
        let now = self.clock.now();
        standing.send_modify(|standing| *standing = standing.heard(role, now));
    }

    /// Puts all of these into the writer's queue before it takes the first, and waits for the answers.
    pub async fn ask(&self, requests: Vec<Request>) -> Vec<Answered> {
        let at = self.clock.now();
        let mut waiting: Vec<_> =
            requests.into_iter().map(|request| (self.answer(request, at), None)).collect();
        std::future::poll_fn(|context| {
            for (future, answer) in &mut waiting {
                if answer.is_none()
                    && let Poll::Ready(ready) = future.as_mut().poll(context)
                {
                    *answer = Some(ready);
                }
            }
            let is_done = waiting.iter().all(|(_, answer)| answer.is_some());
            if is_done { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        waiting.into_iter().filter_map(|(_, answer)| answer).collect()
    }

    fn answer(&self, request: Request, at: i64) -> Pin<Box<dyn Future<Output = Answered> + '_>> {
        Box::pin(async move {
            match request {
                Request::Ping(ping) => {
                    let done = self.store.ping_or_make(*ping).await?;
                    Ok(Some((Arc::unwrap_or_clone(done.service), done.is_new)))
                }
                Request::Delete(name) => {
                    self.store.delete(name, at, Origin::default()).await.map(|()| None)
                }
                Request::Steer(name, action) => {
                    let done = self.store.steer(name, action, at, Origin::default()).await?;
                    Ok(Some((Arc::unwrap_or_clone(done.service), done.is_new)))
                }
                Request::Record(attempts) => self.store.record(attempts).await.map(|()| None),
            }
        })
    }

    pub async fn sweep(&self) -> Result<(), StoreError> {
        self.sweeper.step(self.clock.now()).await.map(drop)
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn terms(terms: &model::Terms) -> Terms {
    Terms {
        frequency: terms.every.map(|seconds| Frequency::from_seconds(seconds).unwrap()),
        cron: terms.cron.map(|fields| CronPattern::parse(fields).unwrap()),
        zone: terms.zone.map(|zone| Zone::parse(zone).unwrap()),
        grace: terms.grace.map(|seconds| Grace::from_seconds(seconds).unwrap()),
        max_runtime: terms.max_runtime.map(|seconds| Frequency::from_seconds(seconds).unwrap()),
    }
}

/// A ping as the edges would put it.
pub fn ping(call: &Call, ask: &Ask) -> Ping {
    Ping {
        signal: ask.signal,
        run: ask.run.map(|run| RunId::parse(run).unwrap()),
        terms: terms(&ask.terms),
        terms_if_new: ask.if_new,
        timestamp: ask.timestamp,
        duration_ms: ask.duration_ms,
        log: (call.log > 0).then(|| "x".repeat(call.log)),
        by_alias_alone: call.by_alias,
        ..Ping::new(name(call.name), ask.received)
    }
}

pub fn declaration(word: &Word) -> Action {
    let aliases = word.aliases.as_ref();
    Action::Declare(Box::new(Declaration {
        is_whole: word.is_whole,
        terms: terms(&word.terms),
        clears_max_runtime: false,
        description: None,
        locked: word.locked,
        aliases: aliases.map(|aliases| aliases.iter().map(|alias| name(alias)).collect()),
    }))
}

/// The program's refusal in the model's words.
pub fn refusal(error: &StoreError) -> Result<No, String> {
    Ok(match error {
        StoreError::Refused(Refusal::Older { last_ping }) => No::Older(*last_ping),
        StoreError::Refused(Refusal::Unknown) => No::Unknown,
        StoreError::Refused(Refusal::Ahead) => No::Ahead,
        StoreError::Refused(Refusal::ZoneWithoutCron) => No::ZoneWithoutCron,
        StoreError::UnknownService => No::Missing,
        StoreError::Unreadable => No::Unreadable,
        StoreError::Full { .. } => No::Full,
        StoreError::AliasTaken { .. } => No::AliasTaken,
        StoreError::NotPrimary => No::NotPrimary,
        StoreError::Overloaded | StoreError::Unavailable => {
            return Err(format!("it could not: {error}"));
        }
    })
}
