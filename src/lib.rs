//! `overdue` is a persistent ping monitor: jobs call it when they run, and it alerts when they fall silent.
//!
//! In reading order, each importing only from those above it:
//!
//! - [`core`]: the rules. No I/O, no clock.
//! - [`clock`], [`config`], [`telemetry`], [`metrics`]: the only reader of the time, every setting, logs, counts.
//! - [`store`]: all SQL, and the one writer.
//! - [`sweeper`], [`alerting`], [`cluster`]: the loops that raise alerts, deliver them, and know who may. They meet only in
//!   the store.
//! - [`http`], [`cli`]: the edges.
//! - [`app`]: the wiring.
//!
//! `docs/ARCHITECTURE.md` tells the way of a ping and the way of an alert.

pub mod alerting;
pub mod app;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod core;
pub mod http;
pub mod metrics;
pub mod store;
pub mod sweeper;
pub mod telemetry;
