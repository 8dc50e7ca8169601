//! The grammar of durations.

use overdue::core::frequency::{Frequency, Grace};
use overdue::core::limits::DURATION_SECONDS_MAX;

use super::check_sentence;

/// What is read is within bounds, is what the text says, and is read again from how it is shown.
pub fn frequency(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let says = said(text);
    match Frequency::parse(text) {
        Ok(frequency) => {
            let seconds = frequency.seconds();
            assert!((1..=DURATION_SECONDS_MAX).contains(&seconds), "{text:?}: {seconds}");
            assert_eq!(Some(i128::from(seconds)), says, "{text:?}");
            assert_eq!(Frequency::parse(&frequency.to_string()), Ok(frequency));
            assert_eq!(Frequency::from_seconds(seconds), Some(frequency));
            assert!(frequency.to_string().len() <= text.len().max("314496000s".len()));
        }
        Err(error) => {
            check_sentence(&error.to_string(), 200);
            let is_in_bounds =
                says.is_some_and(|seconds| (1..=DURATION_SECONDS_MAX.into()).contains(&seconds));
            assert!(!is_in_bounds, "{text:?} was refused: {error}");
        }
    }
    match Grace::parse(text) {
        Ok(grace) => {
            assert_eq!(Some(i128::from(grace.seconds())), says, "{text:?}");
            assert_eq!(Grace::parse(&grace.to_string()), Ok(grace));
            assert_eq!(Frequency::parse(text).is_ok(), grace != Grace::ZERO, "{text:?}");
        }
        Err(error) => {
            check_sentence(&error.to_string(), 200);
            assert!(Frequency::parse(text).is_err(), "{text:?}");
        }
    }
}

/// The seconds that a text says by the rule as it is written down: digits, and one unit.
fn said(text: &str) -> Option<i128> {
    let unit = match text.as_bytes().last()? {
        b'W' => 604_800,
        b'D' => 86_400,
        b'h' => 3600,
        b'm' => 60,
        b's' => 1,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    // More than thirty digits that count are out of every bound.
    let digits = digits.trim_start_matches('0');
    if digits.len() > 30 {
        return Some(i128::MAX);
    }
    Some(if digits.is_empty() { 0 } else { digits.parse::<i128>().ok()? * unit })
}
