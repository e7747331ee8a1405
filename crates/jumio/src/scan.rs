//! What the Retrieval API says about an ID Verification (jumio-api §4).

use model::{EnrollmentRef, Similarity, Timestamp, UserReference, VerificationStatus};
use std::fmt;

/// `status` of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScanState {
    /// The person is at it, or Jumio is.
    Pending,
    /// Finished; the details can be fetched.
    Done,
    /// Finished without a usable scan.
    Failed,
    /// Newer pages: created, nobody has begun.
    Initiated,
    /// Newer pages: the images are there, Jumio works on them.
    Acquired,
    /// Newer pages: finished.
    Processed,
    /// Newer pages: the person ran out of time.
    SessionExpired,
    /// Newer pages: the link was never used in time.
    TokenExpired,
    /// A value that this version does not know.
    Unknown,
}

/// What a [`ScanState`] means for whoever polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Progress {
    /// Ask again later.
    Waiting,
    /// Ask for the details now.
    Finished,
    /// Nobody finished it and nobody will: the details say nothing more.
    Lapsed,
}

impl ScanState {
    /// Reads Jumio's spelling.
    #[must_use]
    pub fn from_jumio(text: &str) -> Self {
        match text {
            "PENDING" => Self::Pending,
            "DONE" => Self::Done,
            "FAILED" => Self::Failed,
            "INITIATED" => Self::Initiated,
            "ACQUIRED" => Self::Acquired,
            "PROCESSED" => Self::Processed,
            "SESSION_EXPIRED" => Self::SessionExpired,
            "TOKEN_EXPIRED" => Self::TokenExpired,
            _ => Self::Unknown,
        }
    }

    /// What it means for whoever polls. An unknown value is waited upon: the polling schedule ends the waiting.
    #[must_use]
    pub const fn progress(self) -> Progress {
        match self {
            Self::Pending | Self::Initiated | Self::Acquired | Self::Unknown => Progress::Waiting,
            Self::Done | Self::Failed | Self::Processed => Progress::Finished,
            Self::SessionExpired | Self::TokenExpired => Progress::Lapsed,
        }
    }
}

/// Whom Jumio names in an answer. What cannot be read is not the same as nobody: it may be somebody else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NamedUser {
    /// No field names anybody: absent, `null`, empty or `N/A`.
    #[default]
    Nobody,
    /// This user.
    User(UserReference),
    /// A field names somebody in a form that no user reference has, or two fields name two users.
    Unreadable,
}

impl NamedUser {
    /// The user, where one is named and can be read.
    #[must_use]
    pub const fn user(&self) -> Option<&UserReference> {
        match self {
            Self::User(user) => Some(user),
            Self::Nobody | Self::Unreadable => None,
        }
    }
}

/// The part of a scan's details that the vault needs. Names, document numbers and images are never read into memory
/// of our own. `None` stands for absent, empty and `N/A` alike.
#[derive(Clone, PartialEq, Eq)]
pub struct ScanDetails {
    /// The scan that Jumio says this is about. Whoever asked must compare it with what was asked.
    pub reference: Option<EnrollmentRef>,
    /// How far it is.
    pub state: ScanState,
    /// `document.status`.
    pub verification_status: Option<VerificationStatus>,
    /// `verification.identityVerification.similarity`.
    pub similarity: Option<Similarity>,
    /// `verification.identityVerification.validity`. `None` also for a value that is neither true nor false.
    pub validity: Option<bool>,
    /// `transaction.customerId`, or `userReference`: whom Jumio names.
    pub user_reference: NamedUser,
    /// `transaction.merchantScanReference`: the company's own reference of the transaction.
    pub internal_reference: Option<String>,
    /// `facemap.href`: untrusted text, to be handed back to [`crate::JumioApi::facemap`], which checks it.
    pub facemap_href: Option<String>,
    /// `transaction.date`: when the person did it.
    pub date: Option<Timestamp>,
    /// How many values had a form or spelling that this version does not know.
    pub unknown_values: u32,
    /// Jumio's own clock when it answered (`Date` header, whole seconds).
    pub jumio_date: Option<Timestamp>,
}

impl fmt::Debug for ScanDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScanDetails")
            .field("reference", &self.reference)
            .field("state", &self.state)
            .field("verification_status", &self.verification_status)
            .field("similarity", &self.similarity)
            .field("validity", &self.validity)
            .field("user_reference", &self.user_reference)
            .field("has_facemap_href", &self.facemap_href.is_some())
            .field("date", &self.date)
            .field("unknown_values", &self.unknown_values)
            .finish_non_exhaustive()
    }
}
