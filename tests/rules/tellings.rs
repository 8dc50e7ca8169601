//! Why an alert came, or did not: what is said of those who were told, and of those who were not.

use globset::{Glob, GlobSetBuilder};
use jiff::tz::TimeZone;
use overdue::core::alert::{Alert, Kind, Reason, Route};
use overdue::core::limits::{WHY_ALERTS_MAX, WHY_ATTEMPTS_MAX};
use overdue::core::listening::{Gap, Span};
use overdue::core::service::{Service, pause};
use overdue::core::why::{Facts, Sent, Setting, Standing, Told, Tried, sentences};

use super::why::{facts, said, service};
use super::{TEN, every, grace, name, pinged};

/// The second of the deadline of [`service`].
const DUE: i64 = TEN + 900;

/// The service once silence was told of.
fn out() -> Service {
    Service { alerted: true, outage_since: Some(DUE), ..service() }
}

fn raised(kind: Kind, about: i64, at: i64) -> Told {
    let alert = Alert::of(&out(), kind, about, DUE, at);
    Told { seq: at, id: format!("alr_{}", kind.as_str()), alert, sent: Vec::new() }
}

fn silence() -> Told {
    raised(Kind::Overdue, DUE, DUE + 1)
}

/// What is said of alerts and their ways, after all that is said of the service.
fn told_of(facts: &Facts, routes: &[Route]) -> String {
    let said = sentences(facts, &Setting { routes, zone: &TimeZone::UTC });
    let begins = [
        "Alert", "Before", "Later", "No alert", "An alert", "It was", "It went", "To", "Not to",
        "No dest",
    ];
    let those = said.into_iter().filter(|line| begins.iter().any(|begin| line.starts_with(begin)));
    those.collect::<Vec<_>>().join("\n")
}

fn to(destination: &str, standing: Standing, tried: Vec<Tried>) -> Sent {
    Sent { destination: destination.to_owned(), standing, tried }
}

fn tried(number: i64, count: i64, accepted: bool, answer: &str) -> Tried {
    let first_at = DUE + 1 + 60 * number;
    let last_at = first_at + 10 * (count - 1);
    Tried { number, count, first_at, last_at, accepted, answer: answer.to_owned() }
}

fn route(destination: &str, kinds: &[Kind], patterns: &[&str]) -> Route {
    let mut globs = GlobSetBuilder::new();
    for pattern in patterns {
        globs.add(Glob::new(pattern).unwrap());
    }
    Route {
        destination: destination.to_owned(),
        kinds: kinds.to_vec(),
        services: (!patterns.is_empty()).then(|| globs.build().unwrap()),
        patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
    }
}

