//! Pseudonyms and tags: equal for equal inputs, and for nothing else.

use model::rng::SeededRng;
use proptest::prelude::*;
use seal::{MacKey, Pseudonym, Pseudonyms, SymmetricKey};

fn key(seed: u64) -> SymmetricKey {
    SymmetricKey::generate(&SeededRng::new(seed))
}

#[test]
fn a_pseudonym_differs_by_domain_value_and_key_and_by_nothing_else() {
    let pseudonyms = Pseudonyms::new(&key(1));
    let ines = pseudonyms.of("user", b"ines");
    assert_eq!(ines, Pseudonyms::new(&key(1)).of("user", b"ines"));
    assert_ne!(ines, pseudonyms.of("enrollment", b"ines"));
    assert_ne!(ines, pseudonyms.of("link", b"ines"), "a domain of the same length");
    assert_ne!(ines, pseudonyms.of("user", b"Ines"));
    assert_ne!(ines, Pseudonyms::new(&key(2)).of("user", b"ines"));
}

#[test]
fn domain_and_value_do_not_run_together() {
    let pseudonyms = Pseudonyms::new(&key(1));
    assert_ne!(pseudonyms.of("user", b"ines"), pseudonyms.of("useri", b"nes"));
    assert_ne!(pseudonyms.of("user", b"ines"), pseudonyms.of("", b"userines"));
    let tags = MacKey::new(&key(1));
    assert_ne!(tags.tag("link", b"1"), tags.tag("lin", b"k1"));
}

#[test]
fn a_tag_counts_from_sixteen_bytes_on_for_its_label_and_message_only() {
    let key = MacKey::new(&key(1));
    let tag = key.tag("link", b"message");
    for length in 0..=tag.len() {
        assert_eq!(key.verify("link", b"message", &tag[..length]), length >= 16, "{length} bytes");
    }
    assert!(!key.verify("link", b"message", &[&tag[..], &[0]].concat()));
    assert!(!key.verify("callback", b"message", &tag));
    assert!(!key.verify("page", b"message", &tag), "a label of the same length");
    assert!(!key.verify("link", b"massage", &tag));
    for bit in 0..8 * tag.len() {
        let mut changed = tag;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!key.verify("link", b"message", &changed), "bit {bit}");
    }
}

proptest! {
    #[test]
    fn a_pseudonym_is_read_back_as_it_was_written(bytes: [u8; 32]) {
        let pseudonym = Pseudonym::from_bytes(bytes);
        prop_assert_eq!(pseudonym.to_string().parse(), Ok(pseudonym));
        let text = serde_json::to_string(&pseudonym).unwrap();
        prop_assert_eq!(serde_json::from_str::<Pseudonym>(&text).unwrap(), pseudonym);
        prop_assert!(pseudonym.to_string().to_uppercase().parse::<Pseudonym>().is_err() || bytes.iter().all(|b| b >> 4 < 10 && b & 15 < 10));
    }
}
