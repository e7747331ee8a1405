//! How much a store takes at once.

use crate::{Batch, Change, StoreError, TableId, TableRow, Version};
use std::collections::HashSet;

/// The table whose keys belong to the engine itself.
pub const RESERVED_TABLE: TableId = TableId(0);

/// The largest key, value and commit, in bytes.
///
/// Facemaps are no records: they lie in content files. These limits keep anybody from putting one here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a key, without its table.
    pub key_bytes: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Bytes of all keys and values of a commit.
    pub commit_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { key_bytes: 512, value_bytes: 96 * 1024, commit_bytes: 4 * 1024 * 1024 }
    }
}

impl Limits {
    /// What can be said about a batch without looking at the store. Engines ask this before they begin.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::RepeatedKey`], [`StoreError::ReservedTable`].
    pub fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        let within =
            |bytes, limit| (bytes <= limit).then_some(()).ok_or(StoreError::TooLarge { bytes, limit });
        let mut seen = HashSet::with_capacity(batch.writes.len());
        let mut total = 0;
        for write in &batch.writes {
            if write.table == RESERVED_TABLE {
                return Err(StoreError::ReservedTable);
            }
            within(write.key.len(), self.key_bytes)?;
            total += write.key.len();
            if let Change::Put(value) = &write.change {
                within(value.len(), self.value_bytes)?;
                total += value.len();
            }
            if !seen.insert((write.table, write.key.as_slice())) {
                return Err(StoreError::RepeatedKey);
            }
        }
        within(total, self.commit_bytes)
    }

    /// Whether a row of an import can be one of a store whose last commit is `last`.
    ///
    /// # Errors
    /// [`StoreError::NotAnExport`], and [`StoreError::TooLarge`] for one that this store does not take.
    pub fn check_row(&self, last: Version, row: &TableRow) -> Result<(), StoreError> {
        if row.table == RESERVED_TABLE {
            return Err(StoreError::NotAnExport("a record of the store's own table"));
        }
        if row.value.version > last {
            return Err(StoreError::NotAnExport("a record is newer than the last change"));
        }
        for (bytes, limit) in [(row.key.len(), self.key_bytes), (row.value.value.len(), self.value_bytes)] {
            if bytes > limit {
                return Err(StoreError::TooLarge { bytes, limit });
            }
        }
        Ok(())
    }
}
