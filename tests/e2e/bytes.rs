//! What somebody who can write to the disk would exchange: pieces of slots and contents, rows of the store, and older
//! states of each. Checksums that need no key are made right again.

use crate::house::below;
use model::rng::SeededRng;
use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};
use store_sled::sled::IVec;

const SECTOR: usize = 512;
/// The pieces of a sector that somebody who knows the format would exchange: status, kind, flags, generation, id,
/// subject, time, secret, wrapped key.
const SECTOR_PIECES: [Range<usize>; 9] =
    [8..9, 9..10, 10..12, 16..24, 24..40, 40..72, 72..80, 80..112, 112..480];
/// The pieces of a content file: id, generation, length, sealed header, envelope.
const CONTENT_PIECES: [Range<usize>; 5] = [16..32, 32..40, 40..48, 48..230, 230..usize::MAX];

/// Makes a folder the copy of another.
pub(crate) fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Exchanges something; says what kind of thing.
pub(crate) fn exchange(early: &Path, dir: &Path, rng: &SeededRng) -> String {
    match rng.below(10) {
        0 => contents_whole(dir, rng),
        1 => content_pieces(dir, rng),
        2 => sectors_whole(dir, rng),
        3 => sector_pieces(dir, rng),
        4 | 5 => rows(dir, rng),
        6 => older(early, dir, rng),
        7 => {
            // Everything that makes up one place: what its slot says, and the file behind it.
            sector_pieces(dir, rng);
            content_pieces(dir, rng);
            "sector and content pieces".to_owned()
        }
        8 => {
            sectors_whole(dir, rng);
            rows(dir, rng);
            "sectors and rows".to_owned()
        }
        _ => {
            contents_whole(dir, rng);
            sector_pieces(dir, rng);
            rows(dir, rng);
            "contents, sector pieces and rows".to_owned()
        }
    }
}

fn coin(rng: &SeededRng) -> bool {
    rng.below(2) == 0
}

/// The content files: of the first person, of the second.
fn contents(dir: &Path) -> [PathBuf; 2] {
    let files: Vec<_> = below(&dir.join("data/content")).into_iter().filter(|path| path.is_file()).collect();
    files.try_into().unwrap()
}

fn contents_whole(dir: &Path, rng: &SeededRng) -> String {
    let [one, other] = contents(dir);
    let [first, second] = [&one, &other].map(|path| fs::read(path).unwrap());
    fs::write(&one, &second).unwrap();
    if coin(rng) {
        fs::write(&other, &first).unwrap();
    }
    "whole contents".to_owned()
}

/// Some pieces of the one's content, or any range of it, become the other's.
fn content_pieces(dir: &Path, rng: &SeededRng) -> String {
    let [mut to, mut from] = contents(dir);
    if coin(rng) {
        std::mem::swap(&mut to, &mut from);
    }
    let (mut bytes, donor) = (fs::read(&to).unwrap(), fs::read(&from).unwrap());
    if coin(rng) {
        for piece in some(&CONTENT_PIECES, rng) {
            let piece = piece.start..piece.end.min(bytes.len());
            bytes[piece.clone()].copy_from_slice(&donor[piece]);
        }
    } else {
        let start = below_usize(rng, bytes.len() - 1);
        let end = start + 1 + below_usize(rng, bytes.len() - start);
        let piece = start..end.min(bytes.len());
        bytes[piece.clone()].copy_from_slice(&donor[piece]);
    }
    fs::write(&to, bytes).unwrap();
    "content pieces".to_owned()
}

fn below_usize(rng: &SeededRng, end: usize) -> usize {
    usize::try_from(rng.below(end as u64)).unwrap()
}

/// At least one of these.
fn some(pieces: &[Range<usize>], rng: &SeededRng) -> Vec<Range<usize>> {
    let sure = below_usize(rng, pieces.len());
    pieces
        .iter()
        .enumerate()
        .filter(|(n, _)| *n == sure || coin(rng))
        .map(|(_, piece)| piece.clone())
        .collect()
}

/// Changes the slot file with the places of the two live slots of facemaps.
fn edit_slots(dir: &Path, change: impl FnOnce(&mut Vec<u8>, [usize; 2])) {
    let path = dir.join("slots/slots");
    let mut bytes = fs::read(&path).unwrap();
    let live = |n: &usize| bytes[n * SECTOR + 8] == b'L' && bytes[n * SECTOR + 9] == 1;
    let places: Vec<_> = (1..bytes.len() / SECTOR).filter(live).map(|n| n * SECTOR).collect();
    change(&mut bytes, places.try_into().unwrap());
    fs::write(&path, bytes).unwrap();
}

