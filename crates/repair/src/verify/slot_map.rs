//! The whole slot file in memory, as it was when the walk began: which slot is whose.

use super::Walk;
use crate::{Finding, RepairError, finding::SlotFault};
use records::{EnrollmentKey, Key as _, SlotMark, tables};
use seal::Pseudonym;
use std::collections::{HashMap, HashSet};
use vault::{SlotKind, SlotStatus, SlotView, VaultError};

/// All slots that are not free, by their place.
#[derive(Default)]
pub(crate) struct SlotMap {
    views: HashMap<u32, SlotView>,
    damaged: HashSet<u32>,
}

impl SlotMap {
    /// Whether no slot was ever used.
    pub(crate) fn is_unused(&self) -> bool {
        self.views.is_empty() && self.damaged.is_empty()
    }

    /// All slots, in the order of the file.
    pub(crate) fn views(&self) -> Vec<SlotView> {
        let mut views: Vec<_> = self.views.values().copied().collect();
        views.sort_unstable_by_key(|view| view.slot.index);
        views
    }

    pub(crate) fn is_damaged(&self, index: u32) -> bool {
        self.damaged.contains(&index)
    }

    /// The slot with this mark, whatever its status.
    pub(crate) fn find(&self, mark: SlotMark) -> Option<&SlotView> {
        let (index, generation, id) = mark;
        self.views
            .get(&index)
            .filter(|view| view.slot.generation == generation && *view.slot.facemap.as_bytes() == id)
    }

    pub(crate) fn put(&mut self, index: u32, view: Option<SlotView>) {
        match view {
            Some(view) => drop(self.views.insert(index, view)),
            None => drop(self.views.remove(&index)),
        }
    }
}

impl Walk<'_> {
    /// Reads the slot file, and reports what is wrong with it alone.
    pub(super) async fn read_slots(&mut self) -> Result<(), RepairError> {
        let Some(slots) = self.slots.clone() else { return Ok(()) };
        let mut from = Some(0);
        while let Some(start) = from {
            let page = match slots.sectors(start).await {
                Ok(page) => page,
                // A vault in use cannot tell which sector it is.
                Err(error @ VaultError::Damaged(_)) => {
                    let why = format!("behind slot {start}: {error}; stop the service and check again");
                    self.report.add(Finding::SlotFile { why });
                    self.slots = None;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            self.report.counts.slots += u64::from(page.looked_at);
            for index in page.damaged {
                self.map.damaged.insert(index);
                self.report.add(Finding::Slot(index, SlotFault::Sector));
            }
            for view in page.views {
                self.map.views.insert(view.slot.index, view);
            }
            from = page.next;
        }
        let (mut ids, mut subjects) = (HashSet::new(), HashMap::new());
        for view in self.map.views() {
            if !ids.insert(view.slot.facemap) {
                self.report.add(Finding::Slot(view.slot.index, SlotFault::RepeatedId));
            }
            // A prepared slot that a crash left behind is burnt after a day; two live ones are never left behind.
            if view.kind == SlotKind::Facemap
                && view.status == SlotStatus::Live
                && subjects.insert(view.subject, view.slot.index).is_some()
            {
                self.report.add(Finding::Slot(view.slot.index, SlotFault::RepeatedSubject));
            }
        }
        Ok(())
    }

    /// Looks at one slot again.
    pub(super) async fn reread_slot(&mut self, index: u32) -> Result<Option<SlotView>, RepairError> {
        let Some(slots) = &self.slots else { return Ok(None) };
        let page = slots.sectors(index).await?;
        let view = page.views.into_iter().find(|view| view.slot.index == index);
        self.map.put(index, view);
        Ok(view)
    }

    /// A slot that was burnt and not given back is a person's end: the record of it must be there.
    pub(super) async fn tombstones(&mut self) -> Result<(), RepairError> {
        let mut suspects = Vec::new();
        for view in self.map.views() {
            let is_stone = view.kind == SlotKind::Facemap && view.status == SlotStatus::Burnt;
            let is_given_up = view.given_back || view.subject == Pseudonym::from_bytes([0; 32]);
            if is_stone && !is_given_up && !self.has_record(view.subject).await? {
                suspects.push(view);
            }
        }
        for _ in 0..self.looks_again() {
            if suspects.is_empty() {
                break;
            }
            self.pause().await;
            let mut still = Vec::new();
            for view in suspects {
                if !self.has_record(view.subject).await? {
                    still.push(view);
                }
            }
            suspects = still;
        }
        for view in suspects {
            self.report.add(Finding::Slot(view.slot.index, SlotFault::TombstoneGone));
        }
        Ok(())
    }

    /// Whether a record of an enrollment or of a purge is there for this subject, whatever it says.
    async fn has_record(&self, subject: Pseudonym) -> Result<bool, RepairError> {
        let Some(records) = &self.records else { return Ok(true) };
        let key = (EnrollmentKey(subject),).encode();
        for table in [tables::ENROLLMENTS, tables::ERASURES] {
            if records.store().get(table, &key).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
