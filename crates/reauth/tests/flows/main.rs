//! Re-authentication on a store in memory, a real vault, a mock clock and a Jumio that remembers.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

mod barred;
mod crash;
mod exchange;
mod house;
mod one_post;
mod open;
mod redeem;
mod result;
mod unknown;
