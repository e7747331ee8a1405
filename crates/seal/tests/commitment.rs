//! GCM commits to no key: whoever knows two keys builds one ciphertext with one tag that is valid under both. The
//! envelope's commitment refuses it. The attack is carried out here for real, and on the way the format is built by
//! hand from its description.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

use aes_gcm::aes::{Aes256, cipher::BlockCipherEncrypt};
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use ring::hkdf;
use seal::{KeyId, Place, Purpose, SealError, SealingKey, SymmetricKey};
use zeroize::Zeroizing;

const PLACE: Place<'_> = Place { table: "content", record: b"record", field: "facemap", generation: 4 };
const ID: KeyId = KeyId::from_bytes([0x1d; 8]);
const SALT: [u8; 32] = [0x5a; 32];
const NONCE: [u8; 12] = [0x0e; 12];

struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        64
    }
}

/// DESIGN 3.9: HKDF-SHA-256(key, salt, format ‖ purpose) gives encryption key and commitment.
fn keys_of(key: [u8; 32]) -> ([u8; 32], [u8; 32]) {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &SALT).extract(&key);
    let mut out = [0; 64];
    prk.expand(&[b"\x01facemap"], Length).unwrap().fill(&mut out).unwrap();
    (out[..32].try_into().unwrap(), out[32..].try_into().unwrap())
}

/// DESIGN 3.9: length-prefixed format, algorithm, key id, table, record, field, generation.
fn associated_data() -> Vec<u8> {
    let parts: [&[u8]; 7] =
        [&[1], &[1], ID.as_bytes(), b"content", b"record", b"facemap", &4_u64.to_be_bytes()];
    parts.iter().flat_map(|part| [&(part.len() as u64).to_be_bytes()[..], part].concat()).collect()
}

fn envelope(commitment: &[u8; 32], ciphertext: &[u8], tag: &[u8; 16]) -> Vec<u8> {
    [&[1, 1][..], ID.as_bytes(), &SALT, commitment, &NONCE, ciphertext, tag].concat()
}

fn sealing_key(key: [u8; 32]) -> SealingKey {
    SealingKey::new(ID, SymmetricKey::from_bytes(&Zeroizing::new(key)))
}

fn opens(key: [u8; 32], envelope: &[u8]) -> Result<(), SealError> {
    let record = sealing_key(key).open(Purpose::Facemap, &PLACE, envelope).map(drop);
    let payload = sealing_key(key).open_payload(Purpose::Facemap, &PLACE, Zeroizing::new(envelope.to_vec()));
    assert_eq!(record, payload.map(drop), "the two ways to open disagree");
    record
}

fn opens_raw(key: &[u8; 32], ciphertext: &[u8], tag: &[u8; 16]) -> bool {
    let mut body = ciphertext.to_vec();
    let cipher = Aes256Gcm::new(key.into());
    cipher
        .decrypt_inout_detached(&NONCE.into(), &associated_data(), body.as_mut_slice().into(), tag.into())
        .is_ok()
}

/// One block under the bare cipher, as the number that GHASH computes with (first bit = highest).
fn block_under(key: &[u8; 32], block: [u8; 16]) -> u128 {
    let mut block = block.into();
    Aes256::new(key.into()).encrypt_block(&mut block);
    u128::from_be_bytes(block.into())
}

/// NIST SP 800-38D, 6.3: the product in GF(2^128), with the field's bits in reverse.
fn multiply(x: u128, y: u128) -> u128 {
    let (mut product, mut shifted) = (0, y);
    for bit in (0..128).rev() {
        if x >> bit & 1 == 1 {
            product ^= shifted;
        }
        shifted = if shifted & 1 == 1 { shifted >> 1 ^ 0xe1 << 120 } else { shifted >> 1 };
    }
    product
}

/// x^(2^128 - 2), which is 1/x in this field.
fn invert(x: u128) -> u128 {
    let (mut result, mut square) = (1 << 127, x);
    for _ in 1..128 {
        square = multiply(square, square);
        result = multiply(result, square);
    }
    result
}

