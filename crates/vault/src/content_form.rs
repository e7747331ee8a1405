//! A content file: a fixed part, a sealed header, a sealed facemap.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | magic |
//! | 8..10 | format version |
//! | 10..12 | bytes of the sealed header |
//! | 12..16 | zero |
//! | 16..32 | facemap id |
//! | 32..40 | generation |
//! | 40..48 | bytes of the facemap |
//! | 48..64 | the vault's id |
//! | 64..1272 | sealed header: reference, facemap id, generation, bytes and digest of the facemap, note |
//! | 1272.. | envelope of the facemap |
//!
//! Header and facemap are sealed under the same data key. The fixed part is the header's place, and the reference the
//! facemap's: none of the parts opens beside parts of another file, of another slot or of an earlier generation. The
//! note is filled up to its full room, so that a file's length says nothing about how long somebody's name is.

use crate::{
    error::Damage,
    types::{Contents, NOTE_BYTES, SlotRef, VaultId},
};
use model::{EnrollmentRef, FacemapBytes, Rng};
use ring::digest::{SHA256, digest};
use seal::{ENVELOPE_OVERHEAD, Place, Purpose, SealedPayload, SealingKey};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroizing, zeroize_stack};

const MAGIC: [u8; 8] = *b"FMVCONT1";
const VERSION: u16 = 1;
pub(crate) const FIXED: usize = 64;
/// Reference, facemap id, generation, bytes and digest: what a reader knows beforehand.
const IDENTITY_PLAIN: usize = 16 + 16 + 8 + 8 + 32;
const NOTE_AT: usize = IDENTITY_PLAIN + 2;
const HEADER_PLAIN: usize = NOTE_AT + NOTE_BYTES;
pub(crate) const HEADER_SEALED: usize = HEADER_PLAIN + ENVELOPE_OVERHEAD;
/// As it stands in the fixed part, for it must be known before there is a key.
const HEADER_LENGTH: u16 = 1208;
const _: () = assert!(HEADER_LENGTH as usize == HEADER_SEALED, "the fixed part says how long the header is");
pub(crate) const PAYLOAD_AT: usize = FIXED + HEADER_SEALED;

/// On the heap, sized once: an array would leave copies on the stacks that it is handed through.
type Header = Zeroizing<Vec<u8>>;
/// More bytes of stack than a hash takes.
const HASHING_STACK: usize = 4096;

/// Whose facemap it is.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) slot: SlotRef,
    pub(crate) enrollment: EnrollmentRef,
}

/// A facemap ready to be written.
pub(crate) struct SealedContent {
    fixed: [u8; FIXED],
    header: Vec<u8>,
    payload: SealedPayload,
}

impl SealedContent {
    /// The pieces of the file, in order.
    pub(crate) fn parts(&self) -> [&[u8]; 5] {
        let [start, body, tag] = self.payload.parts();
        [&self.fixed, &self.header, start, body, tag]
    }
}

/// A whole file that was opened without knowing what must be in it.
pub(crate) struct Opened {
    pub(crate) enrollment: EnrollmentRef,
    pub(crate) note: Zeroizing<Vec<u8>>,
    pub(crate) contents: Contents,
    pub(crate) facemap: FacemapBytes,
}

/// Bytes of the file of a facemap.
pub(crate) const fn file_bytes(facemap_bytes: u64) -> u64 {
    (PAYLOAD_AT + ENVELOPE_OVERHEAD) as u64 + facemap_bytes
}

/// What a facemap is, in a digest and a length.
pub(crate) fn contents_of(facemap: &FacemapBytes) -> Contents {
    let mut contents = Contents { digest: [0; 32], bytes: facemap.len() as u64 };
    contents.digest = sha256(facemap.expose());
    // `ring` leaves the last block on the stack.
    zeroize_stack::<HASHING_STACK>();
    contents
}

/// Never a part of its caller, whose stack cannot be wiped while it runs.
#[inline(never)]
fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

impl Contents {
    /// What these bytes are: for whoever compares a facemap with one that is held.
    #[must_use]
    pub fn of(facemap: &FacemapBytes) -> Self {
        contents_of(facemap)
    }
}

/// Seals a facemap in its own buffer, with the note in its header. The caller has checked the note's length.
pub(crate) fn seal(
    key: &SealingKey,
    rng: &dyn Rng,
    vault: VaultId,
    identity: Identity,
    note: &[u8],
    contents: &Contents,
    facemap: FacemapBytes,
) -> SealedContent {
    let fixed = fixed_part(vault, identity.slot, contents.bytes);
    let plain = header(identity, contents, note);
    let header = key.seal(rng, Purpose::Facemap, &header_place(&fixed, identity.slot), &plain);
    let record = payload_record(identity);
    let payload = key.seal_payload(rng, Purpose::Facemap, &payload_place(&record, identity.slot), facemap);
    SealedContent { fixed, header, payload }
}

/// Opens a whole file; its buffer becomes the facemap's.
pub(crate) fn open(
    key: &SealingKey,
    vault: VaultId,
    identity: Identity,
    expected: &Contents,
    file: Zeroizing<Vec<u8>>,
) -> Result<FacemapBytes, Damage> {
    let found = open_header(key, vault, identity.slot, expected.bytes, &file)?;
    if !bool::from(found[..IDENTITY_PLAIN].ct_eq(&identity_plain(identity, expected)[..])) {
        return Err(Damage::Identity);
    }
    let facemap = open_payload(key, identity, file)?;
    let opened = contents_of(&facemap);
    if opened.bytes == expected.bytes && bool::from(opened.digest.ct_eq(&expected.digest)) {
        Ok(facemap)
    } else {
        Err(Damage::Digest)
    }
}

