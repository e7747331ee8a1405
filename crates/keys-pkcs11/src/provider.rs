//! The provider: wrapping and unwrapping on the token.

use crate::{
    Pkcs11Config, Pkcs11Error,
    keys::{self, Listing},
    token::{Token, Trouble},
    wrapped::{IV_BYTES, Wrapped, associated_data},
};
use async_trait::async_trait;
use model::Rng;
use seal::{KeyId, KeyProvider, Place, ProviderError};
use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{sync::Semaphore, task::spawn_blocking, time};
use zeroize::Zeroizing;

/// Wrapping keys that never leave a token. All calls to it are made on threads for what blocks, in a bounded number of
/// sessions; what was lost (a session, the login, the token itself) is tried anew once, and at every later call again.
pub struct Pkcs11Provider {
    inner: Arc<Inner>,
    sessions: Arc<Semaphore>,
    timeout: Duration,
}

struct Inner {
    token: Token,
    rng: Arc<dyn Rng>,
    keys: RwLock<Known>,
}

/// What was on the token when it was last looked at.
struct Known {
    active: KeyId,
    listing: Listing,
}

impl Pkcs11Provider {
    /// Opens the token and finds its keys.
    ///
    /// # Errors
    /// [`Pkcs11Error::NotLoaded`], those of the PIN, [`Pkcs11Error::NoToken`], [`Pkcs11Error::NoKeys`] when there is none,
    /// [`Pkcs11Error::RepeatedKey`] and [`Pkcs11Error::ForeignKey`] when it cannot be told which keys are ours.
    pub async fn open(config: Pkcs11Config, rng: Arc<dyn Rng>) -> Result<Self, Pkcs11Error> {
        Self::start(config, rng, |_, listing| listing.active().map(|_| ()).ok_or(Pkcs11Error::NoKeys)).await
    }

    /// Makes the first key on a token that has none of ours, and opens it.
    ///
    /// # Errors
    /// [`Pkcs11Error::Exists`] when there is a key already; the others as [`Pkcs11Provider::open`].
    pub async fn create(config: Pkcs11Config, rng: Arc<dyn Rng>) -> Result<Self, Pkcs11Error> {
        let id = KeyId::random(&*rng);
        let make = move |token: &Token, listing: &Listing| match listing.active() {
            Some(existing) => Err(Pkcs11Error::Exists(existing)),
            None => Ok(token.once(|open| keys::make(open, id, listing.next_number()))?),
        };
        Self::start(config, rng, make).await
    }

    async fn start(
        config: Pkcs11Config,
        rng: Arc<dyn Rng>,
        prepare: impl FnOnce(&Token, &Listing) -> Result<(), Pkcs11Error> + Send + 'static,
    ) -> Result<Self, Pkcs11Error> {
        let (timeout, sessions) = (config.timeout, config.max_sessions.max(1));
        let opened = spawn_blocking(move || {
            let token = Token::load(&config)?;
            let listing = token.with(keys::list)?;
            prepare(&token, &listing)?;
            let listing = token.with(keys::list)?;
            let active = listing.active().ok_or(Pkcs11Error::NoKeys)?;
            Ok::<_, Pkcs11Error>(Inner { token, rng, keys: RwLock::new(Known { active, listing }) })
        });
        let inner = time::timeout(timeout, opened).await;
        let inner = inner.map_err(|_| Pkcs11Error::Slow(timeout.as_secs()))?;
        let inner = inner.map_err(|_| Pkcs11Error::Token("its library panicked".into()))??;
        Ok(Self { inner: Arc::new(inner), sessions: Arc::new(Semaphore::new(sessions)), timeout })
    }

    /// Does work on a thread of its own, once a session is free. The work goes on to its end even when nobody waits any
    /// more, and keeps its session for as long.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let (inner, sessions) = (Arc::clone(&self.inner), Arc::clone(&self.sessions));
        let done = async move {
            let permit = sessions.acquire_owned().await;
            let work = spawn_blocking(move || {
                let _permit = permit;
                work(&inner)
            });
            let panicked = |_| ProviderError::Unavailable("the token's library panicked".into());
            work.await.map_err(panicked)?
        };
        let slow = |_| ProviderError::from(Pkcs11Error::Slow(self.timeout.as_secs()));
        time::timeout(self.timeout, done).await.map_err(slow)?
    }
}

