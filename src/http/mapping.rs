//! The one place where errors of the flows become HTTP.

use super::problem::Problem;
use actix_web::http::StatusCode;
use custody::CustodyError;
use ingest::IngestError;
use jumio::JumioError;
use reauth::ReauthError;
use records::RecordsError;
use register::RegisterError;
use serde_json::json;
use std::time::Duration;
use store::StoreError;
use vault::VaultError;

impl From<ReauthError> for Problem {
    fn from(error: ReauthError) -> Self {
        use ReauthError as E;
        let text = error.to_string();
        let conflict = |code| Self::new(StatusCode::CONFLICT, code, text.clone());
        match error {
            E::Invalid(violations) => Self::violations(&violations),
            E::UnknownEnrollment => Self::new(StatusCode::NOT_FOUND, "unknown-enrollment", text),
            E::UnknownAuthentication => Self::new(StatusCode::NOT_FOUND, "unknown-authentication", text),
            E::NotReady(state) => {
                conflict("not-ready").with("state", state.as_str()).retry_after(Duration::from_secs(30))
            }
            E::AwaitingRelease => conflict("awaiting-release").with("state", "vaulted"),
            E::NotEligible { state, reasons } => {
                conflict("not-eligible").with("state", state.as_str()).with("reasons", json!(reasons))
            }
            E::Purged => Self::new(StatusCode::GONE, "purged", text),
            E::AuthenticationOpen { open, differs } => conflict("authentication-open")
                .with("openAuthentication", json!(open))
                .with("differs", differs),
            E::InProgress => Self::new(StatusCode::SERVICE_UNAVAILABLE, "in-progress", text)
                .retry_after(Duration::from_secs(1)),
            E::Recovering { retry_after } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "recovering", text).retry_after(retry_after)
            }
            E::TooManyAttempts { retry_after } => too_many("attempts", text, retry_after),
            E::TooManyReplacements { retry_after } => too_many("replacements", text, retry_after),
            E::UnknownLink => Self::new(StatusCode::NOT_FOUND, "unknown-link", text),
            E::UnknownUser => Self::new(StatusCode::NOT_FOUND, "unknown-user", text),
            E::UnknownBatch => Self::new(StatusCode::NOT_FOUND, "unknown-batch", text),
            E::BatchOver(state) => conflict("batch-over").with("state", state.as_str()),
            E::TotalDiffers { is, .. } => conflict("total-differs").with("total", is),
            E::BudgetSpent { retry_after } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "jumio-budget", text).retry_after(retry_after)
            }
            E::JumioRefused { status } => {
                Self::new(StatusCode::BAD_GATEWAY, "jumio-refused", text).with("jumioStatus", status)
            }
            E::JumioUnavailable => Self::new(StatusCode::SERVICE_UNAVAILABLE, "jumio-unavailable", text)
                .retry_after(Duration::from_secs(5)),
            E::NotSent { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "jumio-unavailable", text)
                .retry_after(Duration::from_mins(1)),
            E::OutcomeUnknown { retry_after } => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "outcome-unknown", text).retry_after(retry_after)
            }
            E::NotPassed(state) => conflict("not-passed").with("state", state.as_str()),
            E::AlreadyRedeemed => conflict("already-redeemed"),
            E::ResultTooOld => conflict("result-too-old"),
            E::OtherRequest => conflict("request-reference-differs"),
            E::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", text)
                .retry_after(Duration::from_secs(1)),
            E::Audit(error) => Self::from(&*error),
            E::Register(error) => Self::from(&*error),
            E::Vault(error) => Self::from(&*error),
            E::Queue(error) => Self::from(&error),
        }
    }
}

