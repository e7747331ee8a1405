//! What slots and contents say, read without changing a byte.

use crate::{
    RepairError,
    progress::{Progress, Stage},
    slots::Slots,
};
use register::FacemapNote;
use seal::Pseudonym;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
};
use vault::{Damage, FacemapId, Found, SlotKind, SlotRef, SlotStatus, SlotView, VaultError};

/// Contents that are opened in one go.
const PAGE: usize = 256;

/// A facemap that is whole.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its slot.
    pub view: SlotView,
    /// What its content says.
    pub found: Found,
    /// Who the person is, as far as it says so.
    pub note: Option<FacemapNote>,
}

/// A slot that is burnt.
#[derive(Debug, Clone, Copy)]
pub struct Tombstone {
    /// The slot.
    pub view: SlotView,
}

/// What keeps a slot from being used, and what only an order can settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The sector is damaged: whoever it was is lost.
    Sector(u32),
    /// The content does not open: the facemap is lost, unless a backup has the file.
    Content(SlotRef, Damage, bool),
    /// There is a newer slot in use of the same enrollment.
    Second(SlotRef, bool),
    /// The facemap id is another slot's too.
    RepeatedId(SlotRef, bool),
}

impl Trouble {
    /// Whether a legal hold forbids giving it up.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        match self {
            Self::Sector(_) => false,
            Self::Content(_, _, held) | Self::Second(_, held) | Self::RepeatedId(_, held) => *held,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sector(index) => {
                write!(f, "slot {index} is damaged; a backup of the slot file may have it")
            }
            Self::Content(slot, damage, _) => write!(
                f,
                "the facemap of slot {} does not open ({damage}); a backup may have its content file {}",
                slot.index, slot.facemap
            ),
            Self::Second(slot, _) => {
                write!(f, "slot {} belongs to the same enrollment as a newer one", slot.index)
            }
            Self::RepeatedId(slot, _) => write!(f, "slot {} has the facemap id of another slot", slot.index),
        }
    }
}

/// What is to be made.
#[derive(Debug, Default)]
pub struct Plan {
    /// Facemaps that are whole, in the order of their slots.
    pub kept: Vec<Kept>,
    /// Slots that are burnt.
    pub tombstones: Vec<Tombstone>,
    /// Slots that were taken and have no whole content: their transactions were under way.
    pub unfinished: Vec<SlotView>,
    /// Slots in use of people whose burnt slot is younger: what a purge still had to burn.
    pub purged: Vec<SlotRef>,
    /// Slots beside the one that is kept of the same person: what an import still had to give back.
    pub seconds: Vec<SlotRef>,
    /// Slots under which deletions at Jumio were still to be made.
    pub erasures: Vec<SlotView>,
    /// What only an order can settle.
    pub troubles: Vec<Trouble>,
    /// Content files without any slot.
    pub unclaimed: Vec<FacemapId>,
    /// What else is to be read by whoever reads what was lost, a sentence each.
    pub told: Vec<String>,
}

impl Plan {
    /// Looks at every slot and every content.
    ///
    /// # Errors
    /// When something cannot be read for another reason than damage: keys out of reach, a disk.
    pub async fn of(slots: &dyn Slots, progress: &dyn Progress) -> Result<Self, RepairError> {
        let mut plan = Self::default();
        let mut claimed = HashSet::new();
        let mut in_use = Vec::new();
        let mut from = Some(0);
        while let Some(start) = from {
            let page = slots.sectors(start).await?;
            plan.troubles.extend(page.damaged.into_iter().map(Trouble::Sector));
            for view in page.views {
                plan.sort(view, &mut claimed, &mut in_use);
            }
            from = page.next;
        }
        let in_use = plan.without_purged(in_use);
        let in_use = newest(&mut plan.troubles, in_use);
        plan.check(slots, in_use, progress).await?;
        let listing = slots.listing().await?;
        plan.unclaimed =
            listing.files.into_iter().map(|(id, _)| id).filter(|id| !claimed.contains(id)).collect();
        Ok(plan)
    }

    fn sort(&mut self, view: SlotView, claimed: &mut HashSet<FacemapId>, in_use: &mut Vec<SlotView>) {
        let is_in_use = matches!(view.status, SlotStatus::Prepared | SlotStatus::Live);
        match view.kind {
            SlotKind::Facemap if !claimed.insert(view.slot.facemap) && is_in_use => {
                self.troubles.push(Trouble::RepeatedId(view.slot, view.hold));
            }
            SlotKind::Facemap if is_in_use => in_use.push(view),
            // A sector that was given up earlier is nobody's tombstone, nor is a slot that no record named.
            SlotKind::Facemap if view.subject != Pseudonym::from_bytes([0; 32]) && !view.given_back => {
                self.tombstones.push(Tombstone { view });
            }
            SlotKind::Erasure if is_in_use => self.erasures.push(view),
            _ => {}
        }
    }

