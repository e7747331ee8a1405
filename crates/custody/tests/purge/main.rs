//! Purges on a store in memory, a real vault, a mock clock and a Jumio that remembers.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

mod at_jumio;
mod crash;
mod disk;
mod events;
mod house;
mod links;
mod many;
mod one;
mod slots;
mod traces;
mod truth;
