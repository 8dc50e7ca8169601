//! `/api/v1/services`: what is known of services, and what their owners say of them.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::answer::as_json;
use super::openapi::words;
use super::ping::{forget, origin_of, refused};
use super::problem::{Problem, shown};
use super::query::{self, Query};
use super::{Api, body, list};
use crate::core::declaration::{Declaration, Description, check_aliases};
use crate::core::frequency::{Frequency, Grace};
use crate::core::limits::{
    DECLARATION_BYTES_MAX, JSON_COMPLAINT_CHARS_MAX, LIST_LOOKED_AT_MAX, LIST_ROWS_MAX,
};
use crate::core::name::Name;
use crate::core::ping::{Origin, Refusal, Terms};
use crate::core::schedule::{CronPattern, Zone};
use crate::core::service::{History, Service, Status};
use crate::core::text;
use crate::store::{Action, Known, ListAfter, Recorded, Steered, StoreError};

/// A service as the API shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = Service)]
pub(super) struct Shown<'a> {
    #[schema(schema_with = words::name)]
    name: &'a str,
    #[schema(required = true)]
    description: Option<&'a str>,
    #[schema(schema_with = words::status)]
    status: &'static str,
    running: bool,
    #[schema(schema_with = words::optional_duration, required = true)]
    frequency: Option<String>,
    #[schema(required = true)]
    cron: Option<&'a str>,
    #[schema(required = true)]
    tz: Option<&'a str>,
    #[schema(schema_with = words::duration)]
    grace: String,
    #[schema(schema_with = words::optional_duration, required = true)]
    max_runtime: Option<String>,
    locked: bool,
    #[schema(schema_with = words::optional_time, required = true)]
    last_ping: Option<String>,
    #[schema(schema_with = words::optional_time, required = true)]
    last_success: Option<String>,
    #[schema(required = true)]
    last_duration_ms: Option<i64>,
    #[schema(schema_with = words::optional_time, required = true)]
    expected: Option<String>,
    #[schema(schema_with = words::optional_time, required = true)]
    deadline: Option<String>,
    #[schema(schema_with = words::optional_time, required = true)]
    running_since: Option<String>,
    #[schema(schema_with = words::optional_time, required = true)]
    outage_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    aliases: Option<&'a [String]>,
}

impl<'a> Shown<'a> {
    fn new(service: &'a Service, aliases: Option<&'a [String]>, now: i64) -> Self {
        let cron = service.schedule.cron();
        Self {
            name: service.name.as_str(),
            description: service.description.as_deref(),
            status: service.status(now).as_str(),
            running: service.is_running(),
            frequency: service.schedule.frequency().map(|frequency| frequency.to_string()),
            cron: cron.map(|cron| cron.pattern.as_str()),
            tz: cron.map(|cron| cron.zone.as_str()),
            grace: service.grace.to_string(),
            max_runtime: service.max_runtime.map(|max_runtime| max_runtime.to_string()),
            locked: service.locked,
            last_ping: service.last_ping.map(text::rfc3339),
            last_success: service.last_success.map(text::rfc3339),
            last_duration_ms: service.last_duration_ms,
            expected: service.expected.map(text::rfc3339),
            deadline: service.deadline.map(text::rfc3339),
            running_since: service.runs.running_since().map(text::rfc3339),
            outage_since: service.outage_since.map(text::rfc3339),
            aliases,
        }
    }
}

/// A page of services.
#[derive(Serialize, ToSchema)]
#[schema(as = Services)]
pub(super) struct ShownList<'a> {
    services: Vec<Shown<'a>>,
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// A signal of the history as the API shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = Ping)]
pub(super) struct ShownSignal<'a> {
    number: i64,
    #[schema(schema_with = words::time)]
    at: String,
    #[schema(schema_with = words::time)]
    received_at: String,
    #[schema(schema_with = words::signal)]
    signal: &'a str,
    #[schema(required = true)]
    exit_status: Option<i64>,
    #[schema(required = true)]
    duration_ms: Option<i64>,
    #[schema(required = true)]
    run: Option<&'a str>,
    #[schema(required = true)]
    address: Option<&'a str>,
    #[schema(required = true)]
    key: Option<&'a str>,
    #[schema(required = true)]
    log: Option<&'a str>,
}

impl<'a> ShownSignal<'a> {
    fn new(recorded: &'a Recorded) -> Self {
        Self {
            number: recorded.number,
            at: text::rfc3339(recorded.at),
            received_at: text::rfc3339(recorded.received_at),
            signal: &recorded.signal,
            exit_status: recorded.exit_status,
            duration_ms: recorded.duration_ms,
            run: recorded.run.as_deref(),
            address: recorded.address.as_deref(),
            key: recorded.key.as_deref(),
            log: recorded.log.as_deref(),
        }
    }
}

