//! A verification: what was asked for, how it ended, and what Jumio says of it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::callback_forms::Forms;
use crate::facemap::{DEFAULT_BYTES, Facemap};

/// Lifetime of an authorisation token when neither the request nor the portal says otherwise.
const DEFAULT_TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(30);

/// How a person's verification ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// `APPROVED_VERIFIED`, similarity `MATCH`, valid, with a facemap.
    Approved,
    /// `DENIED_FRAUD`.
    Fraud,
    /// Approved document, another face: similarity `NO_MATCH`.
    NoMatch,
    /// Approved document, but no live person: not valid.
    NotLive,
    /// As approved, but no facemap was captured (an uploaded selfie).
    ApprovedWithoutFacemap,
    /// `DENIED_UNSUPPORTED_ID_TYPE`.
    UnsupportedIdType,
    /// `DENIED_UNSUPPORTED_ID_COUNTRY`.
    UnsupportedIdCountry,
    /// `ERROR_NOT_READABLE_ID`.
    NotReadable,
    /// The person gives up: `NO_ID_UPLOADED`.
    Abandon,
}

impl Outcome {
    /// The word for it in JSON, forms and the journal.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Fraud => "fraud",
            Self::NoMatch => "no-match",
            Self::NotLive => "not-live",
            Self::ApprovedWithoutFacemap => "approved-without-facemap",
            Self::UnsupportedIdType => "unsupported-id-type",
            Self::UnsupportedIdCountry => "unsupported-id-country",
            Self::NotReadable => "not-readable",
            Self::Abandon => "abandon",
        }
    }

    /// The outcome of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        serde_json::from_value(Value::String(word.to_owned())).ok()
    }

    fn status(self) -> &'static str {
        match self {
            Self::Approved | Self::NoMatch | Self::NotLive | Self::ApprovedWithoutFacemap => APPROVED,
            Self::Fraud => "DENIED_FRAUD",
            Self::UnsupportedIdType => "DENIED_UNSUPPORTED_ID_TYPE",
            Self::UnsupportedIdCountry => "DENIED_UNSUPPORTED_ID_COUNTRY",
            Self::NotReadable => "ERROR_NOT_READABLE_ID",
            Self::Abandon => "NO_ID_UPLOADED",
        }
    }
}

/// The one good `verificationStatus`.
pub(crate) const APPROVED: &str = "APPROVED_VERIFIED";

/// What was asked for when the verification was initiated.
#[derive(Clone, Default)]
pub(crate) struct Order {
    pub(crate) customer_internal_reference: Option<String>,
    pub(crate) user_reference: Option<String>,
    pub(crate) reporting_criteria: Option<String>,
    pub(crate) success_url: Option<String>,
    pub(crate) error_url: Option<String>,
    pub(crate) callback_url: Option<String>,
    pub(crate) workflow_id: Option<i64>,
    pub(crate) locale: Option<String>,
    pub(crate) token_lifetime_minutes: Option<i64>,
}

/// Jumio's judgement.
#[derive(Clone)]
pub(crate) struct Verdict {
    pub(crate) verification_status: String,
    /// Similarity and validity, if identity verification was done and its result is told.
    pub(crate) identity: Option<Identity>,
}

/// The result of identity verification.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) similarity: String,
    pub(crate) valid: bool,
    pub(crate) reason: Option<String>,
}

/// A verification, from its initiation until its deletion, and a tombstone after it.
pub(crate) struct Scan {
    pub(crate) reference: String,
    pub(crate) order: Order,
    pub(crate) forms: Forms,
    pub(crate) number: u64,
    pub(crate) token: Option<String>,
    pub(crate) token_until: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) facemap: Option<Facemap>,
    /// Stays after deletion, to tell whether a facemap that comes back is the one that was captured.
    pub(crate) facemap_digest: Option<String>,
    pub(crate) deleted: bool,
    /// A scan status that a test asked for instead of the one that follows from the verdict.
    pub(crate) status_override: Option<String>,
}

impl Scan {
    pub(crate) fn new(reference: String, order: Order, number: u64, now: Timestamp) -> Self {
        let life = order.token_lifetime_minutes.map_or(DEFAULT_TOKEN_LIFE, SignedDuration::from_mins);
        Self {
            reference,
            order,
            forms: Forms::rotating(number),
            number,
            token: None,
            token_until: now.checked_add(life).unwrap_or(Timestamp::MAX),
            created_at: now,
            finished_at: None,
            verdict: None,
            facemap: None,
            facemap_digest: None,
            deleted: false,
            status_override: None,
        }
    }

    /// The verdict and facemap that an outcome leads to in this workflow.
    pub(crate) fn judge(&self, outcome: Outcome) -> (Verdict, Option<Facemap>) {
        let workflow = self.order.workflow_id.unwrap_or(201);
        let identity_done = workflow >= 200 && outcome.status() == APPROVED;
        let identity = identity_done.then(|| Identity {
            similarity: if outcome == Outcome::NoMatch { "NO_MATCH" } else { "MATCH" }.to_owned(),
            valid: outcome != Outcome::NotLive,
            reason: (outcome == Outcome::NotLive).then(|| "SELFIE_IS_SCREEN_PAPER_VIDEO".to_owned()),
        });
        // Workflow 202 only takes an uploaded selfie, from which no facemap comes.
        let captured = identity_done && workflow != 202 && outcome != Outcome::ApprovedWithoutFacemap;
        let facemap =
            captured.then(|| Facemap::Made { reference: self.reference.clone(), size: DEFAULT_BYTES });
        (Verdict { verification_status: outcome.status().to_owned(), identity }, facemap)
    }

    /// Makes it final.
    pub(crate) fn finish(&mut self, verdict: Verdict, facemap: Option<Facemap>, now: Timestamp) {
        self.facemap_digest = facemap.as_ref().map(|facemap| crate::facemap::digest_hex(&facemap.bytes()));
        self.facemap = facemap;
        self.verdict = Some(verdict);
        self.finished_at = Some(now);
    }

    /// Deletes it: what stays is a tombstone with the facemap's digest.
    pub(crate) fn delete(&mut self) {
        self.deleted = true;
        self.facemap = None;
        self.order = Order::default();
        self.token = None;
    }

    /// `PENDING`, `DONE` or `FAILED`.
    pub(crate) fn status(&self) -> &str {
        match (&self.status_override, &self.verdict) {
            (Some(status), _) => status,
            (None, None) => "PENDING",
            (None, Some(verdict)) if verdict.verification_status == APPROVED => "DONE",
            (None, Some(_)) => "FAILED",
        }
    }

    /// The seed's conditions for using its facemap in authentications, deletion apart.
    pub(crate) fn is_eligible(&self) -> bool {
        let Some(verdict) = &self.verdict else { return false };
        let matched = verdict
            .identity
            .as_ref()
            .is_some_and(|identity| identity.similarity == "MATCH" && identity.valid);
        verdict.verification_status == APPROVED && matched && self.facemap_digest.is_some()
    }

    /// A line of `GET /_sandbox/state`.
    pub(crate) fn summary(&self) -> Value {
        json!({
            "transactionReference": self.reference,
            "userReference": self.order.user_reference,
            "customerInternalReference": self.order.customer_internal_reference,
            "status": self.status(),
            "verificationStatus": self.verdict.as_ref().map(|verdict| verdict.verification_status.clone()),
            "createdAt": self.created_at,
            "finishedAt": self.finished_at,
            "facemapDigest": self.facemap_digest,
            "facemapHeld": self.facemap.is_some(),
            "deleted": self.deleted,
        })
    }
}
