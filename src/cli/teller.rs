//! Tells the monitor: first what is kept, then what is new; and keeps what could not be told.

use std::fs::File;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client::{Monitor, Outcome};
use super::message::Message;
use super::spool::{Found, Spool};
use crate::clock::Clock;
use crate::core::limits::{
    SPOOL_ANSWER_SECONDS_MAX, SPOOL_LOCK_PAUSE_MS, SPOOL_SENDING_SECONDS_MAX, START_PAUSE_MS_MAX,
    START_TRIES_MAX, TELLING_PAUSE_MS_MIN,
};
use crate::core::name::Name;

/// Whose kept pings are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those of the service that is to be told of, which would be older than what is told of it next.
    Own,
    /// Those of all others.
    Others,
}

/// What became of a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The monitor has it, or a newer one.
    Known,
    /// It is in the spool.
    Kept,
    /// It is lost, and a warning says why.
    Lost,
}

/// One command's line to the monitor.
#[derive(Debug)]
pub(super) struct Teller {
    pub(super) monitor: Monitor,
    spool: Spool,
    clock: Clock,
    name: Name,
    warnings: Mutex<Vec<String>>,
}

impl Teller {
    pub(super) fn new(monitor: Monitor, name: Name, clock: Clock) -> Self {
        let spool = Spool::of_this_user();
        Self { monitor, spool, clock, name, warnings: Mutex::default() }
    }

    /// Remembers a sentence for the person or the log that reads standard error.
    pub(super) fn warn(&self, sentence: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(sentence);
    }

    /// Prints what there is to say.
    pub(super) fn print_warnings(&self) {
        let warnings =
            std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        for sentence in warnings {
            // Nobody may be reading.
            let _ = writeln!(std::io::stderr(), "overdue: {sentence}");
        }
    }

    /// Sends what is kept of the service, and tells of its start, again and again until `ended`; then sends what is kept
    /// of others.
    pub(super) async fn tell_start(&self, start: &Message, ended: &CancellationToken) {
        self.send_kept(Whose::Own, &CancellationToken::new()).await;
        let mut pause = Duration::from_millis(TELLING_PAUSE_MS_MIN);
        for _ in 0..START_TRIES_MAX {
            match self.monitor.post(start, self.monitor.timeout).await {
                Outcome::Accepted | Outcome::Older(_) => {
                    self.send_kept(Whose::Others, ended).await;
                    return;
                }
                Outcome::Refused { said, .. } => {
                    self.warn(format!(
                        "{} refused the start of {}: {said}",
                        self.server(),
                        self.shown()
                    ));
                    return;
                }
                Outcome::Unable { retry_after, .. } => {
                    let wait = pause.max(retry_after.unwrap_or_default());
                    tokio::select! {
                        () = ended.cancelled() => return,
                        () = tokio::time::sleep(wait) => {}
                    }
                    pause = (pause * 2).min(Duration::from_millis(START_PAUSE_MS_MAX));
                }
            }
        }
    }

    /// Sends the kept pings that are meant until there is nobody to talk to, or until `stop` between two of them.
    pub(super) async fn send_kept(&self, whose: Whose, stop: &CancellationToken) {
        let server = self.monitor.server();
        if self.spool.waiting(server).is_empty() {
            return;
        }
        let until = Instant::now() + Duration::from_secs(SPOOL_SENDING_SECONDS_MAX);
        let Some(_lock) = self.lock(stop, until).await else { return };
        for warning in self.spool.make_room(0, self.clock.now_ms()) {
            self.warn(warning);
        }
        for file in self.spool.waiting(server) {
            if stop.is_cancelled() || Instant::now() >= until {
                return;
            }
            let message = match self.spool.read(server, &file) {
                Ok(Found::Ping(message)) => message,
                Ok(Found::Nothing) => continue,
                Ok(Found::Broken) => {
                    self.warn(format!("the kept ping {file} cannot be read and is dropped"));
                    self.forget(&file);
                    continue;
                }
                Err(error) => {
                    self.warn(format!("the kept ping {file} cannot be read: {error}"));
                    continue;
                }
            };
            if (message.name == self.name) == (whose == Whose::Own)
                && !self.send_one(&file, &message).await
            {
                return;
            }
        }
    }

