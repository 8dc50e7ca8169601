//! Rows: a service, or a fold of many whose names begin alike, as HTML. A row's stamp says what it shows but for what
//! time alone changes, so that one that has not changed is not sent again.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use askama::Template;
use jiff::tz::TimeZone;

use super::folds::Fold;
use super::words::{self, Look, Outcome, When};
use super::{encoded, service_path};
use crate::core::alert::Route;
use crate::core::limits::RUNS_SHOWN_MAX;
use crate::core::service::Status;
use crate::core::text::{clock_time_zoned, rfc3339, rough_duration};
use crate::store::{Pause, Run, Shown};

/// The drawing of runs: so wide a bar with its gap, and so high.
const STEP: usize = 5;
const HEIGHT: i64 = 26;

/// The lowest bar, and the highest.
const BAR_MIN: i64 = 3;
const BAR_MAX: i64 = 24;

/// A bar whose duration is not known; a failure is no lower than this, so that its notch can be seen.
const BAR_UNKNOWN: i64 = 10;

/// A row as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// What it is of, in this page: the same row keeps its key.
    pub(super) key: String,
    /// What it shows, but for what time alone changes.
    pub(super) stamp: u64,
    /// When time alone changes what it shows.
    pub(super) turns_at: Option<i64>,
    /// The row.
    pub(super) html: String,
}

/// The thin bar from the last ping to the deadline, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Track {
    from: i64,
    to: i64,
    /// Where the grace begins.
    grace: i64,
}

/// A bar of the drawing of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Bar {
    x: usize,
    y: i64,
    height: i64,
    failed: bool,
}

impl Bar {
    /// The outline of a failure: a notch in its top, which shows without colour.
    fn notched(&self) -> String {
        format!("M{} {HEIGHT}V{}l2 4 2-4V{HEIGHT}z", self.x, self.y)
    }
}

/// What a row shows, but for what time alone changes.
#[derive(Hash)]
struct Fixed<'a> {
    id: i64,
    name: &'a str,
    description: Option<&'a str>,
    look: Look,
    detail: String,
    pause: Option<&'a Pause>,
    when: When,
    track: Option<Track>,
    bars: Vec<Bar>,
    missed: bool,
    runs: String,
    usual: String,
    outcome: Outcome,
}

#[derive(Template)]
#[template(path = "row.html")]
struct Service<'a> {
    path: String,
    stamp: u64,
    now: i64,
    zone: &'a TimeZone,
    fixed: &'a Fixed<'a>,
}

impl Service<'_> {
    fn when(&self) -> String {
        self.fixed.when.text(self.now)
    }

    /// How long ago a pause began.
    fn ago(&self, pause: &Pause) -> String {
        format!("{} ago", rough_duration(self.now - pause.at))
    }

    /// How far the track is done, in percent.
    fn done(&self, track: &Track) -> i64 {
        match self.fixed.when.mode {
            "overdue" => 100,
            _ => ((self.now - track.from) * 100 / (track.to - track.from).max(1)).clamp(0, 100),
        }
    }

    fn accepted_at(&self) -> Option<(String, String)> {
        let at = self.fixed.outcome.at?;
        Some((rfc3339(at), clock_time_zoned(at, self.now, self.zone)))
    }
}

