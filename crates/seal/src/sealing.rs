//! A key that seals and opens values.

use crate::{
    KEY_BYTES, KeyId, Place, Purpose, SealError, SymmetricKey, aead,
    envelope::{self, ENVELOPE_HEADER, ENVELOPE_OVERHEAD},
    kdf,
};
use model::Rng;
use std::fmt;
use zeroize::Zeroizing;

/// Parts the derivation of sub keys from that of envelope keys, whose salt is random and whose info begins with a format.
const SUB_KEY_SALT: &[u8] = b"facemap-vault sub key";
const SUB_KEY_FORMAT: u8 = 0;

/// A key with its id: seals values and opens them. What one purpose sealed, no other purpose opens.
pub struct SealingKey {
    id: KeyId,
    key: SymmetricKey,
}

impl SealingKey {
    /// The key under this id.
    #[must_use]
    pub const fn new(id: KeyId, key: SymmetricKey) -> Self {
        Self { id, key }
    }

    /// A new random key with a new random id.
    #[must_use]
    pub fn generate(rng: &dyn Rng) -> Self {
        Self { id: KeyId::random(rng), key: SymmetricKey::generate(rng) }
    }

    /// The id that stands in every envelope of this key.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn secret(&self) -> &[u8; KEY_BYTES] {
        self.key.expose()
    }

    /// Seals a small value: a record, a field, a key. The envelope is [`ENVELOPE_OVERHEAD`] bytes longer.
    ///
    /// # Panics
    /// Above 64 GiB, AES-GCM's own limit. Callers cap their values far below.
    #[must_use]
    pub fn seal(&self, rng: &dyn Rng, purpose: Purpose, place: &Place<'_>, plaintext: &[u8]) -> Vec<u8> {
        let (header, prepared) = envelope::start(self, rng, purpose, place);
        // Sized once: a buffer that grows would leave plaintext behind.
        let mut envelope = Vec::with_capacity(ENVELOPE_OVERHEAD + plaintext.len());
        envelope.extend_from_slice(&header);
        envelope.extend_from_slice(plaintext);
        let body = &mut envelope[ENVELOPE_HEADER..];
        let tag =
            aead::seal_record(prepared.keys.encryption(), &prepared.nonce, &prepared.associated_data, body);
        envelope.extend_from_slice(&tag);
        envelope
    }

    /// Opens what [`SealingKey::seal`] or [`SealingKey::seal_payload`] sealed for the same purpose and place.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`] for everything that is not exactly that, without saying why.
    pub fn open(
        &self,
        purpose: Purpose,
        place: &Place<'_>,
        envelope: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let prepared = envelope::check(self, purpose, place, envelope)?;
        let (body, tag) = envelope[ENVELOPE_HEADER..].split_last_chunk().ok_or(SealError::DoesNotOpen)?;
        let mut plaintext = Zeroizing::new(body.to_vec());
        let key = prepared.keys.encryption();
        aead::open_record(key, &prepared.nonce, &prepared.associated_data, &mut plaintext, tag)?;
        Ok(plaintext)
    }

    /// A key for one use, from this one: `label` says what for, `context` which one (a slot's secret, an hour). Other
    /// label or context, other key; nobody gets from it to this key or to its other sub keys. It carries the same id,
    /// which tells from which held key it comes.
    #[must_use]
    pub fn derive(&self, label: &str, context: &[u8]) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        // The label's length keeps ("ab", "c") and ("a", "bc") apart.
        let length = (label.len() as u64).to_be_bytes();
        let info = [&[SUB_KEY_FORMAT][..], &length, label.as_bytes(), context];
        kdf::derive(self.secret(), SUB_KEY_SALT, &info, &mut bytes[..]);
        Self { id: self.id, key: SymmetricKey::from_bytes(&bytes) }
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({}, ..)", self.id)
    }
}
