//! Delivering alerts: one courier for each destination, so that none waits for another.
//!
//! Invariant: what is delivered was committed before, and what is noted as delivered was accepted before. A crash
//! between the two repeats a delivery under its id and loses none. Couriers and the sweeper meet only in the store.

mod client;
mod courier;
mod format;
mod heartbeat;
mod mail;
mod trial;
mod upkeep;
mod watchman;

pub use client::{Client, ClientError, client_builder, why};
pub use courier::{Courier, Step};
pub use format::Presentation;
pub use heartbeat::{Heart, Pulse};
pub use watchman::Watchman;
