//! Cron expressions in time zones.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use overdue::core::limits::{CRON_BYTES_MAX, TIME_SECONDS_MAX, ZONE_BYTES_MAX};
use overdue::core::schedule::{Cron, CronPattern, Schedule, Zone};

use super::{TEN, check_sentence};

/// An expression that is taken occurs within forty years, and twelve more where a leap year is left out.
const WAIT_SECONDS_MAX: i64 = 53 * 366 * 86_400;

/// The library's calendar ends with the year 5000.
const CALENDAR_END: i64 = 95_617_584_000;

/// Minutes that are looked through for an occurrence that was passed over.
const MINUTES_MAX: usize = 3000;

/// Occurrences strictly increase, are the first ones, and are those that the fields say. The input is three lines: an
/// expression, a zone, and the second after which occurrences are asked for.
pub fn cron(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut lines = text.split('\n');
    let (text, zone) = (lines.next().unwrap_or_default(), lines.next().unwrap_or("UTC"));
    let after = lines.next().and_then(|line| line.parse().ok()).unwrap_or(TEN);
    let after = after.rem_euclid(TIME_SECONDS_MAX + 1);
    let zone = match Zone::parse(zone) {
        Ok(zone) => zone,
        Err(error) => {
            check_sentence(&error.to_string(), 200);
            Zone::utc()
        }
    };
    assert!(zone.as_str().len() <= ZONE_BYTES_MAX);
    assert_eq!(Zone::parse(zone.as_str()).as_ref(), Ok(&zone));
    let pattern = match CronPattern::parse(text) {
        Ok(pattern) => pattern,
        Err(error) => return check_sentence(&error.to_string(), 2 * CRON_BYTES_MAX + 200),
    };
    assert!(text.len() <= CRON_BYTES_MAX && pattern.as_str().len() <= text.len());
    assert_eq!(pattern.as_str().split(' ').count(), 5);
    assert_eq!(CronPattern::parse(pattern.as_str()).as_ref(), Ok(&pattern));
    assert_eq!(CronPattern::stored(pattern.as_str()).as_ref(), Some(&pattern));
    let cron = Cron { pattern, zone };
    let mut from = after;
    for _ in 0..4 {
        let next = cron.next(from);
        check_occurrence(&cron, from, next);
        if next == TIME_SECONDS_MAX {
            break;
        }
        from = next;
    }
    check_expected(&cron, after);
}

/// What follows for the next ping after one at `ping`.
fn check_expected(cron: &Cron, ping: i64) {
    let expected = Schedule::Cron(cron.clone()).expected(ping);
    let next = cron.next(ping);
    assert!(expected > ping || expected == TIME_SECONDS_MAX, "{cron:?} {ping}");
    assert!(expected == next || expected == cron.next(next), "{cron:?} {ping}");
    if next - ping > 60 {
        assert_eq!(expected, next, "{cron:?}: a ping at {ping} is no early one");
    }
}

fn check_occurrence(cron: &Cron, from: i64, next: i64) {
    let what =
        format!("{:?} in {} after {from}: {next}", cron.pattern.as_str(), cron.zone.as_str());
    if next == TIME_SECONDS_MAX {
        assert!(from > CALENDAR_END - WAIT_SECONDS_MAX, "{what} is the end of the calendar");
        return;
    }
    assert!(next > from, "{what} is not ahead");
    assert!(next - from <= WAIT_SECONDS_MAX, "{what} is too far ahead");
    // Whoever asks anywhere between is told the same.
    for between in [next - 1, from + (next - from) / 2] {
        assert_eq!(cron.next(between), next, "{what}, but not after {between}");
    }
    let Some(fields) = Fields::read(cron.pattern.as_str()) else { return };
    let zone = TimeZone::get(cron.zone.as_str()).unwrap();
    let shown = |second: i64| zone.to_datetime(Timestamp::from_second(second).unwrap());
    // A time that is skipped is due just after the gap, where the clock shows another.
    let is_after_gap = shown(next - 1).duration_until(shown(next)).as_secs() > 1;
    assert!(is_after_gap || fields.match_with(shown(next)), "{what} is not what it says");
    if cron.zone == Zone::utc() {
        let minutes = (from.div_euclid(60) + 1..(next + 59).div_euclid(60)).take(MINUTES_MAX);
        for minute in minutes {
            assert!(!fields.match_with(shown(minute * 60)), "{what} passes over {}", minute * 60);
        }
    }
}

/// The values that each field allows, where it is written with numbers, `*`, ranges and steps alone.
struct Fields {
    allowed: Vec<Vec<i64>>,
    /// Whether the day of the month, and that of the week, is `*`.
    any_day: [bool; 2],
}

impl Fields {
    fn read(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split(' ').collect();
        let bounds = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
        let allowed = fields.iter().zip(bounds).map(|(field, bounds)| values(field, bounds));
        let allowed = allowed.collect::<Option<Vec<_>>>()?;
        // Whether `*/2` among days counts as `*` differs from one cron to the other.
        let is_plain = |field: &str| field == "*" || !field.contains('*');
        (is_plain(fields[2]) && is_plain(fields[4]))
            .then(|| Self { allowed, any_day: [fields[2] == "*", fields[4] == "*"] })
    }

    fn match_with(&self, time: DateTime) -> bool {
        let has = |field: usize, value: i8| self.allowed[field].contains(&value.into());
        let weekday = time.weekday().to_sunday_zero_offset();
        let (of_month, of_week) =
            (has(2, time.day()), has(4, weekday) || weekday == 0 && has(4, 7));
        let is_day =
            if self.any_day.contains(&true) { of_month && of_week } else { of_month || of_week };
        has(0, time.minute())
            && has(1, time.hour())
            && has(3, time.month())
            && is_day
            && time.second() == 0
    }
}

fn values(field: &str, (low, high): (i64, i64)) -> Option<Vec<i64>> {
    let number = |text: &str| {
        let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_digits.then(|| text.parse::<i64>().ok()).flatten()
    };
    let mut found = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, number(step)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((from, to)) => (number(from)?, number(to)?),
            None if part.contains('/') => (number(range)?, high),
            None => (number(range)?, number(range)?),
        };
        let step = usize::try_from(step).ok().filter(|step| *step > 0)?;
        found.extend((from..=to).step_by(step));
    }
    Some(found)
}
