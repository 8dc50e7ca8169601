//! Histories of one service.

use overdue::core::alert::{Alert, Kind};
use overdue::core::change;
use overdue::core::declaration::{Declaration, declare};
use overdue::core::limits::{RUNS_MAX, TIME_SECONDS_MAX, TIMESTAMP_AHEAD_SECONDS_MAX};
use overdue::core::listening::Listening;
use overdue::core::ping::{Decision, Origin, Ping, Refusal, Terms, ping as decide};
use overdue::core::service::{Change, Service, Status, delete, pause, remind, resume, sweep};
use overdue::core::{sentence, text};

use super::draw::Draw;
use super::{TEN, check_sentence};

/// The clock stays before this, so that ten years more are within the calendar.
const NOW_MAX: i64 = TIME_SECONDS_MAX / 2;

/// Events that one history has.
const EVENTS_MAX: usize = 60;

/// Whatever signals, sweeps, declarations and pauses come, in any order and by any clock: what is stored fits together,
/// each outage is opened and closed once, and what is refused is refused for the reason that is given.
pub fn signals(input: &[u8]) {
    let mut draw = Draw(input);
    let mut history = History { now: TEN, service: None, listening: Listening::default() };
    for _ in 0..EVENTS_MAX {
        if draw.is_empty() {
            break;
        }
        history.go_on(&mut draw);
        history.check();
    }
}

struct History {
    now: i64,
    service: Option<Service>,
    listening: Listening,
}

impl History {
    fn go_on(&mut self, draw: &mut Draw<'_>) {
        match draw.byte() % 16 {
            0..2 => self.now = (self.now - draw.seconds()).max(0),
            2..6 => self.now = (self.now + draw.seconds()).min(NOW_MAX),
            6..11 => self.ping(draw),
            11 => self.declare(draw),
            12 => self.pause_or_resume(draw.yes()),
            13 => self.remind(draw.seconds().max(1)),
            14 if draw.byte().is_multiple_of(8) => self.delete(),
            _ => self.sweep(),
        }
    }

    fn ping(&mut self, draw: &mut Draw<'_>) {
        let terms = terms(draw);
        let shift = draw.seconds();
        let timestamp = match draw.byte() % 8 {
            0..4 => None,
            4..7 => Some(self.now - shift),
            _ => Some(self.now + shift),
        };
        let ping = Ping {
            signal: draw.signal(),
            run: draw.maybe(Draw::run),
            terms,
            terms_if_new: draw.byte().is_multiple_of(8),
            timestamp: timestamp.map(|second| second.max(0)),
            duration_ms: draw.maybe(|draw| draw.seconds() * 1000),
            log: draw.maybe(Draw::words),
            ..Ping::new(draw.name(), self.now)
        };
        let decided_at = self.now + i64::from(draw.byte() % 8);
        let grace = draw.grace();
        match decide(self.service.as_ref(), &ping, grace, decided_at) {
            Ok(decision) => self.decided(&ping, decision, decided_at),
            Err(refusal) => self.refused(&ping, refusal),
        }
    }

    fn decided(&mut self, ping: &Ping, decision: Decision, decided_at: i64) {
        let Decision { change: Change { service, alert }, at, duration_ms } = decision;
        let before = self.service.as_ref();
        let was_paused = before.is_some_and(|before| before.paused);
        let is_success = ping.signal.is_end() && !ping.signal.is_failure();
        assert!(ping.timestamp.is_none_or(|timestamp| timestamp == at), "{ping:?} was put at {at}");
        assert!(duration_ms.is_none_or(|ms| ms >= 0), "{ping:?} took {duration_ms:?}");
        if ping.signal.is_end() && (!was_paused || is_success) {
            assert_eq!(service.last_ping, Some(at));
            let is_late = service.deadline.is_none_or(|deadline| deadline < decided_at);
            if is_success && !is_late {
                let status = service.status(decided_at);
                assert!(matches!(status, Status::Up | Status::Late), "a success left {service:?}");
                assert_eq!(service.outage_since, None);
            }
        }
        if was_paused && !is_success {
            assert_eq!(before, Some(&service), "{ping:?} changed what is paused");
        }
        if let Some(alert) = &alert {
            let was_out = before.and_then(|before| before.outage_since);
            match alert.kind {
                Kind::Failed => {
                    assert!(ping.signal.is_failure() && service.failed);
                    assert!(!before.is_some_and(|before| before.failed), "it was told of already");
                }
                Kind::Recovered => {
                    assert!(is_success && was_out == Some(alert.outage_since));
                    assert_eq!(service.outage_since, None);
                }
                kind => panic!("a ping raised {kind:?}"),
            }
        }
        self.change(Some(service), alert.as_ref(), true);
    }

    fn refused(&self, ping: &Ping, refusal: Refusal) {
        let before = self.service.as_ref();
        match refusal {
            Refusal::Older { last_ping } => {
                assert_eq!(before.and_then(|service| service.last_ping), Some(last_ping));
                assert!(ping.timestamp.is_some_and(|timestamp| timestamp < last_ping), "{ping:?}");
            }
            Refusal::Ahead => {
                let ahead = ping.timestamp.map(|timestamp| timestamp - ping.received_at);
                assert!(ahead.is_some_and(|ahead| ahead > TIMESTAMP_AHEAD_SECONDS_MAX), "{ping:?}");
            }
            Refusal::Unknown => assert!(before.is_none(), "{ping:?}"),
            Refusal::ZoneWithoutCron => assert!(ping.terms.zone.is_some(), "{ping:?}"),
        }
    }

