//! What must hold for whatever stands in a link's place: the fuzzer holds it against millions of inputs (`scripts/fuzz`), the
//! tests below against its seeds and what is near to them.

#![expect(clippy::must_use_candidate, reason = "the fuzzer has no use for the answer, the tests count it")]

use crate::links::token;
use model::LinkId;
use seal::{HeldKeys, MacKey};
use std::sync::OnceLock;

fn keys() -> &'static HeldKeys {
    static KEYS: OnceLock<HeldKeys> = OnceLock::new();
    KEYS.get_or_init(|| HeldKeys::for_tests(1))
}

fn link_key() -> &'static MacKey {
    keys().links()
}

/// The tokens of the seeds.
#[must_use]
pub fn link_token_seeds() -> Vec<Vec<u8>> {
    let ids = [[0; 16], [7; 16], *b"sixteen bytes !!"];
    let tokens =
        ids.iter().map(|id| token::of(link_key(), LinkId::from_bytes(*id)).expose().as_bytes().to_vec());
    tokens.collect()
}

/// A token that opens a link is, character for character, the one that was given out for it; under another key, or of
/// another kind, it opens none. Any sixteen bytes have a token of their own, which no changed character leaves valid.
///
/// # Panics
/// When that does not hold.
pub fn link_token(input: &[u8]) -> bool {
    if let Some((id, [at, other, ..])) = input.split_first_chunk::<16>() {
        let id = LinkId::from_bytes(*id);
        let given = token::of(link_key(), id).expose().to_owned();
        assert_eq!(token::open(link_key(), &given), Some(id));
        let mut changed = given.clone().into_bytes();
        let at = usize::from(*at) % changed.len();
        changed[at] = *other;
        if let Ok(changed) = String::from_utf8(changed)
            && changed != given
        {
            assert_eq!(token::open(link_key(), &changed), None, "character {at}");
        }
    }
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let Some(id) = token::open(link_key(), text) else { return false };
    assert_eq!(token::of(link_key(), id).expose(), text, "a token has one spelling");
    assert_eq!(token::open(keys().callback_tokens(), text), None, "another key's");
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_that_opens_is_the_one_that_was_given_out(input in seeds::near("link_token")) {
            link_token(&input);
        }
    }

    #[test]
    fn the_seeds_hold_and_all_are_accepted() {
        seeds::are("link_token", &link_token_seeds());
        assert_eq!(seeds::accepted("link_token", link_token), 3);
    }
}
