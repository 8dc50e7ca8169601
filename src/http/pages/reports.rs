//! `/reports`: how well services did in a month, as a table, and as CSV.

use askama::Template;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use jiff::tz::TimeZone;

use super::chart::Moment;
use super::session::Visitor;
use super::{Frame, html, service_path};
use crate::core::limits::{
    LIST_LOOKED_AT_MAX, LIST_ROWS_DEFAULT, LIST_ROWS_MAX, TIMELINE_SPANS_MAX,
};
use crate::core::listening::{Gap, Span};
use crate::core::report::{self, Line};
use crate::core::text::{self, rough_duration};
use crate::http::Api;
use crate::http::list::{cursor, cursor_at, read};
use crate::http::problem::{Problem, shown};
use crate::http::query::Query;
use crate::store::ListAfter;

#[derive(Template)]
#[template(path = "reports.html")]
struct Page {
    frame: Frame,
    month: String,
    before: String,
    after: Option<String>,
    latest: String,
    /// Whether the month has not ended yet.
    is_going_on: bool,
    rows: Vec<Row>,
    total: Row,
    /// Whether there are other services than those of this page.
    is_part: bool,
    away: Vec<Away>,
    away_in_all: String,
    away_count: usize,
    first: Option<String>,
    next: Option<String>,
    csv: String,
}

/// How a service did, in words.
struct Row {
    name: String,
    path: String,
    outages: String,
    downtime: String,
    longest: String,
    uptime: String,
    /// Whether it was out at all.
    was_out: bool,
    away: String,
    paused: String,
}

/// A time in which the monitor itself was away.
struct Away {
    from: Moment,
    to: Moment,
    length: String,
}

impl Row {
    fn new(line: &Line) -> Self {
        let or_none = |seconds: i64| match seconds {
            0 => "–".to_owned(),
            seconds => rough_duration(seconds),
        };
        let uptime = match line.uptime_percent() {
            percent if percent.is_empty() => "not watched".to_owned(),
            percent => format!("{percent} %"),
        };
        let more = if line.is_cut { "over " } else { "" };
        Self {
            path: service_path(&line.name),
            name: line.name.clone(),
            outages: format!("{more}{}", line.outages),
            downtime: or_none(line.downtime_seconds),
            longest: or_none(line.longest_seconds),
            uptime,
            was_out: line.outages > 0,
            away: or_none(line.away_seconds),
            paused: or_none(line.paused_seconds),
        }
    }
}

/// The month that is asked for.
struct Month {
    text: String,
    span: Span,
    now: i64,
}

impl Month {
    fn read(api: &Api, query: &Query<'_>) -> Result<Self, Problem> {
        let (zone, now) = (&api.0.zone, api.0.clock.now());
        let given = query.get("month")?.filter(|text| !text.is_empty());
        let text = given.unwrap_or_else(|| text::month(now, zone));
        let span = report::month(&text, zone).ok_or_else(|| {
            Problem::BadRequest(format!("month {} is not one: use one like 2026-10", shown(&text)))
        })?;
        Ok(Self { text, span, now })
    }

    /// Lines of services behind `after`, and where to go on.
    async fn lines(
        &self,
        api: &Api,
        gaps: &[Gap],
        after: ListAfter,
        rows_max: usize,
    ) -> Result<(Vec<Line>, Option<ListAfter>), Problem> {
        let (lives, next) = read(api.0.store.lives(after, self.span, self.now, rows_max).await)?;
        let told = lives.iter().filter_map(|life| report::line(life, self.span, gaps, self.now));
        Ok((told.collect(), next))
    }
}

/// `GET /reports[?month=2026-10][&cursor=…]`
pub(crate) async fn page(
    State(api): State<Api>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let month = Month::read(&api, &query)?;
    let from = query.get("cursor")?.map(|text| cursor(&text)).transpose()?;
    let gaps = read(api.0.store.gaps(month.span).await)?;
    let is_later = from.is_some();
    let after = from.map(ListAfter).unwrap_or_default();
    let (mut lines, next) = month.lines(&api, &gaps, after, LIST_ROWS_DEFAULT).await?;
    let is_part = is_later || next.is_some();
    if !is_part {
        lines.sort_by_key(|line| line.uptime_basis_points().unwrap_or(i64::MAX));
    }
    let name = if is_part { "these together" } else { "all together" };
    let zone = &api.0.zone;
    let link = |month: &str| format!("/reports?month={month}");
    let away: i64 = gaps.iter().map(|gap| length_in(gap, month.span)).sum();
    let page = Page {
        before: link(&text::month(month.span.from - 1, zone)),
        after: (month.span.to <= month.now).then(|| link(&text::month(month.span.to, zone))),
        latest: text::month(month.now, zone),
        is_going_on: month.span.to > month.now,
        rows: lines.iter().map(Row::new).collect(),
        total: Row::new(&total(&lines, name)),
        is_part,
        away_in_all: rough_duration(away),
        away_count: gaps.len(),
        away: gaps
            .iter()
            .rev()
            .take(TIMELINE_SPANS_MAX)
            .map(|gap| gap_of(gap, month.now, zone))
            .collect(),
        first: is_later.then(|| link(&month.text)),
        next: next
            .map(|ListAfter(name)| format!("{}&cursor={}", link(&month.text), cursor_at(&name))),
        csv: format!("/reports.csv?month={}", month.text),
        frame: Frame::new(
            format!("Report of {}", month.text),
            "reports",
            visitor,
            api.0.clock.now_ms(),
        ),
        month: month.text,
    };
    Ok(html(StatusCode::OK, &page))
}

/// `GET /reports.csv[?month=2026-10]`: all services of the month. Of very many the first by their names; the last line
/// says so.
pub(crate) async fn csv(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let month = Month::read(&api, &query)?;
    let gaps = read(api.0.store.gaps(month.span).await)?;
    let (mut lines, mut after) = (Vec::new(), Some(ListAfter::default()));
    while lines.len() < LIST_LOOKED_AT_MAX
        && let Some(from) = after.take()
    {
        let (found, next) = month.lines(&api, &gaps, from, LIST_ROWS_MAX).await?;
        lines.extend(found);
        after = next;
    }
    let name = match after {
        None => "total".to_owned(),
        Some(_) => format!("total of the first {}", lines.len()),
    };
    let mut body = String::from(report::CSV_HEAD);
    body.extend(lines.iter().map(report::csv));
    body.push_str(&report::csv(&total(&lines, &name)));
    let file = format!("attachment; filename=\"overdue-{}.csv\"", month.text);
    let file = HeaderValue::from_str(&file).unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")),
        (header::CONTENT_DISPOSITION, file),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, body).into_response())
}

fn total(lines: &[Line], name: &str) -> Line {
    let mut total = Line { name: name.to_owned(), ..Line::default() };
    for line in lines {
        total.add(line);
    }
    total
}

fn length_in(gap: &Gap, period: Span) -> i64 {
    (gap.span.to.min(period.to) - gap.span.from.max(period.from)).max(0)
}

fn gap_of(gap: &Gap, now: i64, zone: &TimeZone) -> Away {
    let Span { from, to } = gap.span;
    Away {
        from: Moment::new(from, now, zone),
        to: Moment::new(to, now, zone),
        length: rough_duration(to - from),
    }
}
