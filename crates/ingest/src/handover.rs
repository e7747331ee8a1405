//! The hand-over: read back, released, written down, deleted at Jumio, seen gone, ready (DESIGN §3.13).
//!
//! Each step leaves a mark in the enrollment's row, so that a restart goes on where it was: the claim on the user,
//! `deletion_confirmed_at`, `ready`.

use crate::{
    Ingest, IngestError,
    config::{DeleteOriginal, OnReplacement},
    step::{Step, Then, trouble},
};
use audit::{Action, Actor, Begin, Details, Note, Outcome, Stroke};
use jumio::JumioError;
use model::{EnrollmentState, UserReference};
use notify::EventKind;
use queue::{JobKey, Kind};
use records::{Commit, EnrollmentKey, Record, UserKey};
use register::{Enrollment, EnrollmentFilter, EnrollmentRow, UserRow};
use serde_json::Value;
use std::time::Duration;

/// Between two looks at an original that the vault does not delete itself.
const WATCH: Duration = Duration::from_hours(24);
/// Between two looks at an original that was deleted a moment ago.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// A deletion that has no effect for this long is asked for again.
const ASK_AGAIN: Duration = Duration::from_hours(1);
/// Other enrollments of a user that are looked at, or woken, at a time.
const MOST_OTHERS: usize = 100;

