//! Uptime Kuma's push monitors: `/api/push/{token}?status=up|down&msg=…&ping=…`.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::{decoded, ping_of};
use crate::core::limits::DURATION_SECONDS_MAX;
use crate::core::name::Name;
use crate::core::ping::{Ping, Refusal};
use crate::core::signal::Signal;
use crate::http::problem::shown;
use crate::http::query::Query;
use crate::http::{Api, Problem, body};
use crate::store::StoreError;

/// What a client says that has nothing to say.
const NO_MESSAGE: &str = "OK";

/// Why nothing was stored, in the words of this dialect.
type Refused = (StatusCode, String);

/// `GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS /api/push/{token}`
pub(in crate::http) async fn push(State(api): State<Api>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut response = match answer(&api, &head, body).await {
        Ok(Ok(())) => Json(json!({ "ok": true })).into_response(),
        Ok(Err((status, msg))) => {
            (status, Json(json!({ "ok": false, "msg": msg }))).into_response()
        }
        Err(problem) => problem.into_response(),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn answer(api: &Api, head: &Parts, body: Body) -> Result<Result<(), Refused>, Problem> {
    let described = described(api, head);
    body::discard(body).await?;
    let ping = match described? {
        Ok(ping) => ping,
        Err(refused) => return Ok(Err(refused)),
    };
    let name = ping.name.clone();
    match api.0.store.ping(ping).await {
        Ok(_) => Ok(Ok(())),
        Err(StoreError::UnknownService | StoreError::Refused(Refusal::Unknown)) => {
            Ok(Err(unknown()))
        }
        Err(error) => Err(Problem::of_store(&error, name.as_str())),
    }
}

/// The ping that a request describes.
fn described(api: &Api, head: &Parts) -> Result<Result<Ping, Refused>, Problem> {
    let path = head.uri.path();
    let path = path.strip_suffix('/').unwrap_or(path);
    let Some(name) = decoded(path).and_then(|token| Name::parse(token).ok()) else {
        return Ok(Err(unknown()));
    };
    let query = Query::parse(head.uri.query().unwrap_or_default());
    let said = match Push::parse(&query) {
        Ok(said) => said,
        Err(msg) => return Ok(Err((StatusCode::BAD_REQUEST, msg))),
    };
    let Some(ping) = ping_of(api, head, &name, None)? else { return Ok(Err(unknown())) };
    Ok(Ok(Ping { signal: said.signal, duration_ms: said.duration_ms, log: said.message, ..ping }))
}

fn unknown() -> Refused {
    (
        StatusCode::NOT_FOUND,
        "there is no service of this name or alias that may be pushed so: the first ping makes it, as in /ping?name=NAME&frequency=1m"
            .to_owned(),
    )
}

/// What a query says.
struct Push {
    signal: Signal,
    duration_ms: Option<i64>,
    message: Option<String>,
}

impl Push {
    fn parse(query: &Query<'_>) -> Result<Self, String> {
        let get = |name: &str| {
            query.get(name).map_err(|_| {
                format!("{name} cannot be read: give it once, in percent-encoded UTF-8")
            })
        };
        let signal = match get("status")?.as_deref() {
            None | Some("" | "up") => Signal::Success,
            Some("down") => Signal::Fail,
            Some(other) => {
                return Err(format!("status {} is not a status: use up or down", shown(other)));
            }
        };
        let message = get("msg")?.filter(|text| !text.is_empty() && text != NO_MESSAGE);
        Ok(Self {
            signal,
            duration_ms: get("ping")?.as_deref().and_then(milliseconds),
            message: message.map(|text| body::log_that_begins(text.as_bytes())),
        })
    }
}

/// How long it took. Clients leave it empty, and some put words there: that is no reason to refuse them.
fn milliseconds(text: &str) -> Option<i64> {
    let whole = text.split('.').next().unwrap_or_default();
    whole.parse().ok().filter(|ms| (0..=DURATION_SECONDS_MAX * 1000).contains(ms))
}
