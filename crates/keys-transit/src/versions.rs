//! The versions of a transit key: their ids, and the bytes in which one of them wrapped something.

use ring::digest::{SHA256, digest};
use seal::{KeyId, ProviderError};

/// The first byte of what this provider stores. Part of the format.
const FORMAT: u8 = 1;
/// Format and version, in front of the raw ciphertext.
const HEADER: usize = 1 + size_of::<u32>();
/// Nonce and tag that AES-256-GCM adds.
pub(crate) const SEAL_BYTES: usize = 12 + 16;

/// Which versions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions {
    /// The newest: it wraps.
    pub(crate) latest: u32,
    /// The oldest that may still unwrap.
    pub(crate) oldest: u32,
    /// The oldest that is not destroyed.
    pub(crate) kept: u32,
}

impl Versions {
    /// Whether this version unwraps.
    pub(crate) fn opens(&self, version: u32) -> bool {
        (self.oldest..=self.latest).contains(&version)
    }
}

/// The names of one key's versions.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    mount: String,
    key: String,
}

impl Names {
    pub(crate) fn new(mount: &str, key: &str) -> Self {
        Self { mount: mount.to_owned(), key: key.to_owned() }
    }

    /// The id of a version: the same at every start, and on every machine that uses this key.
    pub(crate) fn id(&self, version: u32) -> KeyId {
        let mut bytes = Vec::new();
        for part in [b"facemap-vault transit".as_slice(), self.mount.as_bytes(), self.key.as_bytes()] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&version.to_be_bytes());
        let hash = digest(&SHA256, &bytes);
        let mut id = [0; 8];
        id.copy_from_slice(&hash.as_ref()[..8]);
        KeyId::from_bytes(id)
    }

    /// The id that stands for the key itself: what is wrapped is bound to it, because the engine alone knows which
    /// version it will take. The version is bound by its own key.
    pub(crate) fn of_key(&self) -> KeyId {
        self.id(0)
    }
}

/// What is stored: the format, the version, the raw ciphertext. Far shorter than the engine's own text.
pub(crate) fn pack(version: u32, ciphertext: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(HEADER + ciphertext.len());
    stored.push(FORMAT);
    stored.extend_from_slice(&version.to_be_bytes());
    stored.extend_from_slice(ciphertext);
    stored
}

/// Version and raw ciphertext of what is stored.
pub(crate) fn unpack(stored: &[u8]) -> Result<(u32, &[u8]), ProviderError> {
    let (header, ciphertext) = stored.split_at_checked(HEADER).ok_or(ProviderError::NotWrapped)?;
    let version = header[1..].iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    if header[0] != FORMAT || version == 0 || ciphertext.len() < SEAL_BYTES {
        return Err(ProviderError::NotWrapped);
    }
    Ok((version, ciphertext))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_version_never_changes_and_no_two_are_the_same() {
        let names = Names::new("transit", "facemap-vault");
        // Stored values and slots name these: another derivation would make every key unknown.
        assert_eq!(names.id(1).to_string(), "d47853e5b84a7d9e");
        assert_eq!(names.id(2).to_string(), "0500a285c62ba2b8");
        assert_ne!(Names::new("transitf", "acemap-vault").id(1), names.id(1));
        assert_ne!(names.of_key(), names.id(1));
    }

    #[test]
    fn what_was_never_packed_is_not_unpacked() {
        let stored = pack(7, &[9; 40]);
        assert_eq!(unpack(&stored).unwrap(), (7, &[9; 40][..]));
        let other_format = [&[2], &stored[1..]].concat();
        let version_0 = pack(0, &[9; 40]);
        for bad in [&[][..], &stored[..4], &stored[..HEADER + SEAL_BYTES - 1], &other_format, &version_0] {
            assert_eq!(unpack(bad), Err(ProviderError::NotWrapped));
        }
    }

    #[test]
    fn a_wrapped_data_key_fits_into_a_slot() {
        // What a slot layer is at most, and what a slot takes (vault::limits).
        assert!(pack(u32::MAX, &[0; 160 + SEAL_BYTES]).len() <= 364);
    }
}
