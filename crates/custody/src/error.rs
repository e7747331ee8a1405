//! What can go wrong in custody, and what each means for the one who asked.

use crate::{
    keys::{KeyUse, ShelfError},
    purge::{ForgetError, InvalidOrder},
};
use audit::AuditError;
use jumio::JumioError;
use queue::{BudgetError, QueueError};
use records::RecordsError;
use register::RegisterError;
use seal::{KeyId, ProviderError, SealError};
use std::{sync::Arc, time::Duration};
use thiserror::Error;
use vault::VaultError;

/// An error of custody. It names no person. It can be cloned, because all who wait for one erasure get the same.
#[derive(Debug, Clone, Error)]
pub enum CustodyError {
    /// There is no enrollment with this reference.
    #[error("unknown-enrollment: nothing is known under this reference; nothing was done")]
    UnknownEnrollment,
    /// There is no such order.
    #[error("unknown-purge: there is no order with this id")]
    UnknownPurge,
    /// A legal hold forbids it.
    #[error("held: a legal hold forbids the destruction; release the hold first. Nothing was done")]
    Held,
    /// It was destroyed, or is being destroyed.
    #[error("purged: it was destroyed, or is being destroyed; nothing was done")]
    Purged,
    /// It was to be destroyed because its time is over, and it was used in the meantime.
    #[error("not-due: it was used in the meantime; nothing was done")]
    NotDue,
    /// A hold was to end before it began.
    #[error(
        "invalid-request: until lies in the past; leave it out for a hold without an end. Nothing was done"
    )]
    HoldUntilPast,
    /// The retention sweep was allowed to go on, and had not stopped itself.
    #[error("nothing-to-allow: the retention sweep has not stopped itself; nothing was done")]
    NothingToAllow,
    /// An order for many is about nobody.
    #[error(
        "nothing-to-purge: the order is about nobody who could be destroyed now: unknown, destroyed already, or held; a dry \
         run says which. Nothing was done"
    )]
    NothingToPurge,
    /// A rebuild or restore was not acknowledged yet.
    #[error(
        "recovery-not-acknowledged: the store was rebuilt or restored; read what was lost and run `facemap-vault recovery \
         acknowledge`. Nothing was done"
    )]
    RecoveryNotAcknowledged,
    /// It was destroyed, and its receipt went with a store that was lost.
    #[error("purged: it was destroyed before the store was rebuilt; its receipt was lost with that store")]
    ReceiptLost,
    /// The order is not one.
    #[error("invalid-request: {0}. Nothing was done")]
    Invalid(#[from] InvalidOrder),
    /// So many are destroyed only after a dry run.
    #[error(
        "confirmation-needed: {total} enrollments are more than the {limit} that can be destroyed without a dry run; order \
         it with the total and the token of one. Nothing was done"
    )]
    ConfirmationNeeded {
        /// How many it would be.
        total: u64,
        /// `purge.confirm_above`.
        limit: u64,
    },
    /// The token is not one of a dry run of this order, or older than an hour.
    #[error(
        "confirmation-invalid: the token is not of a dry run of this very order within the last hour; make another dry \
         run. Nothing was done"
    )]
    ConfirmationInvalid,
    /// The order is about another number than the one expected.
    #[error(
        "total-differs: the order is about {is} enrollments, {expected} were expected; look again. Nothing was done"
    )]
    TotalDiffers {
        /// How many were expected.
        expected: u64,
        /// How many it would be.
        is: u64,
    },
    /// The records failed.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The register failed.
    #[error(transparent)]
    Register(Arc<RegisterError>),
    /// The vault failed.
    #[error(transparent)]
    Vault(Arc<VaultError>),
    /// The book could not be written: nothing was done.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The desk failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The inbox could not forget.
    #[error(transparent)]
    Forget(#[from] ForgetError),
    /// Jumio did not delete.
    #[error(transparent)]
    Jumio(#[from] JumioError),
    /// The budget of calls to Jumio is spent.
    #[error("the budget of calls to Jumio is spent; it is tried again in {} s", retry_after.as_secs())]
    BudgetSpent {
        /// When it is worth asking again.
        retry_after: Duration,
    },
    /// There is no such wrapping key.
    #[error(
        "unknown-key: there is no key {0}; `facemap-vault keys list` shows those that are. Nothing was done"
    )]
    UnknownKey(KeyId),
    /// A key was to be removed that something needs.
    #[error("key-needed: key {id} is not removed: {by}. Nothing was done")]
    KeyNeeded {
        /// The key.
        id: KeyId,
        /// What needs it, and what to run.
        by: KeyUse,
    },
    /// The provider of the wrapping keys did not do what it was asked to.
    #[error("keys-unavailable: {0}")]
    Keys(ProviderError),
    /// The held keys could not be read or replaced.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// The held keys are not what they should be.
    #[error(transparent)]
    HeldKeys(SealError),
    /// Another slot of a person who is to be purged does not say any more what it is.
    #[error(
        "slot {index} of the slot file is this person's too and is damaged in more than one bit: everything else of theirs \
         is destroyed. Stop the service and run `facemap-vault rebuild-index --give-up-damaged`; then the purge goes on"
    )]
    SlotDamaged {
        /// The place of the slot.
        index: u32,
    },
    /// A record of this room is not what it must be.
    #[error("a record of a purge does not hold what it must; run `facemap-vault verify`")]
    Damaged,
    /// Somebody else's commits came first again and again.
    #[error("busy: others changed the same records again and again; try again")]
    Busy,
    /// The process is shutting down: what was begun goes on after the next start.
    #[error("the service is shutting down; what was begun goes on after the next start")]
    Stopping,
}

