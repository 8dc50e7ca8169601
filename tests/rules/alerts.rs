//! What an alert is, and which way it goes.

use globset::{Glob, GlobSetBuilder};
use overdue::core::alert::{Alert, Kind, MonitorAlert, Reason, Route};
use overdue::core::service::{Service, Status};

use super::{TEN, every, grace, name, pinged};

fn service() -> Service {
    pinged(every("10m"), grace("0s"), TEN - 600)
}

#[test]
fn an_alert_has_the_type_that_receivers_know() {
    let types = Kind::ALL.map(Kind::event_type);
    assert_eq!(
        types,
        ["service.overdue", "service.failed", "service.recovered", "service.reminder"]
    );
    assert_eq!(MonitorAlert::new(false, TEN, TEN + 30).event_type(), "monitor.failing");
    assert_eq!(MonitorAlert::new(true, TEN, TEN + 30).event_type(), "monitor.recovered");
    assert_ne!(MonitorAlert::new(false, TEN, TEN).id, MonitorAlert::new(true, TEN, TEN).id);
    assert_eq!(MonitorAlert::new(false, TEN, TEN).id, MonitorAlert::new(false, TEN, TEN + 9).id);
}

#[test]
fn a_reason_is_read_back_from_its_word() {
    for (reason, word) in [(Reason::Deleted, "deleted"), (Reason::Paused, "paused")] {
        assert_eq!((reason.as_str(), Reason::parse(word)), (word, Some(reason)));
    }
    assert_eq!(Reason::parse("forgotten"), None);
}

#[test]
fn an_alert_tells_the_status_of_what_it_is_about() {
    let of = |kind, failed, reason| {
        let alert = Alert::of(&service(), kind, TEN, TEN, TEN + 1);
        Alert { failed, reason, ..alert }.status()
    };
    assert_eq!(of(Kind::Overdue, false, None), Status::Overdue);
    assert_eq!(of(Kind::Failed, true, None), Status::Failed);
    assert_eq!(of(Kind::Reminder, true, None), Status::Failed);
    assert_eq!(of(Kind::Reminder, false, None), Status::Overdue);
    assert_eq!(of(Kind::Recovered, false, None), Status::Up);
    assert_eq!(of(Kind::Recovered, false, Some(Reason::Deleted)), Status::Up);
    assert_eq!(of(Kind::Recovered, false, Some(Reason::Paused)), Status::Paused);
}

#[test]
fn only_silence_is_late_and_only_what_is_over_has_lasted() {
    let of = |kind, deadline, at| {
        let alert = Alert { deadline, ..Alert::of(&service(), kind, TEN + 90, TEN + 30, at) };
        (alert.overdue_seconds(), alert.outage_seconds())
    };
    assert_eq!(of(Kind::Overdue, Some(TEN), TEN + 7), (7, None));
    assert_eq!(of(Kind::Reminder, Some(TEN), TEN + 3607), (3607, None));
    assert_eq!(of(Kind::Overdue, Some(TEN), TEN - 7), (0, None));
    assert_eq!(of(Kind::Overdue, None, TEN + 7), (0, None));
    assert_eq!(of(Kind::Failed, Some(TEN), TEN + 7), (0, None));
    assert_eq!(of(Kind::Recovered, Some(TEN), TEN + 7), (0, Some(60)));
}

#[test]
fn a_route_takes_its_kinds_of_its_services() {
    let globs = GlobSetBuilder::new().add(Glob::new("backup*").unwrap()).build().unwrap();
    let route = |kinds: &[Kind], services| Route {
        destination: "chat".to_owned(),
        kinds: kinds.to_vec(),
        services,
        patterns: Vec::new(),
    };
    let alert = |text: &str, kind| {
        let service = Service { name: name(text), ..service() };
        Alert::of(&service, kind, TEN, TEN, TEN)
    };
    let some = route(&[Kind::Overdue, Kind::Recovered], Some(globs));
    assert!(some.takes(&alert("backup-1", Kind::Overdue)));
    assert!(!some.takes(&alert("backup-1", Kind::Failed)), "not its kind");
    assert!(!some.takes(&alert("reports", Kind::Overdue)), "not its service");
    assert!(some.takes_service(&name("backup")) && !some.takes_service(&name("reports")));
    assert_eq!(some.kinds_of_outages(), [Kind::Overdue]);
    let all = route(&Kind::ALL, None);
    assert!(all.takes_service(&name("reports")) && all.takes(&alert("reports", Kind::Reminder)));
    assert_eq!(all.kinds_of_outages(), [Kind::Overdue, Kind::Failed, Kind::Reminder]);
}
