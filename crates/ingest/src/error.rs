//! What can go wrong with an onboarding, told apart by what the caller may do about it.

use audit::AuditError;
use jumio::{JumioError, Violations};
use model::EnrollmentState;
use queue::QueueError;
use records::RecordsError;
use register::{IneligibleReason, RegisterError};
use std::time::Duration;
use thiserror::Error;
use vault::VaultError;

/// The error of this room. It names no person and no reference.
#[derive(Debug, Error)]
pub enum IngestError {
    /// The request breaks Jumio's rules or ours. Nothing was sent, nothing was stored; correct the named fields.
    #[error("the request does not follow the rules: {0}")]
    Invalid(Violations),
    /// No enrollment has this reference.
    #[error("no enrollment has this reference; announce it first")]
    Unknown,
    /// The enrollment was destroyed, or is being destroyed. Nothing brings it back.
    #[error("this enrollment was purged; the person must be onboarded anew")]
    Purged,
    /// The onboarding does not meet the conditions; it cannot be released.
    #[error("this onboarding does not meet the conditions for a re-authentication; nothing can be released")]
    NotEligible {
        /// The conditions that failed.
        reasons: Vec<IneligibleReason>,
    },
    /// The reference is already known for another user. Nothing was changed.
    #[error("this transaction is known for another user reference; nothing was changed")]
    UserReferenceDiffers,
    /// Another enrollment of the user is current, or about to be. It is replaced knowingly or not at all: name it in
    /// `replaces`, with a PASSED against it within 24 hours, or as an admin.
    #[error(
        "the user has another enrollment already; release with `replaces`, within 24 hours of a PASSED against the old one, or as an admin"
    )]
    ReplacementNeedsProof,
    /// What `replaces` names is not the user's current enrollment. Nothing was changed.
    #[error("`replaces` does not name the user's current enrollment; nothing was changed")]
    ReplacesNotCurrent,
    /// Another facemap is held under this reference, or Jumio's is another one. Nothing was stored.
    #[error("these bytes are not the facemap of this enrollment; nothing was stored")]
    ContentDiffers,
    /// Jumio has the transaction, and the person has not finished it. Nothing was stored; repeat when it is finished.
    #[error("this transaction is not finished at Jumio; nothing was stored, repeat when it is")]
    NotFinished,
    /// Jumio has the transaction and does not give out its facemap, or the other way round, so nobody can compare.
    /// Nothing was stored; delete what is left there, or repeat later.
    #[error(
        "Jumio still knows this transaction but does not show all of it, so the facemap cannot be compared; nothing was stored: repeat later, or delete the transaction at Jumio first"
    )]
    NotComparable,
    /// Jumio has nothing of this transaction any more. Somebody must stand for whose facemap it is.
    #[error(
        "Jumio no longer has this transaction, so nobody can confirm whose facemap this is; nothing was stored: send an attestation of 1 to 500 printable characters"
    )]
    AttestationNeeded,
    /// Jumio could not be asked about the original. Nothing was stored; repeat later.
    #[error("Jumio could not be asked about the original ({0}); nothing was stored, repeat later")]
    Unconfirmed(JumioError),
    /// Jumio's budget is spent for the moment. Nothing was sent.
    #[error("the budget of requests to Jumio is spent for the moment; repeat later")]
    Budget {
        /// When to repeat.
        retry_after: Duration,
    },
    /// A call to Jumio failed. [`JumioError::outcome_is_unknown`] tells whether it may have been carried out.
    #[error(transparent)]
    Jumio(JumioError),
    /// Others changed the same enrollment again and again while this was decided. Nothing was changed; repeat.
    #[error("the enrollment is being changed by others; nothing was changed, repeat the request")]
    Busy,
    /// Records are not what they should be.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The register failed, or refused a record that belongs to somebody else.
    #[error(transparent)]
    Register(RegisterError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The audit chain did not take the entry, so the act did not happen.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// No callback has this id, or it was removed 30 days after it came.
    #[error("no callback has this id; those that were judged are kept for 30 days")]
    UnknownCallback,
    /// The body is gone, because the callback was judged or kept for too long. Nothing was changed.
    #[error("this callback was judged, or kept for too long: its body is gone, so it cannot be judged again")]
    BodyGone,
    /// A stored callback is not what this version wrote.
    #[error("a stored callback cannot be read; run `facemap-vault verify`")]
    DamagedCallback,
    /// A user has an enrollment that is ready, or one that cannot be read, and no row that names the current one.
    #[error(
        "a user's row is missing or does not name the enrollment that is ready: nothing takes its place; run `facemap-vault verify`"
    )]
    UserWithoutCurrent,
    /// An enrollment is in a state that its fields contradict.
    #[error(
        "an enrollment in the state {state} lacks a field that this state has; run `facemap-vault verify`"
    )]
    Inconsistent {
        /// Its state.
        state: EnrollmentState,
    },
}

impl From<RegisterError> for IngestError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Records(error) => Self::Records(error),
            RegisterError::Vault(error) => Self::Vault(error),
            other => Self::Register(other),
        }
    }
}

impl From<JumioError> for IngestError {
    fn from(error: JumioError) -> Self {
        match error {
            JumioError::Invalid(violations) => Self::Invalid(violations),
            other => Self::Jumio(other),
        }
    }
}

impl IngestError {
    /// Whether somebody else's commit came first: read again and decide again.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Records(error) => error.is_conflict(),
            Self::Queue(error) => error.is_conflict(),
            _ => false,
        }
    }

    /// Whether the same request may succeed later without anybody's doing.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Budget { .. } | Self::Busy | Self::Unconfirmed(_) => true,
            Self::Jumio(error) => error.is_retryable() && !error.outcome_is_unknown(),
            Self::Records(error) => error.is_retryable(),
            Self::Vault(error) => error.is_retryable(),
            Self::Queue(error) => error.is_retryable(),
            Self::Audit(error) => error.is_retryable(),
            Self::Invalid(_)
            | Self::Unknown
            | Self::Purged
            | Self::NotEligible { .. }
            | Self::UserReferenceDiffers
            | Self::ReplacementNeedsProof
            | Self::ReplacesNotCurrent
            | Self::ContentDiffers
            | Self::NotFinished
            | Self::NotComparable
            | Self::AttestationNeeded
            | Self::Register(_)
            | Self::UnknownCallback
            | Self::BodyGone
            | Self::DamagedCallback
            | Self::UserWithoutCurrent
            | Self::Inconsistent { .. } => false,
        }
    }
}
