//! Problems as RFC 9457 describes them. What the flows' errors become is in `mapping`.

use super::openapi;
use actix_web::{HttpResponse, ResponseError, http::StatusCode, http::header};
use jumio::Violations;
use serde_json::{Map, Value, json};
use std::{fmt, time::Duration};

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
        debug_assert!(
            openapi::find_code(code).is_some_and(|known| known.status == status.as_u16()),
            "{status} {code} is not in the list of src/http/openapi/problems.rs"
        );
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

    pub(crate) fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    pub(super) fn store_unavailable() -> Self {
        let detail = "The store cannot be written or read at the moment; nothing was done. /readyz says why.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", detail)
            .retry_after(Duration::from_secs(5))
    }

    pub(super) fn damaged() -> Self {
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
