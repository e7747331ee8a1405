//! The signed form: a compact JWS (RFC 7515), `EdDSA` (RFC 8037).

use crate::{PublicKey, ReceiptError, Statement, VERSION};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    digest::{Context, SHA256},
    signature::{ED25519, UnparsedPublicKey},
};
use seal::SigningKey;
use serde::{Deserialize, Serialize};

const ALGORITHM: &str = "EdDSA";
const TYPE: &str = "facemap-vault-receipt+jwt";
/// A receipt is a page of text; nothing longer is one.
const MOST_BYTES: usize = 64 * 1024;

/// The protected header. What is not listed here is refused: nobody can ask for another way of checking, nor bring a
/// key along.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    typ: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
}

/// Signs a statement. The same statement has the same receipt.
///
/// # Errors
/// [`ReceiptError::Statement`] when it cannot be written as JSON: a mistake in the program.
pub fn sign(key: &SigningKey, statement: &Statement) -> Result<String, ReceiptError> {
    let header =
        Header { alg: ALGORITHM.to_owned(), typ: Some(TYPE.to_owned()), kid: Some(key.id().to_string()) };
    let header = serde_json::to_vec(&header).map_err(|_| ReceiptError::Statement)?;
    let payload = serde_json::to_vec(statement).map_err(|_| ReceiptError::Statement)?;
    let mut text = BASE64_URL_SAFE_NO_PAD.encode(header);
    text.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(payload, &mut text);
    let signature = key.sign(text.as_bytes());
    text.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    Ok(text)
}

/// SHA-256 over receipts, each followed by a line feed, in hexadecimal digits.
pub fn fingerprint<'a>(receipts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Fingerprint::default();
    receipts.into_iter().for_each(|receipt| digest.add(receipt));
    digest.finish()
}

/// As [`fingerprint`], for receipts that come one after another.
pub struct Fingerprint(Context);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Fingerprint {
    /// Adds the next receipt.
    pub fn add(&mut self, receipt: &str) {
        self.0.update(receipt.as_bytes());
        self.0.update(b"\n");
    }

    /// The fingerprint of all of them.
    #[must_use]
    pub fn finish(self) -> String {
        model::hex::encode(self.0.finish().as_ref())
    }
}

/// Checks a receipt with the public key alone, and reads what it says.
///
/// # Errors
/// [`ReceiptError`]: nothing of the text may be relied on.
pub fn check(text: &str, key: &PublicKey) -> Result<Statement, ReceiptError> {
    let payload = verified(text, key)?;
    let statement: Statement = serde_json::from_slice(&payload).map_err(|_| ReceiptError::Statement)?;
    if statement.version == VERSION { Ok(statement) } else { Err(ReceiptError::Statement) }
}

/// Checks a compact JWS with `EdDSA` and gives back the bytes that were signed, whatever they are.
///
/// # Errors
/// [`ReceiptError`]: nothing of the text may be relied on.
pub fn verified(text: &str, key: &PublicKey) -> Result<Vec<u8>, ReceiptError> {
    if text.len() > MOST_BYTES {
        return Err(ReceiptError::Form);
    }
    let (signed, signature) = text.rsplit_once('.').ok_or(ReceiptError::Form)?;
    let (header, payload) = signed.split_once('.').ok_or(ReceiptError::Form)?;
    // The engine refuses padding, strange letters and loose bits, so every receipt has one spelling.
    let decoded = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| ReceiptError::Form);
    let (header, payload, signature) = (decoded(header)?, decoded(payload)?, decoded(signature)?);
    let header: Header = serde_json::from_slice(&header).map_err(|_| ReceiptError::Header)?;
    if header.alg != ALGORITHM || header.typ.is_some_and(|typ| typ != TYPE) {
        return Err(ReceiptError::Header);
    }
    // A name in the header chooses nothing: it only tells a wrong key from a changed receipt.
    if let (Some(named), Some(given)) = (&header.kid, &key.id)
        && named != given
    {
        return Err(ReceiptError::OtherKey);
    }
    if key.is_weak() {
        return Err(ReceiptError::PublicKey);
    }
    UnparsedPublicKey::new(&ED25519, &key.bytes)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| ReceiptError::Signature)?;
    Ok(payload)
}
