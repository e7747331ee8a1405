//! Following a transaction to its result: by a schedule, or sooner when a callback or a waiting caller says so. What
//! counts is what the Retrieval API answers, and nothing else.

use crate::{
    Reauth,
    error::ReauthError,
    judge::{self, Verdict},
    look_up::too_soon,
    window,
};
use async_trait::async_trait;
use audit::{Action, Actor, Note, Outcome};
use jiff::{SignedDuration, Timestamp};
use jumio::AuthenticationDetails;
use model::{AuthenticationId, AuthenticationState, BatchId, LinkId};
use notify::EventKind;
use queue::{Failure, Handler, HandlerError, JobKey, Kind, Lane, Lease, QueueError};
use records::Commit;
use register::Authentication;
use std::time::Duration;

/// How long after its window a transaction that Jumio never ended is asked about. Then it is expired here too: Jumio
/// has long dropped the facemap, so it can no longer pass.
const GIVE_UP_AFTER_WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// How long a 429 without `Retry-After` is honoured.
const RETRIEVAL_BACKOFF: Duration = Duration::from_secs(5);

/// What one look at a transaction led to.
pub(crate) enum Step {
    /// Nothing more will happen.
    Over,
    /// Look again then.
    Later(Timestamp),
}

#[async_trait]
impl Handler for Reauth {
    fn kinds(&self) -> &[Kind] {
        &[Kind::Authentication, Kind::LinkExpiry, Kind::Batch]
    }

    async fn handle(&self, lease: &Lease) -> Result<(), HandlerError> {
        let done = match lease.kind() {
            Kind::LinkExpiry => self.expire_link(lease.subject::<LinkId>()?, lease).await,
            Kind::Batch => self.run_batch(lease.subject::<BatchId>()?, lease).await,
            _ => self.follow(lease.subject::<AuthenticationId>()?, lease).await,
        };
        done.map_err(|error| self.failure(&error))
    }
}

impl Reauth {
    /// The job that follows an authentication to its result.
    pub(crate) fn job(id: AuthenticationId) -> JobKey {
        JobKey::new(Kind::Authentication, &id)
    }

    async fn follow(&self, id: AuthenticationId, lease: &Lease) -> Result<(), ReauthError> {
        let mut commit = self.parts.register.records().commit();
        let step = match self.parts.register.authentication(id).await? {
            // A callback may come many times over, and somebody may be waiting: Jumio is not asked more often for that.
            Some(mut found) => match too_soon(found.row.asked_at, self.now()) {
                Some(at) if found.row.state == AuthenticationState::Initiated => Step::Later(at),
                _ => self.look(&mut commit, &mut found).await?,
            },
            None => Step::Over,
        };
        match step {
            Step::Over => lease.complete(&mut commit).await?,
            Step::Later(at) => lease.again_at(&mut commit, at).await?,
        }
        commit.submit().await?;
        Ok(())
    }

    /// What a failure means for the job: whose fault it was decides whether its time counts.
    fn failure(&self, error: &ReauthError) -> HandlerError {
        match error {
            _ if error.is_conflict() => HandlerError::Conflict,
            ReauthError::Queue(QueueError::LeaseLost { .. }) => HandlerError::LeaseLost,
            ReauthError::BudgetSpent { retry_after } => {
                HandlerError::Failed(Failure::here("jumio-budget").not_before(*retry_after))
            }
            ReauthError::JumioUnavailable => {
                HandlerError::Failed(Failure::peer("jumio-unavailable", &self.parts.peer))
            }
            ReauthError::JumioRefused { .. } => HandlerError::Failed(Failure::item("jumio-refused")),
            _ => HandlerError::Failed(Failure::here("unavailable")),
        }
    }

