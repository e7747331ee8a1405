//! Reading what nobody else can read or change, and writing what a power cut cannot undo.

use crate::KeysFileError;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const WORLD_ACCESS: u32 = 0o007;
const GROUP_WRITE: u32 = 0o020;
/// More than any key file has.
const DESTROYED_BYTES: usize = 4096;

/// Refuses a file or folder that others could read, or exchange.
fn check_mode(path: &Path, metadata: &Metadata) -> Result<(), KeysFileError> {
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & WORLD_ACCESS != 0 {
        return Err(KeysFileError::WorldAccess { path: path.to_owned(), mode });
    }
    if mode & GROUP_WRITE != 0 {
        return Err(KeysFileError::GroupWrite { path: path.to_owned(), mode });
    }
    Ok(())
}

fn not_read(path: &Path, source: io::Error) -> KeysFileError {
    let path = path.to_owned();
    if source.kind() == ErrorKind::NotFound {
        KeysFileError::Missing { path }
    } else {
        KeysFileError::Unreadable { path, source }
    }
}

fn not_written(path: &Path) -> impl Fn(io::Error) -> KeysFileError {
    move |source| KeysFileError::NotWritten { path: path.to_owned(), source }
}

/// Refuses a folder that is missing, or into which others could look or write.
pub(crate) fn check_folder(folder: &Path) -> Result<(), KeysFileError> {
    let metadata = fs::metadata(folder).map_err(|error| not_read(folder, error))?;
    if !metadata.is_dir() {
        return Err(not_read(folder, ErrorKind::NotADirectory.into()));
    }
    check_mode(folder, &metadata)
}

/// Makes the folder, unless it is there, and checks it.
pub(crate) fn make_folder(folder: &Path) -> Result<(), KeysFileError> {
    match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
        Ok(()) => sync_folder(parent_of(folder)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(not_written(folder))?;
    check_folder(folder)
}

/// Reads a file of at most `limit` bytes, into a buffer that is sized once and wiped; `None` when it is longer. The
/// mode is that of the very file that is read, not of whatever bears its name a moment earlier.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>, KeysFileError> {
    let mut file = File::open(path).map_err(|error| not_read(path, error))?;
    let metadata = file.metadata().map_err(|error| not_read(path, error))?;
    check_mode(path, &metadata)?;
    let mut bytes = Zeroizing::new(vec![0; limit + 1]);
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(not_read(path, error)),
        }
    }
    bytes.truncate(filled);
    Ok((filled <= limit).then_some(bytes))
}

/// Writes a new file, so that after a power cut it is either whole or not there. Refuses to replace one.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> Result<(), KeysFileError> {
    let temporary = write_temporary(path, content)?;
    if let Err(error) = renameat_with(CWD, &temporary, CWD, path, RenameFlags::NOREPLACE) {
        // The name is taken: what was written must not stay either. The first error is the one to tell.
        let _ = fs::remove_file(temporary);
        return Err(match io::Error::from(error) {
            error if error.kind() == ErrorKind::AlreadyExists => {
                KeysFileError::Exists { path: path.to_owned() }
            }
            error => not_written(path)(error),
        });
    }
    sync_folder(parent_of(path)).map_err(not_written(path))
}

/// Replaces a file, so that after a power cut it is whole, the old one or the new one. Hold the folder's lock.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), KeysFileError> {
    let temporary = write_temporary(path, content)?;
    fs::rename(temporary, path).map_err(not_written(path))?;
    sync_folder(parent_of(path)).map_err(not_written(path))
}

/// Writes and syncs the content beside `path`.
fn write_temporary(path: &Path, content: &[u8]) -> Result<PathBuf, KeysFileError> {
    let temporary = temporary_of(path);
    // What an interrupted attempt left behind was never in use.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(not_written(&temporary)(error)),
        _ => {}
    }
    let options = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).to_owned();
    let mut file = options.open(&temporary).map_err(not_written(&temporary))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(not_written(&temporary))?;
    Ok(temporary)
}

fn temporary_of(path: &Path) -> PathBuf {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    temporary.into()
}

/// Overwrites a file where it lies, syncs it, and unlinks it; the same with what an interrupted writing of it left
/// behind. Whether there was anything.
pub(crate) fn destroy(path: &Path) -> Result<bool, KeysFileError> {
    let mut found = false;
    for path in [path, &temporary_of(path)] {
        let mut file = match OpenOptions::new().write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(not_written(path)(error)),
        };
        let length = file.metadata().map_err(not_written(path))?.len();
        // A key file has a line. Whatever longer thing bears its name is no key, and is not written full of zeros.
        let zeros = [0; DESTROYED_BYTES];
        let zeros =
            &zeros[..usize::try_from(length).map_or(DESTROYED_BYTES, |bytes| bytes.min(DESTROYED_BYTES))];
        file.write_all(zeros).and_then(|()| file.sync_all()).map_err(not_written(path))?;
        fs::remove_file(path).map_err(not_written(path))?;
        found = true;
    }
    if found {
        sync_folder(parent_of(path)).map_err(not_written(path))?;
    }
    Ok(found)
}

/// Keeps everybody else from changing the folder until the lock is dropped, in this process and in others; a process
/// that ends lets go of it.
pub(crate) fn lock(folder: &Path) -> Result<File, KeysFileError> {
    let file = File::open(folder).map_err(|error| not_read(folder, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(KeysFileError::Busy { path: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(not_written(folder)(error)),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The folder of a path; a bare name lies in the current one.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
