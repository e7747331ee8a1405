//! What is behind a link, for whoever opens it. Nothing is written: mail scanners open links.

use super::{Busy, BusyWhy, LinkPage, Shown, token};
use crate::{Reauth, error::ReauthError};
use model::LinkId;
use register::{Link, LinkPrivate};
use std::time::Duration;

/// When a page comes again that could not be looked up.
const AGAIN: Duration = Duration::from_secs(5);

impl Reauth {
    /// Shows the page behind a link.
    pub async fn show(&self, token: &str) -> Shown {
        // A stranger's guess costs no read.
        let Some(id) = self.link_of(token) else { return Shown::Dead };
        match self.usable_link(id).await {
            Ok(Some((link, private))) => {
                let back = [&private.success_url, &private.error_url];
                Shown::Page(LinkPage {
                    leads_back_to: back.into_iter().flatten().cloned().collect(),
                    purpose: private.purpose,
                    asked_at: link.row.created_at,
                    locale: private.locale,
                })
            }
            Ok(None) => Shown::Dead,
            Err(error) => {
                tracing::error!("A link could not be looked up: {error}");
                Shown::Busy(Busy { retry_after: AGAIN, why: BusyWhy::Soon, locale: None })
            }
        }
    }

    /// The link whose token this is.
    pub(super) fn link_of(&self, token: &str) -> Option<LinkId> {
        token::open(self.parts.register.records().keys().links(), token)
    }

    /// The link, if pressing it can lead anywhere: it has time left, is not used up, and its user can be re-authenticated.
    /// It follows the user's current enrollment, as long as the one that it was made for is not destroyed.
    pub(super) async fn usable_link(&self, id: LinkId) -> Result<Option<(Link, LinkPrivate)>, ReauthError> {
        let Some(link) = self.parts.register.link(id).await? else { return Ok(None) };
        let usable = link.row.is_usable(self.now());
        let Some(private) = link.private.clone().filter(|_| usable) else { return Ok(None) };
        match self.usable_enrollment(&private.user_reference, None).await {
            Ok(_enrollment) => Ok(Some((link, private))),
            Err(error) if leads_nowhere(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether there is nobody to re-authenticate.
pub(super) const fn leads_nowhere(error: &ReauthError) -> bool {
    matches!(
        error,
        ReauthError::Purged
            | ReauthError::UnknownEnrollment
            | ReauthError::NotEligible { .. }
            | ReauthError::NotReady(_)
            | ReauthError::AwaitingRelease
    )
}
