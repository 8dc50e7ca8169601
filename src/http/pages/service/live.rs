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

use super::super::session::Visitor;
use super::sections::{self, Asked, Section};
use crate::core::limits::{
    LIVE_LOOK_MS, LIVE_RETRY_MS, LIVE_SECTIONS_EVERY_SECONDS, LIVE_SECTIONS_WAITING_MAX,
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
    let Ok(place) = api.0.pages.watched.clone().try_acquire_owned() else {
        return Err(Problem::Unavailable(
            "too many pages are watched live: close some, or load this one again by hand"
                .to_owned(),
        ));
    };
    let (sender, receiver) = mpsc::channel(LIVE_SECTIONS_WAITING_MAX);
    tokio::spawn(watch(api, name, visitor, sender, place));
    let mut answer =
        Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::default()).into_response();
    // A proxy that gathers answers would hold these back.
    let buffering = HeaderName::from_static("x-accel-buffering");
    answer.headers_mut().insert(buffering, HeaderValue::from_static("no"));
    Ok(answer)
}

/// What is looked at every second: little, and enough to know whether there is more to read.
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
    let mut told: Vec<Section> = Vec::new();
    let (mut last, mut looked_at) = (None, i64::MIN);
    let retry = Event::default().retry(Duration::from_millis(LIVE_RETRY_MS));
    sender.send(Ok(retry.comment("live"))).await.ok()?;
    loop {
        let now = api.0.clock.now();
        if visitor.until.is_some_and(|until| until <= now) {
            return None;
        }
        // What cannot be read now is looked at again.
        if let Ok(found) = glance(api, name).await {
            let Some(glance) = found else {
                return sender.send(Ok(Event::default().event("gone").data(""))).await.ok();
            };
            let is_old = now.abs_diff(looked_at) >= LIVE_SECTIONS_EVERY_SECONDS;
            let fresh = if is_old || last.as_ref() != Some(&glance) {
                looked_at = now;
                sections::all(api, &glance.known, visitor, &Asked::default(), now).await
            } else {
                sections::state(&glance.known, visitor, glance.alerts.first(), now)
                    .map(|state| vec![state])
            };
            last = Some(glance);
            for section in fresh.unwrap_or_default() {
                send(section, &mut told, sender).await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(LIVE_LOOK_MS)).await;
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
