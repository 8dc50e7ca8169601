//! Times as callers write them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use overdue::core::limits::{RETRY_AFTER_SECONDS_MAX, TIME_SECONDS_MAX, WHEN_BYTES_MAX};
use overdue::core::when::WhenError;
use overdue::core::{report, retry, text, when};

use super::{TEN, check_sentence};

/// What is read has passed, and is read again from every form in which it is shown. The input is three lines: the present
/// second, a zone, and what is to be read.
pub fn times(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    let mut lines = input.splitn(3, '\n');
    let now = lines.next().and_then(|line| line.parse().ok()).unwrap_or(TEN);
    let now: i64 = now;
    // What is shown ends with the library's calendar, a day before the year 9999 does.
    let now = now.rem_euclid(Timestamp::MAX.as_second() + 1);
    let zone = lines.next().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let given = lines.next().unwrap_or_default();
    match when::parse(given, now, &zone) {
        Ok(second) => {
            assert!((0..=now).contains(&second), "{given:?} at {now}: {second}");
            assert!(given.trim().len() <= WHEN_BYTES_MAX);
            for shown in [second.to_string(), text::rfc3339(second)] {
                assert_eq!(
                    when::parse(&shown, now, &zone),
                    Ok(second),
                    "{given:?} at {now}: {shown}"
                );
            }
            check_shown(second, now, &zone);
        }
        Err(error) => {
            check_sentence(&error.to_string(), 200);
            let is_short = given.trim().len() <= WHEN_BYTES_MAX;
            let number = given.trim().parse::<i64>().ok().filter(|_| !given.contains(['+', '-']));
            match number {
                Some(number) if number <= TIME_SECONDS_MAX && is_short => {
                    assert!(number > now && error == WhenError::Ahead, "{given:?} at {now}");
                }
                _ => {}
            }
        }
    }
    let after = retry::after_seconds(given, now);
    assert!(after.is_none_or(|after| (1..=RETRY_AFTER_SECONDS_MAX).contains(&after)), "{given:?}");
    if let Some(month) = report::month(given, &zone) {
        check_month(given, month.from, month.to, &zone);
    }
}

fn check_shown(second: i64, now: i64, zone: &TimeZone) {
    for shown in [
        text::exact_time(second, None, zone),
        text::exact_time(second, Some(now), zone),
        text::clock_time_utc(second, now),
        text::rough_duration(now - second),
    ] {
        check_sentence(&shown, 40);
    }
    assert!(text::exact_time(second, None, zone).ends_with(&text::exact_time(
        second,
        Some(second),
        zone
    )));
}

/// A month is as long as a month, holds its seconds and no others, and the next one begins where it ends.
fn check_month(given: &str, from: i64, to: i64, zone: &TimeZone) {
    let days = (to - from).div_euclid(86_400);
    assert!((26..=32).contains(&days), "{given:?} has {days} days");
    assert_eq!(text::month(from, zone), given);
    assert_eq!(text::month(to - 1, zone), given);
    let next = text::month(to, zone);
    assert_ne!(next, given);
    if let Some(next) = report::month(&next, zone) {
        assert_eq!(next.from, to, "{given:?}");
    }
}
