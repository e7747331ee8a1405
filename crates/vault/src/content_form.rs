//! A content file: a fixed part, a sealed header, a sealed facemap.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | magic |
//! | 8..10 | format version |
//! | 10..16 | zero |
//! | 16..32 | facemap id |
//! | 32..40 | generation |
//! | 40..48 | bytes of the facemap |
//! | 48..230 | sealed header: reference, facemap id, generation, bytes and digest of the facemap |
//! | 230.. | envelope of the facemap |
//!
//! Header and facemap are sealed under the same data key. The fixed part is the header's place, and the reference the
//! facemap's: none of the parts opens beside parts of another file, of another slot or of an earlier generation.

use crate::{
    error::Damage,
    types::{Contents, SlotRef},
};
use model::{EnrollmentRef, FacemapBytes, Rng};
use ring::digest::{SHA256, digest};
use seal::{ENVELOPE_OVERHEAD, Place, Purpose, SealedPayload, SealingKey};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

const MAGIC: [u8; 8] = *b"FMVCONT1";
const VERSION: u16 = 1;
pub(crate) const FIXED: usize = 48;
const HEADER_PLAIN: usize = 16 + 16 + 8 + 8 + 32;
pub(crate) const HEADER_SEALED: usize = HEADER_PLAIN + ENVELOPE_OVERHEAD;
pub(crate) const PAYLOAD_AT: usize = FIXED + HEADER_SEALED;

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

/// Bytes of the file of a facemap.
pub(crate) const fn file_bytes(facemap_bytes: u64) -> u64 {
    (PAYLOAD_AT + ENVELOPE_OVERHEAD) as u64 + facemap_bytes
}

/// What a facemap is, in a digest and a length.
pub(crate) fn contents_of(facemap: &FacemapBytes) -> Contents {
    let mut contents = Contents { digest: [0; 32], bytes: facemap.len() as u64 };
    contents.digest.copy_from_slice(digest(&SHA256, facemap.expose()).as_ref());
    contents
}

/// Seals a facemap in its own buffer.
pub(crate) fn seal(
    key: &SealingKey,
    rng: &dyn Rng,
    identity: Identity,
    contents: &Contents,
    facemap: FacemapBytes,
) -> SealedContent {
    let fixed = fixed_part(identity.slot, contents.bytes);
    let header =
        key.seal(rng, Purpose::Facemap, &header_place(&fixed, identity.slot), &*header(identity, contents));
    let record = payload_record(identity);
    let payload = key.seal_payload(rng, Purpose::Facemap, &payload_place(&record, identity.slot), facemap);
    SealedContent { fixed, header, payload }
}

/// Opens a whole file; its buffer becomes the facemap's.
pub(crate) fn open(
    key: &SealingKey,
    identity: Identity,
    expected: &Contents,
    file: Zeroizing<Vec<u8>>,
) -> Result<FacemapBytes, Damage> {
    if file.len() as u64 != file_bytes(expected.bytes) {
        return Err(Damage::Form);
    }
    // The part that is written is computed, not parsed: a file whose fixed part differs in any bit is another file.
    let fixed = fixed_part(identity.slot, expected.bytes);
    if file[..FIXED] != fixed {
        return Err(Damage::Form);
    }
    let place = header_place(&fixed, identity.slot);
    let found = key.open(Purpose::Facemap, &place, &file[FIXED..PAYLOAD_AT]).map_err(|_| Damage::Header)?;
    if !bool::from(found.ct_eq(&*header(identity, expected))) {
        return Err(Damage::Identity);
    }
    let record = payload_record(identity);
    let facemap = key
        .open_payload_at(Purpose::Facemap, &payload_place(&record, identity.slot), file, PAYLOAD_AT)
        .map_err(|_| Damage::Payload)?;
    let opened = contents_of(&facemap);
    if opened.bytes == expected.bytes && bool::from(opened.digest.ct_eq(&expected.digest)) {
        Ok(facemap)
    } else {
        Err(Damage::Digest)
    }
}

fn fixed_part(slot: SlotRef, bytes: u64) -> [u8; FIXED] {
    let mut fixed = [0; FIXED];
    fixed[..8].copy_from_slice(&MAGIC);
    fixed[8..10].copy_from_slice(&VERSION.to_be_bytes());
    fixed[16..32].copy_from_slice(slot.facemap.as_bytes());
    fixed[32..40].copy_from_slice(&slot.generation.to_be_bytes());
    fixed[40..48].copy_from_slice(&bytes.to_be_bytes());
    fixed
}

fn header(identity: Identity, contents: &Contents) -> Zeroizing<[u8; HEADER_PLAIN]> {
    let mut header = Zeroizing::new([0; HEADER_PLAIN]);
    header[..16].copy_from_slice(identity.enrollment.as_bytes());
    header[16..32].copy_from_slice(identity.slot.facemap.as_bytes());
    header[32..40].copy_from_slice(&identity.slot.generation.to_be_bytes());
    header[40..48].copy_from_slice(&contents.bytes.to_be_bytes());
    header[48..].copy_from_slice(&contents.digest);
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
