//! The API in one process: real routes, a real SQLite file, and a clock set by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod alertmanager;
mod alerts;
mod attempts;
mod authorities;
mod bad_input;
mod badges;
mod browsers_and_proxies;
mod destinations;
mod fairness;
mod formats;
mod hands;
mod healthchecks;
mod heartbeat;
mod history;
mod house;
mod keys;
mod mails;
mod metrics;
mod openapi;
mod outages;
mod pages;
mod pings;
mod post_office;
mod reports;
mod roles;
mod schedules;
mod service_page;
mod services;
mod signals;
mod storms;
mod sweeps;
mod upkeep;
mod uptime_kuma;
mod watchman;
mod why;
mod zones;
