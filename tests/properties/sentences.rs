//! What is said of services, alerts and the record.

use jiff::tz::TimeZone;
use overdue::core::alert::{Alert, Kind, MonitorAlert, Reason, Route};
use overdue::core::change::{Changed, Watch, What};
use overdue::core::limits::{ATTEMPTS_SHOWN_MAX, TIME_SECONDS_MAX};
use overdue::core::listening::{Gap, Span};
use overdue::core::name::Name;
use overdue::core::report::{self, Life, Outage};
use overdue::core::runs::{Began, Run, Runs};
use overdue::core::service::{Service, Status};
use overdue::core::why::{self, Facts, Heard, Sent, Setting, Standing, Then, Told, Tried};
use overdue::core::{sentence, text};

use super::check_sentence;
use super::draw::Draw;

/// The longest sentence: words of callers are in it, each bounded.
const CHARS_MAX: usize = 4000;

/// Whatever is stored, also by hand: every sentence is one line of bounded length that begins with what matters, the
/// record is told of in as many sentences as there are facts, and shares of time add up.
pub fn sentences(input: &[u8]) {
    let mut draw = Draw(input);
    let zone = TimeZone::get(draw.zone().as_str()).unwrap();
    let facts = facts(&mut draw);
    check_why(&mut draw, &facts, &zone);
    let told = facts.told.iter().chain(&facts.told_later);
    for told in told.clone() {
        check_alert(&told.alert, facts.now, &zone);
    }
    check_headline(told.map(|told| &told.alert));
    if let Some(service) = &facts.service {
        let told = facts.told.last().map(|told| &told.alert);
        let said = sentence::of(service, told, facts.now, &zone);
        check_sentence(&said, CHARS_MAX);
        if service.status(facts.now) == Status::Paused {
            assert!(said.starts_with("Paused: "), "{said}");
        }
    }
    let (a, b) = (draw.second(), draw.second());
    check_sentence(
        &text::of_monitor(&MonitorAlert::new(draw.yes(), a, b), facts.now, &zone),
        CHARS_MAX,
    );
    check_report(&mut draw, facts);
}

fn check_alert(alert: &Alert, now: i64, zone: &TimeZone) {
    let said = text::of(alert, now, zone);
    check_sentence(&said, CHARS_MAX);
    assert!(said.contains(alert.service.as_str()), "{said} is about nobody");
    let word = match alert.kind {
        Kind::Overdue => "OVERDUE ",
        Kind::Failed => "FAILED ",
        Kind::Recovered => "RECOVERED ",
        Kind::Reminder if alert.failed => "STILL FAILED ",
        Kind::Reminder => "STILL OVERDUE ",
    };
    let (delay, rest) = match said.strip_prefix("Delayed ").and_then(|rest| rest.split_once(": ")) {
        Some((delay, rest)) => (delay, rest),
        None => ("", said.as_str()),
    };
    assert_eq!(!delay.is_empty(), now - alert.created_at >= 120, "{said}");
    assert!(rest.starts_with(word), "{said}");
    assert!(alert.overdue_seconds() >= 0 && alert.outage_seconds().unwrap_or(0) >= 0);
    let (key, other) =
        (alert.outage_key(), Alert { outage_since: alert.outage_since + 1, ..alert.clone() });
    assert!(key.starts_with("out_") && key.len() == 30 && key != other.outage_key());
}

fn check_headline<'a>(alerts: impl Iterator<Item = &'a Alert> + Clone) {
    let headline = text::headline(alerts.clone());
    let counts =
        headline.split(", ").filter_map(|part| part.split(' ').next()?.parse::<usize>().ok());
    assert_eq!(counts.sum::<usize>(), alerts.count(), "{headline}");
}

