//! What is done at start, before anything else: slots and rows are held against each other.

use crate::{Ingest, IngestError};
use model::EnrollmentState;
use records::EnrollmentKey;
use register::RegisterError;
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
}

impl Ingest {
    /// Puts right what a crash can leave between slots, contents and rows. Run it before any job.
    ///
    /// # Errors
    /// [`VaultError::Mismatch`] when they contradict each other: nothing was moved, and the service must not start.
    pub async fn sweep(&self) -> Result<StartReport, IngestError> {
        let facemaps = self.vault.sweep(|view| self.named(view)).await?;
        let unnamed_epochs = self.burn_unnamed_epochs().await?;
        let closed_epochs = self.close_epochs().await?;
        Ok(StartReport { facemaps, unnamed_epochs, closed_epochs })
    }

    /// What the register says about a slot.
    async fn named(&self, view: SlotView) -> Result<Named, Box<dyn Error + Send + Sync>> {
        let found = match self.register.enrollment_by_key(EnrollmentKey(view.subject)).await {
            Ok(found) => found,
            // The row is in use, and its slot is burnt: the sweep knows what to say to that.
            Err(RegisterError::Vault(VaultError::Burnt)) => return Ok(Named::RecordWithoutContent),
            Err(other) => return Err(other.into()),
        };
        let Some(found) = found.filter(|found| found.row.slot == view.slot) else {
            return Ok(Named::NoRecord);
        };
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
