//! What a seed makes happen.

use fastrand::Rng;
use overdue::core::signal::Signal;

use crate::model::Terms;
use crate::step::{CRONS, Call, Command, Hand, How, NAMES, Part, Step, Wait, When, Word};

/// Under which settings, at what time.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The second at which it begins.
    pub start: i64,
    pub grace: i64,
    pub hold: i64,
    pub remind: Option<i64>,
    pub history: i64,
    pub log_bytes: i64,
    pub services_max: i64,
    /// One of several machines.
    pub is_cluster: bool,
    /// Which of the destinations there are.
    pub there: [bool; 2],
}

/// A time without anything special, and some just before a clock is changed.
const STARTS: [i64; 6] = [
    1_795_600_800, // 2026-11-25 10:00
    1_774_738_800, // 2026-03-28 23:00, Berlin's clock goes on in two hours
    1_792_886_400, // 2026-10-25 00:00, Berlin's goes back in an hour
    1_772_949_600, // 2026-03-08 06:00, New York's goes on in an hour
    1_793_509_200, // 2026-11-01 05:00, New York's goes back in an hour
    1_775_311_200, // 2026-04-04 14:00, Lord Howe's goes back by half an hour in an hour
];

const GRACES: [i64; 3] = [0, 0, 20];
const HOLDS: [i64; 4] = [60, 60, 0, 15];
const REMINDERS: [Option<i64>; 3] = [None, Some(45), Some(300)];
const THERE: [[bool; 2]; 4] = [[true, true], [true, true], [true, false], [false, true]];

fn one_of<T: Clone>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())].clone()
}

fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(..100) < percent
}

fn maybe<T>(rng: &mut Rng, percent: u32, some: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    chance(rng, percent).then(|| some(rng))
}

impl Setting {
    pub fn of(seed: u64) -> Self {
        let rng = &mut Rng::with_seed(seed ^ 0x5e77_1265);
        Self {
            start: one_of(rng, &STARTS),
            grace: one_of(rng, &GRACES),
            hold: one_of(rng, &HOLDS),
            remind: one_of(rng, &REMINDERS),
            history: one_of(rng, &[100, 100, 5, 0]),
            log_bytes: one_of(rng, &[1_000_000, 400]),
            services_max: one_of(rng, &[1000, 1000, 1000, 3]),
            is_cluster: chance(rng, 25),
            there: [true, true],
        }
    }
}

/// How often each kind of step comes in one seed: some never, so that others meet.
struct Mood {
    weights: [u32; 13],
    /// How many names there are.
    names: usize,
    long: bool,
    /// Whether no destination ever answers, for long enough to fail again and again.
    deaf: bool,
    /// Whether much comes at once.
    busy: bool,
}

pub fn plot(seed: u64, steps: usize) -> Vec<Step> {
    let rng = &mut Rng::with_seed(seed);
    let setting = Setting::of(seed);
    let usual = [24, 30, 6, 16, 3, 2, 1, 6, 3, 2, 3, 3, 2];
    let mut weights = usual.map(|weight| weight * one_of(rng, &[0, 1, 1, 3]));
    // Without pings, time and deliveries nothing happens.
    for place in [0, 1, 3] {
        weights[place] = weights[place].max(usual[place]);
    }
    if !setting.is_cluster {
        weights[11] = 0;
    }
    let mut mood = Mood {
        weights,
        names: rng.usize(2..=NAMES.len()),
        long: chance(rng, 30),
        deaf: chance(rng, 10),
        busy: chance(rng, 10),
    };
    if mood.deaf {
        // Few services, of which each waits with much behind it.
        mood.names = 2;
        (mood.weights[3], mood.weights[4]) = (40, 12);
    }
    (0..steps).map(|_| mood.step(rng, &setting)).collect()
}

