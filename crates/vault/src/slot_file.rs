//! The slot file: one header and many sectors. It alone says which slots are free.

use crate::{
    error::{Damage, VaultError},
    fault::{Faults, Step},
    files::{free_bytes, open_direct, read_direct},
    header::Header,
    sector::{SECTOR, Sector, SectorBytes},
    subjects::Subjects,
    sync_group::SyncGroup,
    types::{Mode, SlotRef, SlotStatus, SlotView, Survey, VaultId},
};
use model::Timestamp;
use std::{
    collections::BTreeSet,
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Mutex, PoisonError, RwLock},
};
use zeroize::Zeroizing;

/// Sectors by which the file grows: half a mebibyte.
pub(crate) const GROWTH: u32 = 1024;
const GROWTH_BYTES: u64 = GROWTH as u64 * SECTOR as u64;
pub(crate) const SCAN: u32 = 1024;

/// The open slot file. It holds the exclusive lock for as long as it lives.
pub(crate) struct SlotFile {
    pub(crate) file: File,
    /// For reads past the kernel's memory, where the file system has them.
    direct: Option<File>,
    vault: VaultId,
    mode: Mode,
    /// Shared while a sector is read, exclusive while one is written: a reader never sees half a sector.
    pub(crate) state: RwLock<State>,
    pub(crate) sync: SyncGroup,
    /// Held by whoever copies the file.
    pub(crate) copying: Mutex<()>,
}

pub(crate) struct State {
    pub(crate) header: Header,
    /// In descending order, so that the lowest is taken first.
    free: Vec<u32>,
    next_generation: u64,
    pub(crate) subjects: Subjects,
    /// Sectors written since a copy began, while one is being made.
    pub(crate) changed: Option<BTreeSet<u32>>,
}

/// A page of slots.
pub(crate) struct Page {
    pub(crate) views: Vec<SlotView>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<u32>,
}

impl SlotFile {
    /// Takes over an open and locked file whose header was read.
    pub(crate) fn over(file: File, header: Header, path: &Path) -> Result<(Self, Survey), VaultError> {
        let slots = Self {
            file,
            direct: open_direct(path),
            vault: header.vault,
            mode: header.mode,
            state: RwLock::new(State {
                header,
                free: Vec::new(),
                next_generation: 1,
                subjects: Subjects::default(),
                changed: None,
            }),
            sync: SyncGroup::default(),
            copying: Mutex::default(),
        };
        let survey = slots.survey(path)?;
        Ok((slots, survey))
    }

    pub(crate) const fn vault(&self) -> VaultId {
        self.vault
    }

    pub(crate) const fn mode(&self) -> Mode {
        self.mode
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.state.read().unwrap_or_else(PoisonError::into_inner).header.epoch
    }

    /// Raises the epoch: every store from before is refused from now on.
    pub(crate) fn raise_epoch(&self, known: u64) -> Result<u64, VaultError> {
        self.sync.check()?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let header = Header { epoch: state.header.epoch.max(known) + 1, ..state.header };
        self.write_header(header)?;
        state.header = header;
        Ok(header.epoch)
    }

    /// Takes a free slot, growing the file if there is none, and answers once the slot is durably taken.
    pub(crate) fn take(
        &self,
        faults: &Faults,
        make: impl FnOnce(u32, u64) -> Sector,
    ) -> Result<SlotRef, VaultError> {
        self.sync.check()?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let index = match state.free.pop() {
            Some(index) => index,
            None => self.grow(&mut state, faults)?,
        };
        let generation = state.next_generation;
        state.next_generation += 1;
        let sector = make(index, generation);
        let ticket = self.write(&mut state, &sector)?;
        state.subjects.add(&sector.subject, index);
        drop(state);
        faults.reach(Step::Prepared)?;
        self.sync.settle(ticket, &self.file)?;
        Ok(sector.slot)
    }

    /// The sector of this use of this slot.
    pub(crate) fn read(&self, slot: SlotRef) -> Result<Sector, VaultError> {
        self.sync.check()?;
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        self.read_in(&state, slot)
    }

    /// As [`SlotFile::read`], past the kernel's memory where that is possible: the disk answers.
    pub(crate) fn read_from_disk(&self, slot: SlotRef) -> Result<Sector, VaultError> {
        self.sync.check()?;
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        self.read_by(&state, slot, |bytes, at| match &self.direct {
            Some(direct) if read_direct(direct, at, bytes)? => Ok(()),
            _ => self.file.read_exact_at(bytes, at),
        })
    }

