//! Small files that are an operator's secrets, or ours: read with their permissions checked, written whole and durable.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use thiserror::Error;
use zeroize::Zeroizing;

/// A private file that cannot be used.
#[derive(Debug, Error)]
pub(crate) enum FileError {
    /// It is not there, or cannot be read or written.
    #[error("{path} cannot be used: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could read or change it.
    #[error("{path} has mode {mode:03o}, so others can read or change it; run chmod 600 on it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is a folder, a pipe or the like.
    #[error("{path} is not a regular file")]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// It is longer than such a file ever is.
    #[error("{path} has more than {most} bytes; is it the right file?")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        most: u64,
    },
}

impl FileError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }
}

/// What changes when a file is changed or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<&fs::Metadata> for Stamp {
    fn from(meta: &fs::Metadata) -> Self {
        Self {
            inode: (meta.dev(), meta.ino()),
            size: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// The stamp of the file as it is now; `None` when it is not there.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().as_ref().map(Stamp::from)
}

/// Whether there is a regular file at this path.
pub(crate) fn present(path: &Path) -> Result<(), FileError> {
    let kind = fs::metadata(path).map_err(FileError::io(path))?;
    if kind.is_file() { Ok(()) } else { Err(FileError::NotAFile { path: path.to_owned() }) }
}

/// Reads a whole file that nobody else may read or change. Mode and content are of the same open file.
pub(crate) fn read_private(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let kind = fs::metadata(path).map_err(FileError::io(path))?;
    if !kind.is_file() {
        // Opening a pipe would wait for its writer.
        return Err(FileError::NotAFile { path: path.to_owned() });
    }
    let file = File::open(path).map_err(FileError::io(path))?;
    let meta = file.metadata().map_err(FileError::io(path))?;
    let mode = meta.mode() & 0o777;
    if mode & 0o027 != 0 {
        return Err(FileError::Exposed { path: path.to_owned(), mode });
    }
    // Sized once: a buffer that grows leaves pieces of the secret behind. One byte more shows that the file is longer.
    let mut bytes =
        Zeroizing::new(Vec::with_capacity(usize::try_from(meta.len().min(most) + 1).unwrap_or(0)));
    file.take(most + 1).read_to_end(&mut bytes).map_err(FileError::io(path))?;
    if bytes.len() as u64 > most {
        return Err(FileError::TooLarge { path: path.to_owned(), most });
    }
    Ok(bytes)
}

/// Writes a new file with mode 600, durably; refuses to overwrite.
pub(crate) fn create_private(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(content)?;
        file.sync_all()?;
        sync_parent(path)
    };
    write().map_err(FileError::io(path))
}

/// Puts a file with mode 600 in place of another in one step: readers see the old one or the new one, also after a
/// power cut. A symbolic link is followed, not replaced.
pub(crate) fn replace_private(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let write = || {
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut temporary = target.clone().into_os_string();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        // What is left there was never put in place: its writer died.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, &target)?;
        sync_parent(&target)
    };
    write().map_err(FileError::io(path))
}

/// Makes the names in a file's folder durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn with_mode(dir: &Path, mode: u32) -> PathBuf {
        let path = dir.join(format!("{mode:o}"));
        fs::write(&path, b"secret").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_file_that_others_can_read_or_change_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o604, 0o602, 0o601, 0o620, 0o644, 0o660] {
            let error = read_private(&with_mode(dir.path(), mode), 100).unwrap_err();
            assert!(matches!(error, FileError::Exposed { .. }), "{mode:o}");
        }
        for mode in [0o600, 0o400, 0o640, 0o440] {
            assert!(read_private(&with_mode(dir.path(), mode), 100).is_ok(), "{mode:o}");
        }
    }

    #[test]
    fn a_folder_and_an_overlong_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read_private(dir.path(), 100), Err(FileError::NotAFile { .. })));
        let path = with_mode(dir.path(), 0o600);
        assert!(matches!(read_private(&path, 5), Err(FileError::TooLarge { .. })));
        assert!(read_private(&path, 6).is_ok());
    }

    #[test]
    fn nothing_is_overwritten_and_what_is_replaced_stays_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        create_private(&path, b"one").unwrap();
        assert!(create_private(&path, b"two").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        let before = stamp(&path);
        fs::write(dir.path().join("file.new"), b"left over").unwrap();
        replace_private(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_ne!(stamp(&path), before);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