    /// Takes out whoever has a younger tombstone: a purge burns all slots of a person, the youngest first, so it was
    /// interrupted there, or what is left came out of a copy. A held one in use is left to somebody's judgement.
    fn without_purged(&mut self, in_use: Vec<SlotView>) -> Vec<SlotView> {
        let mut youngest: HashMap<[u8; 32], u64> = HashMap::new();
        for stone in &self.tombstones {
            let youngest = youngest.entry(*stone.view.subject.as_bytes()).or_default();
            *youngest = stone.view.slot.generation.max(*youngest);
        }
        let is_purged = |view: &SlotView| {
            youngest.get(view.subject.as_bytes()).is_some_and(|youngest| *youngest > view.slot.generation)
        };
        let (purged, others): (Vec<_>, Vec<_>) = in_use.into_iter().partition(is_purged);
        for view in purged {
            if view.hold && view.status == SlotStatus::Live {
                self.troubles.push(Trouble::Second(view.slot, true));
            } else {
                self.purged.push(view.slot);
            }
        }
        others
    }

    /// Of whole facemaps of the same enrollment the live one stays, or else the youngest: the others are what a crash
    /// left of imports, and no record ever named them.
    fn keep_one_of_each(&mut self) {
        let mut best: HashMap<[u8; 32], SlotView> = HashMap::new();
        let rank = |view: &SlotView| (view.status == SlotStatus::Live, view.slot.generation);
        for Kept { view, .. } in &self.kept {
            let best = best.entry(*view.subject.as_bytes()).or_insert(*view);
            if rank(view) > rank(best) {
                *best = *view;
            }
        }
        let seconds = &mut self.seconds;
        self.kept.retain(|Kept { view, .. }| {
            let is_best = best.get(view.subject.as_bytes()).is_some_and(|best| best.slot == view.slot);
            if !is_best {
                seconds.push(view.slot);
            }
            is_best
        });
    }

    async fn check(
        &mut self,
        slots: &dyn Slots,
        in_use: Vec<SlotView>,
        progress: &dyn Progress,
    ) -> Result<(), RepairError> {
        let all = in_use.len() as u64;
        for (page, views) in in_use.chunks(PAGE).enumerate() {
            let found = slots.check(views.iter().map(|view| view.slot).collect()).await;
            for (view, found) in views.iter().zip(found) {
                self.take(*view, found)?;
            }
            progress.at(Stage::Contents, (page * PAGE + views.len()) as u64, Some(all));
        }
        self.keep_one_of_each();
        let alive: BTreeSet<_> = self.kept.iter().map(|kept| *kept.view.subject.as_bytes()).collect();
        // Of somebody who is here an older slot may have been burnt before slots said that they were given back.
        self.tombstones.retain(|stone| !alive.contains(stone.view.subject.as_bytes()));
        Ok(())
    }

    fn take(&mut self, view: SlotView, found: Result<Found, VaultError>) -> Result<(), RepairError> {
        match found {
            Ok(found) => {
                let note = FacemapNote::from_bytes(&found.note);
                self.kept.push(Kept { view, found, note });
            }
            Err(VaultError::Damaged(_)) if view.status == SlotStatus::Prepared => self.unfinished.push(view),
            Err(VaultError::Damaged(damage)) => {
                self.troubles.push(Trouble::Content(view.slot, damage, view.hold));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Of live slots of the same enrollment the newest; a prepared one beside a live one is what a crash left.
fn newest(troubles: &mut Vec<Trouble>, in_use: Vec<SlotView>) -> Vec<SlotView> {
    let mut best: HashMap<[u8; 32], SlotView> = HashMap::new();
    for view in &in_use {
        if view.status == SlotStatus::Live {
            let best = best.entry(*view.subject.as_bytes()).or_insert(*view);
            if view.slot.generation > best.slot.generation {
                *best = *view;
            }
        }
    }
    let is_second = |view: &SlotView| {
        view.status == SlotStatus::Live
            && best.get(view.subject.as_bytes()).is_some_and(|best| best.slot != view.slot)
    };
    let (second, first): (Vec<_>, Vec<_>) = in_use.into_iter().partition(is_second);
    troubles.extend(second.into_iter().map(|view| Trouble::Second(view.slot, view.hold)));
    first
}
