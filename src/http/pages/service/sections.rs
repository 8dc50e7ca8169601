//! The sections of a service's page that change as it does.

use askama::Template;
use jiff::tz::TimeZone;

use super::super::chart::{Chart, Moment, Run, duration};
use super::super::session::Visitor;
use super::super::timeline::{Facts, Outage, Timeline};
use super::super::told::Told;
use super::super::{encoded, service_path};
use super::Sign;
use crate::core::limits::{
    CHART_SIGNALS_MAX, NEXT_OCCURRENCES_SHOWN, PAGE_ALERTS_MAX, PAGE_PINGS_MAX,
    SERVICE_ALERTS_SHOWN, TIMELINE_SPANS_MAX,
};
use crate::core::listening::Span;
use crate::core::service::{History, Service};
use crate::core::why::{Setting, sentences};
use crate::core::{sentence, text, when};
use crate::http::Api;
use crate::http::list::{cursor, cursor_at, not_a_cursor, read};
use crate::http::problem::{Problem, shown};
use crate::http::query::Query;
use crate::store::{AlertSeen, AlertsPage, AlertsWanted, Known, OutageSeen, Recorded};

/// A part of the page, rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// What the script knows it by.
    pub(super) id: &'static str,
    /// Its HTML.
    pub(super) html: String,
}

impl Section {
    fn new(id: &'static str, template: &impl Template) -> Result<Self, Problem> {
        let html = template.render().map_err(|error| {
            tracing::error!(%error, id, "a section of a page cannot be rendered");
            Problem::Unavailable("this page cannot be shown at the moment".to_owned())
        })?;
        Ok(Self { id, html })
    }
}

/// What of the page is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// Where the list of pings begins, if not at the newest.
    pings: Option<History>,
    /// What time it is asked about, if not the present: as it was given, and which second that is.
    at: Option<(String, i64)>,
}

impl Asked {
    pub(super) fn read(query: &Query<'_>, now: i64, zone: &TimeZone) -> Result<Self, Problem> {
        let at = match query.get("at")?.filter(|given| !given.is_empty()) {
            Some(given) => {
                let second = when::parse(&given, now, zone).map_err(|error| {
                    Problem::BadRequest(format!("at {} {error}", shown(&given)))
                })?;
                Some((given, second))
            }
            None => None,
        };
        let Some(given) = query.get("pings")? else { return Ok(Self { pings: None, at }) };
        let place = cursor(&given)?;
        let pings = place.split_once('.').and_then(|(newest, signals)| {
            Some(History { newest: newest.parse().ok()?, signals: signals.parse().ok()? })
        });
        pings.map(|pings| Self { pings: Some(pings), at }).ok_or_else(|| not_a_cursor(&given))
    }
}

#[derive(Template)]
#[template(path = "service/state.html")]
struct State<'a> {
    sign: Sign,
    icon: String,
    name: &'a str,
    sentence: String,
    description: Option<&'a str>,
    facts: Vec<Fact>,
    next: Vec<Moment>,
    aliases: &'a [String],
    path: String,
    may_change: bool,
    is_paused: bool,
    token: &'a str,
}

/// A line of what is known: its words, and a time where it ends with one.
struct Fact {
    what: &'static str,
    words: String,
    at: Option<Moment>,
}

#[derive(Template)]
#[template(path = "service/why.html")]
struct Why {
    is_open: bool,
    at: Option<Moment>,
    sentences: Vec<String>,
    given: String,
    path: String,
}

#[derive(Template)]
#[template(path = "service/runs.html")]
struct Runs {
    durations: Chart,
    timeline: Timeline,
    has_signals: bool,
}

#[derive(Template)]
#[template(path = "service/pings.html")]
struct PingsSection {
    pings: Vec<Ping>,
    older: Option<String>,
    newest: Option<String>,
}

/// A signal as the list shows it.
struct Ping {
    number: i64,
    class: &'static str,
    shape: &'static str,
    words: String,
    at: Moment,
    received: Option<Moment>,
    took: Option<String>,
    run: Option<String>,
    key: Option<String>,
    address: Option<String>,
    log: Option<String>,
}

#[derive(Template)]
#[template(path = "service/alerts.html")]
struct AlertsSection<'a> {
    alerts: Vec<Told>,
    more: Option<String>,
    names_service: bool,
    may_change: bool,
    token: &'a str,
    back: String,
}

#[derive(Template)]
#[template(path = "service/outages.html")]
struct Outages {
    outages: Vec<Lasted>,
}

/// An outage as the table shows it.
struct Lasted {
    shape: &'static str,
    what: &'static str,
    from: Moment,
    to: Option<Moment>,
    length: String,
    how: &'static str,
}

