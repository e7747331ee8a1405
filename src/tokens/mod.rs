//! API tokens: made on the command line, kept as hashes in one file, looked up by the server.
//!
//! A token is 256 random bits. Its SHA-256 is kept, not a slow password hash: guessing is hopeless whatever the hash
//! costs, and a slow one would only let strangers keep the server busy.

mod book;
mod file;

pub(crate) use book::{Identity, TokenBook};
pub(crate) use file::{TokenEntry, TokensFile};

use crate::files::FileError;
use base64::Engine as _;
use clap::ValueEnum;
use model::{Rng, Secret};
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf};
use thiserror::Error;
use zeroize::{Zeroizing, zeroize_stack};

/// What a token's holder may do. `app` < `operator` < `admin`; `auditor` stands apart and only reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// The company's backend: verifications, enrollments, authentications.
    App,
    /// Runs the service: status, callbacks, batches.
    Operator,
    /// Purges, imports, keys.
    Admin,
    /// Reads the audit trail.
    Auditor,
}

impl Role {
    /// Whether a holder of this role may do what `needed` may.
    pub(crate) const fn covers(self, needed: Self) -> bool {
        match (self, needed) {
            (Self::Admin, _)
            | (Self::Operator, Self::Operator | Self::App)
            | (Self::App, Self::App)
            | (Self::Auditor, Self::Auditor) => true,
            (Self::Operator | Self::App | Self::Auditor, _) => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::App => "app",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        })
    }
}

/// What goes wrong with the tokens' file.
#[derive(Debug, Error)]
pub(crate) enum TokensError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not what such a file looks like.
    #[error(
        "{path} is not a tokens file: {what}; restore it from a backup, or make a new one with `facemap-vault tokens create`"
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong, without any of the file's content.
        what: String,
    },
    /// The audit trail names tokens by their names, so a name is used once.
    #[error(
        "there is, or was, a token with this name; names are not used twice, because the audit trail keeps them"
    )]
    NameTaken,
    /// Nobody has this name.
    #[error("no token has this name; `facemap-vault tokens list` shows the names")]
    UnknownName,
    /// A name that cannot be.
    #[error("a token's name has 1 to 64 letters, digits, dots, dashes or underscores")]
    BadName,
}

/// What every token begins with, so that scanners for leaked secrets can find it.
const PREFIX: &str = "fmv_";

/// More bytes of stack than a hash takes.
const HASHING_STACK: usize = 4096;

/// A new token: 256 random bits.
pub(crate) fn generate(rng: &dyn Rng) -> Secret {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill(bytes.as_mut());
    let encoded = Zeroizing::new(base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes.as_ref()));
    Secret::new([PREFIX, &encoded].concat())
}

/// What is kept of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    /// Of the token as it is presented, prefix and all.
    pub(crate) fn of(token: &str) -> Self {
        let hash = sha256(token.as_bytes());
        // `ring` leaves its last block on the stack: a whole token has room in it.
        zeroize_stack::<HASHING_STACK>();
        Self(hash)
    }

    /// The hash, for comparing in constant time.
    const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Never a part of its caller, whose stack cannot be wiped while it runs.
#[inline(never)]
fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    hash
}

impl Serialize for TokenHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64::prelude::BASE64_STANDARD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = base64::prelude::BASE64_STANDARD.decode(&text).ok();
        let hash = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        hash.map(Self).ok_or_else(|| serde::de::Error::custom("sha256 must be 32 bytes in base64"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_covers_what_stands_below_it_and_an_auditor_only_reads() {
        use Role::{Admin, App, Auditor, Operator};
        let covered = |role: Role| [App, Operator, Admin, Auditor].map(|needed| role.covers(needed));
        assert_eq!(covered(App), [true, false, false, false]);
        assert_eq!(covered(Operator), [true, true, false, false]);
        assert_eq!(covered(Admin), [true, true, true, true]);
        assert_eq!(covered(Auditor), [false, false, false, true]);
    }

    #[test]
    fn a_token_carries_256_bits_and_a_prefix_for_scanners() {
        struct Ones;
        impl Rng for Ones {
            fn fill(&self, dest: &mut [u8]) {
                dest.fill(0xff);
            }
        }
        let token = generate(&Ones);
        assert_eq!(token.expose(), format!("fmv_{}8", "_".repeat(42)));
    }
}
