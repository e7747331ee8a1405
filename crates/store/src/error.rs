//! What can go wrong in a store, and what the caller may do about it.

use thiserror::Error;

/// A store's error. It names no key and no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// A condition did not hold; nothing was written. Read again and decide again.
    #[error("the record was changed by somebody else in the meantime")]
    Conflict,
    /// A write or a sync failed half way: nobody knows whether the commit is durable. The engine takes no more writes;
    /// the process must be restarted.
    #[error(
        "the store could not make the change durable ({0}); whether it was made is only known after a restart"
    )]
    Ambiguous(String),
    /// An earlier write or sync failed, or the disk could not be read: the engine takes no more reads or writes.
    #[error("the store stopped after an earlier failure ({0}); restart the service")]
    Poisoned(String),
    /// There is less free space than configured; nothing was written.
    #[error("the disk of the store has too little free space; free some, the service goes on by itself")]
    NoSpace,
    /// A key, a value or a whole commit is larger than the store takes; nothing was written.
    #[error("a record of {bytes} bytes is larger than the {limit} bytes that the store takes")]
    TooLarge {
        /// Bytes of the key, value or commit.
        bytes: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A batch names the same row twice; nothing was written. A mistake of the caller's.
    #[error("one change names the same record twice")]
    RepeatedKey,
    /// A table number that belongs to the engine; nothing was written. A mistake of the caller's.
    #[error("table 0 belongs to the store itself")]
    ReservedTable,
    /// Whoever takes an export, or gives an import, could not go on; said in its own words.
    #[error("the store's rows were not all handed over: {0}")]
    Stopped(String),
    /// Rows are to be put into a store that has some; nothing was written.
    #[error(
        "the store holds records already, and only an empty one takes those of a backup; use an empty folder"
    )]
    NotEmpty,
    /// An import's rows are none that a store has ever given out.
    #[error(
        "these records were not exported by a store of this kind ({0}); the backup is damaged or of something else"
    )]
    NotAnExport(&'static str),
    /// The engine could not read now, and may be able to later: it is opening itself anew, or its peer is away.
    #[error("the store could not be read: {0}")]
    Io(String),
    /// The engine read something that it did not write. It stays so: no restart and no second try mends it.
    #[error(
        "the store is damaged ({0}); stop the service, run `facemap-vault verify`, then `facemap-vault rebuild-index`, \
         or restore a backup"
    )]
    Corrupt(String),
    /// The store on disk is not one that this version can use.
    #[error("the store cannot be opened: {0}")]
    Unusable(String),
}

impl StoreError {
    /// Whether what is on disk is damaged, and not merely out of reach.
    #[must_use]
    pub const fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt(_))
    }

    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        // A store that cannot be read may be opening itself anew; one that has failed for good says so otherwise.
        matches!(self, Self::Conflict | Self::NoSpace | Self::Io(_))
    }
}
