//! The sentences: short, plain and exact.

use jiff::tz::TimeZone;

use super::then::{Loss, Then, then};
use super::{Facts, Heard, Setting, Told, delivery};
use crate::core::alert::{Kind, Reason};
use crate::core::change::{Changed, Watch, What};
use crate::core::limits::{TIME_SECONDS_MAX, WHY_ALERTS_MAX};
use crate::core::listening::Gap;
use crate::core::schedule::Schedule;
use crate::core::service::{Service, Status};
use crate::core::text;

/// How times are written: with seconds and the zone, and the date where it is not that of the question.
pub(super) struct Times<'a> {
    zone: &'a TimeZone,
    today: i64,
}

impl Times<'_> {
    pub(super) fn at(&self, second: i64) -> String {
        text::exact_time(second, Some(self.today), self.zone)
    }
}

/// What was expected of a service at a second, what came, who was told, and why not.
pub fn sentences(facts: &Facts, setting: &Setting<'_>) -> Vec<String> {
    let times = Times { zone: setting.zone, today: facts.at };
    let name = format!("{:?}", facts.name.as_str());
    let when = text::exact_time(facts.at, None, setting.zone);
    let be = if facts.at == facts.now { "is" } else { "was" };
    let lead = if facts.at == facts.now { format!("Now, {when}") } else { when };
    let then = then(facts);
    let mut said = Vec::new();
    match &then {
        Then::NotYet(made) => {
            said.push(format!("{lead}: there {be} no service {name} yet."));
            said.push(change(made, &times));
            said
        }
        Then::Gone(deleted) => {
            said.push(format!("{lead}: there {be} no service {name}, so nothing {be} expected."));
            said.push(change(deleted, &times));
            if let Some(made) = facts.changes.iter().find(|changed| changed.at > facts.at) {
                said.push(format!("Later: {}", change(made, &times)));
            }
            said
        }
        Then::Unknown(loss) => {
            said.push(format!(
                "{lead}: what {be} expected of {name} cannot be known. {}",
                lost(*loss, facts, &times)
            ));
            said.extend(last_change(facts, &times));
            said.extend(gaps(facts, None, &times));
            said.extend(told(facts, None, setting, &times));
            said
        }
        Then::There(service) => {
            said.push(format!("{lead}: {name} {be} {}", state(service, facts, &times)));
            said.extend(deadline(service, facts, &times));
            said.extend(by_hand(service, facts, &times));
            said.extend(heard(facts, &times));
            said.extend(last_change(facts, &times));
            said.extend(gaps(facts, Some(service), &times));
            said.extend(told(facts, Some(service), setting, &times));
            said
        }
    }
}

/// `has`, of the present, or `had`.
fn have(facts: &Facts) -> &'static str {
    if facts.at == facts.now { "has" } else { "had" }
}

/// The status, as the end of a sentence.
fn state(service: &Service, facts: &Facts, times: &Times<'_>) -> String {
    let at = facts.at;
    let deadline = service.deadline.map(|deadline| times.at(deadline)).unwrap_or_default();
    let words = match service.status(at) {
        Status::Paused => "paused: nothing is expected until it is resumed or succeeds.".to_owned(),
        Status::Waiting if service.deadline.is_none() => {
            "waiting for its first ping: nothing is expected before that.".to_owned()
        }
        Status::Waiting => "waiting for its first ping.".to_owned(),
        Status::Overdue => {
            let late = text::rough_duration(at - service.deadline.unwrap_or(at));
            format!("overdue, for {late}: its deadline, {deadline}, {} passed.", have(facts))
        }
        Status::Failed => "failed: its last run did not end well.".to_owned(),
        Status::Late => format!("late, and not overdue: its grace ends {deadline}."),
        Status::Up => "up.".to_owned(),
    };
    match service.runs.running_since() {
        Some(since) => {
            format!("{words} A run began {} and {} not ended.", times.at(since), have(facts))
        }
        None => words,
    }
}