/// The row of a service at `now`, with times in `zone`.
pub(super) fn service(
    shown: &Shown,
    runs: &[Run],
    routes: &[Route],
    now: i64,
    zone: &TimeZone,
) -> Row {
    let service = &shown.service;
    let status = service.status(now);
    let missed = status == Status::Overdue;
    let fixed = Fixed {
        id: shown.id,
        name: service.name.as_str(),
        description: service.description.as_deref(),
        look: words::look(status, service.is_running()),
        detail: words::detail(service, status, shown.fate.as_ref()),
        pause: shown.pause.as_ref(),
        when: When::of(service, status),
        track: track(service),
        bars: bars(runs, missed),
        missed,
        runs: summary(runs),
        usual: words::usual(runs).map_or_else(String::new, |ms| match status {
            Status::Up if !service.is_running() => words::took(ms),
            Status::Paused | Status::Waiting => words::took(ms),
            _ => format!("{}, usually", words::took(ms)),
        }),
        outcome: words::outcome(service, shown.fate.as_ref(), routes),
    };
    let (path, stamp) = (service_path(service.name.as_str()), stamp(&fixed));
    let template = Service { path, stamp, now, zone, fixed: &fixed };
    let turns_at = match status {
        Status::Up | Status::Late | Status::Failed | Status::Waiting => {
            [service.expected, service.deadline].into_iter().flatten().filter(|at| *at >= now).min()
        }
        Status::Overdue | Status::Paused => None,
    };
    Row {
        key: format!("s{}", shown.id),
        stamp,
        turns_at,
        html: template.render().unwrap_or_default(),
    }
}

fn track(service: &crate::core::service::Service) -> Option<Track> {
    let to = service.deadline?;
    let from = match service.runs.running_since() {
        Some(since) => since,
        None => service.last_ping.or(service.expected)?.min(to),
    };
    let graced = to - service.grace.seconds();
    let has_grace = !service.is_running() && service.grace.seconds() > 0 && graced > from;
    let grace = if has_grace { (graced - from) * 100 / (to - from).max(1) } else { 100 };
    Some(Track { from, to, grace })
}

/// The last runs as bars, the newest on the right; a run that did not come leaves its place.
fn bars(runs: &[Run], missed: bool) -> Vec<Bar> {
    let room = RUNS_SHOWN_MAX - usize::from(missed);
    let last = &runs[runs.len().saturating_sub(room)..];
    let longest = last.iter().filter_map(|run| run.duration_ms).max().unwrap_or(0);
    // One that took very long leaves the others to be seen.
    let highest =
        words::usual(last).map_or(longest, |usual| longest.min(usual.saturating_mul(3))).max(1);
    let first = room - last.len();
    let bar = |(place, run): (usize, &Run)| {
        let height = run.duration_ms.map_or(BAR_UNKNOWN, |ms| {
            let ms = ms.clamp(0, highest);
            (ms.saturating_mul(BAR_MAX) / highest).max(BAR_MIN)
        });
        let height = if run.failed { height.max(BAR_UNKNOWN) } else { height };
        Bar { x: (first + place) * STEP, y: HEIGHT - height, height, failed: run.failed }
    };
    last.iter().enumerate().map(bar).collect()
}

/// The drawing of runs in words.
fn summary(runs: &[Run]) -> String {
    let last = &runs[runs.len().saturating_sub(RUNS_SHOWN_MAX)..];
    let failed = last.iter().filter(|run| run.failed).count();
    let durations = last.iter().filter_map(|run| run.duration_ms);
    let longest =
        durations.max().map_or_else(String::new, |ms| format!(", the longest {}", words::took(ms)));
    match last.len() {
        0 => "no run yet".to_owned(),
        count => format!("the last {}: {failed} failed{longest}", words::counted(count, "run")),
    }
}

#[derive(Template)]
#[template(path = "fold.html")]
struct Folded<'a> {
    key: &'a str,
    stamp: u64,
    fold: &'a Fold,
    href: String,
    count: String,
    next: String,
}

/// The row of a fold at `now`.
pub(super) fn fold(fold: &Fold, now: i64) -> Row {
    let key = format!("f{}", encoded(&fold.prefix));
    let template = Folded {
        key: &key,
        stamp: stamp(fold),
        fold,
        href: format!("/?search={}", encoded(&fold.prefix)),
        count: words::counted(fold.services, "service"),
        next: When { mode: "due", at: fold.due.unwrap_or_default() }.text(now),
    };
    let html = template.render().unwrap_or_default();
    Row { key, stamp: stamp(fold), turns_at: fold.due, html }
}

fn stamp(fixed: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    fixed.hash(&mut hasher);
    hasher.finish()
}
