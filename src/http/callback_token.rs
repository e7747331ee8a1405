//! The tokens in callback URLs. Jumio signs nothing, so the URL itself has to say that we gave it out.
//!
//! The portal's token serves every transaction. One made for a verification or an authentication carries the id that the
//! vault gave it, and serves only that. Both are tags under a held key: nothing is stored, nothing can be guessed.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use model::Secret;
use seal::MacKey;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Bytes of the portal's token.
const PORTAL_BYTES: usize = 24;

/// Bytes of the tag in a transaction's token.
const TAG_BYTES: usize = 16;

const PORTAL_LABEL: &str = "portal";

/// What a transaction's token was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An authentication, by its own id.
    Authentication,
    /// An ID Verification, by the id that the vault gave it before Jumio had a reference.
    Verification,
}

impl Purpose {
    const ALL: [Self; 2] = [Self::Authentication, Self::Verification];

    const fn label(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Verification => "verification",
        }
    }
}

/// What a token, found genuine, opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallbackToken {
    /// Callbacks of every transaction.
    Portal,
    /// Callbacks of the one transaction with this id of ours.
    Transaction(Purpose, [u8; 16]),
}

/// The token for Jumio's portal: 32 characters, always the same for one set of held keys.
pub(crate) fn portal(key: &MacKey) -> Secret {
    Secret::new(BASE64_URL_SAFE_NO_PAD.encode(&key.tag(PORTAL_LABEL, b"")[..PORTAL_BYTES]))
}

/// The token for the `callbackUrl` of one transaction: 43 characters.
pub(crate) fn transaction(key: &MacKey, purpose: Purpose, id: [u8; 16]) -> Secret {
    let tag = key.tag(purpose.label(), &id);
    Secret::new(BASE64_URL_SAFE_NO_PAD.encode([&id, &tag[..TAG_BYTES]].concat()))
}

/// What this token opens; `None` when we did not give it out.
pub(crate) fn verify(key: &MacKey, presented: &str) -> Option<CallbackToken> {
    let bytes = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(presented).ok()?);
    if bytes.len() == PORTAL_BYTES {
        let tag = key.tag(PORTAL_LABEL, b"");
        return bool::from(tag[..PORTAL_BYTES].ct_eq(&bytes)).then_some(CallbackToken::Portal);
    }
    let (id, tag) = bytes.split_first_chunk::<16>()?;
    if tag.len() != TAG_BYTES {
        return None;
    }
    let genuine = |purpose: &Purpose| key.verify(purpose.label(), id, tag);
    Purpose::ALL.into_iter().find(genuine).map(|purpose| CallbackToken::Transaction(purpose, *id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use seal::SymmetricKey;

    fn key(byte: u8) -> MacKey {
        MacKey::new(&SymmetricKey::from_bytes(&Zeroizing::new([byte; 32])))
    }

    #[test]
    fn a_token_opens_what_it_was_made_for_and_nothing_else() {
        let key = key(1);
        assert_eq!(verify(&key, portal(&key).expose()), Some(CallbackToken::Portal));
        for purpose in Purpose::ALL {
            let token = transaction(&key, purpose, [7; 16]);
            assert_eq!(verify(&key, token.expose()), Some(CallbackToken::Transaction(purpose, [7; 16])));
        }
    }

    #[test]
    fn a_changed_bit_another_key_and_another_length_open_nothing() {
        let key = key(1);
        for token in [portal(&key), transaction(&key, Purpose::Verification, [7; 16])] {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.expose()).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(verify(&key, &BASE64_URL_SAFE_NO_PAD.encode(changed)), None, "bit {bit}");
            }
            for length in (0..bytes.len()).chain([bytes.len() + 1]) {
                let mut cut = bytes.clone();
                cut.resize(length, 0);
                assert_eq!(verify(&key, &BASE64_URL_SAFE_NO_PAD.encode(cut)), None, "length {length}");
            }
            assert_eq!(verify(&self::key(2), token.expose()), None);
        }
        assert_eq!(verify(&key, "not base64!"), None);
    }

    #[test]
    fn the_longest_token_leaves_room_in_jumios_255_characters() {
        assert_eq!(transaction(&key(1), Purpose::Authentication, [0; 16]).expose().len(), 43);
        assert_eq!(portal(&key(1)).expose().len(), 32);
    }
}
