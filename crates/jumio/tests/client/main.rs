//! The client against a hand-written responder on loopback. It shares no code with the client and none with the
//! sandbox.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic where the test itself may")]

mod answers;
mod authentications;
mod calls;
mod facemaps;
mod fates;
mod faults;
mod hostile_links;
mod peer;
mod requests;
mod support;
mod tls;
