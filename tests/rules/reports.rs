//! How well services did: what is reckoned in spans is what counting each second gives.

use overdue::core::change::{Changed, What};
use overdue::core::listening::{Gap, Span};
use overdue::core::report::{Life, Line, Outage, line};
use proptest::prelude::*;

/// All that happens lies in these seconds.
const SECONDS: i64 = 24;

fn changed(at: i64, what: What) -> Changed {
    Changed {
        at,
        what,
        by_ping: false,
        key: None,
        signals: 0,
        was: None,
        is: None,
        paused: what == What::Paused,
        expected: None,
        deadline: None,
    }
}

fn life(changes: &[(i64, What)], outages: &[(i64, Option<i64>)], exists: bool) -> Life {
    let changes = changes.iter().map(|(at, what)| changed(*at, *what)).collect();
    let outage = |(started_at, ended_at): &(i64, Option<i64>)| Outage {
        started_at: *started_at,
        ended_at: *ended_at,
        lasted_until: started_at + 5,
    };
    let outages = outages.iter().map(outage).collect();
    Life { name: "backup".to_owned(), changes, outages, exists, is_cut: false }
}

fn gap(from: i64, to: i64) -> Gap {
    Gap { span: Span { from, to }, hold_until: to + 60 }
}

/// Second by second.
fn counted(past: &Life, period: Span, gaps: &[Gap], now: i64) -> Option<Line> {
    let seconds = period.from..period.to.min(now);
    let before = |second: i64| past.changes.iter().rfind(|changed| changed.at <= second);
    let last = past.changes.last().map_or(0, |changed| changed.at);
    let is_there = |second: i64| {
        before(second).is_some_and(|changed| changed.what != What::Deleted)
            && (past.exists || second < last)
    };
    let is_paused = |second: i64| before(second).is_some_and(|changed| changed.paused);
    let is_away =
        |second: i64| gaps.iter().any(|gap| (gap.span.from..gap.span.to).contains(&second));
    let count = |is: &dyn Fn(i64) -> bool| {
        let those = seconds.clone().filter(|second| is_there(*second) && is(*second));
        i64::try_from(those.count()).unwrap()
    };
    let is_watched = |second: i64| !is_paused(second) && !is_away(second);
    let mut line = Line {
        name: past.name.clone(),
        watched_seconds: count(&is_watched),
        away_seconds: count(&|second| is_away(second) && !is_paused(second)),
        paused_seconds: count(&is_paused),
        ..Line::default()
    };
    for outage in &past.outages {
        let end = outage.ended_at.unwrap_or(outage.lasted_until).min(now);
        let lasts = |second: i64| (outage.started_at..end).contains(&second);
        let out = count(&|second| is_watched(second) && lasts(second));
        let begins = count(&|second| is_watched(second) && second == outage.started_at);
        line.outages += u64::from(out > 0 || begins > 0);
        line.downtime_seconds += out;
        line.longest_seconds = line.longest_seconds.max(out);
    }
    line.downtime_seconds = line.downtime_seconds.min(line.watched_seconds);
    (count(&|_| true) > 0).then_some(line)
}

fn changes() -> impl Strategy<Value = Vec<(i64, What)>> {
    use What::{Changed, Deleted, Made, Paused, Resumed};
    let what = prop::sample::select(vec![Made, Changed, Paused, Paused, Resumed, Deleted]);
    let change = (0..SECONDS, what);
    prop::collection::vec(change, 0..6).prop_map(|mut changes| {
        changes.sort_by_key(|(at, _)| *at);
        changes
    })
}

fn outages() -> impl Strategy<Value = Vec<(i64, Option<i64>)>> {
    let outage = (0..SECONDS, prop::option::of(0..6_i64));
    let outage = outage.prop_map(|(start, length)| (start, length.map(|length| start + length)));
    prop::collection::vec(outage, 0..4)
}

fn gaps() -> impl Strategy<Value = Vec<Gap>> {
    prop::collection::vec((0..SECONDS, 0..6_i64), 0..3)
        .prop_map(|gaps| gaps.into_iter().map(|(from, length)| gap(from, from + length)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_report_is_what_counting_each_second_gives(
        changes in changes(),
        outages in outages(),
        gaps in gaps(),
        exists: bool,
        (from, to, now) in (0..SECONDS, 0..SECONDS, 0..SECONDS),
    ) {
        let past = life(&changes, &outages, exists);
        let period = Span { from, to };
        prop_assert_eq!(line(&past, period, &gaps, now), counted(&past, period, &gaps, now));
    }
}

#[test]
fn what_was_paused_or_not_heard_by_the_monitor_itself_is_left_out_and_shown() {
    let changes = [(100, What::Made), (300, What::Paused), (400, What::Resumed)];
    let past = life(&changes, &[(150, Some(160)), (550, Some(650))], true);
    let of = |past: &Life| line(past, Span { from: 0, to: 1000 }, &[gap(500, 600)], 900);
    let expected = Line {
        name: "backup".to_owned(),
        outages: 2,
        is_cut: false,
        downtime_seconds: 60,
        longest_seconds: 50,
        watched_seconds: 600,
        away_seconds: 100,
        paused_seconds: 100,
    };
    assert_eq!(of(&past), Some(expected.clone()));
    let cut = Life { is_cut: true, ..past };
    assert_eq!(of(&cut), Some(Line { is_cut: true, ..expected }));
}

#[test]
fn what_was_deleted_before_a_month_is_not_in_it() {
    let past = life(&[(100, What::Made), (500, What::Deleted)], &[], false);
    let from =
        |from| line(&past, Span { from, to: 1000 }, &[], 900).map(|line| line.watched_seconds);
    assert_eq!((from(499), from(500)), (Some(1), None));
}

#[test]
fn a_total_is_the_sum_of_its_lines_and_the_longest_of_them() {
    let one = Line {
        name: "backup".to_owned(),
        outages: 2,
        is_cut: true,
        downtime_seconds: 30,
        longest_seconds: 20,
        watched_seconds: 600,
        away_seconds: 100,
        paused_seconds: 50,
    };
    let other = Line {
        name: "reports".to_owned(),
        outages: 3,
        is_cut: false,
        downtime_seconds: 9,
        longest_seconds: 4,
        watched_seconds: 400,
        away_seconds: 10,
        paused_seconds: 5,
    };
    let mut total = Line::default();
    total.add(&other);
    assert_eq!(total, Line { name: String::new(), ..other.clone() });
    total.add(&one);
    total.add(&other);
    let expected = Line {
        name: String::new(),
        outages: 8,
        is_cut: true,
        downtime_seconds: 48,
        longest_seconds: 20,
        watched_seconds: 1400,
        away_seconds: 120,
        paused_seconds: 60,
    };
    assert_eq!(total, expected);
}
