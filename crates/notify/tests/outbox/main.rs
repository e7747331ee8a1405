//! The outbox from end to end: a store in memory that fails where it is told to, a real vault in a temporary folder, a
//! scripted receiver on loopback, a clock that stands still.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

mod cursor;
mod delivery;
mod docs;
mod durable;
mod guard;
mod hooked;
mod house;
mod order;
mod people;
mod race;
mod receiver;
mod upkeep;
