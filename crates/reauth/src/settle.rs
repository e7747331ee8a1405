//! What came of a post, and what is committed about it.

use crate::{
    Reauth,
    error::ReauthError,
    initiate::until,
    post::Claim,
    service::until_no_conflict,
    view::{AuthenticationView, Initiated},
    window,
};
use audit::{Action, Details, Note, Outcome, Stroke};
use jiff::{SignedDuration, Timestamp};
use jumio::{Journey, JumioError, StartedAuthentication};
use model::{AuthenticationId, AuthenticationState, Channel};
use notify::EventKind;
use queue::Lane;
use records::Commit;
use register::{Authentication, RegisterError, WindowRow};
use serde_json::Value;
use std::time::Duration;

/// What a caller is told at least after a 429 of Jumio's.
const SHORTEST_BACKOFF: Duration = Duration::from_secs(1);

/// What a post led to.
pub(crate) enum Sent {
    /// Jumio has created the transaction.
    Created(StartedAuthentication),
    /// Certainly not created.
    NotCreated(JumioError),
    /// Perhaps created.
    Unknown(JumioError),
}

impl Sent {
    pub(crate) fn of(answer: Result<StartedAuthentication, JumioError>) -> Self {
        match answer {
            Ok(started) => Self::Created(started),
            Err(error) => match &error {
                JumioError::Invalid(_)
                | JumioError::Refused { .. }
                | JumioError::NotFound
                | JumioError::RateLimited { .. }
                | JumioError::Unavailable { .. }
                | JumioError::Credentials
                // Our guard refuses an initiate before its first byte; an answer that it cuts off is `Ambiguous`.
                | JumioError::Guarded { .. } => Self::NotCreated(error),
                JumioError::Ambiguous { .. } | JumioError::Malformed { .. } => Self::Unknown(error),
            },
        }
    }
}

impl Reauth {
    pub(crate) async fn settle_initiated(
        &self,
        claim: &Claim,
        stroke: &Stroke,
        started: &StartedAuthentication,
    ) -> Result<Initiated, ReauthError> {
        let now = self.now();
        let settled = until_no_conflict!(self.commit_initiated(claim, stroke, started, now))
            .map_err(|error| self.unsettled(claim, &error))?;
        // The person is being purged: what Jumio has created is handed to nobody, and the purge has it deleted there.
        let settled = settled.ok_or(ReauthError::Purged)?;
        Ok(Initiated { authentication: AuthenticationView::of(&settled, now), deduplicated: false })
    }

    async fn commit_initiated(
        &self,
        claim: &Claim,
        stroke: &Stroke,
        started: &StartedAuthentication,
        now: Timestamp,
    ) -> Result<Option<Authentication>, ReauthError> {
        let register = &self.parts.register;
        let times = Times::of(claim, now, self.config.window);
        let mut commit = register.records().commit();
        let mut authentication = self.own(claim).await?;
        authentication.row.enter(AuthenticationState::Initiated, now);
        authentication.row.initiated_at = Some(now);
        authentication.row.window_ends_at = Some(times.window_ends_at);
        authentication.row.redirect_expires_at = times.redirect_expires_at;
        if let Some(private) = &mut authentication.private {
            private.reference = Some(started.reference);
            private.redirect_url = started.redirect_url.as_ref().map(|url| url.expose().to_owned());
        }
        register.update_authentication(&mut commit, &authentication).await?;
        self.parts.audit.finish(&mut commit, stroke, Outcome::Done);
        let Some(stored) = register.window(claim.enrollment.key).await? else {
            // Only a purge takes a window away that somebody holds.
            commit.submit().await?;
            return Ok(None);
        };
        self.supersede(&mut commit, claim, now).await?;
        self.tell(&mut commit, EventKind::AuthenticationInitiated, &authentication).await?;
        self.touch_enrollment(&mut commit, claim, now).await?;
        self.count_attempt(&mut commit, authentication.row.user, now).await?;
        let replaced = claim.replaces.is_some() && !claim.yielded;
        let row = window::initiated(&stored.value, claim.id, now, times.serves_until, replaced);
        register.put_window(&mut commit, claim.enrollment.key, Some(&stored), &row);
        let first_poll = self.config.result_polls.first().copied().unwrap_or_default();
        self.parts.queue.schedule(&mut commit, &Self::job(claim.id), now + first_poll, Value::Null).await?;
        commit.submit().await?;
        Ok(Some(authentication))
    }

