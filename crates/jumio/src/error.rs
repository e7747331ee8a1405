//! What can go wrong between us and Jumio, told apart by what the caller may do next.

use crate::Violations;
use std::time::Duration;
use thiserror::Error;

/// A call to Jumio that did not succeed. Jumio's words are never repeated here: an error body may hold anything.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JumioError {
    /// Our own rules (seeds 000 and 003) refuse the request. Nothing was sent; correct the named fields.
    #[error("the request does not follow Jumio's rules and was not sent: {0}")]
    Invalid(Violations),
    /// Jumio answered with a client error or a redirect. It did not act; see the credentials, the account's
    /// settings, or the request.
    #[error(
        "Jumio refused the request with status {status}; check the API credentials and what the account allows"
    )]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// Jumio answered 404: it never existed, is not available, is not valid, or was deleted. Jumio does not say which.
    #[error("Jumio does not have what was asked for (404: unknown, not available or deleted)")]
    NotFound,
    /// Jumio answered 429 and did not act. Repeat after `retry_after`, or after the caller's own backoff.
    #[error("Jumio's rate limit is used up; repeat later")]
    RateLimited {
        /// What `Retry-After` said, if Jumio sent it.
        retry_after: Option<Duration>,
    },
    /// No byte of the request reached Jumio. Safe to repeat.
    #[error("Jumio cannot be reached ({what}); nothing was sent, it is safe to repeat")]
    Unavailable {
        /// The step that failed: name look-up, connection, TLS.
        what: &'static str,
    },
    /// The request was, or may have been, sent, and there is no usable answer. A retrieval or deletion may be
    /// repeated; an initiate must not be, for it may have been carried out.
    #[error("the request was sent but its outcome is unknown ({what}); Jumio may have carried it out")]
    Ambiguous {
        /// What happened: connection lost, timeout, answer cut short, server error.
        what: &'static str,
        /// The HTTP status, if one came.
        status: Option<u16>,
    },
    /// Jumio answered with success, but not with what the call must bring. An initiate may have been carried out.
    #[error("Jumio's answer cannot be used: {what}")]
    Malformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// A guard of our own refused: an address that may not be called, or an answer above a limit.
    #[error("refused by our own guard: {what}")]
    Guarded {
        /// What was refused.
        what: &'static str,
    },
    /// The API credentials could not be read. Nothing was sent.
    #[error("the API credentials for Jumio cannot be read; check api_token_file and api_secret_file")]
    Credentials,
}

impl JumioError {
    /// Whether the same call may succeed later. For an initiate, ask [`Self::outcome_is_unknown`] first.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        // A secret file that is being replaced is readable again in a moment.
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::Unavailable { .. }
                | Self::Ambiguous { .. }
                | Self::Malformed { .. }
                | Self::Credentials
        )
    }

    /// Whether Jumio may have carried the request out although we hold no answer. An initiate that failed like this
    /// must never be repeated by itself.
    #[must_use]
    pub const fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::Ambiguous { .. } | Self::Malformed { .. })
    }

    /// Whether the trouble is Jumio's as a whole (away, failing, or throttling) and not this one transaction's: such
    /// a failure uses up nobody's tries.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. } | Self::Ambiguous { .. } | Self::RateLimited { .. } | Self::Credentials
        )
    }
}
