//! Houses at rest, damaged, rebuilt, backed up and restored, on real files.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

mod backups;
mod flips;
mod house;
mod leftovers;
mod rebuilds;
mod recoveries;
mod removed;
mod walks;
