#![doc = include_str!("../README.md")]

mod anchor;
mod appender;
mod beside;
mod book;
mod border;
mod chain;
mod entry;
mod error;
mod opening;
mod read;
mod shapes;
mod sink;
#[cfg(test)]
mod tests;
mod verify;
mod walk;

pub use book::{ANCHOR_EVERY, Audit, Stroke};
pub use border::{Border, NewEpoch, begin_epoch};
pub use chain::{Head, Link};
pub use entry::{Action, Actor, Begin, Details, Entry, Note, Outcome, Part};
pub use error::AuditError;
pub use read::{Filter, Listed, Page};
pub use shapes::shapes;
pub use sink::{Sink, SinkLag, SyslogAddress};
pub use verify::{Finding, Verification, verify};
