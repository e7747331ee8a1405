//! The slots of one subject in the slot file, and sectors that are damaged while the vault is in use.

use crate::{
    burning::OwnSlots,
    error::VaultError,
    one_bit,
    sector::{SECTOR, Sector, SectorBytes},
    slot_file::{SlotFile, State, position},
    types::SlotStatus,
};
use seal::Pseudonym;
use std::{os::unix::fs::FileExt as _, sync::PoisonError};
use zeroize::Zeroizing;

impl SlotFile {
    pub(crate) fn of_subject(&self, subject: &Pseudonym) -> Result<OwnSlots, VaultError> {
        self.sync.check()?;
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut own = OwnSlots::default();
        for index in state.subjects.places(subject) {
            match Sector::decode(&*self.bytes(&state, index)?, self.vault(), index) {
                Ok(sector) if sector.status == SlotStatus::Free || sector.subject != *subject.as_bytes() => {}
                Ok(sector) => own.views.push(sector.view()),
                Err(_) => own.damaged.push(index),
            }
        }
        own.views.sort_unstable_by_key(|view| std::cmp::Reverse(view.slot.generation));
        Ok(own)
    }

    /// Writes a sector over one that is damaged, durably, in a place that is known as this subject's.
    pub(crate) fn write_over_damage(&self, sector: &Sector, subject: &Pseudonym) -> Result<(), VaultError> {
        self.sync.check()?;
        let index = sector.slot.index;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if Sector::decode(&*self.bytes(&state, index)?, self.vault(), index).is_ok() {
            return Err(VaultError::NotDamaged);
        }
        if !state.subjects.has(subject, index) {
            return Err(VaultError::NoSuchSlot);
        }
        let ticket = self.write(&mut state, sector)?;
        drop(state);
        self.sync.settle(ticket, &self.file)
    }

    /// Puts a sector right that is damaged in one bit. Whether it is whole now.
    pub(crate) fn put_right(&self, index: u32) -> Result<bool, VaultError> {
        self.sync.check()?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let bytes = self.bytes(&state, index)?;
        if Sector::decode(&bytes, self.vault(), index).is_ok() {
            return Ok(true);
        }
        let whole = one_bit::undone(&bytes, |bytes| Sector::decode(bytes, self.vault(), index).ok());
        let Some((_, sector)) = whole else { return Ok(false) };
        let ticket = self.write(&mut state, &sector)?;
        drop(state);
        self.sync.settle(ticket, &self.file)?;
        Ok(true)
    }

    /// A sector as it lies there, whole or not.
    fn bytes(&self, state: &State, index: u32) -> Result<SectorBytes, VaultError> {
        if index >= state.header.slots {
            return Err(VaultError::NoSuchSlot);
        }
        let mut bytes: SectorBytes = Zeroizing::new([0; SECTOR]);
        let read = self.file.read_exact_at(&mut *bytes, position(index));
        read.map(|()| bytes).map_err(VaultError::io("read the slot file"))
    }
}
