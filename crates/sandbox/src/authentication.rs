//! An authentication: made with a facemap, worth something for fifteen minutes, final in four ways.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How long Jumio keeps the facemap of an authentication that is not final.
pub(crate) const LIFETIME: SignedDuration = SignedDuration::from_mins(15);

/// `transactionResult` of an authentication that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AuthenticationResult {
    /// Live, and the same person.
    Passed,
    /// Not the same person, or not live.
    Failed,
    /// The capture could not be judged.
    Invalid,
    /// Not finished in time, or superseded.
    Expired,
}

impl AuthenticationResult {
    /// Jumio's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "PASSED",
            Self::Failed => "FAILED",
            Self::Invalid => "INVALID",
            Self::Expired => "EXPIRED",
        }
    }

    /// The result of that word, in any case.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Passed, Self::Failed, Self::Invalid, Self::Expired]
            .into_iter()
            .find(|result| result.word().eq_ignore_ascii_case(word))
    }
}

/// The metadata that came with the facemap.
#[derive(Clone, Default)]
pub(crate) struct Metadata {
    pub(crate) enrollment: String,
    pub(crate) user_reference: Option<String>,
    pub(crate) callback_url: Option<String>,
    pub(crate) success_url: Option<String>,
    pub(crate) error_url: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) token_lifetime_minutes: Option<i64>,
}

impl Metadata {
    /// Whether a field of the web journey is there.
    pub(crate) fn is_web(&self) -> bool {
        self.success_url.is_some()
            || self.error_url.is_some()
            || self.locale.is_some()
            || self.token_lifetime_minutes.is_some()
    }
}

/// Whether the posted bytes are those captured for the enrollment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// They are, or count as such.
    Enrolled,
    /// They are not: nobody can pass with them.
    Other,
}

/// An authentication. Of its facemap only the digest is kept, and whether Jumio would still hold the bytes.
pub(crate) struct Authentication {
    pub(crate) reference: String,
    pub(crate) number: u64,
    pub(crate) metadata: Metadata,
    pub(crate) facemap_digest: String,
    pub(crate) fit: Fit,
    pub(crate) token: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) started: bool,
    pub(crate) superseded: bool,
    pub(crate) result: Option<AuthenticationResult>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) deleted: bool,
}

impl Authentication {
    /// `CREATED`, `STARTED` or the result.
    pub(crate) fn state(&self) -> &'static str {
        match (self.result, self.started) {
            (Some(result), _) => result.word(),
            (None, true) => "STARTED",
            (None, false) => "CREATED",
        }
    }

    /// When it ends by itself.
    pub(crate) fn expires_at(&self) -> Timestamp {
        self.created_at.checked_add(LIFETIME).unwrap_or(Timestamp::MAX)
    }

    /// Until when its page can be opened: never longer than the transaction lasts.
    pub(crate) fn token_until(&self) -> Timestamp {
        let life =
            self.metadata.token_lifetime_minutes.map_or(LIFETIME, SignedDuration::from_mins).min(LIFETIME);
        self.created_at.checked_add(life).unwrap_or(Timestamp::MAX)
    }

    /// Makes it final; what a person picked counts only as far as the facemap allows.
    pub(crate) fn finish(&mut self, picked: AuthenticationResult, now: Timestamp) -> AuthenticationResult {
        let result = match picked {
            _ if self.superseded => AuthenticationResult::Expired,
            AuthenticationResult::Passed if self.fit == Fit::Other => AuthenticationResult::Failed,
            other => other,
        };
        self.result = Some(result);
        self.finished_at = Some(now);
        result
    }

    /// Deletes it: the tombstone keeps the references only.
    pub(crate) fn delete(&mut self) {
        self.deleted = true;
        self.token = None;
        let enrollment = std::mem::take(&mut self.metadata.enrollment);
        self.metadata = Metadata { enrollment, ..Metadata::default() };
    }

    /// Where it ran, as callbacks tell it.
    pub(crate) fn source(&self) -> &'static str {
        if self.token.is_some() { "WEB" } else { "SDK" }
    }

    /// A line of `GET /_sandbox/state`.
    pub(crate) fn summary(&self) -> Value {
        json!({
            "authenticationTransactionReference": self.reference,
            "enrollmentTransactionReference": self.metadata.enrollment,
            "userReference": self.metadata.user_reference,
            "transactionResult": self.state(),
            "createdAt": self.created_at,
            "finishedAt": self.finished_at,
            "facemapDigest": self.facemap_digest,
            "facemapFits": self.fit == Fit::Enrolled,
            "facemapHeld": self.result.is_none() && !self.deleted,
            "superseded": self.superseded,
            "deleted": self.deleted,
        })
    }
}
