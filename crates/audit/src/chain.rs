//! The chain: every entry has a position, and a link that depends on all entries before it.

use crate::{Action, AuditError, Entry, border, entry::Part};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::hex;
use records::{Commit, Index, Records, Table, tables};
use seal::{Place, Pseudonym, Purpose};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The chain's entries, by position. The first has position 1.
pub(crate) const CHAIN: Table<(u64,), ChainRow> = Table::new(tables::AUDIT, "audit");
/// Where the chain ends, and where its epoch begins.
pub(crate) const HEAD: Table<(u8,), Head> = Table::new(tables::AUDIT_HEAD, "audit-head");
/// Where the chain ends.
pub(crate) const HEAD_KEY: (u8,) = (0,);
/// Where the epoch in force begins: the place of its first entry. Absent in the first epoch.
pub(crate) const BORDER_KEY: (u8,) = (1,);
/// Whom entries are about: a row for each subject of an entry. A hint, which [`crate::verify`] holds against the chain.
pub(crate) const BY_SUBJECT: Index<(Pseudonym, u64)> = Index::new(tables::AUDIT_BY_SUBJECT);
/// Begins without a finish, by their position.
pub(crate) const OPEN: Table<(u64,), Entry> = Table::new(tables::AUDIT_OPEN, "audit-open");

/// A rebuild or restore begins a new epoch, because it cannot bring all old entries back.
pub(crate) const FIRST_EPOCH: u64 = 1;

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
        Self::before_first(records, FIRST_EPOCH)
    }

    /// Whether this epoch is not the book's first: the store was rebuilt or restored, or the book accepted as it was.
    #[must_use]
    pub const fn is_after_recovery(&self) -> bool {
        self.epoch > FIRST_EPOCH
    }

    /// What the first entry of a store follows, in the epoch that it begins in.
    pub(crate) fn before_first(records: &Records, epoch: u64) -> Self {
        Self { epoch, position: 0, link: Link(tag(records, "audit-genesis", &epoch.to_be_bytes())) }
    }
}

/// An entry as it rests: sealed for its position and epoch, and linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChainRow {
    pub(crate) link: Link,
    #[serde(default = "first_epoch")]
    pub(crate) epoch: u64,
    pub(crate) sealed: String,
}

const fn first_epoch() -> u64 {
    FIRST_EPOCH
}

/// HMAC-SHA-256 under the key that the book has for itself. The labels keep links, anchors and sums apart.
pub(crate) fn tag(records: &Records, label: &'static str, message: &[u8]) -> [u8; 32] {
    records.keys().audit_links().tag(label, message)
}

/// link = HMAC(previous link ‖ epoch ‖ position ‖ sealed entry). All but the last have a fixed width.
fn link(records: &Records, before: &Link, epoch: u64, position: u64, sealed: &[u8]) -> Link {
    let message = [&before.0[..], &epoch.to_be_bytes(), &position.to_be_bytes(), sealed].concat();
    Link(tag(records, "audit-link", &message))
}

fn place(epoch: u64, position: &[u8; 8]) -> Place<'_> {
    Place { table: "audit", record: position, field: "entry", generation: epoch }
}

/// Puts `entry` behind `head`, in the head's epoch, and moves the head.
pub(crate) fn append(commit: &mut Commit, head: &mut Head, entry: &Entry) -> Result<u64, AuditError> {
    let records = commit.records().clone();
    let (epoch, position) = (head.epoch, head.position + 1);
    let json = serde_json::to_vec(entry)
        .map_err(|_| AuditError::Unavailable(records::RecordsError::Encoding { table: "audit" }))?;
    let sealed = records.keys().audit().seal(
        records.rng().as_ref(),
        Purpose::AuditEntry,
        &place(epoch, &position.to_be_bytes()),
        &json,
    );
    let link = link(&records, &head.link, epoch, position, &sealed);
    commit.insert(&CHAIN, &(position,), &ChainRow { link, epoch, sealed: STANDARD.encode(&sealed) });
    for subject in entry.subjects() {
        commit.index(&BY_SUBJECT, &(subject, position));
    }
    *head = Head { epoch, position, link };
    Ok(position)
}

/// What a row of the chain is found to be.
pub(crate) enum Checked {
    /// It follows what is before it.
    Follows(Head, Entry),
    /// The entry does not open at this position.
    DoesNotOpen,
    /// The entry opens, but its link does not follow from what is before it.
    DoesNotFollow(Entry),
    /// The entry follows, but an epoch begins or ends here, and none may.
    NoBorder(Entry),
}

/// Checks the row at the position after `before`.
pub(crate) fn check(records: &Records, before: &Head, row: &ChainRow) -> Checked {
    let position = before.position + 1;
    let Some((sealed, entry)) = open(records, position, row) else { return Checked::DoesNotOpen };
    // The first entry of a store that was made anew has nobody before it.
    let before = if before.position == 0 { Head::before_first(records, row.epoch) } else { *before };
    if link(records, &before.link, row.epoch, position, &sealed) != row.link {
        return Checked::DoesNotFollow(entry);
    }
    let begins = entry.action == Action::EpochBegun && entry.part == Part::Note;
    let may_begin = if before.position == 0 { row.epoch > FIRST_EPOCH } else { row.epoch > before.epoch };
    let may_stay = if before.position == 0 { row.epoch == FIRST_EPOCH } else { row.epoch == before.epoch };
    let is_right = if begins { may_begin && border::fits(&entry, row.epoch, position) } else { may_stay };
    if is_right {
        Checked::Follows(Head { epoch: row.epoch, position, link: row.link }, entry)
    } else {
        Checked::NoBorder(entry)
    }
}

/// The entry in a row, if it opens at this position; and its sealed bytes.
pub(crate) fn open(records: &Records, position: u64, row: &ChainRow) -> Option<(Vec<u8>, Entry)> {
    let sealed = STANDARD.decode(&row.sealed).ok()?;
    let key = position.to_be_bytes();
    let json = records.keys().audit().open(Purpose::AuditEntry, &place(row.epoch, &key), &sealed).ok()?;
    let entry = serde_json::from_slice(&json).ok()?;
    Some((sealed, entry))
}
