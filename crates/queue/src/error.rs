//! What can go wrong at the desk.

use crate::Kind;
use records::RecordsError;
use thiserror::Error;

/// An error of the queue. It names kinds, never subjects.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueueError {
    /// The store failed, a row is damaged, or somebody else's commit came first.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The lease ran out and the job was taken by somebody else, moved or removed: whatever this worker found out must
    /// not be committed.
    #[error(
        "the lease of a {kind} job is no longer this worker's; its work is left to the one who has it now"
    )]
    LeaseLost {
        /// The job's kind.
        kind: Kind,
    },
    /// The payload is larger than a job may carry: a mistake in the program.
    #[error("the payload of a {kind} job is larger than {limit} bytes")]
    PayloadTooLarge {
        /// The job's kind.
        kind: Kind,
        /// Bytes allowed.
        limit: usize,
    },
    /// The job's subject or payload is not what its kind has.
    #[error("a {kind} job does not carry what such a job carries; it was written by another version")]
    Unreadable {
        /// The job's kind.
        kind: Kind,
    },
    /// A handler panicked: the process must end.
    #[error("a worker died; restart the service")]
    WorkerDied,
}

impl QueueError {
    /// Whether somebody else's commit came first: read again and decide again.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Records(error) if error.is_conflict())
    }

    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Records(error) if error.is_retryable())
    }
}
