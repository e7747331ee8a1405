//! Answers in Jumio's shapes, each with the note that goes into the journal.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::journal::Note;

/// An answer and what the journal says of it.
pub(crate) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
    extra: Option<(HeaderName, HeaderValue)>,
    note: Note,
}

impl Answer {
    /// 200 with JSON.
    pub(crate) fn json(body: &Value, note: Note) -> Self {
        Self::with(StatusCode::OK, "application/json", body.to_string().into(), note)
    }

    /// 200 with raw bytes.
    pub(crate) fn octets(body: Bytes, note: Note) -> Self {
        Self::with(StatusCode::OK, "application/octet-stream", body, note)
    }

    /// 200 without a body.
    pub(crate) fn empty(note: Note) -> Self {
        Self::with(StatusCode::OK, "application/json", Bytes::new(), note)
    }

    /// A refusal in the shape that the endpoint's API uses: initiating answers with a number as `status`, retrieval
    /// and deletion with a text as `httpStatus`.
    pub(crate) fn refused(endpoint: Endpoint, status: StatusCode, why: &str) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        let body = if endpoint.is_administration() {
            json!({"httpStatus": status.as_str(), "message": why, "requestUri": ""})
        } else {
            json!({"title": title, "status": status.as_u16(), "detail": why})
        };
        let note = Note { refused: Some(why.to_owned()), ..Note::default() };
        Self::with(status, "application/json", body.to_string().into(), note)
    }

    /// Names the transaction that the answer is about.
    pub(crate) fn about(mut self, reference: &str) -> Self {
        self.note.reference = Some(reference.chars().take(64).collect());
        self
    }

    /// Puts the digest of a facemap into the note.
    pub(crate) fn with_digest(mut self, digest: &str) -> Self {
        self.note.facemap_digest = Some(digest.to_owned());
        self
    }

    /// Names the enrollment in the note.
    pub(crate) fn of_enrollment(mut self, enrollment: &str) -> Self {
        self.note.enrollment = Some(enrollment.to_owned());
        self
    }

    /// Adds one header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.extra = Some((name, value));
        self
    }

    fn with(status: StatusCode, content_type: &'static str, body: Bytes, note: Note) -> Self {
        Self { status, content_type, body, extra: None, note }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response =
            (self.status, [(header::CONTENT_TYPE, self.content_type)], self.body).into_response();
        if let Some((name, value)) = self.extra {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(self.note);
        response
    }
}
