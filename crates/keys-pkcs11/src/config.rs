//! Which token, and how it is used.

use std::{path::PathBuf, time::Duration};

/// Settings of a [`Pkcs11Provider`](crate::Pkcs11Provider).
#[derive(Debug, Clone)]
pub struct Pkcs11Config {
    /// The vendor's library.
    pub module: PathBuf,
    /// The label of the token. It should serve this vault alone: whatever bears our labels on it is taken for ours.
    pub token_label: String,
    /// The file with the user's PIN, on one line. It is read again at every login.
    pub pin_file: PathBuf,
    /// Sessions with the token at the same time; calls beyond that wait.
    pub max_sessions: usize,
    /// How long a call may take, waiting for a session included.
    pub timeout: Duration,
}

impl Pkcs11Config {
    /// The usual settings for a token.
    #[must_use]
    pub fn new(
        module: impl Into<PathBuf>,
        token_label: impl Into<String>,
        pin_file: impl Into<PathBuf>,
    ) -> Self {
        Self {
            module: module.into(),
            token_label: token_label.into(),
            pin_file: pin_file.into(),
            max_sessions: 8,
            timeout: Duration::from_secs(10),
        }
    }
}
