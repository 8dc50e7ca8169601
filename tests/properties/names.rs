//! Names, and the other words that callers choose.

use overdue::core::alert::{Alert, Kind, Reason};
use overdue::core::change::What;
use overdue::core::declaration::Description;
use overdue::core::frequency::{Frequency, Grace};
use overdue::core::limits::{DESCRIPTION_CHARS_MAX, NAME_BYTES_MAX, RUN_BYTES_MAX};
use overdue::core::name::Name;
use overdue::core::schedule::Schedule;
use overdue::core::service::{Service, Status};
use overdue::core::signal::{RunId, Signal};

use super::{TEN, check_sentence};

/// What is taken is taken as it is and within its bounds, everything within them is taken, and every word is read back
/// from how it is written.
pub fn names(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let has_control = text.chars().any(char::is_control);
    match Name::parse(text) {
        Ok(name) => {
            assert!((1..=NAME_BYTES_MAX).contains(&text.len()) && !has_control, "{text:?}");
            assert_eq!((name.as_str(), name.to_string().as_str()), (text, text));
            check_ids(&name);
        }
        Err(error) => {
            check_sentence(&error.to_string(), 200);
            assert!(text.is_empty() || text.len() > NAME_BYTES_MAX || has_control, "{text:?}");
        }
    }
    match RunId::parse(text) {
        Ok(run) => assert_eq!(run.as_str(), text),
        Err(error) => check_sentence(&error.to_string(), 200),
    }
    let is_run = (1..=RUN_BYTES_MAX).contains(&text.len()) && !has_control;
    assert_eq!(RunId::parse(text).is_ok(), is_run, "{text:?}");
    let is_description =
        (1..=DESCRIPTION_CHARS_MAX).contains(&text.chars().count()) && !has_control;
    assert_eq!(Description::parse(text).is_ok(), is_description, "{text:?}");
    check_signal(text);
    let kinds = Kind::ALL.map(Kind::as_str);
    assert_eq!(Kind::parse(text).map(Kind::as_str), kinds.into_iter().find(|kind| *kind == text));
    let statuses = Status::ALL.map(Status::as_str);
    let status = statuses.into_iter().find(|status| *status == text);
    assert_eq!(Status::parse(text).map(Status::as_str), status);
    assert!(Reason::parse(text).is_none_or(|reason| reason.as_str() == text));
    assert!(What::parse(text).is_none_or(|what| what.as_str() == text));
}

fn check_signal(text: &str) {
    let signal = match Signal::parse(text) {
        Ok(signal) => signal,
        Err(error) => return check_sentence(&error.to_string(), 200),
    };
    let Some(status) = signal.exit_status() else { return assert_eq!(signal.as_str(), text) };
    assert_eq!(text.trim_start_matches('0').parse::<u8>().unwrap_or(0), status, "{text:?}");
    assert_eq!(Signal::parse(&status.to_string()), Ok(signal));
    assert!(signal.is_end() && signal.is_failure() == (status != 0));
    assert_eq!(signal.as_str(), if status == 0 { "success" } else { "fail" });
}

/// An alert's id is of one form, and another for another name, kind, second and number.
fn check_ids(name: &Name) {
    let schedule = Schedule::Every(Frequency::from_seconds(60).unwrap());
    let other = Name::parse(if name.as_str() == "a" { "b" } else { "a" }).unwrap();
    let alert = |name: &Name, kind: Kind, about: i64| {
        let service = Service::new(name.clone(), schedule.clone(), Grace::ZERO);
        Alert::of(&service, kind, about, about, about + 1)
    };
    let id = alert(name, Kind::Overdue, TEN).id(0);
    let is_id = |c: char| c.is_ascii_lowercase() || ('2'..='7').contains(&c);
    assert!(
        id.strip_prefix("alr_").is_some_and(|id| id.len() == 26 && id.chars().all(is_id)),
        "{id}"
    );
    for another in [
        alert(&other, Kind::Overdue, TEN).id(0),
        alert(name, Kind::Failed, TEN).id(0),
        alert(name, Kind::Overdue, TEN + 1).id(0),
        alert(name, Kind::Overdue, TEN).id(1),
    ] {
        assert_ne!(id, another);
    }
}
