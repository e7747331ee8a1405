//! What the company's backend is told of what is destroyed. It names nobody: a pseudonym, and the company's own number of
//! the case.

use crate::{
    Custody, CustodyError, PurgeId,
    purge::{ErasureRow, PurgeRow, state},
};
use notify::{Event, EventKind, Field};
use records::{Commit, EnrollmentKey};

/// What a round of retention has counted, and what it may destroy.
pub(crate) struct TooMany {
    pub(crate) due: u64,
    pub(crate) held: u64,
    pub(crate) total: u64,
    pub(crate) limit: u64,
}

impl Custody {
    /// One is destroyed here.
    pub(crate) async fn tell_purged(
        &self,
        commit: &mut Commit,
        key: EnrollmentKey,
        erasure: &ErasureRow,
    ) -> Result<(), CustodyError> {
        let event = of_one(EventKind::EnrollmentPurged, key, erasure)
            .with(Field::PurgeId, erasure.purge)
            .with(Field::Receipt, erasure.receipt.as_ref());
        Ok(self.parts.outbox.put(commit, event).await?)
    }

    /// Nothing is left at Jumio of one that was destroyed here before. Of those of an order for many the order tells.
    pub(crate) async fn tell_done_at_jumio(
        &self,
        commit: &mut Commit,
        key: EnrollmentKey,
        erasure: &ErasureRow,
    ) -> Result<(), CustodyError> {
        if erasure.purge.is_some() {
            return Ok(());
        }
        let event = of_one(EventKind::PurgeCompleted, key, erasure)
            .with(Field::Receipt, erasure.jumio_receipt.as_ref());
        Ok(self.parts.outbox.put(commit, event).await?)
    }

    /// An order for many has come to its end here, or, told a second time, at Jumio too.
    pub(crate) async fn tell_completed(
        &self,
        commit: &mut Commit,
        id: PurgeId,
        row: &PurgeRow,
    ) -> Result<(), CustodyError> {
        let counts = serde_json::json!({
            "done": row.done, "doneByOthers": row.done_by_others, "held": row.held, "notDue": row.not_due,
            "failed": row.failed,
        });
        let event = Event::about_nobody(EventKind::PurgeCompleted)
            .with(Field::PurgeId, id)
            .with(Field::Reason, row.order.reason)
            .with(Field::CaseReference, row.order.case_reference.as_ref())
            .with(Field::Total, row.total)
            .with(Field::Counts, counts)
            .with(Field::CompletedAt, row.finished_at)
            .with(Field::JumioDeletion, row.at_jumio())
            .with(Field::Receipt, row.jumio_receipt.as_ref().or(row.receipt.as_ref()));
        Ok(self.parts.outbox.put(commit, event).await?)
    }

    /// Retention has stopped, and asks.
    pub(crate) async fn tell_too_many(
        &self,
        commit: &mut Commit,
        counted: &TooMany,
    ) -> Result<(), CustodyError> {
        let event = Event::about_nobody(EventKind::EnrollmentRetentionDue)
            .with(Field::Due, counted.due)
            .with(Field::Held, counted.held)
            .with(Field::Total, counted.total)
            .with(Field::Limit, counted.limit);
        Ok(self.parts.outbox.put(commit, event).await?)
    }
}

fn of_one(kind: EventKind, key: EnrollmentKey, erasure: &ErasureRow) -> Event {
    Event::about_nobody(kind)
        .in_order_of(key)
        .with(Field::Subject, key.0)
        .with(Field::Reason, erasure.order.reason)
        .with(Field::CaseReference, erasure.order.case_reference.as_ref())
        .with(Field::PurgedAt, erasure.purged_at)
        .with(Field::JumioDeletion, state(&erasure.jumio))
}
