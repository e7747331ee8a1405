//! The chain: every entry has a position, and a link that depends on all entries before it.

use crate::{AuditError, Entry};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::hex;
use records::{Commit, Records, Table, tables};
use seal::{Place, Purpose};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The chain's entries, by position. The first has position 1.
pub(crate) const CHAIN: Table<(u64,), ChainRow> = Table::new(tables::AUDIT, "audit");
/// The one head of the chain.
pub(crate) const HEAD: Table<(u8,), Head> = Table::new(tables::AUDIT_HEAD, "audit-head");
/// The only key in [`HEAD`].
pub(crate) const HEAD_KEY: (u8,) = (0,);
/// Begins without a finish, by their position.
pub(crate) const OPEN: Table<(u64,), Entry> = Table::new(tables::AUDIT_OPEN, "audit-open");

/// A rebuild begins a new epoch, because it cannot bring the old entries back.
const FIRST_EPOCH: u64 = 1;

/// The keyed hash over an entry and everything before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Link([u8; 32]);

impl Link {
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The thirty-two bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({self})")
    }
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        hex::decode(&text)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("a link is 64 hexadecimal digits"))
    }
}

/// Where the chain ends. Kept outside (an event, a receipt, a printed page), it shows later that nothing up to here was
/// changed, even if everything was put back to an older state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Which chain: a rebuild begins a new one.
    pub epoch: u64,
    /// The last position; 0 when there is no entry yet.
    pub position: u64,
    /// The last link.
    pub link: Link,
}

impl Head {
    /// The head of a chain without entries.
    pub(crate) fn genesis(records: &Records) -> Self {
        let link = Link(tag(records, "audit-genesis", &FIRST_EPOCH.to_be_bytes()));
        Self { epoch: FIRST_EPOCH, position: 0, link }
    }
}

/// An entry as it rests: sealed for its position, and linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChainRow {
    pub(crate) link: Link,
    pub(crate) sealed: String,
}

/// HMAC-SHA-256 for the book's own purposes. The labels keep these tags apart from pseudonyms made with the same key.
pub(crate) fn tag(records: &Records, label: &'static str, message: &[u8]) -> [u8; 32] {
    *records.keys().pseudonyms().of(label, message).as_bytes()
}

/// link = HMAC(previous link ‖ epoch ‖ position ‖ sealed entry). All but the last have a fixed width.
fn link(records: &Records, before: &Head, position: u64, sealed: &[u8]) -> Link {
    let message = [&before.link.0[..], &before.epoch.to_be_bytes(), &position.to_be_bytes(), sealed].concat();
    Link(tag(records, "audit-link", &message))
}

fn place(epoch: u64, position: &[u8; 8]) -> Place<'_> {
    Place { table: "audit", record: position, field: "entry", generation: epoch }
}

/// Puts `entry` behind `head` and moves the head.
pub(crate) fn append(commit: &mut Commit, head: &mut Head, entry: &Entry) -> Result<u64, AuditError> {
    let records = commit.records().clone();
    let position = head.position + 1;
    let json = serde_json::to_vec(entry)
        .map_err(|_| AuditError::Unavailable(records::RecordsError::Encoding { table: "audit" }))?;
    let sealed = records.keys().audit().seal(
        records.rng().as_ref(),
        Purpose::AuditEntry,
        &place(head.epoch, &position.to_be_bytes()),
        &json,
    );
    let link = link(&records, head, position, &sealed);
    commit.insert(&CHAIN, &(position,), &ChainRow { link, sealed: STANDARD.encode(&sealed) });
    *head = Head { epoch: head.epoch, position, link };
    Ok(position)
}

/// What a row of the chain is found to be.
pub(crate) enum Checked {
    /// It follows what is before it.
    Follows(Head),
    /// The entry does not open at this position.
    DoesNotOpen,
    /// The entry opens, but its link does not follow from what is before it.
    DoesNotFollow,
}

/// Checks the row at the position after `before`.
pub(crate) fn check(records: &Records, before: &Head, row: &ChainRow) -> Checked {
    let position = before.position + 1;
    let Some((sealed, _)) = open(records, before.epoch, position, row) else {
        return Checked::DoesNotOpen;
    };
    if link(records, before, position, &sealed) != row.link {
        return Checked::DoesNotFollow;
    }
    Checked::Follows(Head { epoch: before.epoch, position, link: row.link })
}

/// The entry in a row, if it opens at this position; and its sealed bytes.
pub(crate) fn open(records: &Records, epoch: u64, position: u64, row: &ChainRow) -> Option<(Vec<u8>, Entry)> {
    let sealed = STANDARD.decode(&row.sealed).ok()?;
    let key = position.to_be_bytes();
    let json = records.keys().audit().open(Purpose::AuditEntry, &place(epoch, &key), &sealed).ok()?;
    let entry = serde_json::from_slice(&json).ok()?;
    Some((sealed, entry))
}
