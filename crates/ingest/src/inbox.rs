//! The inbox's rows: what is kept of a callback, and for how long.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use model::{AuthenticationId, CallbackId, Timestamp};
use records::{Index, Table, tables};
use seal::Pseudonym;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::net::IpAddr;
use vault::SlotRef;

pub(crate) static INBOX: Table<(CallbackId,), InboxRow> = Table::new(tables::INBOX, "inbox");
pub(crate) static PARTS: Table<(CallbackId, u64), Bytes> = Table::new(tables::INBOX_PARTS, "inbox-parts");
pub(crate) static BY_STATE: Index<(u8, Timestamp, CallbackId)> = Index::new(tables::INBOX_BY_STATE);
pub(crate) static EPOCHS: Table<(u64,), EpochRow> = Table::new(tables::INBOX_EPOCHS, "inbox-epochs");

/// Sealed bytes per row: in base64 and sealed again they stay below what the store takes.
pub(crate) const PART_BYTES: usize = 48 * 1024;

/// Whose token the callback came with: the porch has found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "id")]
pub enum TokenScope {
    /// The portal's token, which serves every transaction.
    Portal,
    /// No token, where none is required.
    None,
    /// The token made for one verification: the intent's id.
    Verification([u8; 16]),
    /// The token made for one authentication.
    Authentication(AuthenticationId),
}

impl TokenScope {
    /// Whether the token was made for one transaction: only Jumio and we know it.
    pub(crate) const fn is_of_one_transaction(self) -> bool {
        matches!(self, Self::Verification(_) | Self::Authentication(_))
    }
}

/// Where a callback stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallbackState {
    /// Durable, not judged.
    Pending,
    /// Judged; its body is gone.
    Settled,
    /// About a transaction that is not ours; its body is gone.
    Foreign,
    /// Not a callback of Jumio's form; its body is gone.
    Malformed,
    /// Could not be judged for as long as things are tried.
    Dead,
}

impl CallbackState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Settled, Self::Foreign, Self::Malformed, Self::Dead];

    /// The spelling in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Settled => "settled",
            Self::Foreign => "foreign",
            Self::Malformed => "malformed",
            Self::Dead => "dead",
        }
    }

    /// The first byte of the index by state. Stored: never renumber.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Pending => 1,
            Self::Settled => 2,
            Self::Foreign => 3,
            Self::Malformed => 4,
            Self::Dead => 5,
        }
    }
}

/// What became of a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallbackOutcome {
    /// The first sign that the person has finished: the Retrieval API is asked now.
    Received,
    /// The enrollment was past that already: a repetition, or late.
    AlreadyKnown,
    /// It began an enrollment, as configured.
    Adopted,
    /// The enrollment is purged, and stays so.
    Tombstone,
    /// It made the vault ask for an authentication's result, or once more about what Jumio had denied.
    Followed,
    /// Nobody here knows the transaction.
    Foreign,
    /// It came with a token that was made for another transaction.
    WrongToken,
    /// It is not of Jumio's form.
    Malformed,
}

impl CallbackOutcome {
    /// The spelling in the API and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::AlreadyKnown => "already-known",
            Self::Adopted => "adopted",
            Self::Tombstone => "tombstone",
            Self::Followed => "followed",
            Self::Foreign => "foreign",
            Self::WrongToken => "wrong-token",
            Self::Malformed => "malformed",
        }
    }

    /// The state that the callback rests in afterwards.
    pub(crate) const fn state(self) -> CallbackState {
        match self {
            Self::Foreign | Self::WrongToken => CallbackState::Foreign,
            Self::Malformed => CallbackState::Malformed,
            Self::Received | Self::AlreadyKnown | Self::Adopted | Self::Tombstone | Self::Followed => {
                CallbackState::Settled
            }
        }
    }
}

/// A callback in the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxRow {
    /// Where it stands.
    pub state: CallbackState,
    /// When it was received.
    pub received_at: Timestamp,
    /// Whose token it came with.
    pub scope: TokenScope,
    /// Where it came from.
    pub source: Option<IpAddr>,
    /// The epoch that its body is sealed under.
    pub(crate) epoch: u64,
    /// The sealed body, or its beginning; `None` once settled.
    pub(crate) body: Option<Bytes>,
    /// Further rows that hold the rest of the sealed body.
    pub(crate) parts: u64,
    /// The pseudonym of what it is about, once judged.
    pub about: Option<Pseudonym>,
    /// What became of it.
    pub outcome: Option<CallbackOutcome>,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
    /// Fields or values in it that this version does not know.
    pub unknown_values: u32,
}

/// An epoch, for as long as its slot is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EpochRow {
    /// The slot whose secret opens the epoch's bodies.
    pub(crate) slot: SlotRef,
    /// The hour that it was begun in, and ends with. A row of an earlier version names none: it is over.
    #[serde(default)]
    pub(crate) hour: u64,
    /// Nothing new is sealed under it: it is about to be burnt.
    pub(crate) closing: bool,
    /// It ends before its hour: it holds what came too late for a purge.
    #[serde(default)]
    pub(crate) early: bool,
}

/// Sealed bytes inside a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&BASE64_STANDARD_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        BASE64_STANDARD_NO_PAD.decode(text.as_ref()).map(Self).map_err(serde::de::Error::custom)
    }
}
