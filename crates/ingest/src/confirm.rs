//! Confirming: the Retrieval API alone says who finished, and how (DESIGN §3.12).

use crate::{
    Ingest, IngestError,
    eligibility::eligible,
    step::{Step, Then},
};
use audit::{Action, Actor, Details, Note, Outcome};
use jumio::{JumioError, Progress, ScanDetails, ScanState};
use model::{EnrollmentOrigin, EnrollmentState};
use notify::EventKind;
use register::{Enrollment, IneligibleReason};

impl Ingest {
    /// Notes that the question is about to be asked.
    pub(crate) async fn begin_confirming(&self, mut enrollment: Enrollment) -> Result<Step, IngestError> {
        enrollment.row.enter(EnrollmentState::Confirming, self.clock.now());
        let mut commit = self.records().commit();
        self.register.update_enrollment(&mut commit, &enrollment).await?;
        Ok(Step::new(commit, Then::At(self.clock.now())))
    }

    /// Asks for the details and decides.
    pub(crate) async fn confirm(&self, mut enrollment: Enrollment) -> Result<Step, IngestError> {
        let reference = Self::person(&enrollment)?.reference;
        self.draw_retrieval(&enrollment).await?;
        let details = match self.heard(self.jumio.scan_details(reference).await) {
            Err(IngestError::Jumio(JumioError::NotFound)) => return self.confirm_by_status(enrollment).await,
            answered => answered?,
        };
        if details.reference != Some(reference) {
            let what = "the retrieval answer is about another transaction";
            return Err(JumioError::Malformed { what }.into());
        }
        let now = self.clock.now();
        let mut commit = self.records().commit();
        let then = if details.state.progress() == Progress::Waiting {
            self.wait_again(&mut enrollment)
        } else if has_no_data(&details) {
            enrollment.row.hint_denied = true;
            self.abandon(&mut commit, &mut enrollment, "expired")
        } else if self.is_foreign(&enrollment, &details) {
            enrollment.row.enter(EnrollmentState::Foreign, now);
            Then::Rest
        } else {
            self.judge(&mut commit, &mut enrollment, &details)?
        };
        self.register.update_enrollment(&mut commit, &enrollment).await?;
        if enrollment.row.state == EnrollmentState::Ineligible {
            self.tell(&mut commit, EventKind::EnrollmentIneligible, &enrollment).await?;
        }
        Ok(Step::new(commit, then))
    }

    /// There are no details: not yet, no longer, or there is no such transaction. The status says which.
    async fn confirm_by_status(&self, mut enrollment: Enrollment) -> Result<Step, IngestError> {
        let reference = Self::person(&enrollment)?.reference;
        self.draw_retrieval(&enrollment).await?;
        let progress = match self.heard(self.jumio.scan_status(reference).await) {
            Ok(state) => state.progress(),
            Err(IngestError::Jumio(JumioError::NotFound)) => Progress::Waiting,
            Err(error) => return Err(error),
        };
        let mut commit = self.records().commit();
        let then = match progress {
            Progress::Waiting => self.wait_again(&mut enrollment),
            Progress::Lapsed => {
                enrollment.row.hint_denied = true;
                self.abandon(&mut commit, &mut enrollment, "expired")
            }
            // They follow; the job comes back for them.
            Progress::Finished => return Err(JumioError::NotFound.into()),
        };
        self.register.update_enrollment(&mut commit, &enrollment).await?;
        Ok(Step::new(commit, then))
    }

    /// A hint that was early or false. The polling begins anew, for it may have been only early.
    fn wait_again(&self, enrollment: &mut Enrollment) -> Then {
        let now = self.clock.now();
        enrollment.row.enter(EnrollmentState::AwaitingUser, now);
        enrollment.row.polls = 0;
        enrollment.row.hint_denied = true;
        Then::At(crate::schedule::next_poll(&self.config, now, 0, now))
    }

    /// The callback claimed a merchant reference that would make it ours, and the retrieval names another.
    fn is_foreign(&self, enrollment: &Enrollment, details: &ScanDetails) -> bool {
        enrollment.row.origin == EnrollmentOrigin::Callback
            && !self.config.adopts(details.internal_reference.as_deref())
    }

    fn judge(
        &self,
        commit: &mut records::Commit,
        enrollment: &mut Enrollment,
        details: &ScanDetails,
    ) -> Result<Then, IngestError> {
        let now = self.clock.now();
        let announced = Self::person(enrollment)?.user_reference.clone();
        match eligible(details, announced.as_ref()) {
            Ok(user) => {
                enrollment.row.enter(EnrollmentState::Fetching, now);
                enrollment.row.user = Some(self.records().user_key(&user));
                let person = Self::person_mut(enrollment)?;
                person.user_reference = Some(user);
                if person.customer_internal_reference.is_none() {
                    person.customer_internal_reference.clone_from(&details.internal_reference);
                }
            }
            Err(reasons) => {
                enrollment.row.enter(EnrollmentState::Ineligible, now);
                let note = Note::about(Action::EnrollmentIneligible, enrollment.key.0, Actor::System);
                let note = note.of_user(enrollment.row.user.map(|user| user.0));
                let words: Vec<String> = reasons.iter().map(|reason| format!("{reason:?}")).collect();
                self.audit.note(commit, note.with("reasons", words.join(", ")));
                enrollment.row.reasons = reasons;
            }
        }
        enrollment.row.trouble = None;
        Ok(Then::At(now))
    }

    /// Deletes the original of an onboarding that is good for nothing here, where the operator wants that.
    pub(crate) async fn delete_ineligible(&self, mut enrollment: Enrollment) -> Result<Step, IngestError> {
        // Where Jumio names another user, the transaction may be somebody else's: naming it must not destroy it.
        let is_theirs = !enrollment.row.reasons.contains(&IneligibleReason::UserReferenceDiffers);
        let is_done = enrollment.row.deletion_confirmed_at.is_some();
        if !self.config.delete_ineligible || is_done || !is_theirs {
            return Ok(Step::new(self.records().commit(), Then::Rest));
        }
        let stroke = self.delete_at_jumio(&enrollment).await?;
        enrollment.row.deletion_confirmed_at = Some(self.clock.now());
        let mut commit = self.records().commit();
        self.audit.finish_with(&mut commit, &stroke, Outcome::Done, Details::new());
        self.register.update_enrollment(&mut commit, &enrollment).await?;
        Ok(Step::new(commit, Then::Rest))
    }
}

/// Jumio says that it ended, and has nothing to show: nobody finished it.
pub(crate) fn has_no_data(details: &ScanDetails) -> bool {
    match details.state.progress() {
        Progress::Lapsed => true,
        _ => details.state == ScanState::Failed && details.verification_status.is_none(),
    }
}
