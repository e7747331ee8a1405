//! Where the held keys rest. Custody knows no files: the wiring says how they are read and replaced.

use async_trait::async_trait;
use seal::HeldKeysFile;
use thiserror::Error;

/// The place of the held keys as they are stored.
#[async_trait]
pub trait HeldKeysShelf: Send + Sync + 'static {
    /// The held keys, as they rest there now.
    ///
    /// # Errors
    /// [`ShelfError`].
    async fn load(&self) -> Result<HeldKeysFile, ShelfError>;

    /// Puts the same held keys, wrapped anew, in their place: durably, and so that a crash leaves the old or the new.
    ///
    /// # Errors
    /// [`ShelfError`]: the old ones are still there, or the new ones are.
    async fn store(&self, file: HeldKeysFile) -> Result<(), ShelfError>;
}

/// The held keys could not be read or replaced.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the held keys could not be read or replaced: {what}")]
pub struct ShelfError {
    /// What happened and what to do, without any key.
    pub what: String,
    /// Whether the same may succeed later without anybody's doing.
    pub retryable: bool,
}
