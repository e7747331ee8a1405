//! What can go wrong with the book.

use records::RecordsError;
use thiserror::Error;

/// An error of the book. It names positions and files, never an entry's content.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuditError {
    /// The entry could not be made durable: the act must not happen.
    #[error("audit-unavailable: the act was not written down, so it was not done ({0})")]
    Unavailable(RecordsError),
    /// The appender did not answer: the act must not happen.
    #[error(
        "audit-unavailable: the act was not written down, so it was not done (the audit log is shutting down)"
    )]
    Stopped,
    /// The book could not be read.
    #[error("the audit log could not be read: {0}")]
    Read(RecordsError),
    /// The anchor knows more entries than there are: the end of the chain, or the whole store, is an older one.
    #[error(
        "the audit log ends at position {head}, its anchor is at {anchor}: entries were cut off, or an older store was \
         brought back; run `facemap-vault verify`, and `recovery acknowledge` after a restore"
    )]
    AnchorAhead {
        /// The chain's last position.
        head: u64,
        /// The anchor's position.
        anchor: u64,
    },
    /// The anchor and the chain disagree about an entry that both know.
    #[error(
        "the audit log is not the one that its anchor knows (position {position}); run `facemap-vault verify`"
    )]
    AnchorDiffers {
        /// Where.
        position: u64,
    },
    /// There are entries, but no anchor file.
    #[error("the audit log has entries, but its anchor file is not there; run `facemap-vault verify`")]
    AnchorMissing,
    /// The anchor file is not one, or not one of this vault.
    #[error("the audit log's anchor file is damaged or from another vault; run `facemap-vault verify`")]
    AnchorDamaged,
    /// The anchor file could not be read or written.
    #[error("the audit log's anchor file could not be read or written: {0}; check its folder")]
    AnchorIo(String),
    /// An entry is missing, changed or not in its place.
    #[error("the audit log is damaged at position {position}; run `facemap-vault verify`")]
    Damaged {
        /// Where.
        position: u64,
    },
}

impl AuditError {
    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(error) | Self::Read(error) => error.is_retryable(),
            _ => false,
        }
    }
}

/// A failed reading. Failures that keep an entry from being written are [`AuditError::Unavailable`] by hand.
impl From<RecordsError> for AuditError {
    fn from(error: RecordsError) -> Self {
        Self::Read(error)
    }
}