/// The deadline, and how it came about.
fn deadline(service: &Service, facts: &Facts, times: &Times<'_>) -> Option<String> {
    let deadline = service.deadline?;
    let shown = times.at(deadline);
    let grace = match service.grace.seconds() {
        0 => String::new(),
        _ => format!(" + grace {}", service.grace),
    };
    if let Some(since) = service.runs.running_since()
        && service.run_deadline(since) == deadline
    {
        let began = times.at(since);
        return Some(match (service.max_runtime, &service.schedule) {
            (Some(most), _) => {
                format!("Deadline {shown}: the run began {began} + max_runtime {most}.")
            }
            (None, Schedule::Cron(_)) => format!(
                "Deadline {shown}: the run began {began}; the occurrence after that{grace}."
            ),
            (None, Schedule::Every(every)) if service.grace.seconds() == 0 => {
                format!("Deadline {shown}: the run began {began} + frequency {every}.")
            }
            (None, Schedule::Every(_)) => {
                format!("Deadline {shown}: the run began {began}{grace}.")
            }
        });
    }
    let expected = service.expected.filter(|expected| deadline == with_grace(service, *expected));
    let Some(expected) = expected else { return Some(format!("Deadline {shown}.")) };
    let resumed = facts.changes.iter().rfind(|changed| changed.at <= facts.at);
    let resumed = resumed.filter(|changed| !changed.by_ping && changed.expected == Some(expected));
    let from = match (service.last_ping, resumed) {
        (Some(last), _) if service.schedule.expected(last) == expected => {
            format!("last ping {}", times.at(last))
        }
        (_, Some(changed)) if service.schedule.expected(changed.at) == expected => {
            let word = if changed.what == What::Resumed { "resumed" } else { "set" };
            format!("{word} {}", times.at(changed.at))
        }
        _ => return Some(format!("Deadline {shown}.")),
    };
    Some(match &service.schedule {
        Schedule::Every(every) => format!("Deadline {shown}: {from} + frequency {every}{grace}."),
        Schedule::Cron(cron) => format!(
            "Deadline {shown}: {from}; the occurrence of {} ({}) that follows is {}{grace}.",
            cron.pattern.as_str(),
            cron.zone.as_str(),
            times.at(expected)
        ),
    })
}

/// The deadline that follows where a ping is expected at the second `expected`.
fn with_grace(service: &Service, expected: i64) -> i64 {
    (expected + service.grace.seconds()).min(TIME_SECONDS_MAX)
}

/// What in the row no ping and no change has put there, where that can be known.
fn by_hand(service: &Service, facts: &Facts, times: &Times<'_>) -> Option<String> {
    let row = facts.service.as_ref()?;
    let last = facts.changes.last()?;
    let watch = Watch::of(row);
    if last.is.as_ref().is_some_and(|is| *is != watch) || last.paused != row.paused {
        return Some(format!(
            "The row now says {}{}, and no ping or change on record did: it was edited by hand, when cannot be known.",
            shown_watch(&watch),
            if row.paused { ", paused" } else { "" }
        ));
    }
    let (expected, deadline) = (service.expected?, service.deadline?);
    let follows = with_grace(service, expected);
    let is_of_row = service.deadline == row.deadline && service.expected == row.expected;
    (is_of_row && !service.is_running() && deadline != follows).then(|| {
        format!(
            "What is expected, with its grace, gives {}: the row was edited by hand, or a start that opened no run has brought another schedule.",
            times.at(follows)
        )
    })
}

/// What was heard last by then, and next.
fn heard(facts: &Facts, times: &Times<'_>) -> Vec<String> {
    let last = facts.before.last().map(|heard| format!("Last heard {}.", signal(heard, times)));
    let next = facts.after.first().map(|heard| format!("Heard next {}.", signal(heard, times)));
    last.into_iter().chain(next).collect()
}

fn signal(heard: &Heard, times: &Times<'_>) -> String {
    let what = match heard.signal.exit_status() {
        Some(status) => format!("exit status {status}"),
        None => heard.signal.as_str().to_owned(),
    };
    let key = heard.key.as_ref().map(|key| format!(", key {key:?}")).unwrap_or_default();
    if heard.at == heard.received_at {
        format!("{}: {what}{key}", times.at(heard.received_at))
    } else {
        format!("{}: {what} of {}{key}", times.at(heard.received_at), times.at(heard.at))
    }
}

