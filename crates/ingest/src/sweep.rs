//! What is done at start, before anything else: slots and rows are held against each other.

use crate::{Ingest, IngestError, config::DeleteOriginal};
use model::EnrollmentState;
use queue::{JobKey, Kind};
use records::EnrollmentKey;
use register::{EnrollmentFilter, RegisterError};
use std::error::Error;
use vault::{Named, SlotView, SweepReport, VaultError};

/// What the start put right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StartReport {
    /// Slots and contents of facemaps.
    pub facemaps: SweepReport,
    /// Epochs' slots that no row named.
    pub unnamed_epochs: u32,
    /// Hours whose callbacks were all settled or moved.
    pub closed_epochs: u32,
    /// Vaulted enrollments that may go on and that nobody would have looked at.
    pub woken: u32,
}

/// Enrollments that are looked at in one go.
const PAGE: usize = 200;

impl Ingest {
    /// Puts right what a crash can leave between slots, contents and rows. Run it before any job.
    ///
    /// # Errors
    /// [`VaultError::Mismatch`] when they contradict each other: nothing was moved, and the service must not start.
    pub async fn sweep(&self) -> Result<StartReport, IngestError> {
        let facemaps = self.vault.sweep(|view| self.named(view)).await?;
        let unnamed_epochs = self.burn_unnamed_epochs().await?;
        let closed_epochs = self.close_epochs().await?;
        let woken = self.wake_waiting().await?;
        Ok(StartReport { facemaps, unnamed_epochs, closed_epochs, woken })
    }

    /// Lays a job down for every vaulted enrollment that waits for nobody's release and has none: nothing waits without
    /// a job for longer than until the next start.
    async fn wake_waiting(&self) -> Result<u32, IngestError> {
        let waits_for_release = self.config.delete_original == DeleteOriginal::OnRelease;
        let state = Some(EnrollmentState::Vaulted);
        let mut filter = EnrollmentFilter { state, ..EnrollmentFilter::default() };
        let mut woken = 0;
        loop {
            let page = self.register.enrollments(&filter, PAGE).await?;
            let before = woken;
            let mut commit = self.records().commit();
            for vaulted in &page {
                let may_go_on = vaulted.row.released_at.is_some() || !waits_for_release;
                if may_go_on && !self.has_job(vaulted.key).await? {
                    self.wake_enrollment(&mut commit, vaulted.key, self.clock.now()).await?;
                    woken += 1;
                }
            }
            if woken > before {
                commit.submit().await?;
            }
            filter.after = page.last().map(|last| last.key);
            if page.len() < PAGE {
                return Ok(woken);
            }
        }
    }

    async fn has_job(&self, key: EnrollmentKey) -> Result<bool, IngestError> {
        // Never submitted: the queue tells of a job only to who is about to change it.
        let mut unsubmitted = self.records().commit();
        Ok(self.queue.nudge(&mut unsubmitted, &JobKey::new(Kind::Enrollment, &key)).await?)
    }

    /// What the register says about a slot.
    async fn named(&self, view: SlotView) -> Result<Named, Box<dyn Error + Send + Sync>> {
        let found = match self.register.enrollment_by_key(EnrollmentKey(view.subject)).await {
            Ok(found) => found,
            // The row is in use, and its slot is burnt: the sweep knows what to say to that.
            Err(RegisterError::Vault(VaultError::Burnt)) => return Ok(Named::RecordWithoutContent),
            Err(other) => return Err(other.into()),
        };
        let Some(found) = found else { return Ok(Named::NoRecord) };
        if found.row.slot != view.slot {
            let has_facemap = found.private.is_some_and(|person| person.contents.is_some());
            return Ok(match found.row.state {
                // The erasure that goes on burns all of the person's slots.
                EnrollmentState::Purging => Named::Purging,
                EnrollmentState::Purged => Named::PurgedElsewhere,
                _ if has_facemap => Named::Elsewhere,
                _ => Named::NoRecord,
            });
        }
        let named = match (found.row.state, found.private) {
            (EnrollmentState::Purging, _) => Named::Purging,
            (EnrollmentState::Purged, _) | (_, None) => Named::RecordGone,
            (_, Some(person)) => match person.contents {
                Some(contents) => Named::RecordWithContent { enrollment: person.reference, contents },
                None => Named::RecordWithoutContent,
            },
        };
        Ok(named)
    }
}
