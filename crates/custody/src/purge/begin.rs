//! The beginning of an erasure: one commit after which nobody opens, posts, redeems or writes anything about the person.

use crate::{
    Custody, CustodyError, Order, PurgeId, PurgeView,
    purge::{
        Condition,
        flight::ATTEMPTS,
        row::{AtJumio, ERASURES, ErasureRow},
    },
};
use audit::{Action, Begin, Details, Outcome, Stroke};
use model::{EnrollmentOrigin, EnrollmentRef, EnrollmentState};
use queue::{JobKey, Kind};
use records::{Commit, EnrollmentKey};
use register::{Enrollment, EnrollmentFilter, EnrollmentRow, IneligibleReason, RegisterError};
use serde_json::Value;
use std::time::Duration;
use vault::VaultError;

/// Other enrollments of a user that get their chance once the claim on the user is free.
const MOST_OTHERS: usize = 100;
/// An erasure is taken up by its job if it has not ended by then. After a restart it is at once.
const TAKEN_UP_AFTER: Duration = Duration::from_mins(1);

/// What an erasure is ordered with.
#[derive(Debug, Clone)]
pub(crate) struct Beginning {
    pub(crate) order: Order,
    /// The order for many that it belongs to.
    pub(crate) purge: Option<PurgeId>,
    /// Whether somebody waits, so that Jumio is asked before the receipt is signed.
    pub(crate) waits_for_jumio: bool,
    /// What must be true of the enrollment in the moment of the commit.
    pub(crate) only_if: Condition,
}

impl Custody {
    /// Destroys an enrollment for good and waits for the end. Once begun it goes on even if the caller goes away;
    /// interrupted, it goes on after the next start. Asked again, it answers with the same receipt.
    ///
    /// # Errors
    /// [`CustodyError::UnknownEnrollment`], [`CustodyError::Held`], [`CustodyError::RecoveryNotAcknowledged`],
    /// [`CustodyError::Audit`]: nothing was done. Others: if it was begun, it goes on by itself.
    pub async fn purge(&self, reference: &EnrollmentRef, order: Order) -> Result<PurgeView, CustodyError> {
        let key = self.records().enrollment_key(reference);
        // The row must be this very reference's, and not one that was put in its place.
        match self.parts.register.enrollment(reference).await {
            Ok(None) => return Err(CustodyError::UnknownEnrollment),
            // Burnt: an import has just moved it, and what it is now is read again.
            Ok(Some(_)) | Err(RegisterError::Vault(VaultError::Burnt | VaultError::NoSuchSlot)) => {}
            // Destroying somebody else's is worse than destroying nobody's.
            Err(error @ RegisterError::WrongPerson) => return Err(error.into()),
            Err(error) if error.is_damage() => {
                tracing::warn!(enrollment = %key.0, %error, "what is to be purged does not open; it is purged all the same");
            }
            Err(error) => return Err(error.into()),
        }
        if let Err(error) = self.end_hold_if_over(key).await {
            // Then it stays on, and the purge is refused.
            tracing::warn!(enrollment = %key.0, %error, "whether a hold is over could not be told");
        }
        self.carry_out(
            key,
            Some(Beginning { order, purge: None, waits_for_jumio: true, only_if: Condition::Always }),
        )
        .await?;
        self.purged(key).await
    }

    /// Erasures under way: at a shutdown they are waited for a little; what does not end goes on after the next start.
    #[must_use]
    pub fn erasures_under_way(&self) -> usize {
        self.flights.len()
    }

    /// Refuses everything that destroys while a rebuild or restore is not acknowledged.
    pub(crate) async fn refuse_while_recovering(&self) -> Result<(), CustodyError> {
        match self.parts.register.recovery().await? {
            Some(recovery) if recovery.value.forbids_destruction() => {
                Err(CustodyError::RecoveryNotAcknowledged)
            }
            _ => Ok(()),
        }
    }

