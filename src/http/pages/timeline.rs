//! A service's past and what is next on one line: pings, failures, outages, and when the monitor itself was away. Places
//! are percents of the width, as in the chart of durations.

use askama::Template;
use jiff::tz::TimeZone;

use super::chart::{Moment, duration, percent};
use crate::core::limits::TIMELINE_SPANS_MAX;
use crate::core::listening::Span;
use crate::core::text;
use crate::store::Recorded;

/// What is left free on both sides, as a share of the time that is shown.
const MARGIN_SHARE: f64 = 0.02;

/// The shortest time that is shown.
const SECONDS_MIN: i64 = 60;

/// With fewer signals than this the time to the deadline may take more room than the past.
const FEW_SIGNALS: usize = 10;

/// Steps of the axis: values that people say.
const STEPS_SECONDS: [i64; 18] = [
    15,
    30,
    60,
    5 * 60,
    10 * 60,
    15 * 60,
    30 * 60,
    3600,
    2 * 3600,
    3 * 3600,
    6 * 3600,
    12 * 3600,
    86_400,
    2 * 86_400,
    5 * 86_400,
    10 * 86_400,
    30 * 86_400,
    90 * 86_400,
];

/// Words below the axis besides `now`, at most.
const WORDS_MAX: i64 = 4;

/// Words closer than so many percents would stand on each other.
const WORDS_APART_PERCENT: f64 = 9.0;

/// A length stands above a block only where the block before it leaves so many percents.
const LENGTHS_APART_PERCENT: f64 = 9.0;

/// The deadline's words take so many percents, and more on a phone.
const DEADLINE_WORDS_PERCENT: f64 = 18.0;

/// Up to here a phone has room for a length beside the deadline's words.
const PHONE_ROOM_PERCENT: f64 = 40.0;

/// The narrowest block that is seen.
const BLOCK_PERCENT_MIN: f64 = 0.3;

/// An outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outage {
    /// When it began.
    pub(super) from: i64,
    /// When it ended; `None` while it lasts.
    pub(super) to: Option<i64>,
}

/// What the timeline is drawn from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// The history, the newest first.
    pub(super) signals: &'a [Recorded],
    /// The outages, the newest first.
    pub(super) outages: &'a [Outage],
    /// When the monitor did not listen, the newest first.
    pub(super) gaps: &'a [Span],
    /// When a ping is expected.
    pub(super) expected: Option<i64>,
    /// When silence counts.
    pub(super) deadline: Option<i64>,
    /// The present.
    pub(super) now: i64,
    /// The zone of times.
    pub(super) zone: &'a TimeZone,
}

/// The timeline.
#[derive(Debug, Template)]
#[template(path = "timeline.html")]
pub(super) struct Timeline {
    /// What it shows, for those who do not see it.
    summary: String,
    /// The first signal; `None`: nothing has been heard.
    since: Option<Moment>,
    /// How many signals, outages and gaps there are.
    counts: String,
    ticks: Vec<Tick>,
    outages: Vec<Block>,
    gaps: Vec<Block>,
    grace: Option<Block>,
    now: Word,
    deadline: Option<Deadline>,
    words: Vec<Word>,
    has_failures: bool,
}

/// A signal.
#[derive(Debug)]
struct Tick {
    x: String,
    signal: String,
    /// As in `2026-11-25T02:00:00Z`.
    at: String,
    title: String,
}

/// A time from here to there.
#[derive(Debug)]
struct Block {
    x: String,
    width: String,
    /// How long, where there is room to say it.
    length: Option<Length>,
    title: String,
}

#[derive(Debug)]
struct Length {
    x: String,
    words: String,
    /// Whether they end there.
    is_right: bool,
    /// Whether there is room for it on a phone, too.
    is_roomy: bool,
}

/// A word below the axis.
#[derive(Debug)]
struct Word {
    x: String,
    words: String,
    /// Where they stand: `start` or `end` at the edges, else in the middle.
    anchor: &'static str,
    /// Whether a narrow screen does without it.
    is_extra: bool,
}

#[derive(Debug)]
struct Deadline {
    x: String,
    title: String,
    /// Words beside the line, where it lies ahead.
    words: Option<String>,
    /// Whether it lies beyond what is shown.
    is_beyond: bool,
    /// Whether the words stand to the left of it.
    is_right: bool,
}

