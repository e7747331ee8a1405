//! Creating the slot file, and taking hold of one that is there.

use crate::{
    error::VaultError,
    files::{create_private_dir, sync_dir},
    header::{Header, HeaderError},
    sector::SECTOR,
    slot_file::position,
    types::{Mode, VaultId},
};
use model::Rng;
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// The name of the slot file in its folder.
pub(crate) const NAME: &str = "slots";
/// The name under which a new slot file is written.
const NEW_NAME: &str = "slots.new";

/// Writes an empty slot file, durably; refuses to replace one.
pub(crate) fn create(folder: &Path, mode: Mode, rng: &dyn Rng) -> Result<VaultId, VaultError> {
    const DOING: &str = "create the slot file";
    create_private_dir(folder)?;
    let (path, new) = (folder.join(NAME), folder.join(NEW_NAME));
    if path.exists() {
        return Err(VaultError::Exists { path });
    }
    let mut vault = VaultId([0; 16]);
    rng.fill(&mut vault.0);
    // What an earlier attempt left half done has never been a slot file.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(VaultError::io(DOING)(error)),
        _ => {}
    }
    let header = Header { vault, mode, epoch: 1, slots: 0 };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .map_err(VaultError::io(DOING))?;
    file.write_all(&header.encode()).and_then(|()| file.sync_all()).map_err(VaultError::io(DOING))?;
    renameat_with(CWD, &new, CWD, &path, RenameFlags::NOREPLACE).map_err(|error| match error {
        rustix::io::Errno::EXIST => VaultError::Exists { path },
        other => VaultError::io(DOING)(other.into()),
    })?;
    sync_dir(folder)?;
    Ok(vault)
}

/// Opens and locks the slot file of this folder and reads its header. Changes nothing.
pub(crate) fn open(folder: &Path, mode: Mode) -> Result<(File, Header), VaultError> {
    let path = folder.join(NAME);
    let unusable = |what: String| VaultError::Unusable { path: path.clone(), what };
    let damaged = |what: String| VaultError::SlotFileDamaged { path: path.clone(), what };
    let file = OpenOptions::new().read(true).write(true).open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => unusable(
            "it is not there; mount the disk it is on, restore it from its backup, or run `facemap-vault init` for a new vault"
                .into(),
        ),
        io::ErrorKind::PermissionDenied => unusable("this user may not read and write it; give it to the service's user".into()),
        _ => VaultError::io("open the slot file")(error),
    })?;
    lock(&file, &path)?;
    let metadata = file.metadata().map_err(VaultError::io("read the slot file"))?;
    if !metadata.is_file() {
        return Err(unusable("it is not a file; point `store.slots_path` to the right folder".into()));
    }
    if metadata.permissions().mode() & 0o027 != 0 {
        return Err(unusable("others can read it, or a group can write it; run `chmod 600` on it".into()));
    }
    let mut sector = [0; SECTOR];
    if metadata.len() < SECTOR as u64 {
        return Err(damaged("it is shorter than its header; restore it from its backup".into()));
    }
    file.read_exact_at(&mut sector, 0).map_err(VaultError::io("read the slot file"))?;
    let header = Header::decode(&sector).map_err(|error| match error {
        HeaderError::Damaged(what) => damaged(what),
        HeaderError::Foreign(what) => unusable(what),
    })?;
    if metadata.len() < position(header.slots) {
        return Err(damaged(format!(
            "it is cut off: {} slots are in it, {} must be; restore it from its backup",
            metadata.len() / SECTOR as u64 - 1,
            header.slots
        )));
    }
    if header.mode != mode {
        return Err(VaultError::WrongMode { is: header.mode, configured: mode });
    }
    Ok((file, header))
}

/// Opens and locks a slot file for reading, whatever is in it.
pub(crate) fn open_to_look(path: &Path) -> Result<File, VaultError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => VaultError::Unusable {
            path: path.to_owned(),
            what: "it is not there; mount the disk it is on, or restore it from its backup".into(),
        },
        _ => VaultError::io("open the slot file")(error),
    })?;
    lock(&file, path)?;
    Ok(file)
}

fn lock(file: &File, path: &Path) -> Result<(), VaultError> {
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        rustix::io::Errno::WOULDBLOCK => VaultError::InUse { path: path.to_owned() },
        other => VaultError::io("lock the slot file")(other.into()),
    })
}