fn lost(loss: Loss, facts: &Facts, times: &Times<'_>) -> String {
    match loss {
        Loss::Deleted(at) => {
            format!("The service was deleted {}, and its history with it.", times.at(at))
        }
        Loss::HistoryBegins(at) => format!("The history that is kept begins {}.", times.at(at)),
        Loss::NoHistory => "No history of it is kept.".to_owned(),
        Loss::NoRecord if !facts.changes.is_empty() => {
            "There is no such service now, and it was not deleted by the program: it was deleted or renamed by hand, when cannot be known.".to_owned()
        }
        Loss::NoRecord => match facts.changes_since {
            Some(since) => format!(
                "There is no such service now, and the record of changes, which begins {}, does not hold it: it went before that, or was deleted by hand.",
                times.at(since)
            ),
            None => "There is no such service now, and no change is on record.".to_owned(),
        },
        Loss::Unreadable => "Its row was edited by hand, and cannot be read.".to_owned(),
    }
}

/// The last change by then.
fn last_change(facts: &Facts, times: &Times<'_>) -> Option<String> {
    let last = facts.changes.iter().rfind(|changed| changed.at <= facts.at)?;
    Some(change(last, times))
}

fn change(changed: &Changed, times: &Times<'_>) -> String {
    let at = times.at(changed.at);
    let key = changed.key.as_ref().map(|key| format!(", key {key:?}")).unwrap_or_default();
    let by = if changed.by_ping { "a ping" } else { "its owner" };
    let by = format!("by {by}{key}");
    let is = changed.is.as_ref().map(shown_watch).unwrap_or_default();
    let was = changed.was.as_ref().map(shown_watch).unwrap_or_default();
    match changed.what {
        What::Known if changed.paused => {
            format!("It was there before changes began to be kept, {at}: {is}, paused.")
        }
        What::Known => format!("It was there before changes began to be kept, {at}: {is}."),
        What::Made => format!("Made {at} {by}: {is}."),
        What::Declared => format!("Declared {at} {by}: {is}."),
        What::Changed => format!("Changed {at} {by}: {was} became {is}."),
        What::Paused => format!("Paused {at} {by}."),
        What::Resumed if changed.was == changed.is => format!("Resumed {at} {by}."),
        What::Resumed => format!("Resumed {at} {by}, and {was} became {is}."),
        What::Deleted => format!("Deleted {at} {by}."),
    }
}

/// `every 10m, grace 5m`.
fn shown_watch(watch: &Watch) -> String {
    let most = watch.max_runtime.map(|most| format!(", max_runtime {most}")).unwrap_or_default();
    format!("{}, grace {}{most}", watch.schedule, watch.grace)
}

/// When the monitor itself was away, as far as that matters.
fn gaps(facts: &Facts, service: Option<&Service>, times: &Times<'_>) -> Vec<String> {
    let deadline = service.and_then(|service| service.deadline);
    let from = service.and_then(|service| Some(service.waited_from(service.deadline?)));
    let matters = |gap: &&Gap| {
        let is_then = gap.span.from <= facts.at && facts.at <= gap.hold_until.max(gap.span.to);
        let touches = from.zip(deadline).is_some_and(|(from, deadline)| {
            gap.touches(from, deadline).is_some() && gap.span.from <= facts.at
        });
        is_then || touches
    };
    let mut said = Vec::new();
    for Gap { span, hold_until } in facts.gaps.iter().filter(matters) {
        let (from, to, hold) = (times.at(span.from), times.at(span.to), times.at(*hold_until));
        said.push(if hold_until > &span.to {
            format!("The monitor itself did not listen from {from} to {to}, and held silence against nobody until {hold}.")
        } else {
            format!("The monitor itself did not listen from {from} to {to}.")
        });
    }
    said
}