/// Makes a sector's checksum right again: it needs no key.
fn repair(bytes: &mut [u8], place: usize) {
    let vault = bytes[16..32].to_vec();
    let checked = [&vault, &bytes[place..place + 480]].concat();
    let checksum = ring::digest::digest(&ring::digest::SHA256, &checked);
    bytes[place + 480..place + SECTOR].copy_from_slice(checksum.as_ref());
}

fn sectors_whole(dir: &Path, rng: &SeededRng) -> String {
    let (both, repaired) = (coin(rng), rng.below(4) > 0);
    edit_slots(dir, |bytes, [one, other]| {
        let (first, second) = (bytes[one..one + SECTOR].to_vec(), bytes[other..other + SECTOR].to_vec());
        let index = |sector: &[u8]| sector[12..16].to_vec();
        bytes[one..one + SECTOR].copy_from_slice(&second);
        if both {
            bytes[other..other + SECTOR].copy_from_slice(&first);
        }
        if repaired {
            bytes[one + 12..one + 16].copy_from_slice(&index(&first));
            bytes[other + 12..other + 16].copy_from_slice(&index(&second));
            repair(bytes, one);
            repair(bytes, other);
        }
    });
    format!("whole sectors{}", if repaired { ", repaired" } else { "" })
}

fn sector_pieces(dir: &Path, rng: &SeededRng) -> String {
    edit_slots(dir, |bytes, [mut to, mut from]| {
        if coin(rng) {
            std::mem::swap(&mut to, &mut from);
        }
        for piece in some(&SECTOR_PIECES, rng) {
            let donor = bytes[from + piece.start..from + piece.end].to_vec();
            let old = bytes[to + piece.start..to + piece.end].to_vec();
            bytes[to + piece.start..to + piece.end].copy_from_slice(&donor);
            if coin(rng) {
                bytes[from + piece.start..from + piece.end].copy_from_slice(&old);
            }
        }
        repair(bytes, to);
        repair(bytes, from);
    });
    "sector pieces".to_owned()
}

fn open(dir: &Path) -> store_sled::sled::Db {
    store_sled::sled::Config::new().path(dir.join("data/db")).flush_every_ms(None).open().unwrap()
}

/// The values of two rows of one table change places, or the one becomes the other.
fn rows(dir: &Path, rng: &SeededRng) -> String {
    let db = open(dir);
    let mut tables: BTreeMap<u8, Vec<(IVec, IVec)>> = BTreeMap::new();
    for row in db.iter() {
        let (key, value) = row.unwrap();
        tables.entry(key[0]).or_default().push((key, value));
    }
    // Table 0 is the engine's own; index rows hold nothing.
    tables.retain(|table, rows| *table != 0 && rows.iter().filter(|(_, value)| value.len() > 16).count() > 1);
    // Mostly the tables that say who is whose: enrollments and users.
    let all: Vec<u8> = tables.keys().copied().collect();
    let persons: Vec<u8> = all.iter().copied().filter(|table| matches!(table, 10 | 13)).collect();
    let choice = if rng.below(4) > 0 { &persons } else { &all };
    let table = choice[below_usize(rng, choice.len())];
    let rows = &tables[&table];
    let one = below_usize(rng, rows.len());
    let other = (one + 1 + below_usize(rng, rows.len() - 1)) % rows.len();
    db.insert(&rows[one].0, &rows[other].1).unwrap();
    if coin(rng) {
        db.insert(&rows[other].0, &rows[one].1).unwrap();
    }
    db.flush().unwrap();
    format!("rows of table {table}")
}

/// Something as it was before the release: a content, the slot file, a row, or the whole store.
fn older(early: &Path, dir: &Path, rng: &SeededRng) -> String {
    match rng.below(4) {
        0 => {
            fs::copy(early.join("slots/slots"), dir.join("slots/slots")).unwrap();
            "older slots".to_owned()
        }
        1 => {
            copy(&early.join("data/db"), &dir.join("data/db"));
            "older store".to_owned()
        }
        2 => {
            copy(&early.join("data/content"), &dir.join("data/content"));
            contents_whole(dir, rng);
            "older contents, exchanged".to_owned()
        }
        _ => {
            let scratch = dir.with_extension("early");
            copy(early, &scratch);
            let (old, db) = (open(&scratch), open(dir));
            for row in old.iter() {
                let (key, value) = row.unwrap();
                if matches!(key[0], 10 | 13) && coin(rng) {
                    db.insert(key, value).unwrap();
                }
            }
            db.flush().unwrap();
            "older rows".to_owned()
        }
    }
}