impl Timeline {
    /// The timeline of what is known.
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        let window = Window::new(facts);
        let now = facts.now;
        let since = facts.signals.last().map(|first| Moment::new(first.at, now, facts.zone));
        let counts = counts(facts);
        Self {
            summary: since.as_ref().map_or_else(
                || "Nothing has been heard yet.".to_owned(),
                |since| format!("Since {}: {counts}.", since.shown),
            ),
            since,
            counts,
            ticks: facts.signals.iter().rev().map(|ping| tick(ping, &window, now)).collect(),
            outages: outages(facts, &window),
            gaps: gaps(facts, &window),
            grace: grace(facts, &window),
            now: word(window.x(now), "now".to_owned(), false),
            deadline: facts.deadline.map(|deadline| mark(deadline, &window, now)),
            words: words(&window, now),
            has_failures: facts.signals.iter().any(|ping| ping.signal == "fail"),
        }
    }
}

/// The time that is shown.
struct Window {
    from: i64,
    to: i64,
}

impl Window {
    fn new(facts: &Facts<'_>) -> Self {
        let now = facts.now;
        let firsts = facts.signals.iter().map(|ping| ping.at);
        // Without a history, what else is known of the past.
        let first = firsts.min().or_else(|| facts.outages.iter().map(|outage| outage.from).min());
        let from = first.unwrap_or(now).min(now);
        let past = (now - from).max(SECONDS_MIN);
        let ahead_max = if facts.signals.len() < FEW_SIGNALS {
            i64::MAX / 4
        } else {
            (past / 2).max(SECONDS_MIN)
        };
        let to = facts.deadline.unwrap_or(now).clamp(now, now.saturating_add(ahead_max));
        Self { from: from.min(to - SECONDS_MIN), to }
    }

    /// Where a second stands, in percents; what lies outside stands at the edge.
    #[expect(clippy::cast_precision_loss, reason = "percents")]
    fn x(&self, second: i64) -> f64 {
        let share = (second - self.from) as f64 / (self.to - self.from) as f64;
        let inside = share.clamp(-MARGIN_SHARE, 1.0 + MARGIN_SHARE);
        (inside + MARGIN_SHARE) / (1.0 + 2.0 * MARGIN_SHARE) * 100.0
    }

    /// Where a time stands and how wide it is.
    fn span(&self, from: i64, to: i64) -> (f64, f64) {
        let x = self.x(from);
        (x, (self.x(to) - x).max(BLOCK_PERCENT_MIN))
    }

    fn shows(&self, from: i64, to: i64) -> bool {
        to >= self.from && from <= self.to
    }
}

fn tick(ping: &Recorded, window: &Window, now: i64) -> Tick {
    let exit = match ping.exit_status {
        Some(status) if ping.signal == "fail" => format!(", exit status {status}"),
        _ => String::new(),
    };
    let took = ping.duration_ms.map_or_else(String::new, |ms| format!(", took {}", duration(ms)));
    Tick {
        x: percent(window.x(ping.at)),
        signal: ping.signal.clone(),
        at: text::rfc3339(ping.at),
        title: format!("{}: {}{exit}{took}", text::clock_time_utc(ping.at, now), ping.signal),
    }
}

fn outages(facts: &Facts<'_>, window: &Window) -> Vec<Block> {
    let now = facts.now;
    let shown =
        facts.outages.iter().filter(|outage| window.shows(outage.from, outage.to.unwrap_or(now)));
    let mut blocks: Vec<Block> = Vec::new();
    let mut last_x = -100.0;
    // Words of a deadline that lies ahead stand to its left.
    let deadline = facts.deadline.filter(|deadline| *deadline >= now);
    let room = deadline.map_or(101.0, |deadline| window.x(deadline) - DEADLINE_WORDS_PERCENT);
    let shown: Vec<&Outage> = shown.take(TIMELINE_SPANS_MAX).collect();
    for outage in shown.into_iter().rev() {
        let to = outage.to.unwrap_or(now);
        let (x, width) = window.span(outage.from, to);
        let words = text::rough_duration(to - outage.from);
        let title = match outage.to {
            Some(_) => format!("outage of {words} from {}", text::clock_time_utc(outage.from, now)),
            None => format!("outage since {}: {words}", text::clock_time_utc(outage.from, now)),
        };
        // At the right edge the words end where the block does.
        let is_right = x > 100.0 - LENGTHS_APART_PERCENT;
        let begins = if is_right { x + width - LENGTHS_APART_PERCENT } else { x };
        let apart = begins - last_x;
        let is_free = begins + LENGTHS_APART_PERCENT <= room;
        let length = (apart >= LENGTHS_APART_PERCENT && is_free).then(|| {
            last_x = begins;
            let x = percent(if is_right { x + width } else { x });
            let is_roomy =
                apart >= 3.0 * LENGTHS_APART_PERCENT && (is_right || begins <= PHONE_ROOM_PERCENT);
            Length { x, words, is_right, is_roomy }
        });
        blocks.push(Block { x: percent(x), width: percent(width), length, title });
    }
    blocks
}

