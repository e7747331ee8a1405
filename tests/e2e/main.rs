//! End to end: the real program as a process of its own, against a simulated Jumio.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::too_many_lines,
    clippy::format_collect,
    clippy::format_push_string,
    reason = "a story is told in one piece, and nobody waits for these strings"
)]

mod bad_input;
mod batch_crash;
mod batch_pace;
mod batches;
mod bytes;
mod crash;
mod custody_crash;
mod disk_faults;
mod events;
mod exchange;
mod floods;
mod forged_flood;
mod forger;
mod forgery;
#[path = "../../crates/egress/tests/guard/hostile.rs"]
mod hostile;
mod house;
mod idempotency;
mod jumio_faults;
mod keys_away;
mod links;
mod porch;
mod purge;
mod refusals;
mod repair;
mod shutdown;
mod story;
mod watched;
