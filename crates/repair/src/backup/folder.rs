//! The folders that a backup is written to: which ones it may have, and which names they have until they are whole.

use crate::{
    RepairError,
    backup::create,
    rebuild::{clear, sync, sync_parent, with_suffix},
};
use std::{
    fs::{self, DirBuilder},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

/// The note in a folder that is being written: only what carries it is ever cleared.
const NOTE: &str = "unfinished-backup";
const NOTE_SAYS: &[u8] =
    b"facemap-vault writes a backup here, or was stopped while it did. The next one clears it.\n";

/// A folder, without links and dots, that a backup may have.
#[derive(Debug)]
pub(crate) struct Target {
    folder: PathBuf,
    partial: PathBuf,
}

/// The folders of a backup.
///
/// # Errors
/// [`RepairError::Refused`] for one that cannot be used; nothing was written.
pub(crate) fn targets(
    to: &Path,
    slots_to: Option<&Path>,
    own_folders: &[PathBuf],
) -> Result<(Target, Option<Target>), RepairError> {
    let to = Target::of(to, own_folders)?;
    let slots = slots_to.map(|slots| Target::of(slots, own_folders)).transpose()?;
    if let Some(slots) = &slots
        && (to.folder.starts_with(&slots.folder) || slots.folder.starts_with(&to.folder))
    {
        return refused(
            "slots and contents must not be kept together: whoever has both and the keys has the facemaps; name two \
             folders, best on two machines"
                .into(),
        );
    }
    Ok((to, slots))
}

impl Target {
    fn of(path: &Path, own_folders: &[PathBuf]) -> Result<Self, RepairError> {
        let folder = resolved(path);
        for own in own_folders {
            if folder.starts_with(resolved(own)) {
                return refused(format!(
                    "{} lies in {}, which is what is backed up; name a folder elsewhere, best on another disk",
                    path.display(),
                    own.display()
                ));
            }
        }
        let partial = with_suffix(&folder, "partial");
        if !is_free(&folder)? {
            return refused(format!("{} is not empty; a backup takes a folder of its own", path.display()));
        }
        if is_mount_point(&folder) {
            return refused(format!(
                "{} is where a disk is mounted, and a backup is moved into its place when it is whole; name a folder \
                 inside it that is not there yet",
                path.display()
            ));
        }
        if !is_free(&partial)? && !partial.join(NOTE).is_file() {
            return refused(format!(
                "{} is needed while the backup is written, and what is there is no backup that was interrupted; move it \
                 away, or name another folder",
                partial.display()
            ));
        }
        Ok(Self { folder, partial })
    }

    /// Makes the folder under the name that it has until it is whole.
    pub(crate) fn begin(&self) -> Result<&Path, RepairError> {
        // An empty folder would be replaced in the end; one that cannot be, as a mount point, says so now.
        if let Err(error) = fs::remove_dir(&self.folder)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(RepairError::io("take the place of", &self.folder)(error));
        }
        clear(&self.partial)?;
        let made = DirBuilder::new().mode(0o700).create(&self.partial);
        made.map_err(RepairError::io("create", &self.partial))?;
        create(&self.partial.join(NOTE), NOTE_SAYS)?;
        sync(&self.partial)?;
        Ok(&self.partial)
    }

    /// Gives the folder its name. The note goes last: before that, an interruption leaves a folder that is known as ours.
    pub(crate) fn end(&self) -> Result<(), RepairError> {
        sync(&self.partial)?;
        // Onto an empty folder or none: anything else is refused by the system.
        fs::rename(&self.partial, &self.folder).map_err(RepairError::io("name", &self.folder))?;
        sync_parent(&self.folder)?;
        let note = self.folder.join(NOTE);
        fs::remove_file(&note).map_err(RepairError::io("remove", &note))?;
        sync(&self.folder)
    }
}

fn refused<T>(what: String) -> Result<T, RepairError> {
    Err(RepairError::Refused(what))
}

/// Whether nothing is there, or an empty folder.
fn is_free(path: &Path) -> Result<bool, RepairError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(RepairError::io("read", path)(error)),
        Ok(metadata) if !metadata.is_dir() => Ok(false),
        Ok(_) => Ok(fs::read_dir(path).map_err(RepairError::io("read", path))?.next().is_none()),
    }
}

fn is_mount_point(folder: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    match (device(folder), folder.parent().and_then(device)) {
        (Some(folder), Some(parent)) => folder != parent,
        _ => false,
    }
}

/// The path without links, dots and a slash at its end, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let absolute: PathBuf =
        std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).components().collect();
    let mut there = absolute.as_path();
    loop {
        if let Ok(real) = there.canonicalize() {
            let rest = absolute.strip_prefix(there).unwrap_or(Path::new(""));
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
        match there.parent() {
            Some(parent) => there = parent,
            None => return absolute,
        }
    }
}
