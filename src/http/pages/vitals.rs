//! How the monitor itself is, as every page's foot can say it.

use askama::Template;
use jiff::tz::TimeZone;

use super::words;
use crate::core::limits::{GAP_SECONDS_MAX, LISTENING_SWEEP_SECONDS_MAX, PAGE_SWEEP_SECONDS_MAX};
use crate::core::role::Role;
use crate::core::text::{clock_time_zoned, exact_time, rfc3339, rough_duration};
use crate::http::Api;

/// How the monitor is.
pub(super) struct Vitals {
    now_ms: i64,
    /// When it last swept, in Unix milliseconds; `None` where it does not.
    pub(super) swept_ms: Option<i64>,
    /// As of when a replica is.
    pub(super) heard_at: Option<i64>,
    /// How long the last commit took.
    pub(super) commit: Option<String>,
    /// The last attempt to deliver something.
    pub(super) delivery: Option<Delivery>,
    /// What this machine is.
    pub(super) role: String,
    /// What is wrong with it.
    pub(super) banner: Option<String>,
}

/// The last attempt to deliver something.
pub(super) struct Delivery {
    pub(super) at: String,
    pub(super) minutes: String,
    pub(super) accepted: bool,
}

/// The foot of a page, as it is sent again and again.
#[derive(Template)]
#[template(path = "vitals.html")]
pub(super) struct Foot<'a> {
    pub(super) vitals: &'a Vitals,
}

impl Vitals {
    /// How it is now.
    pub(super) async fn read(api: &Api) -> Self {
        let (store, zone, now_ms) = (&api.0.store, &api.0.zone, api.0.clock.now_ms());
        let (role, health, now) = (store.guard().role(), store.health(), now_ms.div_euclid(1000));
        let is_writing = role.may_write();
        let heard_at = if is_writing { None } else { store.listening_until().await.ok().flatten() };
        let last = store.last_delivery().await;
        let swept = health.swept_at().filter(|_| is_writing);
        let banner = if last.is_err() {
            Some("Nothing can be read at the moment: what is shown is as it was.".to_owned())
        } else if is_writing {
            stuck(health.trying_since(), swept, now, zone)
        } else {
            stale(&role, heard_at, now)
        };
        let delivery = last.ok().flatten().map(|last| Delivery {
            at: rfc3339(last.at),
            minutes: clock_time_zoned(last.at, now, zone),
            accepted: last.accepted,
        });
        Self {
            now_ms,
            swept_ms: swept.map(|swept| swept * 1000),
            heard_at,
            commit: health.commit_us().filter(|_| is_writing).map(commit),
            delivery,
            role: shown_role(&role),
            banner,
        }
    }

    pub(super) fn swept_ago(&self) -> String {
        let ms = (self.now_ms - self.swept_ms.unwrap_or(self.now_ms)).max(0);
        format!("{}.{} s", ms / 1000, ms % 1000 / 100)
    }

    pub(super) fn heard_ago(&self) -> String {
        rough_duration(self.now_ms.div_euclid(1000) - self.heard_at.unwrap_or_default())
    }

    /// The foot as HTML.
    pub(super) fn html(&self) -> String {
        Foot { vitals: self }.render().unwrap_or_default()
    }
}

fn commit(us: i64) -> String {
    if us < 10_000 {
        format!("{}.{} ms", us / 1000, us % 1000 / 100)
    } else {
        words::took(us / 1000)
    }
}

/// What is wrong with one that writes.
fn stuck(
    trying_since: Option<i64>,
    swept: Option<i64>,
    now: i64,
    zone: &TimeZone,
) -> Option<String> {
    let is_old = |since: &i64| now - since > PAGE_SWEEP_SECONDS_MAX;
    if let Some(since) = trying_since.filter(is_old) {
        return Some(format!(
            "Nothing could be stored since {}: pings are refused, and silence goes unnoticed until that ends.",
            exact_time(since, Some(now), zone)
        ));
    }
    swept.filter(is_old).map(|swept| {
        format!(
            "The last sweep was {} ago: silence goes unnoticed until the next.",
            rough_duration(now - swept)
        )
    })
}

/// What is wrong with one that follows.
fn stale(role: &Role, heard_at: Option<i64>, now: i64) -> Option<String> {
    if *role == Role::Unknown {
        return Some("LiteFS does not say what this machine is: it serves reads only.".to_owned());
    }
    let away = now - heard_at?;
    (away > GAP_SECONDS_MAX + LISTENING_SWEEP_SECONDS_MAX).then(|| {
        format!("What is shown is {} old: nothing newer has come here.", rough_duration(away))
    })
}

/// `primary`, or `replica of node1`.
fn shown_role(role: &Role) -> String {
    match (role, role.elsewhere()) {
        (Role::Alone, _) => "primary, alone".to_owned(),
        (_, Some(primary)) => format!("{} of {primary}", role.as_str()),
        (_, None) => role.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_three_seconds_without_a_sweep_are_said() {
        assert_eq!(stuck(None, Some(100), 103, &TimeZone::UTC), None);
        insta::assert_snapshot!(stuck(None, Some(100), 104, &TimeZone::UTC).unwrap(), @"The last sweep was 4 s ago: silence goes unnoticed until the next.");
        insta::assert_snapshot!(stuck(Some(100), Some(99), 104, &TimeZone::UTC).unwrap(), @"Nothing could be stored since 00:01:40 UTC: pings are refused, and silence goes unnoticed until that ends.");
        assert_eq!(stuck(Some(102), None, 104, &TimeZone::UTC), None);
    }

    #[test]
    fn what_a_replica_shows_may_be_old_and_says_so() {
        let follows = Role::Replica { primary: Some("a".to_owned()) };
        assert_eq!(stale(&follows, Some(100), 115), None);
        insta::assert_snapshot!(stale(&follows, Some(100), 116).unwrap(), @"What is shown is 16 s old: nothing newer has come here.");
        assert_eq!(shown_role(&follows), "replica of a");
        assert!(stale(&Role::Unknown, Some(100), 100).is_some());
    }

    #[test]
    fn a_commit_is_told_in_tenths_of_a_millisecond() {
        assert_eq!(
            [340, 9_990, 12_000, 2_000_000].map(commit),
            ["0.3 ms", "9.9 ms", "12 ms", "2 s"]
        );
    }
}
