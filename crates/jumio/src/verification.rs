//! An ID Verification: what is asked of Jumio (seed 000) and the first answer.

use model::{EnrollmentRef, Secret, Timestamp, UserReference};
use serde::Serialize;
use std::fmt;

/// A checked request for an ID Verification. Built by [`NewVerification::check`] only; its fields have the names
/// and limits of seed 000.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewVerification {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) customer_internal_reference: Option<String>,
    pub(crate) user_reference: UserReference,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reporting_criteria: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) success_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) callback_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workflow_id: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) presets: Vec<Preset>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) locale: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_lifetime_in_minutes: Option<u32>,
}

/// The one preset that seed 000 describes: the document's country and kind, complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Preset {
    pub(crate) index: u8,
    pub(crate) country: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

impl NewVerification {
    /// The user who is to be verified.
    #[must_use]
    pub const fn user_reference(&self) -> &UserReference {
        &self.user_reference
    }

    /// The company's own reference of the transaction.
    #[must_use]
    pub fn customer_internal_reference(&self) -> Option<&str> {
        self.customer_internal_reference.as_deref()
    }

    /// Where Jumio will report: the vault's own address with this transaction's token.
    #[must_use]
    pub fn callback_url(&self) -> Option<&str> {
        self.callback_url.as_deref()
    }

    /// The acquisition workflow, if one was asked for.
    #[must_use]
    pub const fn workflow_id(&self) -> Option<u16> {
        self.workflow_id
    }

    /// Minutes for which the `redirectUrl` may be used, if asked for.
    #[must_use]
    pub const fn token_lifetime_minutes(&self) -> Option<u32> {
        self.token_lifetime_in_minutes
    }

    /// What the caller should know although the request is valid.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        match self.workflow_id {
            Some(201) => Vec::new(),
            Some(100..=102) => vec![Warning::NoIdentityVerification],
            Some(_) => vec![Warning::SelfieMayBeUploaded],
            None => vec![Warning::WorkflowFromPortal],
        }
    }
}

impl fmt::Debug for NewVerification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewVerification")
            .field("workflow_id", &self.workflow_id)
            .field("locale", &self.locale)
            .finish_non_exhaustive()
    }
}

/// A valid request that may end without a facemap to vault (jumio-api §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Warning {
    /// Workflows 100 to 102 verify a document only.
    NoIdentityVerification,
    /// Workflows 200 and 202 let the person upload a selfie, and then there is no facemap.
    SelfieMayBeUploaded,
    /// Without `workflowId` the portal's capture method decides.
    WorkflowFromPortal,
}

impl Warning {
    /// The warning in words, for the answer to the company's backend.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoIdentityVerification => {
                "this workflowId verifies a document only: there will be no facemap to vault; use 201"
            }
            Self::SelfieMayBeUploaded => {
                "with this workflowId a person may upload a selfie, and then there is no facemap to vault; use 201"
            }
            Self::WorkflowFromPortal => {
                "without workflowId the Customer Portal's capture method decides; only camera-only (201) is sure to \
                 capture a facemap"
            }
        }
    }
}

/// Jumio created it.
#[derive(Debug)]
pub struct StartedVerification {
    /// Jumio's reference: the enrollment's reference from now on.
    pub reference: EnrollmentRef,
    /// Where the person goes: checked to lead to Jumio. A secret, as whoever has it can begin.
    pub redirect_url: Secret,
    /// Jumio's time of creation.
    pub timestamp: Option<Timestamp>,
    /// Jumio's own clock when it answered (`Date` header, whole seconds).
    pub jumio_date: Option<Timestamp>,
}
