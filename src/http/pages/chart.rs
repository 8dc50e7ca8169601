//! How long runs took, as a chart that the server draws. Widths are percents and heights pixels, so that it fits any
//! screen and its words keep their size; what it looks like is the stylesheet's.

use askama::Template;
use jiff::tz::TimeZone;

use crate::core::limits::CHART_RUNS_MAX;
use crate::core::text;
use crate::store::Recorded;

/// The height of the chart.
const HEIGHT_PX: f64 = 176.0;

/// What is left free at the top, for the sign of a failure above the longest bar.
const HEADROOM_PX: f64 = 16.0;

/// The lowest bar that is seen.
const BAR_PX_MIN: f64 = 2.0;

/// Fewer runs than this leave room on the left, so that bars are no walls.
const SLOTS_MIN: usize = 24;

/// Steps of an axis of durations: values that people say.
const STEPS_MS: [i64; 27] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1000,
    2000,
    5000,
    10_000,
    15_000,
    30_000,
    60_000,
    2 * 60_000,
    5 * 60_000,
    10 * 60_000,
    15 * 60_000,
    30 * 60_000,
    3_600_000,
    2 * 3_600_000,
    3 * 3_600_000,
    6 * 3_600_000,
    12 * 3_600_000,
    86_400_000,
];

/// Lines of an axis, at most, the one at zero not counted.
const LINES_MAX: i64 = 4;

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// When it ended.
    pub(super) at: i64,
    /// How long it took, if its start was told.
    pub(super) duration_ms: Option<i64>,
    /// Whether it failed.
    pub(super) is_failure: bool,
    /// Its exit status, where it was given.
    pub(super) exit_status: Option<i64>,
}

impl Run {
    /// The runs of a history, the newest signal first; they come the oldest first.
    pub(super) fn all(signals: &[Recorded]) -> Vec<Self> {
        let ends = signals.iter().filter(|ping| matches!(ping.signal.as_str(), "success" | "fail"));
        let mut runs: Vec<Self> = ends
            .take(CHART_RUNS_MAX)
            .map(|ping| Self {
                at: ping.at,
                duration_ms: ping.duration_ms.filter(|ms| *ms >= 0),
                is_failure: ping.signal == "fail",
                exit_status: ping.exit_status,
            })
            .collect();
        runs.reverse();
        runs
    }
}

/// The chart.
#[derive(Debug, Template)]
#[template(path = "chart.html")]
pub(super) struct Chart {
    /// What it shows, for those who do not see it.
    summary: String,
    height: f64,
    /// Whether any duration is known; without one there is no axis.
    has_durations: bool,
    bars: Vec<Bar>,
    lines: Vec<Line>,
    usual: Option<Line>,
    first_at: Option<Moment>,
    last_at: Option<Moment>,
}

/// A second, for people and for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// As in `2026-11-25T02:00:00Z`.
    pub(super) rfc3339: String,
    /// As in `02:00:00 CET`, with the date where it is another day's; the script says it in the browser's zone.
    pub(super) shown: String,
}

impl Moment {
    /// The second `at`, as it is said in `zone` at `now`.
    pub(super) fn new(at: i64, now: i64, zone: &TimeZone) -> Self {
        Self { rfc3339: text::rfc3339(at), shown: text::exact_time(at, Some(now), zone) }
    }
}

/// One run. Places are percents of the width and pixels of the height.
#[derive(Debug)]
struct Bar {
    x: String,
    slot_x: String,
    width: String,
    slot_width: String,
    middle: String,
    y: String,
    height: String,
    has_duration: bool,
    is_failure: bool,
    /// Where the sign of a failure stands.
    sign_y: String,
    /// As in `2026-11-25T02:00:00Z`.
    at: String,
    title: String,
}

/// A line across, with its words.
#[derive(Debug)]
struct Line {
    y: String,
    text_y: String,
    words: String,
}

impl Chart {
    /// The chart of `runs`, the oldest first, as it is seen at `now`, with times in `zone`.
    pub(super) fn new(runs: &[Run], now: i64, zone: &TimeZone) -> Self {
        let runs = &runs[runs.len().saturating_sub(CHART_RUNS_MAX)..];
        let longest_ms = runs.iter().filter_map(|run| run.duration_ms).max();
        let scale = Scale::new(longest_ms.unwrap_or(0));
        let slots = runs.len().max(SLOTS_MIN);
        let bars = runs.iter().enumerate().map(|(index, run)| {
            let slot = slots - runs.len() + index;
            bar(run, slot, slots, &scale, now)
        });
        let usual = usual_ms(runs).map(|ms| scale.line(ms, format!("usually {}", duration(ms))));
        Self {
            summary: summary(runs),
            height: HEIGHT_PX,
            has_durations: longest_ms.is_some(),
            bars: bars.collect(),
            lines: scale.lines(),
            usual,
            first_at: runs.first().map(|run| Moment::new(run.at, now, zone)),
            last_at: runs
                .last()
                .filter(|_| runs.len() > 1)
                .map(|run| Moment::new(run.at, now, zone)),
        }
    }
}

