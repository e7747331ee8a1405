//! A slot on disk: one sector of 512 bytes, written as a whole or not at all.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | magic |
//! | 8 | status |
//! | 9 | kind |
//! | 10..12 | flags |
//! | 12..16 | index of this sector |
//! | 16..24 | generation |
//! | 24..40 | facemap id |
//! | 40..72 | pseudonym of the subject |
//! | 72..80 | time, milliseconds since 1970 |
//! | 80..112 | secret |
//! | 112..114 | length of the wrapped data key |
//! | 114..116 | zero |
//! | 116..480 | wrapped data key |
//! | 480..512 | SHA-256 of the vault's id and bytes 0..480 |
//!
//! Numbers are big-endian. The checksum covers the whole sector in every status.

use crate::types::{FacemapId, SlotKind, SlotRef, SlotStatus, SlotView, VaultId};
use model::{Rng, Timestamp};
use ring::digest;
use seal::Pseudonym;
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes of a sector.
pub(crate) const SECTOR: usize = 512;
/// Bytes of a wrapped data key at most.
pub(crate) const WRAPPED_MAX: usize = 364;

pub(crate) const STATUS_AT: usize = 8;
pub(crate) const SECRET_AT: usize = 80;
pub(crate) const WRAPPED_AT: usize = 116;
pub(crate) const CHECKSUM_AT: usize = 480;

const MAGIC: [u8; 8] = *b"FMVSLOT1";
const FLAG_HOLD: u16 = 1;
const FLAG_ORIGINAL_DELETED: u16 = 2;
const FLAG_REPLACED: u16 = 4;
const FLAG_GIVEN_BACK: u16 = 8;

/// The bytes of a sector; they hold a secret, so they are wiped.
pub(crate) type SectorBytes = Zeroizing<[u8; SECTOR]>;

/// A slot as it is in memory, for as long as it takes to use or change it.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the sector, and they are independent")]
pub(crate) struct Sector {
    pub(crate) status: SlotStatus,
    pub(crate) kind: SlotKind,
    pub(crate) hold: bool,
    pub(crate) original_deleted: bool,
    pub(crate) replaced: bool,
    /// It was burnt because no record names it, and not because somebody was to be forgotten.
    pub(crate) given_back: bool,
    pub(crate) slot: SlotRef,
    pub(crate) subject: [u8; 32],
    pub(crate) time: Timestamp,
    pub(crate) secret: Zeroizing<[u8; 32]>,
    wrapped: Zeroizing<[u8; WRAPPED_MAX]>,
    wrapped_len: u16,
}

/// A sector that is not one, or not of this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadSector;

impl Sector {
    /// Nobody's slot. It keeps the generation of its last use, so that generations never repeat.
    pub(crate) fn free(index: u32, generation: u64) -> Self {
        Self {
            status: SlotStatus::Free,
            kind: SlotKind::Facemap,
            hold: false,
            original_deleted: false,
            replaced: false,
            given_back: false,
            slot: SlotRef { index, generation, facemap: FacemapId([0; 16]) },
            subject: [0; 32],
            time: Timestamp::UNIX_EPOCH,
            secret: Zeroizing::default(),
            wrapped: Zeroizing::new([0; WRAPPED_MAX]),
            wrapped_len: 0,
        }
    }

    /// A new use of a slot, with a fresh secret and id.
    pub(crate) fn prepared(
        index: u32,
        generation: u64,
        kind: SlotKind,
        subject: &Pseudonym,
        now: Timestamp,
        rng: &dyn Rng,
    ) -> Self {
        let mut sector = Self::free(index, generation);
        sector.status = SlotStatus::Prepared;
        sector.kind = kind;
        sector.subject = *subject.as_bytes();
        sector.time = now;
        rng.fill(&mut sector.slot.facemap.0);
        rng.fill(&mut *sector.secret);
        sector
    }

    /// The wrapped data key, empty when there is none yet.
    pub(crate) fn wrapped(&self) -> &[u8] {
        &self.wrapped[..usize::from(self.wrapped_len)]
    }

    /// Replaces the wrapped data key; false when it does not fit.
    pub(crate) fn set_wrapped(&mut self, wrapped: &[u8]) -> bool {
        let Ok(len) = u16::try_from(wrapped.len()) else { return false };
        let Some(room) = self.wrapped.get_mut(..wrapped.len()) else { return false };
        room.copy_from_slice(wrapped);
        self.wrapped[wrapped.len()..].zeroize();
        self.wrapped_len = len;
        true
    }

    /// Puts random bytes where the secret and the wrapped key were. Id, generation and pseudonym stay.
    pub(crate) fn burn(&mut self, now: Timestamp, rng: &dyn Rng) {
        rng.fill(&mut *self.secret);
        rng.fill(&mut *self.wrapped);
        self.status = SlotStatus::Burnt;
        self.time = now;
    }

