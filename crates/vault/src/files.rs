//! Small things about folders that slots and contents share.

use crate::error::VaultError;
use rustix::fs::OFlags;
use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _},
    path::Path,
};
use zeroize::Zeroizing;

/// What a direct read must be aligned to: a multiple of every disk's block size.
const BLOCK: usize = 4096;

/// Asks the kernel to forget what it holds of a file, so that the disk answers the next read. What is not yet on the
/// disk it keeps. A kernel that does not forget makes a read-back a weaker proof, not a wrong answer; so this cannot fail.
pub(crate) fn forget(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

/// Opens a file a second time, for reads that go past the kernel's memory; none where the file system has no such reads.
pub(crate) fn open_direct(path: &Path) -> Option<File> {
    let flags = i32::try_from(OFlags::DIRECT.bits()).ok()?;
    OpenOptions::new().read(true).custom_flags(flags).open(path).ok()
}

/// Reads a piece that does not cross a block, past the kernel's memory. False when the file system does not do it.
pub(crate) fn read_direct<const N: usize>(file: &File, at: u64, into: &mut [u8; N]) -> io::Result<bool> {
    let mut room = Zeroizing::new(vec![0; 2 * BLOCK]);
    let aligned = room.as_ptr().align_offset(BLOCK);
    let within = usize::try_from(at % BLOCK as u64).unwrap_or_default();
    let Some(block) = room.get_mut(aligned..aligned + BLOCK) else { return Ok(false) };
    let read = match file.read_at(block, at - within as u64) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(false),
        read => read?,
    };
    let piece = block.get(..read).and_then(|read| read.get(within..within + N));
    into.copy_from_slice(piece.ok_or(io::ErrorKind::UnexpectedEof)?);
    Ok(true)
}

/// Bytes that this process may still write to the disk of this file or folder.
pub(crate) fn free_bytes(on: &File) -> io::Result<u64> {
    let space = rustix::fs::fstatvfs(on)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Makes what was created, renamed or removed in a folder durable.
pub(crate) fn sync_dir(folder: &Path) -> Result<(), VaultError> {
    File::open(folder).and_then(|dir| dir.sync_all()).map_err(VaultError::io("sync a folder"))
}

/// Creates a folder that only its owner may enter, durably and with the folders it lies in; one that is there is left
/// as it is.
pub(crate) fn create_private_dir(folder: &Path) -> Result<(), VaultError> {
    let parent = match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => folder,
    };
    if !parent.is_dir() {
        create_private_dir(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        Err(error) => return Err(VaultError::io("create a folder")(error)),
    }
    sync_dir(folder)?;
    sync_dir(parent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    use std::io::IoSliceMut;

    /// Whether the byte is in memory.
    fn is_held(file: &File, at: u64) -> bool {
        let mut byte = [0];
        let read = preadv2(file, &mut [IoSliceMut::new(&mut byte)], at, ReadWriteFlags::NOWAIT);
        assert!(read.is_ok() || read == Err(Errno::AGAIN), "{read:?}");
        read.is_ok()
    }

    /// A file on the disk, or none where the folder for temporary files is in memory itself.
    fn on_disk() -> Option<tempfile::NamedTempFile> {
        let named = tempfile::NamedTempFile::new().unwrap();
        if rustix::fs::fstatfs(named.as_file()).unwrap().f_type == 0x0102_1994 {
            eprintln!("SKIPPED: the folder for temporary files is in memory itself");
            return None;
        }
        named.as_file().write_all_at(&vec![7; 600_000], 0).unwrap();
        named.as_file().sync_all().unwrap();
        Some(named)
    }

    // Asking whether something is in memory makes the kernel read it: each file is asked once when it is forgotten.

    #[test]
    fn what_is_forgotten_comes_from_the_disk() {
        let Some(named) = on_disk() else { return };
        assert!(is_held(named.as_file(), 300_000));
        forget(named.as_file());
        assert!(!is_held(named.as_file(), 300_000));
    }

    #[test]
    fn a_direct_read_goes_past_the_kernels_memory() {
        let Some(named) = on_disk() else { return };
        forget(named.as_file());
        let (direct, mut piece) = (open_direct(named.path()).unwrap(), [0; 512]);
        assert!(read_direct(&direct, 585 * 512, &mut piece).unwrap());
        assert_eq!(piece, [7; 512]);
        assert!(
            !is_held(named.as_file(), 585 * 512),
            "it leaves nothing in memory, so it took nothing from there"
        );
        assert!(read_direct(&direct, 600_064, &mut piece).is_err(), "what is not in the file is not read");
    }
}
