//! The flow from callback to ready, on a store in memory, a real vault, a mock clock and a Jumio that remembers.

mod crash;
mod handover;
mod hints;
mod house;
mod inbox;
mod jumio;
mod story;
mod users;
