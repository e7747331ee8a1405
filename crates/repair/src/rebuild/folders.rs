//! Folders of the store: the one in use, the one being made, the ones moved aside. What is moved aside is never deleted.

use crate::RepairError;
use model::Timestamp;
use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
};
use vault::FacemapId;

/// The folders of a store that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// Where the store is, or will be.
    pub live: PathBuf,
    /// Where the new one is made.
    pub new: PathBuf,
}

impl Folders {
    /// The folders for the store at `live`: the new one is made beside it, on the same file system.
    #[must_use]
    pub fn beside(live: &Path) -> Self {
        Self { live: live.to_owned(), new: with_suffix(live, "rebuilding") }
    }
}

/// Removes what an interrupted attempt left: it was never a store in use.
///
/// # Errors
/// [`RepairError::Io`].
pub fn clear(folder: &Path) -> Result<(), RepairError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(RepairError::io("remove", folder)(error)),
        _ => Ok(()),
    }
}

/// Empties a folder that stays where it is: that it is there says something by itself.
///
/// # Errors
/// [`RepairError::Io`].
pub(crate) fn empty(folder: &Path) -> Result<(), RepairError> {
    let failed = RepairError::io("empty", folder);
    let remove = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())
        } else {
            fs::remove_file(entry.path())
        }
    };
    fs::read_dir(folder).and_then(|mut entries| entries.try_for_each(remove)).map_err(failed)
}

/// Moves the store in use aside, if there is one, and the new one into its place, durably. Gives back where the old one
/// lies now. Between the two moves there is no store, and a service does not start.
///
/// # Errors
/// [`RepairError::Io`]; it may be repeated.
pub fn swap_in(folders: &Folders, now: Timestamp) -> Result<Option<PathBuf>, RepairError> {
    let aside = if folders.live.exists() {
        let aside = unused(&with_suffix(&folders.live, &format!("damaged-{}", stamp(now))));
        fs::rename(&folders.live, &aside).map_err(RepairError::io("move aside", &folders.live))?;
        sync_parent(&folders.live)?;
        Some(aside)
    } else {
        None
    };
    fs::rename(&folders.new, &folders.live).map_err(RepairError::io("move into place", &folders.new))?;
    sync_parent(&folders.live)?;
    Ok(aside)
}

/// Moves content files that no slot is the root of out of the content folder, into a folder beside it. Nothing opens
/// them, and the vault does not start while they are among the others.
///
/// # Errors
/// [`RepairError::Io`]; it may be repeated.
pub fn set_aside(
    content_dir: &Path,
    files: &[FacemapId],
    now: Timestamp,
) -> Result<Option<PathBuf>, RepairError> {
    if files.is_empty() {
        return Ok(None);
    }
    let aside = unused(&with_suffix(content_dir, &format!("unclaimed-{}", stamp(now))));
    fs::create_dir(&aside).map_err(RepairError::io("create", &aside))?;
    for id in files {
        let name = id.to_string();
        let file = content_dir.join(&name[..2]).join(&name);
        fs::rename(&file, aside.join(&name)).map_err(RepairError::io("move aside", &file))?;
        sync_parent(&file)?;
    }
    sync(&aside)?;
    sync_parent(&aside)?;
    Ok(Some(aside))
}

/// Makes the names in a folder durable.
pub(crate) fn sync(folder: &Path) -> Result<(), RepairError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(RepairError::io("sync", folder))
}

pub(crate) fn sync_parent(path: &Path) -> Result<(), RepairError> {
    sync(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// `path.suffix`, beside `path`.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// The path, or the same with a number behind it where there is something already.
fn unused(path: &Path) -> PathBuf {
    if !path.exists() {
        return path.to_owned();
    }
    // Nobody rebuilds so often within a second; if so, the move itself says that there is something already.
    let mut numbered = (2_u32..1000).map(|n| with_suffix(path, &n.to_string()));
    numbered.find(|path| !path.exists()).unwrap_or_else(|| path.to_owned())
}

/// The time as a file name takes it.
pub(crate) fn stamp(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}