/// NIST SP 800-38D, 6.4 and 7.1: the blocks that are hashed for this ciphertext.
fn hashed_blocks(ciphertext: &[u8]) -> Vec<u128> {
    let associated_data = associated_data();
    let padded = |bytes: &[u8]| -> Vec<u128> {
        let block = |chunk: &[u8]| {
            let mut block = [0; 16];
            block[..chunk.len()].copy_from_slice(chunk);
            u128::from_be_bytes(block)
        };
        bytes.chunks(16).map(block).collect()
    };
    let lengths = ((associated_data.len() as u128 * 8) << 64) | (ciphertext.len() as u128 * 8);
    [padded(&associated_data), padded(ciphertext), vec![lengths]].concat()
}

fn ghash(h: u128, blocks: &[u128]) -> u128 {
    blocks.iter().fold(0, |sum, block| multiply(sum ^ block, h))
}

/// The tag of a ciphertext, by hand.
fn tag_of(key: &[u8; 32], ciphertext: &[u8]) -> u128 {
    let mut first_counter = [0; 16];
    first_counter[..12].copy_from_slice(&NONCE);
    first_counter[15] = 1;
    ghash(block_under(key, [0; 16]), &hashed_blocks(ciphertext)) ^ block_under(key, first_counter)
}

/// A ciphertext, and its one tag under both keys. Its last block is what makes the two tags equal: a tag is linear in
/// it, with the factor h², because the block of the lengths follows.
fn made_for_both(first: &[u8; 32], second: &[u8; 32]) -> (Vec<u8>, [u8; 16]) {
    let mut ciphertext = b"the same sixteen-byte blocks, for two faces....".repeat(2)[..80].to_vec();
    ciphertext[64..].fill(0);
    let factor = |key| {
        let h = block_under(key, [0; 16]);
        multiply(h, h)
    };
    let difference = tag_of(first, &ciphertext) ^ tag_of(second, &ciphertext);
    let last = multiply(difference, invert(factor(first) ^ factor(second)));
    ciphertext[64..].copy_from_slice(&last.to_be_bytes());
    let tag = tag_of(first, &ciphertext).to_be_bytes();
    (ciphertext, tag)
}

#[test]
fn an_envelope_made_by_hand_from_the_description_opens() {
    let key = [7; 32];
    let (encryption, commitment) = keys_of(key);
    let mut body = b"a facemap".to_vec();
    let cipher = Aes256Gcm::new(&encryption.into());
    let tag =
        cipher.encrypt_inout_detached(&NONCE.into(), &associated_data(), body.as_mut_slice().into()).unwrap();
    let envelope = envelope(&commitment, &body, &tag.into());
    let opened = sealing_key(key).open(Purpose::Facemap, &PLACE, &envelope).unwrap();
    assert_eq!(**opened, *b"a facemap");
}

#[test]
fn a_ciphertext_built_to_open_under_two_keys_is_refused_by_the_commitment() {
    let (first, second) = ([0xa1; 32], [0xb2; 32]);
    let ((first_raw, first_commitment), (second_raw, second_commitment)) = (keys_of(first), keys_of(second));
    let (ciphertext, tag) = made_for_both(&first_raw, &second_raw);
    assert!(
        opens_raw(&first_raw, &ciphertext, &tag),
        "the attack works: raw GCM opens it under the first key"
    );
    assert!(
        opens_raw(&second_raw, &ciphertext, &tag),
        "the attack works: raw GCM opens it under the second key"
    );

    // An envelope has room for one commitment, and opens under the one key that it names.
    let for_first = envelope(&first_commitment, &ciphertext, &tag);
    assert_eq!(opens(first, &for_first), Ok(()));
    assert_eq!(opens(second, &for_first), Err(SealError::DoesNotOpen));
    let for_second = envelope(&second_commitment, &ciphertext, &tag);
    assert_eq!(opens(first, &for_second), Err(SealError::DoesNotOpen));
    assert_eq!(opens(second, &for_second), Ok(()));
    let mixed: [u8; 32] =
        std::array::from_fn(|at| if at < 16 { first_commitment[at] } else { second_commitment[at] });
    let for_neither = envelope(&mixed, &ciphertext, &tag);
    assert_eq!(opens(first, &for_neither), Err(SealError::DoesNotOpen));
    assert_eq!(opens(second, &for_neither), Err(SealError::DoesNotOpen));
}
