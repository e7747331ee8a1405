#![doc = include_str!("../README.md")]

mod shutdown;
mod small;

pub use small::SmallDisk;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use thiserror::Error;

/// How long a file that is still open is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no such disk, or why it does not do what it should.
#[derive(Debug, Error)]
pub enum PowercutError {
    /// This machine cannot do it. A test prints this and returns.
    #[error("power cuts cannot be simulated here: {0}")]
    Unavailable(String),
    /// A command that should work failed.
    #[error("{command} failed: {said}")]
    Command {
        /// The program.
        command: &'static str,
        /// What it wrote to standard error.
        said: String,
    },
    /// The image or the mount point could not be used.
    #[error("the test disk could not be used: {0}")]
    Io(#[from] io::Error),
}

/// An ext4 file system in an image file, mounted through a loop device.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
    mounted: bool,
}

impl Disk {
    /// Makes a file system of `bytes` (at least a few megabytes) and mounts it.
    ///
    /// # Errors
    /// [`PowercutError::Unavailable`] without root, loop devices or the programs needed.
    pub fn new(bytes: u64) -> Result<Self, PowercutError> {
        if !rustix::process::geteuid().is_root() {
            return Err(PowercutError::Unavailable("mounting needs root".into()));
        }
        if !Path::new("/dev/loop-control").exists() {
            return Err(PowercutError::Unavailable("there are no loop devices (/dev/loop-control)".into()));
        }
        let mut disk =
            Self { folder: tempfile::Builder::new().prefix("powercut-").tempdir()?, mounted: false };
        std::fs::create_dir(disk.path())?;
        File::create(disk.image())?.set_len(bytes)?;
        run("mkfs.ext4", Command::new("mkfs.ext4").args(["-q", "-F"]).arg(disk.image()))?;
        // That the very first mount is refused says something about the machine, not about the test.
        disk.restore_power().map_err(|error| PowercutError::Unavailable(error.to_string()))?;
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
                eprintln!("SKIPPED: {error}");
                None
            }
        }
    }

    /// Where it is mounted. Empty while the power is off.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    /// The file with the disk's raw bytes, to look for what should be gone.
    #[must_use]
    pub fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Cuts the power: nothing is written any more, and what was not durable is lost. Open handles of this or other
    /// processes fail from now on; end those processes before [`Disk::restore_power`].
    ///
    /// # Errors
    /// When the file system does not obey.
    pub fn cut_power(&self) -> Result<(), PowercutError> {
        Ok(shutdown::without_flushing(&File::open(self.path())?)?)
    }

    /// Unmounts the disk, also one without power, and mounts it again: its journal is replayed.
    ///
    /// # Errors
    /// When it cannot be unmounted, because somebody still has a file of it open, or not be mounted.
    pub fn restore_power(&mut self) -> Result<(), PowercutError> {
        self.unmount()?;
        // `-o loop` lets the kernel free the loop device by itself when the disk is unmounted, whoever does that.
        run(
            "mount",
            Command::new("mount").args(["-t", "ext4", "-o", "loop"]).arg(self.image()).arg(self.path()),
        )?;
        self.mounted = true;
        Ok(())
    }

    /// Unmounts the disk. The image stays, with all that was written.
    ///
    /// # Errors
    /// When somebody still has a file of it open after five seconds: a process that was just killed, or a thread that is
    /// just ending, may need a moment.
    pub fn unmount(&mut self) -> Result<(), PowercutError> {
        let began = Instant::now();
        while self.mounted {
            match run("umount", Command::new("umount").arg(self.path())) {
                Ok(()) => self.mounted = false,
                Err(error) if began.elapsed() > PATIENCE => return Err(error),
                Err(_) => thread::sleep(PATIENCE / 100),
            }
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
            // Lazily: it goes as soon as the last process that has a file open has ended.
            eprintln!("powercut: {error}; unmounting lazily");
            let _best_effort = run("umount", Command::new("umount").arg("-l").arg(self.path()));
        }
    }
}

fn run(name: &'static str, command: &mut Command) -> Result<(), PowercutError> {
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => PowercutError::Unavailable(format!("{name} is not installed")),
        _ => PowercutError::Io(error),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(PowercutError::Command { command: name, said })
}
