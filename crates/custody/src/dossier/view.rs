//! The page itself.

use super::DossierLink;
use crate::{HoldView, PurgeView};
use audit::{Action, Actor, Listed, Outcome, Part};
use model::{
    AuthenticationId, AuthenticationRef, AuthenticationState, Channel, EnrollmentOrigin, EnrollmentRef,
    EnrollmentState, Timestamp, UserReference,
};
use register::{Authentication, IneligibleReason};
use seal::Pseudonym;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything about one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dossier {
    /// Who was asked about.
    pub user_reference: UserReference,
    /// The person's pseudonym: what stands for them in the book.
    pub subject: Pseudonym,
    /// When this was put together.
    pub at: Timestamp,
    /// Onboardings, oldest first; purged ones last.
    pub enrollments: Vec<DossierEnrollment>,
    /// Every use, oldest first.
    pub authentications: Vec<DossierAuthentication>,
    /// Links that were sent, oldest first.
    pub links: Vec<DossierLink>,
    /// When the person was sent to Jumio lately: what counts against the limit.
    pub attempts: Vec<Timestamp>,
    /// Every time that the facemap was handed to Jumio, or was about to be.
    pub disclosures: Vec<DossierDisclosure>,
    /// Callbacks of Jumio about this person.
    pub callbacks: DossierCallbacks,
    /// What the book says about the person and the enrollments, in its order.
    pub entries: Vec<DossierEntry>,
    /// What there is more of than fits on the page.
    pub cut: Cut,
}

/// Which lists are not whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "one flag for each list of the page")]
pub struct Cut {
    /// The oldest 100 enrollments are shown.
    pub enrollments: bool,
    /// The oldest 1000 authentications are shown.
    pub authentications: bool,
    /// The oldest 1000 links are shown.
    pub links: bool,
    /// The oldest 5000 entries are shown, of each enrollment or of the user.
    pub entries: bool,
    /// Something about the person does not open: run `facemap-vault verify`.
    pub damaged: bool,
}

/// An onboarding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DossierEnrollment {
    /// Its pseudonym.
    pub subject: Pseudonym,
    /// Jumio's reference; gone with a purge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrollment_transaction_reference: Option<EnrollmentRef>,
    /// The company's own reference of the transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_internal_reference: Option<String>,
    /// Where it stands.
    pub state: EnrollmentState,
    /// Since when.
    pub since: Timestamp,
    /// How it came here.
    pub origin: EnrollmentOrigin,
    /// When it was first heard of.
    pub created_at: Timestamp,
    /// The conditions that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<IneligibleReason>,
    /// Bytes of the facemap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facemap_bytes: Option<u64>,
    /// When the person was onboarded, where that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onboarded_at: Option<Timestamp>,
    /// When the facemap became durable here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vaulted_at: Option<Timestamp>,
    /// When the company released it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Timestamp>,
    /// When the original was seen gone at Jumio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_deleted_at: Option<Timestamp>,
    /// When it was last used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// The pseudonym of the enrollment that took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<Pseudonym>,
    /// The hold that is on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldView>,
    /// Its purge, with the receipts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purge: Option<PurgeView>,
}

/// A use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DossierAuthentication {
    /// The vault's id of it.
    pub authentication_id: AuthenticationId,
    /// Jumio's reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication_transaction_reference: Option<AuthenticationRef>,
    /// The pseudonym of the enrollment that was compared with.
    pub enrollment: Pseudonym,
    /// The company's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_reference: Option<String>,
    /// In a browser or in an app.
    pub channel: Channel,
    /// Its result, once there is one.
    pub state: AuthenticationState,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When Jumio had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiated_at: Option<Timestamp>,
    /// When the result was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// When the company accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redeemed_at: Option<Timestamp>,
}

/// A facemap that was handed to Jumio, as the book says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DossierDisclosure {
    /// When it was begun.
    pub at: Timestamp,
    /// Where the book says so.
    pub position: u64,
    /// The pseudonym of the enrollment.
    pub enrollment: Option<Pseudonym>,
    /// The vault's id of the authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication_id: Option<String>,
    /// On whose request.
    pub actor: Actor,
    /// How it ended; `None`: it is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// Callbacks of Jumio.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DossierCallbacks {
    /// How many are known of.
    pub count: usize,
    /// When they came.
    pub times: Vec<Timestamp>,
    /// Whether that is all that is still known: callbacks are kept for 30 days.
    pub complete: bool,
}

/// An entry of the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DossierEntry {
    /// Its position.
    pub position: u64,
    /// The chain's epoch.
    pub epoch: u64,
    /// The entry.
    #[serde(flatten)]
    pub entry: audit::Entry,
}

impl DossierAuthentication {
    pub(super) fn of(found: Authentication) -> Self {
        let row = found.row;
        let private = found.private.as_ref();
        Self {
            authentication_id: found.id,
            authentication_transaction_reference: private.and_then(|person| person.reference),
            enrollment: row.enrollment.0,
            request_reference: private.and_then(|person| person.request_reference.clone()),
            channel: row.channel,
            state: row.state,
            created_at: row.created_at,
            initiated_at: row.initiated_at,
            completed_at: row.completed_at,
            redeemed_at: row.redeemed_at,
        }
    }
}

impl DossierEntry {
    pub(super) fn of(item: Listed) -> Self {
        Self { position: item.position, epoch: item.epoch, entry: item.entry }
    }
}

/// Every begin of a post, with how it ended.
pub(super) fn disclosures(entries: &BTreeMap<u64, Listed>) -> Vec<DossierDisclosure> {
    let mut found: BTreeMap<u64, DossierDisclosure> = BTreeMap::new();
    for item in entries.values().filter(|item| item.entry.action == Action::AuthenticationPosted) {
        let entry = &item.entry;
        let begun = match entry.part {
            Part::Finish { begin } => begin,
            Part::Begin | Part::Note => item.position,
        };
        let one = found.entry(begun).or_insert_with(|| DossierDisclosure {
            at: entry.at,
            position: begun,
            enrollment: entry.subject,
            authentication_id: entry.details.get("authentication").map(str::to_owned),
            actor: entry.actor.clone(),
            outcome: None,
        });
        one.outcome = entry.outcome;
    }
    found.into_values().collect()
}
