//! `/api/v1/alerts`: what was told, to whom, and what became of it; and the outages of services.

use axum::extract::{Request, State};
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::as_json;
use super::openapi::words;
use super::problem::{Problem, shown};
use super::query::{self, Query};
use super::{Api, body, list, services};
use crate::core::alert::{Alert, Kind, Reason};
use crate::core::retry::Obstacle;
use crate::core::text;
use crate::store::{
    AlertSeen, AlertsWanted, AttemptSeen, DeliverySeen, DeliveryState, OutageSeen, Retried,
};

/// An alert as the API shows it: the service as it was then, and what became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Alert)]
pub(super) struct ShownAlert {
    id: String,
    #[schema(schema_with = words::event_type)]
    r#type: &'static str,
    #[schema(schema_with = words::name)]
    name: String,
    #[schema(schema_with = words::kind)]
    kind: &'static str,
    #[schema(schema_with = words::status)]
    status: &'static str,
    #[schema(schema_with = words::time)]
    created_at: String,
    #[schema(schema_with = words::time)]
    about: String,
    #[schema(schema_with = words::time)]
    outage_since: String,
    #[schema(required = true)]
    outage_seconds: Option<i64>,
    overdue_seconds: i64,
    #[schema(required = true)]
    description: Option<String>,
    #[schema(schema_with = words::optional_duration, required = true)]
    frequency: Option<String>,
    #[schema(required = true)]
    cron: Option<String>,
    #[schema(required = true)]
    tz: Option<String>,
    #[schema(schema_with = words::duration)]
    grace: String,
    #[schema(schema_with = words::optional_time, required = true)]
    last_ping: Option<String>,
    #[schema(schema_with = words::optional_time, required = true)]
    last_success: Option<String>,
    #[schema(required = true)]
    last_duration_ms: Option<i64>,
    #[schema(schema_with = words::optional_time, required = true)]
    running_since: Option<String>,
    #[schema(schema_with = words::optional_time, required = true)]
    deadline: Option<String>,
    #[schema(required = true)]
    exit_status: Option<u8>,
    #[schema(required = true)]
    log: Option<String>,
    #[schema(schema_with = words::reason, required = true)]
    reason: Option<&'static str>,
    #[schema(required = true)]
    uncertain: Option<ShownSpan>,
    text: String,
    deliveries: Vec<ShownDelivery>,
}

/// A time in which the monitor itself was away.
#[derive(Serialize, ToSchema)]
#[schema(as = Away)]
pub(super) struct ShownSpan {
    #[schema(schema_with = words::time)]
    from: String,
    #[schema(schema_with = words::time)]
    to: String,
}

/// An alert on its way to a destination, or there.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct ShownDelivery {
    destination: String,
    #[schema(schema_with = words::delivery_state)]
    state: &'static str,
    attempts_made: i64,
    #[schema(schema_with = words::optional_time, required = true)]
    next_attempt: Option<String>,
    #[schema(schema_with = words::optional_time, required = true)]
    last_attempt: Option<String>,
    #[schema(schema_with = words::optional_time, required = true)]
    delivered_at: Option<String>,
    #[schema(schema_with = words::optional_time, required = true)]
    retried_at: Option<String>,
    #[schema(required = true)]
    error: Option<String>,
    attempts: Vec<ShownAttempt>,
}

/// Attempts that came one after the other and had the same answer.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(super) struct ShownAttempt {
    number: i64,
    count: i64,
    #[schema(schema_with = words::time)]
    first_at: String,
    #[schema(schema_with = words::time)]
    last_at: String,
    #[schema(schema_with = words::outcome)]
    outcome: &'static str,
    answer: String,
}