    /// Writes the begin into the book, then commits it. `None`: it is purged, or being purged, already.
    pub(crate) async fn begin_erasure(
        &self,
        key: EnrollmentKey,
        beginning: &Beginning,
    ) -> Result<Option<Stroke>, CustodyError> {
        let mut stroke = None;
        for _ in 0..ATTEMPTS {
            let done = self.try_begin(key, beginning, &mut stroke).await;
            match (done, stroke.take()) {
                (Ok(true), Some(stroke)) => return Ok(Some(stroke)),
                (Ok(_), None) => return Ok(None),
                (Ok(false), Some(stroke)) => {
                    self.not_begun(&stroke).await;
                    return Ok(None);
                }
                (Err(error), begun) if error.is_conflict() || error.is_moved() => stroke = begun,
                (Err(error), begun) => {
                    if let Some(begun) = begun {
                        self.not_begun(&begun).await;
                    }
                    return Err(error);
                }
            }
        }
        if let Some(stroke) = stroke {
            self.not_begun(&stroke).await;
        }
        Err(CustodyError::Busy)
    }

    async fn try_begin(
        &self,
        key: EnrollmentKey,
        beginning: &Beginning,
        stroke: &mut Option<Stroke>,
    ) -> Result<bool, CustodyError> {
        let found = self.parts.register.enrollment_to_purge(key).await?;
        let found = found.ok_or(CustodyError::UnknownEnrollment)?;
        if matches!(found.row.state, EnrollmentState::Purging | EnrollmentState::Purged) {
            return Ok(false);
        }
        self.refuse_while_recovering().await?;
        self.refuse_held(&found).await?;
        // The commit below is conditional on this very row: who was used a moment ago is not destroyed.
        if !self.holds_of(beginning.only_if, &found.row) {
            return Err(CustodyError::NotDue);
        }
        if stroke.is_none() {
            *stroke = Some(self.parts.audit.begin(begin_of(&found, &beginning.order)).await?);
        }
        self.commit_begin(found, beginning, stroke.as_ref().map(Stroke::position)).await?;
        Ok(true)
    }

    /// The hold of the record and that of the slot: either is enough.
    async fn refuse_held(&self, found: &Enrollment) -> Result<(), CustodyError> {
        if found.row.hold {
            return Err(CustodyError::Held);
        }
        match self.view_put_right(found.row.slot).await? {
            // The slot itself says whose it is: nobody else's is burnt.
            Some(view) if view.subject != found.key.0 => Err(CustodyError::Damaged),
            Some(view) if view.hold => Err(CustodyError::Held),
            // A sector that says nothing any more ends no hold and makes none: the record decides.
            Some(_) | None => Ok(()),
        }
    }

    async fn not_begun(&self, stroke: &Stroke) {
        let why = Details::new().with("why", "not-begun");
        if let Err(error) = self.parts.audit.finish_alone(stroke, Outcome::Refused, why).await {
            tracing::warn!(%error, "a purge that was not begun stays open in the audit log until the next start");
        }
    }

    /// The one commit. Everybody who has read the enrollment before it conflicts with it.
    async fn commit_begin(
        &self,
        mut found: Enrollment,
        beginning: &Beginning,
        begin: Option<u64>,
    ) -> Result<(), CustodyError> {
        let register = &self.parts.register;
        let (key, now) = (found.key, self.now());
        let mut commit = self.records().commit();
        self.free_user(&mut commit, &found).await?;
        self.forget_successor(&mut commit, &found).await?;
        self.forget_attempts(&mut commit, &found).await?;
        if let Some(window) = register.window(key).await? {
            register.remove_window(&mut commit, key, &window);
        }
        let step = JobKey::new(Kind::Enrollment, &key);
        self.parts.queue.cancel(&mut commit, &step).await?;
        self.parts.queue.forget(&mut commit, &step).await?;
        let earlier = self.erasure(key).await?;
        let erasure = ErasureRow { begin, ..self.erasure_of(&found.row, beginning) };
        commit.upsert(&ERASURES, &(key,), earlier.as_ref(), &erasure);
        let job = JobKey::new(Kind::Erasure, &key);
        self.parts.queue.schedule(&mut commit, &job, now + TAKEN_UP_AFTER, Value::Null).await?;
        found.row.enter(EnrollmentState::Purging, now);
        register.update_enrollment(&mut commit, &found).await?;
        Ok(commit.submit().await?)
    }

