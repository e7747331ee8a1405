//! The key provider, watched: whether it is away is known from every call to it, and from a small one of our own where it
//! can go away. Nothing but decryption stops while it is.

use async_trait::async_trait;
use model::{Clock, Rng};
use seal::{KeyId, KeyProvider, Place, ProviderError};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use zeroize::Zeroizing;

/// How often a provider that can be away is tried.
const PROBE_EVERY: Duration = Duration::from_secs(15);
/// How soon one that is away is tried again, at first.
const AGAIN: Duration = Duration::from_secs(1);
/// Where the probe's random value lies: nowhere. Nothing else is ever wrapped for this place.
const PROBE: Place<'static> = Place { table: "probe", record: b"", field: "probe", generation: 0 };

/// Passes every call on to the provider, and remembers whether the last one found it away.
pub(crate) struct WatchedProvider {
    inner: Arc<dyn KeyProvider>,
    away: RwLock<Option<String>>,
}

impl WatchedProvider {
    pub(crate) fn new(inner: Arc<dyn KeyProvider>) -> Self {
        Self { inner, away: RwLock::new(None) }
    }

    /// Why the provider cannot be used at the moment.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.away.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Any answer but [`ProviderError::Unavailable`] shows that it is there, a refusal too.
    fn noted<T>(&self, answer: Result<T, ProviderError>) -> Result<T, ProviderError> {
        let now = match &answer {
            Err(error @ ProviderError::Unavailable(_)) => Some(error.to_string()),
            _ => None,
        };
        let before = self.trouble();
        match (&before, &now) {
            (None, Some(why)) => tracing::warn!("Facemaps cannot be opened or stored: {why}"),
            (Some(_), None) => tracing::info!("The key provider is back."),
            _ => {}
        }
        if before != now {
            *self.away.write().unwrap_or_else(PoisonError::into_inner) = now;
        }
        answer
    }

    /// Tries the provider again and again: a vault that nobody uses at the moment must not be sent somebody whom it cannot
    /// serve, and one whose provider is back must not wait for somebody to find out.
    pub(crate) async fn probe(&self, clock: &dyn Clock, rng: &dyn Rng) {
        let mut pause = AGAIN;
        loop {
            let away = self.try_out(rng).await.is_err_and(|error| error.is_retryable());
            pause = if away { (pause * 2).min(PROBE_EVERY) } else { AGAIN };
            clock.sleep(if away { pause } else { PROBE_EVERY }).await;
        }
    }

    async fn try_out(&self, rng: &dyn Rng) -> Result<(), ProviderError> {
        let mut value = Zeroizing::new([0; 32]);
        rng.fill(&mut *value);
        let wrapped = self.wrap(&PROBE, &*value).await?;
        let same = *self.unwrap(&PROBE, &wrapped).await? == *value;
        let other = || ProviderError::Unavailable("it gave back another value than it was given".to_owned());
        self.noted(if same { Ok(()) } else { Err(other()) })
    }
}

#[async_trait]
impl KeyProvider for WatchedProvider {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn active(&self) -> KeyId {
        self.inner.active()
    }

    async fn wrap(&self, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, ProviderError> {
        self.noted(self.inner.wrap(place, plaintext).await)
    }

    async fn unwrap(&self, place: &Place<'_>, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        self.noted(self.inner.unwrap(place, wrapped).await)
    }

    fn key_of(&self, wrapped: &[u8]) -> Result<KeyId, ProviderError> {
        self.inner.key_of(wrapped)
    }

    fn ids(&self) -> Vec<KeyId> {
        self.inner.ids()
    }

    async fn rotate(&self) -> Result<KeyId, ProviderError> {
        self.noted(self.inner.rotate().await)
    }

    async fn remove(&self, id: KeyId) -> Result<(), ProviderError> {
        self.noted(self.inner.remove(id).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{clock::MockClock, rng::SeededRng};
    use seal::MemoryProvider;

    #[tokio::test]
    async fn every_call_tells_whether_the_provider_is_away() {
        let memory = Arc::new(MemoryProvider::new(1));
        let watched = WatchedProvider::new(Arc::clone(&memory) as Arc<dyn KeyProvider>);
        let wrapped = watched.wrap(&PROBE, b"a key").await.unwrap();
        assert_eq!(watched.trouble(), None);
        memory.go_away();
        watched.unwrap(&PROBE, &wrapped).await.unwrap_err();
        assert!(watched.trouble().unwrap().contains("away"));
        memory.come_back();
        // A value that does not open is no provider gone.
        watched.unwrap(&PROBE, b"no envelope").await.unwrap_err();
        assert_eq!(watched.trouble(), None);
    }

    #[tokio::test]
    async fn the_probe_notices_what_nobody_asks_for() {
        let memory = Arc::new(MemoryProvider::new(1));
        let watched = Arc::new(WatchedProvider::new(Arc::clone(&memory) as Arc<dyn KeyProvider>));
        let (clock, probed) = (MockClock::at("2026-11-21T12:00:00Z"), Arc::clone(&watched));
        let ticking = clock.clone();
        let probing = tokio::spawn(async move { probed.probe(&ticking, &SeededRng::new(2)).await });
        let becomes = async |away: bool| {
            for _ in 0..10_000 {
                if watched.trouble().is_some() == away {
                    return;
                }
                clock.advance(Duration::from_millis(100));
                tokio::task::yield_now().await;
            }
            panic!("nobody noticed");
        };
        memory.go_away();
        becomes(true).await;
        memory.come_back();
        becomes(false).await;
        probing.abort();
    }
}
