//! Slots, their contents, and what the records say about both.

use super::{
    Walk,
    people::{is_gone, is_of_slot},
};
use crate::{
    Finding, RepairError,
    finding::{ContentFault, RowFault, RowName, SlotFault},
    progress::Stage,
    slots::Slots,
};
use model::EnrollmentState;
use records::{EnrollmentKey, Key as _, tables};
use register::{EnrollmentPrivate, EnrollmentRow, FacemapNote, RegisterError, inspect};
use std::collections::{HashMap, HashSet};
use vault::{ContentListing, Damage, FacemapId, Found, SlotKind, SlotRef, SlotStatus, SlotView, VaultError};

/// Slots that are looked at in one go.
const PAGE: usize = 256;

/// Where a slot stands that is as it may be.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Its record is committed, or there is a finding.
    #[default]
    Settled,
    /// It is prepared, and nothing is committed under it.
    Waits,
    /// It is prepared and holds a facemap, and the person's record names another slot.
    Second,
    /// Its record is being purged.
    Purging,
}

/// What a look at a slot came to.
#[derive(Default)]
struct Look {
    findings: Vec<Finding>,
    standing: Standing,
    /// A mark on it waits for its record, or follows it.
    differs: bool,
    /// What its content must be, if it must have one.
    expects: Option<(FacemapId, Expected)>,
}

/// The slots whose contents are to be opened.
fn expecting(views: &[SlotView], looks: &[Look]) -> Vec<SlotRef> {
    let expecting = views.iter().zip(looks).filter(|(_, look)| look.expects.is_some());
    expecting.map(|(view, _)| view.slot).collect()
}

/// Holds the contents, in the order of [`expecting`], against what they must be.
fn compare_all(looks: &mut [Look], found: Vec<Result<Found, VaultError>>) -> Result<(), RepairError> {
    let mut found = found.into_iter();
    for look in looks {
        let Some((id, expected)) = look.expects.take() else { continue };
        let fault = compare(&expected, found.next().unwrap_or(Err(VaultError::Stopping)))?;
        look.findings.extend(fault.map(|fault| Finding::Content(id, fault)));
    }
    Ok(())
}

/// What a content must be.
enum Expected {
    /// Whole, whosever it is: there is no record to compare it with.
    Whole,
    /// The one that this record describes.
    Of(Box<EnrollmentPrivate>),
}

