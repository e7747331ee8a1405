//! The sandbox from outside: everything over HTTP, on free ports of loopback.

#![expect(clippy::unwrap_used, reason = "in a helper of a test, a failed step is a failed test")]

mod callbacks;
mod documented;
mod faults;
mod journey;
mod lifetimes;
mod limits;
mod strictness;
mod support;
