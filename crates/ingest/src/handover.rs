//! The hand-over: read back, released, written down, deleted at Jumio, seen gone, ready (DESIGN §3.13).
//!
//! Each step leaves a mark in the enrollment's row, so that a restart goes on where it was: the claim on the user,
//! `deletion_confirmed_at`, `ready`.

use crate::{
    Ingest, IngestError,
    config::DeleteOriginal,
    step::{Step, Then, trouble},
};
use audit::{Action, Actor, Begin, Details, Note, Outcome, Stroke};
use jumio::JumioError;
use model::{EnrollmentState, UserReference};
use records::{Commit, EnrollmentKey, UserKey};
use register::{Enrollment, UserRow};
use std::time::Duration;

/// Between two looks at an original that the vault does not delete itself.
const WATCH: Duration = Duration::from_hours(24);
/// Between two looks at an original that was deleted a moment ago.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// A deletion that has no effect for this long is asked for again.
const ASK_AGAIN: Duration = Duration::from_hours(1);

impl Ingest {
    /// The next step of a vaulted enrollment.
    pub(crate) async fn hand_over(&self, enrollment: Enrollment) -> Result<Step, IngestError> {
        self.vault.make_live(enrollment.row.slot).await?;
        let is_deleted = enrollment.row.deletion_confirmed_at.is_some();
        let waits_for_release = !is_deleted
            && self.config.delete_original == DeleteOriginal::OnRelease
            && enrollment.row.released_at.is_none();
        if waits_for_release {
            return Ok(Step::new(self.records().commit(), Then::Rest));
        }
        let user = enrollment.row.user.ok_or(inconsistent(&enrollment))?;
        let read = self.register.user(user).await?;
        let row = read.as_ref().map(|read| read.value.clone()).unwrap_or_default();
        if !may_take(&enrollment, &row, self.is_given_up(row.claimed).await?) {
            return self.wait_for_replacement(enrollment).await;
        }
        if row.claimed != Some(enrollment.key) {
            // Of two enrollments of a user only one gets past this commit, and so only one loses its original.
            let mut commit = self.records().commit();
            let claimed = UserRow { claimed: Some(enrollment.key), ..row };
            self.register.put_user(&mut commit, user, read.as_ref(), &claimed);
            self.register.require_enrollment(&mut commit, &enrollment);
            return Ok(Step::new(commit, Then::At(self.clock.now())));
        }
        if is_deleted || self.config.delete_original == DeleteOriginal::Never {
            return self.look_for_original(enrollment).await;
        }
        self.delete_original(enrollment).await
    }

    /// Whether the enrollment that holds the claim was given up: its claim holds nobody up. If it is revived, it finds
    /// another one in its place and waits like any second one.
    pub(crate) async fn is_given_up(&self, claimed: Option<EnrollmentKey>) -> Result<bool, IngestError> {
        let Some(key) = claimed else { return Ok(false) };
        let found = self.register.enrollment_by_key(key).await?;
        Ok(found.is_none_or(|found| found.row.state == EnrollmentState::Failed))
    }

    /// Deletes the original at Jumio. What the vault holds is opened from the disk and compared first, every time.
    async fn delete_original(&self, mut enrollment: Enrollment) -> Result<Step, IngestError> {
        self.read_back(&enrollment).await?;
        let stroke = self.delete_at_jumio(&enrollment).await?;
        enrollment.row.deletion_confirmed_at = Some(self.clock.now());
        enrollment.row.trouble = None;
        let mut commit = self.records().commit();
        self.audit.finish_with(&mut commit, &stroke, Outcome::Done, Details::new());
        self.register.update_enrollment(&mut commit, &enrollment).await?;
        Ok(Step::new(commit, Then::At(self.clock.now())))
    }

    async fn read_back(&self, enrollment: &Enrollment) -> Result<(), IngestError> {
        let person = Self::person(enrollment)?;
        let contents = person.contents.as_ref().ok_or(inconsistent(enrollment))?;
        Ok(self.vault.prove(enrollment.row.slot, &person.reference, contents).await?)
    }

    /// Writes the deletion down, then asks Jumio for it. That it is not there any more is what was wanted.
    pub(crate) async fn delete_at_jumio(&self, enrollment: &Enrollment) -> Result<Stroke, IngestError> {
        let reference = Self::person(enrollment)?.reference;
        self.draw_retrieval().await?;
        let begin = Begin::about(Action::OriginalDeletion, enrollment.key.0, Actor::System);
        let stroke = self.audit.begin(begin.with("state", enrollment.row.state)).await?;
        let outcome = match self.heard(self.jumio.delete_scan(reference).await) {
            Ok(()) | Err(IngestError::Jumio(JumioError::NotFound)) => return Ok(stroke),
            Err(IngestError::Jumio(error)) if error.outcome_is_unknown() => (Outcome::Unknown, error),
            Err(IngestError::Jumio(error)) => (Outcome::Failed, error),
            Err(other) => return Err(other),
        };
        let (outcome, error) = outcome;
        self.audit.finish_alone(&stroke, outcome, Details::new()).await?;
        Err(error.into())
    }

