//! How rows lie in sled's tree.

use crate::open::is_full;
use bytes::{Bytes, BytesMut};
use sled::{Batch, Tree};
use std::io::ErrorKind;
use store::{RESERVED_TABLE, StoreError, TableId, Version, Versioned};

/// The format that this version writes and reads.
pub(crate) const FORMAT: u32 = 1;
/// Table 0: the store's format, four bytes.
pub(crate) const FORMAT_KEY: &[u8] = b"\0format";
/// Table 0: the number of the last commit, eight bytes.
pub(crate) const SEQUENCE_KEY: &[u8] = b"\0sequence";
/// Table 0: there from the first write of an import to its last.
pub(crate) const IMPORTING_KEY: &[u8] = b"\0importing";
/// Table 0: a piece of a large value.
const PART_PREFIX: &[u8] = b"\0part";

/// What one entry of the tree holds of a value at most. sled writes a leaf of its tree (16 entries, about 20 while
/// leaves are merged) as one message and moves messages above 128 KiB to blob files, which it never syncs: 20 entries of
/// a part and the longest key stay below.
pub(crate) const PART_BYTES: u32 = 4096;
/// The longest key for which that is true.
pub(crate) const KEY_BYTES: usize = 512;

const VERSION_BYTES: usize = 8;
const INLINE: u8 = 0;
const IN_PARTS: u8 = 1;

/// A row's key in the tree.
pub(crate) fn full_key(table: TableId, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(1 + key.len());
    full.push(table.0);
    full.extend_from_slice(key);
    full
}

/// The first key behind all those that begin with `prefix`; none if that is the end of the tree.
pub(crate) fn behind(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut behind = prefix[..=last].to_vec();
    behind[last] += 1;
    Some(behind)
}

/// What the tree holds under a row's own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head<'a> {
    Inline(&'a [u8]),
    InParts { row: u32, bytes: u32 },
}

fn parse(raw: &[u8]) -> Option<(Version, Head<'_>)> {
    let (version, rest) = raw.split_first_chunk::<VERSION_BYTES>()?;
    let (kind, rest) = rest.split_first()?;
    let head = match *kind {
        INLINE => Head::Inline(rest),
        IN_PARTS => {
            let (row, bytes) = rest.split_first_chunk::<4>()?;
            Head::InParts { row: u32::from_be_bytes(*row), bytes: u32::from_be_bytes(bytes.try_into().ok()?) }
        }
        _ => return None,
    };
    Some((Version(u64::from_be_bytes(*version)), head))
}

fn part_key(version: Version, row: u32, part: u32) -> Vec<u8> {
    debug_assert_eq!(PART_PREFIX[0], RESERVED_TABLE.0);
    [PART_PREFIX, &version.0.to_be_bytes(), &row.to_be_bytes(), &part.to_be_bytes()].concat()
}

fn part_keys(version: Version, row: u32, bytes: u32) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.div_ceil(PART_BYTES)).map(move |part| part_key(version, row, part))
}

/// The value that a raw entry stands for, with its parts read from the tree.
pub(crate) fn read(tree: &Tree, raw: &[u8]) -> Result<Versioned, StoreError> {
    let (version, head) = parse(raw).ok_or_else(damaged)?;
    let value = match head {
        Head::Inline(value) => Bytes::copy_from_slice(value),
        Head::InParts { row, bytes } => {
            let mut value = BytesMut::with_capacity(bytes as usize);
            for key in part_keys(version, row, bytes) {
                value.extend_from_slice(
                    &tree.get(key).map_err(|error| unreadable(&error))?.ok_or_else(damaged)?,
                );
            }
            if value.len() != bytes as usize {
                return Err(damaged());
            }
            value.freeze()
        }
    };
    Ok(Versioned { version, value })
}

/// Puts a row; `row` tells the large values of one commit apart.
pub(crate) fn put(batch: &mut Batch, key: &[u8], row: u32, value: &Versioned) {
    let version = value.version.0.to_be_bytes();
    let bytes = u32::try_from(value.value.len()).unwrap_or(u32::MAX);
    if bytes <= PART_BYTES {
        batch.insert(key, [&version, [INLINE].as_slice(), &value.value].concat());
        return;
    }
    batch.insert(key, [&version, [IN_PARTS].as_slice(), &row.to_be_bytes(), &bytes.to_be_bytes()].concat());
    for (key, part) in part_keys(value.version, row, bytes).zip(value.value.chunks(PART_BYTES as usize)) {
        batch.insert(key, part);
    }
}

/// Removes the parts of the row that this raw entry stands for, not the entry itself.
pub(crate) fn remove_parts(batch: &mut Batch, raw: &[u8]) {
    if let Some((version, Head::InParts { row, bytes })) = parse(raw) {
        for key in part_keys(version, row, bytes) {
            batch.remove(key);
        }
    }
}

/// A disk that does not give back what it has is no disk to go on with; one that ran full is opened again meanwhile.
pub(crate) fn unreadable(error: &sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) if is_full(error.kind()) => StoreError::Io(error.to_string()),
        sled::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            StoreError::Corrupt("its file ends before what was written".into())
        }
        sled::Error::Io(error) => StoreError::Poisoned(format!("its disk could not be read: {error}")),
        other => StoreError::Corrupt(describe(other)),
    }
}

/// What sled says, without the places in its source that it prints along.
pub(crate) fn describe(error: &sled::Error) -> String {
    match error {
        sled::Error::Corruption { .. } => "its file does not hold what was written".into(),
        other => other.to_string(),
    }
}

pub(crate) fn damaged() -> StoreError {
    StoreError::Corrupt("a row is not as it was written".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_a_prefix_comes_what_no_longer_begins_with_it() {
        assert_eq!(behind(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(behind(&[1, 255]), Some(vec![2]));
        assert_eq!(behind(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(behind(&[255]), None);
    }

    #[test]
    fn what_sled_finds_damaged_is_damage_and_what_the_disk_refuses_is_not() {
        let damaged = unreadable(&sled::Error::Corruption { at: None, bt: () });
        assert!(damaged.is_corrupt() && !damaged.is_retryable());
        let said = damaged.to_string();
        assert!(
            said.contains("verify") && said.contains("rebuild-index") && !said.contains("backtrace"),
            "{said}"
        );
        let of = |kind: ErrorKind| unreadable(&sled::Error::Io(kind.into()));
        assert!(
            matches!(of(ErrorKind::Other), StoreError::Poisoned(why) if why.contains("could not be read"))
        );
        assert!(matches!(of(ErrorKind::StorageFull), StoreError::Io(_)));
        assert!(of(ErrorKind::UnexpectedEof).is_corrupt());
    }

    #[test]
    fn entries_of_another_form_are_damage_and_no_panic() {
        for raw in [b"".as_ref(), &[0; 7], &[0; 8], &[0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0], &[9; 20]] {
            assert_eq!(parse(raw), None, "{raw:?}");
        }
    }
}
