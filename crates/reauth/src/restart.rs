//! What an earlier process left behind: a claim is given back, a post has an unknown outcome.

use crate::{Reauth, error::ReauthError, service::until_no_conflict, window};
use audit::{Action, Actor, Note, Outcome};
use jiff::Timestamp;
use model::{AuthenticationId, AuthenticationState};
use records::EnrollmentKey;

/// Windows looked at together.
const PAGE: usize = 256;

impl Reauth {
    /// Goes through all windows once, before the first request. Returns how many outcomes became unknown.
    ///
    /// # Errors
    /// When a record cannot be read or changed.
    pub async fn recover_all(&self) -> Result<usize, ReauthError> {
        let mut lost = 0;
        let mut after = None;
        loop {
            let page = self.parts.register.windows(after, PAGE).await?;
            for (key, read) in &page {
                let elsewhere = window::find(&read.value, self.parts.process, self.now());
                if elsewhere == window::Finding::Elsewhere {
                    lost += usize::from(self.recover(*key).await?);
                }
            }
            after = page.last().map(|(key, _)| *key);
            if page.len() < PAGE {
                return Ok(lost);
            }
        }
    }

    /// Settles a window whose holder is gone. `true`: an outcome became unknown.
    pub(crate) async fn recover(&self, key: EnrollmentKey) -> Result<bool, ReauthError> {
        until_no_conflict!(self.recover_once(key))
    }

    async fn recover_once(&self, key: EnrollmentKey) -> Result<bool, ReauthError> {
        let now = self.now();
        let register = &self.parts.register;
        let Some(stored) = register.window(key).await? else { return Ok(false) };
        // Taken again in the meantime: its holder is alive.
        if self.flights.of(key).is_some() {
            return Ok(false);
        }
        let still_open = self.still_open(window::replaced(&stored.value)).await?;
        let until = still_open.map(|(_, until)| until);
        let Some((row, lost)) = window::recover(&stored.value, now, self.config.settle, until) else {
            return Ok(false);
        };
        let mut commit = register.records().commit();
        if let Some(id) = lost {
            let mut note = Note::about(Action::AuthenticationResult, key.0, Actor::System);
            if let Some(mut authentication) = register.authentication(id).await? {
                authentication.row.enter(AuthenticationState::Unknown, now);
                register.update_authentication(&mut commit, &authentication).await?;
                note = note.of_user(authentication.row.user.0);
            }
            self.parts.audit.note(&mut commit, note.ended(Outcome::Unknown).with("authentication", id));
        }
        register.put_window(&mut commit, key, Some(&stored), &row);
        commit.submit().await?;
        Ok(lost.is_some())
    }

    /// The transaction that was to be replaced, if it is still open, and until when it serves.
    pub(crate) async fn still_open(
        &self,
        replaces: Option<AuthenticationId>,
    ) -> Result<Option<(AuthenticationId, Timestamp)>, ReauthError> {
        let Some(id) = replaces else { return Ok(None) };
        let found = self.parts.register.authentication(id).await?;
        Ok(found.filter(|old| old.row.state == AuthenticationState::Initiated).and_then(|old| {
            let window = old.row.window_ends_at?;
            Some((id, old.row.redirect_expires_at.map_or(window, |at| at.min(window))))
        }))
    }
}
