//! What can go wrong with a re-authentication, as the caller should hear it.

use crate::view::AuthenticationView;
use audit::AuditError;
use jumio::{JumioError, Violations};
use model::{AuthenticationState, EnrollmentState};
use queue::{BudgetError, QueueError};
use records::RecordsError;
use register::{BatchState, IneligibleReason, RegisterError};
use std::{sync::Arc, time::Duration};
use thiserror::Error;
use vault::VaultError;

/// A re-authentication's error. It names no person. `Clone`, because all callers that waited for one post get the
/// same answer.
#[derive(Debug, Clone, Error)]
pub enum ReauthError {
    /// The request breaks rules of Jumio's or of the configuration. Nothing was done.
    #[error("the request is not valid: {0}")]
    Invalid(Violations),
    /// No such enrollment, or it is not this user's.
    #[error("no enrollment is known for this reference and user")]
    UnknownEnrollment,
    /// No such authentication, or it is not this user's.
    #[error("no authentication is known by this id or reference")]
    UnknownAuthentication,
    /// The enrollment is on its way.
    #[error("the enrollment is {0}; its facemap cannot be used before it is ready")]
    NotReady(EnrollmentState),
    /// The facemap is vaulted, and the company has not released the original.
    #[error("the enrollment waits for its release: POST /v1/enrollments/{{ref}}/release")]
    AwaitingRelease,
    /// The enrollment will never be usable.
    #[error("the enrollment is {state} and cannot be used for authentications")]
    NotEligible {
        /// `ineligible`, `abandoned` or `failed`; `ready` when another one took its place.
        state: EnrollmentState,
        /// The conditions that failed.
        reasons: Vec<IneligibleReason>,
    },
    /// The person's data are destroyed, or being destroyed.
    #[error("the enrollment is purged; onboard the person again under a new reference")]
    Purged,
    /// Another transaction is open, with other parameters.
    #[error("an authentication with other parameters is open; repeat with ifOpen \"reuse\" or \"replace\"")]
    AuthenticationOpen {
        /// The open one.
        open: Box<AuthenticationView>,
        /// The parameters that differ.
        differs: Vec<&'static str>,
    },
    /// Another caller's request for the same enrollment is being posted.
    #[error("another request for this enrollment is being posted; repeat in a moment")]
    InProgress,
    /// The store was rebuilt or restored a moment ago: Jumio may still hold transactions that it knows nothing of.
    #[error(
        "the store was rebuilt or restored; until the transactions that were open at Jumio before are over, none is begun"
    )]
    Recovering {
        /// When to try again.
        retry_after: Duration,
    },
    /// Three knowing replacements within an hour.
    #[error("the open authentication was replaced too often within an hour")]
    TooManyReplacements {
        /// When one more is allowed.
        retry_after: Duration,
    },
    /// The user was sent to Jumio as often as is allowed within the configured time.
    #[error("the user had too many attempts; wait, or let an operator unlock the user")]
    TooManyAttempts {
        /// When one more is allowed.
        retry_after: Duration,
    },
    /// No such link.
    #[error("no link is known by this id")]
    UnknownLink,
    /// No such batch.
    #[error("no batch is known by this id")]
    UnknownBatch,
    /// The batch has gone too far for that.
    #[error("the batch is {0}; that cannot be done to it any more")]
    BatchOver(BatchState),
    /// Others are meant than the caller has seen counted.
    #[error("the batch would have {is} items, and expectTotal says {expected}; nothing was begun")]
    TotalDiffers {
        /// What the caller expects.
        expected: u64,
        /// What was counted now.
        is: u64,
    },
    /// Nothing is known of this user.
    #[error("nothing is known of this user")]
    UnknownUser,
    /// Jumio's rate limit, as counted here or as Jumio said.
    #[error("the call budget for Jumio is used up")]
    BudgetSpent {
        /// When to try again.
        retry_after: Duration,
    },
    /// Jumio said no.
    #[error("Jumio refused the request (status {status})")]
    JumioRefused {
        /// Jumio's HTTP status.
        status: u16,
    },
    /// Jumio cannot be reached; nothing was sent.
    #[error("Jumio cannot be reached; nothing was sent")]
    JumioUnavailable,
    /// A guard or limit of our own refused the request; nothing was sent.
    #[error(
        "the request was not sent: our own guard refused {what}; see [jumio] and [ingest] max_facemap_bytes"
    )]
    NotSent {
        /// What was refused.
        what: &'static str,
    },
    /// The request was sent and no answer came: nobody knows whether a transaction exists. It was handed to nobody.
    #[error("the outcome of the request to Jumio is unknown; repeat after the settle time")]
    OutcomeUnknown {
        /// When the vault will post again, if asked.
        retry_after: Duration,
    },
    /// Only a passed authentication can be redeemed.
    #[error("the authentication is {0}; only a passed one can be redeemed")]
    NotPassed(AuthenticationState),
    /// It was redeemed before.
    #[error("this result was redeemed before; a result is accepted once")]
    AlreadyRedeemed,
    /// It passed too long ago.
    #[error("this result is too old to be redeemed; authenticate the person again")]
    ResultTooOld,
    /// It was made for another `requestReference`.
    #[error("this result belongs to another requestReference")]
    OtherRequest,
    /// The service is stopping.
    #[error("the service is stopping; repeat in a moment")]
    Stopping,
    /// The act could not be written into the book beforehand, so it was not done.
    #[error(transparent)]
    Audit(Arc<AuditError>),
    /// The store failed.
    #[error(transparent)]
    Register(Arc<RegisterError>),
    /// The facemap could not be opened.
    #[error(transparent)]
    Vault(Arc<VaultError>),
    /// The job that follows the result could not be written.
    #[error(transparent)]
    Queue(QueueError),
}

impl From<RegisterError> for ReauthError {
    fn from(error: RegisterError) -> Self {
        Self::Register(Arc::new(error))
    }
}

impl From<RecordsError> for ReauthError {
    fn from(error: RecordsError) -> Self {
        RegisterError::from(error).into()
    }
}

impl From<VaultError> for ReauthError {
    fn from(error: VaultError) -> Self {
        Self::Vault(Arc::new(error))
    }
}

impl From<QueueError> for ReauthError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Records(error) => error.into(),
            other => Self::Queue(other),
        }
    }
}

impl From<BudgetError> for ReauthError {
    fn from(error: BudgetError) -> Self {
        match error {
            BudgetError::Spent { retry_after } => Self::BudgetSpent { retry_after },
            BudgetError::Unavailable(error) => error.into(),
        }
    }
}

impl From<AuditError> for ReauthError {
    fn from(error: AuditError) -> Self {
        Self::Audit(Arc::new(error))
    }
}

impl ReauthError {
    /// Whether somebody else's commit came first: read again and decide again.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Register(error) if error.is_conflict())
    }

    /// What a call of the retrieval or deletion kind failed with, as the caller should hear it.
    pub(crate) fn from_jumio(error: &JumioError, backoff: Duration) -> Self {
        match error {
            JumioError::Invalid(violations) => Self::Invalid(violations.clone()),
            JumioError::Refused { status } => Self::JumioRefused { status: *status },
            JumioError::NotFound => Self::JumioRefused { status: 404 },
            JumioError::RateLimited { retry_after } => {
                Self::BudgetSpent { retry_after: retry_after.unwrap_or(backoff) }
            }
            JumioError::Unavailable { .. }
            | JumioError::Credentials
            | JumioError::Ambiguous { .. }
            | JumioError::Malformed { .. } => Self::JumioUnavailable,
            JumioError::Guarded { what } => Self::NotSent { what },
        }
    }
}
