//! Re-authentication on a store in memory, a real vault, a mock clock and a Jumio that remembers.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

mod attempts;
mod barred;
mod batch_crash;
mod batch_house;
mod batch_pace;
mod batch_posts;
mod batches;
mod crash;
mod events;
mod exchange;
mod house;
mod links;
mod one_post;
mod open;
mod purged;
mod redeem;
mod result;
mod unknown;
mod yields;