/// A page of alerts.
#[derive(Serialize, ToSchema)]
#[schema(as = Alerts)]
pub(super) struct ShownAlerts {
    alerts: Vec<ShownAlert>,
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// An outage as the API shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = Outage)]
pub(super) struct ShownOutage {
    #[schema(schema_with = words::time)]
    started_at: String,
    #[schema(schema_with = words::optional_time, required = true)]
    ended_at: Option<String>,
    #[schema(required = true)]
    outage_seconds: Option<i64>,
    lasts: bool,
    #[schema(schema_with = words::reason, required = true)]
    reason: Option<&'static str>,
    overdue: bool,
    failed: bool,
    alerts: i64,
}

/// A page of outages.
#[derive(Serialize, ToSchema)]
#[schema(as = Outages)]
pub(super) struct ShownOutages {
    outages: Vec<ShownOutage>,
    #[schema(required = true)]
    next_cursor: Option<String>,
}

impl ShownAlert {
    /// The alert with its sentence as it leaves, with times in `zone`.
    fn new(seen: AlertSeen, zone: &TimeZone) -> Self {
        let AlertSeen { id, alert, deliveries, .. } = seen;
        let text = text::of(&alert, alert.created_at, zone);
        let (status, outage_seconds) = (alert.status().as_str(), alert.outage_seconds());
        let overdue_seconds = alert.overdue_seconds();
        let Alert { service, kind, schedule, grace, .. } = alert;
        let cron = schedule.cron();
        let time = |second: Option<i64>| second.map(text::rfc3339);
        Self {
            id,
            r#type: kind.event_type(),
            name: service.as_str().to_owned(),
            kind: kind.as_str(),
            status,
            created_at: text::rfc3339(alert.created_at),
            about: text::rfc3339(alert.about),
            outage_since: text::rfc3339(alert.outage_since),
            outage_seconds,
            overdue_seconds,
            description: alert.description,
            frequency: schedule.frequency().map(|frequency| frequency.to_string()),
            cron: cron.map(|cron| cron.pattern.as_str().to_owned()),
            tz: cron.map(|cron| cron.zone.as_str().to_owned()),
            grace: grace.to_string(),
            last_ping: time(alert.last_ping),
            last_success: time(alert.last_success),
            last_duration_ms: alert.last_duration_ms,
            running_since: time(alert.running_since),
            deadline: time(alert.deadline),
            exit_status: alert.exit_status,
            log: alert.log,
            reason: alert.reason.map(Reason::as_str),
            uncertain: alert.uncertain.map(|away| ShownSpan {
                from: text::rfc3339(away.from),
                to: text::rfc3339(away.to),
            }),
            text,
            deliveries: deliveries.into_iter().map(ShownDelivery::new).collect(),
        }
    }
}

impl ShownDelivery {
    fn new(delivery: DeliverySeen) -> Self {
        let time = |second: Option<i64>| second.map(text::rfc3339);
        Self {
            destination: delivery.destination,
            state: delivery.state.as_str(),
            attempts_made: delivery.attempts_made,
            next_attempt: time(delivery.next_attempt),
            last_attempt: time(delivery.last_attempt),
            delivered_at: time(delivery.delivered_at),
            retried_at: time(delivery.retried_at),
            error: delivery.last_error,
            attempts: delivery.attempts.into_iter().map(ShownAttempt::new).collect(),
        }
    }
}

impl ShownAttempt {
    fn new(attempt: AttemptSeen) -> Self {
        Self {
            number: attempt.number,
            count: attempt.count,
            first_at: text::rfc3339(attempt.first_at),
            last_at: text::rfc3339(attempt.last_at),
            outcome: if attempt.accepted { "accepted" } else { "failed" },
            answer: attempt.answer,
        }
    }
}

impl ShownOutage {
    fn new(outage: &OutageSeen) -> Self {
        let seconds = |ended_at: i64| (ended_at - outage.started_at).max(0);
        Self {
            started_at: text::rfc3339(outage.started_at),
            ended_at: outage.ended_at.map(text::rfc3339),
            outage_seconds: outage.ended_at.map(seconds),
            lasts: outage.lasts,
            reason: outage.reason.map(Reason::as_str),
            overdue: outage.overdue,
            failed: outage.failed,
            alerts: outage.alerts,
        }
    }
}

/// `GET /api/v1/alerts[?service=…][&kind=…][&state=…][&limit=…][&cursor=…]`: alerts, the newest first.
pub(super) async fn list(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let service = query.get("service")?.map(|text| super::ping::name(&text)).transpose()?;
    let kinds = Kind::ALL.map(Kind::as_str);
    let states = DeliveryState::ALL.map(DeliveryState::as_str);
    let wanted = AlertsWanted {
        service,
        kind: word(&query, "kind", Kind::parse, &kinds)?,
        state: word(&query, "state", DeliveryState::parse, &states)?,
        before: list::number_cursor(&query)?,
    };
    let limit = list::limit(&query)?;
    let page = list::read(api.0.store.alerts(wanted, limit).await)?;
    let alerts = page.alerts.into_iter().map(|seen| ShownAlert::new(seen, &api.0.zone)).collect();
    let next_cursor = page.next.map(|next| list::cursor_at(&next.to_string()));
    Ok(as_json(&ShownAlerts { alerts, next_cursor }))
}

/// `GET /api/v1/alerts/{id}`
pub(super) async fn one(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    answer(&api, &query::last_segment(request.uri().path(), "id")?).await
}

/// `POST /api/v1/alerts/{id}/retry[?destination=…]`: sends again what was given up.
pub(super) async fn retry(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let path = request.uri().path();
    let id = query::last_segment(path.rsplit_once('/').map_or("", |(before, _)| before), "id")?;
    let destination = Query::parse(request.uri().query().unwrap_or_default()).get("destination")?;
    body::discard(request.into_body()).await?;
    send_again(&api, &id, destination).await?;
    answer(&api, &id).await
}

/// Has the alert `id` sent again where it was given up: to `destination`, or everywhere.
pub(super) async fn send_again(
    api: &Api,
    id: &str,
    destination: Option<String>,
) -> Result<(), Problem> {
    let now = api.0.clock.now();
    let done = api.0.store.retry(id.to_owned(), destination.clone(), now).await;
    match done.map_err(|error| Problem::of_store(&error, id))? {
        Retried::Again { .. } => Ok(()),
        Retried::UnknownAlert => Err(unknown(id)),
        Retried::NotGivenUp => Err(Problem::NothingToRetry(match destination {
            Some(destination) => format!(
                "alert {} was not given up at destination {}: only what was given up is sent again",
                shown(id),
                shown(&destination)
            ),
            None => format!(
                "alert {} was not given up anywhere: only what was given up is sent again",
                shown(id)
            ),
        })),
        Retried::Refused { destination, obstacle } => {
            let destination = shown(&destination);
            Err(Problem::NothingToRetry(match obstacle {
                Obstacle::NoDestination => format!(
                    "destination {destination} has left the settings, so this would be given up again: put it back and start again"
                ),
                Obstacle::EndTold => format!(
                    "destination {destination} was told that this outage is over: sent now, it would look as if it began again"
                ),
                Obstacle::Deleted => {
                    "the service was deleted since: nothing would ever tell that this outage is over"
                        .to_owned()
                }
            }))
        }
    }
}

/// `GET /api/v1/services/{name}/outages[?limit=…][&cursor=…]`: the outages of a service, the newest first.
pub(super) async fn outages(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let known = services::known(&api, &services::name(&request, 1)?).await?;
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let (before, limit) = (list::number_cursor(&query)?, list::limit(&query)?);
    let page = list::read(api.0.store.outages(&known.service.name, before, limit).await)?;
    let outages = page.outages.iter().map(ShownOutage::new).collect();
    let next_cursor = page.next.map(|next| list::cursor_at(&next.to_string()));
    Ok(as_json(&ShownOutages { outages, next_cursor }))
}

async fn answer(api: &Api, id: &str) -> Result<Response, Problem> {
    let found = list::read(api.0.store.alert(id).await)?;
    let alert = found.ok_or_else(|| unknown(id))?;
    Ok(as_json(&ShownAlert::new(alert, &api.0.zone)))
}

fn unknown(id: &str) -> Problem {
    Problem::NotFound(format!(
        "there is no alert {}: ids begin with alr_ and are those of /api/v1/alerts",
        shown(id)
    ))
}

/// One of the words that a parameter may be; `None` where it is not given.
fn word<T>(
    query: &Query<'_>,
    parameter: &str,
    read: impl Fn(&str) -> Option<T>,
    words: &[&str],
) -> Result<Option<T>, Problem> {
    let Some(text) = query.get(parameter)? else { return Ok(None) };
    read(&text).map(Some).ok_or_else(|| {
        let (text, words) = (shown(&text), words.join(", "));
        Problem::BadRequest(format!("{parameter} {text} is not known: use one of {words}"))
    })
}
