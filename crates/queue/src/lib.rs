#![doc = include_str!("../README.md")]

mod budget;
mod dead;
mod desk;
mod error;
mod job;
mod key;
mod lease;
mod log;
mod retry;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod wake;
mod workers;

pub use budget::{Budget, BudgetError, Lane, Permit};
pub use dead::DeadLetter;
pub use desk::{Depth, Queue, QueueConfig};
pub use error::QueueError;
pub use job::PAYLOAD_BYTES;
pub use key::{JobKey, Kind};
pub use lease::Lease;
pub use log::{Limit, MARGIN};
pub use retry::{Failure, PeerHealth, Retried, RetryPolicy};
pub use wake::Woken;
pub use workers::{Handler, HandlerError, Only, run_workers};
