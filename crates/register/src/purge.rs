//! What a purge reads and removes. Everybody else is told nothing about a person from `purging` on; the purge still has
//! to know what to delete elsewhere.

use crate::{
    Authentication, AuthenticationPrivate, AuthenticationRow, Enrollment, EnrollmentPrivate, EnrollmentRow,
    Register, RegisterError, UserRow, WindowRow,
    authentication::{AUTHENTICATIONS, BY_ENROLLMENT, BY_STATE, BY_TRANSACTION, BY_USER},
    enrollment::{BY_USER as ENROLLMENTS_BY_USER, ENROLLMENTS},
    user::USERS,
    window::WINDOWS,
};
use model::{AuthenticationId, AuthenticationRef, EnrollmentState, Timestamp};
use records::{Commit, EnrollmentKey, Index, Key as _, Record, RecordsError, UserKey, tables};
use vault::VaultError;

/// The keys of the table alone: a row that does not open must go too.
static ROWS: Index<(AuthenticationId,)> = Index::new(tables::AUTHENTICATIONS);

/// Where a list of a user's enrollments goes on.
pub type UserPlace = (UserKey, Timestamp, EnrollmentKey);

/// An authentication that is about to be removed.
#[derive(Debug, Clone)]
pub struct AuthenticationToPurge {
    /// Its id.
    pub id: AuthenticationId,
    /// Jumio's reference, if one is known and still opens.
    pub reference: Option<AuthenticationRef>,
    created_at: Timestamp,
    enrollment: EnrollmentKey,
    /// `None`: the row is not there, does not open, or is another enrollment's.
    row: Option<Record<AuthenticationRow>>,
    is_anothers: bool,
}

impl AuthenticationToPurge {
    /// Whether Jumio may have it under a reference that nobody knows.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        use model::AuthenticationState as S;
        if self.is_anothers || self.reference.is_some() {
            return false;
        }
        // What was refused never came into being there.
        self.row.as_ref().is_none_or(|read| !matches!(read.value.state, S::Refused))
    }

    /// Whether this is a row of its own that goes.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        !self.is_anothers
    }
}

impl Register {
    /// The enrollment under a key, for whoever destroys it: with the fields about the person as long as they open, also
    /// while it is being purged. What does not open hinders nobody from destroying it.
    ///
    /// # Errors
    /// When the store or the slot cannot be read, or the row itself does not open.
    pub async fn enrollment_to_purge(&self, key: EnrollmentKey) -> Result<Option<Enrollment>, RegisterError> {
        let Some(read) = ENROLLMENTS.get(&self.records, &(key,)).await? else { return Ok(None) };
        let row = read.value.clone();
        let private = match &row.private {
            None => None,
            Some(sealed) => {
                let field = crate::enrollments::FIELD;
                let opened = self.open_private(row.slot, field, &(key,).encode(), sealed).await;
                let opened: Option<EnrollmentPrivate> = or_damaged(opened)?;
                let own = |p: &EnrollmentPrivate| self.records.enrollment_key(&p.reference) == key;
                opened.filter(own)
            }
        };
        Ok(Some(Enrollment { key, row, private, read }))
    }