    /// Jumio did not create it: the window is free again, or still open with the one that was to be replaced.
    pub(crate) async fn settle_not_created(
        &self,
        claim: &Claim,
        stroke: &Stroke,
        error: &JumioError,
    ) -> Result<Initiated, ReauthError> {
        if let JumioError::RateLimited { retry_after } = error {
            self.parts.budget.penalise(*retry_after);
        }
        let status = match error {
            JumioError::Refused { status } => Some(*status),
            JumioError::NotFound => Some(404),
            JumioError::RateLimited { .. } => Some(429),
            _ => None,
        };
        until_no_conflict!(self.commit_not_created(claim, stroke, status))
            .map_err(|error| self.unsettled(claim, &error))?;
        let backoff = self.parts.budget.wait(Lane::Authentication).max(SHORTEST_BACKOFF);
        Err(ReauthError::from_jumio(error, backoff))
    }

    /// Nothing was sent, although everything was ready for it: as if Jumio had said that it was not created.
    pub(crate) async fn settle_unsent(
        &self,
        claim: &Claim,
        stroke: &Stroke,
        error: ReauthError,
    ) -> ReauthError {
        match until_no_conflict!(self.commit_not_created(claim, stroke, None)) {
            Ok(()) => error,
            Err(failed) => self.unsettled(claim, &failed),
        }
    }

    async fn commit_not_created(
        &self,
        claim: &Claim,
        stroke: &Stroke,
        status: Option<u16>,
    ) -> Result<(), ReauthError> {
        let mut commit = self.parts.register.records().commit();
        let mut authentication = self.own(claim).await?;
        authentication.row.enter(AuthenticationState::Refused, self.now());
        authentication.row.refused_status = status;
        self.parts.register.update_authentication(&mut commit, &authentication).await?;
        // Only an answer of Jumio's ends a row of unknown outcomes.
        let row = if status.is_some() { window::refused } else { window::give_back };
        self.put_window_back(&mut commit, claim, row).await?;
        let why = Details::new().with("why", "not-created");
        self.parts.audit.finish_with(&mut commit, stroke, Outcome::Refused, why);
        commit.submit().await?;
        Ok(())
    }

    /// Nobody knows: it is handed to nobody, and nothing is posted before the settle time is over.
    pub(crate) async fn settle_unknown(
        &self,
        claim: &Claim,
        stroke: &Stroke,
        error: &JumioError,
    ) -> Result<Initiated, ReauthError> {
        tracing::warn!(
            authentication = %claim.id,
            "The outcome of an initiate request to Jumio is unknown ({error}). It is not repeated by itself."
        );
        let now = self.now();
        let settled_at = until_no_conflict!(self.commit_unknown(claim, stroke, now))
            .map_err(|error| self.unsettled(claim, &error))?;
        Err(ReauthError::OutcomeUnknown { retry_after: until(now, settled_at) })
    }

    async fn commit_unknown(
        &self,
        claim: &Claim,
        stroke: &Stroke,
        now: Timestamp,
    ) -> Result<Timestamp, ReauthError> {
        let register = &self.parts.register;
        let mut commit = register.records().commit();
        let mut authentication = self.own(claim).await?;
        authentication.row.enter(AuthenticationState::Unknown, now);
        register.update_authentication(&mut commit, &authentication).await?;
        self.parts.audit.finish(&mut commit, stroke, Outcome::Unknown);
        let mut settled_at = now;
        // A purge has taken the window away: it stays away.
        if let Some(stored) = register.window(claim.enrollment.key).await? {
            let row = window::unknown(&stored.value, claim.id, now, self.config.settle);
            register.put_window(&mut commit, claim.enrollment.key, Some(&stored), &row);
            settled_at = window::settled_at(&row).unwrap_or(now);
        }
        commit.submit().await?;
        Ok(settled_at)
    }

    /// Gives a claimed window back before anything was committed about an authentication, and closes the stroke.
    pub(crate) async fn give_window_back(
        &self,
        claim: &Claim,
        stroke: Option<&Stroke>,
    ) -> Result<(), ReauthError> {
        until_no_conflict!(self.commit_given_back(claim, stroke))
    }

