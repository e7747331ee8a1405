//! Authentications of purged people that Jumio may have created under a reference that nobody knows. If Jumio calls back
//! about one, it has named it: then it can be deleted there.

use crate::{Register, RegisterError};
use model::{AuthenticationId, Timestamp};
use records::{Commit, EnrollmentKey, Key as _, Record, Table, tables};
use serde::{Deserialize, Serialize};
use store::Range;

pub(crate) static UNNAMED: Table<(AuthenticationId,), UnnamedRow> =
    Table::new(tables::ERASURE_UNNAMED, "erasure-unnamed");

/// Rows that are read together.
const PAGE: usize = 256;

/// One of them. It names nobody: its key is the vault's own random id, which stands in the address that Jumio calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnnamedRow {
    /// Whose it was.
    pub enrollment: EnrollmentKey,
    /// How long a callback about it is waited for.
    pub until: Timestamp,
    /// The HTTP status of its deletion at Jumio, once it was named. Whoever keeps the erasure takes it over.
    pub status: Option<u16>,
}

impl Register {
    /// One of them, as long as a callback about it is waited for.
    ///
    /// # Errors
    /// When the record does not open.
    pub async fn unnamed(
        &self,
        id: AuthenticationId,
        now: Timestamp,
    ) -> Result<Option<Record<UnnamedRow>>, RegisterError> {
        let read = UNNAMED.get(&self.records, &(id,)).await?;
        Ok(read.filter(|read| read.value.status.is_none() && read.value.until > now))
    }

    /// All of them, whosever. There are few: each is kept for a day.
    ///
    /// # Errors
    /// When a record does not open.
    pub async fn all_unnamed(&self) -> Result<Vec<(AuthenticationId, Record<UnnamedRow>)>, RegisterError> {
        let (mut all, mut range) = (Vec::new(), Range::default());
        loop {
            let rows = UNNAMED.scan(&self.records, &range, PAGE).await?;
            let Some((last, _)) = rows.last() else { return Ok(all) };
            range.after = Some(last.encode());
            all.extend(rows.into_iter().map(|((id,), read)| (id, read)));
        }
    }

    /// Puts one into a commit, provided that it is still what was read.
    pub fn put_unnamed(
        &self,
        commit: &mut Commit,
        id: AuthenticationId,
        read: Option<&Record<UnnamedRow>>,
        row: &UnnamedRow,
    ) {
        commit.upsert(&UNNAMED, &(id,), read, row);
    }

    /// Removes one, provided that it is still what was read.
    pub fn remove_unnamed(&self, commit: &mut Commit, id: AuthenticationId, read: &Record<UnnamedRow>) {
        commit.remove(&UNNAMED, &(id,), read);
    }
}
