//! When the next ping is expected.

use overdue::core::schedule::{Cron, CronPattern, Schedule, Zone};

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