impl Mood {
    fn step(&self, rng: &mut Rng, setting: &Setting) -> Step {
        let mut at = rng.u32(..self.weights.iter().sum::<u32>());
        let kind = self.weights.iter().position(|weight| {
            let is_here = at < *weight;
            at = at.saturating_sub(*weight);
            is_here
        });
        match kind.unwrap_or_default() {
            0 => Step::Wait(self.wait(rng)),
            1 => Step::Batch(self.commands(rng)),
            2 => Step::Sweep,
            3 => {
                let limit = if self.deaf { 100 } else { one_of(rng, &[1, 2, 100]) };
                Step::Take { to: rng.usize(..2), limit }
            }
            4 => Step::Revive { to: rng.usize(..2) },
            5 => Step::Upkeep { to: rng.usize(..2) },
            6 => Step::Purge { age: one_of(rng, &[0, 60, 600]) },
            7 => Step::Hand(self.hand(rng, setting)),
            8 => Step::Crash { arrived: rng.bool(), away: self.away(rng) },
            9 if chance(rng, 50) => Step::Change {
                there: one_of(rng, &THERE),
                grace: one_of(rng, &GRACES),
                hold: one_of(rng, &HOLDS),
                remind: one_of(rng, &REMINDERS),
                away: self.away(rng),
            },
            9 => Step::Stop { away: self.away(rng) },
            10 if rng.bool() => Step::Torn {
                commands: self.commands(rng),
                written: rng.i64(0..=1000),
                away: self.away(rng),
            },
            10 => Step::Jump(self.jump(rng)),
            11 => Step::Role(one_of(
                rng,
                &[Part::Primary, Part::Primary, Part::Elsewhere, Part::Nobody],
            )),
            _ => Step::Retry { nth: rng.usize(..4), to: maybe(rng, 50, |rng| rng.usize(..2)) },
        }
    }

    fn wait(&self, rng: &mut Rng) -> Wait {
        match rng.u32(..10) {
            4..9 if self.deaf => Wait::Delivery,
            0..4 => Wait::Deadline(one_of(rng, &[0, 0, 1, 1, 1, 2, 7])),
            4..6 => Wait::Delivery,
            6..8 => Wait::Seconds(rng.i64(0..4)),
            8 if self.long => Wait::Seconds(rng.i64(0..120)),
            _ => Wait::Seconds(rng.i64(0..30)),
        }
    }

    fn away(&self, rng: &mut Rng) -> i64 {
        match rng.u32(..10) {
            0..3 => 0,
            3..5 => rng.i64(0..=11),
            5..9 => rng.i64(0..200),
            _ if self.long => rng.i64(0..200_000),
            _ => rng.i64(0..4000),
        }
    }

    fn jump(&self, rng: &mut Rng) -> i64 {
        match rng.u32(..10) {
            0..3 => rng.i64(9..14),
            3..6 => rng.i64(0..300),
            6..8 => -rng.i64(0..100),
            8 if self.long => rng.i64(0..100_000),
            _ => -rng.i64(0..5000),
        }
    }

