//! What must hold for whatever is handed in as a receipt or as a public key: the fuzzer holds it against millions of inputs
//! (`scripts/fuzz`), the tests below against its seeds and what is near to them.

#![expect(clippy::must_use_candidate, reason = "the fuzzer has no use for the answer, the tests count it")]

use crate::{PublicKey, check, jwk, sign, verified};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use seal::{KeyId, SigningKey, SymmetricKey};

fn symmetric(byte: u8) -> SymmetricKey {
    SymmetricKey::from_slice(&[byte; 32]).expect("32 bytes")
}

fn key() -> SigningKey {
    SigningKey::from_seed(KeyId::from_bytes(*b"fuzzing!"), &symmetric(7))
}

/// A receipt that is accepted is, byte for byte, the one that the key signs for its statement.
///
/// # Panics
/// When that does not hold.
pub fn receipt(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let key = key();
    let Ok(statement) = check(text, &PublicKey::of(&key)) else { return false };
    assert_eq!(sign(&key, &statement).as_deref(), Ok(text), "a receipt has one spelling");
    let other = SigningKey::from_seed(key.id(), &symmetric(8));
    assert!(check(text, &PublicKey::of(&other)).is_err(), "another key's");
    true
}

/// Whatever header and statement are signed by the right key (its holder may be a later version, or careless): what is
/// accepted has the one version that is known, and signs to a receipt that says the same. Header and statement stand on both
/// sides of the first line feed.
///
/// # Panics
/// When that does not hold.
pub fn signed(input: &[u8]) -> bool {
    let Some(feed) = input.iter().position(|byte| *byte == b'\n') else { return false };
    let (header, payload) = (&input[..feed], &input[feed + 1..]);
    let key = key();
    let mut text = BASE64_URL_SAFE_NO_PAD.encode(header);
    text.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(payload, &mut text);
    let signature = key.sign(text.as_bytes());
    text.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    let public = PublicKey::of(&key);
    if let Ok(bytes) = verified(&text, &public) {
        assert!(bytes == payload);
    }
    let Ok(statement) = check(&text, &public) else { return false };
    assert_eq!(statement.version, crate::VERSION);
    let again = sign(&key, &statement).expect("a statement is JSON");
    assert_eq!(check(&again, &public).as_ref(), Ok(&statement));
    true
}

/// A public key that is accepted has thirty-two bytes that say the same in every spelling, and not everybody can sign under
/// it.
///
/// # Panics
/// When that does not hold.
pub fn public_key(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let Ok(key) = text.parse::<PublicKey>() else { return false };
    assert!(!key.is_weak());
    let plain: PublicKey = BASE64_STANDARD.encode(key.as_bytes()).parse().expect("its own bytes");
    assert_eq!(plain.as_bytes(), key.as_bytes());
    let mut shown = jwk(&self::key());
    shown.x = BASE64_URL_SAFE_NO_PAD.encode(key.as_bytes());
    let shown = serde_json::to_string(&shown).expect("texts are JSON");
    assert_eq!(PublicKey::from_jwk(&shown).map(|again| *again.as_bytes()), Ok(*key.as_bytes()));
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Statement;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_accepted_receipt_is_the_one_that_was_signed(input in seeds::near("receipt")) {
            receipt(&input);
        }

        #[test]
        fn what_was_signed_and_accepted_says_the_same_again(input in seeds::near("signed")) {
            signed(&input);
        }

        #[test]
        fn an_accepted_public_key_is_one_that_binds(input in seeds::near("public_key")) {
            public_key(&input);
        }
    }

    #[test]
    fn the_seeds_hold_and_some_of_each_are_accepted() {
        let statement = &seeds::of("signed")[3];
        let feed = statement.iter().position(|byte| *byte == b'\n').expect("a header stands before it");
        let statement: Statement = serde_json::from_slice(&statement[feed + 1..]).expect("a statement");
        seeds::are("receipt", &[sign(&key(), &statement).expect("a statement is JSON").into_bytes()]);
        assert!(seeds::accepted("receipt", receipt) >= 1);
        assert!(seeds::accepted("signed", signed) >= 2);
        assert!(seeds::accepted("public_key", public_key) >= 2);
    }
}
