//! Values drawn from bytes: any bytes give some, and a byte more or less changes little.

use std::sync::LazyLock;

use overdue::core::frequency::{Frequency, Grace};
use overdue::core::limits::{DURATION_SECONDS_MAX, TIME_SECONDS_MAX};
use overdue::core::name::Name;
use overdue::core::schedule::{Cron, CronPattern, Schedule, Zone};
use overdue::core::signal::{RunId, Signal};

use super::TEN;

/// Reading an expression looks through forty years: once is enough.
static PATTERNS: LazyLock<Vec<CronPattern>> = LazyLock::new(|| {
    let texts = ["* * * * *", "*/10 * * * *", "0 2 * * 1-5", "30 2 29 2 *", "0 0 L * *"];
    texts.into_iter().map(|text| CronPattern::parse(text).unwrap()).collect()
});

static ZONES: LazyLock<Vec<Zone>> = LazyLock::new(|| {
    let names = ["UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia"];
    names.into_iter().map(|name| Zone::parse(name).unwrap()).collect()
});

/// What is left of the bytes.
pub(super) struct Draw<'a>(pub(super) &'a [u8]);

impl Draw<'_> {
    /// Whether nothing is left; from then on everything is 0.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(super) fn number(&mut self) -> i64 {
        let bytes = [(); 8].map(|()| self.byte());
        i64::from_be_bytes(bytes).checked_abs().unwrap_or(0)
    }

    pub(super) fn yes(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    pub(super) fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()].clone()
    }

    pub(super) fn maybe<T>(&mut self, draw: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.yes().then(|| draw(self))
    }

    pub(super) fn several<T>(&mut self, most: u8, draw: impl Fn(&mut Self) -> T) -> Vec<T> {
        let count = self.byte() % (most + 1);
        (0..count).map(|_| draw(self)).collect()
    }

    /// A length of time that decides something, or any.
    pub(super) fn seconds(&mut self) -> i64 {
        let near =
            self.one_of(&[0, 1, 9, 10, 11, 59, 60, 61, 119, 120, 600, 3600, 86_400, 604_800, -1]);
        if near >= 0 { near } else { self.number() % (DURATION_SECONDS_MAX + 1) }
    }

    /// A second that can be stored: mostly near ten o'clock.
    pub(super) fn second(&mut self) -> i64 {
        match self.byte() % 8 {
            0..3 => TEN - self.seconds(),
            3..6 => TEN + self.seconds(),
            6 => self.one_of(&[0, TEN, TIME_SECONDS_MAX]),
            _ => self.number() % (TIME_SECONDS_MAX + 1),
        }
    }

    pub(super) fn frequency(&mut self) -> Frequency {
        Frequency::from_seconds(self.seconds().max(1)).unwrap()
    }

    pub(super) fn grace(&mut self) -> Grace {
        Grace::from_seconds(self.seconds()).unwrap()
    }

    pub(super) fn pattern(&mut self) -> CronPattern {
        self.one_of(&PATTERNS)
    }

    pub(super) fn zone(&mut self) -> Zone {
        self.one_of(&ZONES)
    }

    pub(super) fn schedule(&mut self) -> Schedule {
        if self.yes() {
            Schedule::Cron(Cron { pattern: self.pattern(), zone: self.zone() })
        } else {
            Schedule::Every(self.frequency())
        }
    }

    pub(super) fn signal(&mut self) -> Signal {
        let words = [
            Signal::Success,
            Signal::Start,
            Signal::Fail,
            Signal::Log,
            Signal::Exit(0),
            Signal::Exit(3),
        ];
        self.one_of(&words)
    }

    pub(super) fn run(&mut self) -> RunId {
        RunId::parse(self.one_of(&["a", "b", "c"])).unwrap()
    }

    /// A name as short or as long as names are.
    pub(super) fn name(&mut self) -> Name {
        let text = self.one_of(&[
            "a",
            "daily_digest",
            "Sicherung nach Osló",
            "<b>&amp;",
            "💾💾💾💾💾💾💾💾💾💾💾💾",
        ]);
        Name::parse(text.repeat(self.one_of(&[1, 1, 1, 5]))).unwrap()
    }

    /// What somebody has written, on one line.
    pub(super) fn words(&mut self) -> String {
        let text = self.one_of(&["", "ops", "HTTP 503", "\"quoted\" <i>&", "ö€💾"]);
        text.repeat(self.one_of(&[1, 1, 40]))
    }
}
