//! Redeeming a result: the way to accept it. A redirect to `successUrl` proves nothing.

use crate::{Reauth, error::ReauthError, service::until_no_conflict, view::AuthenticationView};
use audit::{Action, Actor, Note};
use jiff::{SignedDuration, Timestamp};
use model::{AuthenticationState, UserReference, limits};
use records::Commit;
use register::{Authentication, AuthenticationRow};

impl Reauth {
    /// Accepts a passed authentication for this user, once, while it is young enough. What was asked with a
    /// `requestReference` is redeemed with the same one only.
    ///
    /// # Errors
    /// [`ReauthError::UnknownAuthentication`] also for another user's; [`ReauthError::NotPassed`],
    /// [`ReauthError::AlreadyRedeemed`], [`ReauthError::ResultTooOld`], [`ReauthError::OtherRequest`],
    /// [`ReauthError::Purged`]. None of them changes anything.
    pub async fn redeem(
        &self,
        id_or_reference: &str,
        user: &UserReference,
        request_reference: Option<&str>,
        actor: Actor,
    ) -> Result<AuthenticationView, ReauthError> {
        until_no_conflict!(self.redeem_once(id_or_reference, user, request_reference, &actor))
    }

    async fn redeem_once(
        &self,
        id_or_reference: &str,
        user: &UserReference,
        request_reference: Option<&str>,
        actor: &Actor,
    ) -> Result<AuthenticationView, ReauthError> {
        let now = self.now();
        let mut found = self.find(id_or_reference).await?;
        let private = found.private.as_ref().ok_or(ReauthError::UnknownAuthentication)?;
        if private.user_reference != *user {
            return Err(ReauthError::UnknownAuthentication);
        }
        if private.request_reference.as_deref() != request_reference {
            return Err(ReauthError::OtherRequest);
        }
        if found.row.state != AuthenticationState::Passed {
            return Err(ReauthError::NotPassed(found.row.state));
        }
        if found.row.redeemed_at.is_some() {
            return Err(ReauthError::AlreadyRedeemed);
        }
        if !is_young(&found.row, now, self.config.result_valid) {
            return Err(ReauthError::ResultTooOld);
        }
        found.row.redeemed_at = Some(now);
        let mut commit = self.parts.register.records().commit();
        self.require_person(&mut commit, &found).await?;
        self.parts.register.update_authentication(&mut commit, &found).await?;
        let note = Note::about(Action::AuthenticationRedeemed, found.row.enrollment.0, actor.clone());
        let note = note.of_user(found.row.user.0);
        self.parts.audit.note(&mut commit, note.with("authentication", found.id));
        commit.submit().await?;
        Ok(AuthenticationView::of(&found, now))
    }

    /// Demands in a commit that the person of an authentication is not being purged: a purge that begins meanwhile wins.
    pub(crate) async fn require_person(
        &self,
        commit: &mut Commit,
        found: &Authentication,
    ) -> Result<(), ReauthError> {
        let register = &self.parts.register;
        let enrollment = register.enrollment_by_key(found.row.enrollment).await?;
        let enrollment = enrollment.filter(|enrollment| enrollment.private.is_some());
        register.require_enrollment(commit, &enrollment.ok_or(ReauthError::Purged)?);
        Ok(())
    }
}

/// Whether a result can still be accepted. Jumio does not say when the person passed: the result counts from our
/// confirmation, but at the latest from the end of the window, after which nobody can pass. So a result that was confirmed
/// late, after an outage, does not look young. A confirmation that lies ahead was made before the clock was put back.
fn is_young(row: &AuthenticationRow, now: Timestamp, valid: SignedDuration) -> bool {
    let Some(completed) = row.completed_at else { return false };
    let passed_by = row.window_ends_at.map_or(completed, |end| end.min(completed));
    let ahead = SignedDuration::from_secs(limits::CLOCK_SKEW_SECONDS);
    completed <= now + ahead && now < passed_by + valid
}
