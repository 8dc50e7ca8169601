//! `overdue run`: runs a command, and tells the monitor when it starts and how it ends.
//!
//! The command comes first. It starts before the monitor is told, nothing that the monitor does holds it up, and its
//! exit status is ours whatever became of the pings.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;

use clap::Args;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::client::{Monitor, MonitorArgs};
use super::message::{self, Message, ScheduleArgs};
use super::output::Output;
use super::signals::Signals;
use super::teller::{Teller, Told, Whose};
use crate::clock::Clock;
use crate::core::name::Name;

/// What shells answer for a command that is not there, and for one that cannot be started.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// What is answered where the system does not say how a command ended.
const UNKNOWN: u8 = 125;

/// What shells add to the number of the signal that ended a command.
const KILLED: i32 = 128;

#[allow(clippy::doc_markdown, reason = "these are the words of --help, where backticks would show")]
/// Run a command, and tell the monitor when it starts and how it ends
///
/// The command starts at once, gets our signals and our standard input, and its exit status is ours (127 if it is not
/// there, 126 if it cannot be started, 128 and the signal's number if one ended it), whatever becomes of the pings. A
/// ping that cannot be sent is kept under $XDG_STATE_HOME (else ~/.local/state) in overdue/spool, and sent the next time.
/// A grace that is not given is a tenth of the frequency, between 1m and 1h.
#[derive(Clone, Debug, Args)]
pub(super) struct RunArgs {
    /// The service's name; {host} in it becomes this machine's
    name: String,
    #[command(flatten)]
    schedule: ScheduleArgs,
    /// Send no output along; the command then has our own standard output and error, the terminal included
    #[arg(long)]
    no_log: bool,
    #[command(flatten)]
    monitor: MonitorArgs,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl RunArgs {
    /// What is to be done.
    ///
    /// # Errors
    /// A sentence about the first argument that is wrong.
    pub(super) fn resolve(&self) -> Result<Run, String> {
        let name = message::name(&self.name)?;
        if !self.schedule.is_given() {
            return Err("the schedule is missing: say how often the command runs, as in --frequency 1D, or when, as in --cron \"0 2 * * *\"".to_owned());
        }
        Ok(Run {
            name,
            schedule: self.schedule.resolve(true)?,
            has_log: !self.no_log,
            monitor: self.monitor.resolve()?,
            command: self.command.clone(),
        })
    }
}

/// A command to run, and whom to tell of it.
#[derive(Debug)]
pub struct Run {
    name: Name,
    schedule: Vec<(&'static str, String)>,
    has_log: bool,
    monitor: Monitor,
    command: Vec<OsString>,
}

/// A run that has begun.
struct Running {
    id: String,
    name: Name,
    schedule: Vec<(&'static str, String)>,
    since: Instant,
    teller: Arc<Teller>,
    clock: Clock,
}

impl Running {
    /// What is told of it now.
    fn message(&self, signal: &str, duration_ms: Option<u128>) -> Message {
        let mut parameters = self.schedule.clone();
        parameters.push(("signal", signal.to_owned()));
        parameters.push(("run", self.id.clone()));
        parameters.extend(duration_ms.map(|ms| ("duration_ms", ms.to_string())));
        // There is a schedule, so the query leads to every name.
        Message::by_query(self.name.clone(), &parameters, self.clock.now())
    }
}

/// Runs the command; the exit status to end with.
pub async fn run(run: Run, clock: Clock) -> u8 {
    let Run { name, schedule, has_log, monitor, command } = run;
    let teller = Arc::new(Teller::new(monitor, name.clone(), clock.clone()));
    // Before the command is there, so that none is lost.
    let mut signals = Signals::listen().unwrap_or_else(|error| {
        teller.warn(format!("signals cannot be passed on to the command: {error}"));
        Signals::none()
    });
    let id = format!("{:032x}", fastrand::u128(..));
    let running = Running { id, name, schedule, since: Instant::now(), teller, clock };
    let start = running.message("start", None);
    let (child, output) = spawn(&command, has_log, &running.teller);
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            let status = not_run(&error);
            let sentence = format!("{} cannot be run: {error}", command[0].display());
            running.teller.warn(sentence.clone());
            running.teller.print_warnings();
            let mut end = running.message(&status.to_string(), None);
            end.log = has_log.then(|| sentence.into_bytes());
            let deadline = Instant::now() + running.teller.monitor.timeout;
            running.tell_end(&end, deadline, &mut signals).await;
            running.teller.print_warnings();
            return status;
        }
    };
    let ended = CancellationToken::new();
    let beside = tokio::spawn({
        let (teller, ended) = (Arc::clone(&running.teller), ended.clone());
        async move { teller.tell_start(&start, &ended).await }
    });
    let status = wait(&mut child, &mut signals).await;
    ended.cancel();
    let status = match status {
        Ok(status) => exit_status(status),
        Err(error) => {
            running.teller.warn(format!("the end of the command cannot be had: {error}"));
            UNKNOWN
        }
    };
    running.finish(status, output, beside, &mut signals).await;
    running.teller.print_warnings();
    status
}

impl Running {
    /// Sees to all that is left to do after the command's end.
    async fn finish(
        &self,
        status: u8,
        mut output: Option<Output>,
        mut beside: JoinHandle<()>,
        signals: &mut Signals,
    ) {
        let mut end = self.message(&status.to_string(), Some(self.since.elapsed().as_millis()));
        let (now, timeout) = (Instant::now(), self.teller.monitor.timeout);
        let (half, deadline) = (now + timeout / 2, now + timeout);
        // The end is told after the start, and with the last of the output.
        let ready = async {
            if let Some(output) = &mut output {
                output.ended();
                let _ = timeout_at(half, output.passed()).await;
            }
            let _ = timeout_at(half, &mut beside).await;
        };
        tokio::select! {
            () = ready => {}
            () = signals.end() => {}
        }
        if !beside.is_finished() {
            beside.abort();
            let _ = beside.await;
        }
        end.log = output.as_ref().map(Output::log).filter(|log| !log.is_empty());
        self.tell_end(&end, deadline, signals).await;
        // Somebody who reads slowly gets it all, for as long as nobody asks for an end.
        if let Some(output) = &mut output {
            tokio::select! {
                () = output.passed() => {}
                () = signals.end() => {}
            }
        }
    }

