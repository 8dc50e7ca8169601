//! What an owner's word changes, from when it counts, and how a change is recorded.

use overdue::core::change::{Changed, Watch, What, between, deleted_unread};
use overdue::core::declaration::{Declaration, Description, check_aliases, declare};
use overdue::core::limits::{ALIASES_MAX, DESCRIPTION_CHARS_MAX, TIME_SECONDS_MAX};
use overdue::core::ping::{Origin, Refusal, Terms};
use overdue::core::schedule::{CronPattern, Schedule, Zone};
use overdue::core::service::{History, Service, pause, resume};

use super::{TEN, every, grace, name, pinged, running};

fn terms(frequency: &str) -> Terms {
    Terms { frequency: every(frequency).frequency(), ..Terms::default() }
}

/// The service after its owner has changed its frequency.
fn with_frequency(stored: &Service, frequency: &str, now: i64) -> Service {
    let change = Declaration { terms: terms(frequency), ..Declaration::default() };
    declare(Some(stored), &stored.name, &change, grace("0s"), now).unwrap()
}

/// A service of which everything was declared.
fn declared() -> Service {
    Service {
        description: Some("Copies the invoices".to_owned()),
        grace_given: true,
        max_runtime: every("2m").frequency(),
        locked: true,
        ..pinged(every("10m"), grace("1m"), TEN)
    }
}

#[test]
fn a_whole_declaration_begins_anew_and_a_change_keeps_what_it_does_not_name() {
    let stored = declared();
    let declared_as = |is_whole| {
        let declaration = Declaration { is_whole, terms: terms("20m"), ..Declaration::default() };
        declare(Some(&stored), &stored.name, &declaration, grace("30s"), TEN).unwrap()
    };
    let anew = declared_as(true);
    assert_eq!(
        (&anew.schedule, anew.grace, anew.grace_given),
        (&every("20m"), grace("30s"), false)
    );
    assert_eq!((anew.max_runtime, &anew.description, anew.locked), (None, &None, false));
    assert_eq!(anew.last_ping, stored.last_ping, "but it is the same service");
    let changed = declared_as(false);
    assert_eq!((&changed.schedule, changed.grace), (&every("20m"), grace("1m")));
    assert!(changed.grace_given && changed.locked);
    assert_eq!(changed.max_runtime, stored.max_runtime);
    assert_eq!(changed.description, stored.description);
}

#[test]
fn a_whole_declaration_that_names_no_zone_is_in_utc_and_a_change_keeps_the_zone() {
    let zone_of = |schedule: &Schedule| schedule.cron().map(|cron| cron.zone.as_str().to_owned());
    let terms =
        |zone| Terms { cron: CronPattern::parse("0 3 * * *").ok(), zone, ..Terms::default() };
    let declared_as = |stored: Option<&Service>, is_whole, zone| {
        let declaration = Declaration { is_whole, terms: terms(zone), ..Declaration::default() };
        declare(stored, &name("backup"), &declaration, grace("0s"), TEN).unwrap()
    };
    let berlin = declared_as(None, true, Zone::parse("Europe/Berlin").ok());
    assert_eq!(zone_of(&berlin.schedule).as_deref(), Some("Europe/Berlin"));
    let changed = declared_as(Some(&berlin), false, None).schedule;
    assert_eq!(zone_of(&changed).as_deref(), Some("Europe/Berlin"));
    let anew = declared_as(Some(&berlin), true, None).schedule;
    assert_eq!(zone_of(&anew).as_deref(), Some("UTC"));
}

#[test]
fn a_declaration_makes_a_service_and_a_change_does_not() {
    let declared_as = |is_whole, terms: &Terms| {
        let declaration = Declaration { is_whole, terms: terms.clone(), ..Declaration::default() };
        declare(None, &name("backup"), &declaration, grace("30s"), TEN)
    };
    let max_runtime = every("2m").frequency();
    let made = declared_as(true, &Terms { max_runtime, ..terms("10m") }).unwrap();
    let new = Service::new(name("backup"), every("10m"), grace("30s"));
    assert_eq!(made, Service { max_runtime, ..new });
    assert_eq!(declared_as(false, &terms("10m")), Err(Refusal::Unknown));
    assert_eq!(declared_as(true, &Terms::default()), Err(Refusal::Unknown), "how often?");
}

