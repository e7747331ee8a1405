//! Unguessable things: references and authorisation tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SecureRandom as _;

/// A new transaction reference: a version 4 UUID in lower case, 36 characters.
pub(crate) fn reference() -> String {
    uuid::Builder::from_random_bytes(bytes::<16>()).into_uuid().hyphenated().to_string()
}

/// A new authorisation token: 256 bits from the system's generator.
pub(crate) fn token() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox shares no code with the vault, not even model::Rng; this is its one source of randomness"
)]
fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Unwrap safety: without randomness from the system nothing that is unguessable can be made, and a simulator
    // that handed out guessable links would be worse than one that stops.
    ring::rand::SystemRandom::new().fill(&mut bytes).expect("the system's random generator works");
    bytes
}