impl Walk<'_> {
    /// Every slot of a facemap, and every content file.
    pub(super) async fn contents(&mut self) -> Result<(), RepairError> {
        let Some(slots) = self.slots.clone() else { return Ok(()) };
        let listing = slots.listing().await?;
        self.report.counts.contents = listing.files.len() as u64;
        self.report.counts.content_bytes = listing.files.iter().map(|(_, bytes)| bytes).sum();
        if listing.strangers > 0 {
            self.report.add(Finding::Strangers(listing.strangers));
        }
        self.inform(
            listing.temporaries,
            "temporary files of interrupted writes are left; the next start removes them",
        );
        let lengths: HashMap<FacemapId, u64> = listing.files.iter().copied().collect();
        self.each_slot(&*slots, &lengths).await?;
        self.tombstones().await?;
        self.unclaimed(&*slots, &listing).await
    }

    async fn each_slot(
        &mut self,
        slots: &dyn Slots,
        lengths: &HashMap<FacemapId, u64>,
    ) -> Result<(), RepairError> {
        let views = self.map.views();
        let all = views.len() as u64;
        let burnt_with_content = views
            .iter()
            .filter(|view| view.status == SlotStatus::Burnt && lengths.contains_key(&view.slot.facemap))
            .count();
        self.inform(
            burnt_with_content as u64,
            "burnt slots still have a content file, which nothing opens; the next start destroys it",
        );
        let in_use = views.into_iter().filter(|view| {
            view.kind == SlotKind::Facemap && matches!(view.status, SlotStatus::Prepared | SlotStatus::Live)
        });
        let (mut suspects, mut waiting, mut seconds, mut purging, mut differing, mut done) =
            (Vec::new(), 0, 0, 0, 0, 0);
        let in_use: Vec<_> = in_use.collect();
        let mut pages = in_use.chunks(PAGE);
        let mut page = pages.next().unwrap_or_default();
        let mut looks = self.records_of(slots, page).await?;
        while !page.is_empty() {
            let following = pages.next().unwrap_or_default();
            // While contents are read, the records of the next ones are looked at.
            let (found, next) =
                tokio::join!(slots.check(expecting(page, &looks)), self.records_of(slots, following));
            compare_all(&mut looks, found)?;
            for (view, look) in page.iter().zip(looks) {
                waiting += u64::from(look.standing == Standing::Waits);
                seconds += u64::from(look.standing == Standing::Second);
                purging += u64::from(look.standing == Standing::Purging);
                differing += u64::from(look.differs);
                if !look.findings.is_empty() {
                    suspects.push((*view, look.findings));
                }
            }
            done += page.len() as u64;
            self.progress.at(Stage::Contents, done, Some(all));
            (page, looks) = (following, next?);
        }
        suspects.sort_unstable_by_key(|(view, _)| view.slot.index);
        for (view, findings) in suspects {
            self.settle_slot(slots, &view, findings).await?;
        }
        self.inform(waiting, "slots are prepared for people whose facemap is not here yet");
        self.inform(
            seconds,
            "slots hold a facemap of somebody whose record names another slot: an import on its way, or one that was \
             interrupted; the service burns them after a day, the next import or a purge at once",
        );
        self.inform(purging, "purges are under way; they go on by themselves");
        self.inform(
            differing,
            "marks on slots wait for something that was interrupted; the service puts them right",
        );
        Ok(())
    }

    async fn settle_slot(
        &mut self,
        slots: &dyn Slots,
        view: &SlotView,
        mut findings: Vec<Finding>,
    ) -> Result<(), RepairError> {
        for _ in 0..self.looks_again() {
            self.pause().await;
            let now = match self.reread_slot(view.slot.index).await? {
                Some(now) if now.slot == view.slot && now.status != SlotStatus::Burnt => {
                    self.look(slots, now).await?.findings
                }
                _ => Vec::new(),
            };
            findings.retain(|finding| now.contains(finding));
            if findings.is_empty() {
                return Ok(());
            }
        }
        for finding in findings {
            self.report.add(finding);
        }
        Ok(())
    }

    /// One slot in use, once more: its record, its person, its content.
    async fn look(&self, slots: &dyn Slots, view: SlotView) -> Result<Look, RepairError> {
        let views = [view];
        let mut looks = self.records_of(slots, &views).await?;
        let found = slots.check(expecting(&views, &looks)).await;
        compare_all(&mut looks, found)?;
        Ok(looks.pop().unwrap_or_default())
    }

    /// Slots in use, up to their contents.
    async fn records_of(&self, slots: &dyn Slots, views: &[SlotView]) -> Result<Vec<Look>, RepairError> {
        let mut looks = Vec::with_capacity(views.len());
        for view in views {
            looks.push(self.slot(slots, view).await?);
        }
        Ok(looks)
    }

    /// One slot in use, up to its content.
    async fn slot(&self, slots: &dyn Slots, view: &SlotView) -> Result<Look, RepairError> {
        let mut look = Look::default();
        let (index, key) = (view.slot.index, EnrollmentKey(view.subject));
        let is_live = view.status == SlotStatus::Live;
        let row = self.enrollment(key).await?;
        if let (Some(row), false) = (&row, is_live)
            && row.slot != view.slot
        {
            return self.second(slots, view, row).await;
        }
        let row = row.filter(|row| row.slot == view.slot);
        let (Some(row), Some(records)) = (row, &self.records) else {
            // Without a store nothing can be said about records, and a row that does not open is told of by itself.
            if is_live && self.is_unnamed(view).await? {
                look.findings.push(Finding::Slot(index, SlotFault::NoRecord));
            }
            if !is_live {
                look.standing = Standing::Waits;
            }
            look.expects = is_live.then_some((view.slot.facemap, Expected::Whole));
            return Ok(look);
        };
        if row.state == EnrollmentState::Purging {
            look.standing = Standing::Purging;
            return Ok(look);
        }
        if is_gone(&row) {
            look.findings.push(Finding::Slot(index, SlotFault::PurgedNotBurnt));
            return Ok(look);
        }
        look.differs = view.hold != row.hold || view.replaced != row.replaced_by.is_some();
        look.findings
            .extend(flags(view, &row, self.parts.pause.is_none()).map(|fault| Finding::Slot(index, fault)));
        let person = match slots.person_key(view.slot).await {
            Ok(person) => person,
            Err(error) if is_of_slot(&error) => {
                look.findings.push(of_row(key, RowFault::SlotGone));
                return Ok(look);
            }
            Err(error) => return Err(error.into()),
        };
        match row.person(records, key, &person) {
            Ok(Some(private)) => expect(view, &row, private, &mut look),
            Ok(None) => look.findings.push(of_row(key, RowFault::StateWithoutContent)),
            Err(RegisterError::WrongPerson) => look.findings.push(of_row(key, RowFault::NotItsOwn)),
            Err(_) => look.findings.push(of_row(key, RowFault::PersonDoesNotOpen)),
        }
        Ok(look)
    }

    /// A prepared slot of somebody whose record names another one.
    async fn second(
        &self,
        slots: &dyn Slots,
        view: &SlotView,
        row: &EnrollmentRow,
    ) -> Result<Look, RepairError> {
        let mut look = Look::default();
        if row.state == EnrollmentState::Purging {
            look.standing = Standing::Purging;
            return Ok(look);
        }
        let found = slots.check(vec![view.slot]).await.pop().unwrap_or(Err(VaultError::Stopping));
        let has_content = match found {
            Err(VaultError::Damaged(Damage::NoKey | Damage::NoContent)) => false,
            Ok(_) | Err(VaultError::Damaged(_)) => true,
            Err(error) if is_of_slot(&error) => false,
            Err(error) => return Err(error.into()),
        };
        if !has_content {
            look.standing = Standing::Waits;
        } else if is_gone(row) {
            look.findings.push(Finding::Slot(view.slot.index, SlotFault::PurgedNotBurnt));
        } else {
            look.standing = Standing::Second;
        }
        Ok(look)
    }

    /// Whether the slot has no record that opens, nor one that does not.
    async fn is_unnamed(&self, view: &SlotView) -> Result<bool, RepairError> {
        let Some(records) = &self.records else { return Ok(false) };
        let key = (EnrollmentKey(view.subject),).encode();
        let stored = records.store().get(tables::ENROLLMENTS, &key).await?;
        Ok(stored.is_none_or(|stored| inspect::enrollment_row(records, &key, &stored).is_ok()))
    }

    /// Content files that no slot is the root of.
    async fn unclaimed(&mut self, slots: &dyn Slots, listing: &ContentListing) -> Result<(), RepairError> {
        let mut unclaimed = self.without_slot(listing);
        for _ in 0..self.looks_again() {
            if unclaimed.is_empty() {
                break;
            }
            self.pause().await;
            let now: HashSet<_> = slots.listing().await?.files.into_iter().map(|(id, _)| id).collect();
            let mut from = Some(0);
            while let Some(start) = from {
                let page = slots.sectors(start).await?;
                for view in page.views {
                    self.map.put(view.slot.index, Some(view));
                }
                from = page.next;
            }
            let without = self.without_slot(listing);
            unclaimed.retain(|id| now.contains(id) && without.contains(id));
        }
        for id in unclaimed {
            self.report.add(Finding::Content(id, ContentFault::NoSlot));
        }
        Ok(())
    }

    fn without_slot(&self, listing: &ContentListing) -> Vec<FacemapId> {
        let views = self.map.views();
        let claimed: HashSet<_> = views
            .iter()
            .filter(|view| view.kind == SlotKind::Facemap)
            .map(|view| view.slot.facemap)
            .collect();
        listing.files.iter().map(|(id, _)| *id).filter(|id| !claimed.contains(id)).collect()
    }

    fn inform(&mut self, count: u64, what: &str) {
        if count > 0 {
            self.report.information.push(format!("{count} {what}"));
        }
    }
}

