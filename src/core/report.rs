//! How well services did in a time: outages, and the share of the time in which all was well.
//!
//! What counts is the time in which a service was watched: it was there, not paused, and the monitor itself listened. The
//! rest is left out of everything and shown.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::change::{Changed, What};
use super::listening::{Gap, Span};

/// An outage, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// What opened it: the deadline that passed, or the failure.
    pub started_at: i64,
    /// What ended it; `None`: nothing on record did.
    pub ended_at: Option<i64>,
    /// The last second at which it is known to have lasted, where nothing has ended it.
    pub lasted_until: i64,
}

/// What is on record of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// Its name.
    pub name: String,
    /// Its changes, in their order.
    pub changes: Vec<Changed>,
    /// The outages that touch the time in question.
    pub outages: Vec<Outage>,
    /// Whether it is there now.
    pub exists: bool,
    /// Whether there were more outages than are counted.
    pub is_cut: bool,
}

/// How a service did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// How many outages there were while it was watched.
    pub outages: u64,
    /// Whether there were more than are counted.
    pub is_cut: bool,
    /// How long it was out, in seconds.
    pub downtime_seconds: i64,
    /// How long it was out at a time, at most.
    pub longest_seconds: i64,
    /// How long it was watched.
    pub watched_seconds: i64,
    /// For how long it was there and the monitor was away.
    pub away_seconds: i64,
    /// For how long it was paused.
    pub paused_seconds: i64,
}

impl Line {
    /// The share of the watched time in which all was well, in hundredths of a percent, rounded down, so that 100 is said
    /// of what was never out; `None`: it was not watched.
    pub fn uptime_basis_points(&self) -> Option<i64> {
        let up = i128::from(self.watched_seconds - self.downtime_seconds) * 10_000;
        (self.watched_seconds > 0)
            .then(|| i64::try_from(up / i128::from(self.watched_seconds)).unwrap_or(0))
    }

    /// The same in percent, as in `99.95`; empty where it was not watched.
    pub fn uptime_percent(&self) -> String {
        self.uptime_basis_points()
            .map(|points| format!("{}.{:02}", points / 100, points % 100))
            .unwrap_or_default()
    }

    /// Adds `other` to a total.
    pub fn add(&mut self, other: &Self) {
        self.outages += other.outages;
        self.is_cut |= other.is_cut;
        self.downtime_seconds += other.downtime_seconds;
        self.longest_seconds = self.longest_seconds.max(other.longest_seconds);
        self.watched_seconds += other.watched_seconds;
        self.away_seconds += other.away_seconds;
        self.paused_seconds += other.paused_seconds;
    }
}

/// The month `text`, as in `2026-10`, in `zone`; `None` where it is none.
pub fn month(text: &str, zone: &TimeZone) -> Option<Span> {
    let (year, number) = text.split_once('-')?;
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if year.len() != 4 || number.len() != 2 || !is_digits(year) || !is_digits(number) {
        return None;
    }
    let first = Date::new(year.parse().ok()?, number.parse().ok()?, 1).ok()?;
    let next = first.last_of_month().tomorrow().ok()?;
    let start = |date: Date| Some(date.to_zoned(zone.clone()).ok()?.timestamp().as_second());
    Some(Span { from: start(first)?, to: start(next)? })
}

/// How the service of `past` did in `period`, as far as that has passed at `now`; `None` where it was not there.
pub fn line(past: &Life, period: Span, gaps: &[Gap], now: i64) -> Option<Line> {
    let period = Span { from: period.from, to: period.to.min(now) };
    let (there, paused) = spans_of(past, period.to);
    let there = meet(&there, &apart(vec![period]));
    if there.is_empty() {
        return None;
    }
    let away = apart(gaps.iter().map(|gap| gap.span).collect());
    let paused = meet(&there, &paused);
    let expecting = cut(&there, &paused);
    let watched = cut(&expecting, &away);
    let mut line = Line {
        name: past.name.clone(),
        is_cut: past.is_cut,
        watched_seconds: length(&watched),
        away_seconds: length(&meet(&expecting, &away)),
        paused_seconds: length(&paused),
        ..Line::default()
    };
    for outage in &past.outages {
        let to = outage.ended_at.unwrap_or(outage.lasted_until).min(now);
        let out = length_in(&watched, Span { from: outage.started_at, to });
        // One that was over before it was noticed was told of all the same.
        let begins =
            length_in(&watched, Span { from: outage.started_at, to: outage.started_at + 1 });
        line.outages += u64::from(out + begins > 0);
        line.downtime_seconds += out;
        line.longest_seconds = line.longest_seconds.max(out);
    }
    line.downtime_seconds = line.downtime_seconds.min(line.watched_seconds);
    Some(line)
}

/// When it was there, and when it was paused, up to `to`.
fn spans_of(life: &Life, to: i64) -> (Vec<Span>, Vec<Span>) {
    let (mut there, mut paused) = (Vec::new(), Vec::new());
    let (mut since, mut paused_since) = (None, None);
    for changed in &life.changes {
        let at = changed.at;
        if changed.what == What::Deleted {
            there.extend(since.take().map(|from| Span { from, to: at }));
            paused.extend(paused_since.take().map(|from| Span { from, to: at }));
            continue;
        }
        // What came before the changes that are kept is not known, and not counted.
        since.get_or_insert(at);
        if changed.paused {
            paused_since.get_or_insert(at);
        } else {
            paused.extend(paused_since.take().map(|from| Span { from, to: at }));
        }
    }
    // Where hands have deleted it, nobody knows when: it is not counted from its last change on.
    let last = life.changes.last().map_or(to, |last| last.at);
    let end = if life.exists { to } else { last };
    there.extend(since.map(|from| Span { from, to: end }));
    paused.extend(paused_since.map(|from| Span { from, to: end }));
    (apart(there), apart(paused))
}

