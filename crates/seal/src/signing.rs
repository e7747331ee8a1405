//! Signatures that anybody can check: Ed25519 (RFC 8032).

use crate::{KEY_BYTES, KeyId, SymmetricKey};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use std::fmt;

/// Bytes of an Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;

/// A key that signs. Its public half may go to anybody, who can then check what it signed and nothing more.
///
/// `ring` does not wipe the private scalar and the prefix that it makes out of the seed; they are held for as long as the
/// process lives.
pub struct SigningKey {
    id: KeyId,
    pair: Ed25519KeyPair,
    public: [u8; KEY_BYTES],
}

impl SigningKey {
    /// The key of this seed: the same seed, the same key.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn from_seed(id: KeyId, seed: &SymmetricKey) -> Self {
        // Unwrap safety: RFC 8032 takes every 32 bytes as a seed, and ring refuses only another length.
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).expect("32 bytes are an Ed25519 seed");
        let mut public = [0; KEY_BYTES];
        public.copy_from_slice(pair.public_key().as_ref());
        Self { id, pair, public }
    }

    /// The name of this key, for whoever must find its public half.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The public half, as RFC 8032 writes it.
    #[must_use]
    pub const fn public(&self) -> [u8; KEY_BYTES] {
        self.public
    }

    /// Signs a message. The same message has the same signature.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let mut signature = [0; SIGNATURE_BYTES];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, ..)", self.id)
    }
}
