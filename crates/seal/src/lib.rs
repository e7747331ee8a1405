#![doc = include_str!("../README.md")]

mod aead;
#[cfg(feature = "test-util")]
pub mod conformance;
mod envelope;
mod error;
#[cfg(feature = "test-util")]
mod fakes;
#[cfg(feature = "test-util")]
pub mod fuzzing;
mod held;
mod kdf;
mod key;
mod mac;
mod payload;
mod place;
mod provider;
mod random;
mod sealing;
mod signing;

pub use envelope::{ENVELOPE_HEADER, ENVELOPE_OVERHEAD, envelope_key_id};
pub use error::{ProviderError, SealError};
#[cfg(feature = "test-util")]
pub use fakes::MemoryProvider;
pub use held::{HeldKeyEntry, HeldKeys, HeldKeysFile};
pub use key::{KEY_BYTES, KeyId, SymmetricKey};
pub use mac::{MacKey, Pseudonym, Pseudonyms};
pub use payload::SealedPayload;
pub use place::{Place, Purpose};
pub use provider::{KeyProvider, Keyring};
pub use random::SystemRng;
pub use sealing::SealingKey;
pub use signing::SigningKey;
