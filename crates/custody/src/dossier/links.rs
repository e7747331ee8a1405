//! What was sent to a person, and how often that person was sent to Jumio lately.

use crate::{Custody, CustodyError, dossier::Cut};
use model::{AuthenticationId, LinkId, LinkState, Timestamp, UserReference};
use register::Link;
use serde::Serialize;

/// Links on one page at most.
const MOST_LINKS: usize = 1000;

/// A link that was made for the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DossierLink {
    /// The vault's id of it.
    pub link_id: LinkId,
    /// Where it stands.
    pub state: LinkState,
    /// What it is for, in the company's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The company's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_reference: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was first pressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pressed_at: Option<Timestamp>,
    /// The uses that it led to.
    pub authentications: Vec<AuthenticationId>,
}

impl DossierLink {
    fn of(link: Link) -> Self {
        let (purpose, request_reference) =
            link.private.map_or((None, None), |person| (person.purpose, person.request_reference));
        Self {
            link_id: link.id,
            state: link.row.state,
            purpose,
            request_reference,
            created_at: link.row.created_at,
            expires_at: link.row.expires_at,
            pressed_at: link.row.pressed_at,
            authentications: link.row.authentications,
        }
    }
}

impl Custody {
    pub(super) async fn links(
        &self,
        user: &UserReference,
        cut: &mut Cut,
    ) -> Result<Vec<DossierLink>, CustodyError> {
        let mut found = match self.parts.register.links_of_user(user, None, MOST_LINKS + 1).await {
            Ok(found) => found,
            Err(error) if error.is_damage() => {
                tracing::error!(%error, "the links are left out of a dossier; run `facemap-vault verify`");
                cut.damaged = true;
                Vec::new()
            }
            Err(error) => return Err(error.into()),
        };
        cut.links = found.len() > MOST_LINKS;
        found.truncate(MOST_LINKS);
        Ok(found.into_iter().map(DossierLink::of).collect())
    }

    /// When the person was sent to Jumio, as far back as it counts against the limit.
    pub(super) async fn attempts(&self, user: &UserReference) -> Result<Vec<Timestamp>, CustodyError> {
        let key = self.records().user_key(user);
        Ok(self.parts.register.attempts(key).await?.map(|read| read.value.at).unwrap_or_default())
    }
}
