//! At start: slots, contents and records are held against each other. What a crash can leave is put right; whatever
//! else is found moves nothing and stops the start.

use crate::{
    burning::Why,
    content_dir::{ContentDir, Listing},
    content_form::{self, Identity},
    error::{Damage, VaultError},
    facemaps::Reading,
    inspect::ContentListing,
    types::{FacemapId, Named, SlotKind, SlotRef, SlotStatus, SlotView},
    vault::Vault,
};
use model::Timestamp;
use std::{error::Error, fmt, future::Future};

/// Hours after which a prepared slot that no record names, and its content, are nobody's.
pub const UNNAMED_HOURS: i64 = 24;
/// Findings that a refusal lists; all of them are counted.
const LISTED: usize = 100;

/// What the sweep put right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Prepared slots whose record was committed.
    pub made_live: u32,
    /// Prepared slots that nobody named for a day.
    pub burnt: u32,
    /// Contents of burnt slots.
    pub contents_destroyed: u32,
    /// What interrupted writes had left.
    pub temporaries_removed: u32,
    /// Prepared slots that stay as they are: their record has no facemap yet, or they are younger than a day.
    pub left_prepared: u32,
}

/// Something that no crash leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The slot is live, and no record names it.
    LiveWithoutRecord(SlotRef),
    /// The slot is live, and its record has no facemap.
    LiveWithoutCommit(SlotRef),
    /// The slot is in use, and its record is a tombstone: the person was to be purged.
    PurgedNotBurnt(SlotRef),
    /// The slot is burnt, and its record is in use: the store is older than the purge.
    BurntButNamed(SlotRef),
    /// A record names a facemap whose content is missing.
    ContentMissing(SlotRef),
    /// A record names a facemap whose content has another length.
    ContentLength(SlotRef),
    /// A prepared slot's record is committed, and its facemap does not open.
    ContentDamaged(SlotRef, Damage),
    /// A content file without a slot in use.
    ContentWithoutSlot(FacemapId),
    /// Two slots have the same facemap id.
    RepeatedId(SlotRef),
    /// Files in the content folder that this program did not write.
    Strangers(u64),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (slot, what) = match self {
            Self::LiveWithoutRecord(slot) => (slot, "is live, and no record names it"),
            Self::LiveWithoutCommit(slot) => (slot, "is live, and its record has no facemap"),
            Self::PurgedNotBurnt(slot) => (slot, "is not burnt, and its record is purged"),
            Self::BurntButNamed(slot) => {
                (slot, "is burnt, and its record is in use: the store is older than the purge")
            }
            Self::ContentMissing(slot) => (slot, "has no content file"),
            Self::ContentLength(slot) => (slot, "has a content file of another length"),
            Self::RepeatedId(slot) => (slot, "has the facemap id of another slot"),
            Self::ContentDamaged(slot, damage) => {
                return write!(f, "slot {} ({}) does not open: {damage}", slot.index, slot.facemap);
            }
            Self::ContentWithoutSlot(id) => return write!(f, "content file {id} belongs to no slot"),
            Self::Strangers(count) => {
                return write!(f, "{count} entries of the content folder are not the vault's");
            }
        };
        write!(f, "slot {} ({}) {what}", slot.index, slot.facemap)
    }
}

/// Why the start is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The first of what was found.
    pub findings: Vec<Finding>,
    /// How much was found in all.
    pub total: u64,
}

