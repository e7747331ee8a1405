#![doc = include_str!("../README.md")]

mod burning;
mod check;
mod content_dir;
mod content_form;
mod entries;
mod error;
mod facemaps;
mod fault;
mod files;
#[cfg(any(test, feature = "test-util"))]
pub mod fuzzing;
mod header;
mod inspect;
mod mend;
mod one_bit;
mod outline;
mod own_slots;
mod rewrap;
mod sector;
mod slot_copy;
mod slot_file;
mod slot_folder;
mod slot_keys;
mod slot_locks;
mod subjects;
mod sweep;
mod sync_group;
#[cfg(test)]
mod tests;
mod trouble;
mod types;
mod vault;

pub use burning::{OwnSlots, Released};
pub use check::Found;
pub use entries::Entry;
pub use error::{Damage, VaultError};
#[cfg(any(test, feature = "test-util"))]
pub use fault::STEPS;
pub use fault::Step;
pub use inspect::{BadSector, ContentListing, InspectedPage, InspectedSlot, Inspection, SlotFileHeader};
pub use mend::Mending;
pub use rewrap::Rewrapped;
pub use slot_keys::{EpochKey, PersonKey};
pub use sweep::{Finding, Refusal, SweepReport, UNNAMED_HOURS};
pub use types::{
    Contents, FacemapId, Mode, NOTE_BYTES, Named, SlotKind, SlotRef, SlotStatus, SlotView, Survey, VaultId,
    VaultPaths,
};
pub use vault::{PAGE, SlotPage, Vault};
