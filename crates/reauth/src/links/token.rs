//! The token in a link: the id and a tag on it. Nothing secret is stored, and a stranger's guess is known to be one before
//! anything is looked up.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use model::{LinkId, Secret};
use seal::MacKey;
use zeroize::Zeroizing;

const LABEL: &str = "link";
const ID_BYTES: usize = 16;
const TAG_BYTES: usize = 16;

/// Characters of a token.
const TOKEN_CHARS: usize = 43;

/// The token of a link.
pub(crate) fn of(key: &MacKey, id: LinkId) -> Secret {
    let tag = key.tag(LABEL, id.as_bytes());
    Secret::new(BASE64_URL_SAFE_NO_PAD.encode([&id.as_bytes()[..], &tag[..TAG_BYTES]].concat()))
}

/// The link whose token this is; `None` when we did not give it out.
pub(crate) fn open(key: &MacKey, token: &str) -> Option<LinkId> {
    if token.len() != TOKEN_CHARS {
        return None;
    }
    let bytes = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?);
    let (id, tag) = bytes.split_first_chunk::<ID_BYTES>()?;
    // Compared in constant time there.
    (tag.len() == TAG_BYTES && key.verify(LABEL, id, tag)).then(|| LinkId::from_bytes(*id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use seal::HeldKeys;

    #[test]
    fn a_token_opens_its_own_link_and_no_changed_bit_opens_any() {
        let (keys, others) = (HeldKeys::for_tests(1), HeldKeys::for_tests(2));
        let id = LinkId::from_bytes([7; 16]);
        let token = of(keys.links(), id);
        assert_eq!(token.expose().len(), TOKEN_CHARS);
        assert_eq!(open(keys.links(), token.expose()), Some(id));
        assert_eq!(open(others.links(), token.expose()), None);
        assert_eq!(open(keys.callback_tokens(), token.expose()), None);
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.expose()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(keys.links(), &BASE64_URL_SAFE_NO_PAD.encode(changed)), None, "bit {bit}");
        }
    }

    #[test]
    fn what_has_another_form_opens_nothing() {
        let keys = HeldKeys::for_tests(1);
        let token = of(keys.links(), LinkId::from_bytes([7; 16])).expose().to_owned();
        let cut = &token[..42];
        // The last character of 43 has two bits that say nothing: only one spelling counts.
        let last = char::from(token.as_bytes()[42] + 1);
        for bad in ["", "x", cut, &format!("{token}="), &format!("{cut}{last}"), &"é".repeat(21)] {
            assert_eq!(open(keys.links(), bad), None, "{bad}");
        }
    }
}
