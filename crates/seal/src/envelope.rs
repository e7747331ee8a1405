//! The bytes of an envelope (DESIGN 3.9), the same for both implementations of AES-256-GCM:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format, 1 |
//! | 1 | algorithm, 1 = AES-256-GCM |
//! | 8 | key id |
//! | 32 | salt |
//! | 32 | commitment |
//! | 12 | nonce |
//! | … | ciphertext, as long as the plaintext |
//! | 16 | tag |

use crate::{KeyId, Place, Purpose, SealError, SealingKey, aead, kdf::EnvelopeKeys};
use model::Rng;
use subtle::ConstantTimeEq;

/// The format that this version writes, and the only one it reads.
pub(crate) const FORMAT: u8 = 1;
/// AES-256-GCM with a 12-byte nonce and a 16-byte tag.
pub(crate) const ALGORITHM: u8 = 1;

const KEY_ID_AT: usize = 2;
const SALT_AT: usize = KEY_ID_AT + 8;
const COMMITMENT_AT: usize = SALT_AT + 32;
const NONCE_AT: usize = COMMITMENT_AT + 32;

/// Bytes before the ciphertext.
pub const ENVELOPE_HEADER: usize = NONCE_AT + aead::NONCE_BYTES;

/// Bytes by which an envelope is longer than what is in it.
pub const ENVELOPE_OVERHEAD: usize = ENVELOPE_HEADER + aead::TAG_BYTES;

/// The id of the key that an envelope says it was sealed under; `None` when it is no envelope of this format. Nothing
/// is proven by it: it serves to find the key and to count what a rewrap has left to do.
#[must_use]
pub fn envelope_key_id(envelope: &[u8]) -> Option<KeyId> {
    let header = envelope.first_chunk::<ENVELOPE_HEADER>()?;
    if envelope.len() < ENVELOPE_OVERHEAD || header[0] != FORMAT || header[1] != ALGORITHM {
        return None;
    }
    header[KEY_ID_AT..].first_chunk().copied().map(KeyId::from_bytes)
}

/// A key that is ready to seal or open one envelope at one place.
pub(crate) struct Prepared {
    pub(crate) keys: EnvelopeKeys,
    pub(crate) nonce: [u8; aead::NONCE_BYTES],
    pub(crate) associated_data: Vec<u8>,
}

/// Starts an envelope: its header, and what the AEAD needs. Salt and nonce are fresh, so that no encryption key is
/// ever used twice.
pub(crate) fn start(
    key: &SealingKey,
    rng: &dyn Rng,
    purpose: Purpose,
    place: &Place<'_>,
) -> ([u8; ENVELOPE_HEADER], Prepared) {
    let mut random = [0; 32 + aead::NONCE_BYTES];
    rng.fill(&mut random);
    let (salt, nonce) = random.split_at(32);
    let keys = EnvelopeKeys::derive(key.secret(), salt, FORMAT, purpose.label());

    let mut header = [0; ENVELOPE_HEADER];
    header[0] = FORMAT;
    header[1] = ALGORITHM;
    header[KEY_ID_AT..SALT_AT].copy_from_slice(key.id().as_bytes());
    header[SALT_AT..COMMITMENT_AT].copy_from_slice(salt);
    header[COMMITMENT_AT..NONCE_AT].copy_from_slice(keys.commitment());
    header[NONCE_AT..].copy_from_slice(nonce);
    let prepared =
        Prepared { keys, nonce: nonce_of(&header), associated_data: place.associated_data(key.id()) };
    (header, prepared)
}

/// Reads the header of an envelope and checks its commitment, before anything is decrypted: GCM itself commits to
/// no key, a ciphertext that opens under two keys can be built by hand.
pub(crate) fn check(
    key: &SealingKey,
    purpose: Purpose,
    place: &Place<'_>,
    envelope: &[u8],
) -> Result<Prepared, SealError> {
    if envelope_key_id(envelope) != Some(key.id()) {
        return Err(SealError::DoesNotOpen);
    }
    let header = envelope.first_chunk::<ENVELOPE_HEADER>().ok_or(SealError::DoesNotOpen)?;
    let keys = EnvelopeKeys::derive(key.secret(), &header[SALT_AT..COMMITMENT_AT], FORMAT, purpose.label());
    if !bool::from(keys.commitment().ct_eq(&header[COMMITMENT_AT..NONCE_AT])) {
        return Err(SealError::DoesNotOpen);
    }
    Ok(Prepared { keys, nonce: nonce_of(header), associated_data: place.associated_data(key.id()) })
}

fn nonce_of(header: &[u8; ENVELOPE_HEADER]) -> [u8; aead::NONCE_BYTES] {
    let mut nonce = [0; aead::NONCE_BYTES];
    nonce.copy_from_slice(&header[NONCE_AT..]);
    nonce
}
