//! AES-256-GCM (NIST SP 800-38D) twice: the `aes-gcm` crate, which wipes its key schedule, for records and keys; `ring`,
//! which is more than twice as fast and wipes nothing, for facemaps. One format, so that each opens what the other sealed.

use crate::SealError;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use ring::aead as fast;

pub(crate) const NONCE_BYTES: usize = 12;
pub(crate) const TAG_BYTES: usize = 16;

type Nonce = [u8; NONCE_BYTES];
pub(crate) type Tag = [u8; TAG_BYTES];

/// Encrypts a record or a key where it lies. `key` has 32 bytes.
pub(crate) fn seal_record(key: &[u8], nonce: &Nonce, associated_data: &[u8], in_out: &mut [u8]) -> Tag {
    // Unwrap safety: every key comes out of the key derivation with 32 bytes.
    let cipher = Aes256Gcm::new_from_slice(key).expect("32 bytes are an AES-256 key");
    let sealed = cipher.encrypt_inout_detached(nonce.into(), associated_data, in_out.into());
    // Unwrap safety: this fails only above 64 GiB, AES-GCM's own limit; records have a few kilobytes.
    sealed.expect("a record is shorter than 64 GiB").into()
}

/// Decrypts a record or a key where it lies. `key` has 32 bytes.
pub(crate) fn open_record(
    key: &[u8],
    nonce: &Nonce,
    associated_data: &[u8],
    in_out: &mut [u8],
    tag: &Tag,
) -> Result<(), SealError> {
    // Unwrap safety: every key comes out of the key derivation with 32 bytes.
    let cipher = Aes256Gcm::new_from_slice(key).expect("32 bytes are an AES-256 key");
    cipher
        .decrypt_inout_detached(nonce.into(), associated_data, in_out.into(), tag.into())
        .map_err(|_| SealError::DoesNotOpen)
}

fn fast_key(key: &[u8]) -> fast::LessSafeKey {
    // Unwrap safety: every key comes out of the key derivation with 32 bytes.
    let key = fast::UnboundKey::new(&fast::AES_256_GCM, key).expect("32 bytes are an AES-256 key");
    // "Less safe" is about nonces chosen by the caller; here each key meets one nonce only.
    fast::LessSafeKey::new(key)
}

/// Encrypts a facemap where it lies. `key` has 32 bytes.
pub(crate) fn seal_payload(key: &[u8], nonce: &Nonce, associated_data: &[u8], in_out: &mut [u8]) -> Tag {
    let nonce = fast::Nonce::assume_unique_for_key(*nonce);
    let sealed = fast_key(key).seal_in_place_separate_tag(nonce, fast::Aad::from(associated_data), in_out);
    let mut tag = [0; TAG_BYTES];
    // Unwrap safety: this fails only above 64 GiB, AES-GCM's own limit; facemaps have 16 MiB at most.
    tag.copy_from_slice(sealed.expect("a facemap is shorter than 64 GiB").as_ref());
    tag
}

/// Decrypts a facemap: `in_out` holds anything, then from `ciphertext_at` on the ciphertext and its tag; afterwards it
/// begins with the plaintext, whose length is returned. On failure what was decrypted is wiped.
pub(crate) fn open_payload(
    key: &[u8],
    nonce: &Nonce,
    associated_data: &[u8],
    in_out: &mut [u8],
    ciphertext_at: usize,
) -> Result<usize, SealError> {
    let nonce = fast::Nonce::assume_unique_for_key(*nonce);
    fast_key(key)
        .open_within(nonce, fast::Aad::from(associated_data), in_out, ciphertext_at..)
        .map(|plaintext| plaintext.len())
        .map_err(|_| SealError::DoesNotOpen)
}
