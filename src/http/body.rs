//! Bodies, read within their bounds of size and time.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use http_body_util::BodyExt as _;

use super::problem::Problem;
use crate::core::limits::{BODY_BYTES_MAX, BODY_DRAIN_BYTES_MAX, BODY_SECONDS_MAX};

/// Reads a body to its end and drops it.
pub(super) async fn discard(body: Body) -> Result<(), Problem> {
    // Most pings have none, and need no timer.
    if body.is_end_stream() { Ok(()) } else { read(body).await.map(drop) }
}

/// Reads a body to its end.
pub(super) async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    match tokio::time::timeout(Duration::from_secs(BODY_SECONDS_MAX), collect(body)).await {
        Ok(Ok((bytes, length))) if bytes.len() == length => Ok(bytes),
        Ok(Ok(_)) => Err(Problem::BodyTooLarge(format!(
            "the body is over {BODY_BYTES_MAX} bytes: send less, the end of a log is what is kept"
        ))),
        Ok(Err(_)) => Err(Problem::BadRequest("the body ended before it was complete".to_owned())),
        Err(_) => {
            Err(Problem::BodyTimeout(format!("the body took longer than {BODY_SECONDS_MAX} s")))
        }
    }
}

/// A body as far as it is within its limit, and its length. One over the limit is read some way further, as most
/// callers read an answer only after they have sent everything.
async fn collect(mut body: Body) -> Result<(Vec<u8>, usize), axum::Error> {
    let (mut kept, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        let Some(data) = frame.data_ref() else { continue };
        length += data.len();
        if length <= BODY_BYTES_MAX {
            kept.extend_from_slice(data);
        } else if length > BODY_DRAIN_BYTES_MAX {
            break;
        }
    }
    Ok((kept, length))
}
