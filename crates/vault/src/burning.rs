//! Destroying: the slot first, for it is the root; its content file after; the slot's sector last.

use crate::{
    error::VaultError,
    fault::Step,
    sector::Sector,
    types::{SlotKind, SlotRef, SlotStatus, SlotView},
    vault::{Inner, Vault},
};
use model::Timestamp;
use seal::Pseudonym;

/// How far a release of burnt slots came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Released {
    /// Slots that are free again.
    pub slots: u32,
    /// The `from` of the next call; none when every slot was looked at.
    pub next: Option<u32>,
}

/// All slots of a subject that are not free.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnSlots {
    /// Those that say what they are, the youngest first.
    pub views: Vec<SlotView>,
    /// The places of those whose sector is damaged.
    pub damaged: Vec<u32>,
}

/// Why a slot is burnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its person goes; a hold forbids it.
    Purged,
    /// Its person goes, and no record names the slot: a mark of a hold on it stands for nothing.
    PurgedUnnamed,
    /// No record names it. The person may well be here.
    GivenBack,
}

impl Vault {
    /// All slots of a subject that are not free: taken, live, burnt. From memory, but for the slots themselves.
    ///
    /// # Errors
    /// [`VaultError::Poisoned`], [`VaultError::Io`].
    pub async fn slots_of(&self, subject: Pseudonym) -> Result<OwnSlots, VaultError> {
        self.run(move |inner| inner.slots.of_subject(&subject)).await
    }

    /// Burns a slot that no record names, or none any more, whatever mark is on it, and destroys what lies under it. The
    /// slot is nobody's tombstone. A slot that is burnt stays what it is; its content goes all the same.
    ///
    /// # Errors
    /// As [`Vault::burn`] but for the hold, and as [`Vault::destroy_content`].
    pub async fn give_back(&self, slot: SlotRef) -> Result<(), VaultError> {
        let guard = self.0.locks.hold(slot.index).await;
        self.run(move |inner| {
            let _guard = guard;
            inner.burn(slot, Why::GivenBack)?;
            inner.destroy_content(slot).map(drop)
        })
        .await
    }

    /// Burns a slot of a person who is purged that no record names, whatever mark is on it: the record says whether the
    /// person is held. It is a tombstone like the person's own.
    ///
    /// # Errors
    /// As [`Vault::burn`] but for the hold.
    pub async fn burn_unnamed(&self, slot: SlotRef) -> Result<(), VaultError> {
        let guard = self.0.locks.hold(slot.index).await;
        self.run(move |inner| {
            let _guard = guard;
            inner.burn(slot, Why::PurgedUnnamed)
        })
        .await
    }

    /// Writes a damaged sector anew as the burnt one of this slot, which a record names as this subject's: what was under
    /// it cannot be told any more, and must not stay. Whether a hold forbids it, the record says.
    ///
    /// # Errors
    /// [`VaultError::NotDamaged`] where the sector is whole: use [`Vault::burn`]. [`VaultError::NoSuchSlot`] when the
    /// place was somebody else's when the vault was opened, or since; [`VaultError::Poisoned`].
    pub async fn burn_damaged(&self, slot: SlotRef, subject: Pseudonym) -> Result<(), VaultError> {
        let guard = self.0.locks.hold(slot.index).await;
        self.run(move |inner| {
            let _guard = guard;
            let (now, rng) = (inner.now(), &*inner.rng);
            let mut sector =
                Sector::prepared(slot.index, slot.generation, SlotKind::Facemap, &subject, now, rng);
            sector.slot = slot;
            sector.burn(now, rng);
            inner.slots.write_over_damage(&sector, &subject)?;
            inner.entries.burnt(slot);
            Ok(())
        })
        .await
    }

    /// Puts the sector at this place right if it is damaged in one bit only: its checksum proves what it was. Whether it
    /// is whole now.
    ///
    /// # Errors
    /// [`VaultError::NoSuchSlot`] behind the last, [`VaultError::Poisoned`], [`VaultError::Io`].
    pub async fn put_right(&self, index: u32) -> Result<bool, VaultError> {
        let guard = self.0.locks.hold(index).await;
        self.run(move |inner| {
            let _guard = guard;
            inner.slots.put_right(index)
        })
        .await
    }

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
            inner.burn(slot, Why::Purged)
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
    pub(crate) fn burn(&self, slot: SlotRef, why: Why) -> Result<(), VaultError> {
        let stop = || self.faults.reach(Step::Burnt);
        self.slots.change(slot, stop, |sector| {
            if sector.status == SlotStatus::Burnt {
                return Ok(false);
            }
            match why {
                Why::Purged if sector.hold => return Err(VaultError::Held),
                Why::Purged => {}
                Why::PurgedUnnamed => sector.hold = false,
                Why::GivenBack => (sector.hold, sector.given_back) = (false, true),
            }
            sector.burn(self.now(), &*self.rng);
            Ok(true)
        })?;
        self.entries.burnt(slot);
        Ok(())
    }

    pub(crate) fn destroy_content(&self, slot: SlotRef) -> Result<bool, VaultError> {
        let sector = self.slots.read(slot)?;
        if sector.status != SlotStatus::Burnt {
            return Err(VaultError::WrongStatus { is: sector.status });
        }
        self.contents.destroy(slot.facemap, &*self.rng, &self.faults)
    }
}
