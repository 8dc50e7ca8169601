//! What holds whatever comes in: a function for each kind of input, which panics where it does not.
//!
//! The fuzz targets in `fuzz/` look for inputs that break them, led by what an input reaches; `tests/corpus.rs` holds
//! every input that they have kept. What is not text where text is wanted is not an input.
#![allow(dead_code, unused_imports, reason = "each fuzz target uses one of them")]
#![allow(
    unreachable_pub,
    reason = "shared by a test binary and by fuzz targets, each a crate of its own"
)]
#![allow(clippy::unwrap_used, reason = "what cannot go on fails")]

mod config;
mod cron;
mod declarations;
mod dialects;
mod draw;
mod frequency;
mod names;
mod requests;
mod sentences;
mod signals;
mod strangers;
mod times;
mod web;

pub use config::config;
pub use cron::cron;
pub use declarations::declarations;
pub use dialects::dialects;
pub use frequency::frequency;
pub use names::names;
pub use requests::requests;
pub use sentences::sentences;
pub use signals::signals;
pub use strangers::strangers;
pub use times::times;

/// 2026-11-25 10:00:00 UTC.
const TEN: i64 = 1_795_600_800;

/// Whether `sentence` can stand in a log and in an answer: it says something, on one line of bounded length.
#[track_caller]
fn check_sentence(sentence: &str, chars_max: usize) {
    assert!(!sentence.is_empty(), "there are no words");
    assert!(!sentence.chars().any(char::is_control), "more than one line: {sentence:?}");
    assert!(sentence.chars().count() <= chars_max, "too many words: {sentence:?}");
}

/// The text before the first empty line, and what is behind it.
fn head_and_body(input: &[u8]) -> (&[u8], &[u8]) {
    match input.windows(2).position(|window| window == b"\n\n") {
        Some(end) => (&input[..end], &input[end + 2..]),
        None => (input, &[]),
    }
}
