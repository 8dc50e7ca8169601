//! The duration grammar: ASCII digits and one unit of `W D h m s`, nothing else.

use std::fmt;

use super::limits::{DURATION_SECONDS_MAX, WEEK_SECONDS};

/// The units, largest first: letter and seconds.
const UNITS: [(char, i64); 5] =
    [('W', WEEK_SECONDS), ('D', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

/// How often a ping is expected: 1 second to 520 weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frequency(i64);

/// How much longer to wait before silence counts: 0 seconds to 520 weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grace(i64);

impl Frequency {
    /// Reads `10m`, `1D` and the like.
    ///
    /// # Errors
    /// [`DurationError`], which says what would be right.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        match parse_seconds(text)? {
            0 => Err(DurationError::Zero),
            seconds => Ok(Self(seconds)),
        }
    }

    /// The frequency of so many seconds, if that is within bounds.
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        (1..=DURATION_SECONDS_MAX).contains(&seconds).then_some(Self(seconds))
    }

    /// In seconds.
    pub fn seconds(self) -> i64 {
        self.0
    }
}

impl Grace {
    /// No grace: silence counts from the second it is expected to end.
    pub const ZERO: Self = Self(0);

    /// Reads `0s`, `5m` and the like.
    ///
    /// # Errors
    /// [`DurationError`], which says what would be right.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        parse_seconds(text).map(Self)
    }

    /// The grace of so many seconds, if that is within bounds.
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        (0..=DURATION_SECONDS_MAX).contains(&seconds).then_some(Self(seconds))
    }

    /// In seconds.
    pub fn seconds(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_seconds(f, self.0)
    }
}

impl fmt::Display for Grace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_seconds(f, self.0)
    }
}

/// Why a text is no duration. Reads as the end of a sentence that begins with the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Anything outside the grammar.
    #[error("is not a duration: use a whole number and one of W, D, h, m, s, as in 10m")]
    NotADuration,
    /// A number and a unit in the wrong case.
    #[error("is not a duration: units are case-sensitive, use {right} in place of {wrong}")]
    WrongCase {
        /// The unit as it came.
        wrong: char,
        /// The unit that was probably meant.
        right: char,
    },
    /// Zero, where that would mean a ping every moment.
    #[error("is zero: use 1s or more")]
    Zero,
    /// More than 520 weeks.
    #[error("is too long: use 520W or less")]
    TooLong,
}

fn parse_seconds(text: &str) -> Result<i64, DurationError> {
    let mut chars = text.chars();
    let unit = chars.next_back().ok_or(DurationError::NotADuration)?;
    let digits = chars.as_str();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError::NotADuration);
    }
    let Some((_, unit_seconds)) = UNITS.into_iter().find(|(letter, _)| *letter == unit) else {
        return Err(wrong_unit(unit));
    };
    // All digits, so the only way to fail is to be too large for an i64.
    let count: i64 = digits.parse().map_err(|_| DurationError::TooLong)?;
    match count.checked_mul(unit_seconds) {
        Some(seconds) if seconds <= DURATION_SECONDS_MAX => Ok(seconds),
        _ => Err(DurationError::TooLong),
    }
}

fn wrong_unit(unit: char) -> DurationError {
    match UNITS.into_iter().find(|(letter, _)| letter.eq_ignore_ascii_case(&unit)) {
        Some((right, _)) => DurationError::WrongCase { wrong: unit, right },
        None => DurationError::NotADuration,
    }
}

/// In the largest unit that divides it, so that it can be parsed again.
fn write_seconds(f: &mut fmt::Formatter<'_>, seconds: i64) -> fmt::Result {
    let (letter, unit_seconds) =
        UNITS.into_iter().find(|(_, unit)| seconds != 0 && seconds % unit == 0).unwrap_or(('s', 1));
    write!(f, "{}{letter}", seconds / unit_seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sentence(text: &str) -> String {
        Frequency::parse(text)
            .map_or_else(|error| error.to_string(), |frequency| frequency.to_string())
    }

    #[test]
    fn each_unit_is_so_many_seconds() {
        for (text, seconds) in [
            ("1s", 1),
            ("10m", 600),
            ("2h", 7200),
            ("1D", 86_400),
            ("2W", 1_209_600),
            ("520W", 314_496_000),
        ] {
            assert_eq!(Frequency::parse(text).map(Frequency::seconds), Ok(seconds), "{text}");
        }
        assert_eq!(Frequency::parse("0010m").map(Frequency::seconds), Ok(600));
    }

    #[test]
    fn what_is_not_a_duration_is_told_what_would_be_right() {
        for text in [
            "", "10", "m", "10x", "1.5h", "-5m", "+5m", " 5m", "5m ", "5 m", "٣m", "1h30m", "5mm",
            "0x5m", "5µ",
        ] {
            insta::allow_duplicates! {
                insta::assert_snapshot!(sentence(text), @"is not a duration: use a whole number and one of W, D, h, m, s, as in 10m");
            }
        }
        insta::assert_snapshot!(sentence("1d"), @"is not a duration: units are case-sensitive, use D in place of d");
        insta::assert_snapshot!(sentence("5M"), @"is not a duration: units are case-sensitive, use m in place of M");
        insta::assert_snapshot!(sentence("0s"), @"is zero: use 1s or more");
        insta::assert_snapshot!(sentence("521W"), @"is too long: use 520W or less");
        insta::assert_snapshot!(sentence("99999999999999999999W"), @"is too long: use 520W or less");
    }

    #[test]
    fn a_grace_may_be_zero_and_a_frequency_may_not() {
        assert_eq!(Grace::parse("0s"), Ok(Grace::ZERO));
        assert_eq!(Grace::parse("0W").unwrap().to_string(), "0s");
        assert_eq!(Frequency::parse("0D"), Err(DurationError::Zero));
        assert_eq!(Frequency::from_seconds(0), None);
        assert_eq!(Grace::from_seconds(-1), None);
    }

    #[test]
    fn a_duration_is_shown_in_its_largest_unit() {
        for (text, shown) in
            [("60s", "1m"), ("90s", "90s"), ("24h", "1D"), ("7D", "1W"), ("36h", "36h")]
        {
            assert_eq!(sentence(text), shown);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_read_again(seconds in 1..=DURATION_SECONDS_MAX) {
            let frequency = Frequency::from_seconds(seconds).unwrap();
            prop_assert_eq!(Frequency::parse(&frequency.to_string()), Ok(frequency));
        }

        #[test]
        fn no_text_panics_or_leaves_the_bounds(text in "\\PC{0,12}|[0-9]{0,25}[WDhmsd]?") {
            if let Ok(frequency) = Frequency::parse(&text) {
                prop_assert!((1..=DURATION_SECONDS_MAX).contains(&frequency.seconds()));
            }
        }
    }
}
