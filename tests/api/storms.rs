//! Storms at chats and phones: one message, whatever the names, whether silence began, ended, or may be the monitor's own.

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::formats::{HOSTILE, Office};
use crate::house::TEN;

/// Services in a storm.
const MANY: usize = 300;

/// A format, the path of its address, the field of its text, and how many characters that may have.
const CHATS: [(&str, &str, &str, usize); 3] = [
    ("slack", "/x", "text", 4000),
    ("discord", "/x", "content", 2000),
    ("ntfy", "/x", "message", 4000),
];

/// Pings the services of a storm, the higher their number the longer ago.
async fn ping_all(office: &Office, name: &str, numbers: std::ops::Range<usize>, since: i64) {
    let ping = |number| {
        let name = format!("{name} {number}");
        let name = percent_encode(name.as_bytes(), NON_ALPHANUMERIC);
        let at = since - i64::try_from(number).unwrap();
        format!("name={name}&frequency=10m&timestamp={at}")
    };
    office.house.ping_all(numbers.map(ping)).await;
}

/// Ends the outages of that many.
async fn end_all(office: &Office, count: usize) {
    let ping = |number| format!("name=job%20{number}&frequency=10m");
    office.house.ping_all((0..count).map(ping)).await;
}

/// The one message of a storm, without the link below it.
async fn message(office: &mut Office, field: &str, chars_max: usize) -> String {
    let bodies = office.deliver_with_links().await;
    assert_eq!(bodies.len(), 1);
    let text = bodies[0][field].as_str().unwrap();
    assert!(text.encode_utf16().count() <= chars_max, "{}", text.len());
    if let Some(click) = bodies[0].get("click") {
        assert!(text.len() <= chars_max, "{}", text.len());
        assert_eq!(click, "https://overdue.example/");
        return text.to_owned();
    }
    let (text, link) = text.rsplit_once('\n').unwrap();
    assert!(link.starts_with("<https://overdue.example/"), "{link}");
    text.to_owned()
}

/// Whether a message tells of the longest overdue first, and counts the others; how many it tells of.
fn told(text: &str, headline: &str, word: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], headline);
    let shown = lines.len() - 2;
    for (line, number) in lines[1..=shown].iter().zip((0..MANY).rev()) {
        assert!(line.starts_with(&format!("{word} job {number}: ")), "{line}, not {number}");
    }
    assert_eq!(lines[shown + 1], format!("and {} more", MANY - shown));
    shown
}

#[tokio::test]
async fn three_hundred_alerts_are_one_message_that_names_the_twenty_longest_overdue() {
    for (format, path, field, chars_max) in CHATS {
        let mut office = Office::of(format, path).await;
        // Those that are the longest overdue are raised last.
        for numbers in [0..150, 150..MANY] {
            ping_all(&office, "job", numbers, TEN - 1200).await;
            office.house.sweep_at(office.house.clock.now() + 1).await;
        }
        let text = message(&mut office, field, chars_max).await;
        assert_eq!(told(&text, "300 OVERDUE", "OVERDUE"), 20, "{format}: {text}");
    }
}

#[tokio::test]
async fn three_hundred_recoveries_are_one_message_too() {
    for (format, path, field, chars_max) in CHATS {
        let mut office = Office::of(format, path).await;
        ping_all(&office, "job", 0..MANY, TEN - 1200).await;
        office.house.sweep_at(TEN + 1).await;
        assert_eq!(office.bodies().await.len(), 1);
        end_all(&office, MANY).await;
        let text = message(&mut office, field, chars_max).await;
        assert_eq!(told(&text, "300 RECOVERED", "RECOVERED"), 20, "{format}: {text}");
    }
}

#[tokio::test]
async fn three_hundred_uncertain_alerts_are_one_message_of_as_many_lines_as_fit() {
    for (format, path, field, chars_max) in CHATS {
        let mut office = Office::of(format, path).await;
        ping_all(&office, "job", 0..MANY, TEN).await;
        // Away for a quarter of an hour, in which all of them were due.
        assert_eq!(office.house.sweep_after_gap(TEN + 900).await, 0);
        assert_eq!(office.house.sweep_at(TEN + 960).await, MANY);
        let text = message(&mut office, field, chars_max).await;
        let shown = told(&text, "300 OVERDUE (uncertain)", "OVERDUE");
        assert!(shown >= 10, "{format}: {text}");
        assert!(text.contains("Uncertain: the monitor itself was away from "), "{format}: {text}");
    }
}

#[tokio::test]
async fn a_storm_of_both_tells_of_silence_first() {
    let mut office = Office::of("slack", "/x").await;
    ping_all(&office, "job", 0..12, TEN - 1200).await;
    office.house.sweep_at(TEN + 1).await;
    office.bodies().await;
    end_all(&office, 12).await;
    ping_all(&office, "other", 0..3, TEN - 1200).await;
    office.house.sweep_at(TEN + 2).await;
    let text = message(&mut office, "text", 4000).await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "3 OVERDUE, 12 RECOVERED");
    assert!(lines[1..4].iter().all(|line| line.starts_with("OVERDUE other ")), "{text}");
    assert!(lines[4..].iter().all(|line| line.starts_with("RECOVERED job ")), "{text}");
    assert_eq!(lines.len(), 16);
}

#[tokio::test]
async fn names_however_long_or_hostile_leave_the_message_within_its_limit_and_the_count_on_it() {
    let long = format!("{HOSTILE}{}", "&".repeat(150));
    let emoji = "\u{1f4be}".repeat(60);
    for (format, path, field, chars_max) in CHATS {
        for name in [long.as_str(), emoji.as_str()] {
            let mut office = Office::of(format, path).await;
            ping_all(&office, name, 0..MANY, TEN - 1200).await;
            office.house.sweep_at(TEN + 1).await;
            let text = message(&mut office, field, chars_max).await;
            assert!(text.starts_with("300 OVERDUE\nOVERDUE "), "{format}: {text}");
            let shown = text.lines().count() - 2;
            assert!(text.ends_with(&format!("\nand {} more", MANY - shown)), "{format}: {text}");
        }
    }
}
