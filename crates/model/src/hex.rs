//! Ids, digests and pseudonyms as text: lower-case hexadecimal digits, two for each byte. For serde: `with = "model::hex"`.

use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

/// The digits of `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).collect()
}

/// Reads exactly `2 * N` lower-case digits. Upper case is refused, so that each value has one spelling.
#[must_use]
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

const fn digit(text: u8) -> Option<u8> {
    match text {
        b'0'..=b'9' => Some(text - b'0'),
        b'a'..=b'f' => Some(text - b'a' + 10),
        _ => None,
    }
}

/// Writes them.
///
/// # Errors
/// Those of the serialiser.
pub fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&encode(bytes))
}

/// Reads them.
///
/// # Errors
/// When they are not such digits, or not as many.
pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(d: D) -> Result<[u8; N], D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
    decode(&text).ok_or_else(|| {
        D::Error::custom("an id or digest must be lower-case hexadecimal digits of its length")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read_back_and_has_one_spelling(bytes: [u8; 4], text in "[0-9a-fA-F]{8}") {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
            if let Some(read) = decode::<4>(&text) {
                prop_assert_eq!(encode(&read), text);
            }
        }
    }

    #[test]
    fn another_length_or_letter_is_nothing() {
        for text in ["", "0", "000", "0g", "0A", "ü"] {
            assert_eq!(decode::<1>(text), None, "{text}");
        }
    }
}
