//! An enrollment's row.

use crate::private::Sealed;
use model::{EnrollmentOrigin, EnrollmentRef, EnrollmentState, Timestamp, UserReference};
use records::{EnrollmentKey, Index, Record, Table, UserKey, tables};
use serde::{Deserialize, Serialize};
use vault::{Contents, SlotRef};

pub(crate) static ENROLLMENTS: Table<(EnrollmentKey,), EnrollmentRow> =
    Table::new(tables::ENROLLMENTS, "enrollments");
pub(crate) static BY_USER: Index<(UserKey, Timestamp, EnrollmentKey)> =
    Index::new(tables::ENROLLMENTS_BY_USER);
pub(crate) static BY_STATE: Index<(u8, Timestamp, EnrollmentKey)> = Index::new(tables::ENROLLMENTS_BY_STATE);

/// A condition of seed 003, or of ours, that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IneligibleReason {
    /// `verificationStatus` is not `APPROVED_VERIFIED`.
    VerificationStatus,
    /// `similarity` is not `MATCH`.
    Similarity,
    /// `validity` is not true.
    Validity,
    /// Approved, but no facemap was captured (a selfie was uploaded, or the feature is off).
    FacemapMissing,
    /// Jumio names another user than the one it was started or announced for.
    UserReferenceDiffers,
    /// Jumio names no user, and none was announced.
    UserReferenceMissing,
}

/// An enrollment, without the fields about the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollmentRow {
    /// Where it stands.
    pub state: EnrollmentState,
    /// Since when.
    pub since: Timestamp,
    /// When we first heard of it.
    pub created_at: Timestamp,
    /// How it came to us.
    pub origin: EnrollmentOrigin,
    /// The facemap's root. The slot is prepared from the beginning, because the fields about the person need it.
    pub slot: SlotRef,
    /// The user, once known.
    pub user: Option<UserKey>,
    /// The fields about the person ([`EnrollmentPrivate`]); `None` in a tombstone.
    pub private: Option<Sealed>,
    /// The id inside the callback token that was made for this transaction alone.
    pub callback_intent: Option<[u8; 16]>,
    /// The conditions that failed, when ineligible.
    #[serde(default)]
    pub reasons: Vec<IneligibleReason>,
    /// Bytes of the facemap, once vaulted.
    pub facemap_bytes: Option<u64>,
    /// When Jumio's authorization token ends, as far as we know: nobody finishes after it.
    pub token_expires_at: Option<Timestamp>,
    /// Questions put to the Retrieval API while the person had not finished.
    pub polls: u32,
    /// Whether Jumio has denied what a callback said: from then on the next one is a stranger's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hint_denied: bool,
    /// Whether a stranger's word waits to be looked at, out of the strangers' part of the retrievals.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hinted: bool,
    /// The first sign that the person has finished: a callback, or the Retrieval API's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
    /// When the facemap became durable here.
    pub vaulted_at: Option<Timestamp>,
    /// When the person was onboarded, where whoever brought the facemap in says so.
    #[serde(default)]
    pub onboarded_at: Option<Timestamp>,
    /// When the company accepted the person and gave the original free.
    pub released_at: Option<Timestamp>,
    /// When the deletion was first asked of Jumio, unless Jumio surely did not carry it out: from then on the original
    /// may be gone.
    #[serde(default)]
    pub deletion_asked_at: Option<Timestamp>,
    /// When the deletion at Jumio was answered with success.
    pub deletion_confirmed_at: Option<Timestamp>,
    /// When the original was seen gone.
    pub original_deleted_at: Option<Timestamp>,
    /// When it was last used for an authentication.
    pub last_used_at: Option<Timestamp>,
    /// The enrollment that this one takes the place of, once released so.
    pub replaces: Option<EnrollmentKey>,
    /// The enrollment that took this one's place.
    pub replaced_by: Option<EnrollmentKey>,
    /// Whether a legal hold forbids its destruction.
    pub hold: bool,
    /// Why it waits or failed, as a code without personal data.
    pub trouble: Option<String>,
}

/// The fields about the person, sealed under the slot.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollmentPrivate {
    /// Jumio's reference: the row's own claim about whom it belongs to.
    pub reference: EnrollmentRef,
    /// The company's reference of the user, once known.
    pub user_reference: Option<UserReference>,
    /// The company's reference of the transaction.
    pub customer_internal_reference: Option<String>,
    /// What the vaulted content must be: its digest is a fingerprint of the face, so it rests here.
    pub contents: Option<Contents>,
    /// The reference of the enrollment that took this one's place.
    pub replaced_by: Option<EnrollmentRef>,
    /// The company's word that a facemap which was brought in is this user's, where Jumio could not be asked any more.
    #[serde(default)]
    pub attestation: Option<String>,
}

impl std::fmt::Debug for EnrollmentPrivate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnrollmentPrivate").field("reference", &self.reference).finish_non_exhaustive()
    }
}

/// An enrollment as it was looked up: row, person, and what a change is conditional on.
#[derive(Debug, Clone)]
pub struct Enrollment {
    /// Its key.
    pub key: EnrollmentKey,
    /// The row.
    pub row: EnrollmentRow,
    /// The fields about the person; `None` for what is purged.
    pub private: Option<EnrollmentPrivate>,
    pub(crate) read: Record<EnrollmentRow>,
}

impl EnrollmentRow {
    /// A new row in its first state.
    #[must_use]
    pub const fn new(
        state: EnrollmentState,
        origin: EnrollmentOrigin,
        now: Timestamp,
        slot: SlotRef,
        user: Option<UserKey>,
    ) -> Self {
        Self {
            state,
            since: now,
            created_at: now,
            origin,
            slot,
            user,
            private: None,
            callback_intent: None,
            reasons: Vec::new(),
            facemap_bytes: None,
            token_expires_at: None,
            polls: 0,
            hint_denied: false,
            hinted: false,
            received_at: if matches!(state, EnrollmentState::Received) { Some(now) } else { None },
            vaulted_at: None,
            onboarded_at: None,
            released_at: None,
            deletion_asked_at: None,
            deletion_confirmed_at: None,
            original_deleted_at: None,
            last_used_at: None,
            replaces: None,
            replaced_by: None,
            hold: false,
            trouble: None,
        }
    }

    /// Moves it to another state.
    pub fn enter(&mut self, state: EnrollmentState, now: Timestamp) {
        if self.state != state {
            self.state = state;
            self.since = now;
            if state == EnrollmentState::Received {
                self.received_at = Some(now);
            }
        }
    }

    pub(crate) fn state_key(&self, key: EnrollmentKey) -> (u8, Timestamp, EnrollmentKey) {
        (state_number(self.state), self.since, key)
    }

    pub(crate) fn user_key(&self, key: EnrollmentKey) -> Option<(UserKey, Timestamp, EnrollmentKey)> {
        self.user.map(|user| (user, self.created_at, key))
    }
}

/// The first byte of the index by state. Stored: never renumber.
pub(crate) const fn state_number(state: EnrollmentState) -> u8 {
    match state {
        EnrollmentState::AwaitingUser => 1,
        EnrollmentState::Received => 2,
        EnrollmentState::Confirming => 3,
        EnrollmentState::Fetching => 4,
        EnrollmentState::Vaulted => 5,
        EnrollmentState::Ready => 6,
        EnrollmentState::Abandoned => 7,
        EnrollmentState::Ineligible => 8,
        EnrollmentState::Failed => 9,
        EnrollmentState::Foreign => 10,
        EnrollmentState::Purging => 11,
        EnrollmentState::Purged => 12,
    }
}
