//! When a delivery that failed is tried again.

use super::alert::Kind;
use super::limits::{DELIVERY_RETRY_SECONDS_MAX, RETRY_AFTER_SECONDS_MAX};

/// Seconds to wait after the first, second, … failed attempt; the last one repeats.
const SCHEDULE_SECONDS: [i64; 6] = [5, 15, 30, 60, 120, 300];

/// Seconds to wait after so many failed attempts (at least one), `jitter` (0 to 1) included: up to a tenth more, so
/// that what failed together does not come back together.
pub fn delay_seconds(attempts: i64, jitter: f64) -> i64 {
    let step =
        usize::try_from(attempts.max(1) - 1).unwrap_or(usize::MAX).min(SCHEDULE_SECONDS.len() - 1);
    let seconds = SCHEDULE_SECONDS[step];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "at most 330 seconds"
    )]
    let extra = (seconds as f64 / 10.0 * jitter.clamp(0.0, 1.0)).round() as i64;
    seconds + extra
}

/// The seconds that the value of a `Retry-After` header asks for at `now`, within bounds: a number, or a date (RFC 9110,
/// section 10.2.3).
pub fn after_seconds(text: &str, now: i64) -> Option<i64> {
    let text = text.trim();
    let seconds = text.parse().ok().or_else(|| {
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Some(date.as_second() - now)
    });
    seconds.map(|seconds: i64| seconds.clamp(1, RETRY_AFTER_SECONDS_MAX))
}

/// Whether an alert raised at `since`, or asked for again then, is too old at `now` to be tried again.
pub fn is_given_up(since: i64, now: i64) -> bool {
    now - since >= DELIVERY_RETRY_SECONDS_MAX
}

/// A delivery that was given up, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// What the alert tells.
    pub kind: Kind,
    /// Whether there still is such a destination.
    pub has_destination: bool,
    /// Whether the service was deleted since.
    pub is_of_deleted: bool,
    /// Whether the destination was told of the end of its outage.
    pub end_was_told: bool,
}

/// Why a delivery that was given up is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no such destination any more: it would be given up again.
    NoDestination,
    /// The service was deleted: the alert would open what nothing ends.
    Deleted,
    /// The destination was told that it is over: so would it.
    EndTold,
}

impl GivenUp {
    /// What keeps it from being sent again. The end of an outage may always be told.
    pub fn obstacle(&self) -> Option<Obstacle> {
        let opens = self.kind != Kind::Recovered;
        if !self.has_destination {
            Some(Obstacle::NoDestination)
        } else if opens && self.end_was_told {
            Some(Obstacle::EndTold)
        } else if opens && self.is_of_deleted {
            Some(Obstacle::Deleted)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_five_minutes_and_stay_there() {
        let waits: Vec<i64> = (1..=8).map(|attempts| delay_seconds(attempts, 0.0)).collect();
        assert_eq!(waits, [5, 15, 30, 60, 120, 300, 300, 300]);
        assert_eq!(delay_seconds(i64::MAX, 0.0), 300);
        assert_eq!(delay_seconds(0, 0.0), 5);
    }

    #[test]
    fn jitter_adds_up_to_a_tenth() {
        assert_eq!(delay_seconds(4, 1.0), 66);
        assert_eq!(delay_seconds(6, 7.0), 330);
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_date_within_bounds() {
        let now = 1_445_412_420; // Wed, 21 Oct 2015 07:27:00 GMT
        assert_eq!(after_seconds("120", now), Some(120));
        assert_eq!(after_seconds("Wed, 21 Oct 2015 07:28:00 GMT", now), Some(60));
        assert_eq!(after_seconds("Wed, 21 Oct 2015 07:00:00 GMT", now), Some(1));
        assert_eq!(after_seconds("0", now), Some(1));
        assert_eq!(after_seconds("999999999", now), Some(3600));
        assert_eq!(after_seconds("soon", now), None);
    }

    #[test]
    fn two_days_are_the_end() {
        assert!(!is_given_up(0, 172_799));
        assert!(is_given_up(0, 172_800));
    }
}
