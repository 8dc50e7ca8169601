//! A second as people and programs write it.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

use super::frequency::Frequency;
use super::limits::{TIME_SECONDS_MAX, WHEN_BYTES_MAX};

/// Reads Unix seconds, RFC 3339, a date and time or a time of the day in `zone`, or how long ago. A time of the day is the
/// last one before `now`.
///
/// # Errors
/// [`WhenError`], which says what would be right.
pub fn parse(text: &str, now: i64, zone: &TimeZone) -> Result<i64, WhenError> {
    let text = text.trim();
    if text.len() > WHEN_BYTES_MAX {
        return Err(WhenError::NotATime);
    }
    let second = read(text, now, zone).ok_or(WhenError::NotATime)?;
    if second > now {
        return Err(WhenError::Ahead);
    }
    if (0..=TIME_SECONDS_MAX).contains(&second) { Ok(second) } else { Err(WhenError::NotATime) }
}

fn read(text: &str, now: i64, zone: &TimeZone) -> Option<i64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    if let Ok(ago) = Frequency::parse(text.strip_suffix("ago").unwrap_or(text).trim_end()) {
        return Some(now - ago.seconds());
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant.as_second());
    }
    let second = |local: DateTime| zone.to_timestamp(local).ok().map(Timestamp::as_second);
    // A date alone would be read as its midnight, which nobody may have meant.
    if text.len() > "2026-10-03".len() {
        return second(text.parse().ok()?);
    }
    let time: Time = text.parse().ok()?;
    let today = Timestamp::from_second(now).ok()?.to_zoned(zone.clone()).date();
    let last = second(today.to_datetime(time))?;
    if last <= now { Some(last) } else { second(today.yesterday().ok()?.to_datetime(time)) }
}

/// Why a text is no second that can be asked about. Reads as the end of a sentence that begins with the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhenError {
    /// It cannot be read.
    #[error(
        "is not a time: use Unix seconds, 2026-10-03T02:00:00Z, 2026-10-03T02:00, 02:00, or 2h for so long ago"
    )]
    NotATime,
    /// It is still to come.
    #[error("is in the future: use a time that has passed")]
    Ahead,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-25 10:00:00 UTC.
    const TEN: i64 = 1_795_600_800;

    #[test]
    fn a_second_is_read_in_every_form_that_people_write() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, second) in [
            ("1795600000", 1_795_600_000),
            ("2026-11-25T09:00:00Z", TEN - 3600),
            ("2026-11-25T10:00:00+01:00", TEN - 3600),
            ("2026-11-25T10:00", TEN - 3600),
            ("2026-11-25 10:00:01", TEN - 3599),
            ("10:30", TEN - 1800),
            ("11:00", TEN),
            ("11:01", TEN - 86_340),
            ("2h", TEN - 7200),
            ("2h ago", TEN - 7200),
        ] {
            assert_eq!(parse(text, TEN, &berlin), Ok(second), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_or_to_come_is_told_what_would_be_right() {
        for text in
            ["", "yesterday", "2026-11-25", "25:00", "-5", "1.5", "10:00x", "99999999999999999999"]
        {
            assert_eq!(parse(text, TEN, &TimeZone::UTC), Err(WhenError::NotATime), "{text}");
        }
        assert_eq!(parse("2026-11-25T10:00:01Z", TEN, &TimeZone::UTC), Err(WhenError::Ahead));
    }
}
