#![doc = include_str!("../README.md")]

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target)
}

/// The seeds of a target, in the order of their names.
///
/// # Panics
/// When the target has none: a test over nothing would prove nothing.
#[must_use]
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let folder = folder(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.iter().map(|file| fs::read(file).expect("a seed can be read")).collect()
}

/// Holds the first seeds of a target, whose names are numbers, against those that the code makes now: a seed of an older format
/// is soon refused, and proves nothing. With `FUZZ_SEEDS=write` in the environment they are written instead.
///
/// # Panics
/// When they differ.
pub fn are(target: &str, made: &[Vec<u8>]) {
    let folder = folder(target);
    let name = |number| folder.join(format!("0{number}"));
    if std::env::var_os("FUZZ_SEEDS").is_some_and(|value| value == "write") {
        fs::create_dir_all(&folder).expect("the folder can be made");
        for (number, seed) in made.iter().enumerate() {
            fs::write(name(number), seed).expect("a seed can be written");
        }
    }
    for (number, seed) in made.iter().enumerate() {
        let kept = fs::read(name(number)).ok();
        assert!(kept.as_ref() == Some(seed), "{} is not what the code makes", name(number).display());
    }
}

/// How many of the seeds a property accepts. A seed that breaks it panics there.
#[must_use]
pub fn accepted(target: &str, property: fn(&[u8]) -> bool) -> usize {
    of(target).iter().filter(|seed| property(seed)).count()
}

#[derive(Debug, Clone)]
enum Edit {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (at(), 0..8u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        (at(), vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (at(), 1..17usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        (at(), 1..33usize).prop_map(|(at, length)| Edit::Repeat(at, length)),
        at().prop_map(Edit::Cut),
    ]
}

fn apply(edit: &Edit, bytes: &mut Vec<u8>) {
    // One more than there are bytes: at the end is a place too.
    let place = |at: &Index, bytes: &Vec<u8>| at.index(bytes.len() + 1);
    match edit {
        Edit::Set(at, byte) => {
            let at = place(at, bytes);
            if let Some(old) = bytes.get_mut(at) {
                *old = *byte;
            } else {
                bytes.push(*byte);
            }
        }
        Edit::Flip(at, bit) => {
            let at = place(at, bytes);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        Edit::Insert(at, new) => {
            let at = place(at, bytes);
            bytes.splice(at..at, new.iter().copied());
        }
        Edit::Remove(at, length) => {
            let at = place(at, bytes);
            let end = bytes.len().min(at + length);
            bytes.drain(at..end);
        }
        Edit::Repeat(at, length) => {
            let at = place(at, bytes);
            let again = bytes[at..bytes.len().min(at + length)].to_vec();
            bytes.splice(at..at, again);
        }
        Edit::Cut(at) => {
            let at = place(at, bytes);
            bytes.truncate(at);
        }
    }
}

/// Inputs that are a seed of this target, or differ from one in up to four places, or are any bytes at all.
pub fn near(target: &str) -> impl Strategy<Value = Vec<u8>> {
    let changed = (select(of(target)), vec(edit(), 0..5)).prop_map(|(mut bytes, edits)| {
        for edit in &edits {
            apply(edit, &mut bytes);
        }
        bytes
    });
    prop_oneof![7 => changed, 1 => vec(any::<u8>(), 0..300)]
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest! {
        #[test]
        fn an_edit_changes_a_few_bytes_and_no_more(bytes in vec(any::<u8>(), 0..64), edit in edit()) {
            let mut changed = bytes.clone();
            apply(&edit, &mut changed);
            prop_assert!(changed.len() <= bytes.len() + 33);
            if !matches!(edit, Edit::Cut(_)) {
                prop_assert!(changed.len() + 16 >= bytes.len());
            }
        }
    }
}
