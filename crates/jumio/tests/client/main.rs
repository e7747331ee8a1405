//! The client against a hand-written responder on loopback. It shares no code with the client and none with the
//! sandbox.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic where the test itself may")]

mod answers;
mod authentications;
mod facemaps;
mod requests;
mod support;