    fn declare(&mut self, draw: &mut Draw<'_>) {
        let declaration = Declaration {
            is_whole: draw.yes(),
            terms: terms(draw),
            clears_max_runtime: draw.yes(),
            description: None,
            locked: draw.maybe(Draw::yes),
            aliases: None,
        };
        let (name, grace) = (draw.name(), draw.grace());
        let declared = declare(self.service.as_ref(), &name, &declaration, grace, self.now);
        let Ok(service) = declared else { return };
        if let Some(before) = &self.service {
            assert_eq!(
                (before.last_ping, before.outage_since),
                (service.last_ping, service.outage_since)
            );
        }
        // What was declared once is as it was declared.
        let again = declare(Some(&service), &name, &declaration, grace, self.now).unwrap();
        assert_eq!(again, service, "{declaration:?} twice");
        self.change(Some(service), None, false);
    }

    fn pause_or_resume(&mut self, pauses: bool) {
        let Some(before) = &self.service else { return };
        let Change { service, alert } =
            if pauses { pause(before, self.now) } else { resume(before, self.now) };
        assert!(service.paused == pauses && (pauses || alert.is_none()));
        assert_eq!(alert.is_some(), pauses && before.outage_since.is_some());
        self.change(Some(service), alert.as_ref(), false);
    }

    fn delete(&mut self) {
        let Some(before) = &self.service else { return };
        let alert = delete(before, self.now);
        assert_eq!(alert.is_some(), before.outage_since.is_some());
        self.change(None, alert.as_ref(), false);
    }

    fn sweep(&mut self) {
        self.listening = self.listening.heard_at(self.now, 60);
        assert!(
            self.listening
                .until
                .is_some_and(|until| until <= self.now + TIMESTAMP_AHEAD_SECONDS_MAX)
        );
        let Some(before) = self.service.clone() else { return };
        let gap = self.listening.gap.as_ref();
        let is_due = !before.alerted && before.deadline.is_some_and(|deadline| deadline < self.now);
        match sweep(&before, self.now, gap) {
            Some(Change { service, alert }) => {
                assert!(is_due && service.alerted && service.status(self.now) == Status::Overdue);
                let alert = alert.unwrap();
                assert_eq!((alert.kind, Some(alert.about)), (Kind::Overdue, before.deadline));
                assert_eq!(sweep(&service, self.now, gap), None, "told of twice");
                self.change(Some(service), Some(&alert), false);
            }
            None => {
                assert!(!is_due || gap.is_some_and(|gap| self.now < gap.hold_until), "passed over");
            }
        }
    }

    fn remind(&mut self, every: i64) {
        let Some(before) = self.service.clone() else { return };
        let Some(Change { service, alert }) = remind(&before, self.now, every) else { return };
        assert!(before.outage_since.is_some());
        assert_eq!(Service { reminded_at: before.reminded_at, ..service.clone() }, before);
        assert_eq!(remind(&service, self.now, every), None, "reminded of twice");
        self.change(Some(service), alert.as_ref(), false);
    }

    fn change(&mut self, service: Option<Service>, alert: Option<&Alert>, by_ping: bool) {
        let origin = Origin::default();
        let kept =
            change::between(self.service.as_ref(), service.as_ref(), by_ping, &origin, self.now);
        let watch = |service: &Option<Service>| service.as_ref().map(change::Watch::of);
        let is_other = watch(&self.service) != watch(&service);
        assert!(kept.is_some() || !is_other, "a change was not kept");
        let zone = jiff::tz::TimeZone::UTC;
        if let Some(alert) = alert {
            check_sentence(&text::of(alert, self.now, &zone), 2000);
            assert!(alert.overdue_seconds() >= 0);
            assert!(alert.outage_seconds().is_none_or(|seconds| seconds >= 0));
        }
        self.service = service;
    }

    /// What holds of every service at any time.
    fn check(&self) {
        let Some(service) = &self.service else { return };
        let what = format!("{service:?} at {}", self.now);
        let is_second =
            |second: Option<i64>| second.is_none_or(|at| (0..=TIME_SECONDS_MAX).contains(&at));
        assert!(is_second(service.expected) && is_second(service.deadline), "{what}");
        assert!(service.runs.all().len() <= RUNS_MAX, "{what}");
        assert!(service.outage_since.is_some() || !(service.alerted || service.failed), "{what}");
        if service.paused {
            let nothing = (service.expected, service.deadline, service.outage_since);
            assert_eq!(nothing, (None, None, None), "{what}");
            assert!(!service.is_running(), "{what}");
        } else {
            assert!(service.last_ping.is_none() || service.deadline.is_some(), "{what}");
        }
        let zone = jiff::tz::TimeZone::UTC;
        check_sentence(&sentence::of(service, None, self.now, &zone), 2000);
    }
}

fn terms(draw: &mut Draw<'_>) -> Terms {
    let gives = draw.byte();
    Terms {
        frequency: (gives & 1 != 0).then(|| draw.frequency()),
        // A frequency and an expression are never taken together.
        cron: (gives & 3 == 2).then(|| draw.pattern()),
        zone: (gives & 4 != 0).then(|| draw.zone()),
        grace: (gives & 8 != 0).then(|| draw.grace()),
        max_runtime: (gives & 16 != 0).then(|| draw.frequency()),
    }
}
