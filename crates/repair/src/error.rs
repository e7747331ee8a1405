//! Why a check, a rebuild, a backup or a restore could not be done.

use audit::AuditError;
use records::RecordsError;
use register::RegisterError;
use std::{io, path::PathBuf};
use store::StoreError;
use thiserror::Error;
use vault::VaultError;

/// An error of this room. It names files and folders of the configuration, never a person.
#[derive(Debug, Error)]
pub enum RepairError {
    /// The records could not be read or written.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The register could not read or write.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// Slots or contents could not be read or written.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The book could not be read or written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A file could not be read or written.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a phrase that follows "could not".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It must not be done as things are. Nothing was changed.
    #[error("{0}; nothing was changed")]
    Refused(String),
    /// A backup is not as it was written: damaged, incomplete, changed, or another vault's. Nothing was changed.
    #[error("the backup cannot be used: {0}; nothing was changed")]
    Backup(String),
    /// It was refused after something was changed. It says what, and how to go on.
    #[error("{0}")]
    Late(String),
}

impl From<StoreError> for RepairError {
    fn from(error: StoreError) -> Self {
        Self::Records(error.into())
    }
}

impl RepairError {
    /// Whether something that was looked at is damaged or was refused, and not merely out of reach.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Backup(_) | Self::Late(_))
    }

    /// Whether the store's engine read something that it did not write.
    #[must_use]
    pub const fn is_corrupt_store(&self) -> bool {
        let (Self::Records(error)
        | Self::Register(RegisterError::Records(error))
        | Self::Audit(AuditError::Read(error) | AuditError::Unavailable(error))) = self
        else {
            return false;
        };
        matches!(error, RecordsError::Store(StoreError::Corrupt(_)))
    }

    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
