//! Who holds the wrapping keys. The file provider, an HSM and a transit service all look like this from above.

use crate::{KeyId, Place, ProviderError, Purpose, SealError, SealingKey, envelope_key_id};
use async_trait::async_trait;
use model::Rng;
use std::{collections::BTreeMap, fmt};
use zeroize::Zeroizing;

/// A provider of wrapping keys: bytes in, opaque bytes out. The keys themselves stay with the provider.
#[async_trait]
pub trait KeyProvider: Send + Sync + 'static {
    /// The provider's name, as in the configuration.
    fn name(&self) -> &'static str;

    /// The key that wraps new values.
    fn active(&self) -> KeyId;

    /// Wraps a key or a layer of one, bound to its place.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`] when the provider cannot be reached.
    async fn wrap(&self, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, ProviderError>;

    /// Unwraps what was wrapped at the same place, whichever of the provider's keys did it.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`], [`ProviderError::UnknownKey`], [`ProviderError::NotWrapped`], and
    /// [`ProviderError::Refused`] for everything else, without saying why.
    async fn unwrap(&self, place: &Place<'_>, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProviderError>;

    /// The key under which something is wrapped: what a rewrap asks. It proves nothing, and needs no key.
    ///
    /// # Errors
    /// [`ProviderError::NotWrapped`] when these bytes are not of this provider.
    fn key_of(&self, wrapped: &[u8]) -> Result<KeyId, ProviderError>;
}

/// Wrapping keys in memory, one of them active: the inside of every provider that has its keys at hand.
pub struct Keyring {
    active: KeyId,
    keys: BTreeMap<KeyId, SealingKey>,
}

impl Keyring {
    /// A keyring of these keys.
    ///
    /// # Errors
    /// [`SealError::RepeatedKey`], and [`SealError::NoActiveKey`] when `active` is not among them.
    pub fn new(active: KeyId, keys: impl IntoIterator<Item = SealingKey>) -> Result<Self, SealError> {
        let mut by_id = BTreeMap::new();
        for key in keys {
            let id = key.id();
            if by_id.insert(id, key).is_some() {
                return Err(SealError::RepeatedKey(id));
            }
        }
        if !by_id.contains_key(&active) {
            return Err(SealError::NoActiveKey(active));
        }
        Ok(Self { active, keys: by_id })
    }

    /// The id of the key that wraps new values.
    #[must_use]
    pub const fn active(&self) -> KeyId {
        self.active
    }

    /// All ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.keys().copied()
    }

    /// Wraps under the active key.
    ///
    /// # Panics
    /// Never: that the active key is there was checked when the keyring was made.
    #[must_use]
    pub fn wrap(&self, rng: &dyn Rng, place: &Place<'_>, plaintext: &[u8]) -> Vec<u8> {
        // Unwrap safety: `new` refuses a keyring without its active key, and nothing removes one.
        let key = self.keys.get(&self.active).expect("the active key is in the keyring");
        key.seal(rng, Purpose::WrappingLayer, place, plaintext)
    }

    /// Unwraps with the key that the envelope names.
    ///
    /// # Errors
    /// [`ProviderError::NotWrapped`], [`ProviderError::UnknownKey`], [`ProviderError::Refused`].
    pub fn unwrap(&self, place: &Place<'_>, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        let id = Self::key_of(wrapped)?;
        let key = self.keys.get(&id).ok_or(ProviderError::UnknownKey(id))?;
        key.open(Purpose::WrappingLayer, place, wrapped).map_err(|_| ProviderError::Refused)
    }

    /// The key that the envelope names.
    ///
    /// # Errors
    /// [`ProviderError::NotWrapped`] when it is no envelope.
    pub fn key_of(wrapped: &[u8]) -> Result<KeyId, ProviderError> {
        envelope_key_id(wrapped).ok_or(ProviderError::NotWrapped)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys, active {})", self.keys.len(), self.active)
    }
}
