//! What an owner says of a service, apart from its pings.

use super::frequency::Grace;
use super::limits::{ALIASES_MAX, DESCRIPTION_CHARS_MAX, TIME_SECONDS_MAX};
use super::name::Name;
use super::ping::{Refusal, Terms};
use super::service::Service;

/// What an owner says of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declaration {
    /// Whether it says everything: what is `None` then is as on a new service, and not as it was.
    pub is_whole: bool,
    /// How it is watched.
    pub terms: Terms,
    /// How long a run may take, where that is to be as long as the grace again.
    pub clears_max_runtime: bool,
    /// What it is; `Some(None)`: nothing is said.
    pub description: Option<Option<Description>>,
    /// Whether pings leave the schedule as it is.
    pub locked: Option<bool>,
    /// All its other names.
    pub aliases: Option<Vec<Name>>,
}

/// What a service is, in its owner's words: 1 to 1,000 characters on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// Takes `text` as a description.
    ///
    /// # Errors
    /// [`DescriptionError`], which says what would be right.
    pub fn parse(text: impl Into<String>) -> Result<Self, DescriptionError> {
        let text = text.into();
        let is_right = (1..=DESCRIPTION_CHARS_MAX).contains(&text.chars().count())
            && !text.chars().any(char::is_control);
        if is_right { Ok(Self(text)) } else { Err(DescriptionError) }
    }
}

/// That a text is no description. Reads as the end of a sentence that begins with the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not a description: use 1 to {DESCRIPTION_CHARS_MAX} characters without line breaks, tabs and the like"
)]
pub struct DescriptionError;

/// Checks the number of aliases.
///
/// # Errors
/// A sentence that says what would be right.
pub fn check_aliases(aliases: &[Name]) -> Result<(), String> {
    if aliases.len() > ALIASES_MAX {
        return Err(format!("{} aliases are too many: use {ALIASES_MAX} at most", aliases.len()));
    }
    Ok(())
}

/// Decides a declaration of `name` at `now`. A schedule that it changes counts at once.
///
/// # Errors
/// [`Refusal::Unknown`] where there is no service and it does not say how often to expect it, or
/// [`Refusal::ZoneWithoutCron`].
pub fn declare(
    stored: Option<&Service>,
    name: &Name,
    declaration: &Declaration,
    default_grace: Grace,
    now: i64,
) -> Result<Service, Refusal> {
    let terms = &declaration.terms;
    let mut service = match stored {
        Some(stored) if declaration.is_whole => as_new(stored, terms, default_grace)?,
        Some(stored) => stored.clone(),
        // A change needs something to change: it may have been deleted while this was on its way.
        None if !declaration.is_whole => return Err(Refusal::Unknown),
        None => super::ping::declared(name, terms, default_grace)?,
    };
    service.adopt(terms, default_grace)?;
    if declaration.clears_max_runtime {
        service.max_runtime = None;
    }
    match &declaration.description {
        Some(description) => {
            service.description = description.as_ref().map(|Description(text)| text.clone());
        }
        None if declaration.is_whole => service.description = None,
        None => {}
    }
    service.locked = declaration.locked.unwrap_or(service.locked && !declaration.is_whole);
    if let Some(stored) = stored {
        count_from_now(&mut service, stored, now);
    }
    Ok(service)
}

/// `stored` with everything that can be declared as on a new service.
fn as_new(stored: &Service, terms: &Terms, default_grace: Grace) -> Result<Service, Refusal> {
    let fresh = super::ping::declared(&stored.name, terms, default_grace)?;
    Ok(Service {
        schedule: fresh.schedule,
        grace: fresh.grace,
        grace_given: fresh.grace_given,
        max_runtime: fresh.max_runtime,
        ..stored.clone()
    })
}

/// Lets a changed schedule count for the ping that is waited for.
fn count_from_now(service: &mut Service, stored: &Service, now: i64) {
    let is_changed = (&service.schedule, service.grace, service.max_runtime)
        != (&stored.schedule, stored.grace, stored.max_runtime);
    if !is_changed || service.paused || service.deadline.is_none() {
        return;
    }
    // After a resumption its time does not run from the last ping.
    let runs_from_ping = stored.expected == stored.last_ping.map(|at| stored.schedule.expected(at));
    let from = if runs_from_ping { service.last_ping } else { Some(now) };
    service.expected = from.map(|second| service.schedule.expected(second));
    let deadline = match (service.runs.running_since(), service.expected) {
        (Some(since), _) => service.run_deadline(since),
        (None, Some(expected)) => expected + service.grace.seconds(),
        // It was never heard of, and a hand has given it a deadline: its time begins anew.
        (None, None) => service.schedule.expected(now) + service.grace.seconds(),
    };
    service.deadline = Some(deadline.min(TIME_SECONDS_MAX));
    // Whose silence was told of is not told of twice because its terms have changed.
    service.alerted = stored.alerted && deadline < now;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_one_line_of_bounded_length() {
        assert!(Description::parse("Copies the invoices to Oslo. ☕").is_ok());
        for text in ["", "two\nlines", &"x".repeat(1001)] {
            assert_eq!(Description::parse(text), Err(DescriptionError), "{text:?}");
        }
    }
}
