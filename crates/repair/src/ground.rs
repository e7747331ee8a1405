//! What a house stands on, for whoever works on it while no service runs.

use crate::{Plan, RepairError, Tombstone, Trouble};
use async_trait::async_trait;
use model::{Clock, Rng};
use records::{Records, Shape};
use seal::{HeldKeys, KeyProvider};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use store::{Store, StoreError};
use vault::{Inspection, Mode, Vault, VaultError, VaultPaths};

/// Opens and closes stores. Which engine it is only the wiring knows.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Opens the store in this folder, or makes a new one.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] says why it does not open.
    async fn open(&self, folder: &Path) -> Result<Arc<dyn Store>, StoreError>;
    /// Closes the store in this folder, if it was opened.
    async fn close(&self, folder: &Path);
}

/// The folders, keys and habits of a house at rest.
#[derive(Clone)]
pub struct Ground {
    /// Opens stores.
    pub engine: Arc<dyn Engine>,
    /// The folder of the store.
    pub db: PathBuf,
    /// Slots and contents.
    pub paths: VaultPaths,
    /// The book's anchor.
    pub anchor: PathBuf,
    /// Whether the people are real.
    pub mode: Mode,
    /// The wrapping keys.
    pub provider: Arc<dyn KeyProvider>,
    /// The held keys.
    pub keys: Arc<HeldKeys>,
    /// All tables, as their rooms describe them.
    pub shapes: fn() -> Vec<Shape>,
    /// Kinds of jobs, as the first byte of their keys, that a restore lays down again.
    pub kept_jobs: Vec<u8>,
    /// How long a transaction may be open at Jumio.
    pub window: Duration,
    /// How old copies of the slot file may be.
    pub slot_backup_horizon: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

impl Ground {
    /// Takes hold of the slot file for looking.
    ///
    /// # Errors
    /// [`VaultError::InUse`] while a service runs.
    pub async fn inspect(&self) -> Result<Inspection, VaultError> {
        Inspection::open(self.paths.clone(), Arc::clone(&self.provider), Arc::clone(&self.keys)).await
    }

    /// Opens the vault in full.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub async fn vault(&self, paths: VaultPaths) -> Result<Arc<Vault>, VaultError> {
        let (provider, keys) = (Arc::clone(&self.provider), Arc::clone(&self.keys));
        let (rng, clock) = (Arc::clone(&self.rng), Arc::clone(&self.clock));
        let (vault, _) = Vault::open(paths, self.mode, provider, keys, rng, clock).await?;
        Ok(Arc::new(vault))
    }

    /// Records over a store.
    #[must_use]
    pub fn records(&self, store: Arc<dyn Store>) -> Records {
        Records::new(store, Arc::clone(&self.keys), Arc::clone(&self.rng))
    }
}

/// Whether what only an order can settle was ordered, and may be.
pub(crate) fn may_give_up(troubles: &[Trouble], give_up: bool) -> Result<(), RepairError> {
    const LISTED: usize = 20;
    let list = |troubles: Vec<&Trouble>| {
        let more = troubles.len().saturating_sub(LISTED);
        let mut text: Vec<_> = troubles.iter().take(LISTED).map(ToString::to_string).collect();
        if more > 0 {
            text.push(format!("and {more} more"));
        }
        text.join("; ")
    };
    let hopeless: Vec<_> =
        troubles.iter().filter(|t| t.is_held() || matches!(t, Trouble::RepeatedId(..))).collect();
    if !hopeless.is_empty() {
        return Err(RepairError::Refused(format!(
            "these slots are on hold, or nobody can tell whose they are, so they cannot be given up; put slot file or \
             contents back from a backup: {}",
            list(hopeless)
        )));
    }
    if !troubles.is_empty() && !give_up {
        return Err(RepairError::Refused(format!(
            "{} people would be lost for ever; put slot file or contents back from a backup, or give them up with \
             `--give-up-damaged`: {}",
            troubles.len(),
            list(troubles.iter().collect())
        )));
    }
    Ok(())
}

/// Burns the slots that were ordered to be given up, and what purges and imports that were interrupted had still to burn.
pub(crate) async fn give_up(vault: &Vault, plan: &mut Plan) -> Result<(), RepairError> {
    for slot in &plan.purged {
        vault.burn_unnamed(*slot).await?;
        vault.destroy_content(*slot).await?;
    }
    for slot in &plan.seconds {
        vault.give_back(*slot).await?;
    }
    for trouble in &plan.troubles {
        match trouble {
            Trouble::Content(slot, ..) => {
                vault.burn(*slot).await?;
                // Whoever is given up is gone for ever, and the new store says so as any later one would.
                plan.tombstones.push(Tombstone { view: vault.view(*slot).await? });
            }
            Trouble::Second(slot, _) => vault.burn(*slot).await?,
            Trouble::Sector(_) | Trouble::RepeatedId(..) => {}
        }
    }
    Ok(())
}
