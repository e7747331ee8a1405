//! What a job is about: its kind and its subject. There is one job per kind and subject.

use model::{Timestamp, hex};
use records::{Key, KeyPart};
use std::fmt;

/// The kinds of jobs. The numbers are stored: they never change, and none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A callback in the inbox waits to be settled. Subject: a `CallbackId`.
    Callback = 1,
    /// An enrollment waits for its next step. Subject: an `EnrollmentKey`.
    Enrollment = 2,
    /// The callbacks of an hour may all be settled, so that its slot can be burnt. Subject: the hour.
    InboxEpoch = 3,
    /// An authentication waits for its result. Subject: an `AuthenticationId`.
    Authentication = 10,
    /// The result of an authentication is to be deleted at Jumio. Subject: an `AuthenticationId`.
    AuthenticationDeletion = 11,
    /// An order to purge many goes on. Subject: its id.
    Purge = 20,
    /// An enrollment is being erased. Subject: an `EnrollmentKey`.
    Erasure = 21,
    /// What is left of an erased enrollment at Jumio is to be deleted. Subject: an `EnrollmentKey`.
    JumioDeletion = 22,
    /// The retention sweep. Subject: nothing, there is one.
    Retention = 23,
    /// Burnt slots behind their backup horizon are made free, holds that are over end. Subject: nothing, there is one.
    Housekeeping = 24,
    /// Slots are wrapped under the active key. Subject: nothing, there is one.
    Rewrap = 25,
    /// An enrollment was replaced, and is to be destroyed for that. Subject: an `EnrollmentKey`.
    Replaced = 26,
    /// A link's time is over. Subject: its id.
    LinkExpiry = 31,
    /// A batch goes on. Subject: its id.
    Batch = 32,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::Callback,
        Self::Enrollment,
        Self::InboxEpoch,
        Self::Authentication,
        Self::AuthenticationDeletion,
        Self::Purge,
        Self::Erasure,
        Self::JumioDeletion,
        Self::Retention,
        Self::Housekeeping,
        Self::Rewrap,
        Self::Replaced,
        Self::LinkExpiry,
        Self::Batch,
    ];

    /// The kind's name in logs, metrics and `/v1/status`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::Enrollment => "enrollment",
            Self::InboxEpoch => "inbox-epoch",
            Self::Authentication => "authentication",
            Self::AuthenticationDeletion => "authentication-deletion",
            Self::Purge => "purge",
            Self::Erasure => "erasure",
            Self::JumioDeletion => "jumio-deletion",
            Self::Retention => "retention",
            Self::Housekeeping => "housekeeping",
            Self::Rewrap => "rewrap",
            Self::Replaced => "replaced",
            Self::LinkExpiry => "link-expiry",
            Self::Batch => "batch",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl KeyPart for Kind {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let number = u8::take(from)?;
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// The id of a job.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobKey {
    kind: Kind,
    subject: Vec<u8>,
}

impl JobKey {
    /// The job of this kind about this subject: a pseudonym or an id.
    #[must_use]
    pub fn new(kind: Kind, subject: &impl KeyPart) -> Self {
        let mut bytes = Vec::new();
        subject.put(&mut bytes);
        Self { kind, subject: bytes }
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The subject, if it is one of these.
    #[must_use]
    pub fn subject<S: KeyPart>(&self) -> Option<S> {
        let mut bytes = self.subject.as_slice();
        let subject = S::take(&mut bytes)?;
        bytes.is_empty().then_some(subject)
    }
}

/// The kind and the subject's first bytes: enough to find it, and a subject is never a name.
impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.kind)?;
        f.write_str(&hex::encode(self.subject.get(..8).unwrap_or(&self.subject)))
    }
}

impl fmt::Debug for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobKey({self})")
    }
}

impl Key for JobKey {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + self.subject.len());
        self.kind.put(&mut out);
        out.extend_from_slice(&self.subject);
        out
    }
    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let kind = Kind::take(&mut bytes)?;
        Some(Self { kind, subject: bytes.to_vec() })
    }
}

/// A row of the index of what may be taken, and when.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DueKey {
    pub(crate) kind: Kind,
    pub(crate) at: Timestamp,
    pub(crate) subject: Vec<u8>,
}

impl DueKey {
    pub(crate) fn new(key: &JobKey, at: Timestamp) -> Self {
        Self { kind: key.kind, at, subject: key.subject.clone() }
    }

    pub(crate) fn job(&self) -> JobKey {
        JobKey { kind: self.kind, subject: self.subject.clone() }
    }
}

impl Key for DueKey {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(9 + self.subject.len());
        self.kind.put(&mut out);
        self.at.put(&mut out);
        out.extend_from_slice(&self.subject);
        out
    }
    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let kind = Kind::take(&mut bytes)?;
        let at = Timestamp::take(&mut bytes)?;
        Some(Self { kind, at, subject: bytes.to_vec() })
    }
}
