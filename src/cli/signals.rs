//! Signals that a command is to get as if nothing stood between it and their sender.

use std::io;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use tokio::sync::mpsc;

use crate::core::limits::SIGNALS_WAITING_MAX;

/// What is passed on.
const PASSED_ON: [(i32, Signal); 6] = [
    (SIGTERM, Signal::TERM),
    (SIGINT, Signal::INT),
    (SIGHUP, Signal::HUP),
    (SIGQUIT, Signal::QUIT),
    (SIGUSR1, Signal::USR1),
    (SIGUSR2, Signal::USR2),
];

/// A signal that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    number: i32,
    /// Whether the command has it already.
    is_from_keys: bool,
}

impl Came {
    /// Whether it asks for an end.
    fn asks_to_end(self) -> bool {
        !matches!(self.number, SIGUSR1 | SIGUSR2)
    }

    /// Passes it on to the process `pid`, which must not have been waited for yet.
    pub(super) fn pass_on(self, pid: u32) {
        let signal = PASSED_ON.iter().find(|(number, _)| *number == self.number);
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        if let (Some((_, signal)), Some(pid), false) = (signal, pid, self.is_from_keys) {
            // It may have ended.
            let _ = kill_process(pid, *signal);
        }
    }
}

/// Signals as they come.
#[derive(Debug)]
pub(super) struct Signals {
    coming: Option<mpsc::Receiver<Came>>,
    /// How many asked for an end.
    asked: u32,
}

impl Signals {
    /// Listens from now on. Signals that are ignored, as by `nohup`, stay so, and the command ignores them too.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn listen() -> io::Result<Self> {
        let ignored = std::fs::read_to_string("/proc/self/status")
            .map_or(0, |status| ignored_signals(&status));
        let numbers = PASSED_ON.iter().map(|(number, _)| *number);
        let heard: Vec<i32> =
            numbers.filter(|number| ignored & (1_u64 << (number - 1)) == 0).collect();
        let mut signals = SignalsInfo::<WithOrigin>::new(&heard)?;
        let (sender, receiver) = mpsc::channel(SIGNALS_WAITING_MAX);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for origin in signals.forever() {
                let is_from_keys = is_from_keys(origin.signal, origin.cause);
                // More than can wait are told once, as signals are.
                let _ = sender.try_send(Came { number: origin.signal, is_from_keys });
            }
        })?;
        Ok(Self { coming: Some(receiver), asked: 0 })
    }

    /// None at all.
    pub(super) fn none() -> Self {
        Self { coming: None, asked: 0 }
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Came {
        let came = match &mut self.coming {
            Some(coming) => coming.recv().await,
            None => None,
        };
        let Some(came) = came else { return std::future::pending().await };
        self.asked += u32::from(came.asks_to_end());
        came
    }

    /// After the command's end: waits until somebody has asked for an end twice. The first one may be what ended the
    /// command, as whoever stops a service or presses Ctrl-C tells both.
    pub(super) async fn end(&mut self) {
        while !(self.next().await.asks_to_end() && self.asked > 1) {}
    }
}

/// Whether the keys of a terminal sent it (Ctrl-C, Ctrl-\): they send to the command too, and twice is not once.
fn is_from_keys(number: i32, cause: Cause) -> bool {
    cause == Cause::Kernel && matches!(number, SIGINT | SIGQUIT)
}

/// The set of ignored signals in `/proc/self/status`, the first signal in the lowest bit.
fn ignored_signals(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_keys_of_a_terminal_send_is_not_sent_again() {
        assert!(is_from_keys(SIGINT, Cause::Kernel) && is_from_keys(SIGQUIT, Cause::Kernel));
        assert!(!is_from_keys(SIGHUP, Cause::Kernel));
        let sent = Cause::Sent(signal_hook::low_level::siginfo::Sent::User);
        assert!(!is_from_keys(SIGINT, sent) && !is_from_keys(SIGTERM, sent));
    }

    #[test]
    fn ignored_signals_are_read_from_the_status() {
        let status = "Name:\tsh\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        assert_eq!(ignored_signals(status), (1 << (SIGHUP - 1)) | (1 << 12));
        assert_eq!(ignored_signals("Name:\tsh\n"), 0);
    }
}
