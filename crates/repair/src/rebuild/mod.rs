//! The store made anew from slots and contents, which alone say who is here, who is purged and who is held (DESIGN §3.7).
//! A restore goes the same way: what a backup knows beyond that is taken from its records.
//!
//! The order, so that it may be interrupted anywhere and run again:
//!
//! 1. Everything is looked at; nothing is changed until it is known that all of it can be done.
//! 2. Where it was ordered, damaged slots are given up; content files without a slot are moved aside.
//! 3. A new store is filled, beside the old one.
//! 4. The slot file's epoch is raised: from now on the old store does not start any more, and says `rebuild-index`.
//! 5. The new store is told whose it is and under which epoch; the book begins a new chain; its anchor follows.
//! 6. The old store is moved aside, the new one into its place. A store that is not there does not start either.

mod backup_rows;
mod folders;
mod people;
mod plan;
mod write;

pub use folders::{Folders, clear, set_aside, swap_in};
pub(crate) use folders::{empty, sync, sync_parent, with_suffix};
pub use plan::{Kept, Plan, Tombstone, Trouble};

use crate::{RepairError, progress::Progress};
use audit::{Actor, NewEpoch};
use model::{Clock, Rng, Timestamp};
use records::{Records, Shape};
use register::{RecoveryKind, RecoveryRow, Register};
use std::{path::PathBuf, sync::Arc, time::Duration};
use vault::Vault;

/// What a new store is made of.
pub struct RebuildParts {
    /// The new store, empty.
    pub records: Records,
    /// The records of a backup, for a restore.
    pub backup: Option<Records>,
    /// All tables, as their rooms describe them: a restore copies some as they are.
    pub shapes: Vec<Shape>,
    /// Kinds of jobs, as the first byte of their keys, that a restore lays down again.
    pub kept_jobs: Vec<u8>,
    /// The vault, opened in full.
    pub vault: Arc<Vault>,
    /// The book's anchor.
    pub anchor: PathBuf,
    /// How long a transaction may be open at Jumio.
    pub window: Duration,
    /// An epoch that no store of this vault was ever above, if one is known.
    pub known_epoch: u64,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// A step after which a test may stop, as a kill would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebuildStep {
    /// Some rows are written.
    Written,
    /// All rows are written.
    Filled,
    /// The slot file's epoch is raised.
    EpochRaised,
    /// The store knows whose it is.
    Sealed,
    /// The book has begun its new chain.
    BookBegun,
}

/// What was made, and what was lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Enrollments that can be used.
    pub ready: u64,
    /// Enrollments that wait for their release.
    pub vaulted: u64,
    /// Enrollments without a facemap that a backup knew.
    pub others: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Holds that are in force again.
    pub holds: u64,
    /// What is lost, a sentence each.
    pub lost: Vec<String>,
}

/// Fills a new store from a plan, raises the epoch, and says whose the store is. It may be interrupted anywhere; then
/// it is begun again with another empty store.
///
/// # Errors
/// When something cannot be read or written. The old store is where it was.
pub async fn rebuild(
    parts: &RebuildParts,
    plan: Plan,
    progress: &dyn Progress,
    at: impl Fn(RebuildStep) -> Result<(), RepairError> + Send + Sync,
) -> Result<Rebuilt, RepairError> {
    let now = parts.clock.now();
    let register = Register::new(parts.records.clone(), Arc::clone(&parts.vault));
    let mut writing = write::Writing::new(parts, &register, now);
    let kind = if parts.backup.is_some() { RecoveryKind::Restore } else { RecoveryKind::Rebuild };
    writing.people(&plan, progress, &at).await?;
    let rebuilt = writing.finish(&plan);
    at(RebuildStep::Filled)?;
    parts.vault.raise_epoch_beyond(parts.known_epoch).await?;
    at(RebuildStep::EpochRaised)?;
    register.seal_new_store(&recovery(kind, now, parts.window, &rebuilt.lost)).await?;
    at(RebuildStep::Sealed)?;
    let why = match kind {
        RecoveryKind::Restore => NewEpoch::Restored,
        RecoveryKind::Rebuild | RecoveryKind::Book => NewEpoch::Rebuilt,
    };
    let epoch = parts.vault.epoch();
    audit::begin_epoch(&parts.records, &parts.anchor, why, Actor::Operator, epoch, now).await?;
    at(RebuildStep::BookBegun)?;
    Ok(rebuilt)
}

fn recovery(kind: RecoveryKind, now: Timestamp, window: Duration, lost: &[String]) -> RecoveryRow {
    RecoveryRow {
        since: now,
        kind,
        reauth_blocked_until: now.checked_add(window).unwrap_or(Timestamp::MAX),
        acknowledged_at: None,
        lost: lost.to_vec(),
    }
}