/// Opens a whole file of this slot, of whomever it is: the data key and the tags prove that the vault wrote all of it.
/// Nothing is hashed, for the sealed header cannot be exchanged for another.
pub(crate) fn open_unknown(
    key: &SealingKey,
    vault: VaultId,
    slot: SlotRef,
    file: Zeroizing<Vec<u8>>,
) -> Result<Opened, Damage> {
    let bytes = (file.len() as u64).checked_sub(file_bytes(0)).ok_or(Damage::Form)?;
    let found = open_header(key, vault, slot, bytes, &file)?;
    let (reference, digest) = (found.first_chunk::<16>(), found[48..].first_chunk::<32>());
    let (Some(reference), Some(digest)) = (reference, digest) else { return Err(Damage::Identity) };
    let identity = Identity { slot, enrollment: EnrollmentRef::from_bytes(*reference) };
    let contents = Contents { digest: *digest, bytes };
    if found[..IDENTITY_PLAIN] != identity_plain(identity, &contents)[..] {
        return Err(Damage::Identity);
    }
    let length = usize::from(u16::from_be_bytes([found[IDENTITY_PLAIN], found[IDENTITY_PLAIN + 1]]));
    let note = found[NOTE_AT..].get(..length).ok_or(Damage::Identity)?;
    let note = Zeroizing::new(note.to_vec());
    let facemap = open_payload(key, identity, file)?;
    Ok(Opened { enrollment: identity.enrollment, note, contents, facemap })
}

/// The vault that a file says it is of. Nothing is proven by it.
pub(crate) fn claimed_vault(fixed: &[u8; FIXED]) -> Option<VaultId> {
    let id = fixed[48..].first_chunk()?;
    (fixed[..8] == MAGIC).then_some(VaultId(*id))
}

fn open_header(
    key: &SealingKey,
    vault: VaultId,
    slot: SlotRef,
    bytes: u64,
    file: &[u8],
) -> Result<Header, Damage> {
    if file.len() as u64 != file_bytes(bytes) {
        return Err(Damage::Form);
    }
    // The part that is written is computed, not parsed: a file whose fixed part differs in any bit is another file.
    let fixed = fixed_part(vault, slot, bytes);
    if file[..FIXED] != fixed {
        return Err(Damage::Form);
    }
    let place = header_place(&fixed, slot);
    let opened = key.open(Purpose::Facemap, &place, &file[FIXED..PAYLOAD_AT]).map_err(|_| Damage::Header)?;
    if opened.len() == HEADER_PLAIN { Ok(opened) } else { Err(Damage::Header) }
}

fn open_payload(key: &SealingKey, of: Identity, file: Zeroizing<Vec<u8>>) -> Result<FacemapBytes, Damage> {
    let record = payload_record(of);
    key.open_payload_at(Purpose::Facemap, &payload_place(&record, of.slot), file, PAYLOAD_AT)
        .map_err(|_| Damage::Payload)
}

fn fixed_part(vault: VaultId, slot: SlotRef, bytes: u64) -> [u8; FIXED] {
    let mut fixed = [0; FIXED];
    fixed[..8].copy_from_slice(&MAGIC);
    fixed[8..10].copy_from_slice(&VERSION.to_be_bytes());
    fixed[10..12].copy_from_slice(&HEADER_LENGTH.to_be_bytes());
    fixed[16..32].copy_from_slice(slot.facemap.as_bytes());
    fixed[32..40].copy_from_slice(&slot.generation.to_be_bytes());
    fixed[40..48].copy_from_slice(&bytes.to_be_bytes());
    fixed[48..].copy_from_slice(&vault.0);
    fixed
}

fn identity_plain(identity: Identity, contents: &Contents) -> Zeroizing<[u8; IDENTITY_PLAIN]> {
    let mut plain = Zeroizing::new([0; IDENTITY_PLAIN]);
    plain[..16].copy_from_slice(identity.enrollment.as_bytes());
    plain[16..32].copy_from_slice(identity.slot.facemap.as_bytes());
    plain[32..40].copy_from_slice(&identity.slot.generation.to_be_bytes());
    plain[40..48].copy_from_slice(&contents.bytes.to_be_bytes());
    plain[48..].copy_from_slice(&contents.digest);
    plain
}

fn header(identity: Identity, contents: &Contents, note: &[u8]) -> Header {
    let mut header = Zeroizing::new(vec![0; HEADER_PLAIN]);
    header[..IDENTITY_PLAIN].copy_from_slice(&*identity_plain(identity, contents));
    // `put` refuses what is longer; here nothing is cut off silently, for the length says what was meant.
    let length = u16::try_from(note.len()).unwrap_or(u16::MAX);
    header[IDENTITY_PLAIN..NOTE_AT].copy_from_slice(&length.to_be_bytes());
    for (room, byte) in header[NOTE_AT..].iter_mut().zip(note) {
        *room = *byte;
    }
    header
}

const fn header_place(fixed: &[u8; FIXED], slot: SlotRef) -> Place<'_> {
    Place { table: "facemap", record: fixed, field: "header", generation: slot.generation }
}

fn payload_record(identity: Identity) -> [u8; 32] {
    let mut record = [0; 32];
    record[..16].copy_from_slice(identity.enrollment.as_bytes());
    record[16..].copy_from_slice(identity.slot.facemap.as_bytes());
    record
}

const fn payload_place(record: &[u8; 32], slot: SlotRef) -> Place<'_> {
    Place { table: "facemap", record, field: "payload", generation: slot.generation }
}
