//! What Jumio says about a transaction, in its own words.

use serde::{Deserialize, Serialize};

/// `verificationStatus` of an ID Verification. Jumio adds values without notice: an unknown one is kept as such and
/// never counts as approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VerificationStatus {
    /// The document is genuine and the person was verified: the only status that makes an enrollment eligible.
    ApprovedVerified,
    /// Fraud was detected.
    DeniedFraud,
    /// The kind of document is not supported.
    DeniedUnsupportedIdType,
    /// The document's country is not supported.
    DeniedUnsupportedIdCountry,
    /// The image could not be read.
    ErrorNotReadableId,
    /// The person never handed in a document.
    NoIdUploaded,
    /// A value that this version does not know.
    Unknown,
}

impl VerificationStatus {
    /// Reads Jumio's spelling.
    #[must_use]
    pub fn from_jumio(text: &str) -> Self {
        match text {
            "APPROVED_VERIFIED" => Self::ApprovedVerified,
            "DENIED_FRAUD" => Self::DeniedFraud,
            "DENIED_UNSUPPORTED_ID_TYPE" => Self::DeniedUnsupportedIdType,
            "DENIED_UNSUPPORTED_ID_COUNTRY" => Self::DeniedUnsupportedIdCountry,
            "ERROR_NOT_READABLE_ID" => Self::ErrorNotReadableId,
            "NO_ID_UPLOADED" => Self::NoIdUploaded,
            _ => Self::Unknown,
        }
    }
}

/// `similarity`: is the face in the document the face of the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Similarity {
    /// The same person.
    Match,
    /// Another person.
    NoMatch,
    /// Could not be told.
    NotPossible,
    /// A value that this version does not know.
    Unknown,
}

impl Similarity {
    /// Reads Jumio's spelling.
    #[must_use]
    pub fn from_jumio(text: &str) -> Self {
        match text {
            "MATCH" => Self::Match,
            "NO_MATCH" => Self::NoMatch,
            "NOT_POSSIBLE" => Self::NotPossible,
            _ => Self::Unknown,
        }
    }
}

/// `transactionResult` of an Authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuthenticationResult {
    /// Created at Jumio; nobody has begun.
    Created,
    /// The person has begun.
    Started,
    /// Live, and the person who was onboarded.
    Passed,
    /// Not the person, or not live.
    Failed,
    /// The capture could not be judged.
    Invalid,
    /// Nobody finished in time, or a later transaction took its place.
    Expired,
    /// A value that this version does not know: never final.
    Unknown,
}

impl AuthenticationResult {
    /// Reads Jumio's spelling.
    #[must_use]
    pub fn from_jumio(text: &str) -> Self {
        match text {
            "CREATED" => Self::Created,
            "STARTED" => Self::Started,
            "PASSED" => Self::Passed,
            "FAILED" => Self::Failed,
            "INVALID" => Self::Invalid,
            "EXPIRED" => Self::Expired,
            _ => Self::Unknown,
        }
    }

    /// Whether Jumio will not change it any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Passed | Self::Failed | Self::Invalid | Self::Expired)
    }
}

/// How the person goes through an authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// In a browser, at Jumio's `redirectUrl`.
    Web,
    /// In the company's app, with Jumio's SDK and the transaction reference.
    Mobile,
}
