//! Bodies, read within their bounds of size and time. Of each no more is kept than somebody asks for: a thousand callers who
//! send a megabyte each would otherwise fill the memory, and need no key for that.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use http_body_util::BodyExt as _;

use super::problem::Problem;
use crate::core::limits::{BODY_BYTES_MAX, BODY_DRAIN_BYTES_MAX, BODY_SECONDS_MAX, LOG_BYTES_MAX};

/// Reads a body to its end and drops it.
pub(super) async fn discard(body: Body) -> Result<(), Problem> {
    // Most pings have none, and need no timer.
    if body.is_end_stream() {
        return Ok(());
    }
    read_within(body, BODY_BYTES_MAX, Kept::First(0), LOGS_ADVICE).await.map(drop)
}

/// The end of a body as text: what a job has printed. `None` where there is none.
pub(super) async fn log(body: Body) -> Result<Option<String>, Problem> {
    if body.is_end_stream() {
        return Ok(None);
    }
    let kept = Kept::Last(LOG_BYTES_MAX);
    let (bytes, length) = read_within(body, BODY_BYTES_MAX, kept, LOGS_ADVICE).await?;
    Ok((length > 0).then(|| log_that_ends(&bytes, length)))
}

/// The last bytes of a log of `length` bytes, from the beginning of a character on. What is not UTF-8, and NUL, at which
/// the database would cut it, is replaced.
fn log_that_ends(end: &[u8], length: usize) -> String {
    let is_inside = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    let inside = end.iter().take(3).take_while(|byte| is_inside(byte)).count();
    let start = if end.len() < length { inside } else { 0 };
    let mut log = String::from_utf8_lossy(&end[start..]).replace('\0', "\u{fffd}");
    let excess = log.len().saturating_sub(LOG_BYTES_MAX);
    log.drain(..log.ceil_char_boundary(excess));
    log
}

/// The beginning of a body of up to `bytes_max` bytes as text. `None` where there is none.
pub(super) async fn beginning(body: Body, bytes_max: usize) -> Result<Option<String>, Problem> {
    if body.is_end_stream() {
        return Ok(None);
    }
    let advice = "the beginning of a log is what is kept";
    let (bytes, length) = read_within(body, bytes_max, Kept::First(LOG_BYTES_MAX), advice).await?;
    Ok((length > 0).then(|| log_that_begins(&bytes)))
}

/// The first bytes of a log, to the end of a character, with the same replacements.
pub(super) fn log_that_begins(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(LOG_BYTES_MAX)];
    // A character that was cut is no fault of its log.
    let whole = start.utf8_chunks().last().map_or(0, |last| {
        let rest = last.invalid();
        let is_cut = bytes.len() >= LOG_BYTES_MAX && rest.len() < 4;
        if is_cut { rest.len() } else { 0 }
    });
    let mut log = String::from_utf8_lossy(&start[..start.len() - whole]).replace('\0', "\u{fffd}");
    log.truncate(log.floor_char_boundary(LOG_BYTES_MAX));
    log
}

/// The whole of a body of up to `bytes_max` bytes, which is to hold `what`.
pub(super) async fn whole(body: Body, bytes_max: usize, what: &str) -> Result<Vec<u8>, Problem> {
    let advice = format!("{what} needs no more");
    read_within(body, bytes_max, Kept::First(bytes_max), &advice).await.map(|(bytes, _)| bytes)
}

/// What to do about a log that is too long.
const LOGS_ADVICE: &str = "the end of a log is what is kept";

/// What is kept of a body while it is read.
#[derive(Clone, Copy, Debug)]
enum Kept {
    /// Its first bytes, so many.
    First(usize),
    /// Its last bytes, so many.
    Last(usize),
}

impl Kept {
    fn add(self, kept: &mut Vec<u8>, data: &[u8]) {
        match self {
            Self::First(bytes_max) => {
                kept.extend_from_slice(&data[..data.len().min(bytes_max - kept.len())]);
            }
            Self::Last(bytes_max) => {
                let end = &data[data.len().saturating_sub(bytes_max)..];
                kept.drain(..(kept.len() + end.len()).saturating_sub(bytes_max));
                kept.extend_from_slice(end);
            }
        }
    }
}

/// Reads a body of up to `bytes_max` bytes to its end, and returns what is `kept` of it, and its length.
async fn read_within(
    body: Body,
    bytes_max: usize,
    kept: Kept,
    advice: &str,
) -> Result<(Vec<u8>, usize), Problem> {
    let collected = collect(body, kept);
    match tokio::time::timeout(Duration::from_secs(BODY_SECONDS_MAX), collected).await {
        Ok(Ok((bytes, length))) if length <= bytes_max => Ok((bytes, length)),
        Ok(Ok(_)) => Err(Problem::BodyTooLarge(format!(
            "the body is over {bytes_max} bytes: send less, {advice}"
        ))),
        Ok(Err(_)) => Err(Problem::BadRequest("the body ended before it was complete".to_owned())),
        Err(_) => {
            Err(Problem::BodyTimeout(format!("the body took longer than {BODY_SECONDS_MAX} s")))
        }
    }
}

/// What is `kept` of a body, and its length. One over its limit is read some way further, as most callers read an answer
/// only after they have sent everything.
async fn collect(mut body: Body, kept: Kept) -> Result<(Vec<u8>, usize), axum::Error> {
    let (mut bytes, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        let Some(data) = frame.data_ref() else { continue };
        length += data.len();
        kept.add(&mut bytes, data);
        if length > BODY_DRAIN_BYTES_MAX {
            break;
        }
    }
    Ok((bytes, length))
}
