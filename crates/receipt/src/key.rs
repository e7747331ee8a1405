//! The public half of a vault's key for receipts, as a JWK (RFC 7517, RFC 8037) or in base64.

use crate::ReceiptError;
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use seal::{KeyId, SigningKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::str::FromStr;

/// Every y coordinate (RFC 8032, little-endian, without the sign of x) of a point whose order divides eight, also in the
/// spellings that are not reduced. Under such a key anybody can sign anything.
const WEAK: [[u8; PUBLIC_BYTES]; 7] = [
    // 0, of order 4.
    [0; PUBLIC_BYTES],
    // 1, of order 1.
    spelled(1, 0, 0),
    // Both of order 8.
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    // p - 1, of order 2.
    spelled(0xec, 0xff, 0x7f),
    // p and p + 1: 0 and 1 again.
    spelled(0xed, 0xff, 0x7f),
    spelled(0xee, 0xff, 0x7f),
];
/// The bit that says the sign of x.
const SIGN: u8 = 0x80;

/// Bytes of an Ed25519 public key.
pub(crate) const PUBLIC_BYTES: usize = 32;

/// The first byte, those between, the last one.
const fn spelled(first: u8, between: u8, last: u8) -> [u8; PUBLIC_BYTES] {
    let mut bytes = [between; PUBLIC_BYTES];
    (bytes[0], bytes[PUBLIC_BYTES - 1]) = (first, last);
    bytes
}

/// An Ed25519 public key, with its name if it came with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub(crate) bytes: [u8; PUBLIC_BYTES],
    pub(crate) id: Option<String>,
}

impl PublicKey {
    /// The key with these bytes (RFC 8032), without a name.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; PUBLIC_BYTES]) -> Self {
        Self { bytes, id: None }
    }

    /// The public half of a vault's key.
    #[must_use]
    pub fn of(key: &SigningKey) -> Self {
        Self { bytes: key.public(), id: Some(key.id().to_string()) }
    }

    /// Whether anybody can sign under it.
    pub(crate) fn is_weak(&self) -> bool {
        let mut y = self.bytes;
        y[PUBLIC_BYTES - 1] &= !SIGN;
        WEAK.contains(&y)
    }

    fn unless_weak(self) -> Result<Self, ReceiptError> {
        if self.is_weak() { Err(ReceiptError::PublicKey) } else { Ok(self) }
    }

    /// The thirty-two bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; PUBLIC_BYTES] {
        &self.bytes
    }

    /// The key in a JWK. Members that say nothing about an Ed25519 key are passed over, as RFC 7517 §4 asks.
    ///
    /// # Errors
    /// [`ReceiptError::PublicKey`]; [`ReceiptError::PrivateKey`] when the private half is in it.
    pub fn from_jwk(text: &str) -> Result<Self, ReceiptError> {
        let Ok(Value::Object(members)) = serde_json::from_str(text) else {
            return Err(ReceiptError::PublicKey);
        };
        if members.contains_key("d") {
            return Err(ReceiptError::PrivateKey);
        }
        let says = |name: &str, value: &str| members.get(name).and_then(Value::as_str) == Some(value);
        if !says("kty", "OKP") || !says("crv", "Ed25519") {
            return Err(ReceiptError::PublicKey);
        }
        // What it says of its own use must be the checking of signatures (RFC 7517 §4.2 to §4.4).
        let is_given = |name: &str| members.contains_key(name);
        let operations = members.get("key_ops").and_then(Value::as_array);
        let is_for_checking = (!is_given("use") || says("use", "sig"))
            && (!is_given("alg") || says("alg", "EdDSA") || says("alg", "Ed25519"))
            && (!is_given("key_ops") || operations.is_some_and(|all| all.iter().any(|one| one == "verify")));
        if !is_for_checking {
            return Err(ReceiptError::PublicKey);
        }
        let x = members.get("x").and_then(Value::as_str).ok_or(ReceiptError::PublicKey)?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(x).map_err(|_| ReceiptError::PublicKey)?;
        let id = match members.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(ReceiptError::PublicKey),
        };
        Self { bytes: bytes.try_into().map_err(|_| ReceiptError::PublicKey)?, id }.unless_weak()
    }
}

/// Reads a JWK, or the thirty-two bytes in base64 (either alphabet, with or without padding).
impl FromStr for PublicKey {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        let text = text.trim();
        if text.starts_with('{') {
            return Self::from_jwk(text);
        }
        [&BASE64_STANDARD, &BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD]
            .iter()
            .find_map(|alphabet| alphabet.decode(text).ok()?.try_into().ok())
            .map(Self::from_bytes)
            .ok_or(ReceiptError::PublicKey)?
            .unless_weak()
    }
}

/// A public key as `GET /v1/receipt-key` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// The family: an octet key pair.
    pub kty: String,
    /// The curve.
    pub crv: String,
    /// The key's name.
    pub kid: KeyId,
    /// The thirty-two bytes in base64url.
    pub x: String,
    /// What it signs with.
    pub alg: String,
    /// What it is for.
    #[serde(rename = "use")]
    pub purpose: String,
}

/// The public half of a vault's key, for everybody who checks receipts.
#[must_use]
pub fn jwk(key: &SigningKey) -> Jwk {
    Jwk {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        kid: key.id(),
        x: BASE64_URL_SAFE_NO_PAD.encode(key.public()),
        alg: "EdDSA".to_owned(),
        purpose: "sig".to_owned(),
    }
}
