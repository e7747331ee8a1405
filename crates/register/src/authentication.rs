//! An authentication's row.

use crate::{batch::ItemPlace, private::Sealed};
use model::{
    AuthenticationId, AuthenticationRef, AuthenticationState, Channel, EnrollmentRef, LinkId, Timestamp,
    UserReference,
};
use records::{EnrollmentKey, Index, Record, Table, TransactionKey, UserKey, tables};
use serde::{Deserialize, Serialize};
use vault::SlotRef;

pub(crate) static AUTHENTICATIONS: Table<(AuthenticationId,), AuthenticationRow> =
    Table::new(tables::AUTHENTICATIONS, "authentications");
pub(crate) static BY_TRANSACTION: Table<(TransactionKey,), AuthenticationId> =
    Table::new(tables::AUTHENTICATIONS_BY_TRANSACTION, "authentications-by-transaction");
pub(crate) static BY_ENROLLMENT: Index<(EnrollmentKey, Timestamp, AuthenticationId)> =
    Index::new(tables::AUTHENTICATIONS_BY_ENROLLMENT);
pub(crate) static BY_USER: Index<(UserKey, Timestamp, AuthenticationId)> =
    Index::new(tables::AUTHENTICATIONS_BY_USER);
pub(crate) static BY_STATE: Index<(u8, Timestamp, AuthenticationId)> =
    Index::new(tables::AUTHENTICATIONS_BY_STATE);

/// An authentication, without the fields about the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticationRow {
    /// Where it stands.
    pub state: AuthenticationState,
    /// Since when.
    pub since: Timestamp,
    /// When the vault was asked for it. A result from before this time, less the clock skew, is another one's.
    pub created_at: Timestamp,
    /// In a browser or in an app.
    pub channel: Channel,
    /// The enrollment whose facemap is compared.
    pub enrollment: EnrollmentKey,
    /// That enrollment's slot: the fields about the person are sealed under it.
    pub slot: SlotRef,
    /// The user.
    pub user: UserKey,
    /// The pseudonym of Jumio's reference, once Jumio has given one.
    pub transaction: Option<TransactionKey>,
    /// The fields about the person ([`AuthenticationPrivate`]); `None` once purged.
    pub private: Option<Sealed>,
    /// When Jumio answered the initiate request.
    pub initiated_at: Option<Timestamp>,
    /// When Jumio drops the facemap: nothing passes after it.
    pub window_ends_at: Option<Timestamp>,
    /// When `redirectUrl` stops working.
    pub redirect_expires_at: Option<Timestamp>,
    /// When the final result was confirmed.
    pub completed_at: Option<Timestamp>,
    /// When the result was redeemed.
    pub redeemed_at: Option<Timestamp>,
    /// Questions put to the Retrieval API.
    pub polls: u32,
    /// When the Retrieval API was last asked.
    pub asked_at: Option<Timestamp>,
    /// Jumio's HTTP status, when refused.
    pub refused_status: Option<u16>,
    /// Whether it is a batch's own, which nobody has asked for at the door: it yields to whoever does.
    #[serde(default)]
    pub batch: bool,
    /// The links whose button led here: its result is theirs.
    #[serde(default)]
    pub links: Vec<LinkId>,
    /// The items of batches that led here.
    #[serde(default)]
    pub items: Vec<ItemPlace>,
}

/// The fields about the person and the parameters, sealed under the slot.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticationPrivate {
    /// The vault's own id: the row's own claim.
    pub id: AuthenticationId,
    /// Jumio's reference, once given.
    pub reference: Option<AuthenticationRef>,
    /// Jumio's reference of the enrollment.
    pub enrollment_reference: EnrollmentRef,
    /// The company's reference of the user.
    pub user_reference: UserReference,
    /// Where Jumio's client is loaded, for the web channel: a capability.
    pub redirect_url: Option<String>,
    /// Where the person is sent after success.
    pub success_url: Option<String>,
    /// Where the person is sent after an error.
    pub error_url: Option<String>,
    /// The language shown.
    pub locale: Option<String>,
    /// Minutes that the link lives.
    pub token_lifetime_minutes: Option<u32>,
    /// The company's reference of this request; what `redeem` compares.
    pub request_reference: Option<String>,
}

impl std::fmt::Debug for AuthenticationPrivate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthenticationPrivate").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An authentication as it was looked up.
#[derive(Debug, Clone)]
pub struct Authentication {
    /// Its id.
    pub id: AuthenticationId,
    /// The row.
    pub row: AuthenticationRow,
    /// The fields about the person; `None` once they are purged.
    pub private: Option<AuthenticationPrivate>,
    pub(crate) read: Record<AuthenticationRow>,
}

impl AuthenticationRow {
    /// Moves it to another state.
    pub fn enter(&mut self, state: AuthenticationState, now: Timestamp) {
        if self.state != state {
            self.state = state;
            self.since = now;
        }
    }

    pub(crate) fn state_key(&self, id: AuthenticationId) -> (u8, Timestamp, AuthenticationId) {
        (state_number(self.state), self.since, id)
    }
}

/// The first byte of the index by state. Stored: never renumber.
pub(crate) const fn state_number(state: AuthenticationState) -> u8 {
    match state {
        AuthenticationState::Initiating => 1,
        AuthenticationState::Initiated => 2,
        AuthenticationState::Passed => 3,
        AuthenticationState::Failed => 4,
        AuthenticationState::Invalid => 5,
        AuthenticationState::Expired => 6,
        AuthenticationState::Superseded => 7,
        AuthenticationState::Unknown => 8,
        AuthenticationState::Refused => 9,
    }
}