/// How many steps reach `length`, which is positive.
fn steps(length: i64, step: i64) -> i64 {
    (length - 1) / step + 1
}

/// From durations to heights.
struct Scale {
    step_ms: i64,
    top_ms: i64,
}

impl Scale {
    fn new(longest_ms: i64) -> Self {
        let longest_ms = longest_ms.max(1);
        let round = STEPS_MS.into_iter().find(|step| longest_ms <= step * LINES_MAX);
        // Beyond days, whole days.
        let days = || steps(longest_ms, LINES_MAX * 86_400_000) * 86_400_000;
        let step_ms = round.unwrap_or_else(days);
        Self { step_ms, top_ms: steps(longest_ms, step_ms) * step_ms }
    }

    fn y(&self, ms: i64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "pixels")]
        let share = ms as f64 / self.top_ms as f64;
        HEADROOM_PX + (HEIGHT_PX - HEADROOM_PX) * (1.0 - share)
    }

    fn line(&self, ms: i64, words: String) -> Line {
        let y = self.y(ms);
        Line { y: px(y), text_y: px(y - 5.0), words }
    }

    fn lines(&self) -> Vec<Line> {
        (0..=self.top_ms / self.step_ms)
            .map(|number| number * self.step_ms)
            .map(|ms| self.line(ms, if ms == 0 { "0".to_owned() } else { duration(ms) }))
            .collect()
    }
}

fn bar(run: &Run, slot: usize, slots: usize, scale: &Scale, now: i64) -> Bar {
    let y = run.duration_ms.map_or(HEIGHT_PX, |ms| scale.y(ms).min(HEIGHT_PX - BAR_PX_MIN));
    #[expect(clippy::cast_precision_loss, reason = "percents")]
    let (slot, width) = (slot as f64 * 100.0 / slots as f64, 100.0 / slots as f64);
    let took = run.duration_ms.map_or_else(String::new, |ms| format!(", took {}", duration(ms)));
    let how = match (run.is_failure, run.exit_status) {
        (true, Some(status)) => format!("failed with exit status {status}"),
        (true, None) => "failed".to_owned(),
        (false, _) => "ran well".to_owned(),
    };
    Bar {
        x: percent(slot + width * 0.14),
        slot_x: percent(slot),
        width: percent(width * 0.72),
        slot_width: percent(width),
        middle: percent(slot + width / 2.0),
        y: px(y),
        height: px(HEIGHT_PX - y),
        has_duration: run.duration_ms.is_some(),
        is_failure: run.is_failure,
        sign_y: px(y - 4.0),
        at: text::rfc3339(run.at),
        title: format!("{}: {how}{took}", text::clock_time_utc(run.at, now)),
    }
}

/// The middle one of the durations of runs that went well; of all, where none did.
pub(super) fn usual_ms(runs: &[Run]) -> Option<i64> {
    let of = |failures: bool| {
        let chosen = runs.iter().filter(|run| failures || !run.is_failure);
        let mut durations: Vec<i64> = chosen.filter_map(|run| run.duration_ms).collect();
        durations.sort_unstable();
        durations.get(durations.len() / 2).copied()
    };
    of(false).or_else(|| of(true))
}

fn summary(runs: &[Run]) -> String {
    let failures = runs.iter().filter(|run| run.is_failure).count();
    let count = match runs.len() {
        0 => return "No run has ended yet.".to_owned(),
        1 => "The last run".to_owned(),
        count => format!("The last {count} runs"),
    };
    let failed = match failures {
        0 => "none failed".to_owned(),
        1 => "one failed".to_owned(),
        failures => format!("{failures} failed"),
    };
    let usual = usual_ms(runs).map_or_else(String::new, |ms| format!(", usually {}", duration(ms)));
    let longest = runs.iter().filter_map(|run| run.duration_ms).max().filter(|_| runs.len() > 1);
    let longest = longest.map_or_else(String::new, |ms| format!(", at most {}", duration(ms)));
    format!("{count}: {failed}{usual}{longest}.")
}

