#![doc = include_str!("../README.md")]

mod budget;
mod budget_permit;
mod budget_rows;
mod budget_state;
mod dead;
mod desk;
mod error;
mod idempotency;
mod idempotency_digest;
mod idempotency_rows;
mod job;
mod key;
mod lease;
mod log;
mod retrievals;
mod retry;
mod shapes;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod wake;
mod workers;

pub use budget::{Budget, BudgetError, Lane, Usage};
pub use budget_permit::{Permit, Reservation};
pub use dead::DeadLetter;
pub use desk::{Depth, Queue, QueueConfig};
pub use error::QueueError;
pub use idempotency::{ANSWER_CHARS, Begun, Finished, Idempotency, KeyedRequest, Running};
pub use idempotency_digest::BodyDigest;
pub use job::PAYLOAD_BYTES;
pub use key::{JobKey, Kind};
pub use lease::Lease;
pub use log::Limit;
pub use retrievals::{RetrievalLane, RetrievalPermit, Retrievals};
pub use retry::{Failure, PeerHealth, Retried, RetryPolicy};
pub use shapes::shapes;
pub use wake::Woken;
pub use workers::{Handler, HandlerError, Only, run_workers};