impl From<RegisterError> for CustodyError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Records(error) => Self::Records(error),
            RegisterError::Vault(error) => error.into(),
            other => Self::Register(Arc::new(other)),
        }
    }
}

impl From<VaultError> for CustodyError {
    fn from(error: VaultError) -> Self {
        Self::Vault(Arc::new(error))
    }
}

impl From<ProviderError> for CustodyError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::NoSuchKey(id) => Self::UnknownKey(id),
            other => Self::Keys(other),
        }
    }
}

impl From<SealError> for CustodyError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Provider(error) => error.into(),
            other => Self::HeldKeys(other),
        }
    }
}

impl From<BudgetError> for CustodyError {
    fn from(error: BudgetError) -> Self {
        match error {
            BudgetError::Spent { retry_after } => Self::BudgetSpent { retry_after },
            BudgetError::Unavailable(error) => Self::Records(error),
        }
    }
}

impl CustodyError {
    /// Whether somebody else's commit came first: read again and decide again.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Records(error) | Self::Audit(AuditError::Unavailable(error)) => error.is_conflict(),
            Self::Register(error) => error.is_conflict(),
            Self::Queue(error) => error.is_conflict(),
            _ => false,
        }
    }

    /// Whether the record was moved to another slot between the reading of the row and that of the slot: read again. Of
    /// one who is purged the record itself says so, never a burnt slot.
    pub(crate) fn is_moved(&self) -> bool {
        match self {
            Self::Vault(error) => matches!(**error, VaultError::Burnt | VaultError::NoSuchSlot),
            _ => false,
        }
    }

    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Records(error) => error.is_retryable(),
            Self::Vault(error) => error.is_retryable(),
            Self::Audit(error) => error.is_retryable(),
            Self::Queue(error) => error.is_retryable(),
            Self::Jumio(error) => error.is_retryable(),
            Self::Keys(error) => error.is_retryable(),
            Self::Shelf(error) => error.retryable,
            Self::Forget(_) | Self::BudgetSpent { .. } | Self::Busy | Self::Stopping => true,
            _ => false,
        }
    }
}
