//! A service's page that is watched live: sections go to the browser as they change.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Extension, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::super::live;
use super::super::session::Visitor;
use super::sections::{self, Asked, Section};
use crate::core::limits::{
    LIVE_EVENTS_WAITING_MAX, LIVE_PAGES_MAX, LIVE_RETRY_MS, LIVE_SECTIONS_EVERY_SECONDS,
};
use crate::core::name::Name;
use crate::http::problem::Problem;
use crate::http::{Api, ping, query};
use crate::store::{AlertSeen, AlertsWanted, Known};

/// Alerts whose deliveries are looked at for changes.
const ALERTS_LOOKED_AT: usize = 3;

type Sending = mpsc::Sender<Result<Event, Infallible>>;

/// `GET /services/{name}/events`: every section, and each again as it changes. A page that shows older pings keeps them.
pub(crate) async fn events(
    State(api): State<Api>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Result<Response, Problem> {
    let name = ping::name(&query::name_before_last_segment(request.uri().path())?)?;
    let Some(place) = api.0.pages.live.place() else {
        return Err(Problem::Unavailable(format!(
            "{LIVE_PAGES_MAX} pages are watched live already: load the page again to see what is new"
        )));
    };
    let (sender, receiver) = mpsc::channel(LIVE_EVENTS_WAITING_MAX);
    tokio::spawn(watch(api, name, visitor, sender, place));
    let mut answer =
        Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new()).into_response();
    // A proxy that gathers an answer before it passes it on would keep everything back.
    let buffering = HeaderName::from_static("x-accel-buffering");
    answer.headers_mut().insert(buffering, HeaderValue::from_static("no"));
    Ok(answer)
}

/// What is looked at whenever anything has changed: little, and enough to know whether there is more to read.
#[derive(PartialEq, Eq)]
struct Glance {
    known: Known,
    alerts: Vec<AlertSeen>,
}

async fn watch(
    api: Api,
    name: Name,
    visitor: Visitor,
    sender: Sending,
    _place: OwnedSemaphorePermit,
) {
    let closing = api.0.pages.outlook.closing.clone();
    tokio::select! {
        () = closing.cancelled() => {}
        () = sender.closed() => {}
        _ = tell(&api, &name, &visitor, &sender) => {}
    }
}

/// Tells of changes for as long as somebody listens; ends, too, with the session and with the service.
async fn tell(api: &Api, name: &Name, visitor: &Visitor, sender: &Sending) -> Option<()> {
    let mut beats = live::beats(api);
    let mut told: Vec<Section> = Vec::new();
    let mut seen: Option<Glance> = None;
    let (mut changes, mut looked_at) = (0, i64::MIN);
    let retry = Event::default().retry(Duration::from_millis(LIVE_RETRY_MS));
    sender.send(Ok(retry.comment("live"))).await.ok()?;
    loop {
        let (beat, now) = (*beats.borrow_and_update(), api.0.clock.now());
        if visitor.until.is_some_and(|until| until <= now) {
            return None;
        }
        let is_old = now.abs_diff(looked_at) >= LIVE_SECTIONS_EVERY_SECONDS;
        let mut is_fresh = is_old;
        if is_old || beat.changes != changes {
            // What cannot be read now is read at a beat to come.
            if let Ok(found) = glance(api, name).await {
                let Some(found) = found else {
                    return sender.send(Ok(Event::default().event("gone").data("-"))).await.ok();
                };
                is_fresh |= seen.as_ref() != Some(&found);
                (seen, changes) = (Some(found), beat.changes);
            }
        }
        if let Some(glance) = &seen {
            let sections = if is_fresh {
                sections::all(api, &glance.known, visitor, &Asked::default(), now).await
            } else {
                let state =
                    sections::state(api, &glance.known, visitor, glance.alerts.first(), now);
                state.map(|state| vec![state])
            };
            if is_fresh {
                // What could not be read is read at the next beat, though nothing has changed by then.
                looked_at = if sections.is_ok() { now } else { i64::MIN };
            }
            for section in sections.unwrap_or_default() {
                send(section, &mut told, sender).await?;
            }
        }
        // By which the page knows that its connection lives.
        sender.send(Ok(Event::default().event("pulse").data("-"))).await.ok()?;
        beats.changed().await.ok()?;
    }
}

async fn glance(api: &Api, name: &Name) -> Result<Option<Glance>, Problem> {
    let of_store = |error| Problem::of_store(&error, name.as_str());
    let store = &api.0.store;
    let Some(known) = store.service(name).await.map_err(of_store)? else { return Ok(None) };
    let service = Some(known.service.name.clone());
    let wanted = AlertsWanted { service, ..AlertsWanted::default() };
    let alerts = store.alerts(wanted, ALERTS_LOOKED_AT).await.map_err(of_store)?.alerts;
    Ok(Some(Glance { known, alerts }))
}

/// Sends a section unless it is as it was told before.
async fn send(section: Section, told: &mut Vec<Section>, sender: &Sending) -> Option<()> {
    if told.contains(&section) {
        return Some(());
    }
    let data = json!({ "id": section.id, "html": section.html }).to_string();
    sender.send(Ok(Event::default().event("section").data(data))).await.ok()?;
    told.retain(|before| before.id != section.id);
    told.push(section);
    Some(())
}
