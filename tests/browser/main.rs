//! The pages in a real browser: Chromium without a window, driven over WebDriver, against the real binary on a real
//! socket. Where Chromium or its driver is missing the tests say so aloud and are skipped; with `CI` set they fail.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod driver;
mod keys;
mod lively;
mod looks;
mod monitor;
mod services;
mod watching;
