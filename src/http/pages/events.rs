//! `/events`: what keeps a page of the list live. The server knows what the browser shows, which is what it has sent, and
//! sends what has changed of it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Extension, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::board::{self, Asked, Board, KnownRuns};
use super::live::{self, Beat};
use super::session::Visitor;
use super::vitals::Vitals;
use super::{Icon, dashboard};
use crate::core::limits::{
    LIVE_EVENTS_WAITING_MAX, LIVE_PAGES_MAX, LIVE_REFRESH_SECONDS_MAX, LIVE_RETRY_MS,
};
use crate::http::Api;
use crate::http::problem::Problem;

/// `GET /events[?search=…][&show=…][&after=…]`: the page of the list with the same query.
pub(crate) async fn stream(
    State(api): State<Api>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Result<Response, Problem> {
    let asked = Asked::parse(request.uri().query().unwrap_or_default())?;
    let Some(place) = api.0.pages.live.place() else {
        return Err(Problem::Unavailable(format!(
            "{LIVE_PAGES_MAX} pages are watched live already: load the page again to see what is new"
        )));
    };
    let (events, waiting) = mpsc::channel(LIVE_EVENTS_WAITING_MAX);
    let beats = live::beats(&api);
    tokio::spawn(Scene::new(api, asked, visitor.until).play(beats, events, place));
    let live = Sse::new(ReceiverStream::new(waiting)).keep_alive(KeepAlive::new());
    let mut response = live.into_response();
    // A proxy that gathers an answer before it passes it on would keep everything back.
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

type Events = mpsc::Sender<Result<Event, Infallible>>;

/// What a browser shows, as far as it was sent.
struct Scene {
    api: Api,
    asked: Asked,
    /// When its session ends.
    until: Option<i64>,
    runs: KnownRuns,
    /// The rows by their keys, with what each shows.
    rows: HashMap<String, u64>,
    order: Vec<String>,
    /// Everything else, by what it is called in an event.
    parts: Map<String, Value>,
    /// When time alone changes a row.
    turns_at: Option<i64>,
    looked_at: i64,
}

impl Scene {
    fn new(api: Api, asked: Asked, until: Option<i64>) -> Self {
        Self {
            api,
            asked,
            until,
            runs: KnownRuns::new(),
            rows: HashMap::new(),
            order: Vec::new(),
            parts: Map::new(),
            turns_at: None,
            looked_at: i64::MIN,
        }
    }

    /// Sends what changes, until the browser leaves, its session ends or the program stops.
    async fn play(
        mut self,
        mut beats: watch::Receiver<Beat>,
        events: Events,
        _place: OwnedSemaphorePermit,
    ) {
        let closing = self.api.0.pages.outlook.closing.clone();
        let (mut changes, mut is_first) = (0, true);
        loop {
            let beat = *beats.borrow_and_update();
            let now_ms = self.api.0.clock.now_ms();
            let now = now_ms.div_euclid(1000);
            if self.until.is_some_and(|until| until <= now) {
                return;
            }
            if is_first || beat.changes != changes || self.is_due(now) {
                // What cannot be read now is read at a beat to come; the foot says that it cannot.
                if let Ok(changed) = self.look(beat.number, is_first, now).await {
                    changes = beat.changes;
                    if let Some(changed) = changed
                        && !send(&events, "page", changed, is_first).await
                    {
                        return;
                    }
                    is_first = false;
                }
            }
            let vitals = Vitals::read(&self.api).await;
            let pulse = json!({ "now": now_ms, "foot": vitals.html(), "banner": vitals.banner });
            if !send(&events, "pulse", pulse, false).await {
                return;
            }
            tokio::select! {
                () = closing.cancelled() => return,
                () = events.closed() => return,
                beat = beats.changed() => if beat.is_err() { return },
            }
        }
    }

    /// Whether time alone may have changed something.
    fn is_due(&self, now: i64) -> bool {
        self.turns_at.is_some_and(|at| at < now) || now - self.looked_at >= LIVE_REFRESH_SECONDS_MAX
    }

    /// What is to be sent so that the browser shows what is there at `now`; `None`: it does.
    async fn look(
        &mut self,
        beat: u64,
        is_first: bool,
        now: i64,
    ) -> Result<Option<Value>, Problem> {
        let live = &self.api.0.pages.live;
        // A beat may be some time old for one who has just come.
        let overview = if is_first {
            std::sync::Arc::new(board::read_or(self.api.0.store.overview(now).await)?)
        } else {
            live.overview(&self.api, beat, now).await?
        };
        let board = board::read(&self.api, &self.asked, &overview, &mut self.runs, now).await?;
        self.looked_at = now;
        self.turns_at = board.rows.iter().filter_map(|row| row.turns_at).min();
        let mut changed = self.changed_parts(&board, now);
        self.changed_rows(board, &mut changed);
        if changed.is_empty() {
            return Ok(None);
        }
        changed.insert("now".to_owned(), json!(self.api.0.clock.now_ms()));
        Ok(Some(Value::Object(changed)))
    }

    /// The parts around the rows that have changed.
    fn changed_parts(&mut self, board: &Board, now: i64) -> Map<String, Value> {
        let headline = dashboard::headline(&board.headline, now);
        // How long it is until the next one is due is for the browser to count.
        let said = json!([board.headline.title(), board.headline.next]);
        let parts = [
            ("title", json!(board.headline.title()), None),
            ("icon", json!(Icon::href(board.headline.icon)), None),
            ("headline", json!(headline), Some(said)),
            ("chips", json!(dashboard::chips(&board.chips)), None),
            ("tail", json!(dashboard::tail(board)), None),
            ("empty", json!(board.is_empty), None),
        ];
        let mut changed = Map::new();
        for (name, part, said) in parts {
            let said = said.unwrap_or_else(|| part.clone());
            if self.parts.get(name) != Some(&said) {
                self.parts.insert(name.to_owned(), said);
                changed.insert(name.to_owned(), part);
            }
        }
        changed
    }

    /// The rows that have changed, and the order if that has.
    fn changed_rows(&mut self, board: Board, changed: &mut Map<String, Value>) {
        let order: Vec<String> = board.rows.iter().map(|row| row.key.clone()).collect();
        let mut rows = Vec::new();
        let mut shown = HashMap::with_capacity(board.rows.len());
        for row in board.rows {
            if self.rows.get(&row.key) != Some(&row.stamp) {
                rows.push(json!([row.key, row.html]));
            }
            shown.insert(row.key, row.stamp);
        }
        self.rows = shown;
        if !rows.is_empty() {
            changed.insert("rows".to_owned(), json!(rows));
        }
        if order != self.order {
            changed.insert("order".to_owned(), json!(order));
            self.order = order;
        }
    }
}

/// Sends an event; whether the browser is still there.
async fn send(events: &Events, name: &str, data: Value, is_first: bool) -> bool {
    let event = Event::default().event(name).data(data.to_string());
    let retry = Duration::from_millis(LIVE_RETRY_MS);
    let event = if is_first { event.retry(retry) } else { event };
    events.send(Ok(event)).await.is_ok()
}