    /// Tells of the end, or keeps it; then sends what is kept of others, if there is time.
    async fn tell_end(&self, end: &Message, deadline: Instant, signals: &mut Signals) {
        if self.teller.tell(end, deadline, signals.end()).await == Told::Known {
            let never = CancellationToken::new();
            tokio::select! {
                _ = timeout_at(deadline, self.teller.send_kept(Whose::Others, &never)) => {}
                () = signals.end() => {}
            }
        }
    }
}

/// Starts the command; with a log its output comes through pipes.
fn spawn(
    command: &[OsString],
    has_log: bool,
    teller: &Teller,
) -> (io::Result<Child>, Option<Output>) {
    let mut process = Command::new(&command[0]);
    process.args(&command[1..]);
    let mut output = None;
    if has_log {
        match Output::pipes() {
            Ok((stdout, stderr, pipes)) => {
                process.stdout(stdout).stderr(stderr);
                output = Some(pipes);
            }
            Err(error) => teller.warn(format!("the output goes without a log: {error}")),
        }
    }
    // The pipes' ends in this process close with `process`.
    (process.spawn(), output)
}

/// Waits for the command's end, and passes on signals until then.
async fn wait(child: &mut Child, signals: &mut Signals) -> io::Result<ExitStatus> {
    loop {
        tokio::select! {
            status = child.wait() => return status,
            came = signals.next() => {
                // It has an id as long as it was not waited for, so no other process can have it.
                if let Some(pid) = child.id() {
                    came.pass_on(pid);
                }
            }
        }
    }
}

/// The exit status as shells say it.
fn exit_status(status: ExitStatus) -> u8 {
    let killed = || status.signal().map(|signal| KILLED + signal);
    let status = status.code().or_else(killed);
    status.and_then(|status| u8::try_from(status).ok()).unwrap_or(UNKNOWN)
}

fn not_run(error: &io::Error) -> u8 {
    if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE }
}
