//! The room at its desk: which jobs it does, what a step's end means for its job, and how it wakes others.

use crate::{
    ATTEMPTS, Ingest, IngestError, epoch,
    step::{Step, Then, code_of},
};
use async_trait::async_trait;
use audit::{Action, Actor, Note, Outcome};
use jumio::JumioError;
use model::{AuthenticationId, CallbackId, EnrollmentOrigin, EnrollmentState};
use notify::EventKind;
use queue::{
    BudgetError, Failure, Handler, HandlerError, JobKey, Kind, Lane, Lease, QueueError, Retried,
    RetrievalLane,
};
use records::{Commit, EnrollmentKey};
use register::{Enrollment, EnrollmentRow};
use serde_json::Value;
use std::time::Duration;
use vault::VaultError;

const KINDS: [Kind; 3] = [Kind::Callback, Kind::Enrollment, Kind::InboxEpoch];
/// How long a job waits in its hand for the retrieval budget.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long after its end an epoch is looked at: bodies that came in its last moments are judged by then, as a rule.
const AFTER_THE_HOUR: Duration = Duration::from_mins(1);

#[async_trait]
impl Handler for Ingest {
    fn kinds(&self) -> &[Kind] {
        &KINDS
    }

    async fn handle(&self, lease: &Lease) -> Result<(), HandlerError> {
        for _ in 0..ATTEMPTS {
            let done = match lease.kind() {
                Kind::Callback => self.handle_callback(lease).await,
                // Boxed: it is the largest of them, and every job would be as large.
                Kind::Enrollment => Box::pin(self.handle_enrollment(lease)).await,
                Kind::InboxEpoch => self.handle_epoch(lease).await,
                kind => Err(QueueError::Unreadable { kind }.into()),
            };
            match done {
                Ok(()) => return Ok(()),
                // Somebody else's commit came first. Nothing of ours is lost: it is read and decided again.
                Err(error) if error.is_conflict() => {}
                Err(IngestError::Queue(error)) => return Err(error.into()),
                Err(error) => {
                    if matches!(error, IngestError::Budget { .. }) {
                        // Strangers can bring that about at will: it must not fill the log.
                        tracing::debug!(job = %lease.key(), "a step waits for the budget of retrievals");
                    } else {
                        tracing::warn!(job = %lease.key(), %error, "a step could not be done and is tried again later");
                    }
                    match self.fail(lease, &error).await {
                        Err(again) if again.is_conflict() => {}
                        Err(IngestError::Queue(error)) => return Err(error.into()),
                        // What cannot be written down is not given up either: it is tried again.
                        Err(other) => {
                            tracing::warn!(job = %lease.key(), error = %other, "a failure could not be written down");
                            return Err(HandlerError::Failed(Failure::here("failure-not-written-down")));
                        }
                        Ok(()) => return Ok(()),
                    }
                }
            }
        }
        Err(HandlerError::Conflict)
    }
}

impl Ingest {
    async fn handle_callback(&self, lease: &Lease) -> Result<(), IngestError> {
        let id: CallbackId = lease.subject()?;
        let mut commit = self.settle(id).await?.unwrap_or_else(|| self.records().commit());
        lease.complete(&mut commit).await?;
        Ok(commit.submit().await?)
    }

    async fn handle_enrollment(&self, lease: &Lease) -> Result<(), IngestError> {
        let key: EnrollmentKey = lease.subject()?;
        let Step { mut commit, then } = match self.register.enrollment_by_key(key).await? {
            Some(enrollment) => self.advance(enrollment).await?,
            None => Step::new(self.records().commit(), Then::Rest),
        };
        match then {
            Then::At(due) => lease.again_at(&mut commit, due).await?,
            Then::Rest => lease.complete(&mut commit).await?,
        }
        Ok(commit.submit().await?)
    }

    /// The one table of what happens in which state.
    async fn advance(&self, enrollment: Enrollment) -> Result<Step, IngestError> {
        match enrollment.row.state {
            EnrollmentState::AwaitingUser => self.poll(enrollment).await,
            EnrollmentState::Abandoned if enrollment.row.hinted => {
                self.ask_for_a_stranger(enrollment, None).await
            }
            EnrollmentState::Received => self.begin_confirming(enrollment).await,
            EnrollmentState::Confirming => self.confirm(enrollment).await,
            EnrollmentState::Fetching => self.fetch(enrollment).await,
            EnrollmentState::Vaulted => self.hand_over(enrollment).await,
            EnrollmentState::Ineligible => self.delete_ineligible(enrollment).await,
            EnrollmentState::Ready
            | EnrollmentState::Abandoned
            | EnrollmentState::Failed
            | EnrollmentState::Foreign
            | EnrollmentState::Purging
            | EnrollmentState::Purged => Ok(Step::new(self.records().commit(), Then::Rest)),
        }
    }