impl Inner {
    fn active(&self) -> KeyId {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).active
    }

    fn knows(&self, id: KeyId) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).listing.0.contains_key(&id)
    }

    /// Looks at the token again.
    fn refresh(&self) -> Result<Listing, ProviderError> {
        let listing = self.token.with(keys::list)?;
        let active = listing.active().ok_or_else(|| ProviderError::from(Pkcs11Error::NoKeys))?;
        let known = Known { active, listing: listing.clone() };
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(listing)
    }

    fn wrap(&self, id: KeyId, associated_data: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, ProviderError> {
        let wrapped = self.token.with(|open| {
            let Some(key) = keys::find(open, id)? else {
                let gone = format!("its active key {id} is no longer on the token");
                return Err(Trouble::Answer(ProviderError::Unavailable(gone)));
            };
            let mut iv = [0; IV_BYTES];
            self.rng.fill(&mut iv);
            let sealed = keys::encrypt(open, key, &mut iv, associated_data, plaintext)?;
            Ok(Wrapped { id, iv, sealed: &sealed }.to_bytes())
        });
        Ok(wrapped?)
    }

    fn unwrap(&self, associated_data: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        let wrapped = Wrapped::parse(wrapped).ok_or(ProviderError::NotWrapped)?;
        let opened = self.token.with(|open| {
            let key = keys::find(open, wrapped.id)?;
            let key = key.ok_or(Trouble::Answer(ProviderError::UnknownKey(wrapped.id)))?;
            keys::decrypt(open, key, &*self.rng, &wrapped, associated_data)
        })?;
        if !self.knows(wrapped.id) {
            // Another process has made it. Its value is open already; who asks for the list gets it at the next chance.
            let _later = self.refresh();
        }
        Ok(opened)
    }

    /// Making a key is the one call that must not be made twice, so nothing but the list tells whether it was made.
    fn rotate(&self) -> Result<KeyId, ProviderError> {
        let number = self.refresh()?.next_number();
        let id = KeyId::random(&*self.rng);
        let made = self.token.once(|open| keys::make(open, id, number));
        let listing = self.refresh()?;
        match made {
            _ if listing.active() == Some(id) => Ok(id),
            Ok(()) => Err(ProviderError::ChangedElsewhere),
            Err(Trouble::Lost(error) | Trouble::Found(error)) => {
                Err(ProviderError::NotChanged(error.to_string()))
            }
            Err(Trouble::Answer(error)) => Err(error),
        }
    }

    fn remove(&self, id: KeyId) -> Result<(), ProviderError> {
        let listing = self.refresh()?;
        if listing.active() == Some(id) {
            return Err(ProviderError::ActiveKey(id));
        }
        if !listing.0.contains_key(&id) {
            return Err(ProviderError::NoSuchKey(id));
        }
        let destroyed = self.token.with(|open| keys::destroy(open, id));
        if self.refresh()?.0.contains_key(&id) {
            let why = destroyed.err().map_or_else(
                || "it is still on the token".into(),
                |error| ProviderError::from(error).to_string(),
            );
            return Err(ProviderError::NotDestroyed(why));
        }
        Ok(())
    }
}

#[async_trait]
impl KeyProvider for Pkcs11Provider {
    fn name(&self) -> &'static str {
        "pkcs11"
    }

    fn active(&self) -> KeyId {
        self.inner.active()
    }

    async fn wrap(&self, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, ProviderError> {
        let id = self.inner.active();
        let (data, plaintext) = (associated_data(place, id), Zeroizing::new(plaintext.to_vec()));
        self.call(move |inner| inner.wrap(id, &data, &plaintext)).await
    }

    async fn unwrap(&self, place: &Place<'_>, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        let id = self.key_of(wrapped)?;
        let (data, wrapped) = (associated_data(place, id), wrapped.to_vec());
        self.call(move |inner| inner.unwrap(&data, &wrapped)).await
    }

    fn key_of(&self, wrapped: &[u8]) -> Result<KeyId, ProviderError> {
        Wrapped::parse(wrapped).map(|wrapped| wrapped.id).ok_or(ProviderError::NotWrapped)
    }

    fn ids(&self) -> Vec<KeyId> {
        self.inner.keys.read().unwrap_or_else(PoisonError::into_inner).listing.0.keys().copied().collect()
    }

    async fn rotate(&self) -> Result<KeyId, ProviderError> {
        self.call(Inner::rotate).await
    }

    async fn remove(&self, id: KeyId) -> Result<(), ProviderError> {
        self.call(move |inner| inner.remove(id)).await
    }
}

impl fmt::Debug for Pkcs11Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11Provider").field("active", &self.active()).finish_non_exhaustive()
    }
}
