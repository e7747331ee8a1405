//! What the API shows of an enrollment (contract §4): never the facemap, its digest, or its slot.

use model::{EnrollmentOrigin, EnrollmentRef, EnrollmentState, Timestamp, UserReference};
use records::EnrollmentKey;
use register::{Enrollment, IneligibleReason};
use serde::Serialize;

/// An enrollment as the company's backend sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrollmentView {
    /// Jumio's reference. `None` for a tombstone met in a list: only its pseudonym is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrollment_transaction_reference: Option<EnrollmentRef>,
    /// The user, once known and while not purged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_reference: Option<UserReference>,
    /// The company's own reference of the transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_internal_reference: Option<String>,
    /// Where it stands.
    pub state: EnrollmentState,
    /// Since when.
    pub since: Timestamp,
    /// Whether this is the enrollment that its user is re-authenticated with.
    pub current: bool,
    /// How it came here.
    pub origin: EnrollmentOrigin,
    /// When it was first heard of.
    pub created_at: Timestamp,
    /// The conditions that failed, when ineligible.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<IneligibleReason>,
    /// Bytes of the facemap, once vaulted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facemap_bytes: Option<u64>,
    /// When the facemap became durable here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vaulted_at: Option<Timestamp>,
    /// When the person was onboarded, where whoever brought the facemap in said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onboarded_at: Option<Timestamp>,
    /// When the company released it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Timestamp>,
    /// When the original was seen gone at Jumio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_deleted_at: Option<Timestamp>,
    /// When it was last used for an authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// Whether a legal hold forbids its destruction.
    pub hold: bool,
    /// The enrollment that took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<EnrollmentRef>,
    /// Why it waits or failed, as a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl EnrollmentView {
    /// The view of `enrollment`; `current` is what the user's row says. `asked` is the reference that the caller gave,
    /// if there was one: a tombstone no longer knows its own.
    #[must_use]
    pub fn of(enrollment: &Enrollment, current: bool, asked: Option<EnrollmentRef>) -> Self {
        let row = &enrollment.row;
        let private = enrollment.private.as_ref();
        Self {
            enrollment_transaction_reference: private.map(|p| p.reference).or(asked),
            user_reference: private.and_then(|p| p.user_reference.clone()),
            customer_internal_reference: private.and_then(|p| p.customer_internal_reference.clone()),
            state: row.state,
            since: row.since,
            current,
            origin: row.origin,
            created_at: row.created_at,
            reasons: row.reasons.clone(),
            facemap_bytes: row.facemap_bytes,
            vaulted_at: row.vaulted_at,
            onboarded_at: row.onboarded_at,
            released_at: row.released_at,
            original_deleted_at: row.original_deleted_at,
            last_used_at: row.last_used_at,
            hold: row.hold,
            replaced_by: private.and_then(|p| p.replaced_by),
            trouble: row.trouble.clone(),
        }
    }
}

/// A page of enrollments.
#[derive(Debug, Clone)]
pub struct EnrollmentPage {
    /// The enrollments, oldest first.
    pub items: Vec<EnrollmentView>,
    /// Where the next page begins, if there may be one.
    pub next: Option<EnrollmentKey>,
}

/// What `POST /v1/verifications` answers.
#[derive(Debug)]
pub struct StartedView {
    /// Jumio's reference: the enrollment's reference from now on.
    pub transaction_reference: EnrollmentRef,
    /// Where the person goes. Whoever has it can begin, so it is a secret.
    pub redirect_url: model::Secret,
    /// Jumio's time of creation, or ours where Jumio gave none.
    pub timestamp: Timestamp,
    /// What the caller should know although the request was valid.
    pub warnings: Vec<jumio::Warning>,
}