    /// The user is nobody's enrollment's any more, and the next vaulted one gets its chance.
    async fn free_user(&self, commit: &mut Commit, found: &Enrollment) -> Result<(), CustodyError> {
        let register = &self.parts.register;
        let Some(user) = found.row.user else { return Ok(()) };
        let Some(read) = register.user(user).await? else { return Ok(()) };
        if !register.free_user(commit, user, &read, found.key) {
            return Ok(());
        }
        let Some(user) = found.private.as_ref().and_then(|person| person.user_reference.clone()) else {
            return Ok(());
        };
        let state = Some(EnrollmentState::Vaulted);
        let filter = EnrollmentFilter { user: Some(user), state, after: None };
        for other in register.enrollments(&filter, MOST_OTHERS).await? {
            if other.key != found.key {
                let job = JobKey::new(Kind::Enrollment, &other.key);
                self.parts.queue.schedule(commit, &job, self.now(), Value::Null).await?;
            }
        }
        Ok(())
    }

    /// How often the user was sent to Jumio goes with the user's last enrollment. While there is another one it stays:
    /// whoever tried too often does not get new chances by a purge.
    async fn forget_attempts(&self, commit: &mut Commit, found: &Enrollment) -> Result<(), CustodyError> {
        let register = &self.parts.register;
        let Some(user) = found.row.user else { return Ok(()) };
        let Some(read) = register.attempts(user).await? else { return Ok(()) };
        if register.rows_of_user(user, None, 2).await?.iter().all(|(place, _)| place.2 == found.key) {
            register.remove_attempts(commit, user, &read);
        }
        Ok(())
    }

    /// The enrollment whose place this one took names this one's reference among its own fields: not any more. That its
    /// place was taken stays, as a pseudonym.
    async fn forget_successor(&self, commit: &mut Commit, found: &Enrollment) -> Result<(), CustodyError> {
        let Some(old) = found.row.replaces.filter(|old| *old != found.key) else { return Ok(()) };
        let register = &self.parts.register;
        let Some(mut old) = register.enrollment_to_purge(old).await? else { return Ok(()) };
        let reference = found.private.as_ref().map(|person| person.reference);
        match &mut old.private {
            // An enrollment that is being purged itself is not written to any more; its own slot is burnt.
            Some(person)
                if person.replaced_by.is_some()
                    && person.replaced_by == reference
                    && old.row.state != EnrollmentState::Purging =>
            {
                person.replaced_by = None;
                Ok(register.update_enrollment(commit, &old).await?)
            }
            _ => Ok(()),
        }
    }

    fn erasure_of(&self, row: &EnrollmentRow, beginning: &Beginning) -> ErasureRow {
        let original = original_of(row);
        let jumio = AtJumio {
            original_seen_gone_at: row.original_deleted_at,
            original_not_asked: original == Original::NotOurs,
            ..AtJumio::default()
        };
        ErasureRow {
            order: beginning.order.clone(),
            ordered_at: self.now(),
            begin: None,
            purge: beginning.purge,
            awaited_by: Vec::new(),
            slot: row.slot,
            user: row.user,
            remote_slot: None,
            original_due: original == Original::Due,
            content_bytes: row.facemap_bytes.unwrap_or(0),
            authentications: 0,
            bodies: 0,
            jumio,
            purged_at: None,
            receipt: None,
            jumio_receipt: None,
        }
    }
}

pub(crate) fn begin_of(found: &Enrollment, order: &Order) -> Begin {
    let begin = Begin::about(Action::Purge, found.key.0, order.actor.clone())
        .of_user(found.row.user.map(|user| user.0))
        .with("reason", order.reason)
        .with("generation", found.row.slot.generation);
    match &order.case_reference {
        Some(case) => begin.with("caseReference", case),
        None => begin,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Original {
    /// Seen gone.
    Gone,
    /// Surely ours, and perhaps still there.
    Due,
    /// Nobody knows whether it is ours: naming it must not destroy it.
    NotOurs,
}

/// Whether the original is to be deleted. What the company started, announced or brought in is its own; what was first
/// heard of in a callback is only once the Retrieval API has confirmed it.
fn original_of(row: &EnrollmentRow) -> Original {
    use EnrollmentState as S;
    if row.original_deleted_at.is_some() {
        return Original::Gone;
    }
    let is_anothers = row.reasons.contains(&IneligibleReason::UserReferenceDiffers);
    let is_confirmed =
        row.vaulted_at.is_some() || matches!(row.state, S::Fetching | S::Vaulted | S::Ready | S::Ineligible);
    match row.origin {
        _ if row.state == S::Foreign || is_anothers => Original::NotOurs,
        EnrollmentOrigin::Callback if !is_confirmed => Original::NotOurs,
        _ => Original::Due,
    }
}
