//! `/ping`: the one call that jobs make, and its opposite.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::Extensions;
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{AsText, as_json};
use super::caller::{Caller, Peer};
use super::openapi::words;
use super::problem::{Problem, shown};
use super::query::{self, Query};
use super::{Api, body};
use crate::core::frequency::{Frequency, Grace};
use crate::core::limits::DURATION_SECONDS_MAX;
use crate::core::name::Name;
use crate::core::ping::{Origin, Ping, Refusal, Terms};
use crate::core::schedule::{CronPattern, Zone};
use crate::core::service::Service;
use crate::core::signal::{RunId, Signal, SignalError};
use crate::core::text;
use crate::store::StoreError;

/// Timestamps of so many digits are milliseconds, whatever their caller thinks.
const MILLISECOND_DIGITS: usize = 13;

/// What a ping is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Pinged)]
pub(super) struct Pinged<'a> {
    #[schema(schema_with = words::name)]
    name: &'a str,
    #[schema(schema_with = words::status)]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = words::duration, required = false)]
    frequency: Option<AsText<Frequency>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cron: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tz: Option<&'a str>,
    #[schema(schema_with = words::duration)]
    grace: AsText<Grace>,
    #[schema(schema_with = words::optional_time, required = true)]
    last_ping: Option<AsText<Timestamp>>,
    #[schema(schema_with = words::optional_time, required = true)]
    deadline: Option<AsText<Timestamp>>,
}

/// What is answered when a service is forgotten.
#[derive(Serialize, ToSchema)]
#[schema(as = Forgotten)]
pub(super) struct Forgotten<'a> {
    #[schema(schema_with = words::name)]
    name: &'a str,
    deleted: bool,
}

/// `GET|HEAD|POST /ping?name=NAME&frequency=10m`
pub(super) async fn by_query(
    State(api): State<Api>,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let ping = described(&api, name_in_query(&query)?, &query, None)?;
    if ping.terms.frequency.is_none() && ping.terms.cron.is_none() {
        return Err(Problem::BadRequest(
            "frequency is missing: say how often to expect a ping, as in frequency=10m, or when, as in cron=0 2 * * *"
                .to_owned(),
        ));
    }
    store(&api, ping, request).await
}

/// `GET|HEAD|POST /ping/{name}`, for known services, or for unknown ones with the query of [`by_query`].
pub(super) async fn by_path(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let name = name(&query::last_segment(request.uri().path(), "name")?)?;
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let ping = described(&api, name, &query, None)?;
    store(&api, ping, request).await
}

/// `GET|HEAD|POST /ping/{name}/{start|fail|log|EXIT}`
pub(super) async fn signal_by_path(
    State(api): State<Api>,
    request: Request,
) -> Result<Response, Problem> {
    let path = request.uri().path();
    let text = query::last_segment(path, "signal")?;
    let signal = match Signal::parse(&text) {
        Ok(signal) => signal,
        Err(SignalError::Status) => {
            return Err(wrong("exit status", &text, &"is no exit status: use 0 to 255"));
        }
        Err(SignalError::Word) => {
            return Err(Problem::NotFound(format!(
                "there is nothing at {}: a ping's path ends in the name, start, fail, log, or an exit status from 0 to 255",
                shown(path)
            )));
        }
    };
    let name = name(&query::name_before_last_segment(path)?)?;
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let ping = described(&api, name, &query, Some(signal))?;
    store(&api, ping, request).await
}

/// `DELETE /ping/{name}`
pub(super) async fn delete(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let name = name(&query::last_segment(request.uri().path(), "name")?)?;
    forget(&api, name, request).await
}

/// `POST /ping/remove?name=NAME`, for callers that cannot send DELETE.
pub(super) async fn remove(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let name = name_in_query(&Query::parse(request.uri().query().unwrap_or_default()))?;
    forget(&api, name, request).await
}

async fn store(api: &Api, mut ping: Box<Ping>, request: Request) -> Result<Response, Problem> {
    ping.origin = origin_of(request.extensions());
    ping.log = body::log(request.into_body()).await?;
    let (now, name, timestamp) = (ping.received_at, ping.name.clone(), ping.timestamp);
    let service = api.0.store.ping(ping).await.map_err(|error| match error {
        StoreError::Refused(refusal) => refused(refusal, &name, timestamp, now),
        error => Problem::of_store(&error, name.as_str()),
    })?;
    Ok(as_json(&pinged(&service, api.0.clock.now())))
}

/// Where a request came from.
pub(super) fn origin_of(extensions: &Extensions) -> Origin {
    let caller = extensions.get::<Caller>();
    let text = |address: IpAddr| match extensions.get::<Peer>() {
        Some(peer) => peer.text_of(address),
        None => address.to_string().into(),
    };
    Origin {
        address: caller.and_then(|caller| caller.address).map(text),
        key: caller.and_then(|caller| caller.key.clone()),
    }
}

pub(super) async fn forget(api: &Api, name: Name, request: Request) -> Result<Response, Problem> {
    let by = origin_of(request.extensions());
    body::discard(request.into_body()).await?;
    let now = api.0.clock.now();
    api.0
        .store
        .delete(name.clone(), now, by)
        .await
        .map_err(|error| Problem::of_store(&error, name.as_str()))?;
    let forgotten = Forgotten { name: name.as_str(), deleted: true };
    Ok(as_json(&forgotten))
}