#[test]
fn what_is_taken_back_is_told_apart_from_what_is_not_named() {
    let stored = declared();
    let after = |change: &Declaration| {
        declare(Some(&stored), &stored.name, change, grace("0s"), TEN).unwrap()
    };
    assert_eq!(after(&Declaration::default()), stored);
    let open = after(&Declaration { clears_max_runtime: true, ..Declaration::default() });
    assert_eq!(open.max_runtime, None);
    let silent = after(&Declaration { description: Some(None), ..Declaration::default() });
    assert_eq!(silent.description, None);
    let text = Description::parse("Copies them to Oslo").ok();
    let told = after(&Declaration { description: Some(text), ..Declaration::default() });
    assert_eq!(told.description.as_deref(), Some("Copies them to Oslo"));
    assert!(!after(&Declaration { locked: Some(false), ..Declaration::default() }).locked);
}

#[test]
fn a_changed_schedule_counts_for_the_ping_that_is_waited_for() {
    let stored = pinged(every("10m"), grace("1m"), TEN);
    let changed = with_frequency(&stored, "20m", TEN + 60);
    assert_eq!((changed.expected, changed.deadline), (Some(TEN + 1200), Some(TEN + 1260)));
    let longer = Terms { grace: Some(grace("5m")), ..Terms::default() };
    let change = Declaration { terms: longer, ..Declaration::default() };
    let changed = declare(Some(&stored), &stored.name, &change, grace("0s"), TEN + 60).unwrap();
    assert_eq!((changed.expected, changed.deadline), (Some(TEN + 600), Some(TEN + 900)));
    let far =
        Service { grace: grace("520W"), ..pinged(every("1s"), grace("0s"), TIME_SECONDS_MAX) };
    assert_eq!(with_frequency(&far, "2s", TEN).deadline, Some(TIME_SECONDS_MAX));
}

#[test]
fn a_changed_schedule_starts_nothing_where_nothing_is_waited_for() {
    let new = Service::new(name("backup"), every("10m"), grace("1m"));
    let after = with_frequency(&new, "20m", TEN);
    assert_eq!((after.expected, after.deadline), (None, None));
    let paused = Service { paused: true, ..pinged(every("10m"), grace("1m"), TEN) };
    let after = with_frequency(&paused, "20m", TEN);
    assert_eq!((after.expected, after.deadline), (paused.expected, paused.deadline));
    // Nor does what was said before and is said again: this deadline is a hand's.
    let moved = Service { deadline: Some(TEN + 5), ..pinged(every("10m"), grace("1m"), TEN) };
    assert_eq!(with_frequency(&moved, "10m", TEN + 1), moved);
}

#[test]
fn one_that_was_resumed_or_that_a_hand_has_set_has_its_time_from_the_change_on() {
    let paused = pause(&pinged(every("10m"), grace("1m"), TEN - 9000), TEN - 60).service;
    let resumed = resume(&paused, TEN).service;
    let changed = with_frequency(&resumed, "20m", TEN + 100);
    assert_eq!((changed.expected, changed.deadline), (Some(TEN + 1300), Some(TEN + 1360)));
    let new = Service::new(name("backup"), every("10m"), grace("1m"));
    let by_hand = Service { deadline: Some(TEN + 5), ..new };
    let changed = with_frequency(&by_hand, "20m", TEN + 100);
    assert_eq!((changed.expected, changed.deadline), (None, Some(TEN + 1360)));
}

#[test]
fn a_run_that_is_open_has_to_end_by_the_changed_terms() {
    let open = running(pinged(every("10m"), grace("0s"), TEN), TEN + 600);
    assert_eq!(with_frequency(&open, "20m", TEN + 601).deadline, Some(TEN + 1800));
}

#[test]
fn silence_that_was_told_of_is_told_again_only_if_the_change_has_ended_it() {
    let told = Service { alerted: true, ..pinged(every("10m"), grace("0s"), TEN) };
    assert!(with_frequency(&told, "20m", TEN + 1201).alerted, "it is still out");
    assert!(!with_frequency(&told, "20m", TEN + 1200).alerted, "its new second is not over");
    let quiet = Service { alerted: false, ..told };
    assert!(!with_frequency(&quiet, "20m", TEN + 1201).alerted);
}

