//! The words of rows: what is said of a service in the few that fit.

use crate::core::alert::Route;
use crate::core::schedule::Schedule;
use crate::core::service::{Service, Status};
use crate::core::text::rough_duration;
use crate::store::{Fate, Run, Told};

/// Characters of a log's last line that a row repeats.
const LINE_CHARS_MAX: usize = 60;

/// Destinations that a row names; the others are counted.
const NAMED_MAX: usize = 2;

/// What a row looks like, and its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Look {
    /// The class that colours it.
    pub(super) class: &'static str,
    /// The shape, as a symbol of the page.
    pub(super) shape: &'static str,
    /// The word: in capitals where somebody should look.
    pub(super) word: &'static str,
}

/// The look of a service.
pub(super) fn look(status: Status, running: bool) -> Look {
    let (class, shape, word) = match status {
        Status::Overdue => ("bad", "overdue", "OVERDUE"),
        Status::Failed => ("bad", "failed", "FAILED"),
        Status::Late => ("late", "late", "LATE"),
        Status::Up if running => ("running", "running", "running"),
        Status::Up => ("up", "up", "up"),
        Status::Waiting => ("idle", "waiting", "waiting"),
        Status::Paused => ("idle", "paused", "paused"),
    };
    Look { class, shape, word }
}

/// What a row says of the time, and the second that it counts from or to: the page's script has it tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct When {
    /// What is counted: see [`When::text`]; the script knows the same words.
    pub(super) mode: &'static str,
    /// The second; 0 where nothing is counted.
    pub(super) at: i64,
}

impl When {
    /// What counts of a service at `now`.
    pub(super) fn of(service: &Service, status: Status) -> Self {
        let since = |mode, at: Option<i64>| Self { mode, at: at.unwrap_or_default() };
        match status {
            Status::Overdue => since("overdue", service.deadline),
            Status::Failed => since("failed", service.last_ping),
            Status::Late => since("late", service.expected),
            Status::Up if service.is_running() => since("running", service.runs.running_since()),
            Status::Up if service.deadline.is_some() => {
                since("due", service.expected.or(service.deadline))
            }
            Status::Waiting if service.deadline.is_some() => {
                since("first", service.expected.or(service.deadline))
            }
            Status::Waiting => since("never", None),
            Status::Up | Status::Paused => since("nothing", None),
        }
    }

    /// The same in words at `now`.
    pub(super) fn text(self, now: i64) -> String {
        let (ago, left) = (rough_duration(now - self.at), rough_duration(self.at - now));
        match self.mode {
            "overdue" => format!("{ago} late"),
            "failed" => format!("failed {ago} ago"),
            "late" => format!("{ago} into its grace"),
            "running" => format!("started {ago} ago"),
            "due" => format!("due in {left}"),
            "first" => format!("first due in {left}"),
            "never" => "never pinged".to_owned(),
            _ => "expects nothing".to_owned(),
        }
    }
}

/// The second line: how it is watched, and what is known of the trouble.
pub(super) fn detail(service: &Service, status: Status, fate: Option<&Fate>) -> String {
    let schedule = match &service.schedule {
        Schedule::Every(frequency) => format!("every {frequency}"),
        Schedule::Cron(cron) => format!("{} {}", cron.pattern.as_str(), cron.zone.as_str()),
    };
    let grace = match (service.is_running(), service.max_runtime) {
        (true, Some(max_runtime)) => format!(", at most {max_runtime}"),
        // A failure is told of whatever the grace.
        _ if service.grace.seconds() > 0 && status != Status::Failed => {
            format!(", grace {}", service.grace)
        }
        _ => String::new(),
    };
    match trouble(service, status, fate) {
        Some(trouble) => format!("{schedule}{grace} · {trouble}"),
        None => format!("{schedule}{grace}"),
    }
}

fn trouble(service: &Service, status: Status, fate: Option<&Fate>) -> Option<String> {
    match status {
        Status::Overdue if service.is_running() => Some("started, not finished".to_owned()),
        // Where starts are never told, that it did not start would be a guess.
        Status::Overdue if service.last_duration_ms.is_some() => Some("did not start".to_owned()),
        Status::Overdue if service.last_ping.is_none() => Some("never pinged".to_owned()),
        Status::Failed => {
            let exit = fate.and_then(|fate| fate.exit_status).map(|exit| format!("exit {exit}"));
            let line = fate.and_then(|fate| fate.last_line.as_deref()).map(cut);
            match (exit, line) {
                (Some(exit), Some(line)) => Some(format!("{exit}: {line}")),
                (exit, line) => exit.or(line),
            }
        }
        _ => None,
    }
}

fn cut(line: &str) -> String {
    if line.chars().count() <= LINE_CHARS_MAX {
        return line.to_owned();
    }
    line.chars().take(LINE_CHARS_MAX - 1).chain(['…']).collect()
}

/// The usual duration of a run: the median of those that were measured.
pub(super) fn usual(runs: &[Run]) -> Option<i64> {
    let mut durations: Vec<i64> =
        runs.iter().filter(|run| !run.failed).filter_map(|run| run.duration_ms).collect();
    durations.sort_unstable();
    durations.get(durations.len() / 2).copied()
}

