//! `restore`: from a backup to a house that starts. It goes the way of a rebuild, so that no purged person comes back:
//! slots say who is here, and what the backup's records know beyond that is taken from them.
//!
//! While it is under way there is no store at its place, so no service starts; a note beside it says of which backup,
//! and the same command goes on with it.

mod check;
mod places;
mod slots;

use crate::{
    Plan, RebuildParts, RebuildStep, Rebuilt, RecordsFile, RepairError,
    backup::RECORDS,
    clear,
    ground::{Ground, give_up, may_give_up},
    progress::Progress,
    rebuild::{empty, rebuild, set_aside, swap_in},
};
use check::{Checked, check, live_vault, refuse_data};
use model::Timestamp;
use places::{Places, begin, copy_slots, make_dir, place_slots, read_marker};
use records::Records;
use slots::{burn_purged, in_use, mark_known};
use std::{fs, path::PathBuf, sync::Arc};
use vault::VaultPaths;

/// What was ordered.
#[derive(Debug, Clone)]
pub struct RestoreOrder {
    /// The backup's folder.
    pub from: PathBuf,
    /// A copy of the slot file, where there is no live one.
    pub slots: Option<PathBuf>,
    /// People whose slot or content is not there are given up for ever.
    pub give_up_damaged: bool,
}

/// What a restore came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreDone {
    /// What was made, and what was lost.
    pub rebuilt: Rebuilt,
    /// When the backup was taken.
    pub taken_at: Timestamp,
    /// Content files that were put back.
    pub contents: u64,
    /// Slots that were burnt, because the backup's records say that the person was purged.
    pub burnt: u64,
}

/// A place at which a test may stop, as a kill would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreStep {
    /// It is noted that a restore is under way.
    Marked,
    /// The backup's records can be asked.
    Imported,
    /// The copy of the slot file lies beside its place.
    SlotsCopied,
    /// Slots of purged people are burnt.
    Burnt,
    /// The contents are there.
    ContentsThere,
    /// What an earlier try had made of the new store is removed.
    Emptied,
    /// As in a rebuild.
    Rebuild(RebuildStep),
    /// The new store is whole.
    Rebuilt,
    /// The slot file is in its place.
    SlotsPlaced,
}

/// Restores a backup. Every part is checked before anything is written. Interrupted anywhere, it is run again.
///
/// # Errors
/// [`RepairError::Backup`] when one byte of the backup is not as it was written, [`RepairError::Refused`] when there are
/// data already, when slots are missing, not wanted, or too old: nothing was changed then. [`RepairError::Late`] when it
/// is refused after that: it says what lies where.
pub async fn restore(
    ground: &Ground,
    order: &RestoreOrder,
    progress: &dyn Progress,
    at: impl Fn(RestoreStep) -> Result<(), RepairError> + Send + Sync,
) -> Result<RestoreDone, RepairError> {
    let places = Places::of(ground);
    let marker = read_marker(&places)?;
    // It also takes the lock, if only for a moment: no service runs.
    let live = live_vault(ground, &places).await?;
    refuse_data(ground, marker.is_some()).await?;
    let checked = check(ground, order, &places, (marker.as_ref(), live), progress)?;
    begin(&places, marker.is_some(), &checked.marker)?;
    at(RestoreStep::Marked)?;

    clear(&places.source)?;
    let source = ground.engine.open(&places.source).await?;
    let file = RecordsFile::open(&order.from.join(RECORDS))?;
    source.import(file.last(), Box::new(file)).await?;
    let backup = ground.records(source);
    at(RestoreStep::Imported)?;
    let done = onto(ground, order, &places, &checked, backup, progress, &at).await;
    ground.engine.close(&places.source).await;
    ground.engine.close(&places.folders.new).await;
    let done = done.map_err(|error| places.late(ground, error))?;
    at(RestoreStep::Rebuilt)?;
    if places.new_slots.join("slots").exists() {
        place_slots(&places)?;
    }
    at(RestoreStep::SlotsPlaced)?;
    clear(&places.source)?;
    swap_in(&places.folders, ground.clock.now())?;
    fs::remove_file(&places.marker).map_err(RepairError::io("remove", &places.marker))?;
    Ok(done)
}

/// Everything from the backup's records on, up to a whole new store.
async fn onto(
    ground: &Ground,
    order: &RestoreOrder,
    places: &Places,
    checked: &Checked,
    backup: Records,
    progress: &dyn Progress,
    at: &(impl Fn(RestoreStep) -> Result<(), RepairError> + Send + Sync),
) -> Result<RestoreDone, RepairError> {
    let slots_dir = match &checked.slots {
        Some((copy, _)) => {
            copy_slots(copy, &places.new_slots)?;
            at(RestoreStep::SlotsCopied)?;
            places.new_slots.clone()
        }
        None => ground.paths.slots_dir.clone(),
    };
    let content_dir = ground.paths.content_dir.clone();
    make_dir(&content_dir)?;
    let vault = ground.vault(VaultPaths { slots_dir, content_dir: content_dir.clone() }).await?;
    // Before anything else: nobody whom the records know as purged has a slot that holds.
    let burnt = burn_purged(&backup, &vault).await?;
    let told = match checked.slots {
        Some(_) => mark_known(&backup, &vault).await?,
        None => Vec::new(),
    };
    at(RestoreStep::Burnt)?;
    let contents = checked.contents.restore(&content_dir, &in_use(&vault).await?, progress)?;
    at(RestoreStep::ContentsThere)?;
    let mut plan = Plan::of(&*vault, progress).await?;
    plan.told = told;
    may_give_up(&plan.troubles, order.give_up_damaged)?;
    give_up(&vault, &mut plan).await?;
    set_aside(&content_dir, &plan.unclaimed, ground.clock.now())?;
    // Not removed, even for a moment: without it, what was begun would not count as under way.
    empty(&places.folders.new)?;
    at(RestoreStep::Emptied)?;
    let store = ground.engine.open(&places.folders.new).await?;
    let parts = RebuildParts {
        records: ground.records(store),
        backup: Some(backup),
        shapes: (ground.shapes)(),
        kept_jobs: ground.kept_jobs.clone(),
        vault,
        anchor: ground.anchor.clone(),
        window: ground.window,
        known_epoch: checked.manifest.epoch,
        clock: Arc::clone(&ground.clock),
        rng: Arc::clone(&ground.rng),
    };
    let rebuilt = rebuild(&parts, plan, progress, |step| at(RestoreStep::Rebuild(step))).await?;
    Ok(RestoreDone { rebuilt, taken_at: checked.manifest.created_at, contents, burnt })
}
