//! What is looked at before a release and not with each change: `.ci/campaign` runs these tests by name, and a plain
//! `cargo test` leaves this binary out (`test = false` in Cargo.toml).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../browser/driver.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod driver;
#[path = "../browser/lively.rs"]
mod lively;
#[path = "../support/mod.rs"]
mod support;

mod pages;
