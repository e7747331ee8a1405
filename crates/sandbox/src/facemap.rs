//! Facemaps: bytes given by a test, or made up from the transaction's reference whenever they are needed.
//!
//! Made-up ones take no memory, so thousands of verifications cost what their references cost.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ring::digest;

/// Size of a made-up facemap when nothing else is asked for, in bytes: what Jumio's are like.
pub(crate) const DEFAULT_BYTES: usize = 200 * 1024;
/// Largest facemap the sandbox makes up or takes, in bytes.
pub(crate) const MAX_BYTES: usize = 32 * 1024 * 1024;

/// What the sandbox captured of a person's face.
#[derive(Clone)]
pub(crate) enum Facemap {
    /// Bytes that a test handed in.
    Given(Bytes),
    /// Bytes that follow from the reference; `size` of them.
    Made { reference: String, size: usize },
}

impl Facemap {
    /// The raw bytes, as the facemap URL serves them.
    pub(crate) fn bytes(&self) -> Bytes {
        match self {
            Self::Given(bytes) => bytes.clone(),
            Self::Made { reference, size } => made_up(reference, *size),
        }
    }

    /// How many bytes of memory this facemap holds on to.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Self::Given(bytes) => bytes.len(),
            Self::Made { .. } => 0,
        }
    }

    /// Reads the base64 text of a control request.
    pub(crate) fn from_base64(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        (bytes.len() <= MAX_BYTES).then(|| Self::Given(bytes.into()))
    }
}

/// SHA-256 in lower-case hex digits: how the journal names facemaps.
pub(crate) fn digest_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    digest::digest(&digest::SHA256, bytes).as_ref().iter().fold(
        String::with_capacity(64),
        |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        },
    )
}

fn made_up(reference: &str, size: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(size);
    let mut block = 0_u64;
    while bytes.len() < size {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(reference.as_bytes());
        context.update(&block.to_be_bytes());
        let part = context.finish();
        let part = part.as_ref();
        bytes.extend_from_slice(&part[..part.len().min(size - bytes.len())]);
        block += 1;
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_facemaps_repeat_for_one_reference_and_differ_between_references() {
        let made = |reference: &str| Facemap::Made { reference: reference.to_owned(), size: 1000 }.bytes();
        assert_eq!(made("a").len(), 1000);
        assert_eq!(made("a"), made("a"));
        assert_ne!(made("a"), made("b"));
    }

    #[test]
    fn the_digest_is_sha_256_in_hex() {
        assert_eq!(digest_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
