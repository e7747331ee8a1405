//! Redeeming a result: the way to accept it. A redirect to `successUrl` proves nothing.

use crate::{Reauth, error::ReauthError, service::until_no_conflict, view::AuthenticationView};
use audit::{Action, Actor, Note};
use model::{AuthenticationState, UserReference};

impl Reauth {
    /// Accepts a passed authentication for this user, once, while it is young enough. What was asked with a
    /// `requestReference` is redeemed with the same one only.
    ///
    /// # Errors
    /// [`ReauthError::UnknownAuthentication`] also for another user's; [`ReauthError::NotPassed`],
    /// [`ReauthError::AlreadyRedeemed`], [`ReauthError::ResultTooOld`], [`ReauthError::OtherRequest`]. None of them
    /// changes anything.
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
        if found.row.completed_at.is_none_or(|at| now >= at + self.config.result_valid) {
            return Err(ReauthError::ResultTooOld);
        }
        found.row.redeemed_at = Some(now);
        let mut commit = self.parts.register.records().commit();
        self.parts.register.update_authentication(&mut commit, &found).await?;
        let note = Note::about(Action::AuthenticationRedeemed, found.row.enrollment.0, actor.clone());
        self.parts.audit.note(&mut commit, note.with("authentication", found.id));
        commit.submit().await?;
        Ok(AuthenticationView::of(&found, now))
    }
}
