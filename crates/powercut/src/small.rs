//! A small disk in memory, to be filled and freed.

use crate::{PATIENCE, PowercutError, run};
use std::{
    fs::File,
    io::{self, Write as _},
    path::PathBuf,
    process::Command,
    thread,
    time::Instant,
};
use tempfile::TempDir;

/// What fills the disk.
const FILLER: &str = "filler";

/// A `tmpfs` of a few megabytes.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
    mounted: bool,
}

impl SmallDisk {
    /// Mounts a disk of `bytes`.
    ///
    /// # Errors
    /// [`PowercutError::Unavailable`] without root, or where nothing can be mounted.
    pub fn new(bytes: u64) -> Result<Self, PowercutError> {
        if !rustix::process::geteuid().is_root() {
            return Err(PowercutError::Unavailable("mounting needs root".into()));
        }
        let mut disk =
            Self { folder: tempfile::Builder::new().prefix("small-disk-").tempdir()?, mounted: false };
        let size = format!("size={bytes}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(disk.folder.path());
        run("mount", &mut mount).map_err(|error| PowercutError::Unavailable(error.to_string()))?;
        disk.mounted = true;
        Ok(disk)
    }

    /// The disk, or `None` after having said on standard error why this machine has none.
    ///
    /// # Panics
    /// When `POWERCUT_REQUIRED` is set in the environment, so that no test run skips these tests unnoticed.
    #[must_use]
    pub fn new_or_explain(bytes: u64) -> Option<Self> {
        match Self::new(bytes) {
            Ok(disk) => Some(disk),
            Err(error) => {
                assert!(std::env::var_os("POWERCUT_REQUIRED").is_none(), "{error}");
                eprintln!("SKIPPED, no small disk: {error}");
                None
            }
        }
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Fills it to the last byte, whatever others do meanwhile.
    ///
    /// # Errors
    /// When something else than the room is missing.
    pub fn fill(&self) -> io::Result<()> {
        let mut file = File::options().create(true).append(true).open(self.folder.path().join(FILLER))?;
        loop {
            match file.write_all(&[1; 4096]) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives back what [`SmallDisk::fill`] took.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn free(&self) -> io::Result<()> {
        std::fs::remove_file(self.folder.path().join(FILLER))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let began = Instant::now();
        while self.mounted {
            match run("umount", Command::new("umount").arg(self.folder.path())) {
                Ok(()) => self.mounted = false,
                Err(_) if began.elapsed() <= PATIENCE => thread::sleep(PATIENCE / 100),
                Err(error) => {
                    eprintln!("powercut: {error}; unmounting lazily");
                    let _best_effort =
                        run("umount", Command::new("umount").arg("-l").arg(self.folder.path()));
                    return;
                }
            }
        }
    }
}