fn check_why(draw: &mut Draw<'_>, facts: &Facts, zone: &TimeZone) {
    let routes = draw.several(3, route);
    let said = why::sentences(facts, &Setting { routes: &routes, zone });
    assert!(!said.is_empty());
    for sentence in &said {
        check_sentence(sentence, 20 * CHARS_MAX);
    }
    let deliveries: usize =
        facts.told.iter().chain(&facts.told_later).map(|told| told.sent.len()).sum();
    let (changes, gaps) = (facts.changes.len(), facts.gaps.len());
    let most = 20 + deliveries + changes + gaps + 10 * (1 + routes.len());
    assert!(said.len() <= most, "{} sentences: {said:?}", said.len());
    match why::then(facts) {
        Then::There(service) => assert_eq!(service.name.as_str(), facts.name.as_str()),
        Then::NotYet(made) => assert!(made.at > facts.at),
        Then::Gone(deleted) => assert!(deleted.at <= facts.at && deleted.what == What::Deleted),
        Then::Unknown(_) => {}
    }
}

fn check_report(draw: &mut Draw<'_>, facts: Facts) {
    let past = Life {
        name: facts.name.as_str().to_owned(),
        changes: facts.changes,
        outages: draw.several(4, outage),
        exists: facts.service.is_some(),
        is_cut: draw.yes(),
    };
    let from = draw.second();
    let period = Span { from, to: (from + draw.seconds()).min(TIME_SECONDS_MAX) };
    let Some(line) = report::line(&past, period, &facts.gaps, facts.now) else { return };
    let length = (period.to.min(facts.now) - period.from).max(0);
    assert!(
        line.watched_seconds >= 0 && line.away_seconds >= 0 && line.paused_seconds >= 0,
        "{line:?}"
    );
    assert!(
        line.watched_seconds + line.away_seconds + line.paused_seconds <= length,
        "{line:?} of {length}"
    );
    assert!((0..=line.watched_seconds).contains(&line.downtime_seconds), "{line:?}");
    assert!((0..=line.watched_seconds).contains(&line.longest_seconds), "{line:?}");
    assert!(line.outages <= past.outages.len() as u64, "{line:?}");
    let share = line.uptime_basis_points();
    assert!(share.is_none_or(|share| (0..=10_000).contains(&share)), "{line:?}");
    assert_eq!(
        share == Some(10_000),
        line.watched_seconds > 0 && line.downtime_seconds == 0,
        "{line:?}"
    );
    let csv = report::csv(&line);
    assert!(csv.ends_with("\r\n"));
}

fn facts(draw: &mut Draw<'_>) -> Facts {
    let name = draw.name();
    let now = draw.second();
    let mut changes = draw.several(5, changed);
    changes.sort_by_key(|changed| changed.at);
    let mut gaps = draw.several(3, gap);
    gaps.sort_by_key(|gap| gap.span.from);
    Facts {
        at: if draw.yes() { now } else { now - draw.seconds().min(now) },
        now,
        service: draw.maybe(|draw| service(draw, &name)),
        is_unreadable: draw.yes(),
        before: draw.several(4, heard),
        after: draw.several(3, heard),
        changes,
        changes_since: draw.maybe(Draw::second),
        told: draw.several(4, |draw| told(draw, &name)),
        told_later: draw.several(3, |draw| told(draw, &name)),
        gaps,
        name: name.clone(),
    }
}

fn service(draw: &mut Draw<'_>, name: &Name) -> Service {
    let runs = draw.several(3, |draw| Run {
        id: draw.maybe(Draw::run),
        began: if draw.yes() {
            Began::At(draw.second() * 1000)
        } else {
            Began::After(draw.second() * 1000)
        },
    });
    Service {
        description: draw.maybe(Draw::words),
        grace_given: draw.yes(),
        max_runtime: draw.maybe(Draw::frequency),
        locked: draw.yes(),
        paused: draw.byte() % 8 == 1,
        last_ping: draw.maybe(Draw::second),
        last_success: draw.maybe(Draw::second),
        last_duration_ms: draw.maybe(|draw| draw.seconds() * 1000),
        expected: draw.maybe(Draw::second),
        deadline: draw.maybe(Draw::second),
        alerted: draw.yes(),
        failed: draw.yes(),
        outage_since: draw.maybe(Draw::second),
        reminded_at: draw.maybe(Draw::second),
        runs: Runs::new(runs),
        ..Service::new(name.clone(), draw.schedule(), draw.grace())
    }
}