    /// Changes a slot in place, and answers once the change is durable. `change` says whether there was anything to
    /// change; if not, what an earlier caller changed is waited for all the same.
    pub(crate) fn change(
        &self,
        slot: SlotRef,
        stop: impl FnOnce() -> Result<(), VaultError>,
        change: impl FnOnce(&mut Sector) -> Result<bool, VaultError>,
    ) -> Result<(), VaultError> {
        self.sync.check()?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut sector = self.read_in(&state, slot)?;
        let ticket = if change(&mut sector)? { self.write(&mut state, &sector)? } else { self.sync.latest() };
        drop(state);
        stop()?;
        self.sync.settle(ticket, &self.file)
    }

    /// Makes burnt slots free again whose time is before `older_than` and whose content is gone; at most one page
    /// from `from`. Gives back how many, and where to go on.
    pub(crate) fn release(
        &self,
        from: u32,
        older_than: Timestamp,
        gone: impl Fn(&SlotView) -> Result<bool, VaultError>,
    ) -> Result<(u32, Option<u32>), VaultError> {
        let page = self.page(from, SCAN)?;
        let mut released = Vec::new();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut ticket = None;
        for view in page.views {
            if view.status != SlotStatus::Burnt || view.prepared_at >= older_than || !gone(&view)? {
                continue;
            }
            self.read_in(&state, view.slot)?;
            ticket = Some(self.write(&mut state, &Sector::free(view.slot.index, view.slot.generation))?);
            released.push(view.slot.index);
            state.subjects.remove(&view.subject, view.slot.index);
        }
        if let Some(ticket) = ticket {
            self.sync.settle(ticket, &self.file)?;
        }
        // Nobody gets a slot whose release is not durable.
        state.free.extend(&released);
        state.free.sort_unstable_by(|a, b| b.cmp(a));
        Ok((u32::try_from(released.len()).unwrap_or(u32::MAX), page.next))
    }

    /// The slots in use from `from` on, at most `limit` sectors looked at.
    pub(crate) fn page(&self, from: u32, limit: u32) -> Result<Page, VaultError> {
        let mut views = Vec::new();
        let next = self.walk(from, limit, |sector| {
            views.push(sector.view());
            Ok(())
        })?;
        Ok(Page { views, next })
    }

    /// Shows the sectors in use from `from` on, at most `limit` looked at, and gives back where to go on.
    pub(crate) fn walk(
        &self,
        from: u32,
        limit: u32,
        mut visit: impl FnMut(&Sector) -> Result<(), VaultError>,
    ) -> Result<Option<u32>, VaultError> {
        self.sync.check()?;
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let slots = state.header.slots;
        let end = slots.min(from.saturating_add(limit.clamp(1, SCAN)));
        self.each(from, end, |index, bytes| {
            let sector =
                Sector::decode(bytes, self.vault, index).map_err(|_| VaultError::Damaged(Damage::Sector))?;
            if sector.status == SlotStatus::Free { Ok(()) } else { visit(&sector) }
        })?;
        Ok((end < slots).then_some(end))
    }

    /// Refuses once anything has failed.
    pub(crate) fn check(&self) -> Result<(), VaultError> {
        self.sync.check()
    }

    /// Whether the next slot that is taken will find no room: no slot is free, and the file cannot grow. False while
    /// somebody is writing, who finds out.
    pub(crate) fn is_full(&self) -> bool {
        let Ok(state) = self.state.try_read() else { return false };
        state.free.is_empty() && free_bytes(&self.file).is_ok_and(|free| free < GROWTH_BYTES)
    }

    #[cfg(test)]
    pub(crate) fn poison(&self) {
        let _ = self.sync.poison();
    }

    /// Reads every sector once: counts, finds the free ones and the highest generation, refuses damage.
    fn survey(&self, path: &Path) -> Result<Survey, VaultError> {
        // Whatever an earlier process wrote and did not sync before it died is made durable before it is believed.
        self.file.sync_all().map_err(|_| VaultError::Poisoned)?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        let (mut survey, mut bad) = (Survey::default(), Vec::new());
        self.each(0, state.header.slots, |index, bytes| {
            let Ok(sector) = Sector::decode(bytes, self.vault, index) else {
                bad.push(index);
                return Ok(());
            };
            state.next_generation = state.next_generation.max(sector.slot.generation + 1);
            if sector.status != SlotStatus::Free {
                state.subjects.add(&sector.subject, index);
            }
            match sector.status {
                SlotStatus::Free => {
                    state.free.push(index);
                    survey.free += 1;
                }
                SlotStatus::Prepared => survey.prepared += 1,
                SlotStatus::Live => survey.live += 1,
                SlotStatus::Burnt => survey.burnt += 1,
            }
            Ok(())
        })?;
        state.free.reverse();
        match bad.first() {
            None => Ok(survey),
            Some(first) => Err(VaultError::SlotFileDamaged {
                path: path.to_owned(),
                what: format!(
                    "{} of its slots are damaged or not of this file, the first is slot {first}; nothing was changed: \
                     run `facemap-vault verify`, then restore the file from its backup",
                    bad.len()
                ),
            }),
        }
    }

