//! What must hold for whatever lies where an envelope should lie: the fuzzer holds it against
//! millions of inputs (`scripts/fuzz`), the tests below against its seeds and what is near to them.

#![expect(clippy::must_use_candidate, reason = "the fuzzer has no use for the answer, the tests count it")]

use crate::{ENVELOPE_OVERHEAD, KeyId, Place, Purpose, SealingKey, SymmetricKey, envelope_key_id};
use model::{Rng, rng::SeededRng};
use std::sync::Mutex;
use zeroize::Zeroizing;

/// Randomness that was written down: salt and nonce of an envelope, so that it can be sealed once more.
#[derive(Debug)]
pub struct Replayed(Mutex<Vec<u8>>);

impl Replayed {
    /// The randomness that the envelopes were sealed with, in this order. `None` when one is no envelope.
    #[must_use]
    pub fn of(envelopes: &[&[u8]]) -> Option<Self> {
        let mut bytes = Vec::new();
        for envelope in envelopes {
            // The commitment stands between the two, and follows from the key.
            bytes.extend_from_slice(envelope.get(10..42)?);
            bytes.extend_from_slice(envelope.get(74..86)?);
        }
        Some(Self(Mutex::new(bytes)))
    }
}

impl Rng for Replayed {
    fn fill(&self, dest: &mut [u8]) {
        let mut rest = self.0.lock().expect("nobody panics holding it");
        dest.copy_from_slice(&rest[..dest.len()]);
        rest.drain(..dest.len());
    }
}

/// The key of the seeds.
#[must_use]
pub fn key() -> SealingKey {
    SealingKey::new(KeyId::from_bytes(*b"fuzzing!"), SymmetricKey::from_bytes(&Zeroizing::new([7; 32])))
}

fn place(generation: u64) -> Place<'static> {
    Place { table: "fuzzing", record: b"record", field: "field", generation }
}

fn purpose(choice: u8) -> Purpose {
    Purpose::ALL[usize::from(choice) % Purpose::ALL.len()]
}

/// Seals the plaintexts of the seeds.
#[must_use]
pub fn envelope_seeds() -> Vec<Vec<u8>> {
    let plaintexts: [&[u8]; 3] = [b"", b"{\"state\":\"ready\"}", &[0xa5; 100]];
    let sealed = plaintexts.iter().zip(0..).map(|(plaintext, choice)| {
        let envelope = key().seal(&SeededRng::new(choice.into()), purpose(choice), &place(1), plaintext);
        [&[choice][..], &envelope].concat()
    });
    sealed.collect()
}

/// Only what the key itself sealed opens, in one spelling: an envelope that opens is, byte for byte, what comes out when its
/// plaintext is sealed again with its salt and nonce. Both implementations say the same. The first byte is the purpose.
///
/// # Panics
/// When that does not hold.
pub fn envelope(input: &[u8]) -> bool {
    let Some((choice, envelope)) = input.split_first() else { return false };
    let (key, purpose) = (key(), purpose(*choice));
    let opened = key.open(purpose, &place(1), envelope);
    let payload = key.open_payload(purpose, &place(1), Zeroizing::new(envelope.to_vec()));
    assert_eq!(opened.is_ok(), payload.is_ok(), "both implementations agree");
    let (Ok(plaintext), Ok(payload)) = (opened, payload) else { return false };
    assert_eq!(&plaintext[..], payload.expose());
    assert_eq!(envelope_key_id(envelope), Some(key.id()));
    let rng = Replayed::of(&[envelope]).expect("it opened");
    assert!(key.seal(&rng, purpose, &place(1), &plaintext) == envelope, "an envelope has one spelling");
    assert!(key.open(purpose, &place(2), envelope).is_err(), "of another generation");
    true
}

/// What was sealed opens, and nothing else does: no envelope with a byte changed, cut off or added, and none of another
/// purpose, place or key. The first nine bytes say what is changed, the rest is the plaintext.
///
/// # Panics
/// When that does not hold.
pub fn changed_envelope(input: &[u8]) -> bool {
    let Some((&[choice, a, b, c, d, bits, seed, other, cut], plaintext)) = input.split_first_chunk() else {
        return false;
    };
    let (key, purpose) = (key(), purpose(choice));
    let envelope = key.seal(&SeededRng::new(seed.into()), purpose, &place(3), plaintext);
    assert_eq!(envelope.len(), ENVELOPE_OVERHEAD + plaintext.len());
    let opens =
        |key: &SealingKey, purpose, place: &Place<'_>, bytes: &[u8]| key.open(purpose, place, bytes).is_ok();
    assert!(opens(&key, purpose, &place(3), &envelope));

    let at = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or_default() % envelope.len();
    let mut changed = envelope.clone();
    changed[at] ^= bits;
    assert_eq!(opens(&key, purpose, &place(3), &changed), bits == 0, "byte {at}");
    let shorter = envelope.len() - usize::from(cut).min(envelope.len());
    assert_eq!(opens(&key, purpose, &place(3), &envelope[..shorter]), cut == 0);
    assert!(!opens(&key, purpose, &place(3), &[&envelope[..], &[other]].concat()));
    assert_eq!(opens(&key, self::purpose(other), &place(3), &envelope), self::purpose(other) == purpose);
    let elsewhere = Place { record: plaintext, ..place(3) };
    assert_eq!(opens(&key, purpose, &elsewhere, &envelope), plaintext == b"record");
    let same_id = SealingKey::new(key.id(), SymmetricKey::from_bytes(&Zeroizing::new([8; 32])));
    assert!(!opens(&same_id, purpose, &place(3), &envelope), "under another key of the same id");
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn only_what_was_sealed_opens_and_it_has_one_spelling(input in seeds::near("envelope")) {
            envelope(&input);
        }

        #[test]
        fn no_changed_envelope_opens(input in seeds::near("changed_envelope")) {
            changed_envelope(&input);
        }
    }

    #[test]
    fn the_seeds_hold_and_some_of_each_are_accepted() {
        seeds::are("envelope", &envelope_seeds());
        assert!(seeds::accepted("envelope", envelope) >= 3);
        assert!(seeds::accepted("changed_envelope", changed_envelope) >= 1);
    }
}