fn alert(draw: &mut Draw<'_>, name: &Name) -> Alert {
    let kind = draw.one_of(&Kind::ALL);
    let service = service(draw, name);
    let (about, since, at) = (draw.second(), draw.second(), draw.second());
    Alert {
        exit_status: draw.maybe(Draw::byte),
        log: draw.maybe(Draw::words),
        reason: draw.maybe(|draw| draw.one_of(&[Reason::Deleted, Reason::Paused])),
        uncertain: draw.maybe(span),
        ..Alert::of(&service, kind, about, since, at)
    }
}

fn told(draw: &mut Draw<'_>, name: &Name) -> Told {
    let alert = alert(draw, name);
    Told { seq: draw.number(), id: alert.id(0), alert, sent: draw.several(3, sent) }
}

fn sent(draw: &mut Draw<'_>) -> Sent {
    let standing = match draw.byte() % 3 {
        0 => Standing::Pending(draw.second()),
        1 => Standing::Delivered,
        _ => Standing::GivenUp(draw.maybe(Draw::words)),
    };
    let tried = draw.several(12, |draw| Tried {
        number: 1 + draw.number() % ATTEMPTS_SHOWN_MAX,
        count: 1 + draw.number() % ATTEMPTS_SHOWN_MAX,
        first_at: draw.second(),
        last_at: draw.second(),
        accepted: draw.yes(),
        answer: draw.words(),
    });
    Sent { destination: draw.one_of(&["default", "chat", "pager"]).to_owned(), standing, tried }
}

fn route(draw: &mut Draw<'_>) -> Route {
    Route {
        destination: draw.one_of(&["default", "chat", "pager"]).to_owned(),
        kinds: Kind::ALL.into_iter().filter(|_| draw.yes()).collect(),
        services: None,
        patterns: Vec::new(),
    }
}

fn changed(draw: &mut Draw<'_>) -> Changed {
    let what = [
        What::Known,
        What::Made,
        What::Declared,
        What::Changed,
        What::Paused,
        What::Resumed,
        What::Deleted,
    ];
    Changed {
        at: draw.second(),
        what: draw.one_of(&what),
        by_ping: draw.yes(),
        key: draw.maybe(Draw::words),
        signals: draw.number(),
        was: draw.maybe(watch),
        is: draw.maybe(watch),
        paused: draw.yes(),
        expected: draw.maybe(Draw::second),
        deadline: draw.maybe(Draw::second),
    }
}

fn watch(draw: &mut Draw<'_>) -> Watch {
    Watch {
        schedule: draw.schedule(),
        grace: draw.grace(),
        max_runtime: draw.maybe(Draw::frequency),
    }
}

fn heard(draw: &mut Draw<'_>) -> Heard {
    Heard {
        number: draw.number(),
        at: draw.second(),
        received_at: draw.second(),
        signal: draw.signal(),
        run: draw.maybe(Draw::run),
        key: draw.maybe(Draw::words),
    }
}

fn span(draw: &mut Draw<'_>) -> Span {
    let from = draw.second();
    Span { from, to: (from + draw.seconds()).min(TIME_SECONDS_MAX) }
}

fn gap(draw: &mut Draw<'_>) -> Gap {
    let span = span(draw);
    Gap { span, hold_until: span.to + draw.seconds() }
}

fn outage(draw: &mut Draw<'_>) -> Outage {
    let started_at = draw.second();
    Outage {
        started_at,
        ended_at: draw.maybe(|draw| started_at + draw.seconds()),
        lasted_until: started_at + draw.seconds(),
    }
}