    /// What may be shown of it.
    pub(crate) fn view(&self) -> SlotView {
        SlotView {
            slot: self.slot,
            status: self.status,
            kind: self.kind,
            subject: Pseudonym::from_bytes(self.subject),
            prepared_at: self.time,
            hold: self.hold,
            original_deleted: self.original_deleted,
            replaced: self.replaced,
            given_back: self.given_back,
        }
    }

    /// The 512 bytes, whole.
    pub(crate) fn encode(&self, vault: VaultId) -> SectorBytes {
        let mut bytes = Zeroizing::new([0; SECTOR]);
        let flags = if self.hold { FLAG_HOLD } else { 0 }
            | if self.original_deleted { FLAG_ORIGINAL_DELETED } else { 0 }
            | if self.replaced { FLAG_REPLACED } else { 0 }
            | if self.given_back { FLAG_GIVEN_BACK } else { 0 };
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[STATUS_AT] = status_code(self.status);
        bytes[9] = kind_code(self.kind);
        bytes[10..12].copy_from_slice(&flags.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.slot.index.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.slot.generation.to_be_bytes());
        bytes[24..40].copy_from_slice(&self.slot.facemap.0);
        bytes[40..72].copy_from_slice(&self.subject);
        bytes[72..80].copy_from_slice(&self.time.as_millisecond().to_be_bytes());
        bytes[SECRET_AT..112].copy_from_slice(&*self.secret);
        bytes[112..114].copy_from_slice(&self.wrapped_len.to_be_bytes());
        bytes[WRAPPED_AT..CHECKSUM_AT].copy_from_slice(&*self.wrapped);
        let checksum = checksum(vault, &bytes);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum);
        bytes
    }

    /// Reads the sector at `index` of this vault's file. The checksum finds accidents; what finds intent is that the
    /// secret, the id and the generation must open the envelopes.
    pub(crate) fn decode(bytes: &[u8; SECTOR], vault: VaultId, index: u32) -> Result<Self, BadSector> {
        if bytes[..8] != MAGIC || bytes[CHECKSUM_AT..] != checksum(vault, bytes) {
            return Err(BadSector);
        }
        let flags = u16::from_be_bytes(field(bytes, 10));
        let time =
            Timestamp::from_millisecond(i64::from_be_bytes(field(bytes, 72))).map_err(|_| BadSector)?;
        let sector = Self {
            status: status_of(bytes[STATUS_AT]).ok_or(BadSector)?,
            kind: kind_of(bytes[9]).ok_or(BadSector)?,
            hold: flags & FLAG_HOLD != 0,
            original_deleted: flags & FLAG_ORIGINAL_DELETED != 0,
            replaced: flags & FLAG_REPLACED != 0,
            given_back: flags & FLAG_GIVEN_BACK != 0,
            slot: SlotRef {
                index: u32::from_be_bytes(field(bytes, 12)),
                generation: u64::from_be_bytes(field(bytes, 16)),
                facemap: FacemapId(field(bytes, 24)),
            },
            subject: field(bytes, 40),
            time,
            secret: Zeroizing::new(field(bytes, SECRET_AT)),
            wrapped_len: u16::from_be_bytes(field(bytes, 112)),
            wrapped: Zeroizing::new(field(bytes, WRAPPED_AT)),
        };
        let known = flags & !(FLAG_HOLD | FLAG_ORIGINAL_DELETED | FLAG_REPLACED | FLAG_GIVEN_BACK) == 0;
        let fits = usize::from(sector.wrapped_len) <= WRAPPED_MAX && sector.slot.index == index;
        // Whatever is written back from memory would lose what stands there.
        let nothing_else = field(bytes, 114) == [0; 2];
        if known && fits && nothing_else { Ok(sector) } else { Err(BadSector) }
    }
}

/// `N` bytes from a fixed place.
pub(crate) fn field<const N: usize>(bytes: &[u8; SECTOR], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// SHA-256 of the vault's id and everything before the checksum.
pub(crate) fn checksum(vault: VaultId, bytes: &[u8; SECTOR]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&vault.0);
    context.update(&bytes[..CHECKSUM_AT]);
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

const fn status_code(status: SlotStatus) -> u8 {
    match status {
        SlotStatus::Free => b'F',
        SlotStatus::Prepared => b'P',
        SlotStatus::Live => b'L',
        SlotStatus::Burnt => b'B',
    }
}

const fn status_of(code: u8) -> Option<SlotStatus> {
    match code {
        b'F' => Some(SlotStatus::Free),
        b'P' => Some(SlotStatus::Prepared),
        b'L' => Some(SlotStatus::Live),
        b'B' => Some(SlotStatus::Burnt),
        _ => None,
    }
}

const fn kind_code(kind: SlotKind) -> u8 {
    match kind {
        SlotKind::Facemap => 1,
        SlotKind::InboxEpoch => 2,
        SlotKind::Erasure => 3,
    }
}

const fn kind_of(code: u8) -> Option<SlotKind> {
    match code {
        1 => Some(SlotKind::Facemap),
        2 => Some(SlotKind::InboxEpoch),
        3 => Some(SlotKind::Erasure),
        _ => None,
    }
}
