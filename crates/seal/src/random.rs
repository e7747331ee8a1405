//! The system's randomness.

use model::Rng;
use ring::rand::{SecureRandom, SystemRandom};

/// The operating system's source of random bytes.
#[derive(Debug, Clone)]
pub struct SystemRng(SystemRandom);

impl SystemRng {
    /// The system's source.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where the system's randomness comes in")]
    pub fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Default for SystemRng {
    fn default() -> Self {
        Self::new()
    }
}

impl Rng for SystemRng {
    /// # Panics
    /// When the system has no randomness: no key and no nonce can be made, and nothing may go on.
    fn fill(&self, dest: &mut [u8]) {
        // Unwrap safety: see above; a service without randomness must stop, not seal with what it has.
        self.0.fill(dest).expect("the operating system gives random bytes");
    }
}
