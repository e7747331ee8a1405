//! What is refused before anything is written.

use super::{
    RestoreOrder,
    places::{Marker, Places},
};
use crate::{
    Manifest, RepairError, SlotsManifest,
    backup::{CONTENTS, CheckedContents, RECORDS, check_file},
    ground::Ground,
    progress::Progress,
};
use model::hex;
use std::{
    fs,
    path::{Path, PathBuf},
};
use store::{Range, TableId};
use vault::{Mode, VaultId};

/// A backup of which every byte was compared.
pub(super) struct Checked {
    pub(super) manifest: Manifest,
    pub(super) slots: Option<(PathBuf, SlotsManifest)>,
    pub(super) contents: CheckedContents,
    pub(super) marker: Marker,
}

/// Which vault the live slot file is of, if there is one.
pub(super) async fn live_vault(ground: &Ground, places: &Places) -> Result<Option<VaultId>, RepairError> {
    if !places.live_slots.exists() {
        return Ok(None);
    }
    let inspection = ground.inspect().await?;
    Ok(inspection.header().ok().map(|header| header.vault))
}

/// Refuses where there is a store, or contents that no interrupted restore has put there.
pub(super) async fn refuse_data(ground: &Ground, is_under_way: bool) -> Result<(), RepairError> {
    let refused = |what: &str| {
        Err(RepairError::Refused(format!(
            "{what}: a restore goes into empty folders only. Move it away, or run `facemap-vault rebuild-index` if slots and \
             contents are whole"
        )))
    };
    if ground.db.exists() {
        let Ok(store) = ground.engine.open(&ground.db).await else {
            return refused("there is a store, which does not open");
        };
        let mut has_rows = false;
        for table in 1..=u8::MAX {
            has_rows = has_rows || !store.scan(TableId(table), &Range::default(), 1).await?.is_empty();
        }
        drop(store);
        ground.engine.close(&ground.db).await;
        if has_rows {
            return refused("there is a store with records");
        }
    }
    if !is_under_way && has_files(&ground.paths.content_dir) {
        return refused("there are content files");
    }
    Ok(())
}

fn has_files(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        entry.file_name() != "lost+found" && (!entry.path().is_dir() || has_files(&entry.path()))
    })
}

/// Compares every byte of the backup with what its manifest says, and the manifest with this house.
pub(super) fn check(
    ground: &Ground,
    order: &RestoreOrder,
    places: &Places,
    (under_way, live): (Option<&Marker>, Option<VaultId>),
    progress: &dyn Progress,
) -> Result<Checked, RepairError> {
    let manifest = Manifest::read(&order.from, &ground.keys)?;
    if live.is_some_and(|live| live != manifest.vault) {
        return Err(RepairError::Backup("it is of another vault than the slot file that is here".into()));
    }
    if manifest.simulated != (ground.mode == Mode::Simulated) {
        return Err(RepairError::Backup(
            "it is of simulated people and this vault of real ones, or the other way round".into(),
        ));
    }
    let slots = match &order.slots {
        Some(copy) => Some((copy.clone(), SlotsManifest::read(copy, &ground.keys)?)),
        None => None,
    };
    let marker = Marker {
        backup: manifest.backup,
        slots: slots.as_ref().map(|(_, manifest)| hex::encode(&manifest.part.sha256)),
    };
    if under_way.is_some_and(|found| *found != marker) {
        return Err(RepairError::Refused(
            "the restore of another backup was begun and not finished; finish it, or empty the folders"
                .into(),
        ));
    }
    let slots = wanted_slots(ground, places, under_way.is_some(), slots, &manifest)?;
    for name in [RECORDS, CONTENTS] {
        check_file(&order.from.join(name), manifest.part(name)?)?;
    }
    let contents = CheckedContents::check(&order.from, progress)?;
    Ok(Checked { manifest, slots, contents, marker })
}

/// The copy of the slot file that is to be used; none where the live one is.
fn wanted_slots(
    ground: &Ground,
    places: &Places,
    is_under_way: bool,
    slots: Option<(PathBuf, SlotsManifest)>,
    manifest: &Manifest,
) -> Result<Option<(PathBuf, SlotsManifest)>, RepairError> {
    match (places.live_slots.exists(), slots) {
        // The slot file of the interrupted restore is in its place already.
        (true, Some(_)) if is_under_way => Ok(None),
        (true, Some(_)) => Err(RepairError::Refused(
            "there is a slot file, and the live one wins over any copy: leave `--slots` out. Only if it is lost or damaged \
             beyond use, move it away first"
                .into(),
        )),
        (true, None) => Ok(None),
        (false, None) => Err(RepairError::Refused(
            "there is no slot file, and without slots nothing opens; name the copy of it with `--slots`".into(),
        )),
        (false, Some((copy, slots))) => {
            if slots.vault != manifest.vault {
                return Err(RepairError::Backup("slots and contents are of two vaults".into()));
            }
            let age = ground.clock.now().duration_since(slots.created_at).unsigned_abs();
            if age > ground.slot_backup_horizon {
                return Err(RepairError::Refused(format!(
                    "this copy of the slot file is {} days old, and store.slot_backup_horizon_days allows {}: it may hold \
                     people who were purged since, and whose receipts promise that no copy is used after that time",
                    age.as_secs() / 86_400,
                    ground.slot_backup_horizon.as_secs() / 86_400
                )));
            }
            Ok(Some((copy, slots)))
        }
    }
}
