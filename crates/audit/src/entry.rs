//! What is written down: who did what to whom, when, and how it ended. Nothing here names a person.

use model::{Timestamp, text::printable};
use seal::Pseudonym;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Action {
    /// A verification was started at Jumio.
    VerificationStarted,
    /// A transaction that was started elsewhere was announced.
    EnrollmentAnnounced,
    /// A facemap was stored and read back.
    Vaulted,
    /// The company released an enrollment: the original may be deleted.
    Released,
    /// The original was deleted at Jumio.
    OriginalDeletion,
    /// An enrollment got ready for use.
    EnrollmentReady,
    /// An enrollment does not meet the conditions.
    EnrollmentIneligible,
    /// Nobody ever finished the transaction.
    EnrollmentAbandoned,
    /// An enrollment was given up after its last try.
    EnrollmentFailed,
    /// An enrollment took the place of another of the same user.
    EnrollmentReplaced,
    /// A facemap was decrypted to be posted to Jumio, and posted.
    AuthenticationPosted,
    /// A facemap was decrypted for another reason, which the details name.
    FacemapOpened,
    /// An open authentication was knowingly replaced.
    AuthenticationSuperseded,
    /// The result of an authentication became known.
    AuthenticationResult,
    /// A result was redeemed by the company.
    AuthenticationRedeemed,
    /// The result of an authentication was deleted at Jumio.
    AuthenticationDeletion,
    /// Keys were opened, made, rotated or removed.
    KeyUse,
    /// The configuration in force changed.
    Configuration,
    /// An API token was made or revoked.
    Tokens,
    /// The service started.
    ServiceStarted,
    /// The service stopped in an orderly way.
    ServiceStopped,
    /// Many were ordered to be purged.
    PurgeOrdered,
    /// A person's enrollment was destroyed here.
    Purge,
    /// What Jumio still had of a purged enrollment was deleted there.
    PurgeAtJumio,
    /// A legal hold was set.
    HoldSet,
    /// A legal hold ended.
    HoldReleased,
    /// The retention sweep ran, or stopped itself.
    RetentionSweep,
    /// A facemap that was held elsewhere was brought in.
    Imported,
    /// A new wrapping key was made.
    KeyRotated,
    /// Slots were wrapped under the active key.
    KeysRewrapped,
    /// A wrapping key was removed.
    KeyRemoved,
    /// Slots, contents, records and the book were checked.
    IntegrityChecked,
    /// A backup was written.
    BackedUp,
    /// The store was rebuilt from slots and contents, or restored: a new chain begins here.
    EpochBegun,
    /// Somebody has read what a rebuild or restore lost, and lets purges and retention go on.
    RecoveryAcknowledged,
    /// Somebody read everything about one person.
    DossierRead,
    /// A link to re-authentication was made.
    LinkCreated,
    /// A person pressed the button behind a link.
    LinkPressed,
    /// A link was withdrawn.
    LinkWithdrawn,
    /// A user had too many attempts.
    UserLocked,
    /// A user's attempts were forgiven.
    UserUnlocked,
    /// A batch was ordered, paused, resumed, cancelled or completed: the details say which.
    Batch,
    /// A callback was laid out to be judged again.
    CallbackReplayed,
    /// An event was laid out for delivery again.
    EventReplayed,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[non_exhaustive]
pub enum Actor {
    /// The service by itself: a schedule, a retry, a start.
    System,
    /// A callback, which is a hint and not signed.
    Callback,
    /// The holder of a person's link.
    Link,
    /// Somebody at the command line of the machine.
    Operator,
    /// Somebody with an API token.
    Token {
        /// The token's public id.
        id: String,
        /// The name that the operator gave it.
        name: String,
    },
}

const NAME_CHARS: usize = 64;

impl Actor {
    /// The holder of the API token with this public id and name. Both are made printable and cut to 64 characters.
    #[must_use]
    pub fn token(id: &str, name: &str) -> Self {
        Self::Token { id: printable(id, NAME_CHARS), name: printable(name, NAME_CHARS) }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not done because it must not be, or because Jumio refused it.
    Refused,
    /// It was tried and not done.
    Failed,
    /// It was tried, and nobody knows whether it was done.
    Unknown,
    /// The process ended between begin and finish: nobody knows whether it was done.
    Interrupted,
}

/// A few words beside an entry. Callers put no personal data, no reference, no token and no link in here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Details(BTreeMap<String, String>);

const MOST_DETAILS: usize = 8;
const DETAIL_CHARS: usize = 120;

impl Details {
    /// No details.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more word. Values are made printable and cut to 120 characters; a ninth word is left out.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        if self.0.len() < MOST_DETAILS {
            self.0.insert(name.to_owned(), printable(&value.to_string(), DETAIL_CHARS));
        }
        self
    }

    /// The words by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The word of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Both together; where a name is in both, `later` counts.
    fn and(mut self, later: Self) -> Self {
        for (name, value) in later.0 {
            if self.0.len() < MOST_DETAILS || self.0.contains_key(&name) {
                self.0.insert(name, value);
            }
        }
        self
    }
}

