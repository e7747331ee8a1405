//! What can go wrong in the register.

use records::RecordsError;
use thiserror::Error;
use vault::VaultError;

/// The register's error. It names no person.
#[derive(Debug, Error)]
pub enum RegisterError {
    /// The records failed, or somebody else's commit came first.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The slot of the person could not be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A row does not say what the key or index that led to it promised: it was exchanged. Nothing is given out.
    #[error("a record does not belong to what was asked for; run `facemap-vault verify`")]
    WrongPerson,
    /// The fields about a person do not open under their slot.
    #[error("the personal fields of a record do not open under their slot; run `facemap-vault verify`")]
    Damaged,
}

impl RegisterError {
    /// Whether somebody else's commit came first: read again and decide again.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Records(error) if error.is_conflict())
    }

    /// Whether the row itself is to blame, and not the store or the vault: reading it again changes nothing, and other
    /// rows can be read.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        match self {
            Self::WrongPerson | Self::Damaged => true,
            Self::Records(error) => matches!(error, RecordsError::Damaged { .. }),
            Self::Vault(error) => matches!(
                error,
                VaultError::Burnt | VaultError::NoSuchSlot | VaultError::WrongKind | VaultError::Damaged(_)
            ),
        }
    }
}
