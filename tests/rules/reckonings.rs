//! Gaps, retries and runs: what is reckoned in seconds and milliseconds.

use jiff::tz::TimeZone;
use overdue::core::alert::Kind;
use overdue::core::limits::{RUNS_MAX, WHEN_BYTES_MAX};
use overdue::core::listening::{Gap, Listening, Span};
use overdue::core::retry::{GivenUp, Obstacle, after_seconds, delay_seconds, is_given_up};
use overdue::core::role::Role;
use overdue::core::runs::{Began, Run, Runs};
use overdue::core::signal::{RunId, Signal};
use overdue::core::when::{self, WhenError};

use super::TEN;

const HOLD: i64 = 60;

fn until(second: i64) -> Listening {
    Listening { until: Some(second), gap: None }
}

#[test]
fn a_clock_that_is_a_minute_back_is_waited_for_and_one_further_back_is_believed() {
    assert_eq!(until(TEN + 60).heard_at(TEN, HOLD), until(TEN + 60));
    assert_eq!(until(TEN + 61).heard_at(TEN, HOLD), until(TEN));
    assert_eq!(until(TEN).heard_at(TEN, HOLD), until(TEN));
}

#[test]
fn a_gap_found_by_a_clock_that_was_wrong_is_forgotten_and_one_that_was_not_is_kept() {
    let with_gap = |to: i64| {
        let gap = Gap { span: Span { from: TEN - 100, to }, hold_until: to + HOLD };
        Listening { until: Some(TEN + 5000), gap: Some(gap) }
    };
    assert_eq!(with_gap(TEN + 60).heard_at(TEN, HOLD).gap, with_gap(TEN + 60).gap);
    assert_eq!(with_gap(TEN + 61).heard_at(TEN, HOLD).gap, None);
}

#[test]
fn a_gap_that_begins_in_the_last_second_of_a_hold_extends_the_one_before() {
    let gap = Gap { span: Span { from: TEN - 100, to: TEN }, hold_until: TEN + HOLD };
    let heard = |until: i64| {
        let before = Listening { until: Some(until), gap: Some(gap) };
        before
            .heard_at(until + 11, HOLD)
            .gap
            .map(|gap| (gap.span.from, gap.span.to, gap.hold_until))
    };
    assert_eq!(heard(TEN + 60), Some((TEN - 100, TEN + 71, TEN + 131)));
    assert_eq!(heard(TEN + 61), Some((TEN + 61, TEN + 72, TEN + 132)));
}

#[test]
fn a_wait_touches_a_gap_from_its_first_second_to_the_last_of_its_hold() {
    let gap = Gap { span: Span { from: TEN, to: TEN + 30 }, hold_until: TEN + 90 };
    assert_eq!(gap.touches(TEN - 60, TEN), Some(gap.span));
    assert_eq!(gap.touches(TEN - 60, TEN - 1), None);
    assert_eq!(gap.touches(TEN + 90, TEN + 200), Some(gap.span));
    assert_eq!(gap.touches(TEN + 91, TEN + 200), None);
    // A hand may have put what is expected behind the deadline: it is no wait before that.
    assert_eq!(gap.touches(TEN + 200, TEN + 90), Some(gap.span));
}

#[test]
fn what_is_remembered_is_written_when_it_goes_back_or_is_old() {
    assert!(!until(TEN).is_stale(until(TEN), 5));
    assert!(!until(TEN).is_stale(until(TEN + 5), 5));
    assert!(until(TEN).is_stale(until(TEN + 6), 5));
    assert!(until(TEN).is_stale(until(TEN - 1), 5));
    assert!(Listening::default().is_stale(until(TEN), 5));
    assert!(!Listening::default().is_stale(Listening::default(), 5));
    let gap = Gap { span: Span { from: TEN - 50, to: TEN }, hold_until: TEN + 60 };
    assert!(until(TEN).is_stale(Listening { gap: Some(gap), ..until(TEN) }, 5));
}

#[test]
fn retries_come_back_apart_and_end_after_two_days() {
    let waits = |jitter: f64| [1, 2, 3, 4, 5, 6, 7].map(|attempts| delay_seconds(attempts, jitter));
    assert_eq!(waits(0.0), [5, 15, 30, 60, 120, 300, 300]);
    assert_eq!(waits(0.5), [5, 16, 32, 63, 126, 315, 315]);
    assert_eq!(waits(1.0), [6, 17, 33, 66, 132, 330, 330]);
    assert_eq!(delay_seconds(6, -1.0), 300);
    assert!(!is_given_up(TEN, TEN + 172_799) && is_given_up(TEN, TEN + 172_800));
    assert_eq!(after_seconds(" 3600 ", TEN), Some(3600));
    assert_eq!(after_seconds("3601", TEN), Some(3600));
    assert_eq!(after_seconds("-5", TEN), Some(1));
    assert_eq!(after_seconds("Wed, 25 Nov 2026 10:02:00 +0000", TEN), Some(120));
}

