//! The walk over everything: does each part open in its place, and do the parts agree about each other?
//!
//! It writes nothing. Where the house is in use, rows change under the walk: whatever looks wrong is looked at again
//! before it is told, and only what is wrong every time is a finding.

mod contents;
mod people;
mod slot_map;
mod tables;

use crate::{
    Finding, RepairError, Report,
    finding::{RowFault, RowName},
    progress::{Progress, Stage},
    slots::Slots,
};
use model::Clock;
use records::{Records, Shape, tables::RECOVERY};
use register::inspect::store_identity;
use slot_map::SlotMap;
use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};
use store::{Range, StoreError, TableId};
use vault::{Mode, VaultError};

/// Looks at something that seems wrong, after the first, while the house is in use.
const LOOKS_AGAIN: u32 = 3;

/// What is walked over.
pub struct VerifyParts {
    /// The records, or why they cannot be read; none where there is no store, as before the first start.
    pub records: Result<Option<Records>, StoreError>,
    /// Slots and contents, or why there are none.
    pub slots: Result<Arc<dyn Slots>, VaultError>,
    /// All tables, as their rooms describe them.
    pub shapes: Vec<Shape>,
    /// The book's anchor file.
    pub anchor: PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How long to wait before something that seems wrong is looked at again; none when nobody else writes.
    pub pause: Option<Duration>,
}

/// Walks over records, slots, contents and the book.
///
/// # Errors
/// When something cannot be looked at for another reason than damage: a disk that does not answer, keys that are out of
/// reach. Then nothing can be said.
pub async fn verify(parts: VerifyParts, progress: &dyn Progress) -> Result<Report, RepairError> {
    let began = parts.clock.now();
    let mut report = Report::new();
    let slots = match &parts.slots {
        Ok(slots) => Some(Arc::clone(slots)),
        Err(error) => {
            report.add(Finding::SlotFile { why: error.to_string() });
            None
        }
    };
    let records = match &parts.records {
        Ok(records) => records.clone(),
        Err(error) => {
            report.add(Finding::Store { why: error.to_string() });
            None
        }
    };
    let mut walk = Walk {
        parts: &parts,
        records,
        slots,
        map: SlotMap::default(),
        found: HashMap::new(),
        report,
        progress,
    };
    walk.read_slots().await?;
    walk.store_is_there();
    let outcome = walk.records().await;
    walk.without_damaged_store(outcome)?;
    let before = walk.report.clone();
    let outcome = walk.contents().await;
    if walk.without_damaged_store(outcome)? {
        // Once more, without the records: slots and contents say much by themselves.
        let store = walk.report.findings.last().cloned();
        walk.report = before;
        if let Some(finding) = store {
            walk.report.add(finding);
        }
        walk.contents().await?;
    }
    let outcome = walk.book().await;
    walk.without_damaged_store(outcome)?;
    let mut report = walk.report;
    report.took = parts.clock.now().duration_since(began).unsigned_abs();
    Ok(report)
}

/// A walk under way.
pub(crate) struct Walk<'a> {
    parts: &'a VerifyParts,
    records: Option<Records>,
    slots: Option<Arc<dyn Slots>>,
    map: SlotMap,
    /// Rows of indexes that rows of tables must have.
    found: HashMap<TableId, u64>,
    report: Report,
    progress: &'a dyn Progress,
}

impl Walk<'_> {
    fn shape(&self, table: TableId) -> Option<&Shape> {
        self.parts.shapes.iter().find(|shape| shape.id() == table)
    }

    /// How often a thing that seems wrong is looked at again.
    const fn looks_again(&self) -> u32 {
        if self.parts.pause.is_some() { LOOKS_AGAIN } else { 0 }
    }

    async fn pause(&self) {
        if let Some(pause) = self.parts.pause {
            self.parts.clock.sleep(pause).await;
        }
    }

    /// A store that is not there is damage as soon as there are slots in use.
    fn store_is_there(&mut self) {
        if matches!(self.parts.records, Ok(None)) && !self.map.is_unused() {
            self.report.add(Finding::Store { why: "it is not there, and the slot file is not empty".into() });
        }
    }

    /// What the records say of themselves.
    async fn records(&mut self) -> Result<(), RepairError> {
        self.identity().await?;
        self.tables().await
    }

    /// An engine that reads what it did not write is a finding, and the walk goes on without records. True if it was so.
    fn without_damaged_store(&mut self, outcome: Result<(), RepairError>) -> Result<bool, RepairError> {
        match outcome {
            Ok(()) => Ok(false),
            Err(error) if error.is_corrupt_store() => {
                self.records = None;
                self.report.add(Finding::Store { why: error.to_string() });
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    async fn identity(&mut self) -> Result<(), RepairError> {
        let (Some(records), Some(slots)) = (&self.records, &self.slots) else { return Ok(()) };
        let slots = match slots.header() {
            Ok(header) => header,
            Err(why) => {
                self.report.add(Finding::SlotFile { why });
                return Ok(());
            }
        };
        let what = match store_identity(records).await {
            Ok(Some(identity)) if identity.format > register::FORMAT => "is of a newer format",
            Ok(Some(identity)) if identity.vault != slots.vault => "belongs to another slot file",
            Ok(Some(identity)) if identity.simulated != (slots.mode == Mode::Simulated) => {
                "and the slots disagree about whether the people are simulated"
            }
            Ok(Some(identity)) if identity.epoch != slots.epoch => {
                "is from before the slot file's last rebuild or restore, or the slot file is from before the store's"
            }
            Ok(Some(_)) => return Ok(()),
            Ok(None) if self.map.is_unused() => return Ok(()),
            Ok(None) => "does not say whose it is",
            Err(records::RecordsError::Damaged { .. }) => {
                "does not open under these keys: it is another vault's, or damaged from its first record on"
            }
            Err(error) => return Err(error.into()),
        };
        self.report.add(Finding::Identity { what });
        Ok(())
    }

    async fn book(&mut self) -> Result<(), RepairError> {
        let Some(records) = &self.records else { return Ok(()) };
        self.progress.at(Stage::Audit, 0, None);
        let found = audit::verify(records, &self.parts.anchor).await?;
        self.report.counts.audit_entries = found.checked;
        let listed = found.findings.len() as u64;
        for finding in found.findings {
            self.report.add(Finding::Audit(finding));
        }
        self.report.found += found.found.saturating_sub(listed);
        if found.head.is_some_and(|head| head.is_after_recovery()) {
            self.recovery_is_there().await?;
        }
        self.progress.at(Stage::Audit, found.checked, Some(found.checked));
        Ok(())
    }

    /// A book whose first epoch has ended was rebuilt, restored or accepted, and the record of that is never removed.
    async fn recovery_is_there(&mut self) -> Result<(), RepairError> {
        let Some(records) = &self.records else { return Ok(()) };
        if records.store().scan(RECOVERY, &Range::default(), 1).await?.is_empty() {
            let name = RowName::new(self.shape(RECOVERY).map_or("recovery", Shape::name), &[]);
            self.report.add(Finding::Row(name, RowFault::RecoveryGone));
        }
        Ok(())
    }
}