/// Every section at `now`.
pub(super) async fn all(
    api: &Api,
    known: &Known,
    visitor: &Visitor,
    asked: &Asked,
    now: i64,
) -> Result<Vec<Section>, Problem> {
    let (store, service) = (&api.0.store, &known.service);
    let signals = read(store.recording(&service.name, service.history, CHART_SIGNALS_MAX).await)?;
    let wanted = AlertsWanted { service: Some(service.name.clone()), ..AlertsWanted::default() };
    let alerts = read(store.alerts(wanted, SERVICE_ALERTS_SHOWN).await)?;
    let outages = read(store.outages(&service.name, None, TIMELINE_SPANS_MAX).await)?.outages;
    let first = signals.signals.last().map_or(now, |first| first.at);
    let gaps = read(store.gaps(Span { from: first, to: now }).await)?;
    let gaps: Vec<Span> = gaps.iter().rev().map(|gap| gap.span).collect();
    let state = state(api, known, visitor, alerts.alerts.first(), now)?;
    let why = why(api, service, asked, now).await?;
    let zone = &api.0.zone;
    let facts = Facts {
        signals: &signals.signals,
        outages: &known_spans(&outages),
        gaps: &gaps,
        expected: service.expected,
        deadline: service.deadline,
        now,
        zone,
    };
    let runs = runs(&facts)?;
    let from = asked.pings.unwrap_or(service.history);
    let page = read(store.recording(&service.name, from, PAGE_PINGS_MAX).await)?;
    let list = PingsSection {
        pings: page.signals.iter().map(|recorded| ping(recorded, now, zone)).collect(),
        ..PingsSection::between(service, page.next, asked.pings.is_some())
    };
    let told = told(api, service, visitor, alerts, now)?;
    let pings = Section::new("pings", &list)?;
    Ok(vec![state, why, runs, told, pings, lasted(&outages, now, zone)?])
}

/// What changes most often: the first sentence, and the times beside it.
pub(super) fn state(
    api: &Api,
    known: &Known,
    visitor: &Visitor,
    last_alert: Option<&AlertSeen>,
    now: i64,
) -> Result<Section, Problem> {
    let service = &known.service;
    let sign = Sign::of(service, now);
    let last_alert = last_alert.map(|seen| &seen.alert);
    let state = State {
        icon: sign.icon.href(),
        sign,
        name: service.name.as_str(),
        sentence: sentence::of(service, last_alert, now, &api.0.zone),
        description: service.description.as_deref(),
        facts: facts(service, now, &api.0.zone),
        next: next(service, now, &api.0.zone),
        aliases: &known.aliases,
        path: service_path(service.name.as_str()),
        may_change: visitor.may_change,
        is_paused: service.paused,
        token: &visitor.token,
    };
    Section::new("state", &state)
}

/// Why an alert came or did not, now or at the time that is asked about.
async fn why(api: &Api, service: &Service, asked: &Asked, now: i64) -> Result<Section, Problem> {
    let at = asked.at.as_ref().map(|(_, second)| *second);
    let facts = read(api.0.store.why(&service.name, at.unwrap_or(now), now).await)?;
    let zone = &api.0.zone;
    let setting = Setting { routes: api.0.store.routes(), zone };
    let why = Why {
        is_open: at.is_some(),
        at: at.map(|at| Moment::new(at, now, zone)),
        sentences: sentences(&facts, &setting),
        given: asked.at.as_ref().map(|(given, _)| given.clone()).unwrap_or_default(),
        path: service_path(service.name.as_str()),
    };
    Section::new("why", &why)
}

fn facts(service: &Service, now: i64, zone: &TimeZone) -> Vec<Fact> {
    let at = |what, words: &str, at: Option<i64>| {
        at.map(|at| Fact { what, words: words.to_owned(), at: Some(Moment::new(at, now, zone)) })
    };
    let grace = match service.grace.seconds() {
        0 => "no grace".to_owned(),
        _ => format!("grace {}", service.grace),
    };
    let mut schedule = format!("{}, {grace}", service.schedule);
    if let Some(most) = service.max_runtime {
        schedule = format!("{schedule}, a run takes at most {most}");
    }
    if service.locked {
        schedule.push_str(", locked: pings do not change it");
    }
    let is_past = service.deadline.is_some_and(|deadline| deadline < now);
    let took = service.last_duration_ms.map(|ms| format!("took {},", duration(ms)));
    let facts = [
        Some(Fact { what: "Schedule", words: schedule, at: None }),
        at("Last ping", took.as_deref().unwrap_or_default(), service.last_ping),
        at("Last success", "", service.last_success.filter(|at| Some(*at) != service.last_ping)),
        at("Running since", "", service.runs.running_since()),
        at("Expected", "by", service.expected),
        at("Overdue", if is_past { "since" } else { "after" }, service.deadline),
    ];
    facts.into_iter().flatten().collect()
}

