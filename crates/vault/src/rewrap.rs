//! Under which wrapping keys the data keys lie, and how they come under a new one. Only the outer layer changes: the
//! slot's secret, the data key and the content stay as they are.

use crate::{
    check::Queue,
    error::{Damage, VaultError},
    fault::Step,
    sector::{Sector, WRAPPED_MAX},
    slot_keys::SlotSecret,
    types::{SlotKind, SlotRef, SlotStatus},
    vault::{Inner, PAGE, Vault, stopped},
};
use seal::{KeyId, ProviderError};
use std::{collections::BTreeMap, sync::Arc};
use tokio::task::JoinSet;

/// Slots rewrapped at the same time: so many share one fsync, and so many calls a provider gets at once.
const AT_ONCE: usize = 64;

/// How far a rewrap came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrapped {
    /// Slots of this page that are under the active key now and were not before.
    pub slots: u32,
    /// Slots of this page whose wrapped key does not open, or lies under a key that the provider does not have. They were
    /// left as they are; `verify` names the reason.
    pub damaged: Vec<SlotRef>,
    /// The `from` of the next call; none when every slot was looked at.
    pub next: Option<u32>,
}

enum Outcome {
    Done,
    NothingToDo,
    Damaged(SlotRef),
}

impl Vault {
    /// Brings the data keys of one page of slots, from sector `from` on, under the provider's active key, durably.
    /// Slots under it already and burnt ones are left alone. Each new wrapping is unwrapped and compared before it
    /// takes the old one's place, and that place is one sector, written at once: whatever happens, the slot opens. Of
    /// the old wrapping nothing is left. It may be stopped anywhere and called again.
    ///
    /// A facemap that is being put at the same time may still come under the key that was active before: ask
    /// [`Vault::wrapping_keys`], which waits for it, before a key is removed.
    ///
    /// # Errors
    /// [`VaultError::Keys`] when the provider does not do its work, [`VaultError::WrappedKeyTooLong`],
    /// [`VaultError::Poisoned`]. What was done until then stays done.
    pub async fn rewrap(&self, from: u32) -> Result<Rewrapped, VaultError> {
        let (slots, next) = self.run(move |inner| inner.under_other_keys(from)).await?;
        let queue = Queue::new(slots);
        let mut tasks = JoinSet::new();
        for _ in 0..AT_ONCE.min(queue.len()) {
            tasks.spawn(self.clone().rewrap_some(queue.clone()));
        }
        let mut done = Rewrapped { slots: 0, damaged: Vec::new(), next };
        while let Some(some) = tasks.join_next().await {
            let (slots, damaged) = some.unwrap_or_else(stopped)?;
            done.slots += slots;
            done.damaged.extend(damaged);
        }
        done.damaged.sort_unstable_by_key(|slot| slot.index);
        Ok(done)
    }

    /// How many data keys lie under each wrapping key. Whatever was wrapped before this call and is not in its slot yet is
    /// waited for: a key that was not the active one when this was called, and that is not named here, is needed by no
    /// slot, now or later.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] when a slot does not say under which key it lies: then nobody knows what is needed.
    pub async fn wrapping_keys(&self) -> Result<BTreeMap<KeyId, u64>, VaultError> {
        drop(self.0.wrapping.write().await);
        let mut keys = BTreeMap::new();
        let mut from = Some(0);
        while let Some(start) = from {
            (keys, from) = self
                .run(move |inner| {
                    let next = inner.slots.walk(start, PAGE, |sector| {
                        if has_data_key(sector) {
                            *keys.entry(inner.wrapping_key(sector)?).or_default() += 1;
                        }
                        Ok(())
                    })?;
                    Ok((keys, next))
                })
                .await?;
        }
        Ok(keys)
    }

    async fn rewrap_some(self, queue: Queue<SlotRef>) -> Result<(u32, Vec<SlotRef>), VaultError> {
        let (mut slots, mut damaged) = (0, Vec::new());
        while let Some(slot) = queue.take() {
            match self.rewrap_one(slot).await? {
                Outcome::Done => slots += 1,
                Outcome::NothingToDo => {}
                Outcome::Damaged(slot) => damaged.push(slot),
            }
        }
        Ok((slots, damaged))
    }

    /// Holds the slot from before its key is read until the new one is durable: no put, no burning in between.
    async fn rewrap_one(&self, slot: SlotRef) -> Result<Outcome, VaultError> {
        let guard = self.0.locks.hold(slot.index).await;
        let Some((secret, old)) = self.run(move |inner| inner.to_rewrap(slot)).await? else {
            return Ok(Outcome::NothingToDo);
        };
        let wrapping = Arc::clone(&self.0.wrapping).read_owned().await;
        let wrapped = match secret.rewrapped(&*self.0.provider, &old).await {
            Ok(wrapped) => wrapped,
            // One slot under a key that is lost keeps no other from coming under the active one.
            Err(VaultError::Damaged(_) | VaultError::Keys(ProviderError::UnknownKey(_))) => {
                return Ok(Outcome::Damaged(slot));
            }
            Err(other) => return Err(other),
        };
        self.run(move |inner| {
            let _guards = (guard, wrapping);
            let stop = || inner.faults.reach(Step::Rewrapped);
            inner.slots.change(slot, stop, |sector| {
                if !sector.set_wrapped(&wrapped) {
                    return Err(VaultError::WrappedKeyTooLong { bytes: wrapped.len(), limit: WRAPPED_MAX });
                }
                Ok(true)
            })
        })
        .await?;
        Ok(Outcome::Done)
    }
}

impl Inner {
    /// The slots of a page whose data key is not under the active key, and where the next page begins.
    fn under_other_keys(&self, from: u32) -> Result<(Vec<SlotRef>, Option<u32>), VaultError> {
        let active = self.provider.active();
        let mut slots = Vec::new();
        let next = self.slots.walk(from, PAGE, |sector| {
            if has_data_key(sector) && self.wrapping_key(sector).ok() != Some(active) {
                slots.push(sector.slot);
            }
            Ok(())
        })?;
        Ok((slots, next))
    }

    /// What is to be rewrapped, unless somebody burnt it or was first.
    fn to_rewrap(&self, slot: SlotRef) -> Result<Option<(SlotSecret, Vec<u8>)>, VaultError> {
        let sector = match self.slots.read(slot) {
            Ok(sector) => sector,
            Err(VaultError::NoSuchSlot) => return Ok(None),
            Err(other) => return Err(other),
        };
        if !has_data_key(&sector) || self.wrapping_key(&sector).ok() == Some(self.provider.active()) {
            return Ok(None);
        }
        Ok(Some((SlotSecret::of(&sector, self.slots.vault()), sector.wrapped().to_vec())))
    }

    fn wrapping_key(&self, sector: &Sector) -> Result<KeyId, VaultError> {
        self.provider.key_of(sector.wrapped()).map_err(|_| VaultError::Damaged(Damage::DataKey))
    }
}

/// Whether there is a data key in it that opens something.
pub(crate) fn has_data_key(sector: &Sector) -> bool {
    let in_use = matches!(sector.status, SlotStatus::Prepared | SlotStatus::Live);
    in_use && sector.kind == SlotKind::Facemap && !sector.wrapped().is_empty()
}
