//! How far a long walk is, for whoever watches it.

/// What a walk is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Rows of the store.
    Records,
    /// Slots and their contents.
    Contents,
    /// The book.
    Audit,
    /// Files being copied.
    Copying,
    /// Rows being written.
    Writing,
}

impl Stage {
    /// The stage in a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Contents => "contents",
            Self::Audit => "audit",
            Self::Copying => "copying",
            Self::Writing => "writing",
        }
    }
}

/// Is told how far a walk is, now and then.
pub trait Progress: Send + Sync {
    /// So many of these are done, of so many if that is known.
    fn at(&self, stage: Stage, done: u64, of: Option<u64>);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn at(&self, _: Stage, _: u64, _: Option<u64>) {}
}