fn length(spans: &[Span]) -> i64 {
    spans.iter().map(|span| (span.to - span.from).max(0)).sum()
}

/// The same time as spans that are in order and apart from one another.
fn apart(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.from < span.to);
    spans.sort_by_key(|span| span.from);
    let mut apart: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match apart.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => apart.push(span),
        }
    }
    apart
}

/// What lies in both; each are in order and apart from one another, and so is this.
fn meet(ones: &[Span], others: &[Span]) -> Vec<Span> {
    let (mut left, mut right) = (ones.iter().peekable(), others.iter().peekable());
    let mut both = Vec::new();
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let span = Span { from: a.from.max(b.from), to: a.to.min(b.to) };
        if span.from < span.to {
            both.push(span);
        }
        if a.to < b.to {
            left.next()
        } else {
            right.next()
        };
    }
    both
}

/// What lies in `ones` and in none of `others`, which are as above.
fn cut(ones: &[Span], others: &[Span]) -> Vec<Span> {
    let starts = std::iter::once(i64::MIN).chain(others.iter().map(|hole| hole.to));
    let ends = others.iter().map(|hole| hole.from).chain([i64::MAX]);
    let between: Vec<Span> = starts.zip(ends).map(|(from, to)| Span { from, to }).collect();
    meet(ones, &between)
}

/// How much of `spans`, which are as above, lies in `span`.
fn length_in(spans: &[Span], span: Span) -> i64 {
    let first = spans.partition_point(|other| other.to <= span.from);
    let touching = spans[first..].iter().take_while(|other| other.from < span.to);
    touching.map(|other| other.to.min(span.to) - other.from.max(span.from)).sum()
}

/// The head of [`csv`].
pub const CSV_HEAD: &str = "service,outages,downtime_seconds,longest_seconds,uptime_percent,watched_seconds,away_seconds,paused_seconds\r\n";

/// A line of CSV (RFC 4180). A name that a spreadsheet would take for a formula has a `'` before it.
pub fn csv(line: &Line) -> String {
    let Line { outages, downtime_seconds, longest_seconds, .. } = line;
    let Line { watched_seconds, away_seconds, paused_seconds, .. } = line;
    let (name, uptime) = (field(&line.name), line.uptime_percent());
    format!(
        "{name},{outages},{downtime_seconds},{longest_seconds},{uptime},{watched_seconds},{away_seconds},{paused_seconds}\r\n"
    )
}

fn field(name: &str) -> String {
    let looks_like_a_formula =
        name.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    let name = if looks_like_a_formula { format!("'{name}") } else { name.to_owned() };
    if name.contains(['"', ',', '\r', '\n']) || name != name.trim() {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: i64, to: i64) -> Span {
        Span { from, to }
    }

    #[test]
    fn spans_are_met_and_cut() {
        let these = [span(0, 10), span(20, 30)];
        assert_eq!(meet(&these, &[span(5, 25)]), [span(5, 10), span(20, 25)]);
        assert_eq!(cut(&these, &[span(5, 25)]), [span(0, 5), span(25, 30)]);
        assert_eq!(cut(&[span(0, 30)], &[span(5, 10), span(29, 40)]), [span(0, 5), span(10, 29)]);
        assert_eq!(
            apart(vec![span(5, 10), span(1, 6), span(12, 12), span(20, 21)]),
            [span(1, 10), span(20, 21)]
        );
        assert_eq!(length_in(&these, span(9, 22)), 3);
        assert_eq!(length(&these), 20);
    }

    #[test]
    fn a_month_is_one_of_its_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let october = month("2026-10", &berlin).unwrap();
        assert_eq!(october.to - october.from, 31 * 86_400 + 3600, "an hour comes twice");
        assert_eq!(month("2026-12", &TimeZone::UTC).unwrap().to, 1_798_761_600);
        for text in ["", "2026", "2026-13", "2026-1", "26-10", "2026-10-01", "+026-10", "2026-0x"] {
            assert_eq!(month(text, &TimeZone::UTC), None, "{text}");
        }
    }

    #[test]
    fn an_uptime_is_rounded_down_so_that_a_hundred_means_never_out() {
        let line = |downtime_seconds| Line {
            watched_seconds: 2_678_400,
            downtime_seconds,
            ..Line::default()
        };
        assert_eq!(line(0).uptime_percent(), "100.00");
        assert_eq!(line(1).uptime_percent(), "99.99");
        assert_eq!(line(2_678_400).uptime_percent(), "0.00");
        assert_eq!(Line::default().uptime_percent(), "");
    }

    #[test]
    fn a_name_in_csv_is_quoted_and_is_no_formula() {
        for (name, written) in [
            ("backup", "backup"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("-1", "'-1"),
            ("+a", "'+a"),
            ("@SUM(A1)", "'@SUM(A1)"),
            (" =1", "' =1"),
            ("a ", "\"a \""),
        ] {
            assert_eq!(field(name), written, "{name}");
        }
    }
}
