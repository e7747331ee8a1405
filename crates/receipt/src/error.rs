//! Why a receipt or a public key is not accepted.

use thiserror::Error;

/// A refusal. It repeats nothing of what was read: whatever is not proven may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReceiptError {
    /// It is no compact JWS of three parts in base64url.
    #[error("this is no receipt: it does not have the form of a compact JWS; check that the file is whole")]
    Form,
    /// The header asks for something else than an Ed25519 signature of this vault's kind.
    #[error(
        "this is no receipt of this kind: its header must say EdDSA, and nothing that a receipt does not have"
    )]
    Header,
    /// The header names another key than the one given.
    #[error(
        "the receipt was signed with another key than the one given; get the public key of the vault that signed it"
    )]
    OtherKey,
    /// The signature is not that of this key over this text.
    #[error(
        "the signature does not fit: the receipt was changed, or another key signed it; do not rely on it"
    )]
    Signature,
    /// The signature fits, and what was signed is no statement that this version knows.
    #[error(
        "the signature fits, but the statement is of another version or kind; use a newer facemap-vault to read it"
    )]
    Statement,
    /// This is no Ed25519 public key.
    #[error(
        "this is no public key that receipts can be checked with: give a JWK (OKP, Ed25519, for signatures) or 32 bytes in \
         base64, of a key that not everybody can sign under"
    )]
    PublicKey,
    /// The key comes with its private half.
    #[error("this JWK holds a private key; give the public half only, and treat the key as disclosed")]
    PrivateKey,
}
