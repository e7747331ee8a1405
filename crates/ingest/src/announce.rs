//! Announcing a transaction that was started elsewhere: `POST /v1/enrollments`.

use crate::{ATTEMPTS, EnrollmentView, Ingest, IngestError};
use audit::{Action, Actor, Note};
use model::{EnrollmentOrigin, EnrollmentRef, EnrollmentState, UserReference};
use register::{Enrollment, EnrollmentPrivate, EnrollmentRow, IneligibleReason};
use vault::SlotKind;

impl Ingest {
    /// Announces a transaction of a user, or fetches one whose callback never came. A repetition changes nothing.
    ///
    /// # Errors
    /// [`IngestError::UserReferenceDiffers`] when it is known for another user, [`IngestError::Purged`] when it was
    /// destroyed.
    pub async fn announce(
        &self,
        reference: EnrollmentRef,
        user: &UserReference,
        by: Actor,
    ) -> Result<EnrollmentView, IngestError> {
        for _ in 0..ATTEMPTS {
            let done = match self.register.enrollment(&reference).await? {
                Some(known) => self.announce_known(known, user, &by).await,
                None => self.announce_new(reference, user, &by).await,
            };
            match done {
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
                Ok(()) => return self.get(&reference).await,
            }
        }
        Err(IngestError::Busy)
    }

    async fn announce_new(
        &self,
        reference: EnrollmentRef,
        user: &UserReference,
        by: &Actor,
    ) -> Result<(), IngestError> {
        let private = EnrollmentPrivate {
            reference,
            user_reference: Some(user.clone()),
            customer_internal_reference: None,
            contents: None,
            replaced_by: None,
            attestation: None,
        };
        let (state, origin) = (EnrollmentState::AwaitingUser, EnrollmentOrigin::Announced);
        self.create(private, state, origin, by, Action::EnrollmentAnnounced).await
    }

    /// Prepares a slot and commits a new row with its job, provided that there is none: not even a tombstone.
    pub(crate) async fn create(
        &self,
        private: EnrollmentPrivate,
        state: EnrollmentState,
        origin: EnrollmentOrigin,
        by: &Actor,
        action: Action,
    ) -> Result<(), IngestError> {
        let now = self.clock.now();
        let key = self.records().enrollment_key(&private.reference);
        let user = private.user_reference.as_ref().map(|user| self.records().user_key(user));
        let slot = self.vault.prepare(SlotKind::Facemap, key.0).await?;
        let row = EnrollmentRow::new(state, origin, now, slot, user);
        let mut commit = self.records().commit();
        self.register.insert_enrollment(&mut commit, row, &private).await?;
        let note = Note::about(action, key.0, by.clone()).of_user(user.map(|user| user.0));
        self.audit.note(&mut commit, note);
        self.wake_enrollment(&mut commit, key, now).await?;
        match commit.submit().await {
            Err(error) if error.is_conflict() => {
                // Somebody else was first; nobody will ever name this slot.
                self.vault.give_back(slot).await?;
                Err(error.into())
            }
            other => Ok(other?),
        }
    }

    async fn announce_known(
        &self,
        mut known: Enrollment,
        user: &UserReference,
        by: &Actor,
    ) -> Result<(), IngestError> {
        if matches!(known.row.state, EnrollmentState::Purging | EnrollmentState::Purged) {
            return Err(IngestError::Purged);
        }
        let person = Self::person_mut(&mut known)?;
        let is_news = match &person.user_reference {
            Some(named) if named != user => return Err(IngestError::UserReferenceDiffers),
            Some(_) => false,
            None => {
                person.user_reference = Some(user.clone());
                known.row.user = Some(self.records().user_key(user));
                true
            }
        };
        if !self.revive(&mut known) && !is_news {
            return self.look_again(&known).await;
        }
        let mut commit = self.records().commit();
        self.register.update_enrollment(&mut commit, &known).await?;
        let note = Note::about(Action::EnrollmentAnnounced, known.key.0, by.clone());
        self.audit.note(&mut commit, note.of_user(known.row.user.map(|user| user.0)));
        self.wake_enrollment(&mut commit, known.key, self.clock.now()).await?;
        Ok(commit.submit().await?)
    }

    /// Brings back what was given up. Whether anything changed.
    fn revive(&self, known: &mut Enrollment) -> bool {
        let now = self.clock.now();
        if known.row.origin == EnrollmentOrigin::Callback {
            // From now on the company's word makes it ours, not a claim.
            known.row.origin = EnrollmentOrigin::Announced;
        }
        let lacked_a_user = known.row.reasons == [IneligibleReason::UserReferenceMissing];
        match known.row.state {
            EnrollmentState::AwaitingUser => {
                // The published offsets begin anew once they are over; a caller who repeats himself does not speed up
                // anything.
                let is_over = self.schedule_is_over(&known.row);
                if is_over {
                    known.row.polls = 0;
                    known.row.hint_denied = false;
                    known.row.since = now;
                }
                is_over
            }
            EnrollmentState::Abandoned | EnrollmentState::Foreign => {
                known.row.enter(EnrollmentState::Received, now);
                known.row.trouble = None;
                known.row.hint_denied = false;
                true
            }
            EnrollmentState::Ineligible if lacked_a_user => {
                known.row.enter(EnrollmentState::Received, now);
                known.row.reasons.clear();
                true
            }
            EnrollmentState::Failed => {
                let is_vaulted = known.row.vaulted_at.is_some();
                let state = if is_vaulted { EnrollmentState::Vaulted } else { EnrollmentState::Received };
                known.row.enter(state, now);
                known.row.trouble = None;
                true
            }
            _ => false,
        }
    }
}