/// What the slot's own bits and its record disagree about.
fn flags(view: &SlotView, row: &EnrollmentRow, is_at_rest: bool) -> impl Iterator<Item = SlotFault> {
    let faults = [
        // The mark of a hold follows the record, that of a replacement goes before it: what an interruption leaves is no
        // damage, the opposite is what a rebuild would get wrong. At rest nothing follows any more: a mark that was cleared
        // there would let a rebuild or restore forget the hold.
        (if is_at_rest { view.hold != row.hold } else { view.hold && !row.hold }, SlotFault::HoldDiffers),
        (!view.replaced && row.replaced_by.is_some(), SlotFault::ReplacedDiffers),
        (row.state == EnrollmentState::Ready && !view.original_deleted, SlotFault::OriginalNotDeleted),
        (view.kind != SlotKind::Facemap, SlotFault::WrongKind),
    ];
    faults.into_iter().filter_map(|(is_wrong, fault)| is_wrong.then_some(fault))
}

/// What the content of a slot with this record must be.
fn expect(view: &SlotView, row: &EnrollmentRow, private: EnrollmentPrivate, look: &mut Look) {
    let key = EnrollmentKey(view.subject);
    let must_have = matches!(row.state, EnrollmentState::Vaulted | EnrollmentState::Ready);
    if private.contents.is_some() {
        if row.state == EnrollmentState::Ready && view.status != SlotStatus::Live {
            look.findings.push(of_row(key, RowFault::StateWithoutContent));
        }
        look.expects = Some((view.slot.facemap, Expected::Of(Box::new(private))));
    } else if must_have {
        look.findings.push(of_row(key, RowFault::StateWithoutContent));
    } else if view.status == SlotStatus::Live {
        look.findings.push(Finding::Slot(view.slot.index, SlotFault::NotCommitted));
    } else {
        look.standing = Standing::Waits;
    }
}

/// What is wrong with a content that was opened, or was not.
fn compare(
    expected: &Expected,
    found: Result<Found, VaultError>,
) -> Result<Option<ContentFault>, RepairError> {
    let found = match found {
        Ok(found) => found,
        Err(VaultError::Damaged(damage)) => return Ok(Some(ContentFault::Damaged(damage))),
        // Burnt or given away since the walk began: the next look says so.
        Err(error) if is_of_slot(&error) => return Ok(Some(ContentFault::Damaged(Damage::NoKey))),
        Err(error) => return Err(error.into()),
    };
    let Expected::Of(private) = expected else { return Ok(None) };
    let note = FacemapNote::from_bytes(&found.note);
    Ok(if found.reference != private.reference {
        Some(ContentFault::OfAnother)
    } else if Some(found.contents) != private.contents {
        Some(ContentFault::Differs)
    } else if note.is_some_and(|note| Some(note.user_reference) != private.user_reference) {
        Some(ContentFault::NoteDiffers)
    } else {
        None
    })
}

fn of_row(key: EnrollmentKey, fault: RowFault) -> Finding {
    Finding::Row(RowName::new("enrollments", &(key,).encode()), fault)
}
