//! Where things lie while a restore is under way, and how it is known that one is.

use crate::{
    Folders, RepairError,
    backup::create,
    ground::Ground,
    rebuild::{sync, sync_parent, with_suffix},
};
use model::hex;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder},
    io::ErrorKind,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// What the note says that lies beside the store's place.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    #[serde(with = "hex")]
    pub(super) backup: [u8; 16],
    /// The digest of the copy of the slot file, if one is used.
    pub(super) slots: Option<String>,
}

pub(super) struct Places {
    pub(super) marker: PathBuf,
    /// The backup's records, to be asked.
    pub(super) source: PathBuf,
    pub(super) folders: Folders,
    pub(super) live_slots: PathBuf,
    pub(super) new_slots: PathBuf,
}

impl Places {
    pub(super) fn of(ground: &Ground) -> Self {
        Self {
            marker: with_suffix(&ground.db, "restore"),
            source: with_suffix(&ground.db, "backup"),
            folders: Folders { live: ground.db.clone(), new: with_suffix(&ground.db, "restoring") },
            live_slots: ground.paths.slots_dir.join("slots"),
            // On the same file system as its place.
            new_slots: ground.paths.slots_dir.join("restoring"),
        }
    }

    /// A refusal that comes when folders were written to does not say that nothing was.
    pub(super) fn late(&self, ground: &Ground, error: RepairError) -> RepairError {
        match error {
            RepairError::Refused(why) | RepairError::Backup(why) => RepairError::Late(format!(
                "the restore was begun and cannot go on: {why}. There is no store, so no service starts. Contents were put \
                 into {}, people whom the records know as purged are burnt in the slot file that is used, and {} is half \
                 made. Settle what is named and repeat the same command; nothing has to be removed for that",
                ground.paths.content_dir.display(),
                self.folders.new.display()
            )),
            other => other,
        }
    }
}

pub(super) fn read_marker(places: &Places) -> Result<Option<Marker>, RepairError> {
    // Without the new store beside it, it is what a restore that came to its end left behind.
    if !places.folders.new.exists() {
        return Ok(None);
    }
    match fs::read(&places.marker) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RepairError::io("read", &places.marker)(error)),
    }
}

pub(super) fn begin(places: &Places, is_under_way: bool, marker: &Marker) -> Result<(), RepairError> {
    if is_under_way {
        return Ok(());
    }
    if let Err(error) = fs::remove_file(&places.marker)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(RepairError::io("remove", &places.marker)(error));
    }
    if let Some(parent) = places.marker.parent() {
        make_dir(parent)?;
    }
    let json = serde_json::to_vec(marker)
        .map_err(|error| RepairError::Refused(format!("the restore cannot be noted: {error}")))?;
    create(&places.marker, &json)?;
    make_dir(&places.folders.new)?;
    sync_parent(&places.marker)
}

pub(super) fn make_dir(folder: &Path) -> Result<(), RepairError> {
    DirBuilder::new().mode(0o700).recursive(true).create(folder).map_err(RepairError::io("create", folder))
}

/// Lays the copy of the slot file beside its place. One that a restore has begun to work on is begun anew.
pub(super) fn copy_slots(copy: &Path, folder: &Path) -> Result<(), RepairError> {
    make_dir(folder)?;
    let to = folder.join("slots");
    let bytes = zeroize::Zeroizing::new(fs::read(copy).map_err(RepairError::io("read", copy))?);
    if to.exists() {
        fs::remove_file(&to).map_err(RepairError::io("remove", &to))?;
    }
    create(&to, &bytes)?;
    sync(folder)
}

pub(super) fn place_slots(places: &Places) -> Result<(), RepairError> {
    let from = places.new_slots.join("slots");
    fs::rename(&from, &places.live_slots).map_err(RepairError::io("move into place", &from))?;
    sync_parent(&places.live_slots)?;
    fs::remove_dir(&places.new_slots).map_err(RepairError::io("remove", &places.new_slots))
}
