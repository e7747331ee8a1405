//! Signatures as Standard Webhooks 1.0.0 describes them: HMAC-SHA-256 over id, time and body.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::hmac;
use std::fmt;
use thiserror::Error;
use zeroize::{Zeroizing, zeroize_stack};

const PREFIX: &str = "whsec_";
/// More bytes of stack than a hash takes.
const HASHING_STACK: usize = 4096;
/// Bytes of a secret, by the specification.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a secret for events is {PREFIX} and 24 to 64 random bytes in base64; make one with `openssl rand -base64 32`"
)]
pub struct NotASecret;

/// What events are signed with.
pub struct SigningSecret(hmac::Key);

impl SigningSecret {
    /// Reads `whsec_` and base64.
    ///
    /// # Errors
    /// [`NotASecret`].
    pub fn parse(text: &str) -> Result<Self, NotASecret> {
        let text = text.strip_prefix(PREFIX).ok_or(NotASecret)?;
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(text).map_err(|_| NotASecret)?);
        if !SECRET_BYTES.contains(&bytes.len()) {
            return Err(NotASecret);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let tag = self.tag(&format!("{id}.{timestamp}."), body);
        // `ring` leaves its last block on the stack: a whole user reference has room in it.
        zeroize_stack::<HASHING_STACK>();
        format!("v1,{}", BASE64_STANDARD.encode(tag))
    }

    /// Never a part of its caller, whose stack cannot be wiped while it runs.
    #[inline(never)]
    fn tag(&self, before: &str, body: &[u8]) -> hmac::Tag {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(before.as_bytes());
        mac.update(body);
        mac.sign()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(..)")
    }
}

/// The value of `webhook-signature`: one signature for each secret in force, so that a receiver with either of them
/// takes the event. `timestamp` in seconds since 1970.
#[must_use]
pub fn signatures(secrets: &[SigningSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let all: Vec<_> = secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own example.
    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
    const AT: i64 = 1_649_367_553;
    const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
    const SIGNATURE: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

    #[test]
    fn the_specifications_example_gets_the_specifications_signature() {
        let secrets = [SigningSecret::parse(SECRET).unwrap()];
        assert_eq!(signatures(&secrets, ID, AT, BODY), SIGNATURE);
    }

    #[test]
    fn two_secrets_make_two_signatures_and_another_implementation_agrees_with_each() {
        let other = format!("whsec_{}", BASE64_STANDARD.encode([7; 32]));
        let secrets = [SECRET, &other].map(|text| SigningSecret::parse(text).unwrap());
        let both = signatures(&secrets, ID, AT, BODY);
        let theirs = [SECRET, &other]
            .map(|text| standardwebhooks::Webhook::new(text).unwrap().sign(ID, AT, BODY).unwrap());
        assert_eq!(both, theirs.join(" "));
    }

    #[test]
    fn every_part_is_signed() {
        let secrets = [SigningSecret::parse(SECRET).unwrap()];
        for (id, at, body) in [("msg_x", AT, BODY), (ID, AT + 1, BODY), (ID, AT, &BODY[1..])] {
            assert_ne!(signatures(&secrets, id, at, body), SIGNATURE);
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_shown() {
        let short = format!("whsec_{}", BASE64_STANDARD.encode([7; 23]));
        let long = format!("whsec_{}", BASE64_STANDARD.encode([7; 65]));
        for text in ["", "whsec_", "whsec_!!!!", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", &short, &long] {
            assert!(SigningSecret::parse(text).is_err());
        }
        assert_eq!(format!("{:?}", SigningSecret::parse(SECRET).unwrap()), "SigningSecret(..)");
    }
}