    async fn handle_epoch(&self, lease: &Lease) -> Result<(), IngestError> {
        let hour: u64 = lease.subject()?;
        self.close_epochs().await?;
        let has_more = self.expire_callbacks().await?;
        let mut commit = self.records().commit();
        if has_more {
            lease.again_at(&mut commit, self.clock.now() + AFTER_THE_HOUR).await?;
        } else if self.has_epoch_of(hour).await? {
            let due = self.clock.now().max(epoch::end_of(hour)) + AFTER_THE_HOUR;
            lease.again_at(&mut commit, due).await?;
        } else {
            lease.complete(&mut commit).await?;
        }
        Ok(commit.submit().await?)
    }

    /// A step failed. Its job comes back later; when it has failed for as long as configured, what it is about is given
    /// up in the same commit.
    async fn fail(&self, lease: &Lease, error: &IngestError) -> Result<(), IngestError> {
        let mut commit = self.records().commit();
        match lease.kind() {
            Kind::Enrollment => {
                let key: EnrollmentKey = lease.subject()?;
                // An enrollment that cannot be read cannot be marked either; its job waits and is given up alone.
                let found = match self.register.enrollment_by_key(key).await {
                    Ok(found) => found,
                    Err(error) if error.is_damage() => None,
                    Err(error) => return Err(error.into()),
                };
                let state = found.as_ref().map_or(EnrollmentState::Failed, |found| found.row.state);
                let code = code_of(error, state);
                let retried = lease.retry(&mut commit, &self.failure_of(error, code)).await?;
                if let Some(found) = found {
                    self.mark_failure(&mut commit, found, code, retried).await?;
                }
            }
            Kind::Callback => {
                let failure = self.failure_of(error, "callback-not-settled");
                if lease.retry(&mut commit, &failure).await? == Retried::DeadLetter {
                    self.bury(&mut commit, lease.subject()?).await?;
                }
            }
            _ => {
                lease.retry(&mut commit, &self.failure_of(error, "epoch-not-closed")).await?;
            }
        }
        Ok(commit.submit().await?)
    }

    async fn mark_failure(
        &self,
        commit: &mut Commit,
        mut enrollment: Enrollment,
        code: &'static str,
        retried: Retried,
    ) -> Result<(), IngestError> {
        let is_news = enrollment.row.trouble.as_deref() != Some(code);
        enrollment.row.trouble = Some(code.to_owned());
        // What is ineligible stays so, whatever became of the deletion of its original.
        if retried == Retried::DeadLetter && enrollment.row.state != EnrollmentState::Ineligible {
            enrollment.row.enter(EnrollmentState::Failed, self.clock.now());
            let note = Note::about(Action::EnrollmentFailed, enrollment.key.0, Actor::System);
            let note = note.of_user(enrollment.row.user.map(|user| user.0));
            self.audit.note(commit, note.ended(Outcome::Failed).with("why", code));
            self.tell(commit, EventKind::EnrollmentFailed, &enrollment).await?;
            self.wake_others(commit, &enrollment).await?;
        } else if !is_news {
            return Ok(());
        }
        Ok(self.register.update_enrollment(commit, &enrollment).await?)
    }

    /// Whether a failure is held against the job: an outage uses up nobody's tries.
    fn failure_of(&self, error: &IngestError, code: &'static str) -> Failure {
        match error {
            IngestError::Jumio(JumioError::Credentials)
            | IngestError::Busy
            | IngestError::Audit(_)
            | IngestError::Records(_)
            | IngestError::Vault(VaultError::Poisoned | VaultError::Stopping) => Failure::here(code),
            IngestError::Jumio(JumioError::RateLimited { retry_after }) => {
                Failure::here(code).not_before(retry_after.unwrap_or_default())
            }
            IngestError::Jumio(error) if error.is_outage() => Failure::peer(code, &self.health),
            IngestError::Budget { retry_after } => Failure::here(code).not_before(whole_millis(*retry_after)),
            IngestError::Vault(VaultError::ReadBack(_)) => Failure::item(code),
            IngestError::Vault(error) if error.is_retryable() => Failure::here(code),
            _ => Failure::item(code),
        }
    }

