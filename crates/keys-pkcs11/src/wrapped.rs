//! What wrapped bytes look like:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format, 0x11: no envelope of `seal` begins with it |
//! | 1 | algorithm, 1 = `CKM_AES_GCM`, 96-bit IV, 128-bit tag |
//! | 8 | key id |
//! | 12 | IV |
//! | … | ciphertext, as long as the plaintext |
//! | 16 | tag |

use seal::{KeyId, Place};

const FORMAT: u8 = 0x11;
const ALGORITHM: u8 = 1;
const ID_AT: usize = 2;
const IV_AT: usize = ID_AT + 8;
const HEADER: usize = IV_AT + IV_BYTES;

pub(crate) const IV_BYTES: usize = 12;
pub(crate) const TAG_BYTES: usize = 16;

/// What wrapped bytes consist of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wrapped<'a> {
    pub(crate) id: KeyId,
    pub(crate) iv: [u8; IV_BYTES],
    /// Ciphertext and tag.
    pub(crate) sealed: &'a [u8],
}

impl<'a> Wrapped<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, sealed) = bytes.split_first_chunk::<HEADER>()?;
        if header[0] != FORMAT || header[1] != ALGORITHM || sealed.len() < TAG_BYTES {
            return None;
        }
        let id = KeyId::from_bytes(*header[ID_AT..].first_chunk()?);
        Some(Self { id, iv: *header[IV_AT..].first_chunk()?, sealed })
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [&[FORMAT, ALGORITHM], self.id.as_bytes().as_slice(), &self.iv, self.sealed].concat()
    }
}

/// What the token binds the ciphertext to: this format, and the place under this key.
pub(crate) fn associated_data(place: &Place<'_>, id: KeyId) -> Vec<u8> {
    let mut data = vec![FORMAT, ALGORITHM];
    data.extend(place.associated_data(id));
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_other_bytes_are_not_ours() {
        let (id, sealed) = (KeyId::from_bytes([3; 8]), [9; 176]);
        let wrapped = Wrapped { id, iv: [5; IV_BYTES], sealed: &sealed };
        let bytes = wrapped.to_bytes();
        assert_eq!(Wrapped::parse(&bytes), Some(wrapped));
        assert!(bytes.len() <= 364, "a slot has room for that much around 160 bytes: {}", bytes.len());
        assert_eq!(Wrapped::parse(&bytes[..HEADER + TAG_BYTES - 1]), None);
        for at in [0, 1] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_eq!(Wrapped::parse(&other), None);
        }
        assert_eq!(seal::envelope_key_id(&bytes), None);
    }
}
