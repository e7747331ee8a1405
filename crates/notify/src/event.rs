//! An event as a flow puts it: what happened, about whom, and nothing that is not on the list of fields.

use crate::EventKind;
use records::EnrollmentKey;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;
use vault::SlotRef;

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident => $text:literal, $about:ident);+ $(;)?) => {
        /// What an event may say. There is no field for a link of Jumio's, a token or a facemap, so none can be told.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Field {
            $($(#[$doc])* $name),+
        }

        impl Field {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name in `data`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text),+
                }
            }

            /// Whether it leads to a person: it is sealed under that person's slot, and goes with it.
            #[must_use]
            pub const fn names_somebody(self) -> bool {
                match self {
                    $(Self::$name => fields!(@ $about)),+
                }
            }
        }
    };
    (@ somebody) => { true };
    (@ nobody) => { false };
}

fields! {
    /// Jumio's reference of the enrollment.
    EnrollmentTransactionReference => "enrollmentTransactionReference", somebody;
    /// The company's reference of the user.
    UserReference => "userReference", somebody;
    /// The company's reference of the onboarding.
    CustomerInternalReference => "customerInternalReference", somebody;
    /// The enrollment that took this one's place.
    ReplacedBy => "replacedBy", somebody;
    /// The vault's id of an authentication.
    AuthenticationId => "authenticationId", somebody;
    /// Jumio's reference of an authentication.
    AuthenticationTransactionReference => "authenticationTransactionReference", somebody;
    /// The company's reference of a request.
    RequestReference => "requestReference", somebody;
    /// The vault's id of a link (never its address).
    LinkId => "linkId", somebody;
    /// What the company says the link is for.
    Purpose => "purpose", somebody;
    /// Where it stands now.
    State => "state", nobody;
    /// Whether the company is asked to release it.
    AsksForRelease => "asksForRelease", nobody;
    /// The conditions that failed.
    Reasons => "reasons", nobody;
    /// Why it failed, as a code.
    Trouble => "trouble", nobody;
    /// How it came here.
    Origin => "origin", nobody;
    /// Bytes of the facemap.
    FacemapBytes => "facemapBytes", nobody;
    /// When the facemap became durable here.
    VaultedAt => "vaultedAt", nobody;
    /// When the original was seen gone.
    OriginalDeletedAt => "originalDeletedAt", nobody;
    /// In a browser or in an app.
    Channel => "channel", nobody;
    /// When Jumio created it.
    InitiatedAt => "initiatedAt", nobody;
    /// When Jumio drops the facemap.
    WindowEndsAt => "windowEndsAt", nobody;
    /// When it came to its end.
    CompletedAt => "completedAt", nobody;
    /// When it stops working.
    ExpiresAt => "expiresAt", nobody;
    /// Until when.
    Until => "until", nobody;
    /// How often.
    Attempts => "attempts", nobody;
    /// A pseudonym: what the book and the receipts say in the place of a person.
    Subject => "subject", nobody;
    /// Why somebody is destroyed.
    Reason => "reason", nobody;
    /// The company's number of the case.
    CaseReference => "caseReference", nobody;
    /// A signed statement about what was destroyed.
    Receipt => "receipt", nobody;
    /// How far the deletion at Jumio is.
    JumioDeletion => "jumioDeletion", nobody;
    /// When it was destroyed.
    PurgedAt => "purgedAt", nobody;
    /// An order to purge many.
    PurgeId => "purgeId", nobody;
    /// A batch.
    BatchId => "batchId", nobody;
    /// How many in all.
    Total => "total", nobody;
    /// How many in which state, or with which outcome.
    Counts => "counts", nobody;
    /// How many are due.
    Due => "due", nobody;
    /// How many a hold keeps.
    Held => "held", nobody;
    /// How many may be destroyed in 24 hours.
    Limit => "limit", nobody;
}

/// An event in the making.
#[derive(Clone)]
pub struct Event {
    pub(crate) kind: EventKind,
    pub(crate) order: Option<EnrollmentKey>,
    pub(crate) slot: Option<SlotRef>,
    pub(crate) person: Map<String, Value>,
    pub(crate) plain: Map<String, Value>,
}

impl Event {
    /// An event about a person: told in the order of the enrollment's events, and no more once the slot is burnt.
    #[must_use]
    pub fn about(kind: EventKind, enrollment: EnrollmentKey, slot: SlotRef) -> Self {
        Self { kind, order: Some(enrollment), slot: Some(slot), person: Map::new(), plain: Map::new() }
    }

    /// An event that names nobody, such as the end of a batch. Fields that lead to a person are left out of it.
    #[must_use]
    pub fn about_nobody(kind: EventKind) -> Self {
        Self { kind, order: None, slot: None, person: Map::new(), plain: Map::new() }
    }

    /// Tells it in the order of an enrollment's events.
    #[must_use]
    pub fn in_order_of(mut self, enrollment: EnrollmentKey) -> Self {
        self.order = Some(enrollment);
        self
    }

    /// Says one thing more. A `None` says nothing.
    #[must_use]
    pub fn with(mut self, field: Field, value: impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(Value::Null) => {}
            Ok(value) if field.names_somebody() => {
                debug_assert!(self.slot.is_some(), "an event without a slot names nobody");
                if self.slot.is_some() {
                    self.person.insert(field.as_str().to_owned(), value);
                }
            }
            Ok(value) => {
                self.plain.insert(field.as_str().to_owned(), value);
            }
            Err(error) => {
                tracing::error!(%error, field = field.as_str(), "an event lacks a field that is no JSON");
            }
        }
        self
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("kind", &self.kind).finish_non_exhaustive()
    }
}
