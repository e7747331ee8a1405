//! Awaiting the person: the Retrieval API is asked for the status alone, on a schedule, and sooner where a callback that
//! nobody vouches for says so and the strangers' part of the retrievals allows it.

use crate::{
    Ingest, IngestError, schedule,
    step::{Step, Then, trouble},
};
use audit::{Action, Actor, Note};
use jumio::{JumioError, Progress};
use model::{EnrollmentOrigin, EnrollmentRef, EnrollmentState, Timestamp};
use register::{Enrollment, EnrollmentRow};
use std::time::Duration;

/// How long a stranger's word waits at least for its part of the retrievals.
const AT_LEAST: Duration = Duration::from_millis(100);

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
        let row = &enrollment.row;
        let is_fresh = row.origin == EnrollmentOrigin::Announced && row.polls == 0 && !row.hint_denied;
        if self.clock.now() < due && !is_fresh {
            if row.hinted {
                return self.ask_for_a_stranger(enrollment, Some(due)).await;
            }
            return Ok(Step::new(self.records().commit(), Then::At(due)));
        }
        self.draw_retrieval(&enrollment).await?;
        let seen = self.progress_of(reference).await?;
        let (was_seen, progress) = (seen.is_some(), seen.unwrap_or(Progress::Waiting));
        enrollment.row.trouble = (!was_seen).then(|| trouble::UNKNOWN_AT_JUMIO.to_owned());
        enrollment.row.hinted = false;
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

    /// How far Jumio says it is; `None` where Jumio knows of none: not yet, or it was mistyped. That is asked for on the
    /// same schedule, not more often.
    async fn progress_of(&self, reference: EnrollmentRef) -> Result<Option<Progress>, IngestError> {
        match self.heard(self.jumio.scan_status(reference).await) {
            Ok(state) => Ok(Some(state.progress())),
            Err(IngestError::Jumio(JumioError::NotFound)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks at what a stranger repeats although Jumio has denied it: one question out of the strangers' part, where
    /// there is one left. A lie neither puts off what is `due` by the schedule, nor begins the schedule anew before it
    /// is over, nor brings back what was given up (`due` is `None` then).
    pub(crate) async fn ask_for_a_stranger(
        &self,
        mut enrollment: Enrollment,
        due: Option<Timestamp>,
    ) -> Result<Step, IngestError> {
        let reference = Self::person(&enrollment)?.reference;
        let mut commit = self.records().commit();
        match self.draw_strangers_retrieval().await {
            Err(IngestError::Budget { retry_after }) => {
                let free = self.clock.now() + retry_after.max(AT_LEAST);
                return Ok(Step::new(commit, Then::At(due.map_or(free, |due| due.min(free)))));
            }
            drawn => drawn?,
        }
        let progress = self.progress_of(reference).await?.unwrap_or(Progress::Waiting);
        let now = self.clock.now();
        enrollment.row.hinted = false;
        let then = match (progress, due) {
            (Progress::Finished, _) => {
                enrollment.row.enter(EnrollmentState::Received, now);
                Then::At(now)
            }
            (Progress::Lapsed, Some(_)) => self.abandon(&mut commit, &mut enrollment, "expired"),
            (Progress::Waiting, Some(due)) if !self.schedule_is_over(&enrollment.row) => Then::At(due),
            (Progress::Waiting, _) if now < self.abandon_at(&enrollment) => {
                enrollment.row.enter(EnrollmentState::AwaitingUser, now);
                (enrollment.row.since, enrollment.row.polls) = (now, 0);
                Then::At(schedule::next_poll(&self.config, now, 0, now))
            }
            (Progress::Waiting, Some(due)) => Then::At(due),
            (Progress::Waiting | Progress::Lapsed, None) => Then::Rest,
        };
        self.register.update_enrollment(&mut commit, &enrollment).await?;
        Ok(Step::new(commit, then))
    }

    /// Whether the published offsets are used up, so that it is asked about once a day.
    pub(crate) fn schedule_is_over(&self, row: &EnrollmentRow) -> bool {
        usize::try_from(row.polls).is_ok_and(|polls| polls >= self.config.poll_schedule.len())
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
