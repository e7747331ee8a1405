//! All slots of a person, whatever crashed before: none of them is left when the record says purged.

use crate::{Custody, CustodyError, purge::row::ErasureRow};
use records::EnrollmentKey;
use std::cmp::Reverse;
use vault::{OwnSlots, SlotKind, SlotRef, SlotStatus, SlotView, VaultError};

/// What the slot that the record names says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnSlot {
    /// It may still open something.
    InUse,
    /// It is burnt, or somebody else's by now, which it cannot be without having been burnt.
    Gone,
    /// Its sector says nothing any more.
    Damaged,
}

impl Custody {
    pub(crate) async fn own_slot(&self, slot: SlotRef) -> Result<OwnSlot, CustodyError> {
        match self.view_put_right(slot).await? {
            Some(view) if view.status == SlotStatus::Burnt => Ok(OwnSlot::Gone),
            Some(_) => Ok(OwnSlot::InUse),
            None => match self.parts.vault.view(slot).await {
                Err(VaultError::Damaged(_)) => Ok(OwnSlot::Damaged),
                _ => Ok(OwnSlot::Gone),
            },
        }
    }

    /// The slot that a record names, put right where one bit of its sector is flipped. `None` when it is somebody else's
    /// by now, or too damaged to say anything.
    pub(crate) async fn view_put_right(&self, slot: SlotRef) -> Result<Option<SlotView>, CustodyError> {
        let vault = &self.parts.vault;
        let mut seen = vault.view(slot).await;
        if matches!(seen, Err(VaultError::Damaged(_))) && vault.put_right(slot.index).await? {
            tracing::warn!(slot = slot.index, "a flipped bit of a slot was put right");
            seen = vault.view(slot).await;
        }
        match seen {
            Ok(view) => Ok(Some(view)),
            Err(VaultError::NoSuchSlot | VaultError::Damaged(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Burns every slot of the person's but the one of what Jumio still has, and destroys every content.
    ///
    /// The youngest goes first. A rebuild believes a burnt slot that is younger than what is left, so the person does not
    /// come back wherever this is interrupted.
    pub(crate) async fn burn_all(
        &self,
        key: EnrollmentKey,
        erasure: &ErasureRow,
    ) -> Result<(), CustodyError> {
        let (vault, own) = (&self.parts.vault, erasure.slot);
        let all = self.slots_put_right(key).await?;
        let is_damaged = all.damaged.contains(&own.index);
        let mut burning: Vec<_> =
            all.views.iter().filter(|view| must_burn(view, erasure)).map(|view| view.slot).collect();
        burning.extend(is_damaged.then_some(own));
        burning.sort_unstable_by_key(|slot| Reverse(slot.generation));
        for slot in burning {
            if slot != own {
                tracing::info!(slot = slot.index, "a slot that no record names is burnt with its person's");
                vault.burn_unnamed(slot).await?;
            } else if is_damaged {
                tracing::error!(slot = own.index, "a damaged slot is burnt with what it held");
                vault.burn_damaged(own, key.0).await?;
            } else {
                vault.burn(own).await?;
            }
        }
        let contents = all.views.iter().filter(|view| view.kind == SlotKind::Facemap).map(|view| view.slot);
        for slot in contents.chain(is_damaged.then_some(own)) {
            vault.destroy_content(slot).await?;
        }
        match all.damaged.iter().find(|index| **index != own.index) {
            Some(index) => Err(CustodyError::SlotDamaged { index: *index }),
            None => Ok(()),
        }
    }

    /// The record never says purged while a slot of the person's still holds.
    pub(crate) async fn require_burnt(
        &self,
        key: EnrollmentKey,
        erasure: &ErasureRow,
    ) -> Result<(), CustodyError> {
        let all = self.parts.vault.slots_of(key.0).await?;
        if let Some(index) = all.damaged.first() {
            return Err(CustodyError::SlotDamaged { index: *index });
        }
        match all.views.iter().find(|view| must_burn(view, erasure)) {
            Some(view) => Err(VaultError::WrongStatus { is: view.status }.into()),
            None => Ok(()),
        }
    }

    async fn slots_put_right(&self, key: EnrollmentKey) -> Result<OwnSlots, CustodyError> {
        let vault = &self.parts.vault;
        let all = vault.slots_of(key.0).await?;
        if all.damaged.is_empty() {
            return Ok(all);
        }
        for index in &all.damaged {
            vault.put_right(*index).await?;
        }
        Ok(vault.slots_of(key.0).await?)
    }
}

fn must_burn(view: &SlotView, erasure: &ErasureRow) -> bool {
    let is_in_use = matches!(view.status, SlotStatus::Prepared | SlotStatus::Live);
    is_in_use
        && match view.kind {
            SlotKind::Facemap => true,
            SlotKind::Erasure => Some(view.slot) != erasure.remote_slot,
            SlotKind::InboxEpoch => false,
        }
}
