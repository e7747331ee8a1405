#![doc = include_str!("../README.md")]

mod backup;
mod error;
mod finding;
mod ground;
mod progress;
mod rebuild;
mod rebuild_index;
mod recovery;
mod report;
mod restore;
mod slots;
mod verify;

pub use backup::{BackupParts, CheckedContents, Manifest, Part, RecordsFile, SlotsManifest, backup};
pub use error::RepairError;
pub use finding::{ContentFault, Finding, RowFault, RowName, SlotFault};
pub use ground::{Engine, Ground};
pub use progress::{Progress, Stage, Unwatched};
pub use rebuild::{
    Folders, Kept, Plan, RebuildParts, RebuildStep, Rebuilt, Tombstone, Trouble, clear, rebuild, set_aside,
    swap_in,
};
pub use rebuild_index::{RebuildDone, RebuildOrder, rebuild_index};
pub use recovery::{Acknowledged, accept_book, acknowledge};
pub use report::{Counts, LISTED, Report};
pub use restore::{RestoreDone, RestoreOrder, RestoreStep, restore};
pub use slots::{SectorPage, Slots};
pub use verify::{VerifyParts, verify};
