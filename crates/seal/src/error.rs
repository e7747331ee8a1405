//! What can go wrong with keys and envelopes. No error says anything about what is inside an envelope.

use crate::KeyId;
use thiserror::Error;

/// An error of this room.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SealError {
    /// An envelope does not open. Wrong key, wrong place, changed bytes and truncation all look alike, so that nobody
    /// learns from the answer how close a forgery came.
    #[error(
        "the sealed value does not open here: it was changed, moved, rolled back or sealed under another key; run verify"
    )]
    DoesNotOpen,
    /// A text is not a key id.
    #[error("a key id must be 16 lower-case hexadecimal digits")]
    NotAKeyId,
    /// A text is not a pseudonym.
    #[error("a pseudonym must be 64 lower-case hexadecimal digits")]
    NotAPseudonym,
    /// A keyring names an active key that it does not hold.
    #[error(
        "key {0} is to be used for new values but is not in the keyring; bring its key back or name another active key"
    )]
    NoActiveKey(KeyId),
    /// A keyring holds the same id twice: nobody can say which of the two sealed a value.
    #[error("key {0} is in the keyring twice; keep the one that the vault was made with")]
    RepeatedKey(KeyId),
    /// The held keys were written by a later version of this service.
    #[error(
        "the held keys have format {found}, this version reads format {known}; use the version that wrote them, or a later one"
    )]
    NewerHeldKeys {
        /// The version in the file.
        found: u32,
        /// The newest that this version reads.
        known: u32,
    },
    /// The held keys are incomplete or not what they should be.
    #[error("the held keys are damaged: {0}; restore the file from its backup")]
    DamagedHeldKeys(&'static str),
    /// The held keys do not open under the provider's keys.
    #[error(
        "these are not the keys this vault was made with: the held keys do not open; put the right key files back"
    )]
    NotTheseKeys,
    /// The provider of the wrapping keys failed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl SealError {
    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Provider(error) if error.is_retryable())
    }
}

/// An error of a provider of wrapping keys: every [`crate::KeyProvider`] speaks in these.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProviderError {
    /// The provider cannot be reached, or is not ready.
    #[error("the key provider is not available ({0}); nothing opens until it is back")]
    Unavailable(String),
    /// The value was wrapped under a key that the provider does not have.
    #[error("the value was wrapped under key {0}, which is not in the keyring; bring that key back")]
    UnknownKey(KeyId),
    /// The provider has the key, and the value does not open under it.
    #[error(
        "the wrapped value does not open here: it was changed, moved or wrapped under another key; run verify"
    )]
    Refused,
    /// The bytes are not something that this provider ever wrapped.
    #[error("the value is not one that this key provider wrapped; check the provider in the configuration")]
    NotWrapped,
    /// The key that wraps new values was to be removed.
    #[error(
        "key {0} is the active one, under which every new value is wrapped; run keys rotate and keys rewrap first"
    )]
    ActiveKey(KeyId),
    /// A key was to be removed that the provider does not have.
    #[error("there is no key {0} in the keyring; keys list shows those that are")]
    NoSuchKey(KeyId),
    /// This provider does not do that, or not from here.
    #[error("this key provider cannot do that: {0}")]
    Unsupported(&'static str),
    /// The keyring could not be changed; what it could open, it still opens.
    #[error("the keyring was not changed ({0}); everything opens as before")]
    NotChanged(String),
    /// The key is out of the keyring, and what the provider kept of it is still there.
    #[error(
        "the key is out of the keyring, but it could not be destroyed ({0}); run keys remove with it again"
    )]
    NotDestroyed(String),
    /// Another process changed the keyring after this one read it.
    #[error(
        "the keyring is not the one that this process read at its start; restart it, so that it reads it anew"
    )]
    ChangedElsewhere,
}

impl ProviderError {
    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