fn pinged(service: &Service, now: i64) -> Pinged<'_> {
    Pinged {
        name: service.name.as_str(),
        status: service.status(now).as_str(),
        frequency: service.schedule.frequency().map(AsText),
        cron: service.schedule.cron().map(|cron| cron.pattern.as_str()),
        tz: service.schedule.cron().map(|cron| cron.zone.as_str()),
        grace: AsText(service.grace),
        last_ping: service.last_ping.map(text::at).map(AsText),
        deadline: service.deadline.map(text::at).map(AsText),
    }
}

fn name_in_query(query: &Query<'_>) -> Result<Name, Problem> {
    let text = query.value("name")?;
    let text = text.ok_or_else(|| {
        Problem::BadRequest("name is missing: say who ran, as in name=daily_digest".to_owned())
    })?;
    name(&text)
}

pub(super) fn name(text: &str) -> Result<Name, Problem> {
    Name::parse(text).map_err(|error| Problem::BadRequest(format!("name {} {error}", shown(text))))
}

fn wrong(parameter: &str, text: &str, what: &dyn std::fmt::Display) -> Problem {
    Problem::BadRequest(format!("{parameter} {} {what}", shown(text)))
}

/// The value of a parameter as `read` takes it; `None` where it is not given.
fn parameter<T, E: std::fmt::Display>(
    query: &Query<'_>,
    parameter: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Problem> {
    let text = query.value(parameter)?;
    text.map(|text| read(&text).map_err(|error| wrong(parameter, &text, &error))).transpose()
}

/// The ping that a query describes, received now. `signal` is what its path says.
fn described(
    api: &Api,
    name: Name,
    query: &Query<'_>,
    signal: Option<Signal>,
) -> Result<Box<Ping>, Problem> {
    let given = parameter(query, "signal", Signal::parse)?;
    if signal.is_some() && given.is_some() {
        return Err(Problem::BadRequest(
            "the signal is given twice, in the path and in the query: give it once".to_owned(),
        ));
    }
    let terms = Terms {
        frequency: parameter(query, "frequency", Frequency::parse)?,
        cron: parameter(query, "cron", CronPattern::parse)?,
        zone: parameter(query, "tz", Zone::parse)?,
        grace: parameter(query, "grace", Grace::parse)?,
        max_runtime: parameter(query, "max_runtime", Frequency::parse)?,
    };
    check_terms(&terms)?;
    let received_ms = api.0.clock.now_ms();
    Ok(Box::new(Ping {
        signal: signal.or(given).unwrap_or_default(),
        run: parameter(query, "run", |text| RunId::parse(text))?,
        terms,
        timestamp: parameter(query, "timestamp", timestamp)?,
        duration_ms: parameter(query, "duration_ms", duration_ms)?,
        received_ms,
        ..Ping::new(name, received_ms.div_euclid(1000))
    }))
}

/// Refuses terms that contradict each other.
pub(super) fn check_terms(terms: &Terms) -> Result<(), Problem> {
    if terms.frequency.is_some() && terms.cron.is_some() {
        return Err(Problem::BadRequest(
            "frequency and cron are both given: say how often or when, not both".to_owned(),
        ));
    }
    Ok(())
}

/// A duration that a caller has measured: milliseconds.
fn duration_ms(text: &str) -> Result<i64, &'static str> {
    let ms: Option<i64> = is_digits(text).then(|| text.parse().ok()).flatten();
    ms.filter(|ms| *ms <= DURATION_SECONDS_MAX * 1000)
        .ok_or("is not a number of milliseconds: use digits, as in 183000")
}

/// Unix seconds: digits and nothing else. Anything of 13 digits or more is no second of ours.
fn timestamp(text: &str) -> Result<i64, &'static str> {
    let second = is_digits(text) && text.len() < MILLISECOND_DIGITS;
    second.then(|| text.parse().ok()).flatten().ok_or(
        if text.len() == MILLISECOND_DIGITS && is_digits(text) {
            "looks like milliseconds: use Unix seconds, as in 1664743905"
        } else {
            "is not a time: use Unix seconds, as in 1664743905"
        },
    )
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn refused(refusal: Refusal, name: &Name, timestamp: Option<i64>, now: i64) -> Problem {
    let timestamp = timestamp.unwrap_or(now);
    match refusal {
        Refusal::Older { last_ping } => Problem::Older(format!(
            "timestamp {timestamp} is older than the last ping of {} at {last_ping} ({}): nothing was changed",
            shown(name.as_str()),
            text::rfc3339(last_ping)
        )),
        Refusal::Ahead => Problem::BadRequest(format!(
            "timestamp {timestamp} is {} s in the future: use the Unix second at which the job ran, by a clock that is right (here it is {now})",
            timestamp - now
        )),
        Refusal::Unknown => Problem::NotFound(format!(
            "there is no service {}: its first ping needs a frequency, as in ?frequency=10m",
            shown(name.as_str())
        )),
        Refusal::ZoneWithoutCron => Problem::BadRequest(
            "tz is given without a cron expression: a frequency is the same in every zone"
                .to_owned(),
        ),
    }
}
