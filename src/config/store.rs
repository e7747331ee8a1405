//! `[store]`: where records, ciphertexts and slots lie.

use super::section::Section;
use std::path::PathBuf;

/// Which engine keeps the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// On this machine.
    Sled,
    /// In a database shared by several.
    Postgres,
}

/// The section, checked.
#[derive(Debug)]
pub(crate) struct Store {
    /// The engine.
    pub(crate) engine: Engine,
    /// Holds `db` and `content`.
    pub(crate) path: PathBuf,
    /// Holds `slots` and `anchor`: best on another file system.
    pub(crate) slots_path: PathBuf,
    /// Below this the vault takes nothing new.
    pub(crate) min_free_bytes: u64,
    /// Days for which backups of the slot file are kept: until then a burnt slot stays as a tombstone.
    pub(crate) slot_backup_horizon_days: u32,
}

impl Store {
    /// The engine's folder.
    pub(crate) fn db_dir(&self) -> PathBuf {
        self.path.join("db")
    }

    /// The folder of the content files.
    pub(crate) fn content_dir(&self) -> PathBuf {
        self.path.join("content")
    }

    /// Where the audit chain's anchor lies.
    pub(crate) fn anchor_path(&self) -> PathBuf {
        self.slots_path.join("anchor")
    }
}

pub(super) fn read(section: &mut Section<'_, '_>) -> Store {
    let engines = [("sled", Engine::Sled), ("postgres", Engine::Postgres)];
    let engine = section.choice("engine", &engines, Engine::Sled);
    let path = section.path("path", "data");
    let slots_path = section.path("slots_path", "slots");
    let horizon = section.number("slot_backup_horizon_days", 30, 0..=3650, "days");
    let slot_backup_horizon_days = u32::try_from(horizon).unwrap_or(u32::MAX);
    let min_free_bytes = section.number("min_free_bytes", 1_073_741_824, 0..=1_099_511_627_776, "bytes");
    if path == slots_path {
        section.problem(
            "slots_path",
            "is the same folder as path; slots lie apart, best on another file system",
        );
    }
    Store { engine, path, slots_path, min_free_bytes, slot_backup_horizon_days }
}