/// One code for both limits; `limit` says which: an unlock forgives attempts, and only time cures replacements.
fn too_many(limit: &str, text: String, retry_after: Duration) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", text)
        .with("limit", limit)
        .retry_after(retry_after)
}

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        use IngestError as E;
        let text = error.to_string();
        let conflict = |code| Self::new(StatusCode::CONFLICT, code, text.clone());
        match error {
            E::Invalid(violations) => Self::violations(&violations),
            E::Unknown => Self::new(StatusCode::NOT_FOUND, "unknown-enrollment", text),
            E::Purged => Self::new(StatusCode::GONE, "purged", text),
            E::NotEligible { reasons } => conflict("not-eligible").with("reasons", json!(reasons)),
            E::UserReferenceDiffers => conflict("user-reference-differs"),
            E::ReplacementNeedsProof => conflict("replacement-needs-proof"),
            E::ReplacesNotCurrent => conflict("replaces-not-current"),
            E::ContentDiffers => conflict("content-differs"),
            E::NotFinished => conflict("not-ready").retry_after(Duration::from_mins(1)),
            E::NotComparable => conflict("not-comparable").retry_after(Duration::from_mins(1)),
            E::AttestationNeeded => conflict("attestation-required"),
            E::UnknownCallback => Self::new(StatusCode::NOT_FOUND, "unknown-callback", text),
            E::BodyGone => conflict("callback-body-gone"),
            E::Unconfirmed(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "jumio-unavailable", text)
                .retry_after(Duration::from_secs(5)),
            E::Budget { retry_after } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "jumio-budget", text).retry_after(retry_after)
            }
            E::Jumio(error) => Self::from(&error),
            E::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "in-progress", text)
                .retry_after(Duration::from_secs(1)),
            E::Records(error) => Self::from(&error),
            E::Register(error) => Self::from(&error),
            E::Vault(error) => Self::from(&error),
            E::Audit(error) => Self::from(&error),
            E::Queue(error) => Self::from(&error),
            E::DamagedCallback | E::UserWithoutCurrent | E::Inconsistent { .. } => {
                tracing::error!("{text}");
                Self::damaged()
            }
        }
    }
}

impl From<CustodyError> for Problem {
    fn from(error: CustodyError) -> Self {
        use CustodyError as E;
        let text = error.to_string();
        let conflict = |code| Self::new(StatusCode::CONFLICT, code, text.clone());
        match error {
            E::UnknownEnrollment => Self::new(StatusCode::NOT_FOUND, "unknown-enrollment", text),
            E::UnknownPurge => Self::new(StatusCode::NOT_FOUND, "unknown-purge", text),
            E::Held => conflict("held"),
            E::RecoveryNotAcknowledged => conflict("recovery-not-acknowledged"),
            E::Purged | E::ReceiptLost => Self::new(StatusCode::GONE, "purged", text),
            E::HoldUntilPast => Self::invalid("/until", "must be in the future"),
            E::NotDue => conflict("not-due"),
            E::NothingToAllow => conflict("nothing-to-allow"),
            E::NothingToPurge => conflict("nothing-to-purge"),
            E::Invalid(order) => Self::invalid("", order.to_string()),
            E::ConfirmationNeeded { total, limit } => {
                conflict("confirmation-needed").with("total", total).with("confirmAbove", limit)
            }
            E::ConfirmationInvalid => conflict("confirmation-invalid"),
            E::TotalDiffers { is, .. } => conflict("total-differs").with("total", is),
            E::KeyNeeded { .. } => conflict("key-needed"),
            E::UnknownKey(_) => Self::new(StatusCode::NOT_FOUND, "unknown-key", text),
            E::Records(error) => Self::from(&error),
            E::Register(error) => Self::from(&*error),
            E::Vault(error) => Self::from(&*error),
            E::Audit(error) => Self::from(&error),
            E::Queue(error) => Self::from(&error),
            E::Jumio(error) => Self::from(&error),
            E::BudgetSpent { retry_after } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "jumio-budget", text).retry_after(retry_after)
            }
            E::Keys(error) => Self::from(&error),
            E::Shelf(_) | E::HeldKeys(_) => {
                tracing::error!("{text}");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "keys-unavailable", text)
            }
            E::Forget(_) | E::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "in-progress", text)
                .retry_after(Duration::from_secs(1)),
            E::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", text)
                .retry_after(Duration::from_secs(1)),
            E::Damaged => {
                tracing::error!("{text}");
                Self::damaged()
            }
            E::SlotDamaged { .. } => {
                tracing::error!("{text}");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", text)
            }
        }
    }
}