/// How long a run took: `250 ms`, `3 min`.
pub(super) fn took(ms: i64) -> String {
    if ms < 1000 { format!("{} ms", ms.max(0)) } else { rough_duration(ms / 1000) }
}

/// What became of an alert, in a few words, and when it was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Outcome {
    /// The words; empty: there is nothing to say.
    pub(super) text: String,
    /// When it was accepted.
    pub(super) at: Option<i64>,
    /// Whether somebody should look.
    pub(super) is_bad: bool,
}

/// What became of the alert of a service's outage, or that nobody would be told of it.
pub(super) fn outcome(service: &Service, fate: Option<&Fate>, routes: &[Route]) -> Outcome {
    let nobody = || Outcome {
        text: "alerts nobody".to_owned(),
        at: None,
        // Where there is no destination at all, the page says so once.
        is_bad: !routes.is_empty(),
    };
    let Some(fate) = fate else {
        let is_told = routes.is_empty() || routes.iter().any(|to| to.takes_service(&service.name));
        return if is_told { Outcome::default() } else { nobody() };
    };
    let of = |wanted: fn(&Told) -> bool| -> Vec<&str> {
        let told = fate.told.iter().filter(|told| wanted(told));
        told.map(|told| told.destination.as_str()).collect()
    };
    let given_up = of(|told| told.state == "given_up");
    let retrying = of(|told| told.state == "pending" && told.attempts > 0);
    let sending = of(|told| told.state == "pending");
    let accepted = of(|told| told.state == "delivered");
    let bad = |text| Outcome { text, at: None, is_bad: true };
    if !given_up.is_empty() {
        return bad(format!("✗ gave up on {}", named(&given_up)));
    }
    if !retrying.is_empty() {
        return bad(format!("✗ retrying {}", named(&retrying)));
    }
    if !sending.is_empty() {
        let text = format!("→ {} …", named(&sending));
        return Outcome { text, at: None, is_bad: false };
    }
    if accepted.is_empty() {
        return nobody();
    }
    let at = fate.told.iter().filter_map(|told| told.delivered_at).max();
    Outcome { text: format!("→ {} ✓", named(&accepted)), at, is_bad: false }
}

fn named(destinations: &[&str]) -> String {
    let first = destinations[..destinations.len().min(NAMED_MAX)].join(", ");
    match destinations.len().saturating_sub(NAMED_MAX) {
        0 => first,
        more => format!("{first} +{more}"),
    }
}

/// A number as people read it: `1,000,000`.
pub(super) fn number(count: i64) -> String {
    let digits = count.to_string();
    let mut shown = String::with_capacity(digits.len() + 2);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && digits.len() > 4 {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1 service`, `2 services`.
pub(super) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", number(i64::try_from(count).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::frequency::{Frequency, Grace};
    use crate::core::name::Name;

    fn told(destination: &str, state: &str, attempts: i64) -> Told {
        let delivered_at = (state == "delivered").then_some(100 + attempts);
        Told {
            destination: destination.to_owned(),
            state: state.to_owned(),
            attempts,
            delivered_at,
        }
    }

    fn said(told: Vec<Told>) -> String {
        let name = Name::parse("a").unwrap();
        let schedule = Schedule::Every(Frequency::parse("1h").unwrap());
        let service = Service::new(name, schedule, Grace::ZERO);
        let fate = Fate { told, ..Fate::default() };
        let Outcome { text, at, is_bad } = outcome(&service, Some(&fate), &[]);
        format!("{text} {at:?} {is_bad}")
    }

    #[test]
    fn what_became_of_an_alert_is_said_by_what_is_worst() {
        insta::assert_snapshot!(said(vec![told("slack", "delivered", 1)]), @"→ slack ✓ Some(101) false");
        insta::assert_snapshot!(said(vec![told("a", "delivered", 1), told("b", "delivered", 2), told("c", "delivered", 1)]), @"→ a, b +1 ✓ Some(102) false");
        insta::assert_snapshot!(said(vec![told("slack", "pending", 0), told("pager", "pending", 3)]), @"✗ retrying pager None true");
        insta::assert_snapshot!(said(vec![told("slack", "pending", 0), told("pager", "given_up", 3)]), @"✗ gave up on pager None true");
        insta::assert_snapshot!(said(vec![told("slack", "pending", 0)]), @"→ slack … None false");
        insta::assert_snapshot!(said(Vec::new()), @"alerts nobody None false");
    }

    #[test]
    fn the_usual_duration_is_the_median_of_the_runs_that_ended_well() {
        let run = |duration_ms| Run { failed: false, duration_ms };
        assert_eq!(usual(&[run(Some(9)), run(None), run(Some(1)), run(Some(5))]), Some(5));
        assert_eq!(usual(&[Run { failed: true, duration_ms: Some(9) }, run(None)]), None);
    }

    #[test]
    fn numbers_are_grouped_from_five_digits_on() {
        let shown: Vec<String> = [0, 212, 9999, 10_000, 1_000_000].map(number).into();
        assert_eq!(shown, ["0", "212", "9999", "10,000", "1,000,000"]);
    }
}
