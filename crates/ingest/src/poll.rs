//! Awaiting the person: the Retrieval API is asked for the status alone, on a schedule.

use crate::{
    Ingest, IngestError, schedule,
    step::{Step, Then, trouble},
};
use audit::{Action, Actor, Note};
use jumio::{JumioError, Progress};
use model::{EnrollmentOrigin, EnrollmentState};
use register::Enrollment;

impl Ingest {
    /// One question about a person who has not finished, as far as we know.
    pub(crate) async fn poll(&self, mut enrollment: Enrollment) -> Result<Step, IngestError> {
        let reference = Self::person(&enrollment)?.reference;
        let due = schedule::next_poll(
            &self.config,
            enrollment.row.since,
            enrollment.row.polls,
            enrollment.row.since,
        );
        // What was just announced may have been finished long ago: the first question is put at once.
        let is_fresh = enrollment.row.origin == EnrollmentOrigin::Announced && enrollment.row.polls == 0;
        if self.clock.now() < due && !is_fresh {
            return Ok(Step::new(self.records().commit(), Then::At(due)));
        }
        self.draw_retrieval(&enrollment).await?;
        let progress = match self.heard(self.jumio.scan_status(reference).await) {
            Ok(state) => {
                enrollment.row.trouble = None;
                state.progress()
            }
            // Not there yet, or mistyped: asked for on the same schedule, not more often.
            Err(IngestError::Jumio(JumioError::NotFound)) => {
                enrollment.row.trouble = Some(trouble::UNKNOWN_AT_JUMIO.to_owned());
                Progress::Waiting
            }
            Err(error) => return Err(error),
        };
        let was_seen = enrollment.row.trouble.as_deref() != Some(trouble::UNKNOWN_AT_JUMIO);
        let now = self.clock.now();
        let mut commit = self.records().commit();
        let then = match progress {
            Progress::Finished => {
                enrollment.row.enter(EnrollmentState::Received, now);
                Then::At(now)
            }
            Progress::Lapsed => self.abandon(&mut commit, &mut enrollment, "expired"),
            Progress::Waiting if now >= self.abandon_at(&enrollment) => {
                let why = if was_seen { "never-finished" } else { trouble::UNKNOWN_AT_JUMIO };
                self.abandon(&mut commit, &mut enrollment, why)
            }
            Progress::Waiting => {
                enrollment.row.polls = enrollment.row.polls.saturating_add(1);
                let next = schedule::next_poll(&self.config, enrollment.row.since, enrollment.row.polls, now);
                Then::At(next.min(self.abandon_at(&enrollment).max(now)))
            }
        };
        self.register.update_enrollment(&mut commit, &enrollment).await?;
        Ok(Step::new(commit, then))
    }

    /// Gives up waiting. A later callback or announcement brings it back.
    pub(crate) fn abandon(
        &self,
        commit: &mut records::Commit,
        enrollment: &mut Enrollment,
        why: &'static str,
    ) -> Then {
        enrollment.row.enter(EnrollmentState::Abandoned, self.clock.now());
        enrollment.row.trouble = Some(why.to_owned());
        let note = Note::about(Action::EnrollmentAbandoned, enrollment.key.0, Actor::System);
        let note = note.of_user(enrollment.row.user.map(|user| user.0));
        self.audit.note(commit, note.with("why", why));
        Then::Rest
    }

    fn abandon_at(&self, enrollment: &Enrollment) -> jiff::Timestamp {
        schedule::abandon_at(&self.config, enrollment.row.created_at, enrollment.row.token_expires_at)
    }
}
