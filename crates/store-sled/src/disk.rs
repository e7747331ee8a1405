//! What the engine asks of the file system itself, behind sled's back.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// sled's one file of data.
const DATABASE: &str = "db";
/// Where sled puts what is too large for that file. Nothing of ours is.
const BLOBS: &str = "blobs";

/// The real sync and the space left. A trait, so that tests can have both fail.
pub(crate) trait Disk: Send + Sync + 'static {
    /// Makes all that was written to the database file durable.
    fn sync(&self) -> io::Result<()>;
    /// Bytes that this process may still write.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// The committer's own handle of sled's file. A handle of its own learns of every failed write since it was opened.
#[derive(Debug)]
pub(crate) struct RealDisk {
    database: File,
    folder: PathBuf,
}

impl RealDisk {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let database = File::options().read(true).write(true).open(folder.join(DATABASE))?;
        Ok(Self { database, folder: folder.to_owned() })
    }
}

impl Disk for RealDisk {
    fn sync(&self) -> io::Result<()> {
        self.database.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let space = rustix::fs::statvfs(&self.folder)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
}

/// Makes the folder, for its owner only, and says which folder above it was there before.
pub(crate) fn make_folder(folder: &Path) -> io::Result<PathBuf> {
    let folder = std::path::absolute(folder)?;
    let existing =
        folder.ancestors().skip(1).find(|above| above.is_dir()).unwrap_or(Path::new("/")).to_owned();
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    Ok(existing)
}

/// Makes all files of the folder durable, and the folders' entries up to and including `existing`.
pub(crate) fn sync_folder(folder: &Path, existing: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    for entry in fs::read_dir(&folder)? {
        // sled removes snapshots of its own accord; what is gone needs no sync.
        match File::open(entry?.path()).and_then(|file| file.sync_all()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    for above in folder.ancestors() {
        File::open(above)?.sync_all()?;
        if above == existing {
            break;
        }
    }
    Ok(())
}

/// Whether sled has put a value into a file of its own.
pub(crate) fn has_blobs(folder: &Path) -> io::Result<bool> {
    match fs::read_dir(folder.join(BLOBS)) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
