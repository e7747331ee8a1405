//! Looking an authentication up, at once or waiting for its result.

use crate::{Reauth, error::ReauthError, initiate::until, view::AuthenticationView};
use jiff::{SignedDuration, Timestamp};
use model::{AuthenticationId, AuthenticationRef, AuthenticationState, UserReference, limits};
use register::Authentication;
use std::time::Duration;

/// How often a waiting caller looks into the store: a callback may have brought the result.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Reauth {
    /// The authentication with this id or reference of Jumio's: both have the same form, and neither is guessable.
    ///
    /// # Errors
    /// [`ReauthError::UnknownAuthentication`]; [`ReauthError::Purged`] from the moment in which its person is being
    /// purged.
    pub async fn find(&self, id_or_reference: &str) -> Result<Authentication, ReauthError> {
        let found = self.find_any(id_or_reference).await?.ok_or(ReauthError::UnknownAuthentication)?;
        if found.private.is_some() { Ok(found) } else { Err(ReauthError::Purged) }
    }

    async fn find_any(&self, id_or_reference: &str) -> Result<Option<Authentication>, ReauthError> {
        let register = &self.parts.register;
        if let Ok(id) = id_or_reference.parse::<AuthenticationId>()
            && let Some(found) = register.authentication(id).await?
        {
            return Ok(Some(found));
        }
        match id_or_reference.parse::<AuthenticationRef>() {
            Ok(reference) => Ok(register.authentication_by_reference(&reference).await?),
            Err(_) => Ok(None),
        }
    }

    /// Shows an authentication; waits up to `wait` for its result. Whoever waits also has Jumio asked, though no more
    /// often than every three seconds, however many wait.
    ///
    /// # Errors
    /// [`ReauthError::UnknownAuthentication`], [`ReauthError::Purged`]. Trouble at Jumio is none: the state is then as it
    /// was.
    pub async fn get(
        &self,
        id_or_reference: &str,
        wait: Duration,
    ) -> Result<AuthenticationView, ReauthError> {
        let deadline = self.now() + wait;
        loop {
            let found = self.find(id_or_reference).await?;
            let now = self.now();
            let open =
                matches!(found.row.state, AuthenticationState::Initiating | AuthenticationState::Initiated);
            if !open || now >= deadline {
                return Ok(AuthenticationView::of(&found, now));
            }
            let last = found.row.asked_at.or(found.row.initiated_at);
            if found.row.state == AuthenticationState::Initiated && too_soon(last, now).is_none() {
                let service = self.clone();
                // A task of its own: an answer that comes after the caller's patience is not lost.
                let asking = self.runtime.spawn(async move { service.ask_now(found).await });
                tokio::select! {
                    asked = asking => asked.unwrap_or(Err(ReauthError::Stopping))?,
                    () = self.parts.clock.sleep(until(now, deadline)) => {}
                }
                continue;
            }
            self.parts.clock.sleep(until(now, deadline).min(LOOK_EVERY)).await;
        }
    }

    /// Asks Jumio outside the schedule. The time of asking is committed first, so that of all who wait one asks.
    async fn ask_now(&self, mut found: Authentication) -> Result<(), ReauthError> {
        let register = &self.parts.register;
        let mut claim = register.records().commit();
        found.row.asked_at = Some(self.now());
        register.update_authentication(&mut claim, &found).await?;
        match claim.submit().await {
            Ok(()) => {}
            Err(error) if error.is_conflict() => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let Some(mut found) = register.authentication(found.id).await? else { return Ok(()) };
        let mut commit = register.records().commit();
        match self.look(&mut commit, &mut found).await {
            Ok(_step) => match commit.submit().await {
                Err(error) if !error.is_conflict() => Err(error.into()),
                _ => Ok(()),
            },
            Err(ReauthError::Register(error)) => Err(ReauthError::Register(error)),
            Err(error) => {
                tracing::info!(authentication = %found.id, "Jumio could not be asked for a result ({error}).");
                Ok(())
            }
        }
    }

    /// At most `limit` authentications of a user, oldest first, after the one with id `after`.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub async fn list(
        &self,
        user: &UserReference,
        state: Option<AuthenticationState>,
        after: Option<AuthenticationId>,
        limit: usize,
    ) -> Result<Vec<AuthenticationView>, ReauthError> {
        let found = self.parts.register.authentications_of_user(user, state, after, limit).await?;
        let now = self.now();
        Ok(found
            .iter()
            .filter(|found| is_shown(found))
            .map(|found| AuthenticationView::of(found, now))
            .collect())
    }

    /// At most `limit` authentications in a state, of everybody, oldest first, after the one with id `after`. If that one
    /// has left the state since, the list begins anew: what is shown twice is not missed.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub async fn list_in(
        &self,
        state: AuthenticationState,
        after: Option<AuthenticationId>,
        limit: usize,
    ) -> Result<Vec<AuthenticationView>, ReauthError> {
        let register = &self.parts.register;
        let last = match after {
            Some(id) => register.authentication(id).await?.filter(|found| found.row.state == state),
            None => None,
        };
        let mut views = Vec::new();
        for id in register.authentications_in(state, last.as_ref(), limit).await? {
            if let Some(found) = register.authentication(id).await?.filter(is_shown) {
                views.push(AuthenticationView::of(&found, self.now()));
            }
        }
        Ok(views)
    }
}

/// Nothing about a person is shown any more who is being purged.
fn is_shown(found: &Authentication) -> bool {
    found.private.is_some()
}

/// When Jumio may be asked again, if it was asked just now. A time in the future is a clock that was put back: it holds
/// nothing up.
pub(crate) fn too_soon(asked_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let pause = SignedDuration::from_secs(limits::RESULT_ASK_SECONDS);
    asked_at.filter(|at| *at <= now && now < *at + pause).map(|at| at + pause)
}
