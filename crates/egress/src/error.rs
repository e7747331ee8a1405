//! What can go wrong on the way out, told apart by what the caller may do next.

use thiserror::Error;

/// Why a URL or address may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Refusal {
    /// Not an absolute URL in plain ASCII, or with characters that parsers disagree about.
    #[error("not a plain absolute URL in ASCII")]
    Form,
    /// A user name or password in front of the host.
    #[error("user-info in the URL")]
    UserInfo,
    /// A fragment.
    #[error("a fragment in the URL")]
    Fragment,
    /// Scheme, host and port are not exactly those of a configured origin.
    #[error("an origin that is not configured")]
    Origin,
    /// The host's addresses lie inside: private, loopback or another special range.
    #[error("an address that is not public")]
    Address,
}

/// The step that failed before a byte of the request was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Unsent {
    /// The name could not be resolved.
    #[error("name look-up")]
    Dns,
    /// No connection was made, directly or through the proxy.
    #[error("connection")]
    Connect,
    /// The TLS handshake failed: certificate, host name, version or suite.
    #[error("TLS handshake")]
    Tls,
}

/// A request that did not bring a usable answer. No variant holds a URL, a header, or a byte of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EgressError {
    /// This guard refused. Nothing was sent.
    #[error("refused, nothing was sent: {0}")]
    Refused(#[from] Refusal),
    /// Nothing was sent; safe to repeat.
    #[error("the {0} failed; nothing was sent, it is safe to repeat")]
    NotSent(Unsent),
    /// The request was, or may have been, sent; no answer came (connection lost or closed).
    #[error("the connection was lost before an answer came; the request may have been carried out")]
    Lost,
    /// The request was, or may have been, sent; no whole answer came within the time allowed.
    #[error("no whole answer within the time allowed; the request may have been carried out")]
    TimedOut,
    /// The answer is larger than the cap.
    #[error("the answer is larger than the {cap} bytes allowed")]
    TooLarge {
        /// The cap in bytes.
        cap: usize,
    },
    /// The answer ended early, or came in a framing in which an early end cannot be seen.
    #[error("the answer was cut short, or has no declared length")]
    Truncated,
    /// The answer came in a content encoding, though none was asked for.
    #[error("the answer came in a content encoding that was not asked for")]
    Encoded,
    /// The request itself cannot be built. Nothing was sent.
    #[error("the request cannot be built: {0}")]
    Request(&'static str),
    /// The configuration cannot be used. Nothing was sent.
    #[error("the outgoing connection cannot be set up: {0}")]
    Setup(String),
}

impl EgressError {
    /// Whether it is certain that no byte of the request was sent.
    #[must_use]
    pub const fn nothing_was_sent(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::NotSent(_) | Self::Request(_) | Self::Setup(_))
    }

    /// Whether the same request may succeed later. Whether it may be repeated is for the caller to know: see
    /// [`Self::nothing_was_sent`].
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::NotSent(_) | Self::Lost | Self::TimedOut | Self::Truncated)
    }
}
