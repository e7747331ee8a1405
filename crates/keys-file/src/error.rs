//! Why a folder of keys is refused, and what to do about it.

use seal::SealError;
use std::{io, path::PathBuf};
use thiserror::Error;

/// An error of the key folder. It names files and key ids, never a byte of a key.
#[derive(Debug, Error)]
pub enum KeysFileError {
    /// A file or the folder is not there.
    #[error("{} is missing: bring it back from your copy of the keys, or run init to make a new vault", path.display())]
    Missing {
        /// What is missing.
        path: PathBuf,
    },
    /// It is there already, and is not overwritten.
    #[error("{} exists already: keys are never overwritten, because what they sealed would be lost with them; \
             choose another folder", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// Everybody on this machine can get at it.
    #[error("{} is open to every user of this machine (mode {mode:04o}): treat its keys as known to them, \
             and run chmod o-rwx on it", path.display())]
    WorldAccess {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Its group can exchange it.
    #[error("{} can be changed by its group (mode {mode:04o}): run chmod g-w on it", path.display())]
    GroupWrite {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is there and cannot be read.
    #[error("{} cannot be read ({source}): the user that runs this service must be allowed to read it", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It could not be written durably.
    #[error("{} cannot be written ({source}): the folder must be writable and its disk must have space", path.display())]
    NotWritten {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody else changes the folder at this moment.
    #[error("{} is being changed by somebody else; try again when that has ended", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// Held keys were to take the place of others.
    #[error("{} holds other keys than those that were to be stored: held keys are only ever wrapped anew; \
             nothing was changed", path.display())]
    OtherHeldKeys {
        /// The file.
        path: PathBuf,
    },
    /// A key file is not base64.
    #[error("{} is not base64: a key file holds one line, 32 bytes in base64; bring the right file back", path.display())]
    NotBase64 {
        /// The key file.
        path: PathBuf,
    },
    /// A key file has too few or too many bytes.
    #[error("{} does not hold a key of 32 bytes: a key file holds one line, 32 bytes in base64; \
             bring the right file back", path.display())]
    WrongLength {
        /// The key file.
        path: PathBuf,
    },
    /// A file of a later version.
    #[error("{} has format {found}, this version reads format {known}: use the version that wrote it, or a later one",
            path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format in the file.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
    },
    /// A file that does not say what it must say.
    #[error("{} is not as it should be ({what}): bring it back from your copy of the keys", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, without repeating what is in the file.
        what: String,
    },
    /// The keys do not fit together, or not this vault.
    #[error("{}: {source}", path.display())]
    Keys {
        /// The file that says so.
        path: PathBuf,
        /// What does not fit.
        source: SealError,
    },
}

impl KeysFileError {
    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Keys { source, .. } => source.is_retryable(),
            Self::Busy { .. } => true,
            _ => false,
        }
    }
}