    /// Reads the sectors `from..end` in pieces that are wiped.
    fn each(
        &self,
        from: u32,
        end: u32,
        mut visit: impl FnMut(u32, &[u8; SECTOR]) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let mut buffer = Zeroizing::new(vec![0; SCAN as usize * SECTOR]);
        let mut index = from;
        while index < end {
            let count = SCAN.min(end - index);
            let piece = &mut buffer[..count as usize * SECTOR];
            self.file.read_exact_at(piece, position(index)).map_err(|error| self.unreadable(error))?;
            for (bytes, index) in piece.as_chunks().0.iter().zip(index..) {
                visit(index, bytes)?;
            }
            index += count;
        }
        Ok(())
    }

    fn read_in(&self, state: &State, slot: SlotRef) -> Result<Sector, VaultError> {
        self.read_by(state, slot, |bytes, at| self.file.read_exact_at(bytes, at))
    }

    fn read_by(
        &self,
        state: &State,
        slot: SlotRef,
        read: impl FnOnce(&mut [u8; SECTOR], u64) -> io::Result<()>,
    ) -> Result<Sector, VaultError> {
        if slot.index >= state.header.slots {
            return Err(VaultError::NoSuchSlot);
        }
        let mut bytes: SectorBytes = Zeroizing::new([0; SECTOR]);
        read(&mut bytes, position(slot.index)).map_err(|error| self.unreadable(error))?;
        let sector = Sector::decode(&bytes, self.vault, slot.index);
        let sector = sector.map_err(|_| VaultError::Damaged(Damage::Sector))?;
        if sector.slot == slot && sector.status != SlotStatus::Free {
            Ok(sector)
        } else {
            Err(VaultError::NoSuchSlot)
        }
    }

    /// A disk that does not give back what it has is none to go on with, and the next process looks again. A file that is
    /// too short is not the disk's fault.
    fn unreadable(&self, error: io::Error) -> VaultError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => VaultError::io("read the slot file")(error),
            _ => self.sync.poison(),
        }
    }

    /// One aligned write of a whole sector. The caller holds the state exclusively.
    pub(crate) fn write(&self, state: &mut State, sector: &Sector) -> Result<u64, VaultError> {
        let bytes = sector.encode(self.vault);
        if let Some(changed) = &mut state.changed {
            changed.insert(sector.slot.index);
        }
        match self.file.write_all_at(&*bytes, position(sector.slot.index)) {
            Ok(()) => Ok(self.sync.wrote()),
            Err(_) => Err(self.sync.poison()),
        }
    }

    fn write_header(&self, header: Header) -> Result<(), VaultError> {
        let written = self.file.write_all_at(&header.encode(), 0);
        written.map_err(|_| self.sync.poison())?;
        self.sync.settle(self.sync.wrote(), &self.file)
    }

    /// Appends free sectors, makes them durable, then says so in the header. Gives the first of them away.
    fn grow(&self, state: &mut State, faults: &Faults) -> Result<u32, VaultError> {
        let first = state.header.slots;
        let Some(end) = first.checked_add(GROWTH) else { return Err(VaultError::NoSpace) };
        let mut sectors = Vec::with_capacity(GROWTH as usize * SECTOR);
        for index in first..end {
            sectors.extend_from_slice(&*Sector::free(index, 0).encode(self.vault));
        }
        let half = sectors.len() / 2 + 100;
        let write = |from: usize, to: usize| -> io::Result<()> {
            self.file.write_all_at(&sectors[from..to], position(first) + from as u64)
        };
        write(0, half).map_err(VaultError::io("lengthen the slot file"))?;
        faults.reach(Step::Growth)?;
        write(half, sectors.len()).map_err(VaultError::io("lengthen the slot file"))?;
        self.file.sync_all().map_err(|_| self.sync.poison())?;
        let header = Header { slots: end, ..state.header };
        self.write_header(header)?;
        state.header = header;
        state.free.extend((first + 1..end).rev());
        Ok(first)
    }
}

impl Drop for SlotFile {
    fn drop(&mut self) {
        // Closing would not be enough: a child process that is just being started still has the file open.
        let _ = rustix::fs::flock(&self.file, rustix::fs::FlockOperation::Unlock);
    }
}

/// Where a slot's sector begins: behind the header's.
pub(crate) const fn position(index: u32) -> u64 {
    (index as u64 + 1) * SECTOR as u64
}
