//! The output of a command: passed through as it comes, byte by byte, and its end remembered.
//!
//! Each stream has a thread of its own, so that one that nobody reads holds up no other. Where both lead to the same
//! place, as after `2>&1`, they share one pipe, so that their order is kept too.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;

use crate::core::limits::{LOG_BYTES_MAX, OUTPUT_AFTER_END_MS_MAX, OUTPUT_CHUNK_BYTES};

/// The end of the output, both streams in the order in which they came.
#[derive(Clone, Debug, Default)]
struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    fn push(&self, bytes: &[u8]) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = &bytes[bytes.len().saturating_sub(LOG_BYTES_MAX)..];
        let surplus = (tail.len() + bytes.len()).saturating_sub(LOG_BYTES_MAX);
        tail.drain(..surplus);
        tail.extend(bytes);
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

/// The last bytes of what `source` holds, as many as a log has.
///
/// # Errors
/// What the system said.
pub(super) fn last_bytes(mut source: impl io::Read) -> io::Result<Vec<u8>> {
    let (tail, mut chunk) = (Tail::default(), vec![0; OUTPUT_CHUNK_BYTES]);
    loop {
        match source.read(&mut chunk) {
            Ok(0) => return Ok(tail.bytes()),
            Ok(count) => tail.push(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The output of a command that is passed through.
#[derive(Debug)]
pub(super) struct Output {
    tail: Tail,
    /// Dropped once the command has ended, which wakes the threads.
    running: Option<PipeWriter>,
    /// Closed once every thread has passed on what there was.
    passing: mpsc::Receiver<()>,
}

impl Output {
    /// Pipes for a command's standard output and error, and who passes on what comes out of them.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn pipes() -> io::Result<(Stdio, Stdio, Self)> {
        let (tail, (ended, running)) = (Tail::default(), io::pipe()?);
        let (passes, passing) = mpsc::channel(1);
        let (stdout, stderr) = (own(io::stdout().as_fd())?, own(io::stderr().as_fd())?);
        let start = |source: PipeReader, sink: File| -> io::Result<()> {
            let (tail, ended, passes) = (tail.clone(), ended.try_clone()?, passes.clone());
            std::thread::Builder::new().name("output".to_owned()).spawn(move || {
                let _passes = passes;
                pass(source, &sink, &ended, &tail);
            })?;
            Ok(())
        };
        let (source, out) = io::pipe()?;
        let error = if is_same(&stdout, &stderr) {
            out.try_clone()?
        } else {
            let (source, error) = io::pipe()?;
            start(source, stderr)?;
            error
        };
        start(source, stdout)?;
        Ok((out.into(), error.into(), Self { tail, running: Some(running), passing }))
    }

    /// Says that the command has ended: what it left behind may write for a moment longer.
    pub(super) fn ended(&mut self) {
        self.running = None;
    }

    /// Waits until all is passed on.
    pub(super) async fn passed(&mut self) {
        while self.passing.recv().await.is_some() {}
    }

    /// The end of the output as far as it has come.
    pub(super) fn log(&self) -> Vec<u8> {
        self.tail.bytes()
    }
}

/// Our own stream, without the buffer that the standard library puts before it.
fn own(stream: BorrowedFd<'_>) -> io::Result<File> {
    Ok(File::from(stream.try_clone_to_owned()?))
}

/// Whether both lead to the same file, pipe or terminal.
fn is_same(one: &File, other: &File) -> bool {
    let (Ok(one), Ok(other)) = (rustix::fs::fstat(one), rustix::fs::fstat(other)) else {
        return false;
    };
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// Passes on what comes from `source` until its end. Once the command has `ended`, what it has written is passed on all
/// the same, but something else that keeps the pipe open is not waited for.
fn pass(mut source: PipeReader, sink: &File, ended: &PipeReader, tail: &Tail) {
    let mut chunk = vec![0; OUTPUT_CHUNK_BYTES];
    let mut until: Option<Instant> = None;
    // What is still to be passed on, once the time after the end is over.
    let mut rest: Option<u64> = None;
    let mut sink = Some(sink);
    while rest != Some(0) {
        match wait(&source, until.is_none().then_some(ended), until) {
            Ready::Source => {}
            Ready::Ended => {
                until = Some(Instant::now() + Duration::from_millis(OUTPUT_AFTER_END_MS_MAX));
                continue;
            }
            Ready::TimeIsUp => {
                if rest.is_some() {
                    return;
                }
            }
        }
        if rest.is_none() && until.is_some_and(|until| Instant::now() >= until) {
            rest = Some(rustix::io::ioctl_fionread(&source).unwrap_or(0));
            continue;
        }
        let count = match source.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        tail.push(&chunk[..count]);
        rest = rest.map(|rest| rest.saturating_sub(count as u64));
        match sink.map(|sink| write(sink, &chunk[..count])) {
            // Nobody reads any more: the command is to learn of it as it would without us.
            Some(Err(error)) if error.kind() == ErrorKind::BrokenPipe => return,
            // A full disk, say: no reason to stop the command, but its output cannot be had.
            Some(Err(error)) => {
                let _ = writeln!(
                    io::stderr(),
                    "overdue: the command's output cannot be passed on: {error}"
                );
                sink = None;
            }
            Some(Ok(())) | None => {}
        }
    }
}

enum Ready {
    /// There is something to read, or the end of it.
    Source,
    /// The command has ended, and there is nothing to read at the moment.
    Ended,
    /// There was nothing to read for as long as was to be waited.
    TimeIsUp,
}

fn wait(source: &PipeReader, ended: Option<&PipeReader>, until: Option<Instant>) -> Ready {
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut streams = vec![PollFd::new(source, PollFlags::IN)];
        streams.extend(ended.map(|ended| PollFd::new(ended, PollFlags::IN)));
        match poll(&mut streams, left.as_ref()) {
            Ok(0) => return Ready::TimeIsUp,
            // The end of the command first: what it left behind may write without a pause.
            Ok(_) if streams.get(1).is_some_and(|ended| !ended.revents().is_empty()) => {
                return Ready::Ended;
            }
            Err(rustix::io::Errno::INTR) => {}
            // Where polling failed, reading says what is wrong.
            _ => return Ready::Source,
        }
    }
}

/// Writes all of `bytes`, also where our own stream was left in a mode that does not wait.
fn write(mut sink: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut streams = [PollFd::new(&sink, PollFlags::OUT)];
                match poll(&mut streams, None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_bytes_however_they_came() {
        let all: Vec<u8> = (0..LOG_BYTES_MAX * 3).map(|i| u8::try_from(i % 251).unwrap()).collect();
        for size in [1, 7, 9_999, LOG_BYTES_MAX, LOG_BYTES_MAX + 1, all.len()] {
            let tail = Tail::default();
            all.chunks(size).for_each(|chunk| tail.push(chunk));
            assert_eq!(tail.bytes(), &all[all.len() - LOG_BYTES_MAX..], "{size}");
        }
        assert_eq!(last_bytes(&all[..5]).unwrap(), &all[..5]);
    }
}
