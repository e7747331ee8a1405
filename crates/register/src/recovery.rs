//! What a rebuild or a restore leaves behind until somebody has read what it lost (DESIGN §3.7): re-authentication waits
//! for one window, and nothing is destroyed before it is acknowledged.

use crate::{Register, RegisterError};
use model::Timestamp;
use records::{Commit, Record, Table, tables};
use serde::{Deserialize, Serialize};

pub(crate) static RECOVERY: Table<(u8,), RecoveryRow> = Table::new(tables::RECOVERY, "recovery");
const KEY: (u8,) = (0,);

/// Lines about what was lost that are kept; all of them are printed when it happens.
pub const LOST_LINES: usize = 100;

/// What brought the store back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryKind {
    /// The store was made anew from slots and contents.
    Rebuild,
    /// The store was made from a backup, held against slots and contents.
    Restore,
    /// The store is as it was; the book began a new chain because the old one did not fit its anchor.
    Book,
}

/// A rebuild or a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryRow {
    /// When it was done.
    pub since: Timestamp,
    /// What was done.
    pub kind: RecoveryKind,
    /// Jumio may hold transactions that were begun before: until they are over, none is begun.
    pub reauth_blocked_until: Timestamp,
    /// When somebody said that the losses are known: from then on purges and retention go on.
    pub acknowledged_at: Option<Timestamp>,
    /// What was lost, a sentence each, without personal data.
    pub lost: Vec<String>,
}

impl RecoveryRow {
    /// How long re-authentication is still blocked; `None` when it is not.
    #[must_use]
    pub fn blocked_for(&self, now: Timestamp) -> Option<std::time::Duration> {
        let left = self.reauth_blocked_until.duration_since(now);
        std::time::Duration::try_from(left).ok().filter(|left| !left.is_zero())
    }

    /// Whether nothing may be destroyed yet.
    #[must_use]
    pub const fn forbids_destruction(&self) -> bool {
        self.acknowledged_at.is_none()
    }
}

impl Register {
    /// The last rebuild or restore, if there ever was one.
    ///
    /// # Errors
    /// When the record does not open.
    pub async fn recovery(&self) -> Result<Option<Record<RecoveryRow>>, RegisterError> {
        Ok(RECOVERY.get(&self.records, &KEY).await?)
    }

    /// Puts the word about a rebuild or restore into a commit, provided that it is still what was read.
    pub fn put_recovery(&self, commit: &mut Commit, read: Option<&Record<RecoveryRow>>, row: &RecoveryRow) {
        let mut row = row.clone();
        row.lost.truncate(LOST_LINES);
        commit.upsert(&RECOVERY, &KEY, read, &row);
    }
}
