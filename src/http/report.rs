//! `/api/v1/report`: how well services did in a month.

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::answer::as_json;
use super::problem::{Problem, shown};
use super::query::Query;
use super::{Api, list};
use crate::core::listening::Gap;
use crate::core::report::{self, Line};
use crate::core::text;
use crate::store::ListAfter;

/// `GET /api/v1/report[?month=2026-10][&limit=…][&cursor=…]`: services that were there in that month, by their names.
pub(super) async fn report(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let (parts, now) = (&api.0, api.0.clock.now());
    let month = query.get("month")?.unwrap_or_else(|| text::month(now, &parts.zone));
    let period = report::month(&month, &parts.zone).ok_or_else(|| {
        Problem::BadRequest(format!("month {} is not one: use one like 2026-10", shown(&month)))
    })?;
    let limit = list::limit(&query)?;
    let after = query.get("cursor")?.map(|text| list::cursor(&text)).transpose()?;
    let after = after.map(ListAfter).unwrap_or_default();
    let gaps = list::read(parts.store.gaps(period).await)?;
    let (found, next) = list::read(parts.store.lives(after, period, now, limit).await)?;
    let lines: Vec<Line> =
        found.iter().filter_map(|life| report::line(life, period, &gaps, now)).collect();
    let mut total = Line { name: "total".to_owned(), ..Line::default() };
    for line in &lines {
        total.add(line);
    }
    let next = next.map(|ListAfter(name)| list::cursor_at(&name));
    let away: Vec<Value> = gaps.iter().map(gap).collect();
    let body = json!({
        "month": month,
        "from": text::rfc3339(period.from),
        "to": text::rfc3339(period.to.min(now).max(period.from)),
        "services": lines.iter().map(shown_line).collect::<Vec<_>>(),
        "total": shown_line(&total),
        "away": away,
        "next_cursor": next,
    });
    Ok(as_json(&body))
}

fn gap(gap: &Gap) -> Value {
    json!({ "from": text::rfc3339(gap.span.from), "to": text::rfc3339(gap.span.to) })
}

fn shown_line(line: &Line) -> Value {
    json!({
        "name": line.name,
        "outages": line.outages,
        "outages_are_more": line.is_cut,
        "downtime_seconds": line.downtime_seconds,
        "longest_seconds": line.longest_seconds,
        "uptime_percent": line.uptime_basis_points().map(|_| line.uptime_percent()),
        "watched_seconds": line.watched_seconds,
        "away_seconds": line.away_seconds,
        "paused_seconds": line.paused_seconds,
    })
}