/// The next occurrences of a cron expression.
fn next(service: &Service, now: i64, zone: &TimeZone) -> Vec<Moment> {
    let Some(cron) = service.schedule.cron() else { return Vec::new() };
    let mut from = now;
    let occurrence = |_| {
        from = cron.next(from);
        Moment::new(from, now, zone)
    };
    (0..NEXT_OCCURRENCES_SHOWN).map(occurrence).collect()
}

/// The outages that can be drawn: what neither lasts nor has an end that is known cannot.
fn known_spans(outages: &[OutageSeen]) -> Vec<Outage> {
    let known = |outage: &OutageSeen| match outage.ended_at {
        Some(ended_at) => Some(Outage { from: outage.started_at, to: Some(ended_at) }),
        None => outage.lasts.then_some(Outage { from: outage.started_at, to: None }),
    };
    outages.iter().filter_map(known).collect()
}

fn runs(facts: &Facts<'_>) -> Result<Section, Problem> {
    let runs = Runs {
        durations: Chart::new(&Run::all(facts.signals), facts.now, facts.zone),
        timeline: Timeline::new(facts),
        has_signals: !facts.signals.is_empty(),
    };
    Section::new("runs", &runs)
}

impl PingsSection {
    /// An empty list of a service's pings with the links to what comes before and behind it.
    fn between(service: &Service, next: Option<History>, is_older: bool) -> Self {
        let path = service_path(service.name.as_str());
        let older = next.map(|next| {
            let cursor = cursor_at(&format!("{}.{}", next.newest, next.signals));
            format!("{path}?pings={cursor}#pings")
        });
        Self { pings: Vec::new(), older, newest: is_older.then(|| format!("{path}#pings")) }
    }
}

fn ping(recorded: &Recorded, now: i64, zone: &TimeZone) -> Ping {
    let (class, shape, word) = match recorded.signal.as_str() {
        "success" => ("up", "●", "success"),
        "start" => ("running", "↻", "start"),
        "fail" => ("bad", "▲", "failure"),
        _ => ("idle", "≡", "log"),
    };
    let words = match recorded.exit_status {
        Some(status) => format!("{word}, exit status {status}"),
        None => word.to_owned(),
    };
    Ping {
        number: recorded.number,
        class,
        shape,
        words,
        at: Moment::new(recorded.at, now, zone),
        received: (recorded.received_at != recorded.at)
            .then(|| Moment::new(recorded.received_at, now, zone)),
        took: recorded.duration_ms.map(duration),
        run: recorded.run.clone(),
        key: recorded.key.clone(),
        address: recorded.address.clone(),
        log: recorded.log.clone().filter(|log| !log.is_empty()),
    }
}

fn told(
    api: &Api,
    service: &Service,
    visitor: &Visitor,
    found: AlertsPage,
    now: i64,
) -> Result<Section, Problem> {
    let name = service.name.as_str();
    let more = found.next.map(|next| {
        format!("/alerts?service={}&cursor={}", encoded(name), cursor_at(&next.to_string()))
    });
    let zone = &api.0.zone;
    let alerts = AlertsSection {
        alerts: found.alerts.into_iter().map(|seen| Told::new(seen, now, zone)).collect(),
        more,
        names_service: false,
        may_change: visitor.may_change,
        token: &visitor.token,
        back: format!("{}#alerts", service_path(name)),
    };
    Section::new("alerts", &alerts)
}

fn lasted(outages: &[OutageSeen], now: i64, zone: &TimeZone) -> Result<Section, Problem> {
    let outages = outages.iter().take(PAGE_ALERTS_MAX).map(|outage| {
        let until = outage.ended_at.unwrap_or(now);
        let (shape, what) = match (outage.overdue, outage.failed) {
            (true, true) => ("■▲", "silence and failure"),
            (false, true) => ("▲", "failure"),
            _ => ("■", "silence"),
        };
        let how = match (outage.ended_at, outage.reason) {
            (_, Some(crate::core::alert::Reason::Paused)) => "it was paused",
            (_, Some(crate::core::alert::Reason::Deleted)) => "it was deleted",
            (Some(_), None) => "it was pinged",
            (None, None) if outage.lasts => "it lasts",
            (None, None) => "its end is not known",
        };
        let is_known = outage.ended_at.is_some() || outage.lasts;
        let length = text::rough_duration(until - outage.started_at);
        Lasted {
            shape,
            what,
            from: Moment::new(outage.started_at, now, zone),
            to: outage.ended_at.map(|at| Moment::new(at, now, zone)),
            length: if is_known { length } else { String::new() },
            how,
        }
    });
    Section::new("outages", &Outages { outages: outages.collect() })
}