/// What the claim on a user means for an enrollment of that user.
pub(crate) enum Claim {
    /// Nobody's, or its own.
    Free,
    /// Another enrollment's, which was given up with its original untouched: it holds nobody up, for as long as its row
    /// stays as it was read.
    GivenUp(Box<Enrollment>),
    /// Another enrollment's.
    Held,
}

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
        if row.current.is_none() && self.is_ready_elsewhere(user, &enrollment).await? {
            return Err(IngestError::UserWithoutCurrent);
        }
        let claim = self.claim_on(&row, &enrollment).await?;
        if !may_take(&enrollment, &row, &claim) {
            return self.wait_for_replacement(enrollment).await;
        }
        if row.claimed != Some(enrollment.key) {
            // Of two enrollments of a user only one gets past this commit, and so only one loses its original.
            let mut commit = self.records().commit();
            let claimed = UserRow { claimed: Some(enrollment.key), ..row };
            self.register.put_user(&mut commit, user, read.as_ref(), &claimed);
            self.register.require_enrollment(&mut commit, &enrollment);
            if let Claim::GivenUp(other) = &claim {
                self.register.require_enrollment(&mut commit, other);
            }
            return Ok(Step::new(commit, Then::At(self.clock.now())));
        }
        if is_deleted || self.config.delete_original == DeleteOriginal::Never {
            return self.look_for_original(enrollment).await;
        }
        self.delete_original(enrollment, user, read.as_ref()).await
    }

    /// Whether the user has another enrollment that is ready and whose place nobody took, or one that cannot be read: asked
    /// when the user's row names none. Whoever takes that row out of the store would otherwise make room for a second
    /// enrollment in the user's name (DESIGN §3.15).
    async fn is_ready_elsewhere(&self, user: UserKey, enrollment: &Enrollment) -> Result<bool, IngestError> {
        let mut after = None;
        loop {
            let rows = self.register.rows_of_user(user, after.as_ref(), MOST_OTHERS).await?;
            let in_the_way = |row: &Option<EnrollmentRow>| {
                row.as_ref()
                    .is_none_or(|row| row.state == EnrollmentState::Ready && row.replaced_by.is_none())
            };
            if rows.iter().any(|(place, row)| place.2 != enrollment.key && in_the_way(row)) {
                return Ok(true);
            }
            match rows.last() {
                Some((place, _)) if rows.len() == MOST_OTHERS => after = Some(*place),
                _ => return Ok(false),
            }
        }
    }

    /// What the claim on a user means for `enrollment`. If one that was given up is revived, it finds another in its
    /// place and waits like any second one. One whose original is gone, or may be, is not passed over, unless an admin
    /// released this one to replace it.
    pub(crate) async fn claim_on(
        &self,
        row: &UserRow,
        enrollment: &Enrollment,
    ) -> Result<Claim, IngestError> {
        let Some(key) = row.claimed.filter(|key| *key != enrollment.key) else { return Ok(Claim::Free) };
        let Some(other) = self.register.enrollment_by_key(key).await? else { return Ok(Claim::Free) };
        let may_be_gone = other.row.deletion_asked_at.is_some() || other.row.deletion_confirmed_at.is_some();
        let is_given_up = other.row.state == EnrollmentState::Failed
            && (!may_be_gone || enrollment.row.replaces == Some(key));
        Ok(if is_given_up { Claim::GivenUp(Box::new(other)) } else { Claim::Held })
    }

    /// Deletes the original at Jumio. What the vault holds is opened from the disk and compared first, every time.
    async fn delete_original(
        &self,
        enrollment: Enrollment,
        user: UserKey,
        read: Option<&Record<UserRow>>,
    ) -> Result<Step, IngestError> {
        self.read_back(&enrollment).await?;
        self.draw_retrieval(&enrollment).await?;
        let is_first = enrollment.row.deletion_asked_at.is_none();
        let stroke = self.begin_deletion(&enrollment).await?;
        let mut enrollment = match self.mark_asked(enrollment, user, read).await {
            Ok(marked) => marked,
            Err(error) => {
                self.audit.finish_alone(&stroke, Outcome::Failed, Details::new()).await?;
                return Err(error);
            }
        };
        if let Err(error) = self.ask_deletion(&enrollment).await {
            let outcome = outcome_of(&error);
            let mut commit = self.records().commit();
            self.audit.finish_with(&mut commit, &stroke, outcome, Details::new());
            if is_first && outcome == Outcome::Failed {
                enrollment.row.deletion_asked_at = None;
                self.register.update_enrollment(&mut commit, &enrollment).await?;
            }
            commit.submit().await?;
            return Err(error);
        }
        enrollment.row.deletion_confirmed_at = Some(self.clock.now());
        enrollment.row.trouble = None;
        let mut commit = self.records().commit();
        self.audit.finish_with(&mut commit, &stroke, Outcome::Done, Details::new());
        self.register.update_enrollment(&mut commit, &enrollment).await?;
        Ok(Step::new(commit, Then::At(self.clock.now())))
    }

    /// Writes into the row that the original may be gone from now on, and claims the user once more: whoever took the
    /// claim over since it was read is first, and then nothing is deleted.
    async fn mark_asked(
        &self,
        mut enrollment: Enrollment,
        user: UserKey,
        read: Option<&Record<UserRow>>,
    ) -> Result<Enrollment, IngestError> {
        enrollment.row.deletion_asked_at.get_or_insert(self.clock.now());
        let mut commit = self.records().commit();
        let row = read.map(|read| read.value.clone()).unwrap_or_default();
        self.register.put_user(&mut commit, user, read, &row);
        self.register.update_enrollment(&mut commit, &enrollment).await?;
        commit.submit().await?;
        let marked = self.register.enrollment_by_key(enrollment.key).await?;
        let is_as_marked = |marked: &Enrollment| {
            marked.row.state == EnrollmentState::Vaulted
                && marked.row.deletion_asked_at == enrollment.row.deletion_asked_at
        };
        marked.filter(is_as_marked).ok_or_else(conflict)
    }

    async fn read_back(&self, enrollment: &Enrollment) -> Result<(), IngestError> {
        let person = Self::person(enrollment)?;
        let contents = person.contents.as_ref().ok_or(inconsistent(enrollment))?;
        Ok(self.vault.prove(enrollment.row.slot, &person.reference, contents).await?)
    }

    /// Writes the deletion down.
    async fn begin_deletion(&self, enrollment: &Enrollment) -> Result<Stroke, IngestError> {
        let begin = Begin::about(Action::OriginalDeletion, enrollment.key.0, Actor::System);
        let begin = begin.of_user(enrollment.row.user.map(|user| user.0));
        Ok(self.audit.begin(begin.with("state", enrollment.row.state)).await?)
    }

    /// Asks Jumio for the deletion. That it is not there any more is what was wanted.
    async fn ask_deletion(&self, enrollment: &Enrollment) -> Result<(), IngestError> {
        let reference = Self::person(enrollment)?.reference;
        match self.heard(self.jumio.delete_scan(reference).await) {
            Err(IngestError::Jumio(JumioError::NotFound)) => Ok(()),
            answered => answered,
        }
    }

    /// Writes the deletion of an original that nobody claims down, then asks Jumio for it.
    pub(crate) async fn delete_at_jumio(&self, enrollment: &Enrollment) -> Result<Stroke, IngestError> {
        self.draw_retrieval(enrollment).await?;
        let stroke = self.begin_deletion(enrollment).await?;
        if let Err(error) = self.ask_deletion(enrollment).await {
            self.audit.finish_alone(&stroke, outcome_of(&error), Details::new()).await?;
            return Err(error);
        }
        Ok(stroke)
    }

    /// Asks whether the facemap's address answers 404, and if so finishes.
    async fn look_for_original(&self, mut enrollment: Enrollment) -> Result<Step, IngestError> {
        let reference = Self::person(&enrollment)?.reference;
        self.draw_retrieval(&enrollment).await?;
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
        self.tell(&mut commit, EventKind::EnrollmentReady, &enrollment).await?;
        let note = Note::about(Action::EnrollmentReady, enrollment.key.0, Actor::System);
        self.audit.note(&mut commit, note.of_user(user.0));
        self.count_ready(&mut commit, &enrollment.row);
        self.wake_others(&mut commit, &enrollment).await?;
        Ok(Step::new(commit, Then::Rest))
    }

    /// Wakes the user's other vaulted enrollments: the claim that they wait for may be free with this commit.
    pub(crate) async fn wake_others(
        &self,
        commit: &mut Commit,
        enrollment: &Enrollment,
    ) -> Result<(), IngestError> {
        let user = enrollment.private.as_ref().and_then(|person| person.user_reference.clone());
        if user.is_none() {
            return Ok(());
        }
        let state = Some(EnrollmentState::Vaulted);
        let filter = EnrollmentFilter { user, state, after: None };
        for other in self.register.enrollments(&filter, MOST_OTHERS).await? {
            if other.key != enrollment.key {
                self.wake_enrollment(commit, other.key, self.clock.now()).await?;
            }
        }
        Ok(())
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
        let note = Note::about(Action::EnrollmentReplaced, old.key.0, Actor::System);
        self.audit.note(commit, note.of_user(new.row.user.map(|user| user.0)));
        // A tombstone's row keeps its sealed fields as they are; nothing can be sealed under a burnt slot.
        if old.private.is_some() {
            // In the slot before in the record, as everything that a rebuild must know.
            self.vault.mark_replaced(old.row.slot, true).await?;
            self.register.update_enrollment(commit, &old).await?;
            self.tell(commit, EventKind::EnrollmentReplaced, &old).await?;
            if self.config.on_replacement == OnReplacement::PurgePrevious {
                let job = JobKey::new(Kind::Replaced, &old.key);
                self.queue.schedule(commit, &job, self.clock.now(), Value::Null).await?;
            }
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
fn may_take(enrollment: &Enrollment, user: &UserRow, claim: &Claim) -> bool {
    let is_free = !matches!(claim, Claim::Held);
    let replaces_it = match user.current {
        None => true,
        Some(current) => current == enrollment.key || enrollment.row.replaces == Some(current),
    };
    is_free && replaces_it
}

/// What an unanswered or refused deletion came to.
fn outcome_of(error: &IngestError) -> Outcome {
    match error {
        IngestError::Jumio(error) if error.outcome_is_unknown() => Outcome::Unknown,
        _ => Outcome::Failed,
    }
}

fn conflict() -> IngestError {
    records::RecordsError::Store(store::StoreError::Conflict).into()
}

fn inconsistent(enrollment: &Enrollment) -> IngestError {
    IngestError::Inconsistent { state: enrollment.row.state }
}
