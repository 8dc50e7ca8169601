//! What a service was at a second: as its row says, where nothing has happened since; else as its pings and changes give
//! it when they are decided again.

use super::{Facts, Heard};
use crate::core::alert::{Alert, Kind};
use crate::core::change::{Changed, What};
use crate::core::frequency::Grace;
use crate::core::ping::{self, Ping};
use crate::core::service::Service;

/// What a service was at a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// It was not there yet; this has made it.
    NotYet(Changed),
    /// It was not there any more; this has ended it.
    Gone(Changed),
    /// It was like this.
    There(Service),
    /// It was there, and what was expected of it is no longer on record.
    Unknown(Loss),
}

/// Why it is no longer known what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its history was deleted along with it, at this second.
    Deleted(i64),
    /// The history that is kept begins with a signal that came at this second.
    HistoryBegins(i64),
    /// No history of it is kept.
    NoHistory,
    /// Nothing tells whether it was there.
    NoRecord,
    /// Its row cannot be read.
    Unreadable,
}

/// What the service of `facts` was at their second.
pub fn then(facts: &Facts) -> Then {
    let split = facts.changes.partition_point(|changed| changed.at <= facts.at);
    let (before, after) = facts.changes.split_at(split);
    if let Some(last) = before.iter().rfind(|changed| begins_or_ends(changed)) {
        if last.what == What::Deleted {
            return Then::Gone(last.clone());
        }
    } else if let Some(first) = after.iter().find(|changed| begins_or_ends(changed))
        && matches!(first.what, What::Made | What::Declared)
    {
        return Then::NotYet(first.clone());
    }
    if let Some(deleted) = after.iter().find(|changed| changed.what == What::Deleted) {
        return Then::Unknown(Loss::Deleted(deleted.at));
    }
    let Some(service) = &facts.service else {
        let loss = if facts.is_unreadable { Loss::Unreadable } else { Loss::NoRecord };
        return Then::Unknown(loss);
    };
    if facts.after.is_empty() && after.is_empty() && service.last_ping <= Some(facts.at) {
        return Then::There(as_of_row(facts, service));
    }
    replayed(facts, service, before, after)
}

fn begins_or_ends(changed: &Changed) -> bool {
    matches!(changed.what, What::Known | What::Made | What::Declared | What::Deleted)
}

/// The row as it was before alerts that were raised later.
fn as_of_row(facts: &Facts, service: &Service) -> Service {
    let mut service = service.clone();
    if let Some(first) = facts.told_later.first() {
        service.alerted &= first.alert.kind != Kind::Overdue;
        let opened_later = facts.told.last().is_none_or(|told| told.alert.kind == Kind::Recovered);
        if opened_later {
            service.outage_since = None;
        } else {
            // Silence that was told of later has cleared this.
            service.failed |= facts.told.last().is_some_and(|told| told.alert.kind == Kind::Failed);
        }
    }
    service
}

/// What happened to a service, in its order.
enum Event<'a> {
    Heard(&'a Heard),
    Changed(&'a Changed),
}

impl Event<'_> {
    /// The second of it, then which signal it goes with, and whether before it.
    fn place(&self) -> (i64, i64, u8) {
        match self {
            // A signal that changes the schedule is decided by the new one.
            Self::Changed(changed) if changed.by_ping => (changed.at, changed.signals, 0),
            Self::Heard(heard) => (heard.received_at, heard.number, 1),
            Self::Changed(changed) => (changed.at, changed.signals, 2),
        }
    }
}

/// The pings and changes by then, decided again.
fn replayed(facts: &Facts, row: &Service, before: &[Changed], after: &[Changed]) -> Then {
    let begin = before.iter().rposition(begins_or_ends).unwrap_or(0);
    let life = before.get(begin..).unwrap_or_default();
    let born = life.first().filter(|first| matches!(first.what, What::Made | What::Declared));
    let born_at = born.map(|first| first.at);
    let first_known = life.first().and_then(|first| first.is.clone().or_else(|| first.was.clone()));
    let watch = first_known.or_else(|| after.first().and_then(|next| next.was.clone()));
    let mut service = Service::new(row.name.clone(), row.schedule.clone(), row.grace);
    (service.max_runtime, service.description) = (row.max_runtime, row.description.clone());
    if let Some(watch) = watch {
        (service.schedule, service.grace) = (watch.schedule, watch.grace);
        service.max_runtime = watch.max_runtime;
    }
    let heard = facts.before.iter().map(Event::Heard);
    let changed = life.iter().map(Event::Changed);
    let mut events: Vec<Event<'_>> = heard.chain(changed).collect();
    events.sort_by_key(Event::place);
    // An earlier service of this name was told of, too.
    let told = facts.told.iter().map(|told| &told.alert);
    let told = told.filter(|alert| Some(alert.created_at) >= born_at);
    let mut silence = told.filter(|alert| alert.kind == Kind::Overdue).peekable();
    // Where the beginning is missing, what is expected is known from the first signal or change on that says so.
    let mut is_known = born.is_some();
    for event in events {
        let (second, ..) = event.place();
        // Of one second, a sweep that saw what was there until then came first.
        while let Some(alert) = silence.next_if(|alert| {
            alert.created_at < second || (alert.created_at == second && has_seen(alert, &service))
        }) {
            fall_silent(&mut service, alert, born_at);
        }
        is_known |= happen(&mut service, &event);
    }
    silence.for_each(|alert| fall_silent(&mut service, alert, born_at));
    if is_known { Then::There(service) } else { Then::Unknown(loss(facts)) }
}

/// Lets `event` happen to `service`; whether that says what is expected from here on.
fn happen(service: &mut Service, event: &Event<'_>) -> bool {
    match event {
        Event::Heard(heard) => {
            let ping = Ping {
                signal: heard.signal,
                run: heard.run.clone(),
                timestamp: Some(heard.at),
                ..Ping::new(service.name.clone(), heard.received_at)
            };
            // What was refused then is not on record, so this is not either.
            if let Ok(decision) = ping::ping(Some(service), &ping, Grace::ZERO, heard.received_at) {
                *service = decision.change.service;
            }
            service.deadline.is_some()
        }
        Event::Changed(changed) => {
            if let Some(watch) = &changed.is {
                service.schedule = watch.schedule.clone();
                (service.grace, service.max_runtime) = (watch.grace, watch.max_runtime);
            }
            if changed.by_ping {
                return false;
            }
            service.paused = changed.paused;
            (service.expected, service.deadline) = (changed.expected, changed.deadline);
            service.alerted &= changed.deadline.is_some_and(|deadline| deadline < changed.at);
            if changed.paused {
                service.runs.clear();
                (service.failed, service.outage_since) = (false, None);
            }
            true
        }
    }
}

/// Whether `alert` was raised of the service as it is here.
fn has_seen(alert: &Alert, service: &Service) -> bool {
    (alert.deadline, alert.last_ping, alert.running_since)
        == (service.deadline, service.last_ping, service.runs.running_since())
}

/// Lets `service`, born at `born_at`, be told of as silent by `alert`.
fn fall_silent(service: &mut Service, alert: &Alert, born_at: Option<i64>) {
    // What was told of in the second of its birth may have been another.
    if born_at == Some(alert.created_at) && !has_seen(alert, service) {
        return;
    }
    (service.alerted, service.failed) = (true, false);
    service.outage_since = Some(alert.outage_since);
}

fn loss(facts: &Facts) -> Loss {
    match facts.before.iter().chain(&facts.after).next() {
        Some(first) => Loss::HistoryBegins(first.received_at),
        None => Loss::NoHistory,
    }
}
