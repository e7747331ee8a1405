//! Key ids, and keys that wipe themselves.

use crate::SealError;
use model::{Rng, hex};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};
use zeroize::Zeroizing;

/// Bytes of a symmetric key: AES-256, HKDF-SHA-256 and HMAC-SHA-256 all take 32.
pub const KEY_BYTES: usize = 32;

/// The name of a key. Random, says nothing about the key, and stands in every envelope and in logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// A new random id.
    #[must_use]
    pub fn random(rng: &dyn Rng) -> Self {
        let mut bytes = [0; 8];
        rng.fill(&mut bytes);
        Self(bytes)
    }

    /// The id with these eight bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The eight bytes behind the text.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = SealError;
    fn from_str(text: &str) -> Result<Self, SealError> {
        hex::decode(text).map(Self).ok_or(SealError::NotAKeyId)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A key: wiped on drop, without `Clone`, never shown. The bytes lie on the heap, so that moving the key leaves no
/// copy behind on a stack.
pub struct SymmetricKey(Box<Zeroizing<[u8; KEY_BYTES]>>);

impl SymmetricKey {
    /// A new random key.
    #[must_use]
    pub fn generate(rng: &dyn Rng) -> Self {
        let mut key = Self(Box::new(Zeroizing::new([0; KEY_BYTES])));
        rng.fill(&mut key.0[..]);
        key
    }

    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let mut key = Self(Box::new(Zeroizing::new([0; KEY_BYTES])));
        key.0.copy_from_slice(&bytes[..]);
        key
    }

    /// The key with these bytes, if there are exactly [`KEY_BYTES`] of them.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut key = Self(Box::new(Zeroizing::new([0; KEY_BYTES])));
        if bytes.len() != KEY_BYTES {
            return None;
        }
        key.0.copy_from_slice(bytes);
        Some(key)
    }

    /// The bytes. Call this where they are wrapped or used, and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for SymmetricKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SymmetricKey(..)")
    }
}
