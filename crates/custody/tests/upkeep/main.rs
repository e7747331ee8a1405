//! Holds, retention, housekeeping and the dossier, on a store in memory, a real vault, a mock clock and a Jumio that
//! remembers.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

mod clock;
mod dossier;
mod holds;
#[path = "../purge/house.rs"]
#[expect(dead_code, reason = "the house serves several test programs")]
mod house;
mod keep;
mod marks;
mod overdue;
mod sweep;
