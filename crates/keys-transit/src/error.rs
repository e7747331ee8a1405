//! Why a transit engine cannot be used, and what to do about it.

use egress::EgressError;
use seal::ProviderError;
use std::{io, path::PathBuf};
use thiserror::Error;

/// A token file that cannot be used. It names the file, never what is in it.
#[derive(Debug, Error)]
pub enum TokenError {
    /// It is not there, or cannot be read.
    #[error("{} cannot be read ({source}): it must be there and readable for the user that runs this service", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others could read or change it.
    #[error("{} has mode {mode:03o}, so others can read or change it; run chmod 600 on it and make a new token", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It does not look like a token.
    #[error("{} does not hold one line of printable ASCII characters; is it the right file?", path.display())]
    NotAToken {
        /// The file.
        path: PathBuf,
    },
}

/// An error of this room.
#[derive(Debug, Error)]
pub enum TransitError {
    /// The configuration is wrong.
    #[error("{what} {rule}")]
    Config {
        /// Which part of it.
        what: &'static str,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// There is no token to begin with.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The guard for outgoing requests cannot be set up.
    #[error("the way to the transit engine cannot be set up: {0}")]
    Egress(#[from] EgressError),
    /// The key is there, but is not one that this service can use.
    #[error(
        "the transit key {0}; make another one with type=aes256-gcm96 and derived=false, and name that one"
    )]
    WrongKey(&'static str),
    /// The engine opens values whose associated data differ. They could be moved from person to person.
    #[error(
        "the transit engine ignores associated_data: what it wraps could be moved between people unnoticed; \
         use a version of the server that honours it"
    )]
    Unbound,
    /// The engine did not do its work.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl TransitError {
    /// Whether the same call may succeed later without anybody's doing here: the engine cannot be used at the moment.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Provider(error) if error.is_retryable())
    }
}
