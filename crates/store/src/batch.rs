//! What a commit does: writes, each under a condition.

use bytes::Bytes;

/// A table's number: the first byte of every key in an engine. `records` hands them out; 0 belongs to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u8);

/// What must hold for the row before the commit, including what earlier commits of the same group have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// There is no row under this key.
    Absent,
    /// The row was last written by this very commit.
    Version(crate::Version),
    /// Whatever is there. Only for rows that nobody reads before writing, such as an index row that repeats its key.
    Any,
}

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The table.
    pub table: TableId,
    /// The key within the table.
    pub key: Vec<u8>,
    /// What must hold.
    pub condition: Condition,
    /// The new value; `None` deletes; a check that writes nothing is [`Batch::require`].
    pub change: Change,
}

/// What happens to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The row gets this value.
    Put(Bytes),
    /// The row goes.
    Delete,
    /// The row stays as it is: only the condition counts.
    Nothing,
}

/// A commit in the making: all of it or none of it. A key may stand in it once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The writes; their order does not matter.
    pub writes: Vec<Write>,
}

impl Batch {
    /// An empty batch. Committing it writes nothing and still waits for what is under way.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a row under a condition.
    pub fn put(&mut self, table: TableId, key: Vec<u8>, condition: Condition, value: impl Into<Bytes>) {
        self.writes.push(Write { table, key, condition, change: Change::Put(value.into()) });
    }

    /// Deletes a row under a condition.
    pub fn delete(&mut self, table: TableId, key: Vec<u8>, condition: Condition) {
        self.writes.push(Write { table, key, condition, change: Change::Delete });
    }

    /// Demands that a row is as it was read, without writing it.
    pub fn require(&mut self, table: TableId, key: Vec<u8>, condition: Condition) {
        self.writes.push(Write { table, key, condition, change: Change::Nothing });
    }
}
