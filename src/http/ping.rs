//! `/ping`: the one call that jobs make, and its opposite.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use super::problem::{Problem, shown};
use super::query::{self, Query};
use super::{Api, body};
use crate::core::frequency::{Frequency, Grace};
use crate::core::name::Name;
use crate::core::service::{Ping, Refusal, Service};
use crate::core::text;
use crate::store::StoreError;

/// Timestamps of so many digits are milliseconds, whatever their caller thinks.
const MILLISECOND_DIGITS: usize = 13;

#[derive(Serialize)]
struct Pinged<'a> {
    name: &'a str,
    status: &'static str,
    frequency: String,
    grace: String,
    last_ping: Option<String>,
    deadline: Option<String>,
}

/// `GET|HEAD|POST /ping?name=NAME&frequency=10m`
pub(super) async fn by_query(
    State(api): State<Api>,
    request: Request,
) -> Result<Response, Problem> {
    let now = api.0.clock.now();
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let name = name_in_query(&query)?;
    let ping = ping(name, &query, now)?;
    if ping.frequency.is_none() {
        return Err(Problem::BadRequest(
            "frequency is missing: say how often to expect a ping, as in frequency=10m".to_owned(),
        ));
    }
    store(&api, ping, request).await
}

/// `GET|HEAD|POST /ping/{name}`, for known services, or for unknown ones with the query of [`by_query`].
pub(super) async fn by_path(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let now = api.0.clock.now();
    let name = name_in_path(&request)?;
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let ping = ping(name, &query, now)?;
    store(&api, ping, request).await
}

/// `DELETE /ping/{name}`
pub(super) async fn delete(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let name = name_in_path(&request)?;
    forget(&api, name, request).await
}

/// `POST /ping/remove?name=NAME`, for callers that cannot send DELETE.
pub(super) async fn remove(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let name = name_in_query(&Query::parse(request.uri().query().unwrap_or_default()))?;
    forget(&api, name, request).await
}

async fn store(api: &Api, ping: Ping, request: Request) -> Result<Response, Problem> {
    body::discard(request.into_body()).await?;
    let (now, name, timestamp) = (ping.received_at, ping.name.clone(), ping.timestamp);
    let service = api.0.store.ping(ping).await.map_err(|error| match error {
        StoreError::Refused(refusal) => refused(refusal, &name, timestamp, now),
        error => Problem::of_store(&error, name.as_str()),
    })?;
    Ok(no_store(pinged(&service, api.0.clock.now()).into_response()))
}

async fn forget(api: &Api, name: Name, request: Request) -> Result<Response, Problem> {
    body::discard(request.into_body()).await?;
    let now = api.0.clock.now();
    api.0
        .store
        .delete(name.clone(), now)
        .await
        .map_err(|error| Problem::of_store(&error, name.as_str()))?;
    Ok(no_store(axum::Json(json!({ "name": name.as_str(), "deleted": true })).into_response()))
}

fn pinged(service: &Service, now: i64) -> axum::Json<Pinged<'_>> {
    axum::Json(Pinged {
        name: service.name.as_str(),
        status: service.status(now).as_str(),
        frequency: service.frequency.to_string(),
        grace: service.grace.to_string(),
        last_ping: service.last_ping.map(text::rfc3339),
        deadline: service.deadline.map(text::rfc3339),
    })
}

fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn name_in_query(query: &Query<'_>) -> Result<Name, Problem> {
    let text = query.get("name")?;
    let text = text.ok_or_else(|| {
        Problem::BadRequest("name is missing: say who ran, as in name=daily_digest".to_owned())
    })?;
    name(&text)
}

fn name_in_path(request: &Request) -> Result<Name, Problem> {
    name(&query::name_in_path(request.uri().path())?)
}

fn name(text: &str) -> Result<Name, Problem> {
    Name::parse(text).map_err(|error| Problem::BadRequest(format!("name {} {error}", shown(text))))
}

/// Parameters that say what this version does not know how to do: to ignore them could take a failure for a success.
const NOT_SUPPORTED: [&str; 2] = ["signal", "cron"];

/// The ping that a query describes, received at `now`.
fn ping(name: Name, query: &Query<'_>, now: i64) -> Result<Ping, Problem> {
    let wrong = |parameter: &str, text: &str, what: &dyn std::fmt::Display| {
        Problem::BadRequest(format!("{parameter} {} {what}", shown(text)))
    };
    for parameter in NOT_SUPPORTED {
        if let Some(value) = query.get(parameter)? {
            let what = "is not supported by this version: leave it out, and ping when the job has succeeded";
            return Err(wrong(parameter, &value, &what));
        }
    }
    let frequency = query
        .get("frequency")?
        .map(|text| Frequency::parse(&text).map_err(|error| wrong("frequency", &text, &error)));
    let grace = query
        .get("grace")?
        .map(|text| Grace::parse(&text).map_err(|error| wrong("grace", &text, &error)));
    let timestamp = query.get("timestamp")?.map(|text| {
        timestamp(&text).ok_or_else(|| {
            let what = if text.len() == MILLISECOND_DIGITS && is_digits(&text) {
                "looks like milliseconds: use Unix seconds, as in 1664743905"
            } else {
                "is not a time: use Unix seconds, as in 1664743905"
            };
            wrong("timestamp", &text, &what)
        })
    });
    Ok(Ping {
        name,
        frequency: frequency.transpose()?,
        grace: grace.transpose()?,
        timestamp: timestamp.transpose()?,
        received_at: now,
    })
}

/// Unix seconds: digits and nothing else. Anything of 13 digits or more is no second of ours.
fn timestamp(text: &str) -> Option<i64> {
    (is_digits(text) && text.len() < MILLISECOND_DIGITS).then(|| text.parse().ok())?
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn refused(refusal: Refusal, name: &Name, timestamp: Option<i64>, now: i64) -> Problem {
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
    }
}
