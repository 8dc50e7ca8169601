//! Bodies, read within their bounds of size and time.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use http_body_util::BodyExt as _;

use super::problem::Problem;
use crate::core::limits::{BODY_BYTES_MAX, BODY_DRAIN_BYTES_MAX, BODY_SECONDS_MAX, LOG_BYTES_MAX};

/// Reads a body to its end and drops it.
pub(super) async fn discard(body: Body) -> Result<(), Problem> {
    // Most pings have none, and need no timer.
    if body.is_end_stream() { Ok(()) } else { read(body).await.map(drop) }
}

/// The end of a body as text: what a job has printed. `None` where there is none.
pub(super) async fn log(body: Body) -> Result<Option<String>, Problem> {
    if body.is_end_stream() {
        return Ok(None);
    }
    let bytes = read(body).await?;
    Ok((!bytes.is_empty()).then(|| log_of(&bytes)))
}

/// The last bytes of a log, from the beginning of a character on. What is not UTF-8, and NUL, at which the database
/// would cut it, is replaced.
fn log_of(bytes: &[u8]) -> String {
    let end = &bytes[bytes.len().saturating_sub(LOG_BYTES_MAX)..];
    let is_inside = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    let inside = end.iter().take(3).take_while(|byte| is_inside(byte)).count();
    let start = if end.len() < bytes.len() { inside } else { 0 };
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
    let bytes = read_within(body, bytes_max, LOG_BYTES_MAX, "beginning").await?;
    Ok((!bytes.is_empty()).then(|| log_that_begins(&bytes)))
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

/// Reads a body to its end.
pub(super) async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    read_within(body, BODY_BYTES_MAX, BODY_BYTES_MAX, "end").await
}

/// Reads a body of up to `bytes_max` bytes to its end, and returns its first `kept_max`. `kept` is what is kept of a log.
async fn read_within(
    body: Body,
    bytes_max: usize,
    kept_max: usize,
    kept: &str,
) -> Result<Vec<u8>, Problem> {
    let collected = collect(body, kept_max);
    match tokio::time::timeout(Duration::from_secs(BODY_SECONDS_MAX), collected).await {
        Ok(Ok((bytes, length))) if length <= bytes_max => Ok(bytes),
        Ok(Ok(_)) => Err(Problem::BodyTooLarge(format!(
            "the body is over {bytes_max} bytes: send less, the {kept} of a log is what is kept"
        ))),
        Ok(Err(_)) => Err(Problem::BadRequest("the body ended before it was complete".to_owned())),
        Err(_) => {
            Err(Problem::BodyTimeout(format!("the body took longer than {BODY_SECONDS_MAX} s")))
        }
    }
}

/// The first `kept_max` bytes of a body, and its length. One over its limit is read some way further, as most callers
/// read an answer only after they have sent everything.
async fn collect(mut body: Body, kept_max: usize) -> Result<(Vec<u8>, usize), axum::Error> {
    let (mut kept, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        let Some(data) = frame.data_ref() else { continue };
        length += data.len();
        kept.extend_from_slice(&data[..data.len().min(kept_max - kept.len())]);
        if length > BODY_DRAIN_BYTES_MAX {
            break;
        }
    }
    Ok((kept, length))
}
