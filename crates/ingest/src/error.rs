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
    /// A stored callback is not what this version wrote.
    #[error("a stored callback cannot be read; run `facemap-vault verify`")]
    DamagedCallback,
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
            Self::Budget { .. } | Self::Busy => true,
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
            | Self::Register(_)
            | Self::DamagedCallback
            | Self::Inconsistent { .. } => false,
        }
    }
}
