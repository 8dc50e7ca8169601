//! `/api/v1/services/{name}/why`: why an alert came, or did not, in sentences and in the facts behind them.

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::answer::as_json;
use super::problem::{Problem, shown};
use super::query::Query;
use super::{Api, list, services};
use crate::core::change::{Changed, Watch};
use crate::core::why::{self, Facts, Sent, Setting, Standing, Then, Told, Tried};
use crate::core::{text, when};

/// `GET /api/v1/services/{name}/why[?at=…]`: of services that were deleted, too.
pub(super) async fn why(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let name = services::name(&request, 1)?;
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let (parts, now) = (&api.0, api.0.clock.now());
    let at = match query.get("at")? {
        None => now,
        Some(given) => when::parse(&given, now, &parts.zone)
            .map_err(|error| Problem::BadRequest(format!("at {} {error}", shown(&given))))?,
    };
    let facts = list::read(parts.store.why(&name, at, now).await)?;
    if !facts.is_anything() {
        let since = facts.changes_since.map_or_else(
            || "nothing is".to_owned(),
            |since| format!("what changed is since {}", text::rfc3339(since)),
        );
        return Err(Problem::NotFound(format!(
            "there is no service {}, and none of this name is on record ({since})",
            shown(name.as_str())
        )));
    }
    let setting = Setting { routes: parts.store.routes(), zone: &parts.zone };
    let said = why::sentences(&facts, &setting);
    Ok(as_json(&answer(&facts, &said)))
}

fn answer(facts: &Facts, said: &[String]) -> Value {
    let then = why::then(facts);
    let service = match &then {
        Then::There(service) => Some(service),
        Then::NotYet(_) | Then::Gone(_) | Then::Unknown(_) => None,
    };
    let state = match &then {
        Then::There(_) => "there",
        Then::NotYet(_) => "not_yet",
        Then::Gone(_) => "deleted",
        Then::Unknown(_) => "unknown",
    };
    let second = |second: Option<i64>| second.map(text::rfc3339);
    let gaps: Vec<Value> = facts
        .gaps
        .iter()
        .map(|gap| {
            json!({
                "from": text::rfc3339(gap.span.from),
                "to": text::rfc3339(gap.span.to),
                "hold_until": text::rfc3339(gap.hold_until),
            })
        })
        .collect();
    json!({
        "name": facts.name.as_str(),
        "at": text::rfc3339(facts.at),
        "sentences": said,
        "state": state,
        "status": service.map(|service| service.status(facts.at).as_str()),
        "last_ping": second(service.and_then(|service| service.last_ping)),
        "running_since": second(service.and_then(|service| service.runs.running_since())),
        "expected": second(service.and_then(|service| service.expected)),
        "deadline": second(service.and_then(|service| service.deadline)),
        "watch": service.map(|service| watch(&Watch::of(service))),
        "alerts": facts.told.iter().map(told).collect::<Vec<_>>(),
        "later_alerts": facts.told_later.iter().map(told).collect::<Vec<_>>(),
        "changes": facts.changes.iter().map(change).collect::<Vec<_>>(),
        "gaps": gaps,
    })
}

fn watch(watch: &Watch) -> Value {
    let cron = watch.schedule.cron();
    json!({
        "frequency": watch.schedule.frequency().map(|frequency| frequency.to_string()),
        "cron": cron.map(|cron| cron.pattern.as_str()),
        "tz": cron.map(|cron| cron.zone.as_str()),
        "grace": watch.grace.to_string(),
        "max_runtime": watch.max_runtime.map(|most| most.to_string()),
    })
}

fn change(changed: &Changed) -> Value {
    json!({
        "at": text::rfc3339(changed.at),
        "what": changed.what.as_str(),
        "by_ping": changed.by_ping,
        "key": changed.key,
        "was": changed.was.as_ref().map(watch),
        "is": changed.is.as_ref().map(watch),
    })
}

fn told(told: &Told) -> Value {
    json!({
        "id": told.id,
        "kind": told.alert.kind.as_str(),
        "created_at": text::rfc3339(told.alert.created_at),
        "about": text::rfc3339(told.alert.about),
        "deliveries": told.sent.iter().map(sent).collect::<Vec<_>>(),
    })
}

fn sent(sent: &Sent) -> Value {
    let (state, next_attempt, error) = match &sent.standing {
        Standing::Pending(at) => ("pending", Some(text::rfc3339(*at)), None),
        Standing::Delivered => ("delivered", None, None),
        Standing::GivenUp(why) => ("given_up", None, why.as_deref()),
    };
    let attempts: Vec<Value> = sent.tried.iter().map(tried).collect();
    json!({
        "destination": sent.destination,
        "state": state,
        "next_attempt": next_attempt,
        "error": error,
        "attempts": attempts,
    })
}

fn tried(tried: &Tried) -> Value {
    json!({
        "number": tried.number,
        "count": tried.count,
        "first_at": text::rfc3339(tried.first_at),
        "last_at": text::rfc3339(tried.last_at),
        "outcome": if tried.accepted { "accepted" } else { "failed" },
        "answer": tried.answer,
    })
}