#[test]
fn what_is_not_due_says_who_would_be_told() {
    let now = facts(&service(), TEN);
    let (everybody, nobody) = (route("hook", &Kind::ALL, &[]), route("mute", &[], &[]));
    let failures = route("log", &[Kind::Failed, Kind::Recovered], &[]);
    let others = route("pager", &Kind::ALL, &["db", "web-*"]);
    // As it would be without the patterns that are shown.
    let nameless = Route { patterns: Vec::new(), ..others.clone() };
    insta::assert_snapshot!(told_of(&now, &[]), @r"
    No alert is due: its deadline has not passed.
    An alert would go to nobody: no destination is set.
    ");
    let all = [everybody.clone(), nobody, failures, others.clone(), nameless];
    insta::assert_snapshot!(told_of(&now, &all), @r"
    No alert is due: its deadline has not passed.
    An alert would go to hook.
    Not to mute: it is told of nothing, and not of overdue.
    Not to log: it is told of failed, recovered, and not of overdue.
    Not to pager: its services are db, web-*.
    Not to pager: it is told of other services.
    ");
    insta::assert_snapshot!(told_of(&now, &[others]), @r"
    No alert is due: its deadline has not passed.
    An alert would go to nobody.
    Not to pager: its services are db, web-*.
    ");
    let also = Route { destination: "chat".to_owned(), ..everybody.clone() };
    insta::assert_snapshot!(told_of(&now, &[everybody, also]), @r"
    No alert is due: its deadline has not passed.
    An alert would go to hook, chat.
    ");
    let paused = pause(&service(), TEN).service;
    assert_eq!(told_of(&facts(&paused, TEN), &[]), "", "there is nothing to tell of");
    let by_hand = Service { deadline: Some(TEN + 60), ..paused };
    assert_eq!(told_of(&facts(&by_hand, TEN), &[]), "", "nor does a hand's deadline count");
    let new = facts(&Service::new(name("backup"), every("1h"), grace("15m")), TEN);
    insta::assert_snapshot!(told_of(&new, &[]), @"An alert would go to nobody: no destination is set.");
}

#[test]
fn what_is_due_and_not_told_says_why() {
    let at = |second: i64, row: &Service, gaps: Vec<Gap>| {
        told_of(&Facts { gaps, ..facts(row, second) }, &[])
    };
    let away = |hold_until| vec![Gap { span: Span { from: TEN, to: DUE + 30 }, hold_until }];
    insta::assert_snapshot!(at(DUE + 1, &service(), Vec::new()), @"No alert yet: the deadline passed 10:15:00 UTC, and the sweep of the second after it tells.");
    insta::assert_snapshot!(at(DUE + 2, &service(), Vec::new()), @"No alert of this is on record: alerts that are older than OVERDUE_ALERT_HISTORY are removed, and hands may have set the column alerted.");
    insta::assert_snapshot!(at(DUE + 40, &service(), away(DUE + 90)), @"No alert yet: the monitor had been away, and held its silence against nobody until 10:16:30 UTC.");
    // No longer than its own frequency.
    insta::assert_snapshot!(at(DUE + 40, &service(), away(DUE + 9000)), @"No alert yet: the monitor had been away, and held its silence against nobody until 11:15:30 UTC.");
    insta::assert_snapshot!(at(DUE + 40, &out(), Vec::new()), @"It was told of; that alert is no longer on record, or went with a service of this name that was deleted.");
    let failed = Service { failed: true, ..service() };
    insta::assert_snapshot!(at(TEN, &failed, Vec::new()), @"No alert of this is on record: alerts that are older than OVERDUE_ALERT_HISTORY are removed, and hands may have set the column alerted.");
}

#[test]
fn what_is_told_later_is_told_with_its_ways_where_it_was_due() {
    let told = Told { sent: vec![to("hook", Standing::Delivered, Vec::new())], ..silence() };
    let later = |second: i64, told: &Told| {
        let told_later = vec![told.clone()];
        told_of(&Facts { told_later, now: DUE + 90, ..facts(&out(), second) }, &[])
    };
    insta::assert_snapshot!(later(DUE + 10, &told), @r"
    No alert had been raised by then.
    Later: Alert alr_overdue (overdue) was raised 10:15:01 UTC.
    To hook: accepted.
    ");
    insta::assert_snapshot!(later(DUE, &told), @r"
    No alert was due: its deadline had not passed.
    An alert would go to nobody: no destination is set.
    Later: Alert alr_overdue (overdue) was raised 10:15:01 UTC.
    ");
    let about_another = Told { alert: Alert { about: DUE - 1, ..told.alert.clone() }, ..told };
    insta::assert_snapshot!(later(DUE + 10, &about_another), @r"
    No alert of this is on record: alerts that are older than OVERDUE_ALERT_HISTORY are removed, and hands may have set the column alerted.
    Later: Alert alr_overdue (overdue) was raised 10:15:01 UTC.
    To hook: accepted.
    ");
}

#[test]
fn what_was_told_is_told_with_every_way() {
    let sent = vec![
        to("hook", Standing::Delivered, vec![tried(1, 1, true, "")]),
        to("chat", Standing::Pending(DUE + 600), vec![tried(1, 3, false, "it answered 503")]),
    ];
    let told = Told { sent, ..silence() };
    let now = Facts { told: vec![told], ..facts(&out(), DUE + 400) };
    let routes = [
        route("hook", &Kind::ALL, &[]),
        route("pager", &Kind::ALL, &["db"]),
        route("new", &Kind::ALL, &[]),
        route("log", &[Kind::Failed], &[]),
    ];
    insta::assert_snapshot!(told_of(&now, &routes), @r"
    Alert alr_overdue (overdue) was raised 10:15:01 UTC.
    To hook: attempt 1, 10:16:01 UTC, accepted.
    To chat: attempts 1 to 3, 10:16:01 UTC to 10:16:21 UTC, failed (it answered 503); next attempt 10:25:00 UTC.
    Not to pager: its services are db.
    Not to new: it is set to be told now, and was not set so when the alert was raised.
    Not to log: it is told of failed, and not of overdue.
    ");
    let to_nobody = Facts { told: vec![silence()], ..now };
    insta::assert_snapshot!(told_of(&to_nobody, &routes), @r"
    Alert alr_overdue (overdue) was raised 10:15:01 UTC.
    It went to nobody.
    Not to hook: it is set to be told now, and was not set so when the alert was raised.
    Not to pager: its services are db.
    Not to new: it is set to be told now, and was not set so when the alert was raised.
    Not to log: it is told of failed, and not of overdue.
    ");
    insta::assert_snapshot!(told_of(&to_nobody, &[]), @r"
    Alert alr_overdue (overdue) was raised 10:15:01 UTC.
    It went to nobody.
    No destination is set.
    ");
}

#[test]
fn each_way_is_told_with_how_it_stands() {
    let one = |standing: Standing, tried: Vec<Tried>| {
        let told = Told { sent: vec![to("hook", standing, tried)], ..silence() };
        let all = said(&Facts { told: vec![told], ..facts(&out(), DUE + 400) });
        all.lines().find(|line| line.starts_with("To ")).map(str::to_owned).unwrap_or_default()
    };
    let (failed, given_up) = (|| vec![tried(1, 1, false, "refused")], Standing::GivenUp);
    insta::assert_snapshot!(one(Standing::Delivered, Vec::new()), @"To hook: accepted.");
    insta::assert_snapshot!(one(Standing::Delivered, vec![tried(2, 2, true, "200")]), @"To hook: attempts 2 to 3, 10:17:01 UTC to 10:17:11 UTC, accepted (200).");
    insta::assert_snapshot!(one(Standing::Delivered, vec![tried(2, 1, true, "")]), @"To hook: attempt 2, 10:17:01 UTC, accepted.");
    insta::assert_snapshot!(one(Standing::Pending(DUE + 2), Vec::new()), @"To hook: first attempt due 10:15:02 UTC.");
    insta::assert_snapshot!(one(Standing::Pending(DUE + 90), failed()), @"To hook: attempt 1, 10:16:01 UTC, failed (refused); next attempt 10:16:30 UTC.");
    insta::assert_snapshot!(one(given_up(None), failed()), @"To hook: attempt 1, 10:16:01 UTC, failed (refused); given up.");
    insta::assert_snapshot!(one(given_up(Some("refused".to_owned())), failed()), @"To hook: attempt 1, 10:16:01 UTC, failed (refused); given up.");
    insta::assert_snapshot!(one(given_up(Some("too old".to_owned())), failed()), @"To hook: attempt 1, 10:16:01 UTC, failed (refused); given up: too old.");
    let most = i64::try_from(WHY_ATTEMPTS_MAX).unwrap();
    let attempts = |count: i64| {
        let tried = (1..=count).map(|number| tried(number, 1, false, "503")).collect();
        let said = one(Standing::Pending(DUE + 9000), tried);
        (said.contains("earlier attempts"), said.matches("attempt ").count())
    };
    assert_eq!(attempts(most), (false, WHY_ATTEMPTS_MAX + 1), "and the next one");
    assert_eq!(attempts(most + 1), (true, WHY_ATTEMPTS_MAX + 1));
}

#[test]
fn an_alert_is_told_with_what_is_special_of_it() {
    let one = |alert: Alert| {
        let told = vec![Told { alert, ..silence() }];
        let all = said(&Facts { told, ..facts(&out(), DUE + 400) });
        all.lines().find(|line| line.contains("was raised")).map(str::to_owned).unwrap_or_default()
    };
    let alert = silence().alert;
    let away = Span { from: TEN, to: TEN + 60 };
    let ended = |reason| Alert { reason: Some(reason), kind: Kind::Recovered, ..silence().alert };
    insta::assert_snapshot!(one(Alert { uncertain: Some(away), ..alert.clone() }), @"Alert alr_overdue (overdue) was raised 10:15:01 UTC. It is uncertain: the monitor was away from 10:00:00 UTC to 10:01:00 UTC.");
    insta::assert_snapshot!(one(Alert { exit_status: Some(3), ..alert }), @"Alert alr_overdue (overdue, exit status 3) was raised 10:15:01 UTC.");
    insta::assert_snapshot!(one(ended(Reason::Deleted)), @"Before: Alert alr_overdue (recovered, as the service was deleted) was raised 10:15:01 UTC.");
    insta::assert_snapshot!(one(ended(Reason::Paused)), @"Before: Alert alr_overdue (recovered, as the service was paused) was raised 10:15:01 UTC.");
}

#[test]
fn only_the_outage_that_was_told_of_last_is_told_and_of_its_alerts_the_newest() {
    let other = Alert { outage_since: TEN - 9000, ..silence().alert };
    let mut told = vec![Told { id: "alr_other".to_owned(), alert: other, ..silence() }, silence()];
    let count = |told: &[Told]| {
        told_of(&Facts { told: told.to_vec(), ..facts(&out(), DUE + 90_000) }, &[])
            .matches("was raised")
            .count()
    };
    assert_eq!(count(&told), 1);
    for reminder in 1..=10 {
        let at = DUE + 3600 * reminder;
        told.push(raised(Kind::Reminder, at, at));
        let of_this = usize::try_from(reminder).unwrap() + 1;
        assert_eq!(count(&told), of_this.min(WHY_ALERTS_MAX));
    }
}

#[test]
fn an_outage_that_is_over_was_before() {
    let end = raised(Kind::Recovered, DUE + 60, DUE + 60);
    let back = pinged(every("1h"), grace("15m"), DUE + 60);
    let up = Facts { told: vec![silence(), end.clone()], ..facts(&back, DUE + 60) };
    insta::assert_snapshot!(told_of(&up, &[route("hook", &Kind::ALL, &[])]), @r"
    No alert is due: its deadline has not passed.
    An alert would go to hook.
    Before: Alert alr_overdue (overdue) was raised 10:15:01 UTC.
    It went to nobody.
    Before: Alert alr_recovered (recovered) was raised 10:16:00 UTC.
    It went to nobody.
    ");
    // Silent again, and not told of yet: what was told of was another silence.
    let again = Facts { told: vec![silence(), end], ..facts(&back, DUE + 5000) };
    insta::assert_snapshot!(told_of(&again, &[]), @r"
    No alert of this is on record: alerts that are older than OVERDUE_ALERT_HISTORY are removed, and hands may have set the column alerted.
    Before: Alert alr_overdue (overdue) was raised 10:15:01 UTC.
    It went to nobody.
    Before: Alert alr_recovered (recovered) was raised 10:16:00 UTC.
    It went to nobody.
    ");
}

#[test]
fn a_failure_is_told_of_by_the_alert_of_its_own_outage() {
    let failed = Service { failed: true, outage_since: Some(TEN), ..service() };
    let of = |row: &Service, since: i64, kind: Kind| {
        let alert = Alert { outage_since: since, kind, ..silence().alert };
        told_of(&Facts { told: vec![Told { alert, ..silence() }], ..facts(row, TEN + 60) }, &[])
            .lines()
            .next()
            .map(str::to_owned)
    };
    insta::assert_snapshot!(of(&failed, TEN, Kind::Failed).unwrap_or_default(), @"Alert alr_overdue (failed) was raised 10:15:01 UTC.");
    insta::assert_snapshot!(of(&failed, TEN - 1, Kind::Failed).unwrap_or_default(), @"No alert of this is on record: alerts that are older than OVERDUE_ALERT_HISTORY are removed, and hands may have set the column alerted.");
    insta::assert_snapshot!(of(&failed, TEN, Kind::Reminder).unwrap_or_default(), @"No alert of this is on record: alerts that are older than OVERDUE_ALERT_HISTORY are removed, and hands may have set the column alerted.");
    let well = Service { failed: false, ..failed };
    insta::assert_snapshot!(of(&well, TEN, Kind::Failed).unwrap_or_default(), @"No alert is due: its deadline has not passed.");
}
