//! What the company's backend is told of an onboarding, in the commit that brings it there.

use crate::{Ingest, IngestError, config::DeleteOriginal};
use model::EnrollmentState;
use notify::{Event, EventKind, Field};
use records::{Commit, EnrollmentKey};
use register::{Enrollment, EnrollmentPrivate, EnrollmentRow};

impl Ingest {
    /// Tells where an enrollment has come.
    pub(crate) async fn tell(
        &self,
        commit: &mut Commit,
        kind: EventKind,
        enrollment: &Enrollment,
    ) -> Result<(), IngestError> {
        let Some(person) = &enrollment.private else { return Ok(()) };
        self.tell_of(commit, kind, enrollment.key, &enrollment.row, person).await
    }

    /// As [`Ingest::tell`], of rows that were not read.
    pub(crate) async fn tell_of(
        &self,
        commit: &mut Commit,
        kind: EventKind,
        key: EnrollmentKey,
        row: &EnrollmentRow,
        person: &EnrollmentPrivate,
    ) -> Result<(), IngestError> {
        let event = Event::about(kind, key, row.slot)
            .with(Field::EnrollmentTransactionReference, person.reference)
            .with(Field::UserReference, person.user_reference.as_ref())
            .with(Field::CustomerInternalReference, person.customer_internal_reference.as_ref())
            .with(Field::State, row.state)
            .with(Field::Origin, row.origin);
        let event = match kind {
            EventKind::EnrollmentVaulted => event
                .with(Field::FacemapBytes, row.facemap_bytes)
                .with(Field::VaultedAt, row.vaulted_at)
                .with(Field::AsksForRelease, self.asks_for_release(row)),
            EventKind::EnrollmentReady => event
                .with(Field::VaultedAt, row.vaulted_at)
                .with(Field::OriginalDeletedAt, row.original_deleted_at),
            EventKind::EnrollmentIneligible => event.with(Field::Reasons, &row.reasons),
            EventKind::EnrollmentFailed => event.with(Field::Trouble, row.trouble.as_ref()),
            EventKind::EnrollmentReplaced => event.with(Field::ReplacedBy, person.replaced_by),
            _ => event,
        };
        Ok(self.outbox.put(commit, event).await?)
    }

    /// Whether nothing goes on before the company releases it.
    fn asks_for_release(&self, row: &EnrollmentRow) -> bool {
        row.state == EnrollmentState::Vaulted
            && row.released_at.is_none()
            && row.deletion_confirmed_at.is_none()
            && self.config.delete_original == DeleteOriginal::OnRelease
    }
}