    /// Asks whether the facemap's address answers 404, and if so finishes.
    async fn look_for_original(&self, mut enrollment: Enrollment) -> Result<Step, IngestError> {
        let reference = Self::person(&enrollment)?.reference;
        self.draw_retrieval().await?;
        if self.heard(self.jumio.facemap_is_gone(reference).await)? {
            return self.make_ready(enrollment).await;
        }
        let now = self.clock.now();
        let mut commit = self.records().commit();
        let Some(deleted) = enrollment.row.deletion_confirmed_at else {
            return Ok(Step::new(commit, Then::At(now + WATCH)));
        };
        enrollment.row.trouble = Some(trouble::ORIGINAL_STILL_THERE.to_owned());
        if now >= deleted + ASK_AGAIN {
            enrollment.row.deletion_confirmed_at = None;
        }
        self.register.update_enrollment(&mut commit, &enrollment).await?;
        Ok(Step::new(commit, Then::At(now + LOOK_AGAIN)))
    }

    /// The original is gone: one commit makes the enrollment ready and its user's current one.
    async fn make_ready(&self, mut enrollment: Enrollment) -> Result<Step, IngestError> {
        self.vault.mark_original_deleted(enrollment.row.slot).await?;
        let now = self.clock.now();
        let user = enrollment.row.user.ok_or(inconsistent(&enrollment))?;
        let read = self.register.user(user).await?;
        let row = read.as_ref().map(|read| read.value.clone()).unwrap_or_default();
        if row.claimed != Some(enrollment.key) {
            return Err(inconsistent(&enrollment));
        }
        let mut commit = self.records().commit();
        if let Some(old) = row.current.filter(|old| *old != enrollment.key) {
            self.replace(&mut commit, old, &enrollment).await?;
        }
        let current = UserRow { current: Some(enrollment.key), claimed: None };
        self.register.put_user(&mut commit, user, read.as_ref(), &current);
        enrollment.row.enter(EnrollmentState::Ready, now);
        enrollment.row.original_deleted_at = Some(now);
        enrollment.row.trouble = None;
        self.register.update_enrollment(&mut commit, &enrollment).await?;
        self.audit.note(&mut commit, Note::about(Action::EnrollmentReady, enrollment.key.0, Actor::System));
        Ok(Step::new(commit, Then::Rest))
    }

    async fn replace(
        &self,
        commit: &mut Commit,
        old: EnrollmentKey,
        new: &Enrollment,
    ) -> Result<(), IngestError> {
        let Some(mut old) = self.register.enrollment_by_key(old).await? else { return Ok(()) };
        old.row.replaced_by = Some(new.key);
        if let Some(person) = &mut old.private {
            person.replaced_by = Some(Self::person(new)?.reference);
        }
        self.audit.note(commit, Note::about(Action::EnrollmentReplaced, old.key.0, Actor::System));
        // A tombstone's row keeps its sealed fields as they are; nothing can be sealed under a burnt slot.
        if old.private.is_some() {
            self.register.update_enrollment(commit, &old).await?;
        }
        Ok(())
    }

    /// The user has another enrollment: this one stays vaulted, its original untouched, until it is released with
    /// `replaces`.
    async fn wait_for_replacement(&self, mut enrollment: Enrollment) -> Result<Step, IngestError> {
        let mut commit = self.records().commit();
        if enrollment.row.trouble.as_deref() != Some(trouble::ANOTHER_IS_CURRENT) {
            enrollment.row.trouble = Some(trouble::ANOTHER_IS_CURRENT.to_owned());
            self.register.update_enrollment(&mut commit, &enrollment).await?;
        }
        Ok(Step::new(commit, Then::Rest))
    }

    /// Whether the user has an enrollment, other than this one, that is current or about to be.
    pub(crate) async fn user_row(&self, user: &UserReference) -> Result<(UserKey, UserRow), IngestError> {
        let key = self.records().user_key(user);
        let row = self.register.user(key).await?.map(|read| read.value).unwrap_or_default();
        Ok((key, row))
    }
}

/// Whether the enrollment may become its user's current one (DESIGN §3.15).
fn may_take(enrollment: &Enrollment, user: &UserRow, claim_is_given_up: bool) -> bool {
    let is_free = claim_is_given_up || user.claimed.is_none_or(|claimed| claimed == enrollment.key);
    let replaces_it = match user.current {
        None => true,
        Some(current) => current == enrollment.key || enrollment.row.replaces == Some(current),
    };
    is_free && replaces_it
}

fn inconsistent(enrollment: &Enrollment) -> IngestError {
    IngestError::Inconsistent { state: enrollment.row.state }
}
