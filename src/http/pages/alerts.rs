//! `/alerts`: what was told, the newest first, and what became of it.

use askama::Template;
use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::form::Form;
use super::session::Visitor;
use super::told::Told;
use super::{Frame, encoded, html, see_other};
use crate::core::alert::Kind;
use crate::core::limits::PAGE_ALERTS_MAX;
use crate::http::list::{cursor_at, number_cursor, read};
use crate::http::problem::Problem;
use crate::http::query::{self, Query};
use crate::http::{Api, alerts, ping};
use crate::store::{AlertsWanted, DeliveryState};

#[derive(Template)]
#[template(path = "alerts.html")]
struct Page {
    frame: Frame,
    service: String,
    kinds: Vec<Choice>,
    states: Vec<Choice>,
    is_filtered: bool,
    alerts: Vec<Told>,
    nothing: &'static str,
    newest: Option<String>,
    older: Option<String>,
    names_service: bool,
    may_change: bool,
    token: String,
    back: String,
}

/// One of the values that a filter may have.
struct Choice {
    value: &'static str,
    words: &'static str,
    chosen: bool,
}

/// `GET /alerts[?service=…][&kind=…][&state=…][&cursor=…]`
pub(crate) async fn page(
    State(api): State<Api>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    // What a form leaves open comes as an empty value.
    let given = |name: &str| Ok(query.get(name)?.filter(|text| !text.is_empty()));
    let service = given("service")?;
    let kind = word("kind", given("kind")?, Kind::parse)?;
    let state = word("state", given("state")?, DeliveryState::parse)?;
    let before = number_cursor(&query)?;
    let named = service.as_deref().map(ping::name).transpose()?;
    let wanted = AlertsWanted { service: named, kind, state, before };
    let is_filtered = wanted.service.is_some() || kind.is_some() || state.is_some();
    let found = read(api.0.store.alerts(wanted, PAGE_ALERTS_MAX).await)?;
    let now = api.0.clock.now();
    let here = filters(service.as_deref(), kind, state);
    let page = Page {
        kinds: kinds(kind),
        states: states(state),
        is_filtered,
        nothing: match (found.next, is_filtered, before) {
            (Some(_), ..) => "None of these is among the latest; older ones may be.",
            (None, true, _) => "None of these was raised.",
            (None, false, None) => {
                "None was raised yet. The first will stand here, with what became of it."
            }
            (None, false, Some(_)) => "There are no older ones.",
        },
        alerts: found.alerts.into_iter().map(|seen| Told::new(seen, now, &api.0.zone)).collect(),
        newest: before.map(|_| format!("/alerts?{here}")),
        older: found
            .next
            .map(|next| format!("/alerts?{here}cursor={}", cursor_at(&next.to_string()))),
        names_service: true,
        may_change: visitor.may_change,
        token: visitor.token.clone(),
        back: request.uri().to_string(),
        service: service.unwrap_or_default(),
        frame: Frame::new("Alerts", "alerts", visitor, api.0.clock.now_ms()),
    };
    Ok(html(StatusCode::OK, &page))
}

/// `POST /alerts/{id}/retry`: sends again what was given up.
pub(crate) async fn retry(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let id = query::name_before_last_segment(request.uri().path())?;
    let form = Form::read_own(request).await?;
    let destination = form.field("destination")?.filter(|name| !name.is_empty());
    let back = form.back("/alerts")?;
    alerts::send_again(&api, &id, destination).await?;
    Ok(see_other(&back))
}

fn kinds(chosen: Option<Kind>) -> Vec<Choice> {
    let choice = |kind: Kind| Choice {
        value: kind.as_str(),
        words: kind.as_str(),
        chosen: chosen == Some(kind),
    };
    Kind::ALL.into_iter().map(choice).collect()
}

fn states(chosen: Option<DeliveryState>) -> Vec<Choice> {
    let choice = |state: DeliveryState| Choice {
        value: state.as_str(),
        words: match state {
            DeliveryState::Pending => "on its way",
            DeliveryState::Delivered => "delivered",
            DeliveryState::GivenUp => "given up",
        },
        chosen: chosen == Some(state),
    };
    DeliveryState::ALL.into_iter().map(choice).collect()
}

/// The filters as the beginning of a query.
fn filters(service: Option<&str>, kind: Option<Kind>, state: Option<DeliveryState>) -> String {
    let service = service.map(|name| format!("service={}&", encoded(name)));
    let kind = kind.map(|kind| format!("kind={}&", kind.as_str()));
    let state = state.map(|state| format!("state={}&", state.as_str()));
    [service, kind, state].into_iter().flatten().collect()
}

fn word<T>(
    name: &str,
    text: Option<String>,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(text) = text else { return Ok(None) };
    parse(&text).map(Some).ok_or_else(|| {
        let text = crate::http::problem::shown(&text);
        Problem::BadRequest(format!("{name} {text} is not known: choose one that the page offers"))
    })
}
