//! Cron by walking through the minutes of a day: each minute that a wall clock shows, and each that it leaves out.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jiff::Timestamp;
use jiff::tz::TimeZone;

const DAY: i64 = 86_400;

/// Days without an occurrence after which there is none.
const DAYS_MAX: i64 = 40;

type Key = (&'static str, &'static str, i64);

static ZONES: LazyLock<Mutex<HashMap<&'static str, TimeZone>>> = LazyLock::new(Mutex::default);
static DAYS: LazyLock<Mutex<HashMap<Key, Arc<Vec<i64>>>>> = LazyLock::new(Mutex::default);

/// When a ping is expected after one at `ping`. One that comes up to a minute before an occurrence, and less than half
/// the interval, counts for it.
pub fn expected(fields: &'static str, zone: &'static str, ping: i64) -> i64 {
    let (before, next) = around(fields, zone, ping);
    if next - ping <= 60 && 2 * (next - ping) < next - before {
        return around(fields, zone, next).1;
    }
    next
}

/// The last occurrence up to `second`, and the first after it.
fn around(fields: &'static str, zone: &'static str, second: i64) -> (i64, i64) {
    let today = second.div_euclid(DAY);
    let before = (0..DAYS_MAX).find_map(|back| {
        let day = occurrences(fields, zone, today - back);
        day.iter().rev().find(|at| **at <= second).copied()
    });
    let next = (0..DAYS_MAX).find_map(|ahead| {
        let day = occurrences(fields, zone, today + ahead);
        day.iter().find(|at| **at > second).copied()
    });
    (before.unwrap_or(i64::MIN / 4), next.expect("these expressions occur every week"))
}

/// The occurrences of a day of UTC.
fn occurrences(fields: &'static str, zone: &'static str, day: i64) -> Arc<Vec<i64>> {
    let key = (fields, zone, day);
    if let Some(known) = DAYS.lock().unwrap().get(&key) {
        return Arc::clone(known);
    }
    let tz =
        ZONES.lock().unwrap().entry(zone).or_insert_with(|| TimeZone::get(zone).unwrap()).clone();
    let offset =
        |second| i64::from(tz.to_offset(Timestamp::from_second(second).unwrap()).seconds());
    let found = (0..1440).map(|minute| day * DAY + minute * 60).filter(|second| {
        let (second, now) = (*second, offset(*second));
        // What the wall clock leaves out is due as it jumps.
        let before = offset(second - 60);
        let mut left_out = (second - 60 + before + 60..second + now).step_by(60);
        if left_out.any(|local| matches(fields, local)) {
            return true;
        }
        // What it shows twice is due the first time.
        let earlier = offset(second - 3 * 3600);
        let first = second + now - earlier;
        let is_repeated = first < second && offset(first) == earlier;
        matches(fields, second + now) && !is_repeated
    });
    let found: Arc<Vec<i64>> = Arc::new(found.collect());
    DAYS.lock().unwrap().insert(key, Arc::clone(&found));
    found
}

/// Whether the wall clock's `local` second, counted as if it were UTC, is one of the expression's.
fn matches(fields: &str, local: i64) -> bool {
    let (days, minutes) = (local.div_euclid(DAY), local.rem_euclid(DAY) / 60);
    let date = Timestamp::from_second(local).unwrap().to_zoned(TimeZone::UTC).date();
    // The first of January 1970 was a Thursday.
    let weekday = (days + 4).rem_euclid(7);
    let parts =
        [minutes % 60, minutes / 60, i64::from(date.day()), i64::from(date.month()), weekday];
    fields.split(' ').zip(parts).all(|(field, part)| field_matches(field, part))
}

fn field_matches(field: &str, part: i64) -> bool {
    if field == "*" {
        return true;
    }
    if let Some(step) = field.strip_prefix("*/") {
        return part % step.parse::<i64>().unwrap() == 0;
    }
    match field.split_once('-') {
        Some((from, to)) => (from.parse().unwrap()..=to.parse::<i64>().unwrap()).contains(&part),
        None => field.parse() == Ok(part),
    }
}