    async fn commit_given_back(&self, claim: &Claim, stroke: Option<&Stroke>) -> Result<(), ReauthError> {
        let mut commit = self.parts.register.records().commit();
        self.put_window_back(&mut commit, claim, window::give_back).await?;
        if let Some(stroke) = stroke {
            let why = Details::new().with("why", "not-sent");
            self.parts.audit.finish_with(&mut commit, stroke, Outcome::Failed, why);
        }
        commit.submit().await?;
        Ok(())
    }

    async fn put_window_back(
        &self,
        commit: &mut Commit,
        claim: &Claim,
        row: impl FnOnce(&WindowRow, Option<(AuthenticationId, Timestamp)>) -> WindowRow,
    ) -> Result<(), ReauthError> {
        let register = &self.parts.register;
        let Some(stored) = register.window(claim.enrollment.key).await? else { return Ok(()) };
        if window::holder(&stored.value) != Some(claim.id) {
            return Ok(());
        }
        let still_open = self.still_open(claim.replaces).await?;
        let row = row(&stored.value, still_open);
        register.put_window(commit, claim.enrollment.key, Some(&stored), &row);
        Ok(())
    }

    async fn own(&self, claim: &Claim) -> Result<Authentication, ReauthError> {
        let found = self.parts.register.authentication_to_settle(claim.id).await?;
        let found = found.ok_or(RegisterError::Damaged)?;
        if found.row.state == AuthenticationState::Initiating {
            return Ok(found);
        }
        // Somebody took this process for gone: the outcome counts as unknown, and nothing may pass it any more.
        Err(self.outcome_unknown())
    }

    /// What came of a post could not be written down: the window still says `posting`, so the next who asks, or the next
    /// start, makes the outcome unknown. The caller hears so now.
    fn unsettled(&self, claim: &Claim, error: &ReauthError) -> ReauthError {
        tracing::error!(
            authentication = %claim.id,
            "The outcome of an initiate request to Jumio could not be recorded ({error}). It counts as unknown."
        );
        self.outcome_unknown()
    }

    fn outcome_unknown(&self) -> ReauthError {
        ReauthError::OutcomeUnknown { retry_after: self.config.settle.try_into().unwrap_or_default() }
    }

    /// The one that was knowingly replaced is over only now that the new one exists.
    async fn supersede(&self, commit: &mut Commit, claim: &Claim, now: Timestamp) -> Result<(), ReauthError> {
        let Some(id) = claim.replaces else { return Ok(()) };
        let Some(mut old) = self.parts.register.authentication(id).await? else { return Ok(()) };
        if !old.row.state.is_final() {
            old.row.enter(AuthenticationState::Superseded, now);
            old.row.completed_at = Some(now);
            self.parts.register.update_authentication(commit, &old).await?;
            self.tell(commit, EventKind::AuthenticationCompleted, &old).await?;
            let key = claim.enrollment.key.0;
            let note = Note::about(Action::AuthenticationSuperseded, key, claim.actor.clone());
            let note = note.of_user(old.row.user.0);
            let note = note.with("authentication", id).with("by", claim.id);
            self.parts.audit.note(commit, note);
        }
        Ok(())
    }

    async fn touch_enrollment(
        &self,
        commit: &mut Commit,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<(), ReauthError> {
        let register = &self.parts.register;
        if let Some(mut enrollment) = register.enrollment_by_key(claim.enrollment.key).await?
            && enrollment.private.is_some()
        {
            enrollment.row.last_used_at = Some(now);
            register.update_enrollment(commit, &enrollment).await?;
        }
        Ok(())
    }
}

/// When a new transaction ends, in its several senses.
struct Times {
    /// Jumio drops the facemap.
    window_ends_at: Timestamp,
    /// The link stops working.
    redirect_expires_at: Option<Timestamp>,
    /// Requests are answered with this transaction: the earlier of the two.
    serves_until: Timestamp,
}

impl Times {
    fn of(claim: &Claim, now: Timestamp, window: SignedDuration) -> Self {
        let window_ends_at = now + window;
        let lifetime = match &claim.request.journey {
            Journey::Web(web) => web.token_lifetime_minutes(),
            Journey::Mobile => None,
        };
        let redirect_expires_at = lifetime.map(|minutes| now + SignedDuration::from_mins(minutes.into()));
        debug_assert!(lifetime.is_none() || claim.request.journey.channel() == Channel::Web);
        let serves_until = redirect_expires_at.map_or(window_ends_at, |at| at.min(window_ends_at));
        Self { window_ends_at, redirect_expires_at, serves_until }
    }
}
