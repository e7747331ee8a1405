#![doc = include_str!("../README.md")]

mod anchor;
mod appender;
mod book;
mod chain;
mod entry;
mod error;
mod opening;
mod read;
#[cfg(test)]
mod tests;
mod verify;

pub use book::{ANCHOR_EVERY, Audit, Stroke};
pub use chain::{Head, Link};
pub use entry::{Action, Actor, Begin, Details, Entry, Note, Outcome, Part};
pub use error::AuditError;
pub use read::{Filter, Listed, Page};
pub use verify::{Finding, Verification, verify};
