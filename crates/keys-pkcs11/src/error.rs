//! Why a token cannot be used, and what to do about it.

use cryptoki::error::Error;
use seal::{KeyId, ProviderError};
use std::{io, path::PathBuf};
use thiserror::Error as ThisError;

/// An error of the token. It names files, labels and key ids, never the PIN.
#[derive(Debug, ThisError)]
pub enum Pkcs11Error {
    /// The library cannot be loaded.
    #[error("the PKCS#11 library {} cannot be loaded ({why}): install the vendor's package, and check keys.pkcs11_module",
            path.display())]
    NotLoaded {
        /// The library.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The file with the PIN cannot be read.
    #[error("the PIN file {} cannot be read ({source}): the user that runs this service must be allowed to read it",
            path.display())]
    PinUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others can read the PIN, or exchange it.
    #[error("the PIN file {} is open to others (mode {mode:04o}): treat the PIN as known to them, change it, \
             and run chmod 600 on the file", path.display())]
    PinExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no PIN.
    #[error("the PIN file {} must hold the token user's PIN on one line, of at most 255 bytes", path.display())]
    NotAPin {
        /// The file.
        path: PathBuf,
    },
    /// The token does not take the PIN. It is not tried again before the file has changed, so that it is not locked.
    #[error("the token refuses the PIN in {} ({why}): it is not tried again until the file has changed; put the right \
             one in, or have the token unlocked", path.display())]
    PinRefused {
        /// The file.
        path: PathBuf,
        /// What the token says.
        why: String,
    },
    /// No token has this label, or it is not there now.
    #[error("no token with the label `{label}` is present: connect it, or check keys.pkcs11_token_label")]
    NoToken {
        /// The label.
        label: String,
    },
    /// More than one token has this label.
    #[error(
        "{count} tokens have the label `{label}`, and it cannot be told which is this vault's: give each its own"
    )]
    SeveralTokens {
        /// The label.
        label: String,
        /// How many.
        count: usize,
    },
    /// The token has no key of ours.
    #[error(
        "the token has no key of this vault's: run init for a new vault, or bring the token's backup back"
    )]
    NoKeys,
    /// The token has keys already.
    #[error(
        "the token has a key of a vault already ({0}): every vault needs a token of its own; if an init that was \
             interrupted left it behind, remove it with the vendor's tool and run init again"
    )]
    Exists(KeyId),
    /// Two keys bear the same label.
    #[error(
        "the token has two keys labelled `facemap-vault-{0}`: rename or remove the one that was put there by hand"
    )]
    RepeatedKey(KeyId),
    /// An object bears one of our labels and is not what we make.
    #[error("the token's object `{label}` is not a key that this service made ({what}): rename or remove it")]
    ForeignKey {
        /// The object's label.
        label: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The token, its library or the way to it fails.
    #[error("the token does not work now ({0})")]
    Token(String),
    /// It does not answer.
    #[error("the token has not answered for {0} s")]
    Slow(u64),
}

impl Pkcs11Error {
    /// Whether the same call may succeed later without anybody's doing. A refused PIN is not tried again: that locks
    /// tokens.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::NoToken { .. } | Self::Token(_) | Self::Slow(_))
    }
}

/// The token's own words have no secrets in them: a function's name and a return value's.
impl From<Error> for Pkcs11Error {
    fn from(error: Error) -> Self {
        Self::Token(words(&error))
    }
}

/// To those who wrap and unwrap, everything that may pass is one and the same.
impl From<Pkcs11Error> for ProviderError {
    fn from(error: Pkcs11Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

pub(crate) fn words(error: &Error) -> String {
    match error {
        Error::Pkcs11(value, function) => format!("{function:?}: {value:?}"),
        other => other.to_string(),
    }
}
