//! When the next ping is expected.

use overdue::core::limits::CRON_BYTES_MAX;
use overdue::core::schedule::{Cron, CronError, CronPattern, Schedule, Zone, ZoneError};

use super::{TEN, cron, every};

/// 2026-10-25 00:00:00 UTC, an hour before clocks are put back in Berlin.
const BACK: i64 = 1_792_886_400;

fn berlin(text: &str) -> Cron {
    let pattern = CronPattern::parse(text).unwrap();
    Cron { pattern, zone: Zone::parse("Europe/Berlin").unwrap() }
}

#[test]
fn a_schedule_is_a_frequency_or_an_expression_and_says_which() {
    let (often, nightly) = (every("10m"), cron("0 2 * * *"));
    assert_eq!(often.frequency().map(|frequency| frequency.to_string()).as_deref(), Some("10m"));
    assert_eq!(nightly.cron().map(|cron| cron.pattern.as_str()), Some("0 2 * * *"));
    assert!(often.cron().is_none() && nightly.frequency().is_none());
    assert_eq!(often.to_string(), "every 10m");
    let night = Schedule::Cron(berlin("0 2 * * *"));
    assert_eq!(night.to_string(), "at 0 2 * * * (Europe/Berlin)");
    assert_ne!(night, nightly, "another zone is another schedule");
    assert_ne!(cron("0 3 * * *"), nightly);
    assert_eq!(cron("0  2 * * *"), nightly);
}

#[test]
fn a_ping_counts_for_an_occurrence_up_to_a_minute_ahead_of_it() {
    let hourly = cron("0 * * * *");
    for (before, occurrence) in [(0, 1), (1, 2), (60, 2), (61, 1), (1800, 1)] {
        let ping = TEN + 3600 - before;
        let expected = if before == 0 { TEN + 7200 } else { TEN + 3600 * occurrence };
        assert_eq!(hourly.expected(ping), expected, "{before} s ahead");
    }
}

#[test]
fn it_counts_only_for_the_occurrence_that_is_nearer() {
    let minutely = cron("* * * * *");
    for (second, expected) in [(0, 60), (1, 60), (30, 60), (31, 120), (59, 120)] {
        assert_eq!(minutely.expected(TEN + second), TEN + expected, "at second {second}");
    }
}

#[test]
fn a_time_that_is_repeated_is_due_the_first_time_alone() {
    // 02:30 summer time, and an hour later 02:30 again.
    let nightly = berlin("30 2 * * *");
    let (first, again) = (BACK + 1800, BACK + 5400);
    assert_eq!(nightly.next(BACK), first);
    for after in [first, first + 1, again - 1, again, again + 1] {
        assert_eq!(nightly.next(after), again + 86_400, "after {after}");
    }
    let often = berlin("*/10 * * * *");
    assert_eq!(often.next(BACK + 2400), BACK + 3000, "02:50 the first time");
    for after in [BACK + 3000, BACK + 3600, BACK + 6600, BACK + 7199] {
        assert_eq!(often.next(after), BACK + 7200, "03:00 after {after}");
    }
    assert_eq!(often.next(BACK + 7200), BACK + 7800);
}

#[test]
fn a_time_that_is_skipped_is_due_as_the_gap_ends() {
    // 2026-03-29 01:00:00 UTC: from 02:00 to 03:00 in Berlin.
    let gap_end = 1_774_746_000;
    for text in ["30 2 29 3 *", "0 2 29 3 *", "59 2 29 3 *", "0 3 29 3 *"] {
        assert_eq!(berlin(text).next(gap_end - 1), gap_end, "{text}");
        assert_eq!(berlin(text).next(gap_end - 7200), gap_end, "{text}");
        assert!(berlin(text).next(gap_end) > gap_end + 300 * 86_400, "{text}");
    }
}

#[test]
fn an_expression_has_five_fields_and_no_nickname() {
    for text in ["", "0 2 * *", "0 0 2 * * *", "@daily", "@daily * * * *"] {
        assert_eq!(CronPattern::parse(text), Err(CronError::NotFiveFields), "{text}");
        assert_eq!(CronPattern::stored(text), None, "{text}");
    }
    // As long as may be, by hand too, and a byte longer.
    let minutes = |length: usize| format!("{}0 * * * *", "0,".repeat((length - 9) / 2));
    let (longest, longer) = (minutes(CRON_BYTES_MAX), minutes(CRON_BYTES_MAX + 2));
    assert_eq!(longest.len(), CRON_BYTES_MAX);
    assert!(CronPattern::parse(&longest).is_ok() && CronPattern::stored(&longest).is_some());
    assert_eq!(CronPattern::parse(&longer), Err(CronError::TooLong));
    assert_eq!(CronPattern::stored(&longer), None);
}

#[test]
fn the_field_that_is_wrong_is_named_with_what_it_may_hold() {
    for (text, field) in [
        ("60 * * * *", "its minute \"60\" cannot be read, use 0 to 59,"),
        ("0 24 * * *", "its hour \"24\" cannot be read, use 0 to 23,"),
        ("0 0 32 * *", "its day of month \"32\" cannot be read, use 1 to 31,"),
        ("0 0 1 13 *", "its month \"13\" cannot be read, use 1 to 12 or JAN to DEC,"),
        ("0 0 1 1 8", "its day of week \"8\" cannot be read, use 0 to 7 or SUN to SAT,"),
    ] {
        let sentence = CronPattern::parse(text).unwrap_err().to_string();
        assert!(sentence.contains(field), "{sentence}");
    }
}

#[test]
fn an_expression_is_right_if_any_day_of_a_leap_years_cycle_matches() {
    // A leap day that is a Monday: the next one is in 2044.
    let rare = CronPattern::parse("0 0 29 2 +1").unwrap();
    let cron = Cron { pattern: rare, zone: Zone::utc() };
    assert_eq!(cron.next(TEN), 2_340_316_800);
    assert_eq!(CronPattern::parse("0 0 31 2,4,6,9,11 *"), Err(CronError::Never));
    assert_eq!(CronPattern::parse("0 0 30 2 *"), Err(CronError::Never));
}

#[test]
fn a_zone_is_known_by_its_name_in_any_case() {
    assert_eq!(Zone::parse("europe/berlin").unwrap().as_str(), "Europe/Berlin");
    assert_eq!(Zone::parse("UTC").unwrap().as_str(), "UTC");
    for text in ["", "Mars/Olympus", "+01:00", &"x".repeat(65)] {
        assert_eq!(Zone::parse(text), Err(ZoneError), "{text:?}");
    }
}
