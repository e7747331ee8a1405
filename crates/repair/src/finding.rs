//! What a check can find, each in a sentence that says what to do. Nothing here names a person: rows are named by their
//! table and the first bytes of their key, which are a pseudonym or an id.

use model::hex;
use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use std::fmt;
use store::TableId;
use vault::{Damage, FacemapId};

/// A row, as findings name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowName {
    /// The table.
    pub table: &'static str,
    /// The first bytes of the key.
    pub key: Vec<u8>,
}

const KEY_BYTES: usize = 12;

impl RowName {
    /// The row of this table under this key.
    #[must_use]
    pub fn new(table: &'static str, key: &[u8]) -> Self {
        Self { table, key: key[..key.len().min(KEY_BYTES)].to_vec() }
    }
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.table, hex::encode(&self.key))
    }
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowFault {
    /// It does not open in its place.
    DoesNotOpen,
    /// It opens, and says that it is another row's, or another person's.
    NotItsOwn,
    /// The fields about the person do not open under their slot.
    PersonDoesNotOpen,
    /// A row of this index should be there and is not.
    IndexMissing(&'static str),
    /// A row of this table that it names is not there.
    Dangling(&'static str),
    /// It is there for a row that is not there.
    LeadsNowhere,
    /// It leads to a row that knows nothing of it.
    LeadsToAnother,
    /// The slot that it needs is not there, burnt, or somebody else's.
    SlotGone,
    /// It names an enrollment of another user, or an authentication of another enrollment.
    NotTheirs,
    /// Its state and its content do not fit together: there is a facemap where none can be, or none where one must be.
    StateWithoutContent,
    /// It is ready and was not replaced, and its user's row does not name it as the current one.
    NotCurrent,
    /// The book tells of a rebuild or restore, and this record of it is gone: purges would go on unacknowledged.
    RecoveryGone,
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DoesNotOpen => f.write_str("does not open in its place"),
            Self::NotItsOwn => f.write_str("says that it is another one's: it was exchanged"),
            Self::PersonDoesNotOpen => f.write_str("has personal fields that do not open under their slot"),
            Self::IndexMissing(index) => write!(f, "is missing in the index {index}"),
            Self::Dangling(table) => write!(f, "names a row of {table} that is not there"),
            Self::LeadsNowhere => f.write_str("leads to a row that is not there"),
            Self::LeadsToAnother => f.write_str("leads to a row that knows nothing of it"),
            Self::SlotGone => f.write_str("needs a slot that is burnt, not there, or somebody else's"),
            Self::NotTheirs => f.write_str("names what belongs to somebody else"),
            Self::StateWithoutContent => f.write_str("is in a state that does not fit what it holds"),
            Self::NotCurrent => f.write_str("is ready, and its user's record does not name it"),
            Self::RecoveryGone => f.write_str("is gone, and the audit log tells of a rebuild or restore"),
        }
    }
}

/// What is wrong with a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotFault {
    /// Its sector is damaged.
    Sector,
    /// It is live, and no record names it.
    NoRecord,
    /// It is live, and its record has no facemap.
    NotCommitted,
    /// It holds, and its record is purged.
    PurgedNotBurnt,
    /// It is burnt, nobody gave it back, and there is no tombstone of the person.
    TombstoneGone,
    /// It holds the id of another slot's facemap.
    RepeatedId,
    /// It belongs to the same enrollment as another slot in use.
    RepeatedSubject,
    /// Its hold and that of its record differ.
    HoldDiffers,
    /// It says of itself whether it was replaced, and its record says the opposite.
    ReplacedDiffers,
    /// Its record is ready, and it does not say that Jumio has no original.
    OriginalNotDeleted,
    /// Its kind is not the one that its record needs.
    WrongKind,
}

impl fmt::Display for SlotFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sector => "is damaged: what it was the root of does not open any more",
            Self::NoRecord => "is in use, and no record names it",
            Self::NotCommitted => "is live, and its record has no facemap",
            Self::PurgedNotBurnt => "still holds, and its record is purged",
            Self::TombstoneGone => "is burnt, and the record that the person was purged is gone",
            Self::RepeatedId => "has the facemap id of another slot",
            Self::RepeatedSubject => "belongs to the same enrollment as another slot in use",
            Self::HoldDiffers => "and its record disagree about a hold",
            Self::ReplacedDiffers => {
                "and its record disagree about whether another enrollment took its place"
            }
            Self::OriginalNotDeleted => "does not say that the original is gone, and its record is ready",
            Self::WrongKind => "is of another kind than its record needs",
        })
    }
}

