//! What is sent, and what comes back.

use crate::{CheckedUrl, EgressError};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::fmt;
use zeroize::Zeroizing;

/// A request to a checked URL. The credentials stay apart from the headers until the guard has let it through.
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: CheckedUrl,
    pub(crate) headers: HeaderMap,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) body: Body,
}

impl Request {
    /// A request without body, credentials and headers.
    #[must_use]
    pub fn new(method: Method, url: CheckedUrl) -> Self {
        Self { method, url, headers: HeaderMap::new(), authorization: None, body: Body::Empty }
    }

    /// Adds a header.
    ///
    /// # Errors
    /// [`EgressError::Request`] when `value` holds what a header cannot.
    pub fn header(mut self, name: HeaderName, value: &str) -> Result<Self, EgressError> {
        let value = HeaderValue::from_str(value).map_err(|_| EgressError::Request("a header value"))?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sets the `Authorization` header. It is kept out of `Debug` and attached after all checks.
    ///
    /// # Errors
    /// [`EgressError::Request`] when `value` holds what a header cannot.
    pub fn authorize(mut self, value: &str) -> Result<Self, EgressError> {
        let mut value = HeaderValue::from_str(value).map_err(|_| EgressError::Request("the credentials"))?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(self)
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// The body of a request. [`Bytes`] are sent from where they lie: with [`Bytes::from_owner`] the owner's buffer
/// is neither copied nor kept longer than the sending takes.
#[derive(Default)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// These bytes; the content type is set as a header.
    Bytes(Bytes),
    /// `multipart/form-data`; content type and boundary are set by the guard.
    Multipart(Vec<Part>),
}

/// A part of a multipart body.
pub struct Part {
    /// The form field's name.
    pub name: &'static str,
    /// The file name, if the part is to be a file.
    pub file_name: Option<&'static str>,
    /// The part's media type.
    pub content_type: &'static str,
    /// The part's content.
    pub content: Bytes,
}

/// How much of a successful answer's body is wanted, in bytes. Bodies of other answers are read only where a cap says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyCap {
    /// Nothing of it.
    Nothing,
    /// At most so many bytes, in any framing.
    UpTo(usize),
    /// At most so many bytes, and certainly whole: with a declared length or in chunks.
    Whole(usize),
    /// At most so many bytes, whole, and of an answer of any status: for a peer that says in the body what was wrong.
    WholeOfAny(usize),
}

/// An answer.
pub struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Response {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// A header's value, if there is one and it is text.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, if it was wanted; empty for a status other than 2xx unless it was wanted of any.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Gives the body's buffer away; it is wiped on drop.
    #[must_use]
    pub fn into_body(self) -> Zeroizing<Vec<u8>> {
        self.body
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
