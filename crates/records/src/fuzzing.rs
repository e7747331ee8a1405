//! What must hold for whatever lies in a store's rows, and for whatever comes back as a cursor: the fuzzer holds it against
//! millions of inputs (`scripts/fuzz`), the tests below against its seeds and what is near to them.

#![expect(clippy::must_use_candidate, reason = "the fuzzer has no use for the answer, the tests count it")]

use crate::{EnrollmentKey, Key, Records, Table, TransactionKey, UserKey};
use model::{AuthenticationId, BatchId, CallbackId, LinkId, Timestamp, rng::SeededRng};
use seal::{HeldKeys, Pseudonym, fuzzing::Replayed};
use serde_json::Value;
use std::sync::{Arc, OnceLock};
use store::{TableId, Version, Versioned, memory::MemoryStore};

fn spelled_once<K: Key>(bytes: &[u8]) -> bool {
    let Some(key) = K::decode(bytes) else { return false };
    assert_eq!(key.encode(), bytes, "a key has one spelling");
    assert!(K::decode(&[bytes, &[0]].concat()).is_none(), "no byte more");
    assert!(bytes.is_empty() || K::decode(&bytes[..bytes.len() - 1]).is_none(), "no byte less");
    true
}

/// A key has one spelling, whatever it is made of. The first byte says what.
///
/// # Panics
/// When that does not hold.
pub fn row_key(input: &[u8]) -> bool {
    let Some((choice, bytes)) = input.split_first() else { return false };
    let kinds: [fn(&[u8]) -> bool; 12] = [
        spelled_once::<(u8,)>,
        spelled_once::<(u64,)>,
        spelled_once::<(u8, Timestamp, EnrollmentKey)>,
        spelled_once::<(UserKey, Timestamp, EnrollmentKey)>,
        spelled_once::<(EnrollmentKey,)>,
        spelled_once::<(AuthenticationId,)>,
        spelled_once::<(TransactionKey,)>,
        spelled_once::<(u8, Timestamp, CallbackId)>,
        spelled_once::<(BatchId, u8, u64)>,
        spelled_once::<(Pseudonym, BatchId, u64)>,
        spelled_once::<(UserKey, Timestamp, LinkId)>,
        spelled_once::<(Timestamp, u64)>,
    ];
    kinds[usize::from(*choice) % kinds.len()](bytes)
}

static TABLE: Table<(u64,), Value> = Table::new(TableId(255), "fuzzing");

fn records() -> &'static Records {
    static RECORDS: OnceLock<Records> = OnceLock::new();
    RECORDS.get_or_init(|| {
        let store = Arc::new(MemoryStore::default());
        Records::new(store, Arc::new(HeldKeys::for_tests(1)), Arc::new(SeededRng::new(1)))
    })
}

/// The rows of the seeds: the key, and what is stored under it.
///
/// # Panics
/// Never.
#[must_use]
pub fn row_seeds() -> Vec<Vec<u8>> {
    let values = [serde_json::json!({"state": "ready", "since": "2026-11-21T12:00:00Z"}), Value::Null];
    let records = Records { rng: Arc::new(SeededRng::new(3)), ..records().clone() };
    let rows = values.iter().zip(1..).map(|(value, number): (_, u64)| {
        let key = (number,).encode();
        let sealed = TABLE.sealed(&records, &key, number, value).expect("JSON");
        [key, sealed].concat()
    });
    rows.collect()
}

/// A row opens under its own key and revision only, and is, byte for byte, what comes out when it is sealed again. The first
/// eight bytes are the key.
///
/// # Panics
/// When that does not hold.
pub fn row(input: &[u8]) -> bool {
    let Some((key, stored)) = input.split_first_chunk::<8>() else { return false };
    let versioned = |bytes: &[u8]| Versioned { value: bytes.to_vec().into(), version: Version(1) };
    let Ok(((number,), record)) = TABLE.opened(records(), key, &versioned(stored)) else { return false };
    assert_eq!(number.to_be_bytes(), *key);
    let rng = Replayed::of(&[&stored[8..]]).expect("it opened");
    let again = Records { rng: Arc::new(rng), ..records().clone() };
    let sealed = TABLE.sealed(&again, key, record.revision, &record.value).expect("JSON");
    assert!(sealed == stored, "a row has one spelling");
    assert!(
        TABLE.opened(records(), &(number ^ 1).to_be_bytes(), &versioned(stored)).is_err(),
        "in another place"
    );
    let mut older = stored.to_vec();
    older[7] ^= 1;
    assert!(TABLE.opened(records(), key, &versioned(&older)).is_err(), "of another revision");
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_has_one_spelling(input in seeds::near("row_key")) {
            row_key(&input);
        }

        #[test]
        fn a_row_opens_in_its_own_place_and_spelling_only(input in seeds::near("row")) {
            row(&input);
        }
    }

    #[test]
    fn the_seeds_hold_and_some_of_each_are_accepted() {
        seeds::are("row", &row_seeds());
        assert!(seeds::accepted("row_key", row_key) >= 6);
        assert!(seeds::accepted("row", row) >= 2);
    }
}
