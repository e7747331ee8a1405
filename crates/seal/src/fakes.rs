//! A key provider in memory, for the tests of the rooms above.

use crate::{KeyId, KeyProvider, Keyring, Place, ProviderError, SealingKey};
use async_trait::async_trait;
use model::rng::SeededRng;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use zeroize::Zeroizing;

/// A [`KeyProvider`] whose keys come from a seed. It can be told to go away and to come back.
#[derive(Debug)]
pub struct MemoryProvider {
    keyring: Keyring,
    rng: SeededRng,
    away: AtomicBool,
    calls: AtomicU64,
}

impl MemoryProvider {
    /// The provider with the keys of this seed: another seed, other keys.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let rng = SeededRng::new(seed);
        let key = SealingKey::generate(&rng);
        let keyring = Keyring::new(key.id(), [key]).expect("one key, and it is the active one");
        Self { keyring, rng, away: AtomicBool::new(false), calls: AtomicU64::new(0) }
    }

    /// From now on nothing is wrapped, unwrapped, rotated or removed.
    pub fn go_away(&self) {
        self.away.store(true, Ordering::SeqCst);
    }

    /// From now on it works again.
    pub fn come_back(&self) {
        self.away.store(false, Ordering::SeqCst);
    }

    /// How often it was called: to wrap, unwrap, rotate or remove.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    fn call(&self) -> Result<(), ProviderError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) {
            return Err(ProviderError::Unavailable("told to be away".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl KeyProvider for MemoryProvider {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn active(&self) -> KeyId {
        self.keyring.active()
    }

    async fn wrap(&self, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, ProviderError> {
        self.call()?;
        Ok(self.keyring.wrap(&self.rng, place, plaintext))
    }

    async fn unwrap(&self, place: &Place<'_>, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        self.call()?;
        self.keyring.unwrap(place, wrapped)
    }

    fn key_of(&self, wrapped: &[u8]) -> Result<KeyId, ProviderError> {
        Keyring::key_of(wrapped)
    }

    fn ids(&self) -> Vec<KeyId> {
        self.keyring.ids()
    }

    async fn rotate(&self) -> Result<KeyId, ProviderError> {
        self.call()?;
        let key = SealingKey::generate(&self.rng);
        let id = key.id();
        self.keyring.activate(key).map_err(|error| ProviderError::NotChanged(error.to_string()))?;
        Ok(id)
    }

    async fn remove(&self, id: KeyId) -> Result<(), ProviderError> {
        self.call()?;
        self.keyring.remove(id)
    }
}
