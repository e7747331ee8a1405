//! Destroying: the slot first, for it is the root; its content file after; the slot's sector last.

use crate::{
    error::VaultError,
    fault::Step,
    types::{SlotRef, SlotStatus},
    vault::{Inner, Vault},
};
use model::Timestamp;

/// How far a release of burnt slots came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Released {
    /// Slots that are free again.
    pub slots: u32,
    /// The `from` of the next call; none when every slot was looked at.
    pub next: Option<u32>,
}

impl Vault {
    /// Writes random bytes over the slot's secret and wrapped key, durably. Whatever was sealed under them is gone: in
    /// the store, in its old segments, in every backup. Id, generation and pseudonym stay as a tombstone. Burning a
    /// burnt slot changes nothing.
    ///
    /// # Errors
    /// [`VaultError::Held`], [`VaultError::NoSuchSlot`], [`VaultError::Poisoned`].
    pub async fn burn(&self, slot: SlotRef) -> Result<(), VaultError> {
        let guard = self.0.locks.hold(slot.index).await;
        self.run(move |inner| {
            let _guard = guard;
            inner.burn(slot)
        })
        .await
    }

    /// Overwrites and removes the content file of a burnt slot. False when there is none any more.
    ///
    /// # Errors
    /// [`VaultError::WrongStatus`] unless the slot is burnt, [`VaultError::NoSuchSlot`], [`VaultError::Io`].
    pub async fn destroy_content(&self, slot: SlotRef) -> Result<bool, VaultError> {
        let guard = self.0.locks.hold(slot.index).await;
        self.run(move |inner| {
            let _guard = guard;
            inner.destroy_content(slot)
        })
        .await
    }

    /// Makes slots free that were burnt before `older_than` (the backup horizon) and whose content is gone. One page at
    /// a time, from sector `from` on. They keep their generation, so that it is never given out again.
    ///
    /// # Errors
    /// [`VaultError::Poisoned`], [`VaultError::Io`].
    pub async fn release_burnt(&self, from: u32, older_than: Timestamp) -> Result<Released, VaultError> {
        self.run(move |inner| {
            let gone = |view: &crate::SlotView| inner.contents.has(view.slot.facemap).map(|there| !there);
            let (slots, next) = inner.slots.release(from, older_than, gone)?;
            Ok(Released { slots, next })
        })
        .await
    }
}

impl Inner {
    pub(crate) fn burn(&self, slot: SlotRef) -> Result<(), VaultError> {
        let stop = || self.faults.reach(Step::Burnt);
        self.slots.change(slot, stop, |sector| {
            if sector.status == SlotStatus::Burnt {
                return Ok(false);
            }
            if sector.hold {
                return Err(VaultError::Held);
            }
            sector.burn(self.now(), &*self.rng);
            Ok(true)
        })
    }

    pub(crate) fn destroy_content(&self, slot: SlotRef) -> Result<bool, VaultError> {
        let sector = self.slots.read(slot)?;
        if sector.status != SlotStatus::Burnt {
            return Err(VaultError::WrongStatus { is: sector.status });
        }
        self.contents.destroy(slot.facemap, &*self.rng, &self.faults)
    }
}