impl Refusal {
    fn add(&mut self, finding: Finding) {
        self.total += 1;
        if self.findings.len() < LISTED {
            self.findings.push(finding);
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total;
        write!(
            f,
            "slots, contents and records contradict each other in {total} places; nothing was moved. "
        )?;
        write!(
            f,
            "Is the disk of the contents mounted, and is the store the newest one? Run `facemap-vault verify`"
        )?;
        for (place, finding) in self.findings.iter().enumerate() {
            write!(f, "{} {finding}", if place == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

/// What is to be done once it is known that nothing contradicts.
#[derive(Default)]
struct Plan {
    live: Vec<(Identity, crate::Contents)>,
    burn: Vec<(SlotRef, Why)>,
    destroy: Vec<SlotRef>,
    left_prepared: u32,
    refusal: Refusal,
}

impl Vault {
    /// Holds slots, contents and records against each other. `named` is asked for every slot of a facemap that is in
    /// use or burnt. First everything is looked at; only if nothing contradicts, what a crash left is put right.
    ///
    /// # Errors
    /// [`VaultError::Mismatch`] when something contradicts: nothing was moved. [`VaultError::Records`] when `named`
    /// failed. It may be repeated.
    pub async fn sweep<F, Answer>(&self, named: F) -> Result<SweepReport, VaultError>
    where
        F: Fn(SlotView) -> Answer,
        Answer: Future<Output = Result<Named, Box<dyn Error + Send + Sync>>>,
    {
        let listing = self.run(|inner| inner.contents.list()).await?;
        let mut plan = Plan::default();
        if listing.strangers > 0 {
            plan.refusal.add(Finding::Strangers(listing.strangers));
        }
        let mut claimed = vec![false; listing.files.len()];
        let now = self.0.now();
        let mut from = Some(0);
        while let Some(start) = from {
            let page = self.slots(start).await?;
            for view in page.views {
                let content = listing.claim(&mut claimed, &view, &mut plan.refusal);
                if view.kind == SlotKind::Facemap {
                    let named = named(view).await.map_err(VaultError::Records)?;
                    plan.judge(&view, named, content, now);
                }
            }
            from = page.next;
        }
        for ((id, _), claimed) in listing.files.iter().zip(claimed) {
            if !claimed {
                plan.refusal.add(Finding::ContentWithoutSlot(*id));
            }
        }
        self.prove_plan(&mut plan).await?;
        if plan.refusal.total > 0 {
            return Err(VaultError::Mismatch(Box::new(plan.refusal)));
        }
        self.carry_out(plan, listing).await
    }

    /// What lies in the content folder.
    ///
    /// # Errors
    /// [`VaultError::Io`] when the folder cannot be read.
    pub async fn contents(&self) -> Result<ContentListing, VaultError> {
        self.run(|inner| {
            let Listing { files, temporaries, strangers } = inner.contents.list()?;
            Ok(ContentListing { files, temporaries: temporaries.len() as u64, strangers })
        })
        .await
    }

    /// Opens what is to be made live: what was never read back is not believed.
    async fn prove_plan(&self, plan: &mut Plan) -> Result<(), VaultError> {
        for (identity, contents) in &plan.live {
            match self.open_as(*identity, *contents, Reading::AsProof).await {
                Ok(_) => {}
                Err(VaultError::Damaged(damage)) => {
                    plan.refusal.add(Finding::ContentDamaged(identity.slot, damage));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    async fn carry_out(&self, plan: Plan, listing: Listing) -> Result<SweepReport, VaultError> {
        self.run(move |inner| {
            let mut report = SweepReport { left_prepared: plan.left_prepared, ..SweepReport::default() };
            for (identity, _) in &plan.live {
                inner.make_live(identity.slot)?;
                report.made_live += 1;
            }
            for (slot, why) in &plan.burn {
                inner.burn(*slot, *why)?;
                report.burnt += 1;
            }
            for slot in plan.burn.iter().map(|(slot, _)| slot).chain(&plan.destroy) {
                report.contents_destroyed += u32::from(inner.destroy_content(*slot)?);
            }
            ContentDir::remove_temporaries(&listing.temporaries)?;
            report.temporaries_removed = u32::try_from(listing.temporaries.len()).unwrap_or(u32::MAX);
            Ok(report)
        })
        .await
    }
}

impl Listing {
    /// The length of the slot's content file, if there is one. Each file belongs to one slot.
    fn claim(&self, claimed: &mut [bool], view: &SlotView, refusal: &mut Refusal) -> Option<u64> {
        let place = self.files.binary_search_by_key(&view.slot.facemap, |(id, _)| *id).ok()?;
        if view.kind != SlotKind::Facemap {
            return None;
        }
        if std::mem::replace(claimed.get_mut(place)?, true) {
            refusal.add(Finding::RepeatedId(view.slot));
        }
        self.files.get(place).map(|(_, length)| *length)
    }
}

impl Plan {
    /// One slot of a facemap: its status, what the records say, and the length of its content if there is one.
    fn judge(&mut self, view: &SlotView, named: Named, content: Option<u64>, now: Timestamp) {
        let slot = view.slot;
        match (view.status, named) {
            (SlotStatus::Free, _) => {}
            (_, Named::Purging) => self.left_prepared += u32::from(view.status == SlotStatus::Prepared),
            (SlotStatus::Burnt, Named::RecordWithContent { .. } | Named::RecordWithoutContent) => {
                self.refusal.add(Finding::BurntButNamed(slot));
            }
            (SlotStatus::Burnt, _) => {
                if content.is_some() {
                    self.destroy.push(slot);
                }
            }
            (_, Named::RecordGone) => self.refusal.add(Finding::PurgedNotBurnt(slot)),
            (status, Named::RecordWithContent { enrollment, contents }) => match content {
                None => self.refusal.add(Finding::ContentMissing(slot)),
                Some(length) if length != content_form::file_bytes(contents.bytes) => {
                    self.refusal.add(Finding::ContentLength(slot));
                }
                Some(_) if status == SlotStatus::Prepared => {
                    self.live.push((Identity { slot, enrollment }, contents));
                }
                Some(_) => {}
            },
            (SlotStatus::Live, Named::NoRecord | Named::Elsewhere | Named::PurgedElsewhere) => {
                self.refusal.add(Finding::LiveWithoutRecord(slot));
            }
            (SlotStatus::Live, Named::RecordWithoutContent) => {
                self.refusal.add(Finding::LiveWithoutCommit(slot));
            }
            // Nobody is on the way to a record of a person who has a facemap elsewhere, or who was purged.
            (SlotStatus::Prepared, Named::PurgedElsewhere) => self.burn.push((slot, Why::PurgedUnnamed)),
            (SlotStatus::Prepared, Named::Elsewhere) => self.burn.push((slot, Why::GivenBack)),
            // A mark of a hold that no record knows stands for nothing.
            (SlotStatus::Prepared, Named::NoRecord) if is_old(view, now) => {
                self.burn.push((slot, Why::GivenBack));
            }
            (SlotStatus::Prepared, _) => self.left_prepared += 1,
        }
    }
}

/// Whether the slot was prepared over a day ago. A clock that was turned back makes it younger, never older.
fn is_old(view: &SlotView, now: Timestamp) -> bool {
    now.as_second().saturating_sub(view.prepared_at.as_second()) > UNNAMED_HOURS * 3600
}
