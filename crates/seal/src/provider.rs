//! Who holds the wrapping keys. The file provider, an HSM and a transit service all look like this from above.

use crate::{KeyId, Place, ProviderError, Purpose, SealError, SealingKey, envelope_key_id};
use async_trait::async_trait;
use model::Rng;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
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

    /// The ids of all keys that can unwrap, the active one included, in order.
    fn ids(&self) -> Vec<KeyId>;

    /// Makes a new key, durably, and makes it the active one. The others still unwrap. A caller that goes away before
    /// the end leaves either the old key or the new one active, never none.
    ///
    /// # Errors
    /// [`ProviderError::NotChanged`], [`ProviderError::ChangedElsewhere`], [`ProviderError::Unavailable`], and
    /// [`ProviderError::Unsupported`] from a provider that cannot.
    async fn rotate(&self) -> Result<KeyId, ProviderError>;

    /// Destroys a key, as far as the provider can. What is wrapped under it never opens again: the CALLER makes sure
    /// that nothing is.
    ///
    /// # Errors
    /// [`ProviderError::ActiveKey`], [`ProviderError::NoSuchKey`], and those of [`KeyProvider::rotate`].
    async fn remove(&self, id: KeyId) -> Result<(), ProviderError>;
}

/// Wrapping keys in memory, one of them active: the inside of every provider that has its keys at hand. It can be
/// changed while it is used: whoever wraps at that moment does so under the key that was active when it began.
pub struct Keyring(RwLock<Keys>);

struct Keys {
    active: KeyId,
    by_id: BTreeMap<KeyId, Arc<SealingKey>>,
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
            if by_id.insert(id, Arc::new(key)).is_some() {
                return Err(SealError::RepeatedKey(id));
            }
        }
        if !by_id.contains_key(&active) {
            return Err(SealError::NoActiveKey(active));
        }
        Ok(Self(RwLock::new(Keys { active, by_id })))
    }

    /// The id of the key that wraps new values.
    #[must_use]
    pub fn active(&self) -> KeyId {
        self.read().active
    }

    /// All ids, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        self.read().by_id.keys().copied().collect()
    }

    /// Takes a new key in and makes it the active one.
    ///
    /// # Errors
    /// [`SealError::RepeatedKey`] when a key of this id is there; nothing is changed then.
    pub fn activate(&self, key: SealingKey) -> Result<(), SealError> {
        let (mut keys, id) = (self.write(), key.id());
        if keys.by_id.contains_key(&id) {
            return Err(SealError::RepeatedKey(id));
        }
        keys.by_id.insert(id, Arc::new(key));
        keys.active = id;
        Ok(())
    }

    /// Lets a key go; its bytes are wiped as soon as nobody unwraps with it any more.
    ///
    /// # Errors
    /// [`ProviderError::ActiveKey`], [`ProviderError::NoSuchKey`].
    pub fn remove(&self, id: KeyId) -> Result<(), ProviderError> {
        let mut keys = self.write();
        if keys.active == id {
            return Err(ProviderError::ActiveKey(id));
        }
        keys.by_id.remove(&id).map(drop).ok_or(ProviderError::NoSuchKey(id))
    }

    /// Wraps under the active key.
    ///
    /// # Panics
    /// Never: that the active key is there was checked when the keyring was made, and it is never removed.
    #[must_use]
    pub fn wrap(&self, rng: &dyn Rng, place: &Place<'_>, plaintext: &[u8]) -> Vec<u8> {
        let active = {
            let keys = self.read();
            // Unwrap safety: `new` refuses a keyring without its active key, and `remove` refuses the active one.
            Arc::clone(keys.by_id.get(&keys.active).expect("the active key is in the keyring"))
        };
        active.seal(rng, Purpose::WrappingLayer, place, plaintext)
    }

    /// Unwraps with the key that the envelope names.
    ///
    /// # Errors
    /// [`ProviderError::NotWrapped`], [`ProviderError::UnknownKey`], [`ProviderError::Refused`].
    pub fn unwrap(&self, place: &Place<'_>, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        let id = Self::key_of(wrapped)?;
        let key = self.read().by_id.get(&id).map(Arc::clone).ok_or(ProviderError::UnknownKey(id))?;
        key.open(Purpose::WrappingLayer, place, wrapped).map_err(|_| ProviderError::Refused)
    }

    /// The key that the envelope names.
    ///
    /// # Errors
    /// [`ProviderError::NotWrapped`] when it is no envelope.
    pub fn key_of(wrapped: &[u8]) -> Result<KeyId, ProviderError> {
        envelope_key_id(wrapped).ok_or(ProviderError::NotWrapped)
    }

    // Nothing under these locks can stop half way: a panic elsewhere leaves the keys as they were.
    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Keys> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.read();
        write!(f, "Keyring({} keys, active {})", keys.by_id.len(), keys.active)
    }
}
