#![doc = include_str!("../README.md")]

mod batch;
#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod error;
#[cfg(any(test, feature = "test-util"))]
pub mod faulty;
mod limits;
#[cfg(any(test, feature = "test-util"))]
pub mod memory;
#[cfg(test)]
mod memory_tests;
mod transfer;

pub use batch::{Batch, Change, Condition, TableId, Write};
pub use error::StoreError;
pub use limits::{Limits, RESERVED_TABLE};
pub use transfer::{ExportSink, ImportSource, PAGE_BYTES, PAGE_ROWS, Pages, TableRow, Transferred};

use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;

/// The position of a commit in the order of all commits of a store: grows with every commit that succeeds, never
/// repeats, survives restarts. A stored value carries the one of the commit that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// A value with the version that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The commit that wrote it: what a later change is conditional on.
    pub version: Version,
    /// The stored bytes.
    pub value: Bytes,
}

/// One row of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key, without the table.
    pub key: Bytes,
    /// The value and its version.
    pub value: Versioned,
}

/// Which rows of a table a scan returns, in ascending order of their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// Only keys that begin with this.
    pub prefix: Vec<u8>,
    /// Only keys that are greater than this: a whole key (of the row last seen), not a suffix of the prefix.
    pub after: Option<Vec<u8>>,
    /// Only keys that are less than this: a whole key.
    pub before: Option<Vec<u8>>,
}

/// An ordered store.
///
/// Reads see only what is durable. A commit is all or nothing, and durable once it has answered.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The value under `key`.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`] once the engine has failed, [`StoreError::Io`] when it cannot read,
    /// [`StoreError::ReservedTable`] for the engine's own table.
    async fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Versioned>, StoreError>;

    /// At most `limit` rows in `range`, in ascending order of their keys.
    ///
    /// # Errors
    /// As [`Store::get`].
    async fn scan(&self, table: TableId, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError>;

    /// Applies the whole batch if all its conditions hold, and answers once that (or the state that made a condition
    /// fail) is durable.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: a condition failed, nothing was written. [`StoreError::Ambiguous`]: the outcome is
    /// not known, and the engine takes no more writes. [`StoreError::NoSpace`]: nothing was written.
    /// [`StoreError::TooLarge`], [`StoreError::RepeatedKey`], [`StoreError::ReservedTable`]: as [`Limits::check`],
    /// nothing was written. [`StoreError::Poisoned`]: an earlier commit was ambiguous, nothing was written.
    async fn commit(&self, batch: Batch) -> Result<Version, StoreError>;

    /// Hands all rows of all tables to the sink, page by page, as they are at one moment: no commit lies between the
    /// first row and the last. Commits that come meanwhile wait. When the caller goes away, the export ends.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] with the sink's own words, [`StoreError::Io`] when a row cannot be read,
    /// [`StoreError::Poisoned`]. After each of them the store goes on as before, and what the sink has is no export.
    async fn export(&self, sink: Box<dyn ExportSink>) -> Result<Transferred, StoreError>;

    /// Puts all rows of an export into this store, which must be empty, with the versions that they had; all of it is
    /// durable at the end. Commits that come afterwards get versions greater than `last`, the export's last commit.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`]: nothing was written. [`StoreError::Stopped`] with the source's own words,
    /// [`StoreError::NotAnExport`] for rows that no export has, [`StoreError::NoSpace`], and those of
    /// [`Store::commit`]: the import was given up, the store takes nothing any more, and is not opened again either.
    /// Its folder has to be removed.
    async fn import(&self, last: Version, source: Box<dyn ImportSource>) -> Result<Transferred, StoreError>;

    /// What is wrong with the engine, if anything is: for `/readyz`.
    fn trouble(&self) -> Option<StoreError> {
        None
    }
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Versioned>, StoreError> {
        (**self).get(table, key).await
    }

    async fn scan(&self, table: TableId, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        (**self).scan(table, range, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version, StoreError> {
        (**self).commit(batch).await
    }

    async fn export(&self, sink: Box<dyn ExportSink>) -> Result<Transferred, StoreError> {
        (**self).export(sink).await
    }

    async fn import(&self, last: Version, source: Box<dyn ImportSource>) -> Result<Transferred, StoreError> {
        (**self).import(last, source).await
    }

    fn trouble(&self) -> Option<StoreError> {
        (**self).trouble()
    }
}
