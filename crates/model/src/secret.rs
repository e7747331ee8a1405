//! Buffers that are wiped when they are dropped, and never show themselves.

use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// A text that must not be seen: a credential, a token, a link.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text. Call this where it leaves the process, and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The bytes of a facemap: sized once, wiped on drop, without `Clone`.
pub struct FacemapBytes(Zeroizing<Vec<u8>>);

impl FacemapBytes {
    /// Takes the buffer over. It must not grow afterwards, which is why there is no way to make it.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes: for sealing, for the digest, and for the request to Jumio.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all: such a facemap is refused at the door.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives the buffer away, to be sealed in place. Whoever takes it wipes it.
    #[must_use]
    pub fn into_buffer(mut self) -> Zeroizing<Vec<u8>> {
        std::mem::take(&mut self.0)
    }
}

impl From<Zeroizing<Vec<u8>>> for FacemapBytes {
    fn from(buffer: Zeroizing<Vec<u8>>) -> Self {
        Self(buffer)
    }
}

/// So that a request body can own the facemap and wipe it after the last byte is sent.
impl AsRef<[u8]> for FacemapBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Zeroize for FacemapBytes {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for FacemapBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FacemapBytes({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_secret_or_a_facemap() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "Secret(..)");
        assert_eq!(format!("{:?}", FacemapBytes::new(vec![7; 3])), "FacemapBytes(3 bytes)");
    }
}
