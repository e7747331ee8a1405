//! What can go wrong with a record.

use store::StoreError;
use thiserror::Error;

/// A record's error. It names the table, never a key or a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordsError {
    /// The store failed, or a condition of the commit did not hold.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored record does not open at its place: it was changed, moved, swapped or rolled back, or it was sealed
    /// under other keys.
    #[error(
        "a stored record of the table {table} is damaged or not in its place; run `facemap-vault verify`"
    )]
    Damaged {
        /// The table.
        table: &'static str,
    },
    /// A value could not be written as JSON: a mistake in the program.
    #[error("a record of the table {table} cannot be encoded")]
    Encoding {
        /// The table.
        table: &'static str,
    },
}

impl RecordsError {
    /// Whether somebody else's commit came first: read again and decide again.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(StoreError::Conflict))
    }

    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_retryable())
    }
}