/// What was told by then, to whom, and why not.
fn told(
    facts: &Facts,
    service: Option<&Service>,
    setting: &Setting<'_>,
    times: &Times<'_>,
) -> Vec<String> {
    let present: Vec<&Told> = of_last_outage(&facts.told);
    let is_over = present.last().is_some_and(|told| told.alert.kind == Kind::Recovered);
    let mut said = Vec::new();
    let is_due = service.is_some_and(|service| is_due(service, facts.at));
    let is_told = service.is_some_and(|service| is_told(service, &present, is_over));
    if let Some(service) = service.filter(|_| !is_told) {
        said.extend(untold(service, facts, is_due, times));
        if !is_due && !service.paused {
            said.extend(delivery::would_be_told(&facts.name, Kind::Overdue, setting.routes));
        }
    }
    let skipped = present.len().saturating_sub(WHY_ALERTS_MAX);
    let is_present = is_told || service.is_none();
    let word = if is_present { "" } else { "Before: " };
    let last = present.last().map(|told| told.seq);
    for told in present.into_iter().skip(skipped) {
        said.push(format!("{word}{}", raised(told, times)));
        said.extend(delivery::sentences(told, times));
        if is_present && Some(told.seq) == last {
            said.extend(delivery::others(told, setting.routes));
        }
    }
    if let Some(next) = facts.told_later.first() {
        said.push(format!("Later: {}", raised(next, times)));
        if is_due && !is_told {
            said.extend(delivery::sentences(next, times));
            said.extend(delivery::others(next, setting.routes));
        }
    }
    said
}

/// The alerts of the outage that was told of last.
fn of_last_outage(told: &[Told]) -> Vec<&Told> {
    let Some(last) = told.last() else { return Vec::new() };
    told.iter().filter(|told| told.alert.outage_since == last.alert.outage_since).collect()
}

/// Whether there was something to tell.
fn is_due(service: &Service, at: i64) -> bool {
    matches!(service.status(at), Status::Overdue | Status::Failed)
}

/// Whether what there was to tell had been told.
fn is_told(service: &Service, present: &[&Told], is_over: bool) -> bool {
    if is_over {
        return false;
    }
    present.iter().any(|told| match told.alert.kind {
        Kind::Overdue => Some(told.alert.about) == service.deadline,
        Kind::Failed => service.failed && Some(told.alert.outage_since) == service.outage_since,
        Kind::Reminder | Kind::Recovered => false,
    })
}

/// Why nothing was told.
fn untold(service: &Service, facts: &Facts, is_due: bool, times: &Times<'_>) -> Option<String> {
    if service.paused || service.deadline.is_none() {
        return None;
    }
    if !is_due {
        let be = if facts.at == facts.now { "is" } else { "was" };
        return Some(format!("No alert {be} due: its deadline {} not passed.", have(facts)));
    }
    let deadline = service.deadline?;
    if let Some(gap) = facts.gaps.iter().rfind(|gap| gap.holds(service, deadline, facts.at)) {
        let until = gap.hold_until.min(gap.span.to + service.wait_seconds());
        return Some(format!(
            "No alert yet: the monitor had been away, and held its silence against nobody until {}.",
            times.at(until)
        ));
    }
    if service.status(facts.at) == Status::Overdue && facts.at - deadline <= 1 {
        return Some(format!(
            "No alert yet: the deadline passed {}, and the sweep of the second after it tells.",
            times.at(deadline)
        ));
    }
    if service.alerted {
        return Some(
            "It was told of; that alert is no longer on record, or went with a service of this name that was deleted."
                .to_owned(),
        );
    }
    let later = facts.told_later.first().filter(|told| told.alert.about == deadline);
    Some(match later {
        Some(_) => "No alert had been raised by then.".to_owned(),
        None => "No alert of this is on record: alerts that are older than OVERDUE_ALERT_HISTORY are removed, and hands may have set the column alerted.".to_owned(),
    })
}

/// `Alert alr_… (overdue) raised 02:00:01 UTC`.
fn raised(told: &Told, times: &Times<'_>) -> String {
    let alert = &told.alert;
    let status = alert.exit_status.map(|status| format!(", exit status {status}"));
    let reason = match alert.reason {
        Some(Reason::Deleted) => Some(", as the service was deleted".to_owned()),
        Some(Reason::Paused) => Some(", as the service was paused".to_owned()),
        None => None,
    };
    let extra = status.or(reason).unwrap_or_default();
    let doubt = alert.uncertain.map_or_else(String::new, |away| {
        format!(
            " It is uncertain: the monitor was away from {} to {}.",
            times.at(away.from),
            times.at(away.to)
        )
    });
    let (id, kind, at) = (&told.id, alert.kind.as_str(), times.at(alert.created_at));
    format!("Alert {id} ({kind}{extra}) was raised {at}.{doubt}")
}
