//! The window of an enrollment: at most one open transaction within Jumio's 15 minutes (DESIGN §3.14).

use crate::{Register, RegisterError};
use model::{AuthenticationId, Timestamp};
use records::{Commit, EnrollmentKey, Record, Table, tables};
use serde::{Deserialize, Serialize};

pub(crate) static WINDOWS: Table<(EnrollmentKey,), WindowRow> = Table::new(tables::WINDOWS, "windows");

/// Where a window stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum WindowState {
    /// Nothing is open: there never was anything, or it is final or over.
    Free,
    /// A caller has the right to post, and has not begun. Free again after a restart.
    Claimed {
        /// The authentication to be posted.
        by: AuthenticationId,
        /// The process that holds the claim.
        process: u64,
        /// Since when.
        since: Timestamp,
        /// The open one that it will take the place of.
        replaces: Option<AuthenticationId>,
    },
    /// The request may have left: committed before its first byte. Unknown after a restart.
    Posting {
        /// The authentication being posted.
        by: AuthenticationId,
        /// The process that posts.
        process: u64,
        /// Since when.
        since: Timestamp,
        /// The open one that it will take the place of.
        replaces: Option<AuthenticationId>,
    },
    /// Jumio has it.
    Initiated {
        /// The open authentication.
        by: AuthenticationId,
        /// When the window, or the token's life if shorter, ends.
        until: Timestamp,
    },
    /// Nobody knows whether Jumio has it. Nothing is posted before `settled_at`.
    Unknown {
        /// The authentication with the unknown outcome.
        by: AuthenticationId,
        /// When a caller may ask again.
        settled_at: Timestamp,
    },
}

/// The window's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowRow {
    /// Where it stands.
    pub state: WindowState,
    /// Unknown outcomes in a row: each doubles the settle time.
    pub unknown_in_a_row: u32,
    /// When transactions were knowingly replaced, within the last hour.
    pub replaced_at: Vec<Timestamp>,
}

impl WindowRow {
    /// A window in which nothing ever happened.
    #[must_use]
    pub const fn free() -> Self {
        Self { state: WindowState::Free, unknown_in_a_row: 0, replaced_at: Vec::new() }
    }
}

impl Register {
    /// The window of an enrollment.
    ///
    /// # Errors
    /// When the record does not open.
    pub async fn window(
        &self,
        enrollment: EnrollmentKey,
    ) -> Result<Option<Record<WindowRow>>, RegisterError> {
        Ok(WINDOWS.get(&self.records, &(enrollment,)).await?)
    }

    /// Puts a window into a commit, provided that it is still what was read.
    pub fn put_window(
        &self,
        commit: &mut Commit,
        enrollment: EnrollmentKey,
        read: Option<&Record<WindowRow>>,
        row: &WindowRow,
    ) {
        commit.upsert(&WINDOWS, &(enrollment,), read, row);
    }

    /// At most `limit` windows after `after`, in the order of their keys: for what a restart left behind.
    ///
    /// # Errors
    /// When a record does not open.
    pub async fn windows(
        &self,
        after: Option<EnrollmentKey>,
        limit: usize,
    ) -> Result<Vec<(EnrollmentKey, Record<WindowRow>)>, RegisterError> {
        use records::Key as _;
        let range = store::Range { after: after.map(|key| (key,).encode()), ..store::Range::default() };
        let rows = WINDOWS.scan(&self.records, &range, limit).await?;
        Ok(rows.into_iter().map(|((key,), read)| (key, read)).collect())
    }
}
