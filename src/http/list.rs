//! What all lists share: how many rows, and where they go on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::problem::{NOTHING_READ, Problem, shown};
use super::query::Query;
use crate::core::limits::{LIST_ROWS_DEFAULT, LIST_ROWS_MAX};
use crate::store::StoreError;

/// How many rows are asked for.
pub(super) fn limit(query: &Query<'_>) -> Result<usize, Problem> {
    let Some(text) = query.get("limit")? else { return Ok(LIST_ROWS_DEFAULT) };
    let limit = text.parse().ok().filter(|limit| (1..=LIST_ROWS_MAX).contains(limit));
    limit.ok_or_else(|| {
        let text = shown(&text);
        Problem::BadRequest(format!("limit {text} is not a count: use 1 to {LIST_ROWS_MAX}"))
    })
}

/// A cursor to `place`, which any machine reads.
pub(super) fn cursor_at(place: &str) -> String {
    URL_SAFE_NO_PAD.encode(place)
}

/// The place of a cursor.
pub(super) fn cursor(text: &str) -> Result<String, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| not_a_cursor(text))?;
    String::from_utf8(bytes).map_err(|_| not_a_cursor(text))
}

/// The place of the cursor that is given, where it is a number.
pub(super) fn number_cursor(query: &Query<'_>) -> Result<Option<i64>, Problem> {
    let Some(text) = query.get("cursor")? else { return Ok(None) };
    cursor(&text)?.parse().map(Some).map_err(|_| not_a_cursor(&text))
}

pub(super) fn not_a_cursor(text: &str) -> Problem {
    Problem::BadRequest(format!(
        "cursor {} is not one: use the next_cursor of the page before",
        shown(text)
    ))
}

pub(super) fn read<T>(result: Result<T, StoreError>) -> Result<T, Problem> {
    result.map_err(|_| Problem::Unavailable(NOTHING_READ.to_owned()))
}
