//! What can go wrong in the vault, and what the caller may do about it.

use crate::{
    sweep::Refusal,
    types::{Mode, SlotStatus},
};
use seal::ProviderError;
use std::{error::Error, fmt, io, path::PathBuf};
use thiserror::Error;

/// A vault's error. It names no person, no secret and no digest; the paths in it are those of the configuration.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The slot is free, or somebody else's by now, or not in the file at all.
    #[error("this slot is not, or no longer, the one that was meant; read the record again")]
    NoSuchSlot,
    /// The slot's secret is gone for ever, and with it everything sealed under it.
    #[error("this slot is burnt: what it held is destroyed and cannot be brought back")]
    Burnt,
    /// The slot is not in a status in which this can be done.
    #[error("a slot that is {is:?} does not allow this")]
    WrongStatus {
        /// Its status.
        is: SlotStatus,
    },
    /// A facemap was asked of an epoch's slot, or the other way round.
    #[error("this slot is of another kind; nothing was changed")]
    WrongKind,
    /// The slot is on hold.
    #[error("this slot is on hold and cannot be burnt; release the hold first")]
    Held,
    /// The facemap could not be opened: see [`Damage`] for the operator's log, never for the one who asked.
    #[error("the facemap cannot be opened; run `facemap-vault verify`")]
    Damaged(Damage),
    /// What was read back from the disk is not what was put. Nothing is live; the original must not be deleted.
    #[error(
        "the facemap read back from the disk is not the one that was stored; nothing was made live, check the disk"
    )]
    ReadBack(Damage),
    /// There is nothing in this facemap.
    #[error("an empty facemap is not stored")]
    Empty,
    /// The note beside a facemap is longer than its room.
    #[error("a note of {bytes} bytes does not fit beside a facemap; it takes {limit}")]
    NoteTooLong {
        /// Bytes that were given.
        bytes: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// The facemap of this slot is about to be destroyed: nobody takes it out any more.
    #[error("this facemap is being destroyed and is not taken out any more")]
    Closing,
    /// The provider of the wrapping keys did not do its work.
    #[error("the wrapping key could not be used: {0}")]
    Keys(#[from] ProviderError),
    /// The provider's answer does not fit into a slot.
    #[error(
        "the key provider made {bytes} bytes of a data key; a slot takes {limit}: use another provider or mechanism"
    )]
    WrappedKeyTooLong {
        /// Bytes that came.
        bytes: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// There is no room on the disk; nothing was changed that matters.
    #[error("the disk is full; free some space, then the same call succeeds")]
    NoSpace,
    /// A content file could not be written or read; the same call may be made again.
    #[error("could not {doing}: {source}")]
    Io {
        /// What was being done, as a phrase that follows "could not".
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// A write, sync or read of the slot file failed, now or earlier. Whether it reached the disk is only known after a
    /// restart, so nothing is read or written any more.
    #[error(
        "the slot file could not be read or made durable; stop the service, check the disk, then start it again"
    )]
    Poisoned,
    /// There is a vault already where one was to be created.
    #[error("{} is there already; a vault is never overwritten", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// Another process has the slot file open.
    #[error("{} is in use by another process; a vault has one process only, stop the other first", path.display())]
    InUse {
        /// The slot file.
        path: PathBuf,
    },
    /// The slot file is not one that this version can use. `what` says why and what to do.
    #[error("the slot file {} cannot be used: {what}", path.display())]
    Unusable {
        /// The slot file, or the folder in question.
        path: PathBuf,
        /// Why, and what to do.
        what: String,
    },
    /// The slot file is this vault's and does not say what it must say: its header, its length or some of its sectors
    /// are damaged. Nothing was changed.
    #[error("the slot file {} is damaged: {what}", path.display())]
    SlotFileDamaged {
        /// The slot file.
        path: PathBuf,
        /// What is damaged, and what to do.
        what: String,
    },
    /// What was to be mended is whole.
    #[error("this is not damaged; nothing was changed")]
    NotDamaged,
    /// The header of the slot file is lost, and nothing else says which vault it was.
    #[error(
        "nothing is left that says which vault this slot file is of; restore the file, or at least its first sector, \
         from its backup"
    )]
    NoVaultId,
    /// Real people and simulated ones never share a vault.
    #[error(
        "this vault was created as {is:?} for ever; the configuration says {configured:?}: use another folder"
    )]
    WrongMode {
        /// What the slot file says.
        is: Mode,
        /// What the configuration says.
        configured: Mode,
    },
    /// The store is from before the slot file's last rebuild or restore, or from after it.
    #[error(
        "the store is of epoch {store}, the slots are of epoch {slots}: run `facemap-vault rebuild-index`"
    )]
    WrongEpoch {
        /// The store's epoch.
        store: u64,
        /// The slot file's epoch.
        slots: u64,
    },
    /// Slots, contents and records contradict each other. Nothing was moved.
    #[error("{0}")]
    Mismatch(Box<Refusal>),
    /// The records could not be asked during the sweep.
    #[error(
        "the records could not be read during the sweep ({0}); nothing was moved, run `facemap-vault verify`"
    )]
    Records(#[source] Box<dyn Error + Send + Sync>),
    /// The process is shutting down.
    #[error("the vault is shutting down; nothing is known about this call until the next start")]
    Stopping,
    /// A test asked for it.
    #[cfg(any(test, feature = "test-util"))]
    #[error("stopped by a test at {0:?}")]
    Injected(crate::fault::Step),
}

impl VaultError {
    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Keys(error) => error.is_retryable(),
            Self::NoSpace | Self::Io { .. } | Self::ReadBack(_) => true,
            _ => false,
        }
    }

    /// Whether something that was stored is not as it was stored, or contradicts the rest: `verify` says more, and
    /// nothing but a restore or a rebuild helps.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged(_) | Self::ReadBack(_) | Self::SlotFileDamaged { .. } | Self::Mismatch(_)
        )
    }

    /// What exactly was wrong with a facemap: for the operator's log.
    #[must_use]
    pub const fn damage(&self) -> Option<Damage> {
        match self {
            Self::Damaged(damage) | Self::ReadBack(damage) => Some(*damage),
            _ => None,
        }
    }

    /// Wraps the system's reason; a full disk is told apart, since it passes.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            _ => Self::Io { doing, source },
        }
    }
}

/// Why a facemap does not open, without anything that is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Damage {
    /// The sector does not have the checksum, position or form that it must have.
    Sector,
    /// The slot holds no wrapped key.
    NoKey,
    /// The wrapping key opens the data key, but this slot's secret does not, or the provider refuses it.
    DataKey,
    /// There is no content file.
    NoContent,
    /// The content file is shorter or longer than its header says, or has no such header.
    Form,
    /// The sealed header does not open under the data key.
    Header,
    /// The sealed header is of another facemap, generation, enrollment, length or digest.
    Identity,
    /// The payload does not open under the data key.
    Payload,
    /// The payload opens, and its digest is not the one it must be.
    Digest,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sector => "the slot's sector is damaged",
            Self::NoKey => "the slot has no data key",
            Self::DataKey => "the data key does not open",
            Self::NoContent => "the content file is missing",
            Self::Form => "the content file does not have its form or length",
            Self::Header => "the header of the content file does not open",
            Self::Identity => "the header of the content file is of something else",
            Self::Payload => "the payload does not open",
            Self::Digest => "the payload has another digest",
        })
    }
}
