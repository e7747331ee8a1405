//! What must hold for whatever lies in the slot file and in the folder of contents: the fuzzer holds it against millions of
//! inputs (`scripts/fuzz`), the tests below against its seeds and what is near to them.

#![expect(clippy::must_use_candidate, reason = "the fuzzer has no use for the answer, the tests count it")]

use crate::{
    content_form::{self, Identity, PAYLOAD_AT},
    header::Header,
    sector::{CHECKSUM_AT, SECTOR, Sector, checksum, field},
    types::{FacemapId, Mode, SlotKind, SlotRef, VaultId},
};
use model::{EnrollmentRef, FacemapBytes, Timestamp, rng::SeededRng};
use seal::{
    Pseudonym,
    fuzzing::{Replayed, key},
};
use zeroize::Zeroizing;

const VAULT: VaultId = VaultId([3; 16]);
const SLOT: SlotRef = SlotRef { index: 5, generation: 9, facemap: FacemapId([4; 16]) };

/// The sectors of the seeds: a header, and slots in every status.
///
/// # Panics
/// Never.
#[must_use]
pub fn sector_seeds() -> Vec<Vec<u8>> {
    let rng = SeededRng::new(1);
    let now = Timestamp::UNIX_EPOCH;
    let header = Header { vault: VAULT, mode: Mode::Simulated, epoch: 2, slots: 64 }.encode();
    let subject = Pseudonym::from_bytes([6; 32]);
    let mut slots = vec![Sector::free(0, 7)];
    for kind in [SlotKind::Facemap, SlotKind::InboxEpoch, SlotKind::Erasure] {
        slots.push(Sector::prepared(5, 9, kind, &subject, now, &rng));
    }
    let mut burnt = Sector::prepared(5, 9, SlotKind::Facemap, &subject, now, &rng);
    assert!(burnt.set_wrapped(&[1; 200]), "it fits");
    burnt.burn(now, &rng);
    slots.push(burnt);
    let slots = slots.iter().map(|slot| slot.encode(VAULT).to_vec());
    std::iter::once(header.to_vec()).chain(slots).collect()
}

/// A sector that is read is the one that was written, to the last bit; the checksum is made right first, because nobody who
/// changes a sector on purpose would leave it wrong. So is the header of the slot file. A wrong checksum is never read.
///
/// # Panics
/// When that does not hold.
pub fn sector(input: &[u8]) -> bool {
    let mut bytes = Zeroizing::new([0; SECTOR]);
    for (room, byte) in bytes.iter_mut().zip(input) {
        *room = *byte;
    }
    let untouched = Sector::decode(&bytes, VAULT, 5).is_ok();
    assert!(!untouched || bytes[CHECKSUM_AT..] == checksum(VAULT, &bytes));
    let index = u32::from_be_bytes(field(&bytes, 12));
    let right = checksum(VAULT, &bytes);
    bytes[CHECKSUM_AT..].copy_from_slice(&right);
    let slot = Sector::decode(&bytes, VAULT, index).ok();
    if let Some(slot) = &slot {
        assert!(*slot.encode(VAULT) == *bytes, "a sector has one spelling");
        assert!(slot.wrapped().len() <= crate::sector::WRAPPED_MAX);
        assert!(Sector::decode(&bytes, VAULT, index ^ 1).is_err(), "of another place");
        assert!(Sector::decode(&bytes, VaultId([2; 16]), index).is_err(), "of another vault");
    }
    let vault = VaultId(field(&bytes, 16));
    let right = checksum(vault, &bytes);
    bytes[CHECKSUM_AT..].copy_from_slice(&right);
    let header = Header::decode(&bytes).ok();
    if let Some(header) = &header {
        assert!(header.encode() == *bytes, "a header has one spelling");
    }
    slot.is_some() || header.is_some()
}

fn contents(note: &[u8], facemap: &[u8]) -> Vec<u8> {
    let facemap = FacemapBytes::from(Zeroizing::new(facemap.to_vec()));
    let of = Identity { slot: SLOT, enrollment: EnrollmentRef::from_bytes([8; 16]) };
    let what = content_form::contents_of(&facemap);
    content_form::seal(&key(), &SeededRng::new(2), VAULT, of, note, &what, facemap).parts().concat()
}

/// The content files of the seeds.
#[must_use]
pub fn content_seeds() -> Vec<Vec<u8>> {
    vec![contents(b"{\"user\":\"someone\"}", &[0xa5; 64]), contents(b"", b"")]
}

/// A content file that opens is, byte for byte, what comes out when what was in it is sealed again; with the slot of another
/// use or in another vault it does not open.
///
/// # Panics
/// When that does not hold.
pub fn content(file: &[u8]) -> bool {
    let claimed = file.first_chunk().and_then(content_form::claimed_vault);
    let open = |vault, slot| content_form::open_unknown(&key(), vault, slot, Zeroizing::new(file.to_vec()));
    let Ok(opened) = open(VAULT, SLOT) else { return false };
    assert!(claimed == Some(VAULT));
    let of = Identity { slot: SLOT, enrollment: opened.enrollment };
    let rng = Replayed::of(&[&file[content_form::FIXED..], &file[PAYLOAD_AT..]]).expect("it opened");
    assert!(content_form::contents_of(&opened.facemap).digest == opened.contents.digest);
    let again = content_form::seal(&key(), &rng, VAULT, of, &opened.note, &opened.contents, opened.facemap);
    assert!(again.parts().concat() == file, "a content file has one spelling");
    assert!(open(VAULT, SlotRef { generation: SLOT.generation + 1, ..SLOT }).is_err(), "of another use");
    assert!(open(VaultId([2; 16]), SLOT).is_err(), "of another vault");
    true
}

/// A file with anything changed in it does not open. The first seven bytes say what is changed, the rest are note and
/// facemap.
///
/// # Panics
/// When that does not hold.
pub fn changed_content(input: &[u8]) -> bool {
    let Some((&[a, b, c, bits, cut, note, more], rest)) = input.split_first_chunk() else { return false };
    let (note, facemap) = rest.split_at(usize::from(note).min(rest.len()));
    let mut file = contents(note, facemap);
    let whole = file.clone();
    let at = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or_default() % file.len();
    file[at] ^= bits;
    file.truncate(file.len() - usize::from(cut));
    file.resize(file.len() + usize::from(more), 0);
    assert_eq!(content(&file), file == whole, "byte {at}");
    file == whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_sector_that_is_read_is_the_one_that_was_written(input in seeds::near("sector")) {
            sector(&input);
        }

        #[test]
        fn a_content_file_that_opens_is_the_one_that_was_written(file in seeds::near("content")) {
            content(&file);
        }

        #[test]
        fn no_changed_content_file_opens(input in seeds::near("changed_content")) {
            changed_content(&input);
        }
    }

    #[test]
    fn the_seeds_hold_and_some_of_each_are_accepted() {
        seeds::are("sector", &sector_seeds());
        seeds::are("content", &content_seeds());
        assert_eq!(seeds::accepted("sector", sector), 7, "all but those with something where zero belongs");
        assert_eq!(seeds::accepted("content", content), 2);
        assert!(seeds::accepted("changed_content", changed_content) >= 1);
    }
}