#[test]
fn what_was_given_up_is_sent_again_unless_something_stands_against_it() {
    let obstacle = |kind, has_destination, is_of_deleted, end_was_told| {
        GivenUp { kind, has_destination, is_of_deleted, end_was_told }.obstacle()
    };
    assert_eq!(obstacle(Kind::Overdue, true, false, false), None);
    assert_eq!(obstacle(Kind::Overdue, false, true, true), Some(Obstacle::NoDestination));
    assert_eq!(obstacle(Kind::Failed, true, true, true), Some(Obstacle::EndTold));
    assert_eq!(obstacle(Kind::Reminder, true, true, false), Some(Obstacle::Deleted));
    assert_eq!(obstacle(Kind::Recovered, true, true, true), None);
    assert_eq!(obstacle(Kind::Recovered, false, false, false), Some(Obstacle::NoDestination));
}

#[test]
fn an_end_may_overtake_its_start_by_a_minute() {
    let id = RunId::parse("a").unwrap();
    let started = |at_ms: i64| {
        let mut runs = Runs::default();
        runs.end(Some(&id), Signal::Success, 1000);
        (runs.start(Some(&id), at_ms), runs.running_since())
    };
    assert_eq!(started(500), (false, None));
    assert_eq!(started(61_000), (false, None));
    assert_eq!(started(61_001), (true, Some(61)));
}

#[test]
fn of_too_many_runs_the_oldest_give_way() {
    let run = |at: i64| Run { id: RunId::parse(at.to_string()).ok(), began: Began::At(at * 1000) };
    let most = i64::try_from(RUNS_MAX).unwrap();
    let stored = Runs::new((0..most + 3).map(run).collect());
    assert_eq!(stored.all().first(), Some(&run(3)));
    assert_eq!(stored.all().len(), RUNS_MAX);
    let mut runs = Runs::default();
    for at in 0..=most {
        runs.start(run(at).id.as_ref(), at * 1000);
    }
    assert_eq!((runs.all().len(), runs.all().first()), (RUNS_MAX, Some(&run(1))));
    assert_eq!(runs.running_since(), Some(most));
}

#[test]
fn runs_are_told_apart_by_their_ids_and_one_without_takes_the_place_of_another() {
    let (a, b) = (RunId::parse("a").unwrap(), RunId::parse("b").unwrap());
    let mut runs = Runs::default();
    assert!(runs.start(None, 1000) && runs.start(Some(&a), 2000) && runs.start(None, 3000));
    assert_eq!(runs.all().len(), 2, "the first without an id is gone");
    assert!(runs.start(Some(&a), 4000), "the same one again");
    assert_eq!((runs.all().len(), runs.running_since()), (2, Some(4)));
    runs.retain(|ms| ms >= 4000);
    assert_eq!(runs.all().len(), 1);
    // A failure of a run that is not known ends all, and is remembered for its own start.
    assert_eq!(runs.end(Some(&b), Signal::Fail, 5000).started_ms, None);
    assert_eq!(runs.all(), [Run { id: Some(b), began: Began::After(5000) }]);
    runs.retain(|_| false);
    assert_eq!(runs.all().len(), 1, "what has no beginning yet stays");
    runs.clear();
    assert!(runs.all().is_empty());
}

#[test]
fn a_role_has_a_word_of_its_own_and_only_some_may_write() {
    let following = Role::Replica { primary: Some("b".to_owned()) };
    let lost = Role::Replica { primary: None };
    let roles = [&Role::Alone, &Role::Primary, &following, &Role::Unknown];
    assert_eq!(roles.map(Role::as_str), Role::WORDS);
    assert_eq!(roles.map(Role::may_write), [true, true, false, false]);
    assert_eq!(roles.map(Role::elsewhere), [None, None, Some("b"), None]);
    assert_eq!((lost.as_str(), lost.elsewhere()), ("replica", None));
}

#[test]
fn a_time_is_read_up_to_a_bound_and_up_to_now() {
    let of = |text: &str| when::parse(text, TEN, &TimeZone::UTC);
    let digits = |length: usize| format!("{TEN:0>length$}");
    assert_eq!(of(&digits(WHEN_BYTES_MAX)), Ok(TEN));
    assert_eq!(of(&digits(WHEN_BYTES_MAX + 1)), Err(WhenError::NotATime));
    assert_eq!(of(&format!(" {} ", digits(WHEN_BYTES_MAX))), Ok(TEN));
    assert_eq!(of(&(TEN + 1).to_string()), Err(WhenError::Ahead));
    assert_eq!(of("1970-01-01T00:00:00Z"), Ok(0));
    assert_eq!(of("1969-12-31T23:59:59Z"), Err(WhenError::NotATime));
}
