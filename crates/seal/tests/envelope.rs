//! An envelope opens for its key, its purpose and its place, and for nothing else.

use model::{FacemapBytes, rng::SeededRng};
use proptest::prelude::*;
use seal::{
    ENVELOPE_OVERHEAD, KeyId, Place, Purpose, SealError, SealingKey, SymmetricKey, SystemRng, envelope_key_id,
};
use zeroize::Zeroizing;

const PLACE: Place<'_> = Place { table: "enrollments", record: b"record-1", field: "state", generation: 7 };

fn key(seed: u64) -> SealingKey {
    SealingKey::generate(&SeededRng::new(seed))
}

/// Opens in both ways, which must agree.
fn open(
    key: &SealingKey,
    purpose: Purpose,
    place: &Place<'_>,
    envelope: &[u8],
) -> Result<Vec<u8>, SealError> {
    let record = key.open(purpose, place, envelope).map(|bytes| bytes.to_vec());
    let payload = key.open_payload(purpose, place, Zeroizing::new(envelope.to_vec()));
    assert_eq!(record, payload.map(|bytes| bytes.expose().to_vec()), "the two ways to open disagree");
    record
}

/// Seals in both ways.
fn seal(key: &SealingKey, purpose: Purpose, place: &Place<'_>, plaintext: &[u8]) -> [Vec<u8>; 2] {
    let facemap = FacemapBytes::new(plaintext.to_vec());
    [
        key.seal(&SystemRng::new(), purpose, place, plaintext),
        key.seal_payload(&SystemRng::new(), purpose, place, facemap).to_envelope(),
    ]
}

#[test]
fn moving_an_envelope_fails() {
    let key = key(1);
    let elsewhere = [
        Place { table: "users", ..PLACE },
        Place { record: b"record-2", ..PLACE },
        Place { field: "similarity", ..PLACE },
        Place { generation: 8, ..PLACE },
        Place { generation: 6, ..PLACE },
    ];
    for envelope in seal(&key, Purpose::Record, &PLACE, b"ready") {
        assert_eq!(open(&key, Purpose::Record, &PLACE, &envelope).unwrap(), b"ready");
        for place in &elsewhere {
            assert_eq!(
                open(&key, Purpose::Record, place, &envelope),
                Err(SealError::DoesNotOpen),
                "{place:?}"
            );
        }
    }
}

#[test]
fn places_whose_parts_run_together_are_not_the_same() {
    let key = key(1);
    let place = Place { table: "ab", record: b"cd", field: "ef", generation: 0 };
    let others = [
        Place { table: "abc", record: b"d", ..place },
        Place { table: "a", record: b"bcd", ..place },
        Place { record: b"cde", field: "f", ..place },
        Place { record: b"c", field: "def", ..place },
        Place { table: "", record: b"abcd", ..place },
    ];
    let [envelope, _] = seal(&key, Purpose::Record, &place, b"x");
    for other in &others {
        assert_eq!(open(&key, Purpose::Record, other, &envelope), Err(SealError::DoesNotOpen), "{other:?}");
    }
}

#[test]
fn an_envelope_opens_for_no_other_purpose() {
    let key = key(1);
    for made_for in Purpose::ALL {
        for envelope in seal(&key, *made_for, &PLACE, b"x") {
            for asked_for in Purpose::ALL {
                let opened = open(&key, *asked_for, &PLACE, &envelope);
                assert_eq!(opened.is_ok(), made_for == asked_for, "{made_for:?} as {asked_for:?}");
            }
        }
    }
}

#[test]
fn neither_another_key_nor_another_key_id_opens_an_envelope() {
    let bytes = Zeroizing::new([9; 32]);
    let (id, other_id) = (KeyId::from_bytes([1; 8]), KeyId::from_bytes([2; 8]));
    let key = SealingKey::new(id, SymmetricKey::from_bytes(&bytes));
    let same_id = SealingKey::new(id, SymmetricKey::from_bytes(&Zeroizing::new([8; 32])));
    let same_bytes = SealingKey::new(other_id, SymmetricKey::from_bytes(&bytes));
    for envelope in seal(&key, Purpose::Record, &PLACE, b"x") {
        assert_eq!(envelope_key_id(&envelope), Some(id));
        assert_eq!(open(&same_id, Purpose::Record, &PLACE, &envelope), Err(SealError::DoesNotOpen));
        assert_eq!(open(&same_bytes, Purpose::Record, &PLACE, &envelope), Err(SealError::DoesNotOpen));
        // Written over in the header as well, it is still bound to the first id.
        let mut renamed = envelope.clone();
        renamed[2..10].copy_from_slice(other_id.as_bytes());
        assert_eq!(open(&same_bytes, Purpose::Record, &PLACE, &renamed), Err(SealError::DoesNotOpen));
    }
}

