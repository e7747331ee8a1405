//! Slots that no record names, and marks of holds that no record knows.

use crate::{Custody, CustodyError};
use audit::{Action, Actor, Note};
use model::{EnrollmentState, Timestamp};
use records::EnrollmentKey;
use register::EnrollmentRow;
use vault::{SlotKind, SlotStatus, SlotView, UNNAMED_HOURS, VaultError};

/// What was put in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tidied {
    /// Slots that nobody named for a day.
    pub(crate) burnt: u32,
    /// Marks of holds on slots whose record is not held.
    pub(crate) marks: u32,
}

impl Custody {
    /// Burns prepared slots that no record names and that are older than a day, marked as held or not: the rule of the
    /// start, for a service that runs for months. Takes marks off whose record is not held.
    pub(crate) async fn tidy_slots(&self, now: Timestamp) -> Result<Tidied, CustodyError> {
        match self.refuse_while_recovering().await {
            // The records were just made from the slots; nothing is destroyed until somebody has looked.
            Err(CustodyError::RecoveryNotAcknowledged) => return Ok(Tidied::default()),
            other => other?,
        }
        let (mut tidied, mut from) = (Tidied::default(), Some(0));
        while let Some(start) = from {
            let page = self.parts.vault.slots(start).await?;
            for view in page.views.iter().filter(|view| is_in_use(view)) {
                if view.hold {
                    tidied.marks += u32::from(self.take_mark_off(view).await?);
                }
                if is_old(view, now) {
                    tidied.burnt += u32::from(self.burn_if_unnamed(view).await?);
                }
            }
            from = page.next;
        }
        Ok(tidied)
    }

    /// Takes the mark of a hold off a slot whose own record is not held. Whether there was one.
    pub(crate) async fn take_mark_off(&self, view: &SlotView) -> Result<bool, CustodyError> {
        let _one_at_a_time = self.watch.holds.lock().await;
        let Some(Some(row)) = self.row_of(view).await? else { return Ok(false) };
        if row.slot != view.slot || row.hold || row.state == EnrollmentState::Purged {
            return Ok(false);
        }
        self.tell_of_mark(EnrollmentKey(view.subject), &row, &Actor::System).await?;
        match self.parts.vault.set_hold(view.slot, false).await {
            Ok(()) => Ok(true),
            // An import has moved the record, and marked its own slot as the record says.
            Err(VaultError::Burnt | VaultError::NoSuchSlot) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes down that a mark goes that no record knew: it kept the person from being purged.
    pub(crate) async fn tell_of_mark(
        &self,
        key: EnrollmentKey,
        row: &EnrollmentRow,
        actor: &Actor,
    ) -> Result<(), CustodyError> {
        let note = Note::about(Action::HoldReleased, key.0, actor.clone()).with("why", "mark-without-hold");
        let mut commit = self.records().commit();
        self.parts.audit.note(&mut commit, note.of_user(row.user.map(|user| user.0)));
        Ok(commit.submit().await?)
    }

    async fn burn_if_unnamed(&self, view: &SlotView) -> Result<bool, CustodyError> {
        let Some(row) = self.row_of(view).await? else { return Ok(false) };
        match row {
            Some(row) if row.slot == view.slot => return Ok(false),
            // The erasure that goes on burns all of them, in its order.
            Some(row) if row.state == EnrollmentState::Purging => return Ok(false),
            Some(row) if row.state == EnrollmentState::Purged => {
                self.parts.vault.burn_unnamed(view.slot).await?;
                self.parts.vault.destroy_content(view.slot).await?;
            }
            _ => self.parts.vault.give_back(view.slot).await?,
        }
        Ok(true)
    }

    /// The record of the slot's person. Outer `None`: it does not open, so nobody can say what it names.
    async fn row_of(&self, view: &SlotView) -> Result<Option<Option<EnrollmentRow>>, CustodyError> {
        match self.parts.register.enrollment_row(EnrollmentKey(view.subject)).await {
            Ok(row) => Ok(Some(row)),
            Err(error) if error.is_damage() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_in_use(view: &SlotView) -> bool {
    view.kind == SlotKind::Facemap && matches!(view.status, SlotStatus::Prepared | SlotStatus::Live)
}

/// A live slot without a record is no crash's: the start refuses it.
fn is_old(view: &SlotView, now: Timestamp) -> bool {
    let age = now.as_second().saturating_sub(view.prepared_at.as_second());
    view.status == SlotStatus::Prepared && age > UNNAMED_HOURS * 3600
}
