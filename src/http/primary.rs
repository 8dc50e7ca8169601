//! Only the primary stores. Everywhere else a request that writes is sent on, or held for a moment and refused: never a
//! 200 that stored nothing, and never a 404 for a name that has not come here yet.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse as _, Response};

use super::problem::{NO_PRIMARY, NotPrimaryNow, Problem, shown};
use crate::core::limits::ROLE_SETTLE_MS_MAX;
use crate::core::role::Role;
use crate::store::Guard;

/// What Fly's proxy adds to a request that it was sent away with.
static REPLAY_HEADERS: [HeaderName; 2] =
    [HeaderName::from_static("fly-replay-src"), HeaderName::from_static("fly-replay-failed")];

/// Whether Fly's proxy has been sent away with this request before: once more would be a circle. (Nobody is, from a machine
/// without others.)
pub(super) fn was_replayed(guard: &Guard, headers: &HeaderMap) -> bool {
    guard.has_others() && REPLAY_HEADERS.iter().any(|name| headers.contains_key(name))
}

/// Lets a request that writes through on the primary. Where another machine is known to be that, it is sent there; else
/// it is held until the role has settled, if that does not take too long.
pub(super) async fn permit(guard: &Guard, was_replayed: bool) -> Result<(), Problem> {
    let is_settled =
        |role: &Role| role.may_write() || (!was_replayed && role.elsewhere().is_some());
    let role = guard.settled(is_settled, Duration::from_millis(ROLE_SETTLE_MS_MAX)).await;
    if role.may_write() { Ok(()) } else { Err(elsewhere(&role, was_replayed)) }
}

/// The answer to a request that was let through and whose write failed as on a replica: that will be known in a moment.
pub(super) async fn after(response: Response, guard: &Guard, was_replayed: bool) -> Response {
    if response.extensions().get::<NotPrimaryNow>().is_none() {
        return response;
    }
    let is_settled = |role: &Role| role.elsewhere().is_some();
    let role = guard.settled(is_settled, Duration::from_millis(ROLE_SETTLE_MS_MAX)).await;
    elsewhere(&role, was_replayed).into_response()
}

fn elsewhere(role: &Role, was_replayed: bool) -> Problem {
    match role.elsewhere() {
        Some(primary) => Problem::NotPrimary {
            detail: format!(
                "this machine is a replica of {}, which alone can store this: try again in a second",
                shown(primary)
            ),
            replay_at: (!was_replayed).then(|| primary.to_owned()),
        },
        None => Problem::NotPrimary { detail: NO_PRIMARY.to_owned(), replay_at: None },
    }
}
