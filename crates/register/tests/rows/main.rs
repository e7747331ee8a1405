//! The register over a store in memory and a real vault.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

mod exchanged;
mod house;
mod identity;
mod links;
mod lists;
mod tombstones;