/// A page of the history.
#[derive(Serialize, ToSchema)]
#[schema(as = Pings)]
pub(super) struct ShownHistory<'a> {
    pings: Vec<ShownSignal<'a>>,
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// `GET /api/v1/services[?search=…][&status=…][&limit=…][&cursor=…]`: services by their names.
pub(super) async fn list(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let search = query.get("search")?.unwrap_or_default();
    let status = query.get("status")?.map(|text| status(&text)).transpose()?;
    let limit = list::limit(&query)?;
    let mut after = Some(match query.get("cursor")? {
        Some(text) => ListAfter(list::cursor(&text)?),
        None => ListAfter::default(),
    });
    let now = api.0.clock.now();
    let (mut services, mut looked_at) = (Vec::new(), 0);
    // Where few match, several pages are looked at; the answer may be short and have a cursor all the same.
    while let Some(from) = after.take() {
        let room = limit - services.len();
        let page = if status.is_some() { LIST_ROWS_MAX } else { room };
        let (found, next) = list::read(api.0.store.services(from, search.clone(), page).await)?;
        looked_at += found.len();
        after = next;
        for service in found {
            if services.len() == limit {
                // The page held more than there is room for: the next one begins behind the last that is shown.
                after = services.last().map(|last: &Service| ListAfter(last.name.as_str().into()));
                break;
            }
            if status.is_none_or(|status| service.status(now) == status) {
                services.push(service);
            }
        }
        if services.len() >= limit || looked_at >= LIST_LOOKED_AT_MAX {
            break;
        }
    }
    let shown: Vec<Shown<'_>> =
        services.iter().map(|service| Shown::new(service, None, now)).collect();
    let next = after.map(|ListAfter(name)| list::cursor_at(&name));
    Ok(as_json(&ShownList { services: shown, next_cursor: next }))
}

/// `GET /api/v1/services/{name}`
pub(super) async fn one(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let known = known(&api, &name(&request, 0)?).await?;
    Ok(answer(&known.service, Some(&known.aliases), StatusCode::OK, &api))
}

/// `PUT /api/v1/services/{name}`: declares a service as a whole, before its first ping or at any time.
pub(super) async fn put(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let (name, by) = (name(&request, 0)?, origin_of(request.extensions()));
    let written: Written = written(request).await?;
    let declaration = Declaration { is_whole: true, ..written.declaration()? };
    declare(&api, name, declaration, by).await
}

/// `PATCH /api/v1/services/{name}`: changes what is given of a service, and counts at once.
pub(super) async fn patch(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let (name, by) = (name(&request, 0)?, origin_of(request.extensions()));
    let written: Written = written(request).await?;
    declare(&api, name, written.declaration()?, by).await
}

/// `DELETE /api/v1/services/{name}`
pub(super) async fn delete(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let name = name(&request, 0)?;
    forget(&api, name, request).await
}

/// `POST /api/v1/services/{name}/pause`
pub(super) async fn pause(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    steer(&api, request, Action::Pause).await
}

/// `POST /api/v1/services/{name}/resume`
pub(super) async fn resume(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    steer(&api, request, Action::Resume).await
}

/// `GET /api/v1/services/{name}/pings[?limit=…][&cursor=…]`: the history, the newest signal first.
pub(super) async fn pings(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let known = known(&api, &name(&request, 1)?).await?;
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let from = match query.get("cursor")? {
        Some(text) => history_cursor(&text)?,
        None => known.service.history,
    };
    let limit = list::limit(&query)?;
    let recording = list::read(api.0.store.recording(&known.service.name, from, limit).await)?;
    let pings = recording.signals.iter().map(ShownSignal::new).collect();
    let next =
        recording.next.map(|next| list::cursor_at(&format!("{}.{}", next.newest, next.signals)));
    Ok(as_json(&ShownHistory { pings, next_cursor: next }))
}

async fn steer(api: &Api, request: Request, action: Action) -> Result<Response, Problem> {
    let (name, by) = (name(&request, 1)?, origin_of(request.extensions()));
    body::discard(request.into_body()).await?;
    let done = api.0.store.steer(name.clone(), action, api.0.clock.now(), by).await;
    let Steered { service, .. } = done.map_err(|error| Problem::of_store(&error, name.as_str()))?;
    Ok(answer(&service, None, StatusCode::OK, api))
}

async fn declare(
    api: &Api,
    name: Name,
    declaration: Declaration,
    by: Origin,
) -> Result<Response, Problem> {
    let now = api.0.clock.now();
    let is_whole = declaration.is_whole;
    let action = Action::Declare(Box::new(declaration));
    let done = api.0.store.steer(name.clone(), action, now, by).await.map_err(|error| match error {
        StoreError::Refused(Refusal::Unknown) if is_whole => Problem::BadRequest(
            "frequency is missing: say how often to expect a ping, as in \"frequency\":\"1D\", or when, as in \"cron\":\"0 2 * * *\""
                .to_owned(),
        ),
        StoreError::Refused(Refusal::Unknown) => {
            Problem::of_store(&StoreError::UnknownService, name.as_str())
        }
        StoreError::Refused(refusal) => refused(refusal, &name, None, now),
        error => Problem::of_store(&error, name.as_str()),
    })?;
    let status = if done.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let known = known(api, &done.service.name).await?;
    Ok(answer(&known.service, Some(&known.aliases), status, api))
}