    fn name(&self, rng: &mut Rng) -> &'static str {
        NAMES[NAMES.len() - 1 - rng.usize(..self.names)]
    }

    fn commands(&self, rng: &mut Rng) -> Vec<Command> {
        if self.deaf && rng.bool() {
            return (0..4).map(|_| Command::Land { nth: 0, how: self.how(rng) }).collect();
        }
        let counts: &[usize] = if self.busy { &[4, 8, 30] } else { &[1, 1, 1, 2, 3, 6] };
        let count = one_of(rng, counts);
        (0..count).map(|_| self.command(rng)).collect()
    }

    fn command(&self, rng: &mut Rng) -> Command {
        match rng.u32(..100) {
            0..6 => Command::Delete(self.name(rng)),
            6..10 => Command::Pause(self.name(rng)),
            10..13 => Command::Resume(self.name(rng)),
            13..22 => Command::Declare(self.word(rng)),
            22..50 => Command::Land { nth: rng.usize(..4), how: self.how(rng) },
            _ => Command::Ping(self.call(rng)),
        }
    }

    fn how(&self, rng: &mut Rng) -> How {
        if self.deaf { one_of(rng, &[How::Down, How::Lost]) } else { one_of(rng, &HOWS) }
    }

    fn call(&self, rng: &mut Rng) -> Call {
        Call {
            name: self.name(rng),
            signal: one_of(rng, &SIGNALS),
            run: maybe(rng, 30, |rng| one_of(rng, &["r1", "r2", "r3"])),
            terms: terms(rng, 70),
            if_new: chance(rng, 6),
            by_alias: chance(rng, 4),
            when: match rng.u32(..10) {
                0..5 => When::Unsaid,
                5..7 => When::FromNow(one_of(rng, &[0, -1, -30, -100, -400, 1, 30, 60, 61])),
                _ => When::FromLast(one_of(rng, &[0, 0, 1, 20, -1])),
            },
            lag: one_of(rng, &[0, 0, 0, 0, 1, 3]),
            duration_ms: maybe(rng, 10, |rng| rng.i64(0..5000)),
            log: if chance(rng, 20) { rng.usize(1..80) } else { 0 },
        }
    }

    fn word(&self, rng: &mut Rng) -> Word {
        Word {
            name: self.name(rng),
            is_whole: rng.bool(),
            terms: terms(rng, 60),
            locked: maybe(rng, 25, Rng::bool),
            aliases: maybe(rng, 40, |rng| {
                let count = rng.usize(..=2);
                let mut aliases: Vec<_> = (0..count).map(|_| self.name(rng)).collect();
                aliases.dedup();
                aliases
            }),
        }
    }

    fn hand(&self, rng: &mut Rng, setting: &Setting) -> Hand {
        let name = self.name(rng);
        let from_now =
            |rng: &mut Rng| maybe(rng, 90, |rng| one_of(rng, &[-200, -10, -1, 0, 1, 5, 60]));
        match rng.u32(..10) {
            0..3 => Hand::Deadline { name, from_now: from_now(rng) },
            3 => Hand::Alerted { name, value: chance(rng, 20) },
            4 => Hand::Frequency { name, seconds: rng.i64(1..100) },
            5 => Hand::Grace { name, seconds: rng.i64(0..30) },
            // How many there are is looked at afresh only where there may be no more.
            6 if setting.services_max >= 1000 => Hand::Delete(name),
            9 if setting.services_max >= 1000 => {
                Hand::Insert { name, seconds: rng.i64(1..100), from_now: from_now(rng) }
            }
            7 => {
                if rng.bool() {
                    Hand::Spoil(name)
                } else {
                    Hand::Mend(name)
                }
            }
            _ => Hand::DeleteAlert(name),
        }
    }
}

fn terms(rng: &mut Rng, percent: u32) -> Terms {
    let mut terms = Terms {
        every: maybe(rng, percent, |rng| one_of(rng, &[1, 5, 20, 60, 61, 100, 180])),
        cron: None,
        zone: None,
        grace: maybe(rng, 25, |rng| one_of(rng, &[0, 0, 1, 10, 30])),
        max_runtime: maybe(rng, 10, |rng| rng.i64(1..100)),
    };
    if chance(rng, percent / 4) {
        let (cron, zone) = one_of(rng, &CRONS);
        (terms.every, terms.cron) = (None, Some(cron));
        terms.zone = maybe(rng, 80, |_| zone);
    } else if chance(rng, 2) {
        terms.zone = Some("Europe/Berlin");
    }
    terms
}

const HOWS: [How; 6] =
    [How::Accepted, How::Accepted, How::Accepted, How::Refused, How::Down, How::Lost];

const SIGNALS: [Signal; 12] = [
    Signal::Success,
    Signal::Success,
    Signal::Success,
    Signal::Success,
    Signal::Start,
    Signal::Start,
    Signal::Start,
    Signal::Fail,
    Signal::Fail,
    Signal::Exit(0),
    Signal::Exit(7),
    Signal::Log,
];