#[test]
fn descriptions_and_aliases_have_their_bounds() {
    assert!(Description::parse("é".repeat(DESCRIPTION_CHARS_MAX)).is_ok());
    assert!(Description::parse("é".repeat(DESCRIPTION_CHARS_MAX + 1)).is_err());
    assert_eq!(check_aliases(&vec![name("a"); ALIASES_MAX]), Ok(()));
    let sentence = check_aliases(&vec![name("a"); ALIASES_MAX + 1]).unwrap_err();
    assert_eq!(
        sentence,
        format!("{} aliases are too many: use {ALIASES_MAX} at most", ALIASES_MAX + 1)
    );
}

#[test]
fn a_change_is_read_back_from_its_word() {
    use What::{Changed, Declared, Deleted, Known, Made, Paused, Resumed};
    for what in [Known, Made, Declared, Changed, Paused, Resumed, Deleted] {
        assert_eq!(What::parse(what.as_str()), Some(what));
    }
    assert_eq!(What::parse("renamed"), None);
}

#[test]
fn what_two_states_differ_in_is_what_has_changed() {
    let stored = pinged(every("10m"), grace("1m"), TEN);
    let paused = Service { paused: true, ..stored.clone() };
    let between = |before: Option<&Service>, after: Option<&Service>, by_ping| {
        between(before, after, by_ping, &Origin::default(), TEN).map(|changed| changed.what)
    };
    assert_eq!(between(None, Some(&stored), true), Some(What::Made));
    assert_eq!(between(None, Some(&stored), false), Some(What::Declared));
    assert_eq!(between(Some(&stored), None, false), Some(What::Deleted));
    assert_eq!(between(Some(&stored), Some(&paused), false), Some(What::Paused));
    assert_eq!(between(Some(&paused), Some(&stored), true), Some(What::Resumed));
    for other in [
        Service { schedule: every("20m"), ..stored.clone() },
        Service { grace: grace("2m"), ..stored.clone() },
        Service { max_runtime: every("2m").frequency(), ..stored.clone() },
    ] {
        assert_eq!(between(Some(&stored), Some(&other), true), Some(What::Changed), "{other:?}");
    }
    // A ping that is like those before it is no change, whatever follows from it.
    let later = pinged(every("10m"), grace("1m"), TEN + 600);
    assert_eq!(between(Some(&stored), Some(&later), true), None);
    assert_eq!(between(Some(&paused), Some(&paused), true), None);
    assert_eq!(between(None, None, false), None);
}

#[test]
fn a_change_holds_what_was_and_what_is_and_who_did_it() {
    let history = History { signals: 7, newest: 3 };
    let stored = Service { history, ..pinged(every("10m"), grace("1m"), TEN) };
    let paused = pause(&stored, TEN + 60).service;
    let origin = Origin { key: Some("ops".to_owned()), ..Origin::default() };
    let watch = Some(Watch::of(&stored));
    let expected = Changed {
        at: TEN + 60,
        what: What::Paused,
        by_ping: false,
        key: Some("ops".to_owned()),
        signals: 7,
        was: watch.clone(),
        is: watch,
        paused: true,
        expected: None,
        deadline: None,
    };
    let changed = between(Some(&stored), Some(&paused), false, &origin, TEN + 60);
    assert_eq!(changed, Some(expected.clone()));
    let deleted = between(Some(&stored), None, false, &origin, TEN + 60);
    let deletion = Changed { what: What::Deleted, is: None, paused: false, ..expected };
    assert_eq!(deleted, Some(deletion.clone()));
    assert_eq!(deleted_unread(&origin, TEN + 60), Changed { signals: 0, was: None, ..deletion });
    let resumed = between(Some(&paused), Some(&stored), true, &origin, TEN + 60).unwrap();
    assert_eq!((resumed.expected, resumed.deadline), (stored.expected, stored.deadline));
    assert!(resumed.by_ping && !resumed.paused);
}
