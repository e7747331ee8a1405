//! `rebuild-index`: from a store that does not open, or not as it should, to one that does.

use crate::{
    ContentFault, Finding, Folders, Plan, RebuildParts, RebuildStep, Rebuilt, RepairError, SlotFault,
    Trouble, VerifyParts, clear,
    ground::{Ground, give_up, may_give_up},
    progress::{Progress, Unwatched},
    rebuild, set_aside, swap_in, verify,
};
use register::inspect::store_identity;
use std::{path::PathBuf, sync::Arc};
use store::StoreError;
use vault::{Inspection, Mode};

/// What was ordered.
#[derive(Debug, Clone, Copy, Default)]
pub struct RebuildOrder {
    /// Even if nothing is wrong with the store.
    pub force: bool,
    /// Slots that are damaged, or whose content is, are given up for ever.
    pub give_up_damaged: bool,
}

/// What a rebuild came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuildDone {
    /// What was made, and what was lost.
    pub rebuilt: Rebuilt,
    /// Where the old store lies now.
    pub old_store: Option<PathBuf>,
    /// Where content files without a slot lie now.
    pub unclaimed: Option<PathBuf>,
}

/// Makes the store anew from slots and contents. Interrupted anywhere, it is run again.
///
/// # Errors
/// [`RepairError::Refused`] when nothing is wrong, or when it would cost people that nobody gave up: nothing was
/// changed then.
pub async fn rebuild_index(
    ground: &Ground,
    order: RebuildOrder,
    progress: &dyn Progress,
    at: impl Fn(RebuildStep) -> Result<(), RepairError> + Send + Sync,
) -> Result<RebuildDone, RepairError> {
    let now = ground.clock.now();
    let inspection = ground.inspect().await?;
    let mut plan = Plan::of(&inspection, progress).await?;
    let known_epoch = look_at_store(ground, &inspection, order).await?;
    may_give_up(&plan.troubles, order.give_up_damaged)?;
    mend(ground, inspection, &plan, known_epoch).await?;
    let vault = ground.vault(ground.paths.clone()).await?;
    give_up(&vault, &mut plan).await?;
    let unclaimed = set_aside(&ground.paths.content_dir, &plan.unclaimed, now)?;
    let folders = Folders::beside(&ground.db);
    clear(&folders.new)?;
    let store = ground.engine.open(&folders.new).await?;
    let parts = RebuildParts {
        records: ground.records(store),
        backup: None,
        shapes: (ground.shapes)(),
        kept_jobs: Vec::new(),
        vault,
        anchor: ground.anchor.clone(),
        window: ground.window,
        known_epoch,
        clock: Arc::clone(&ground.clock),
        rng: Arc::clone(&ground.rng),
    };
    let rebuilt = rebuild(&parts, plan, progress, &at).await;
    drop(parts);
    ground.engine.close(&folders.new).await;
    let rebuilt = rebuilt?;
    let old_store = swap_in(&folders, now)?;
    Ok(RebuildDone { rebuilt, old_store, unclaimed })
}

/// Refuses where nothing is wrong. Gives back the epoch that the store knows, 0 if it does not say.
async fn look_at_store(
    ground: &Ground,
    inspection: &Inspection,
    order: RebuildOrder,
) -> Result<u64, RepairError> {
    if !ground.db.exists() {
        return Ok(0);
    }
    let store = match ground.engine.open(&ground.db).await {
        Ok(store) => store,
        // Whatever else keeps it from being opened is not for a rebuild to settle.
        Err(StoreError::Unusable(why)) if why.contains("rebuild-index") => return Ok(0),
        Err(StoreError::Corrupt(_)) => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    let records = ground.records(store);
    let epoch = store_identity(&records).await.ok().flatten().map_or(0, |identity| identity.epoch);
    let looked = if order.force { None } else { Some(verified(ground, inspection, records, order).await) };
    ground.engine.close(&ground.db).await;
    match looked.transpose()? {
        Some(true) => Err(RepairError::Refused(
            "nothing is wrong with the store that a rebuild mends, and a rebuild would lose what only it knows. What else \
             `facemap-vault verify` finds says what to do about it. Repeat with `--force` if it must be"
                .into(),
        )),
        _ => Ok(epoch),
    }
}

/// Whether nothing is wrong that a rebuild mends.
async fn verified(
    ground: &Ground,
    inspection: &Inspection,
    records: records::Records,
    order: RebuildOrder,
) -> Result<bool, RepairError> {
    let parts = VerifyParts {
        records: Ok(Some(records)),
        slots: Ok(Arc::new(inspection.clone())),
        shapes: (ground.shapes)(),
        anchor: ground.anchor.clone(),
        clock: Arc::clone(&ground.clock),
        pause: None,
    };
    let report = verify(parts, &Unwatched).await?;
    Ok(!report.findings.iter().any(|finding| is_mended(finding, order.give_up_damaged)))
}

/// Whether a rebuild mends it. What lies elsewhere is no reason to throw away the book, the receipts, and whatever else only
/// the store knows.
const fn is_mended(finding: &Finding, give_up_damaged: bool) -> bool {
    match finding {
        Finding::Slot(_, SlotFault::HoldDiffers)
        | Finding::UnknownTable(_)
        | Finding::Strangers(_)
        | Finding::Audit(_)
        | Finding::Content(_, ContentFault::NoSlot) => false,
        Finding::Content(..) => give_up_damaged,
        _ => true,
    }
}

/// Makes the slot file one that opens: its header, and the sectors that were given up.
async fn mend(
    ground: &Ground,
    inspection: Inspection,
    plan: &Plan,
    known_epoch: u64,
) -> Result<(), RepairError> {
    let header = inspection.header().map_err(str::to_owned);
    let sectors: Vec<_> = plan
        .troubles
        .iter()
        .filter_map(|trouble| match trouble {
            Trouble::Sector(index) => Some(*index),
            _ => None,
        })
        .collect();
    if header.as_ref().is_ok_and(|header| header.mode != ground.mode) {
        let (is, other) = match ground.mode {
            Mode::Real => ("simulated", "real"),
            Mode::Simulated => ("real", "simulated"),
        };
        return Err(RepairError::Refused(format!(
            "the slots are of {is} people, the configuration says {other}"
        )));
    }
    if header.is_ok() && sectors.is_empty() {
        return Ok(());
    }
    let mending = inspection.mend(Arc::clone(&ground.rng), Arc::clone(&ground.clock)).await?;
    if header.is_err() {
        // Above every epoch that a store of this vault ever had, whatever the header said: nobody rebuilds that often.
        let seconds = u64::try_from(ground.clock.now().as_second()).unwrap_or(0);
        mending.repair_header(ground.mode, known_epoch.max(seconds)).await?;
    }
    for index in sectors {
        mending.forget_sector(index).await?;
    }
    Ok(())
}
