//! The rules: what a name, a frequency and a ping mean, when silence counts, and what an alert says.
//!
//! Invariant: nothing here does I/O or reads a clock. Every function takes what it needs, `now` included, and
//! returns what follows. All times are Unix seconds (UTC, rounded down), all durations whole seconds.

pub mod alert;
pub mod change;
pub mod declaration;
pub mod frequency;
pub mod limits;
pub mod listening;
pub mod name;
pub mod ping;
pub mod report;
pub mod retry;
pub mod role;
pub mod runs;
pub mod schedule;
pub mod sentence;
pub mod service;
pub mod signal;
pub mod text;
pub mod when;
pub mod why;