fn gaps(facts: &Facts<'_>, window: &Window) -> Vec<Block> {
    let shown = facts.gaps.iter().filter(|gap| window.shows(gap.from, gap.to));
    let block = |gap: &Span| {
        let (x, width) = window.span(gap.from, gap.to);
        let (from, to) =
            (text::clock_time_utc(gap.from, facts.now), text::clock_time_utc(gap.to, facts.now));
        let away = text::rough_duration(gap.to - gap.from);
        let title = format!("the monitor itself was away for {away}, from {from} to {to}");
        Block { x: percent(x), width: percent(width), length: None, title }
    };
    shown.take(TIMELINE_SPANS_MAX).map(block).collect()
}

fn grace(facts: &Facts<'_>, window: &Window) -> Option<Block> {
    let (expected, deadline) = (facts.expected?, facts.deadline?);
    if deadline <= expected || expected > window.to {
        return None;
    }
    let (x, width) = window.span(expected, deadline);
    let title = format!("grace: {}", text::rough_duration(deadline - expected));
    Some(Block { x: percent(x), width: percent(width), length: None, title })
}

fn mark(deadline: i64, window: &Window, now: i64) -> Deadline {
    let x = window.x(deadline);
    let is_beyond = deadline > window.to;
    let ahead = (deadline >= now).then(|| text::rough_duration(deadline - now));
    let arrow = if is_beyond { " →" } else { "" };
    Deadline {
        x: percent(x),
        title: format!("deadline: {}", text::clock_time_utc(deadline, now)),
        words: ahead.map(|ahead| format!("deadline in {ahead}{arrow}")),
        is_beyond,
        is_right: x > 50.0,
    }
}

/// A word that stays within the edges.
fn word(x: f64, words: String, is_extra: bool) -> Word {
    let anchor = match x {
        ..4.0 => "start",
        96.0.. => "end",
        _ => "middle",
    };
    Word { x: percent(x), words, anchor, is_extra }
}

/// Words below the axis: how long ago.
fn words(window: &Window, now: i64) -> Vec<Word> {
    let past = now - window.from;
    let round = STEPS_SECONDS.into_iter().find(|step| past / step <= WORDS_MAX);
    let years = || (past / WORDS_MAX / 31_536_000 + 1) * 31_536_000;
    let step = round.unwrap_or_else(years);
    let now_x = window.x(now);
    let ago = |number: i64| {
        let words = format!("{} ago", text::rough_duration(number * step));
        word(window.x(now - number * step), words, number % 2 == 1 && past / step > 1)
    };
    let fits = |number: &i64| {
        let x = window.x(now - number * step);
        x >= WORDS_APART_PERCENT / 2.0 && now_x - x >= WORDS_APART_PERCENT
    };
    (1..=past / step).filter(fits).map(ago).collect()
}

