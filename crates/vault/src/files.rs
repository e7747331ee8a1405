//! Small things about folders that slots and contents share.

use crate::error::VaultError;
use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

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