    /// At most `limit` rows of a user's enrollments, oldest first, without opening the person: what is damaged inside is
    /// among them too.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn rows_of_user(
        &self,
        user: UserKey,
        after: Option<&UserPlace>,
        limit: usize,
    ) -> Result<Vec<(UserPlace, Option<EnrollmentRow>)>, RegisterError> {
        let places = ENROLLMENTS_BY_USER.keys(&self.records, (user,).encode(), after, limit).await?;
        let mut rows = Vec::with_capacity(places.len());
        for place in places {
            let row = match ENROLLMENTS.get(&self.records, &(place.2,)).await {
                Ok(read) => read.map(|read| read.value).filter(|row| row.user == Some(user)),
                Err(RecordsError::Damaged { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            rows.push((place, row));
        }
        Ok(rows)
    }

    /// The row of an enrollment, without opening the person.
    ///
    /// # Errors
    /// When the row does not open.
    pub async fn enrollment_row(&self, key: EnrollmentKey) -> Result<Option<EnrollmentRow>, RegisterError> {
        Ok(ENROLLMENTS.get(&self.records, &(key,)).await?.map(|read| read.value))
    }

    /// At most `limit` authentications of an enrollment, oldest first, with Jumio's references as long as they open.
    ///
    /// # Errors
    /// When the store or the slot cannot be read.
    pub async fn authentications_to_purge(
        &self,
        enrollment: EnrollmentKey,
        limit: usize,
    ) -> Result<Vec<AuthenticationToPurge>, RegisterError> {
        let keys = BY_ENROLLMENT.keys(&self.records, (enrollment,).encode(), None, limit).await?;
        let mut found = Vec::with_capacity(keys.len());
        for (_, created_at, id) in keys {
            let row = match AUTHENTICATIONS.get(&self.records, &(id,)).await {
                Ok(read) => read,
                Err(RecordsError::Damaged { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            let is_anothers = row.as_ref().is_some_and(|read| read.value.enrollment != enrollment);
            let mut reference = None;
            if let Some(read) = row.as_ref().filter(|_| !is_anothers) {
                let opened = or_damaged(self.opened_authentication(id, read.clone(), true).await)?;
                reference = opened.and_then(|found| found.private).and_then(|private| private.reference);
            }
            let row = row.filter(|_| !is_anothers);
            found.push(AuthenticationToPurge { id, reference, created_at, enrollment, row, is_anothers });
        }
        Ok(found)
    }

    /// The authentication with the vault's id, also while its person is being purged: for whoever has to write down
    /// under which reference Jumio has created it.
    ///
    /// # Errors
    /// As [`Register::authentication`].
    pub async fn authentication_to_settle(
        &self,
        id: AuthenticationId,
    ) -> Result<Option<Authentication>, RegisterError> {
        let Some(read) = AUTHENTICATIONS.get(&self.records, &(id,)).await? else { return Ok(None) };
        self.opened_authentication(id, read, true).await.map(Some)
    }

    pub(crate) async fn opened_authentication(
        &self,
        id: AuthenticationId,
        read: Record<AuthenticationRow>,
        though_purging: bool,
    ) -> Result<Authentication, RegisterError> {
        let row = read.value.clone();
        // From `purging` on nothing about the person is given out, burnt or not yet.
        let is_open = though_purging || !self.is_purged(row.enrollment).await?;
        let private: Option<AuthenticationPrivate> = match row.private.as_ref().filter(|_| is_open) {
            None => None,
            Some(sealed) => {
                let field = crate::authentications::FIELD;
                match self.open_private(row.slot, field, &(id,).encode(), sealed).await {
                    Ok(private) => Some(private),
                    // The person was purged: what is left of the authentication names nobody.
                    Err(RegisterError::Vault(VaultError::Burnt)) => None,
                    Err(other) => return Err(other),
                }
            }
        };
        if let Some(private) = &private {
            let transaction = private.reference.as_ref().map(|r| self.records.transaction_key(r));
            let is_its_own = private.id == id
                && transaction == row.transaction
                && self.records.enrollment_key(&private.enrollment_reference) == row.enrollment
                && self.records.user_key(&private.user_reference) == row.user;
            if !is_its_own {
                return Err(RegisterError::WrongPerson);
            }
        }
        Ok(Authentication { id, row, private, read })
    }

    pub(crate) async fn is_purged(&self, enrollment: EnrollmentKey) -> Result<bool, RegisterError> {
        let row = ENROLLMENTS.get(&self.records, &(enrollment,)).await?.map(|read| read.value);
        Ok(row.is_some_and(|row| matches!(row.state, EnrollmentState::Purging | EnrollmentState::Purged)))
    }

    /// Takes an authentication out of the tables, with everything that leads to it, provided that nobody changed it since
    /// it was read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn remove_authentication(
        &self,
        commit: &mut Commit,
        gone: &AuthenticationToPurge,
    ) -> Result<(), RegisterError> {
        commit.unindex(&BY_ENROLLMENT, &(gone.enrollment, gone.created_at, gone.id));
        if gone.is_anothers {
            return Ok(());
        }
        let Some(read) = &gone.row else {
            commit.unindex(&ROWS, &(gone.id,));
            return Ok(());
        };
        let row = &read.value;
        commit.unindex(&BY_STATE, &row.state_key(gone.id));
        commit.unindex(&BY_USER, &(row.user, row.created_at, gone.id));
        if let Some(transaction) = row.transaction
            && let Some(leads) = BY_TRANSACTION.get(&self.records, &(transaction,)).await?
            && leads.value == gone.id
        {
            commit.remove(&BY_TRANSACTION, &(transaction,), &leads);
        }
        commit.remove(&AUTHENTICATIONS, &(gone.id,), read);
        Ok(())
    }

    /// Removes the window of an enrollment, provided that it is still what was read.
    pub fn remove_window(&self, commit: &mut Commit, enrollment: EnrollmentKey, read: &Record<WindowRow>) {
        commit.remove(&WINDOWS, &(enrollment,), read);
    }

    /// Takes an enrollment out of its user's row, provided that the row is still what was read. Nothing is left of a row
    /// that would name nothing. Whether it was named.
    pub fn free_user(
        &self,
        commit: &mut Commit,
        user: UserKey,
        read: &Record<UserRow>,
        enrollment: EnrollmentKey,
    ) -> bool {
        let without = |named: Option<EnrollmentKey>| named.filter(|key| *key != enrollment);
        let row = UserRow { current: without(read.value.current), claimed: without(read.value.claimed) };
        if row == read.value {
            return false;
        }
        if row == UserRow::default() {
            commit.remove(&USERS, &(user,), read);
        } else {
            commit.update(&USERS, &(user,), read, &row);
        }
        true
    }

    /// Makes a tombstone of an enrollment, provided that nobody changed it since it was read: key, state, slot and the
    /// time when it was first heard of. No user, no person, nothing of what happened.
    ///
    /// # Errors
    /// Those of [`Register::update_enrollment`].
    pub async fn tombstone(
        &self,
        commit: &mut Commit,
        enrollment: &Enrollment,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        let row = &enrollment.row;
        let mut stone = EnrollmentRow::new(EnrollmentState::Purged, row.origin, now, row.slot, None);
        stone.created_at = row.created_at;
        let stone =
            Enrollment { key: enrollment.key, row: stone, private: None, read: enrollment.read.clone() };
        self.update_enrollment(commit, &stone).await
    }
}

/// What does not open is nothing; what cannot be read at the moment is an error.
fn or_damaged<T>(opened: Result<T, RegisterError>) -> Result<Option<T>, RegisterError> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.is_damage() => Ok(None),
        Err(error) => Err(error),
    }
}
