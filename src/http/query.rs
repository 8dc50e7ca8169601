//! Queries and path segments, read strictly: what is not UTF-8 or not percent-encoded right is an error, never a
//! guess.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::problem::{Problem, shown};
use crate::core::name;

/// The parameters of a query, each at most once as far as they are known here.
pub(super) struct Query<'a> {
    pairs: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> Query<'a> {
    /// Reads `name=value&…` (the `application/x-www-form-urlencoded` syntax of the URL Standard). Parameters are
    /// decoded when they are asked for, so that one unknown here cannot be wrong.
    pub(super) fn parse(text: &'a str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = if name.contains('%') {
                percent_decode_str(name).decode_utf8_lossy()
            } else {
                Cow::Borrowed(name)
            };
            (name, value)
        });
        Self { pairs: pairs.collect() }
    }

    /// The value of `name`; `None` where it is not given.
    pub(super) fn get(&self, name: &str) -> Result<Option<String>, Problem> {
        Ok(self.value(name)?.map(Cow::into_owned))
    }

    /// The same as it stands in the query, unless something is encoded.
    pub(super) fn value(&self, name: &str) -> Result<Option<Cow<'a, str>>, Problem> {
        let mut values =
            self.pairs.iter().filter(|(given, _)| given == name).map(|(_, value)| *value);
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Problem::BadRequest(format!(
                "{name} is given more than once: give it once"
            )));
        }
        let text = if value.contains('+') {
            decoded(&value.replace('+', " ")).map(|text| Cow::Owned(text.into_owned()))
        } else {
            decoded(value)
        };
        text.map(Some).ok_or_else(|| not_text(name, value))
    }
}

/// The last segment of `path`, which stands for `what`.
pub(super) fn last_segment(path: &str, what: &str) -> Result<String, Problem> {
    let segment = path.rsplit('/').next().unwrap_or_default();
    let text = decoded(segment).ok_or_else(|| not_text(what, segment))?;
    Ok(name::of_segment(&text).to_owned())
}

/// The segment before the last one, which stands for the service's name.
pub(super) fn name_before_last_segment(path: &str) -> Result<String, Problem> {
    last_segment(path.rsplit_once('/').map_or("", |(before, _)| before), "name")
}

fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let has_bad_escape = text.split('%').skip(1).any(|after| {
        !after.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if has_bad_escape {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok()
}

fn not_text(name: &str, value: &str) -> Problem {
    Problem::BadRequest(format!(
        "{name} {} is not percent-encoded UTF-8: write % and two hexadecimal digits for each byte, as in %2F for /",
        shown(value)
    ))
}
