//! What acts on keys stand on, and the list of all keys.

use super::{HeldKeysShelf, KeyView, KeysView};
use crate::CustodyError;
use audit::Audit;
use model::{Clock, Timestamp};
use queue::Queue;
use records::Records;
use seal::{HeldKeysFile, KeyId, KeyProvider};
use std::{collections::BTreeMap, fmt, future::Future, sync::Arc};
use tokio::{runtime::Handle, sync::Mutex};
use vault::Vault;

/// What acts on keys stand on.
pub struct KeysParts {
    /// The tables.
    pub records: Records,
    /// The strongroom, whose slots lie under the wrapping keys.
    pub vault: Arc<Vault>,
    /// The book.
    pub audit: Audit,
    /// The desk.
    pub queue: Queue,
    /// Who holds the wrapping keys: the same as the vault's.
    pub provider: Arc<dyn KeyProvider>,
    /// Where the held keys rest.
    pub shelf: Arc<dyn HeldKeysShelf>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Acts on keys. Clones are the same ones. It also does the jobs of [`queue::Kind::Rewrap`].
#[derive(Clone)]
pub struct Keys(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) parts: KeysParts,
    /// One act at a time: nobody rotates while another decides which key is needed no more.
    pub(super) acts: Mutex<()>,
    runtime: Handle,
}

impl Keys {
    /// Over what they stand on, within the runtime that outlives all requests.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn new(parts: KeysParts) -> Self {
        Self(Arc::new(Inner { parts, acts: Mutex::default(), runtime: Handle::current() }))
    }

    /// All keys, and what lies under each. Every slot is looked at for it.
    ///
    /// # Errors
    /// [`CustodyError::Vault`], [`CustodyError::Shelf`], [`CustodyError::HeldKeys`].
    pub async fn list(&self) -> Result<KeysView, CustodyError> {
        let parts = self.parts();
        let held = parts.shelf.load().await?;
        let names = self.named_by(&held)?;
        let slots = parts.vault.wrapping_keys().await?;
        let (active, present) = (parts.provider.active(), parts.provider.ids());
        let mut wrapping: BTreeMap<KeyId, u64> = present.iter().map(|id| (*id, 0)).collect();
        wrapping.extend(names.iter().map(|id| (*id, 0)));
        wrapping.extend(slots);
        let mut items: Vec<_> = wrapping
            .into_iter()
            .map(|(id, slots)| KeyView::Wrapping {
                id,
                active: id == active,
                present: present.contains(&id),
                slots,
                held_keys: names.contains(&id),
            })
            .collect();
        let held = held.keys.into_iter().map(|key| KeyView::Held { id: key.id, purpose: key.purpose });
        items.extend(held);
        Ok(KeysView { provider: parts.provider.name(), items })
    }

    pub(super) fn parts(&self) -> &KeysParts {
        &self.0.parts
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.parts.clock.now()
    }

    /// The wrapping keys that the held keys' file names.
    pub(super) fn named_by(&self, held: &HeldKeysFile) -> Result<Vec<KeyId>, CustodyError> {
        Ok(held.wrapping_keys(&*self.0.parts.provider)?)
    }

    /// Brings the held keys under the active key, unless they are there. The caller holds `acts`.
    pub(super) async fn rewrap_held_keys(&self) -> Result<(), CustodyError> {
        let KeysParts { shelf, provider, .. } = self.parts();
        let held = shelf.load().await?;
        if self.named_by(&held)? == [provider.active()] {
            return Ok(());
        }
        shelf.store(held.rewrapped(&**provider).await?).await?;
        Ok(())
    }

    /// Runs an act to its end, even if nobody waits for it any more.
    pub(super) async fn to_the_end<T: Send + 'static>(
        &self,
        act: impl Future<Output = Result<T, CustodyError>> + Send + 'static,
    ) -> Result<T, CustodyError> {
        match self.0.runtime.spawn(act).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(CustodyError::Stopping),
            },
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}
