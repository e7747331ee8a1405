//! The end of a link: its time is over, or it is used up.

use crate::{Reauth, error::ReauthError, follow::Step};
use model::{AuthenticationState, LinkId, LinkState};
use notify::{Event, EventKind, Field};
use queue::Lease;
use records::Commit;
use register::{Authentication, Link};

impl Reauth {
    /// The job at the end of a link's time.
    pub(crate) async fn expire_link(&self, id: LinkId, lease: &Lease) -> Result<(), ReauthError> {
        let register = &self.parts.register;
        let mut commit = register.records().commit();
        let mut step = Step::Over;
        // Of somebody who is being purged nothing is told any more.
        let found = register.link(id).await?.filter(|link| link.private.is_some());
        if let Some(mut link) = found.filter(|link| link.row.state.is_usable()) {
            let now = self.now();
            if now < link.row.expires_at {
                step = Step::Later(link.row.expires_at);
            } else {
                link.row.enter(LinkState::Expired, now);
                register.update_link(&mut commit, &link);
                self.parts.outbox.put(&mut commit, expired(&link)).await?;
            }
        }
        match step {
            Step::Over => lease.complete(&mut commit).await?,
            Step::Later(at) => lease.again_at(&mut commit, at).await?,
        }
        commit.submit().await?;
        Ok(())
    }

    /// Puts a final result into the links that led to its transaction, in the commit that says it: whoever passed does
    /// not find the link open any more.
    pub(crate) async fn tell_links(
        &self,
        commit: &mut Commit,
        authentication: &Authentication,
    ) -> Result<(), ReauthError> {
        use AuthenticationState as S;
        let state = authentication.row.state;
        // What was replaced or refused is nobody's result.
        if !matches!(state, S::Passed | S::Failed | S::Invalid | S::Expired) {
            return Ok(());
        }
        let now = self.now();
        for id in &authentication.row.links {
            let mut link = match self.parts.register.link(*id).await {
                Ok(Some(link)) => link,
                Ok(None) => continue,
                // Nobody's result waits for a row that does not open; whoever presses that link gets nowhere either.
                Err(error) if error.is_damage() => {
                    tracing::error!(link = %id, %error, "a link does not hear the result of its transaction");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            link.row.led_to(authentication.id);
            link.row.results = link.row.results.saturating_add(1);
            let is_used_up = state == S::Passed || link.row.results >= self.config.links.max_results;
            if is_used_up && link.row.state != LinkState::Withdrawn {
                link.row.enter(LinkState::Completed, now);
                self.parts.queue.cancel(commit, &Self::expiry_job(*id)).await?;
            }
            self.parts.register.update_link(commit, &link);
        }
        Ok(())
    }
}

fn expired(link: &Link) -> Event {
    let private = link.private.as_ref();
    Event::about(EventKind::LinkExpired, link.row.enrollment, link.row.slot)
        .with(Field::LinkId, link.id)
        .with(Field::UserReference, private.map(|private| &private.user_reference))
        .with(Field::RequestReference, private.and_then(|private| private.request_reference.as_ref()))
        .with(Field::ExpiresAt, link.row.expires_at)
        .with(Field::State, link.row.state)
}
