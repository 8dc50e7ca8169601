//! When a ping is expected: every so often, or at the occurrences of a cron expression in a time zone.
//!
//! A cron expression is read on the wall clock: its occurrences are local times, whatever that clock does. A local time
//! that daylight saving skips is due at the first instant after the gap, one that it repeats is due once, the first time.

use std::fmt;
use std::sync::Arc;

use croner::Cron as Expression;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{Date, DateTime, date};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

use super::frequency::Frequency;
use super::limits::{
    CRON_BYTES_MAX, CRON_EARLY_SECONDS_MAX, CRON_STEPS_MAX, TIME_SECONDS_MAX, ZONE_BYTES_MAX,
};

/// When a ping is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// So long after the last one.
    Every(Frequency),
    /// At the occurrences of a cron expression.
    Cron(Cron),
}

impl Schedule {
    /// When the next ping is expected after one at `last_ping`.
    pub fn expected(&self, last_ping: i64) -> i64 {
        match self {
            Self::Every(frequency) => last_ping + frequency.seconds(),
            Self::Cron(cron) => cron.expected(last_ping),
        }
    }

    /// The frequency, where it is one.
    pub fn frequency(&self) -> Option<Frequency> {
        match self {
            Self::Every(frequency) => Some(*frequency),
            Self::Cron(_) => None,
        }
    }

    /// The cron expression with its zone, where it is one.
    pub fn cron(&self) -> Option<&Cron> {
        match self {
            Self::Every(_) => None,
            Self::Cron(cron) => Some(cron),
        }
    }
}

impl fmt::Display for Schedule {
    /// As the end of a sentence: `every 10m`, `at 0 2 * * * (Europe/Berlin)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(frequency) => write!(f, "every {frequency}"),
            Self::Cron(Cron { pattern, zone }) => {
                write!(f, "at {} ({})", pattern.as_str(), zone.as_str())
            }
        }
    }
}

/// A cron expression in a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    /// The expression.
    pub pattern: CronPattern,
    /// Where its local times are.
    pub zone: Zone,
}

impl Cron {
    /// The first occurrence after the second `after`. Beyond the calendar it is the calendar's end.
    pub fn next(&self, after: i64) -> i64 {
        let Ok(instant) = Timestamp::from_second(after) else { return TIME_SECONDS_MAX };
        // The library would look at every hour of thousands of years.
        if !self.pattern.has_a_time {
            return TIME_SECONDS_MAX;
        }
        let mut local = self.zone.zone.to_datetime(instant);
        // Where the clock is put back, the wall clock walks through times whose first instant has passed already.
        for _ in 0..CRON_STEPS_MAX {
            let Ok(next) = self.pattern.expression.find_next_occurrence(&local, false) else {
                return TIME_SECONDS_MAX;
            };
            match self.instant(next) {
                Some(second) if second > after => return second.min(TIME_SECONDS_MAX),
                Some(_) => local = next,
                None => return TIME_SECONDS_MAX,
            }
        }
        TIME_SECONDS_MAX
    }

    /// The occurrence that is expected after a ping at `ping`. One that comes a little before an occurrence counts for
    /// it: up to a minute, and less than half the interval, so that it is not the late one of the occurrence before.
    fn expected(&self, ping: i64) -> i64 {
        let next = self.next(ping);
        let early = next - ping;
        if early > CRON_EARLY_SECONDS_MAX || self.next(ping - early - 1) != next {
            return next;
        }
        self.next(next)
    }

    /// The instant at which a wall clock shows `local`, for the first time; after a gap, where it never does.
    fn instant(&self, local: DateTime) -> Option<i64> {
        let zone = &self.zone.zone;
        let ambiguous = zone.to_ambiguous_timestamp(local);
        let instant = match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => {
                let before = ambiguous.earlier().ok()?;
                // The instant of the transition: what the wall clock shows just after it is the first time that exists.
                zone.following(before).next().map_or(before, |transition| transition.timestamp())
            }
            _ => ambiguous.compatible().ok()?,
        };
        Some(instant.as_second())
    }
}

/// A cron expression of five fields, as in `0 2 * * 1-5`.
#[derive(Clone, Debug)]
pub struct CronPattern {
    text: String,
    expression: Arc<Expression>,
    /// Whether any time of the day matches.
    has_a_time: bool,
}

impl PartialEq for CronPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for CronPattern {}

impl CronPattern {
    /// Reads five fields: minute, hour, day of the month, month, day of the week.
    ///
    /// # Errors
    /// [`CronError`], which says what would be right.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        if text.len() > CRON_BYTES_MAX {
            return Err(CronError::TooLong);
        }
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        if fields.len() != 5 || text.contains('@') {
            return Err(CronError::NotFiveFields);
        }
        let text = fields.join(" ");
        let parser = parser();
        let expression =
            parser.parse(&text).map_err(|_| CronError::Field { why: reason(&fields, parser) })?;
        // A lone comma is a list of nothing to the library.
        if !has_a_time(&expression) {
            return Err(CronError::Field { why: reason(&fields, parser) });
        }
        let pattern = Self { text, expression: Arc::new(expression), has_a_time: true };
        if pattern.has_a_day() { Ok(pattern) } else { Err(CronError::Never) }
    }

    /// Whether any day of forty years matches: leap days fall on each day of the week within twenty-eight. The library
    /// would look through thousands of years for a day that never comes.
    fn has_a_day(&self) -> bool {
        let days = date(2025, 1, 1).series(1.day()).take_while(|day| day.year() < 2065);
        let pattern = &self.expression.pattern;
        let part = |number: i8| u32::from(number.unsigned_abs());
        days.into_iter().any(|day| {
            let (month, of_month) = (part(day.month()), part(day.day()));
            pattern.month_match(month).unwrap_or(false)
                && pattern
                    .day_match(i32::from(day.year()), month, of_month, weekday(day))
                    .unwrap_or(false)
        })
    }

    /// Reads an expression that was checked when it was stored. One that never occurs, as hands may have written it, is
    /// due at the calendar's end.
    pub fn stored(text: &str) -> Option<Self> {
        let is_right = text.len() <= CRON_BYTES_MAX
            && text.split_ascii_whitespace().count() == 5
            && !text.contains('@');
        let expression = is_right.then(|| parser().parse(text).ok()).flatten()?;
        let has_a_time = has_a_time(&expression);
        Some(Self { text: text.to_owned(), expression: Arc::new(expression), has_a_time })
    }

    /// The expression as it was given, its fields separated by one space.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Whether a minute and an hour match.
