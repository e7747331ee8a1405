//! End to end: the real program as a process of its own, against a simulated Jumio.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod bytes;
mod crash;
mod exchange;
mod forgery;
mod house;
mod porch;
mod refusals;
mod shutdown;
mod story;
