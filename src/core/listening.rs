//! Judging silence fairly: a monitor that was away did not hear.
//!
//! It keeps the last second at which it is known to have listened. Where that is longer ago than [`GAP_SECONDS_MAX`],
//! whatever the cause (a stop, a crash, a clock that jumped, a disk that was full), the time between is a gap. After a
//! gap silence is held against nobody for a while, so that clients that retry can be heard, and what is told of
//! nevertheless says that it is uncertain.

use super::limits::{GAP_SECONDS_MAX, TIMESTAMP_AHEAD_SECONDS_MAX};
use super::service::Service;

/// From one second to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub from: i64,
    /// The last.
    pub to: i64,
}

/// A time in which the monitor did not listen, and the hold after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// When it last listened before, and when it did again.
    pub span: Span,
    /// Until when silence is held against nobody.
    pub hold_until: i64,
}

/// What the monitor remembers of its own attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listening {
    /// The last second at which it is known to have listened; `None` on a new database.
    pub until: Option<i64>,
    /// The last gap.
    pub gap: Option<Gap>,
}

impl Listening {
    /// What is to be remembered as it listens at `now`, with holds of `hold_seconds`.
    #[must_use]
    pub fn heard_at(self, now: i64, hold_seconds: i64) -> Self {
        let Some(until) = self.until else { return Self { until: Some(now), ..self } };
        // A little ahead is a batch and a sweep that read the clock in turn; more is a clock that went back.
        if until > now {
            if until <= now + TIMESTAMP_AHEAD_SECONDS_MAX {
                return self;
            }
            // A gap that ends in days to come was found by a clock that was wrong; nobody is held until then.
            let gap = self.gap.filter(|gap| !gap.is_to_come(now));
            return Self { until: Some(now), gap };
        }
        if now - until <= GAP_SECONDS_MAX {
            return Self { until: Some(now), ..self };
        }
        // Within the hold of the gap before it nobody was judged, so both are one.
        let before = self.gap.filter(|gap| until <= gap.hold_until);
        let span = Span { from: before.map_or(until, |gap| gap.span.from), to: now };
        Self { until: Some(now), gap: Some(Gap { span, hold_until: now + hold_seconds }) }
    }

    /// Whether what is remembered at `next` is worth writing: a gap always, else only after `seconds`.
    pub fn is_stale(self, next: Self, seconds: i64) -> bool {
        let moved = match (self.until, next.until) {
            (Some(before), Some(after)) => after < before || after - before > seconds,
            (before, after) => before != after,
        };
        moved || self.gap != next.gap
    }
}

impl Gap {
    /// Whether it ends so far ahead of `now` that a wrong clock has found it.
    fn is_to_come(&self, now: i64) -> bool {
        self.span.to > now + TIMESTAMP_AHEAD_SECONDS_MAX
    }

    /// Whether the silence of `service` after `deadline` is not to be told of yet at `now`. What was overdue before the
    /// gap is; and nobody is held longer than their own frequency, as by then one that lives has pinged.
    pub fn holds(&self, service: &Service, deadline: i64, now: i64) -> bool {
        deadline >= self.span.from
            && now < self.hold_until.min(self.span.to + service.wait_seconds())
    }

    /// The gap, if a wait from `expected` to `deadline` touches it or its hold.
    pub fn touches(&self, expected: i64, deadline: i64) -> Option<Span> {
        (expected.min(deadline) <= self.hold_until && deadline >= self.span.from)
            .then_some(self.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: i64 = 60;

    fn listened_until(until: i64) -> Listening {
        Listening { until: Some(until), gap: None }
    }

    fn gap(from: i64, to: i64, hold_until: i64) -> Gap {
        Gap { span: Span { from, to }, hold_until }
    }

    #[test]
    fn ten_seconds_are_no_gap_and_eleven_are() {
        assert_eq!(listened_until(100).heard_at(110, HOLD), listened_until(110));
        assert_eq!(listened_until(100).heard_at(111, HOLD).gap, Some(gap(100, 111, 171)));
        assert_eq!(Listening::default().heard_at(111, HOLD), listened_until(111));
    }

    #[test]
    fn a_clock_that_went_back_is_no_gap() {
        assert_eq!(listened_until(100_000).heard_at(111, HOLD), listened_until(111));
        assert_eq!(listened_until(112).heard_at(111, HOLD), listened_until(112));
    }

    #[test]
    fn a_clock_that_was_ahead_for_a_moment_holds_nobody_when_it_is_right_again() {
        let glitch = listened_until(100).heard_at(2_592_000, HOLD);
        assert!(glitch.gap.is_some());
        assert_eq!(glitch.heard_at(105, HOLD), listened_until(105));
        assert_eq!(listened_until(150).heard_at(105, HOLD), listened_until(150));
    }

    #[test]
    fn a_gap_within_the_hold_extends_the_one_before_and_a_later_one_replaces_it() {
        let first = listened_until(100).heard_at(200, HOLD);
        assert_eq!(first.heard_at(205, HOLD).gap, first.gap);
        assert_eq!(first.heard_at(220, HOLD).gap, Some(gap(100, 220, 280)));
        let after_the_hold = Listening { until: Some(300), ..first };
        assert_eq!(after_the_hold.heard_at(400, HOLD).gap, Some(gap(300, 400, 460)));
    }

    #[test]
    fn it_is_written_when_it_is_old_or_a_gap_was_found() {
        let before = listened_until(100);
        assert!(!before.is_stale(before.heard_at(105, HOLD), 5));
        assert!(before.is_stale(before.heard_at(106, HOLD), 5));
        assert!(before.is_stale(before.heard_at(200, HOLD), 1000));
        assert!(Listening::default().is_stale(before, 5));
        assert!(listened_until(100_000).is_stale(listened_until(111), 5));
    }
}
