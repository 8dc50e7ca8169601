//! Who was told, in sentences: every attempt and its answer, and who was not to be told.

use super::words::Times;
use super::{Sent, Standing, Told, Tried};
use crate::core::alert::{Kind, Route};
use crate::core::limits::WHY_ATTEMPTS_MAX;
use crate::core::name::Name;

/// What became of `told`, a sentence for each destination that is or was to hear of it.
pub(super) fn sentences(told: &Told, times: &Times<'_>) -> Vec<String> {
    if told.sent.is_empty() {
        return vec!["It went to nobody.".to_owned()];
    }
    told.sent.iter().map(|sent| one(sent, times)).collect()
}

/// Which destinations were not to hear of `told`, and why, as they are set now.
pub(super) fn others(told: &Told, routes: &[Route]) -> Vec<String> {
    if routes.is_empty() && told.sent.is_empty() {
        return vec!["No destination is set.".to_owned()];
    }
    let is_told =
        |route: &&Route| told.sent.iter().any(|sent| sent.destination == route.destination);
    let others = routes.iter().filter(|route| !is_told(route));
    let sentence = |route: &Route| {
        let why = refusal(route, &told.alert.service, told.alert.kind).unwrap_or_else(|| {
            "it is set to be told now, and was not set so when the alert was raised".to_owned()
        });
        format!("Not to {}: {why}.", route.destination)
    };
    others.map(sentence).collect()
}

/// Who would be told of an alert of `kind` by the settings of now.
pub(super) fn would_be_told(name: &Name, kind: Kind, routes: &[Route]) -> Vec<String> {
    if routes.is_empty() {
        return vec!["An alert would go to nobody: no destination is set.".to_owned()];
    }
    let (told, others): (Vec<&Route>, Vec<&Route>) =
        routes.iter().partition(|route| refusal(route, name, kind).is_none());
    let names: Vec<&str> = told.iter().map(|route| route.destination.as_str()).collect();
    let mut sentences = vec![if names.is_empty() {
        "An alert would go to nobody.".to_owned()
    } else {
        format!("An alert would go to {}.", names.join(", "))
    }];
    sentences.extend(others.into_iter().filter_map(|route| {
        let why = refusal(route, name, kind)?;
        Some(format!("Not to {}: {why}.", route.destination))
    }));
    sentences
}

/// Why an alert of `kind` about `name` does not go this way; `None`: it does.
pub(super) fn refusal(route: &Route, name: &Name, kind: Kind) -> Option<String> {
    if !route.takes_service(name) {
        if route.patterns.is_empty() {
            return Some("it is told of other services".to_owned());
        }
        return Some(format!("its services are {}", route.patterns.join(", ")));
    }
    if !route.kinds.contains(&kind) {
        let kinds: Vec<&str> = route.kinds.iter().map(|kind| kind.as_str()).collect();
        let kinds = if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") };
        return Some(format!("it is told of {kinds}, and not of {}", kind.as_str()));
    }
    None
}

fn one(sent: &Sent, times: &Times<'_>) -> String {
    let skipped = sent.tried.len().saturating_sub(WHY_ATTEMPTS_MAX);
    let mut parts: Vec<String> =
        sent.tried.iter().skip(skipped).map(|tried| attempt(tried, times)).collect();
    if skipped > 0 {
        parts.insert(0, "earlier attempts".to_owned());
    }
    parts.push(match &sent.standing {
        Standing::Delivered if parts.is_empty() => "accepted".to_owned(),
        Standing::Delivered => String::new(),
        Standing::Pending(at) if parts.is_empty() => format!("first attempt due {}", times.at(*at)),
        Standing::Pending(at) => format!("next attempt {}", times.at(*at)),
        Standing::GivenUp(None) => "given up".to_owned(),
        Standing::GivenUp(Some(why)) => match sent.tried.last() {
            Some(last) if last.answer == *why => "given up".to_owned(),
            _ => format!("given up: {why}"),
        },
    });
    parts.retain(|part| !part.is_empty());
    format!("To {}: {}.", sent.destination, parts.join("; "))
}

fn attempt(tried: &Tried, times: &Times<'_>) -> String {
    let Tried { number, count, first_at, last_at, accepted, answer } = tried;
    let (first, last) = (times.at(*first_at), times.at(*last_at));
    let word = if *accepted { "accepted" } else { "failed" };
    let answer =
        if *accepted && answer.is_empty() { String::new() } else { format!(" ({answer})") };
    if *count > 1 {
        format!("attempts {number} to {}, {first} to {last}, {word}{answer}", number + count - 1)
    } else {
        format!("attempt {number}, {first}, {word}{answer}")
    }
}
