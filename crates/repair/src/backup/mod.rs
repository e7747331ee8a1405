//! Backups: records, contents and, apart from both, slots. Never keys.
//!
//! | in the folder | what |
//! |---|---|
//! | `manifest.json`, `manifest.mac` | what it is of, when, how much, the digest of each part; an HMAC over it |
//! | `records` | all rows, sealed as they lie in the store |
//! | `contents` | a line for each content file: id, bytes, SHA-256 |
//! | `content/ab/ID` | the content files, sealed as they are |
//!
//! The slots go to another folder, with a manifest of their own: `slots`, `slots.json`, `slots.mac`. Whoever has both
//! folders and the keys has the facemaps; one folder alone, even with the keys, restores none.
//!
//! Content files are copied and not linked: a purge overwrites a content file in place, and a linked backup would say
//! that it has a file that it no longer has. Slots are copied first and records last, so that the records know of every
//! purge that the slots of the same backup do not.

mod contents;
mod folder;
mod manifest;
mod records_file;
mod take;

pub use contents::CheckedContents;
pub use manifest::{Manifest, Part, SlotsManifest};
pub use records_file::RecordsFile;
pub use take::{BackupParts, backup};

pub(crate) use contents::CONTENTS;
pub(crate) use manifest::{RECORDS, check_file, create};
