//! What an error means for an item: it does not go, it goes later, or nothing goes at the moment.

use crate::error::ReauthError;
use model::EnrollmentState;
use register::{ItemReason, ItemState};
use std::time::Duration;
use vault::VaultError;

/// Trouble without a time of its own is tried again after this long, doubling.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// And at most this.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What becomes of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does not go.
    Over { state: ItemState, reason: ItemReason, jumio_status: Option<u16> },
    /// It waits again; somebody else was just busy with this person.
    Again,
    /// It waits again, and so do all others.
    Trouble { code: &'static str, wait: Option<Duration> },
    /// Whether it was posted is asked of its transaction's row.
    AskTheRow,
}

const fn skipped(reason: ItemReason) -> Verdict {
    Verdict::Over { state: ItemState::Skipped, reason, jumio_status: None }
}

const fn failed(reason: ItemReason) -> Verdict {
    Verdict::Over { state: ItemState::Failed, reason, jumio_status: None }
}

const fn trouble(code: &'static str) -> Verdict {
    Verdict::Trouble { code, wait: None }
}

pub(super) fn judge(error: &ReauthError) -> Verdict {
    use ReauthError as E;
    match error {
        E::Invalid(_) => failed(ItemReason::Invalid),
        E::UnknownEnrollment => skipped(ItemReason::Unknown),
        E::NotReady(_) => skipped(ItemReason::NotReady),
        E::AwaitingRelease => skipped(ItemReason::AwaitingRelease),
        E::NotEligible { state: EnrollmentState::Ready, .. } => skipped(ItemReason::Replaced),
        E::NotEligible { .. } => skipped(ItemReason::NotEligible),
        E::Purged => skipped(ItemReason::Purged),
        E::TooManyAttempts { .. } | E::TooManyReplacements { .. } => skipped(ItemReason::TooManyAttempts),
        // A batch takes nobody's place.
        E::AuthenticationOpen { .. } => skipped(ItemReason::Unsettled),
        E::OutcomeUnknown { .. } => Verdict::AskTheRow,
        // Our own credentials: nobody's item can go.
        E::JumioRefused { status: 401 | 403 } => trouble("jumio-refuses-credentials"),
        E::JumioRefused { status } => Verdict::Over {
            state: ItemState::Failed,
            reason: ItemReason::JumioRefused,
            jumio_status: Some(*status),
        },
        E::NotSent { .. } => failed(ItemReason::NotSent),
        E::InProgress => Verdict::Again,
        E::BudgetSpent { retry_after } => Verdict::Trouble { code: "jumio-budget", wait: Some(*retry_after) },
        E::Recovering { retry_after } => Verdict::Trouble { code: "recovering", wait: Some(*retry_after) },
        E::JumioUnavailable => trouble("jumio-unavailable"),
        E::Stopping => trouble("stopping"),
        E::Audit(_) => trouble("audit-unavailable"),
        E::Register(error) if error.is_conflict() => Verdict::Again,
        E::Register(error) if error.is_damage() => failed(ItemReason::Damaged),
        E::Register(error) => match &**error {
            register::RegisterError::Vault(VaultError::Keys(_)) => trouble("keys-unavailable"),
            _ => trouble("store-unavailable"),
        },
        E::Vault(error) if error.is_damage() => failed(ItemReason::Damaged),
        E::Vault(error) => match &**error {
            VaultError::Keys(_) => trouble("keys-unavailable"),
            VaultError::Damaged(_) | VaultError::Mismatch(_) => failed(ItemReason::Damaged),
            _ => trouble("vault-unavailable"),
        },
        E::Queue(_) => trouble("store-unavailable"),
        E::UnknownAuthentication
        | E::UnknownLink
        | E::UnknownUser
        | E::UnknownBatch
        | E::BatchOver(_)
        | E::TotalDiffers { .. }
        | E::NotPassed(_)
        | E::AlreadyRedeemed
        | E::ResultTooOld
        | E::OtherRequest => trouble("unexpected"),
    }
}

/// How long everything waits for trouble that was met so many times in a row.
pub(super) fn wait(asked: Option<Duration>, times: u32) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1 << times.saturating_sub(1).min(8));
    asked.unwrap_or(doubled).clamp(Duration::from_millis(200), LONGEST_WAIT)
}
