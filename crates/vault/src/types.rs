//! The words of the vault: ids, slot references, views and contents.

use model::{EnrollmentRef, Timestamp, hex};
use seal::Pseudonym;
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf};

/// The random id of a facemap: the name of its content file, and part of everything that is sealed for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FacemapId(#[serde(with = "hex")] pub(crate) [u8; 16]);

impl FacemapId {
    /// The sixteen bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for FacemapId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for FacemapId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FacemapId({self})")
    }
}

/// The random id of a slot file, written when it is created. A store remembers it, so that it cannot be opened beside
/// another company's slots.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VaultId(#[serde(with = "hex")] pub(crate) [u8; 16]);

impl fmt::Display for VaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for VaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultId({self})")
    }
}

/// Which slot, and whose: a slot that was given to somebody else in the meantime has another generation and another
/// facemap id, so an old reference leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SlotRef {
    /// The position of the slot in the slot file, from 0.
    pub index: u32,
    /// The use of the slot: greater than that of any use of any slot before.
    pub generation: u64,
    /// The facemap (or epoch) that the slot was prepared for.
    pub facemap: FacemapId,
}

/// Where a slot is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotStatus {
    /// Nobody's.
    Free,
    /// Somebody's; there may be no content yet, and no record either.
    Prepared,
    /// Somebody's; what it is the root of is committed.
    Live,
    /// Its secret is gone for ever. It stays as a tombstone until the backup horizon has passed.
    Burnt,
}

/// What a slot is the root of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotKind {
    /// A facemap, and the record fields about the person.
    Facemap,
    /// The raw callbacks of an hour.
    InboxEpoch,
    /// What must still be deleted at Jumio after the person's own slot is burnt.
    Erasure,
}

/// What a slot shows without its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the sector, and they are independent")]
pub struct SlotView {
    /// Which slot and whose.
    pub slot: SlotRef,
    /// Where it is in its life; never [`SlotStatus::Free`].
    pub status: SlotStatus,
    /// What it is the root of.
    pub kind: SlotKind,
    /// Whom it belongs to.
    pub subject: Pseudonym,
    /// When it was prepared; for a burnt slot, when it was burnt.
    pub prepared_at: Timestamp,
    /// Nothing may burn it.
    pub hold: bool,
    /// Jumio no longer has the original: this is the only copy.
    pub original_deleted: bool,
    /// Another enrollment of the same user took its place.
    pub replaced: bool,
    /// It was burnt because no record named it. It says nothing about whether the person was purged; every other burnt
    /// slot is a tombstone.
    pub given_back: bool,
}

/// Bytes of the note beside a facemap at most.
pub const NOTE_BYTES: usize = 1024;

/// What a facemap must be when it is opened. It belongs into a sealed record: the digest of a facemap is not shown.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// SHA-256 of the facemap.
    #[serde(with = "hex")]
    pub digest: [u8; 32],
    /// Bytes of the facemap.
    pub bytes: u64,
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contents({} bytes)", self.bytes)
    }
}

/// Where a vault lives: two folders, best on two file systems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultPaths {
    /// The folder of the slot file.
    pub slots_dir: PathBuf,
    /// The folder of the content files.
    pub content_dir: PathBuf,
}

/// Whether a vault holds real people or simulated ones. Decided when it is created, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Real people.
    Real,
    /// The sandbox's.
    Simulated,
}

/// What was found in the slot file when it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survey {
    /// Slots that nobody has.
    pub free: u32,
    /// Slots taken, without a committed record as far as the slot knows.
    pub prepared: u32,
    /// Slots in use.
    pub live: u32,
    /// Tombstones.
    pub burnt: u32,
}

/// What the records say about a prepared, live or burnt slot of a facemap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// No record names it.
    NoRecord,
    /// The person's record has its facemap under another slot, and never moves any more.
    Elsewhere,
    /// The person's record is a tombstone, and names another slot.
    PurgedElsewhere,
    /// A record names it that has no facemap yet (`awaiting-user` up to `fetching`, or `ineligible`).
    RecordWithoutContent,
    /// A record names it together with what it holds.
    RecordWithContent {
        /// The enrollment whose facemap it is.
        enrollment: EnrollmentRef,
        /// What its facemap must be.
        contents: Contents,
    },
    /// A record names it and is being purged: whatever the slot says, the purge goes on by itself.
    Purging,
    /// A tombstone names it: it must be burnt.
    RecordGone,
}