fn counts(facts: &Facts<'_>) -> String {
    let of = |signal: &str| facts.signals.iter().filter(|ping| ping.signal == signal).count();
    let counted = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let parts = [
        counted(of("success"), "success", "successes"),
        counted(of("fail"), "failure", "failures"),
        counted(facts.outages.len(), "outage", "outages"),
        counted(
            facts.gaps.len(),
            "time when the monitor was away",
            "times when the monitor was away",
        ),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "no run has ended".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_600_800;

    static UTC: TimeZone = TimeZone::UTC;

    /// Hourly pings up to now, the newest first.
    fn pings(number: i64) -> Vec<Recorded> {
        let ping = |index: i64| Recorded {
            number: number - index,
            at: NOW - index * 3600,
            received_at: NOW - index * 3600,
            signal: if index == 2 { "fail" } else { "success" }.to_owned(),
            exit_status: (index == 2).then_some(7),
            duration_ms: None,
            run: None,
            address: None,
            key: None,
            log: None,
        };
        (0..number).map(ping).collect()
    }

    fn facts(signals: &[Recorded]) -> Facts<'_> {
        Facts {
            signals,
            outages: &[],
            gaps: &[],
            expected: Some(NOW + 3600),
            deadline: Some(NOW + 4200),
            now: NOW,
            zone: &UTC,
        }
    }

    fn count(html: &str, what: &str) -> usize {
        html.matches(what).count()
    }

    #[test]
    fn every_signal_is_a_tick_and_a_failure_a_sign_of_its_own() {
        for number in [0, 1, 3, 100] {
            let signals = pings(number);
            let html = Timeline::new(&facts(&signals)).render().unwrap();
            let failures = usize::from(number > 2);
            assert_eq!(count(&html, "class=\"tick "), signals.len(), "{html}");
            assert_eq!(count(&html, "class=\"sign\" d"), failures, "{html}");
            assert_eq!(count(&html, "exit status 7"), failures);
            assert_eq!((count(&html, ">now<"), count(&html, "deadline in 1 h 10 min")), (1, 1));
            assert!(!html.contains("style=") && !html.contains("NaN"), "{html}");
        }
    }

    #[test]
    fn outages_have_their_length_and_gaps_are_hatched() {
        let signals = pings(100);
        let outages = [
            Outage { from: NOW - 7200, to: None },
            Outage { from: NOW - 180_000, to: Some(NOW - 180_000 + 4320) },
            Outage { from: NOW - 86_400_000, to: Some(NOW - 86_300_000) },
        ];
        let gaps = [Span { from: NOW - 50_000, to: NOW - 40_000 }, Span { from: 0, to: 60 }];
        let facts = Facts {
            outages: &outages,
            gaps: &gaps,
            expected: Some(NOW - 7800),
            deadline: Some(NOW - 7200),
            ..facts(&signals)
        };
        let html = Timeline::new(&facts).render().unwrap();
        assert_eq!(count(&html, "<rect class=\"outage"), 2, "what lies before it is not shown");
        assert_eq!(count(&html, ">1 h 12 min<") + count(&html, ">2 h<"), 2, "{html}");
        assert_eq!(count(&html, "<rect class=\"away"), 1, "{html}");
        insta::assert_snapshot!(Timeline::new(&facts).summary, @"Since 2026-11-21 07:00:00 UTC: 99 successes, 1 failure, 3 outages, 2 times when the monitor was away.");
    }

    #[test]
    fn a_deadline_far_ahead_leaves_the_past_its_room_and_a_new_service_shows_its_whole_wait() {
        let (many, one) = (pings(100), pings(1));
        let far = |signals| Facts { deadline: Some(NOW + 86_400 * 365), ..facts(signals) };
        let window = Window::new(&far(&many));
        assert!(window.x(NOW) > 60.0);
        assert!(Timeline::new(&far(&many)).deadline.unwrap().is_beyond);
        let window = Window::new(&far(&one));
        assert!(window.x(NOW) < 5.0 && window.x(NOW + 86_400 * 365) > 95.0);
        let silent = Facts { deadline: Some(NOW - 600), ..facts(&many) };
        assert_eq!(Timeline::new(&silent).deadline.unwrap().words, None, "it has passed");
    }

    #[test]
    fn the_axis_says_round_times_that_do_not_touch() {
        for number in [1, 2, 3, 5, 24, 26, 100, 9000] {
            let signals = pings(number);
            let words = Timeline::new(&facts(&signals)).words;
            assert!(words.len() <= 4, "{number}: {words:?}");
        }
        let signals = pings(26);
        let words = Timeline::new(&facts(&signals)).words;
        let words: Vec<&str> = words.iter().map(|word| word.words.as_str()).collect();
        assert_eq!(words, ["6 h ago", "12 h ago", "18 h ago", "1 d ago"]);
    }
}
