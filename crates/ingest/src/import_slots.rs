//! The slots of an import: under which the record lies for ever, and which go.

use crate::{ATTEMPTS, Ingest, IngestError};
use model::EnrollmentRef;
use register::{Enrollment, RegisterError};
use seal::Pseudonym;
use vault::{SlotKind, SlotRef, VaultError};

impl Ingest {
    /// The enrollment, read again where its record was moved to another slot between the reading of the row and that of
    /// the slot.
    pub(crate) async fn settled(&self, reference: &EnrollmentRef) -> Result<Option<Enrollment>, IngestError> {
        for _ in 0..ATTEMPTS {
            match self.register.enrollment(reference).await {
                Err(RegisterError::Vault(error)) if is_moved(&error) => {}
                found => return Ok(found?),
            }
        }
        Err(IngestError::Busy)
    }

    /// Gives back every slot of the person's but the one that the record names. A record with a facemap never moves any
    /// more, so whatever else is there was left by a crash, or is somebody's who comes too late. What cannot be given
    /// back now is burnt after a day.
    pub(crate) async fn give_back_others(&self, subject: Pseudonym, named: SlotRef) {
        if let Err(error) = self.try_give_back_others(subject, named).await {
            tracing::warn!(enrollment = %subject, %error, "a slot that no record names is burnt a day later");
        }
    }

    async fn try_give_back_others(&self, subject: Pseudonym, named: SlotRef) -> Result<(), VaultError> {
        let own = self.vault.slots_of(subject).await?;
        for view in own.views {
            if view.kind == SlotKind::Facemap && view.slot != named {
                self.vault.give_back(view.slot).await?;
            }
        }
        Ok(())
    }
}

/// Whether the slot that was read is not the record's any more.
pub(crate) const fn is_moved(error: &VaultError) -> bool {
    matches!(error, VaultError::Burnt | VaultError::NoSuchSlot)
}
