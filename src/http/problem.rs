//! Problems as RFC 9457 describes them, and the one place where errors of the flows become HTTP.

use actix_web::{HttpResponse, ResponseError, http::StatusCode, http::header};
use ingest::IngestError;
use jumio::{JumioError, Violations};
use reauth::ReauthError;
use records::RecordsError;
use register::RegisterError;
use serde_json::{Map, Value, json};
use std::{fmt, time::Duration};
use store::StoreError;
use vault::VaultError;

/// A refusal or failure, as the caller gets it. It never holds what the caller sent, nor an answer of Jumio's.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after: Option<Duration>,
    more: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None, more: Map::new() }
    }

    /// 400 with one pointer (RFC 6901) to what is wrong.
    pub(crate) fn invalid(pointer: impl Into<String>, rule: impl Into<String>) -> Self {
        let mut violations = Violations::none();
        violations.add(pointer, rule);
        Self::violations(&violations)
    }

    /// 400 with a pointer for everything that is wrong.
    pub(crate) fn violations(violations: &Violations) -> Self {
        let errors: Vec<_> =
            violations.iter().map(|v| json!({ "pointer": v.pointer, "detail": v.rule })).collect();
        let detail =
            "The request is not valid; nothing was done. Each of `errors` names a place and its rule.";
        Self::new(StatusCode::BAD_REQUEST, "invalid-request", detail).with("errors", errors)
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    fn store_unavailable() -> Self {
        let detail = "The store cannot be written or read at the moment; nothing was done. /readyz says why.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", detail)
            .retry_after(Duration::from_secs(5))
    }

    fn damaged() -> Self {
        let detail = "A stored record is damaged or not in its place; nothing was given out. The operator's log says \
                      more. Stop the service and keep a copy of its folders before anything else.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", detail)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut body = Map::new();
        body.insert("type".into(), format!("urn:facemap-vault:problem:{}", self.code).into());
        body.insert("title".into(), self.status.canonical_reason().unwrap_or("Problem").into());
        body.insert("status".into(), self.status.as_u16().into());
        body.insert("code".into(), self.code.into());
        body.insert("detail".into(), self.detail.clone().into());
        body.extend(self.more.clone());
        let mut response = HttpResponse::build(self.status);
        response.content_type("application/problem+json");
        if let Some(after) = self.retry_after {
            // Rounded up: a caller who comes back a moment early would be sent away again.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response.insert_header((header::RETRY_AFTER, seconds.max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response.json(Value::Object(body))
    }
}

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
            E::TooManyReplacements { retry_after } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", text).retry_after(retry_after)
            }
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
            E::DamagedCallback | E::Inconsistent { .. } => {
                tracing::error!("{text}");
                Self::damaged()
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
            VaultError::Keys(_) => {
                let detail =
                    "The key provider cannot be used at the moment; nothing was decrypted or stored.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "keys-unavailable", detail)
                    .retry_after(Duration::from_secs(5))
            }
            VaultError::Burnt => Self::new(StatusCode::GONE, "purged", "What was asked for is destroyed."),
            VaultError::Damaged(_) | VaultError::ReadBack(_) | VaultError::Mismatch(_) => Self::damaged(),
            _ => Self::store_unavailable(),
        }
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
