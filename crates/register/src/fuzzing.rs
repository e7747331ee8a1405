//! What must hold for whatever an opened row says: the fuzzer holds it against millions of inputs (`scripts/fuzz`), the
//! tests below against its seeds and what is near to them.

#![expect(clippy::must_use_candidate, reason = "the fuzzer has no use for the answer, the tests count it")]

use crate::{
    AttemptsRow, AuthenticationPrivate, AuthenticationRow, BatchRow, EnrollmentPrivate, EnrollmentRow,
    FacemapNote, ItemPrivate, ItemRow, LinkPrivate, LinkRow, RecoveryRow, UnnamedRow, UserRow, WindowRow,
};
use serde::{Serialize, de::DeserializeOwned};

fn read_back<T: Serialize + DeserializeOwned>(json: &[u8]) -> bool {
    let Ok(row) = serde_json::from_slice::<T>(json) else { return false };
    let written = serde_json::to_vec(&row).expect("what was read can be written");
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_vec(&again).expect("as before"), written, "a row has one meaning");
    true
}

fn note(json: &[u8]) -> bool {
    let Some(note) = FacemapNote::from_bytes(json) else { return false };
    let bytes = note.to_bytes();
    assert!(bytes.len() <= vault::NOTE_BYTES, "a note fits beside its facemap");
    let again = FacemapNote::from_bytes(&bytes).expect("what was written can be read");
    assert!(again.user_reference == note.user_reference && again.created_at == note.created_at);
    read_back::<FacemapNote>(json)
}

/// A row that can be read is written down and read back as the same row, and a note fits into its place. The first byte
/// says what it is a row of.
///
/// # Panics
/// When that does not hold.
pub fn row_value(input: &[u8]) -> bool {
    let Some((choice, json)) = input.split_first() else { return false };
    let kinds: [fn(&[u8]) -> bool; 15] = [
        read_back::<EnrollmentRow>,
        read_back::<EnrollmentPrivate>,
        read_back::<UserRow>,
        read_back::<AuthenticationRow>,
        read_back::<AuthenticationPrivate>,
        read_back::<WindowRow>,
        read_back::<LinkRow>,
        read_back::<LinkPrivate>,
        read_back::<AttemptsRow>,
        read_back::<UnnamedRow>,
        read_back::<BatchRow>,
        read_back::<ItemRow>,
        read_back::<ItemPrivate>,
        read_back::<RecoveryRow>,
        note,
    ];
    kinds[usize::from(*choice) % kinds.len()](json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_row_is_read_back_as_it_was_written(input in seeds::near("row_value")) {
            row_value(&input);
        }
    }

    #[test]
    fn the_seeds_hold_and_all_are_accepted() {
        assert_eq!(seeds::accepted("row_value", row_value), seeds::of("row_value").len());
    }
}
