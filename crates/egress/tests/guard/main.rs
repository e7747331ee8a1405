//! The guard against servers that do what they should not. Everything stays on loopback.

#![expect(clippy::unwrap_used, reason = "a test's helper may panic where the test itself may")]

mod addresses;
mod answers;
mod hostile;
mod strangers;
mod support;
mod tls;