/// A duration as people say it: `250 ms`, `4.2 s`, `3 min`, `1 h 12 min`.
pub(super) fn duration(ms: i64) -> String {
    match ms.max(0) {
        ms @ 0..1000 => format!("{ms} ms"),
        ms @ 1000..10_000 if ms % 1000 >= 100 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        ms @ 60_000..600_000 if ms % 60_000 >= 1000 => {
            format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000)
        }
        ms => text::rough_duration(ms / 1000),
    }
}

/// A part of the width.
pub(super) fn percent(value: f64) -> String {
    format!("{}%", rounded(value))
}

/// A part of the height.
fn px(value: f64) -> String {
    rounded(value)
}

fn rounded(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_600_800;

    fn runs(durations_ms: &[Option<i64>]) -> Vec<Run> {
        let run = |(at, duration_ms): (i64, &Option<i64>)| Run {
            at: NOW - 3600 + at,
            duration_ms: *duration_ms,
            is_failure: false,
            exit_status: None,
        };
        (0..).zip(durations_ms).map(run).collect()
    }

    fn count(html: &str, what: &str) -> usize {
        html.matches(what).count()
    }

    fn axis(longest_ms: i64) -> String {
        let lines = Scale::new(longest_ms).lines();
        lines.into_iter().map(|line| line.words).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn an_axis_has_a_few_round_values_up_to_the_longest() {
        insta::assert_snapshot!(axis(0), @"0, 1 ms");
        insta::assert_snapshot!(axis(730), @"0, 200 ms, 400 ms, 600 ms, 800 ms");
        insta::assert_snapshot!(axis(48_000), @"0, 15 s, 30 s, 45 s, 1 min");
        insta::assert_snapshot!(axis(183_000), @"0, 1 min, 2 min, 3 min, 4 min");
        insta::assert_snapshot!(axis(7_800_000), @"0, 1 h, 2 h, 3 h");
        insta::assert_snapshot!(axis(86_400_000 * 40), @"0, 10 d, 20 d, 30 d, 40 d");
        for exponent in 0..62 {
            let lines = Scale::new(1 << exponent).lines();
            assert!((2..=5).contains(&lines.len()), "{exponent}");
        }
    }

    #[test]
    fn there_is_a_bar_for_each_run_and_a_sign_for_each_failure() {
        for number in [0, 1, 3, 100, 250] {
            let mut all = runs(&vec![Some(183_000); number]);
            for failure in all.iter_mut().skip(1).step_by(50) {
                (failure.is_failure, failure.exit_status) = (true, Some(3));
            }
            let html = Chart::new(&all, NOW, &TimeZone::UTC).render().unwrap();
            let shown = number.min(CHART_RUNS_MAX);
            let failures = all[number - shown..].iter().filter(|run| run.is_failure).count();
            assert_eq!(count(&html, "<rect class=\"bar"), shown, "{html}");
            assert_eq!(count(&html, "<path class=\"sign"), failures, "{html}");
            assert_eq!(count(&html, "usually 3 min 3 s<"), usize::from(number > 0));
            assert!(!html.contains("style="), "{html}");
        }
    }

    #[test]
    fn a_run_without_a_duration_is_a_dot_and_runs_of_none_have_no_axis() {
        let html = Chart::new(&runs(&[Some(5000), None]), NOW, &TimeZone::UTC).render().unwrap();
        assert_eq!(
            (count(&html, "<rect class=\"bar"), count(&html, "<circle class=\"dot")),
            (1, 1)
        );
        let html = Chart::new(&runs(&[None, None]), NOW, &TimeZone::UTC).render().unwrap();
        assert_eq!((count(&html, "<line"), count(&html, "<circle class=\"dot")), (0, 2), "{html}");
    }

    #[test]
    fn what_it_shows_is_said_for_those_who_do_not_see_it() {
        let mut all = runs(&[Some(183_000), Some(190_000), Some(4_320_000), None]);
        all[2].is_failure = true;
        insta::assert_snapshot!(summary(&all), @"The last 4 runs: one failed, usually 3 min 10 s, at most 1 h 12 min.");
        insta::assert_snapshot!(summary(&all[..1]), @"The last run: none failed, usually 3 min 3 s.");
        insta::assert_snapshot!(summary(&[]), @"No run has ended yet.");
    }

    #[test]
    fn durations_are_said_as_people_say_them() {
        let said: Vec<String> =
            [-1, 250, 1000, 4230, 48_000, 60_000, 183_000, 4_320_000].map(duration).into();
        assert_eq!(
            said,
            ["0 ms", "250 ms", "1 s", "4.2 s", "48 s", "1 min", "3 min 3 s", "1 h 12 min"]
        );
    }
}