fn answer(
    service: &Service,
    aliases: Option<&[String]>,
    status: StatusCode,
    api: &Api,
) -> Response {
    let shown = Shown::new(service, aliases, api.0.clock.now());
    let mut response = as_json(&shown);
    *response.status_mut() = status;
    response
}

pub(super) async fn known(api: &Api, name: &Name) -> Result<Known, Problem> {
    let found = api.0.store.service(name).await;
    let found = found.map_err(|error| Problem::of_store(&error, name.as_str()))?;
    found.ok_or_else(|| Problem::of_store(&StoreError::UnknownService, name.as_str()))
}

/// The name in a path that so many segments follow.
pub(super) fn name(request: &Request, segments_after: usize) -> Result<Name, Problem> {
    let mut path = request.uri().path();
    for _ in 0..segments_after {
        path = path.rsplit_once('/').map_or("", |(before, _)| before);
    }
    super::ping::name(&query::last_segment(path, "name")?)
}

fn status(text: &str) -> Result<Status, Problem> {
    Status::parse(text).ok_or_else(|| {
        let words: Vec<&str> = Status::ALL.into_iter().map(Status::as_str).collect();
        let words = words.join(", ");
        Problem::BadRequest(format!("status {} is not known: use one of {words}", shown(text)))
    })
}

fn history_cursor(text: &str) -> Result<History, Problem> {
    let decoded = list::cursor(text)?;
    let parts = decoded.split_once('.').and_then(|(newest, signals)| {
        Some(History { newest: newest.parse().ok()?, signals: signals.parse().ok()? })
    });
    parts.ok_or_else(|| list::not_a_cursor(text))
}

/// What an owner writes of a service. A field that is left out and one that is null are not the same: null clears.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = ServiceWritten)]
#[serde(deny_unknown_fields, default, expecting = "an object")]
#[expect(clippy::option_option, reason = "what is left out and what is null are not the same")]
pub(super) struct Written {
    #[schema(schema_with = words::optional_duration)]
    frequency: Option<String>,
    cron: Option<String>,
    tz: Option<String>,
    #[schema(schema_with = words::optional_duration)]
    grace: Option<String>,
    #[serde(deserialize_with = "given")]
    #[schema(schema_with = words::optional_duration)]
    max_runtime: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    locked: Option<bool>,
    aliases: Option<Vec<String>>,
}

#[expect(clippy::option_option, reason = "what is left out and what is null are not the same")]
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Written {
    fn declaration(&self) -> Result<Declaration, Problem> {
        let max_runtime = self.max_runtime.as_ref().and_then(Option::as_ref);
        let terms = Terms {
            frequency: field("frequency", self.frequency.as_ref(), Frequency::parse)?,
            cron: field("cron", self.cron.as_ref(), CronPattern::parse)?,
            zone: field("tz", self.tz.as_ref(), Zone::parse)?,
            grace: field("grace", self.grace.as_ref(), Grace::parse)?,
            max_runtime: field("max_runtime", max_runtime, Frequency::parse)?,
        };
        super::ping::check_terms(&terms)?;
        let description = match &self.description {
            Some(words) => {
                Some(field("description", words.as_ref(), |text| Description::parse(text))?)
            }
            None => None,
        };
        let aliases = self.aliases.as_ref().map(|aliases| {
            let names = aliases.iter().map(|alias| {
                Name::parse(alias.as_str())
                    .map_err(|error| Problem::BadRequest(format!("alias {} {error}", shown(alias))))
            });
            names.collect::<Result<Vec<Name>, Problem>>()
        });
        let aliases = aliases.transpose()?;
        check_aliases(aliases.as_deref().unwrap_or_default()).map_err(Problem::BadRequest)?;
        Ok(Declaration {
            is_whole: false,
            terms,
            clears_max_runtime: self.max_runtime == Some(None),
            description,
            locked: self.locked,
            aliases,
        })
    }
}

fn field<T, E: std::fmt::Display>(
    name: &str,
    text: Option<&String>,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Problem> {
    let read = |text: &String| {
        read(text).map_err(|error| Problem::BadRequest(format!("{name} {} {error}", shown(text))))
    };
    text.map(read).transpose()
}

async fn written(request: Request) -> Result<Written, Problem> {
    let bytes = body::whole(request.into_body(), DECLARATION_BYTES_MAX, "a declaration").await?;
    let wrong = |error: &dyn std::fmt::Display| {
        // It names unknown fields as they came, however long they are and whatever is in them.
        let error = error.to_string();
        let visible = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        let error: String = error.chars().take(JSON_COMPLAINT_CHARS_MAX).map(visible).collect();
        Problem::BadRequest(format!(
            "the body is not what is expected: {error}; use JSON like {{\"frequency\":\"1D\",\"grace\":\"1h\"}}"
        ))
    };
    if bytes.trim_ascii().is_empty() {
        return Err(wrong(&"it is empty"));
    }
    // A list would be taken for the fields in their order.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(wrong(&"it is a list"));
    }
    serde_json::from_slice(&bytes).map_err(|error| wrong(&error))
}