fn has_a_time(expression: &Expression) -> bool {
    let pattern = &expression.pattern;
    (0..60).any(|minute| pattern.minute_match(minute).unwrap_or(false))
        && (0..24).any(|hour| pattern.hour_match(hour).unwrap_or(false))
}

/// The library's word for a day of the week.
fn weekday(day: Date) -> croner::Weekday {
    use croner::Weekday;
    match day.weekday() {
        jiff::civil::Weekday::Monday => Weekday::Monday,
        jiff::civil::Weekday::Tuesday => Weekday::Tuesday,
        jiff::civil::Weekday::Wednesday => Weekday::Wednesday,
        jiff::civil::Weekday::Thursday => Weekday::Thursday,
        jiff::civil::Weekday::Friday => Weekday::Friday,
        jiff::civil::Weekday::Saturday => Weekday::Saturday,
        jiff::civil::Weekday::Sunday => Weekday::Sunday,
    }
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build()
}

/// A time zone of the IANA database, as in `Europe/Berlin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// Coordinated Universal Time.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// Reads the name of a zone.
    ///
    /// # Errors
    /// [`ZoneError`], which says what would be right.
    pub fn parse(text: &str) -> Result<Self, ZoneError> {
        let is_short = (1..=ZONE_BYTES_MAX).contains(&text.len());
        let zone = is_short.then(|| TimeZone::get(text).ok()).flatten().ok_or(ZoneError)?;
        let name = zone.iana_name().unwrap_or(text).to_owned();
        Ok(Self { name, zone })
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

/// Why a text is no cron expression. Reads as the end of a sentence that begins with the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Fewer or more fields, or a nickname.
    #[error(
        "is not a cron expression: use five fields (minute, hour, day of month, month, day of week), as in 0 2 * * 1-5"
    )]
    NotFiveFields,
    /// A field that cannot be read.
    #[error("is not a cron expression: {why}")]
    Field {
        /// What is wrong with it.
        why: String,
    },
    /// No time matches it, as in February 30th.
    #[error("never occurs: no day matches it")]
    Never,
    /// More bytes than any expression needs.
    #[error("is too long: a cron expression has at most {CRON_BYTES_MAX} bytes")]
    TooLong,
}

/// That a text is no time zone. Reads as the end of a sentence that begins with the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a time zone: use a name of the IANA database, as in Europe/Berlin")]
pub struct ZoneError;

/// What the five fields are, and what they may hold.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of month", "1 to 31"),
    ("month", "1 to 12 or JAN to DEC"),
    ("day of week", "0 to 7 or SUN to SAT"),
];

/// Which field cannot be read, and what would be right.
fn reason(fields: &[&str], parser: CronParser) -> String {
    let is_wrong = |index: usize, field: &str| {
        let mut alone = ["*"; 5];
        alone[index] = field;
        parser.parse(&alone.join(" ")).map_or(true, |expression| !has_a_time(&expression))
    };
    let wrong =
        FIELDS.iter().zip(fields).enumerate().find(|(index, (_, field))| is_wrong(*index, field));
    match wrong {
        Some((_, ((name, range), field))) => {
            format!("its {name} {field:?} cannot be read, use {range}, *, lists, ranges and steps")
        }
        None => "its fields do not go together".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_panics_and_every_expression_lies_ahead(text in "[0-9*,/LW#?A-Z -]{0,30}|([0-9*,/-]{1,5} ){4}[0-9*,/-]{1,5}") {
            if let Ok(pattern) = CronPattern::parse(&text) {
                for zone in ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
                    let zone = Zone::parse(zone).unwrap();
                    let cron = Cron { pattern: pattern.clone(), zone };
                    for after in [1_795_600_800, 1_774_745_999, 1_792_890_000] {
                        prop_assert!(cron.next(after) > after);
                        prop_assert!(cron.expected(after) >= cron.next(after));
                    }
                }
                prop_assert_eq!(CronPattern::stored(pattern.as_str()), Some(pattern));
            }
        }
    }

    #[test]
    fn an_expression_by_hand_that_never_occurs_is_due_at_the_end_of_the_calendar() {
        for text in ["0 0 31 2 *", ", * * * *", "* ,, * * *"] {
            let pattern = CronPattern::stored(text).unwrap();
            let cron = Cron { pattern, zone: Zone::utc() };
            assert_eq!(cron.next(1_795_600_800), TIME_SECONDS_MAX, "{text}");
        }
    }

    #[test]
    fn a_field_that_no_time_matches_is_refused_at_once() {
        let sentence = |text: &str| CronPattern::parse(text).unwrap_err().to_string();
        insta::assert_snapshot!(sentence(", * * * *"), @r#"is not a cron expression: its minute "," cannot be read, use 0 to 59, *, lists, ranges and steps"#);
        insta::assert_snapshot!(sentence("5 ,, * * *"), @r#"is not a cron expression: its hour ",," cannot be read, use 0 to 23, *, lists, ranges and steps"#);
    }
}