/// An act that is about to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// What.
    pub action: Action,
    /// To whom: the pseudonym of an enrollment or a user. `None` where it is about nobody.
    pub subject: Option<Pseudonym>,
    /// The user's pseudonym beside the enrollment's, where it is known.
    pub person: Option<Pseudonym>,
    /// By whom.
    pub actor: Actor,
    /// A few words more.
    pub details: Details,
}

/// An act that needs no begin: it is written down in the commit that does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What.
    pub action: Action,
    /// To whom.
    pub subject: Option<Pseudonym>,
    /// The user's pseudonym beside the enrollment's, where it is known.
    pub person: Option<Pseudonym>,
    /// By whom.
    pub actor: Actor,
    /// How it ended.
    pub outcome: Outcome,
    /// A few words more.
    pub details: Details,
}

impl Begin {
    /// The begin of an act about this subject.
    #[must_use]
    pub fn about(action: Action, subject: Pseudonym, actor: Actor) -> Self {
        Self { subject: Some(subject), ..Self::general(action, actor) }
    }

    /// The begin of an act that is about nobody.
    #[must_use]
    pub fn general(action: Action, actor: Actor) -> Self {
        Self { action, subject: None, person: None, actor, details: Details::new() }
    }

    /// About this user as well: who looks for the user finds it, whatever its subject is.
    #[must_use]
    pub fn of_user(mut self, user: impl Into<Option<Pseudonym>>) -> Self {
        self.person = user.into();
        self
    }

    /// With one more word: see [`Details::with`].
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.details = self.details.with(name, value);
        self
    }
}

impl Note {
    /// A note that an act about this subject was done.
    #[must_use]
    pub fn about(action: Action, subject: Pseudonym, actor: Actor) -> Self {
        Self { subject: Some(subject), ..Self::general(action, actor) }
    }

    /// A note that an act about nobody was done.
    #[must_use]
    pub fn general(action: Action, actor: Actor) -> Self {
        let details = Details::new();
        Self { action, subject: None, person: None, actor, outcome: Outcome::Done, details }
    }

    /// With another outcome than done.
    #[must_use]
    pub fn ended(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// About this user as well: who looks for the user finds it, whatever its subject is.
    #[must_use]
    pub fn of_user(mut self, user: impl Into<Option<Pseudonym>>) -> Self {
        self.person = user.into();
        self
    }

    /// With one more word: see [`Details::with`].
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.details = self.details.with(name, value);
        self
    }
}

/// Which part of an act an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Part {
    /// Before the act.
    Begin,
    /// After the act.
    Finish {
        /// The position of its begin.
        begin: u64,
    },
    /// The whole act.
    Note,
}

/// An entry of the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was handed in.
    pub at: Timestamp,
    /// Begin, finish or the whole.
    pub part: Part,
    /// What.
    pub action: Action,
    /// To whom.
    pub subject: Option<Pseudonym>,
    /// The user's pseudonym beside the enrollment's, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Pseudonym>,
    /// By whom.
    pub actor: Actor,
    /// How it ended; a begin has no end yet.
    pub outcome: Option<Outcome>,
    /// A few words more.
    pub details: Details,
}

impl Entry {
    /// Whom it is about, each once: what it is found by.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = Pseudonym> {
        self.subject.into_iter().chain(self.person.filter(|person| self.subject != Some(*person)))
    }

    pub(crate) fn begin(at: Timestamp, begin: Begin) -> Self {
        let Begin { action, subject, person, actor, details } = begin;
        Self { at, part: Part::Begin, action, subject, person, actor, outcome: None, details }
    }

    pub(crate) fn note(at: Timestamp, note: Note) -> Self {
        let Note { action, subject, person, actor, outcome, details } = note;
        Self { at, part: Part::Note, action, subject, person, actor, outcome: Some(outcome), details }
    }

    /// The finish of the begin `self` at `position`. It repeats what the begin says, so that each can be found alone.
    pub(crate) fn finish(&self, at: Timestamp, position: u64, outcome: Outcome, details: Details) -> Self {
        Self {
            at,
            part: Part::Finish { begin: position },
            outcome: Some(outcome),
            details: self.details.clone().and(details),
            ..self.clone()
        }
    }
}
