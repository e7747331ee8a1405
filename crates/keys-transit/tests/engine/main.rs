//! The provider against a real transit engine, and against answers that no engine should give.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod bao;
mod support;
