//! All rows at once: what a backup takes out of a store, and what a restore puts into an empty one.

use crate::{TableId, Version, Versioned};
use bytes::Bytes;

/// Rows that a page of an export holds at most.
pub const PAGE_ROWS: usize = 512;
/// Bytes of keys and values after which a page of an export takes no further row.
pub const PAGE_BYTES: usize = 256 * 1024;

/// One row of an export or an import, sealed as it lies in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// The table.
    pub table: TableId,
    /// The key within the table.
    pub key: Bytes,
    /// The value, and the commit that wrote it.
    pub value: Versioned,
}

impl TableRow {
    /// Bytes of key and value.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.value.len()
    }
}

/// What an export handed out, or an import took in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transferred {
    /// Rows of all tables.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// The last commit of the store that was exported. No row has a greater version; rows deleted by then may have had.
    pub last: Version,
}

impl Transferred {
    /// Nothing yet, of a store whose last commit is this one.
    #[must_use]
    pub const fn none(last: Version) -> Self {
        Self { rows: 0, bytes: 0, last }
    }

    /// Counts a page.
    pub fn add(&mut self, rows: &[TableRow]) {
        self.rows += rows.len() as u64;
        self.bytes += rows.iter().map(|row| row.bytes() as u64).sum::<u64>();
    }
}

/// Where an export goes. It is called on the engine's own thread, between two commits: it may block, commits wait as
/// long as it does, and it must not call the store.
///
/// An error ends the export, in words for the operator; what was taken so far is no export and is to be thrown away.
pub trait ExportSink: Send + 'static {
    /// The export begins; `last` is the commit that it shows the state of.
    ///
    /// # Errors
    /// What keeps the sink from going on.
    fn begin(&mut self, last: Version) -> Result<(), String>;

    /// The next rows, in the order of their tables and keys; never none, at most [`PAGE_ROWS`], and not much more than
    /// [`PAGE_BYTES`].
    ///
    /// # Errors
    /// What keeps the sink from going on.
    fn rows(&mut self, rows: Vec<TableRow>) -> Result<(), String>;
}

/// Where an import comes from. It is called on the engine's own thread, may block, and must not call the store.
pub trait ImportSource: Send + 'static {
    /// The next rows, in the order in which the export gave them; `None` when that was all. A page should be no larger
    /// than that of an export.
    ///
    /// # Errors
    /// What keeps the source from going on, in words for the operator: the import is given up.
    fn rows(&mut self) -> Result<Option<Vec<TableRow>>, String>;
}

/// Gathers rows into pages of bounded size: what engines put between their walk and the sink.
#[derive(Debug, Default)]
pub struct Pages {
    rows: Vec<TableRow>,
    bytes: usize,
}

impl Pages {
    /// Takes a row, and gives back the page that is full with it.
    pub fn push(&mut self, row: TableRow) -> Option<Vec<TableRow>> {
        self.bytes += row.bytes();
        self.rows.push(row);
        (self.rows.len() >= PAGE_ROWS || self.bytes >= PAGE_BYTES).then(|| self.take())
    }

    /// The last page, if there is anything in it.
    #[must_use]
    pub fn finish(mut self) -> Option<Vec<TableRow>> {
        (!self.rows.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Vec<TableRow> {
        self.bytes = 0;
        std::mem::take(&mut self.rows)
    }
}
