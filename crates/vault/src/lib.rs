#![doc = include_str!("../README.md")]

mod burning;
mod content_dir;
mod content_form;
mod error;
mod facemaps;
mod fault;
mod files;
mod header;
mod sector;
mod slot_file;
mod slot_folder;
mod slot_keys;
mod slot_locks;
mod sweep;
mod sync_group;
#[cfg(test)]
mod tests;
mod types;
mod vault;

pub use burning::Released;
pub use error::{Damage, VaultError};
#[cfg(any(test, feature = "test-util"))]
pub use fault::STEPS;
pub use fault::Step;
pub use slot_keys::{EpochKey, PersonKey};
pub use sweep::{Finding, Refusal, SweepReport, UNNAMED_HOURS};
pub use types::{
    Contents, FacemapId, Mode, Named, SlotKind, SlotRef, SlotStatus, SlotView, Survey, VaultId, VaultPaths,
};
pub use vault::{PAGE, SlotPage, Vault};
