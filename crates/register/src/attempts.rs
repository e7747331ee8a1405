//! How often a user was sent to Jumio lately, over all channels.

use crate::{Register, RegisterError};
use model::Timestamp;
use records::{Commit, Record, Table, UserKey, tables};
use serde::{Deserialize, Serialize};

pub(crate) static ATTEMPTS: Table<(UserKey,), AttemptsRow> = Table::new(tables::ATTEMPTS, "attempts");

/// The transactions that were initiated for a user. It names nobody: its key is the user's pseudonym.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptsRow {
    /// When, oldest first; those that no longer count are dropped with the next one.
    pub at: Vec<Timestamp>,
    /// When a request was first refused because there were too many. Told once, until one is allowed again.
    pub locked_at: Option<Timestamp>,
}

impl Register {
    /// A user's attempts.
    ///
    /// # Errors
    /// When the record does not open.
    pub async fn attempts(&self, user: UserKey) -> Result<Option<Record<AttemptsRow>>, RegisterError> {
        Ok(ATTEMPTS.get(&self.records, &(user,)).await?)
    }

    /// Puts a user's attempts into a commit, provided that they are still what was read.
    pub fn put_attempts(
        &self,
        commit: &mut Commit,
        user: UserKey,
        read: Option<&Record<AttemptsRow>>,
        row: &AttemptsRow,
    ) {
        commit.upsert(&ATTEMPTS, &(user,), read, row);
    }

    /// Removes a user's attempts, provided that they are still what was read.
    pub fn remove_attempts(&self, commit: &mut Commit, user: UserKey, read: &Record<AttemptsRow>) {
        commit.remove(&ATTEMPTS, &(user,), read);
    }
}
