//! What is done at start: erasures that were interrupted go on.

use crate::{Custody, CustodyError, purge::many};
use model::{EnrollmentState, Timestamp};
use queue::{JobKey, Kind};
use records::EnrollmentKey;
use serde_json::Value;
use vault::{SlotKind, SlotStatus, SlotView};

/// Interrupted erasures that are woken together. There are as many as were under way when the process ended.
const PAGE: usize = 10_000;
/// Erasures that are woken in one commit.
const PER_COMMIT: usize = 200;

/// What the start found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StartReport {
    /// Erasures that go on.
    pub erasures: u32,
    /// Slots of erasures that no row named.
    pub unnamed_slots: u32,
    /// Marks of holds that no record knew.
    pub unknown_marks: u32,
    /// Orders for many that were never written down in full, so that nobody was told of them.
    pub unfinished_orders: u32,
}

impl Custody {
    /// Lets every interrupted erasure go on at once, burns slots of erasures that nobody names, takes marks of holds off
    /// whose record is not held, and drops orders that were never written down in full. Run it at start, after the vault's sweep and before any job.
    ///
    /// # Errors
    /// When a record or a slot cannot be read.
    pub async fn start(&self) -> Result<StartReport, CustodyError> {
        let (unnamed_slots, unknown_marks) = self.look_at_slots().await?;
        let unfinished_orders = many::drop_unfinished(self).await?;
        let purging =
            self.parts.register.enrollments_in(EnrollmentState::Purging, Timestamp::MAX, PAGE).await?;
        for page in purging.chunks(PER_COMMIT) {
            let mut commit = self.records().commit();
            for key in page {
                let job = JobKey::new(Kind::Erasure, key);
                self.parts.queue.schedule(&mut commit, &job, self.now(), Value::Null).await?;
            }
            commit.submit().await?;
        }
        let erasures = u32::try_from(purging.len()).unwrap_or(u32::MAX);
        Ok(StartReport { erasures, unnamed_slots, unknown_marks, unfinished_orders })
    }

    async fn look_at_slots(&self) -> Result<(u32, u32), CustodyError> {
        let (mut burnt, mut marks) = (0, 0);
        let mut from = Some(0);
        while let Some(start) = from {
            let page = self.parts.vault.slots(start).await?;
            for view in page.views.iter().filter(|view| is_an_erasures(view)) {
                let erasure = self.erasure(EnrollmentKey(view.subject)).await?;
                if erasure.and_then(|erasure| erasure.value.remote_slot) != Some(view.slot) {
                    self.parts.vault.burn(view.slot).await?;
                    burnt += 1;
                }
            }
            for view in page.views.iter().filter(|view| view.hold && view.kind == SlotKind::Facemap) {
                marks += u32::from(self.take_mark_off(view).await?);
            }
            from = page.next;
        }
        Ok((burnt, marks))
    }
}

fn is_an_erasures(view: &SlotView) -> bool {
    view.kind == SlotKind::Erasure && view.status != SlotStatus::Burnt
}