    /// Lets Jumio's answer say what it says about Jumio as a whole: that it is there, or that we ask too often.
    pub(crate) fn heard<T>(&self, answer: Result<T, JumioError>) -> Result<T, IngestError> {
        match &answer {
            Err(JumioError::RateLimited { retry_after }) => self.retrievals.penalise(*retry_after),
            Err(error) if error.is_outage() => {}
            Err(JumioError::Guarded { .. } | JumioError::Invalid(_)) => {}
            Ok(_) | Err(_) => {
                self.retrievals.answered();
                self.health.answered(self.clock.now());
            }
        }
        Ok(answer?)
    }

    /// One call of the Retrieval or Delete API about an enrollment, or word that the budget is spent.
    pub(crate) async fn draw_retrieval(&self, enrollment: &Enrollment) -> Result<(), IngestError> {
        drawn(self.retrievals.acquire(lane_of(&enrollment.row), PATIENCE).await)
    }

    /// One such call because a stranger repeats what Jumio has denied.
    pub(crate) async fn draw_strangers_retrieval(&self) -> Result<(), IngestError> {
        drawn(self.retrievals.acquire(RetrievalLane::Stranger, PATIENCE).await)
    }

    /// One such call about what somebody with a token has named.
    pub(crate) async fn draw_known_retrieval(&self) -> Result<(), IngestError> {
        drawn(self.retrievals.acquire(Lane::Verification, PATIENCE).await)
    }

    /// One initiate.
    pub(crate) async fn draw_verification(&self) -> Result<(), IngestError> {
        drawn(self.budget.acquire(Lane::Verification, self.config.wait).await)
    }

    pub(crate) async fn wake_enrollment(
        &self,
        commit: &mut Commit,
        key: EnrollmentKey,
        due: model::Timestamp,
    ) -> Result<(), IngestError> {
        let job = JobKey::new(Kind::Enrollment, &key);
        self.queue.forget(commit, &job).await?;
        Ok(self.queue.schedule(commit, &job, due, Value::Null).await?)
    }

    /// Lets the result of an authentication be asked for now.
    pub(crate) async fn wake_authentication(
        &self,
        commit: &mut Commit,
        id: AuthenticationId,
    ) -> Result<(), IngestError> {
        let job = JobKey::new(Kind::Authentication, &id);
        if !self.queue.nudge(commit, &job).await? {
            self.queue.schedule(commit, &job, self.clock.now(), Value::Null).await?;
        }
        Ok(())
    }

    pub(crate) async fn enqueue_callback(
        &self,
        commit: &mut Commit,
        id: CallbackId,
    ) -> Result<(), IngestError> {
        let job = JobKey::new(Kind::Callback, &id);
        Ok(self.queue.schedule(commit, &job, self.clock.now(), Value::Null).await?)
    }

    /// Lets the epochs of an hour be looked at, a minute after `over`. They share one job.
    pub(crate) async fn enqueue_epoch(
        &self,
        commit: &mut Commit,
        hour: u64,
        over: model::Timestamp,
    ) -> Result<(), IngestError> {
        let job = JobKey::new(Kind::InboxEpoch, &hour);
        Ok(self.queue.schedule(commit, &job, over + AFTER_THE_HOUR, Value::Null).await?)
    }
}

/// Rounded up: a job that comes back a nanosecond early would find the budget spent again.
fn whole_millis(wait: Duration) -> Duration {
    let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    Duration::from_millis(millis)
}

/// What only a callback names may be anybody's invention, until Jumio has confirmed that it is ours.
fn lane_of(row: &EnrollmentRow) -> RetrievalLane {
    use EnrollmentState as S;
    let is_unconfirmed = matches!(row.state, S::AwaitingUser | S::Received | S::Confirming | S::Foreign);
    if row.origin == EnrollmentOrigin::Callback && is_unconfirmed {
        return RetrievalLane::Stranger;
    }
    RetrievalLane::Known(Lane::Verification)
}

fn drawn<P>(answer: Result<P, BudgetError>) -> Result<(), IngestError> {
    match answer {
        Ok(_permit) => Ok(()),
        Err(BudgetError::Spent { retry_after }) => Err(IngestError::Budget { retry_after }),
        Err(BudgetError::Unavailable(error)) => Err(error.into()),
    }
}
