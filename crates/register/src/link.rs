//! A link's row: the vault's own link, which becomes a transaction at Jumio when the person presses the button.

use crate::{batch::ItemPlace, private::Sealed};
use model::{AuthenticationId, EnrollmentRef, LinkId, LinkState, Timestamp, UserReference};
use records::{EnrollmentKey, Index, Record, Table, UserKey, tables};
use serde::{Deserialize, Serialize};
use vault::SlotRef;

pub(crate) static LINKS: Table<(LinkId,), LinkRow> = Table::new(tables::LINKS, "links");
pub(crate) static BY_USER: Index<(UserKey, Timestamp, LinkId)> = Index::new(tables::LINKS_BY_USER);
pub(crate) static BY_ENROLLMENT: Index<(EnrollmentKey, Timestamp, LinkId)> =
    Index::new(tables::LINKS_BY_ENROLLMENT);

/// A link, without the fields about the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRow {
    /// Where it stands. Whether its time is over is asked of `expires_at`: the state follows a moment later.
    pub state: LinkState,
    /// Since when.
    pub since: Timestamp,
    /// When the company asked for it.
    pub created_at: Timestamp,
    /// From then on it opens nothing.
    pub expires_at: Timestamp,
    /// The enrollment that was the user's current one then. What is pressed is the one that is current by that time.
    pub enrollment: EnrollmentKey,
    /// That enrollment's slot: the fields about the person are sealed under it.
    pub slot: SlotRef,
    /// The user.
    pub user: UserKey,
    /// The fields about the person ([`LinkPrivate`]).
    pub private: Option<Sealed>,
    /// When the button was first pressed and a transaction came of it.
    pub pressed_at: Option<Timestamp>,
    /// The transactions that the button led to, oldest first; the latest [`LINK_AUTHENTICATIONS`].
    pub authentications: Vec<AuthenticationId>,
    /// Final results so far, of whatever kind.
    pub results: u32,
    /// The item of a batch that it was made for.
    #[serde(default)]
    pub item: Option<ItemPlace>,
}

/// Transactions that a link remembers. It is used up long before, unless they never come to a result.
pub const LINK_AUTHENTICATIONS: usize = 100;

/// The fields about the person and the parameters, sealed under the slot.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkPrivate {
    /// The link's id: the row's own claim.
    pub id: LinkId,
    /// The company's reference of the user.
    pub user_reference: UserReference,
    /// Jumio's reference of the enrollment under whose slot this is sealed.
    pub enrollment_reference: EnrollmentRef,
    /// What it is for, in the company's words to the person.
    pub purpose: Option<String>,
    /// Where the person is sent after success.
    pub success_url: Option<String>,
    /// Where the person is sent after an error.
    pub error_url: Option<String>,
    /// The language of the page, and of Jumio's.
    pub locale: Option<String>,
    /// The company's reference of this request; what `redeem` compares.
    pub request_reference: Option<String>,
}

impl std::fmt::Debug for LinkPrivate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkPrivate").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A link as it was looked up.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// The row.
    pub row: LinkRow,
    /// The fields about the person; `None` from the moment in which that person is being purged.
    pub private: Option<LinkPrivate>,
    pub(crate) read: Record<LinkRow>,
}

impl LinkRow {
    /// Moves it to another state.
    pub fn enter(&mut self, state: LinkState, now: Timestamp) {
        if self.state != state {
            self.state = state;
            self.since = now;
        }
    }

    /// Whether the button still leads anywhere at `now`.
    #[must_use]
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.state.is_usable() && now < self.expires_at
    }

    /// Remembers a transaction that the button led to. Whether it is a new one.
    pub fn led_to(&mut self, id: AuthenticationId) -> bool {
        if self.authentications.contains(&id) {
            return false;
        }
        if self.authentications.len() == LINK_AUTHENTICATIONS {
            self.authentications.remove(0);
        }
        self.authentications.push(id);
        true
    }
}
