//! A user: which of the enrollments is the one to re-authenticate with.

use crate::{Register, RegisterError};
use records::{Commit, EnrollmentKey, Record, Table, UserKey, tables};
use serde::{Deserialize, Serialize};

pub(crate) static USERS: Table<(UserKey,), UserRow> = Table::new(tables::USERS, "users");

/// A user has one current enrollment: the first that gets ready (DESIGN §3.15).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    /// The enrollment that is ready and in use.
    pub current: Option<EnrollmentKey>,
    /// The enrollment that will be current once its original is deleted. Claimed before the deletion, so that of two
    /// enrollments of a user only one loses its original.
    pub claimed: Option<EnrollmentKey>,
}

impl Register {
    /// What is known of a user.
    ///
    /// # Errors
    /// When the record does not open.
    pub async fn user(&self, user: UserKey) -> Result<Option<Record<UserRow>>, RegisterError> {
        Ok(USERS.get(&self.records, &(user,)).await?)
    }

    /// Puts a user's row into a commit, provided that it is still what was read.
    pub fn put_user(
        &self,
        commit: &mut Commit,
        user: UserKey,
        read: Option<&Record<UserRow>>,
        row: &UserRow,
    ) {
        commit.upsert(&USERS, &(user,), read, row);
    }
}