#[test]
fn every_flipped_bit_fails() {
    let key = key(1);
    for envelope in seal(&key, Purpose::Facemap, &PLACE, b"a face") {
        for bit in 0..8 * envelope.len() {
            let mut changed = envelope.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let opened = open(&key, Purpose::Facemap, &PLACE, &changed);
            assert_eq!(opened, Err(SealError::DoesNotOpen), "bit {bit}");
        }
    }
}

#[test]
fn cut_off_at_any_length_it_fails() {
    let key = key(1);
    for envelope in seal(&key, Purpose::Facemap, &PLACE, &[3; 40]) {
        for length in 0..envelope.len() {
            let opened = open(&key, Purpose::Facemap, &PLACE, &envelope[..length]);
            assert_eq!(opened, Err(SealError::DoesNotOpen), "{length} bytes");
        }
        let longer = [&envelope[..], &[0]].concat();
        assert_eq!(open(&key, Purpose::Facemap, &PLACE, &longer), Err(SealError::DoesNotOpen));
    }
}

#[test]
fn one_value_sealed_twice_gives_two_envelopes_with_nothing_in_common_but_the_header() {
    let key = key(1);
    let [first, second] = [(); 2].map(|()| key.seal(&SystemRng::new(), Purpose::Record, &PLACE, &[0; 64]));
    assert_eq!(first[..10], second[..10]);
    for part in [10..42, 42..74, 74..86, 86..150, 150..166] {
        assert_ne!(first[part.clone()], second[part.clone()], "{part:?}");
    }
}

#[test]
fn sub_keys_open_nothing_of_each_other_nor_of_the_key_they_come_from() {
    let key = key(1);
    let family = [
        key.derive("person", b"secret"),
        key.derive("person", b"secret2"),
        key.derive("epoch", b"secret"),
        key.derive("persons", b"ecret"),
        key.derive("personsecret", b""),
        key.derive("", b"personsecret"),
        SealingKey::new(key.id(), SymmetricKey::generate(&SeededRng::new(5))).derive("person", b"secret"),
        key,
    ];
    for (made_by, sealer) in family.iter().enumerate() {
        let envelope = sealer.seal(&SystemRng::new(), Purpose::PersonField, &PLACE, b"x");
        for (asked, opener) in family.iter().enumerate() {
            let opened = opener.open(Purpose::PersonField, &PLACE, &envelope);
            assert_eq!(opened.is_ok(), made_by == asked, "{made_by} by {asked}");
        }
    }
    let again = SealingKey::generate(&SeededRng::new(1)).derive("person", b"secret");
    let envelope = again.seal(&SystemRng::new(), Purpose::PersonField, &PLACE, b"x");
    assert!(
        family[0].open(Purpose::PersonField, &PLACE, &envelope).is_ok(),
        "a sub key is the same every time"
    );
}

#[test]
fn debug_shows_no_key_and_no_record_id() {
    let key =
        SealingKey::new(KeyId::from_bytes([1; 8]), SymmetricKey::from_bytes(&Zeroizing::new([0xab; 32])));
    assert_eq!(format!("{key:?}"), "SealingKey(0101010101010101, ..)");
    let place = Place { record: b"ines", ..PLACE };
    assert_eq!(format!("{place:?}"), "Place(enrollments, .., state, generation 7)");
}

proptest! {
    #[test]
    fn what_was_sealed_opens_and_is_longer_by_the_overhead(
        plaintext in proptest::collection::vec(any::<u8>(), 0..2000),
        table in "[a-z]{0,8}", record: Vec<u8>, field in "[a-z]{0,8}", generation: u64,
    ) {
        let key = key(2);
        let place = Place { table: &table, record: &record, field: &field, generation };
        for envelope in seal(&key, Purpose::Facemap, &place, &plaintext) {
            prop_assert_eq!(envelope.len(), plaintext.len() + ENVELOPE_OVERHEAD);
            prop_assert_eq!(open(&key, Purpose::Facemap, &place, &envelope).unwrap(), &plaintext[..]);
        }
    }

    #[test]
    fn any_bytes_are_refused_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), is_headed: bool) {
        let key = key(2);
        if is_headed && bytes.len() >= 10 {
            bytes[..2].copy_from_slice(&[1, 1]);
            bytes[2..10].copy_from_slice(key.id().as_bytes());
        }
        prop_assert_eq!(open(&key, Purpose::Record, &PLACE, &bytes), Err(SealError::DoesNotOpen));
    }

    #[test]
    fn a_key_id_has_one_spelling(bytes: [u8; 8], text in "[0-9a-fA-F]{14,18}") {
        let id = KeyId::from_bytes(bytes);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        match text.parse::<KeyId>() {
            Ok(id) => prop_assert_eq!(id.to_string(), text),
            Err(_) => prop_assert!(text.len() != 16 || text.to_lowercase() != text),
        }
    }
}