    /// Sends a kept ping; whether there is somebody to talk to.
    async fn send_one(&self, file: &str, message: &Message) -> bool {
        let timeout = self.monitor.timeout.min(Duration::from_secs(SPOOL_ANSWER_SECONDS_MAX));
        match self.monitor.post(message, timeout).await {
            Outcome::Accepted | Outcome::Older(_) => self.forget(file),
            Outcome::Refused { said, .. } => {
                self.warn(format!(
                    "{} refused a kept ping of {:?}, which is dropped: {said}",
                    self.server(),
                    message.name.as_str()
                ));
                self.forget(file);
            }
            Outcome::Unable { is_away: true, .. } => return false,
            Outcome::Unable { .. } => self.spool.put_last(file, self.clock.now_ms()),
        }
        true
    }

    fn forget(&self, file: &str) {
        if let Err(error) = self.spool.remove(file) {
            self.warn(format!("the kept ping {file} was sent and cannot be removed: {error}"));
        }
    }

    /// Waits for others that send, so that what is newer is not told before what they still hold.
    async fn lock(&self, stop: &CancellationToken, until: Instant) -> Option<File> {
        while !stop.is_cancelled() && Instant::now() < until {
            match self.spool.lock(self.monitor.server()) {
                Ok(Some(lock)) => return Some(lock),
                Ok(None) => {
                    tokio::time::sleep(Duration::from_millis(SPOOL_LOCK_PAUSE_MS)).await;
                }
                Err(error) => {
                    let folder = self.spool.folder().display();
                    self.warn(format!("the kept pings in {folder} cannot be sent: {error}"));
                    return None;
                }
            }
        }
        None
    }

    /// Sends `message` until `deadline`, and keeps it where that cannot be done. `stop` ends the trying.
    pub(super) async fn tell(
        &self,
        message: &Message,
        deadline: Instant,
        stop: impl Future<Output = ()>,
    ) -> Told {
        let outcome = tokio::select! {
            outcome = self.monitor.tell(message, deadline) => outcome,
            () = stop => {
                let error = "a signal ended the wait for an answer".to_owned();
                Outcome::Unable { error, is_away: true, retry_after: None }
            }
        };
        match outcome {
            // Of what was asked for with a time of its own, its caller wants to know.
            Outcome::Older(said) if !message.is_now => {
                self.warn(said);
                Told::Lost
            }
            Outcome::Accepted | Outcome::Older(_) => Told::Known,
            Outcome::Refused { said, .. } => {
                self.warn(format!(
                    "{} refused the ping of {}: {said}",
                    self.server(),
                    self.shown()
                ));
                Told::Lost
            }
            Outcome::Unable { error, .. } => self.keep(message, &error),
        }
    }

    fn keep(&self, message: &Message, error: &str) -> Told {
        let (server, name) = (self.server(), self.shown());
        match self.spool.keep(self.monitor.server(), message, self.clock.now_ms()) {
            Ok(warnings) => {
                for warning in warnings {
                    self.warn(warning);
                }
                self.warn(format!(
                    "{server} could not be told of {name} ({error}): the ping is kept, and sent the next time"
                ));
                Told::Kept
            }
            Err(reason) => {
                let folder = self.spool.folder().display();
                self.warn(format!(
                    "{server} could not be told of {name} ({error}), and the ping is lost, as {folder} cannot be written: {reason}"
                ));
                Told::Lost
            }
        }
    }

    fn server(&self) -> &str {
        self.monitor.server().trim_end_matches('/')
    }

    fn shown(&self) -> String {
        format!("{:?}", self.name.as_str())
    }
}
