//! The provider against SoftHSM2.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

mod house;
mod keys;
mod lost;
mod pin;