impl From<&JumioError> for Problem {
    fn from(error: &JumioError) -> Self {
        use JumioError as E;
        let text = error.to_string();
        match error {
            E::Invalid(violations) => Self::violations(violations),
            E::Refused { status } => {
                Self::new(StatusCode::BAD_GATEWAY, "jumio-refused", text).with("jumioStatus", *status)
            }
            E::NotFound => Self::new(StatusCode::BAD_GATEWAY, "jumio-refused", text).with("jumioStatus", 404),
            E::RateLimited { retry_after } => Self::new(StatusCode::TOO_MANY_REQUESTS, "jumio-budget", text)
                .retry_after(retry_after.unwrap_or(Duration::from_secs(5))),
            E::Unavailable { .. } | E::Credentials => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "jumio-unavailable", text)
                    .retry_after(Duration::from_secs(5))
            }
            E::Guarded { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "jumio-unavailable", text)
                .retry_after(Duration::from_mins(1)),
            E::Ambiguous { .. } | E::Malformed { .. } => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "outcome-unknown", text)
                    .retry_after(Duration::from_secs(30))
            }
        }
    }
}

impl From<&RecordsError> for Problem {
    fn from(error: &RecordsError) -> Self {
        tracing::error!("A record could not be read or written: {error}");
        match error {
            RecordsError::Damaged { .. } | RecordsError::Encoding { .. } => Self::damaged(),
            RecordsError::Store(StoreError::Conflict) => {
                let detail = "The record is being changed by others; nothing was done. Repeat the request.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "in-progress", detail)
                    .retry_after(Duration::from_secs(1))
            }
            RecordsError::Store(_) => Self::store_unavailable(),
        }
    }
}

impl From<&RegisterError> for Problem {
    fn from(error: &RegisterError) -> Self {
        match error {
            RegisterError::Records(error) => Self::from(error),
            RegisterError::Vault(error) => Self::from(error),
            RegisterError::WrongPerson | RegisterError::Damaged => {
                tracing::error!("{error}");
                Self::damaged()
            }
        }
    }
}

impl From<&VaultError> for Problem {
    fn from(error: &VaultError) -> Self {
        if let Some(damage) = error.damage() {
            tracing::error!("A facemap could not be opened: {damage}");
        } else {
            tracing::error!("The vault failed: {error}");
        }
        match error {
            VaultError::Keys(error) => Self::from(error),
            VaultError::Burnt | VaultError::Closing => {
                Self::new(StatusCode::GONE, "purged", "What was asked for is destroyed.")
            }
            VaultError::Damaged(_) | VaultError::ReadBack(_) | VaultError::Mismatch(_) => Self::damaged(),
            _ => Self::store_unavailable(),
        }
    }
}

impl From<&seal::ProviderError> for Problem {
    fn from(error: &seal::ProviderError) -> Self {
        tracing::error!("The key provider failed: {error}");
        let detail =
            "The key provider cannot be used at the moment; nothing was decrypted, stored or changed.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "keys-unavailable", detail)
            .retry_after(Duration::from_secs(5))
    }
}

impl From<&audit::AuditError> for Problem {
    fn from(error: &audit::AuditError) -> Self {
        tracing::error!("The audit log could not be written: {error}");
        let detail = "The audit log cannot be written, so what would have been written there was not done.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "audit-unavailable", detail)
            .retry_after(Duration::from_secs(5))
    }
}

impl From<&queue::QueueError> for Problem {
    fn from(error: &queue::QueueError) -> Self {
        tracing::error!("A job could not be written: {error}");
        Self::store_unavailable()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{ResponseError as _, body::to_bytes};
    use futures_util::FutureExt as _;
    use serde_json::Value;

    #[test]
    fn too_many_attempts_and_too_many_replacements_are_told_apart() {
        let retry_after = Duration::from_secs(7);
        for (error, limit) in [
            (ReauthError::TooManyAttempts { retry_after }, "attempts"),
            (ReauthError::TooManyReplacements { retry_after }, "replacements"),
        ] {
            let answer = Problem::from(error).error_response();
            assert_eq!(answer.status(), 429);
            assert_eq!(answer.headers().get("retry-after").unwrap(), "7");
            let body = to_bytes(answer.into_body()).now_or_never().unwrap().unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((&body["code"], &body["limit"]), (&json!("too-many-attempts"), &json!(limit)));
        }
    }
}
