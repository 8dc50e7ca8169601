//! `overdue ping`: tells the monitor that a job ran, or what became of it.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};

use clap::Args;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::client::{Monitor, MonitorArgs};
use super::message::{self, Message, ScheduleArgs, read};
use super::output::last_bytes;
use super::teller::{Teller, Told, Whose};
use crate::clock::Clock;
use crate::core::limits::{LOG_BYTES_MAX, TIME_SECONDS_MAX};
use crate::core::signal::{RunId, Signal};

#[allow(clippy::doc_markdown, reason = "these are the words of --help, where backticks would show")]
/// Tell the monitor that a job ran, or what became of it
///
/// The first ping of a service needs its schedule. A ping that cannot be sent is kept under $XDG_STATE_HOME (else
/// ~/.local/state) in overdue/spool, and sent the next time that overdue run or overdue ping runs; that is no failure.
#[derive(Clone, Debug, Args)]
pub(super) struct PingArgs {
    /// The service's name; {host} in it becomes this machine's
    name: String,
    #[command(flatten)]
    schedule: ScheduleArgs,
    /// What is told: success, start, fail, log, or an exit status from 0 to 255 [default: success]
    #[arg(long, value_name = "SIGNAL")]
    signal: Option<String>,
    /// What ties a start to its end where runs overlap, as a UUID does
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// The Unix second at which the job ran [default: now]
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<String>,
    /// A file whose last 10,000 bytes go along; - is the standard input
    #[arg(long, value_name = "FILE")]
    log: Option<String>,
    #[command(flatten)]
    monitor: MonitorArgs,
}

impl PingArgs {
    /// What is to be told, by a clock that shows `now`.
    ///
    /// # Errors
    /// A sentence about the first argument that is wrong.
    pub(super) fn resolve(&self, now: i64) -> Result<Ping, String> {
        let name = message::name(&self.name)?;
        let mut parameters = self.schedule.resolve(false)?;
        if let Some(text) = &self.signal {
            read("--signal", Some(text), Signal::parse)?;
            parameters.push(("signal", text.clone()));
        }
        if let Some(run) = read("--run", self.run.as_deref(), |text| RunId::parse(text))? {
            parameters.push(("run", run.as_str().to_owned()));
        }
        let given = read("--timestamp", self.timestamp.as_deref(), timestamp)?;
        let second = given.unwrap_or(now);
        let message = if self.schedule.is_given() {
            Message::by_query(name, &parameters, second)
        } else {
            Message::by_path(name, &parameters, second)?
        };
        let monitor = self.monitor.resolve()?;
        // Last, as it may wait for what is still being written.
        let log = self.log.as_deref().map(log).transpose()?;
        Ok(Ping { message: Message { is_now: given.is_none(), log, ..message }, monitor })
    }
}

/// A ping to send, and where to.
#[derive(Debug)]
pub struct Ping {
    message: Message,
    monitor: Monitor,
}

/// Sends it, after what is kept of the same service, and then what is kept of others. `stop` ends the trying, not the
/// keeping. Whether it is known or kept.
pub async fn ping(ping: Ping, clock: Clock, stop: CancellationToken) -> bool {
    let Ping { message, monitor } = ping;
    let (started, timeout) = (Instant::now(), monitor.timeout);
    let deadline = started + timeout;
    let teller = Teller::new(monitor, message.name.clone(), clock);
    let send_kept = async |whose, until| {
        tokio::select! {
            _ = timeout_at(until, teller.send_kept(whose, &stop)) => {}
            () = stop.cancelled() => {}
        }
    };
    send_kept(Whose::Own, started + timeout / 2).await;
    let told = teller.tell(&message, deadline, stop.cancelled()).await;
    if told == Told::Known {
        send_kept(Whose::Others, deadline).await;
    }
    teller.print_warnings();
    told != Told::Lost
}

/// The end of a file, or of the standard input.
fn log(path: &str) -> Result<Vec<u8>, String> {
    let bytes = if path == "-" { last_bytes(io::stdin().lock()) } else { end_of_file(path) };
    bytes.map_err(|error| format!("--log {path:?} cannot be read: {error}"))
}

fn end_of_file(path: &str) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    // A pipe cannot be skipped, and is read from its beginning.
    let back =
        i64::try_from(LOG_BYTES_MAX.min(usize::try_from(file.metadata()?.len()).unwrap_or(0)));
    let _ = file.seek(SeekFrom::End(-back.unwrap_or(0)));
    last_bytes(file)
}

/// Unix seconds.
fn timestamp(text: &str) -> Result<i64, &'static str> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let second = is_digits.then(|| text.parse().ok()).flatten();
    second
        .filter(|second| *second <= TIME_SECONDS_MAX)
        .ok_or("is not a time: use Unix seconds, as in 1664743905")
}
