//! Room kept for the day on which the disk is full.
//!
//! sled writes when it is opened: it clears what a torn write left behind, and notes what it has found. On a full disk
//! that fails, and so a store that ran full could not be opened again. A file that only takes up room is given away then.

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};
use std::{
    fs::{self, File},
    io,
    path::Path,
};

const FILE: &str = "reserve";
/// A few of sled's segments, and its note of a store with some hundred thousand records.
const BYTES: u64 = 8 * 1024 * 1024;

fn is_there(folder: &Path) -> bool {
    folder.join(FILE).exists()
}

/// Bytes that must be free for the store to go on: what is demanded, and the reserve if it has been given away.
pub(crate) fn needed(folder: &Path, min_free_bytes: u64) -> u64 {
    min_free_bytes.saturating_add(if is_there(folder) { 0 } else { BYTES })
}

/// Takes the room, unless it has it. The file stays only if all of it was to be had.
pub(crate) fn take(folder: &Path) -> io::Result<()> {
    if is_there(folder) {
        return Ok(());
    }
    let path = folder.join(FILE);
    let file = File::options().write(true).create(true).truncate(true).open(&path)?;
    match fallocate(&file, FallocateFlags::empty(), 0, BYTES) {
        // Some file systems cannot keep room. The file then says that it was tried.
        Ok(()) | Err(Errno::OPNOTSUPP) => Ok(()),
        Err(error) => {
            fs::remove_file(path)?;
            Err(error.into())
        }
    }
}

/// Gives the room away.
pub(crate) fn release(folder: &Path) -> io::Result<()> {
    fs::remove_file(folder.join(FILE))
}