    /// Asks Jumio about an open authentication and puts what follows from the answer into `commit`.
    pub(crate) async fn look(
        &self,
        commit: &mut Commit,
        authentication: &mut Authentication,
    ) -> Result<Step, ReauthError> {
        let reference = authentication.private.as_ref().and_then(|private| private.reference);
        // What has no reference was handed to nobody: there is nothing to ask, and nothing that could pass.
        let (AuthenticationState::Initiated, Some(reference)) = (authentication.row.state, reference) else {
            return Ok(Step::Over);
        };
        let _permit = self.parts.retrievals.acquire(Lane::Authentication, self.config.wait).await?;
        let answer = self.parts.jumio.authentication(reference).await;
        let now = self.now();
        match &answer {
            Err(jumio::JumioError::RateLimited { .. }) => self.parts.peer.answered(now),
            Err(error) if error.is_outage() => {}
            Ok(_) | Err(_) => {
                self.parts.retrievals.answered();
                self.parts.peer.answered(now);
            }
        }
        // What was asked before a purge began, and is answered after it, changes nothing any more.
        match self.require_person(commit, authentication).await {
            Ok(()) => {}
            Err(ReauthError::Purged) => return Ok(Step::Over),
            Err(error) => return Err(error),
        }
        authentication.row.asked_at = Some(now);
        authentication.row.polls = authentication.row.polls.saturating_add(1);
        let verdict = match answer {
            Ok(details) => Self::verdict(authentication, &details),
            // Gone at Jumio: nothing will ever be confirmed.
            Err(jumio::JumioError::NotFound) => Verdict::Pending,
            Err(error) => {
                if let jumio::JumioError::RateLimited { retry_after } = &error {
                    self.parts.retrievals.penalise(*retry_after);
                }
                return Err(ReauthError::from_jumio(&error, RETRIEVAL_BACKOFF));
            }
        };
        let end = match verdict {
            Verdict::Final(state) => Some(state),
            Verdict::Pending | Verdict::NotOurs(_) => Self::given_up(authentication, now),
        };
        let Some(state) = end else {
            let next = self.next_poll(authentication, now);
            self.parts.register.update_authentication(commit, authentication).await?;
            return Ok(Step::Later(next));
        };
        self.complete(commit, authentication, state, now).await?;
        Ok(Step::Over)
    }

    fn verdict(authentication: &Authentication, details: &AuthenticationDetails) -> Verdict {
        let Some(private) = &authentication.private else { return Verdict::Pending };
        let verdict = judge::judge(details, private, authentication.row.created_at);
        if let Verdict::NotOurs(mismatch) = verdict {
            tracing::warn!(
                authentication = %authentication.id,
                mismatch = mismatch.code(),
                "The Retrieval API's answer does not belong to this authentication. It changes nothing."
            );
        }
        verdict
    }

    async fn complete(
        &self,
        commit: &mut Commit,
        authentication: &mut Authentication,
        state: AuthenticationState,
        now: Timestamp,
    ) -> Result<(), ReauthError> {
        let register = &self.parts.register;
        authentication.row.enter(state, now);
        authentication.row.completed_at = Some(now);
        register.update_authentication(commit, authentication).await?;
        self.tell_links(commit, authentication).await?;
        self.tell(commit, EventKind::AuthenticationCompleted, authentication).await?;
        let key = authentication.row.enrollment;
        if let Some(stored) = register.window(key).await?
            && let Some(row) = window::finish(&stored.value, authentication.id)
        {
            register.put_window(commit, key, Some(&stored), &row);
        }
        let note = Note::about(Action::AuthenticationResult, key.0, Actor::System).ended(Outcome::Done);
        let note = note.of_user(authentication.row.user.0);
        let note = note.with("authentication", authentication.id).with("result", state);
        self.parts.audit.note(commit, note);
        Ok(())
    }

    fn given_up(authentication: &Authentication, now: Timestamp) -> Option<AuthenticationState> {
        let end = authentication.row.window_ends_at.unwrap_or(authentication.row.created_at);
        (now >= end + GIVE_UP_AFTER_WINDOW).then_some(AuthenticationState::Expired)
    }

    /// The next time on the schedule, counted from the initiate; after its last, as long again as that one was.
    fn next_poll(&self, authentication: &Authentication, now: Timestamp) -> Timestamp {
        let from = authentication.row.initiated_at.unwrap_or(authentication.row.created_at);
        let polls = &self.config.result_polls;
        let scheduled = polls.iter().map(|offset| from + *offset).find(|at| *at > now);
        scheduled.unwrap_or_else(|| now + polls.last().copied().unwrap_or(SignedDuration::from_mins(15)))
    }
}