/// What is wrong with a content file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentFault {
    /// It does not open under its slot.
    Damaged(Damage),
    /// It opens, and it is of another enrollment than the record.
    OfAnother,
    /// It opens, and digest or length are not those of the record.
    Differs,
    /// Its note about the person is not that of the record.
    NoteDiffers,
    /// No slot in use is its root.
    NoSlot,
}

impl fmt::Display for ContentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(damage) => write!(f, "does not open: {damage}"),
            Self::OfAnother => f.write_str("is of another enrollment than its record"),
            Self::Differs => f.write_str("is not the one that its record describes"),
            Self::NoteDiffers => f.write_str("carries a note about another person than its record"),
            Self::NoSlot => f.write_str("belongs to no slot in use"),
        }
    }
}

/// Something that is not as it should be, and that no crash leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The store does not open.
    Store {
        /// Why.
        why: String,
    },
    /// The store does not say whose it is, or says that it is another slot file's.
    Identity {
        /// What is wrong.
        what: &'static str,
    },
    /// The slot file cannot be read at all.
    SlotFile {
        /// Why.
        why: String,
    },
    /// There are rows in a table that this version does not have.
    UnknownTable(TableId),
    /// A row.
    Row(RowName, RowFault),
    /// A slot, by its place in the slot file.
    Slot(u32, SlotFault),
    /// A content file.
    Content(FacemapId, ContentFault),
    /// Entries of the content folder that this program did not write.
    Strangers(u64),
    /// The book.
    Audit(audit::Finding),
}

impl Finding {
    /// A word for scripts; it stays the same.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Store { .. } => "store",
            Self::Identity { .. } => "identity",
            Self::SlotFile { .. } => "slot-file",
            Self::UnknownTable(_) => "unknown-table",
            Self::Row(..) => "record",
            Self::Slot(..) => "slot",
            Self::Content(..) => "content",
            Self::Strangers(_) => "strangers",
            Self::Audit(_) => "audit",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Identity { .. } => {
                "check store.path, store.slots_path and keys.path; if they are right, run `facemap-vault rebuild-index`"
            }
            Self::SlotFile { .. } => "put the slot file back from its backup",
            Self::UnknownTable(_) => "start the newer version that wrote it, or restore a backup of this one",
            Self::Store { .. }
            | Self::Row(_, RowFault::IndexMissing(_) | RowFault::LeadsNowhere | RowFault::LeadsToAnother) => {
                "run `facemap-vault rebuild-index`, or restore a backup"
            }
            Self::Row(..) => "it is not used; restore a backup, or run `facemap-vault rebuild-index`",
            Self::Slot(_, SlotFault::Sector) => {
                "put the slot file back from its backup, or give the person up with `rebuild-index --give-up-damaged`"
            }
            Self::Slot(_, SlotFault::HoldDiffers) => {
                "start the service, which marks the slot as the record says; then set or release the hold again"
            }
            Self::Slot(..) => {
                "check that store and slots are of the same moment; if so, run `facemap-vault rebuild-index`"
            }
            Self::Content(_, ContentFault::NoSlot) => {
                "check that the right slot file is in place; without its slot nothing opens it"
            }
            Self::Content(..) => {
                "put this content file back from a backup; the person has to be onboarded again without it"
            }
            Self::Strangers(_) => "move them out of the content folder",
            Self::Audit(_) => {
                "compare with a head that was exported; then `recovery acknowledge --audit` begins a new chain"
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store { why } => write!(f, "the store cannot be read: {why}"),
            Self::Identity { what } => write!(f, "the store {what}"),
            Self::SlotFile { why } => write!(f, "the slots cannot be read: {why}"),
            Self::UnknownTable(table) => {
                write!(f, "the store has rows in table {}, which is unknown", table.0)
            }
            Self::Row(name, fault) => write!(f, "record {name} {fault}"),
            Self::Slot(index, fault) => write!(f, "slot {index} {fault}"),
            Self::Content(id, fault) => write!(f, "content file {id} {fault}"),
            Self::Strangers(count) => write!(f, "{count} entries of the content folder are not the vault's"),
            Self::Audit(finding) => write!(f, "{finding}"),
        }
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut fields = s.serialize_struct("Finding", 3)?;
        fields.serialize_field("kind", self.kind())?;
        fields.serialize_field("what", &self.to_string())?;
        fields.serialize_field("do", self.advice())?;
        fields.end()
    }
}
