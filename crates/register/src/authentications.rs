//! Looking authentications up, and putting their changes into a commit.

use crate::{
    Authentication, AuthenticationPrivate, AuthenticationRow, Register, RegisterError,
    authentication::{AUTHENTICATIONS, BY_ENROLLMENT, BY_STATE, BY_TRANSACTION, BY_USER, state_number},
};
use model::{AuthenticationId, AuthenticationRef, AuthenticationState, Timestamp, UserReference};
use records::{Commit, EnrollmentKey, Key as _};
use store::Range;

pub(crate) const FIELD: &str = "authentication";

impl Register {
    /// The authentication with the vault's id. From the moment in which its person is being purged it names nobody.
    ///
    /// # Errors
    /// [`RegisterError::WrongPerson`] when the row's own id is another one.
    pub async fn authentication(
        &self,
        id: AuthenticationId,
    ) -> Result<Option<Authentication>, RegisterError> {
        let Some(read) = AUTHENTICATIONS.get(&self.records, &(id,)).await? else { return Ok(None) };
        self.opened_authentication(id, read, false).await.map(Some)
    }

    /// The authentication with Jumio's reference.
    ///
    /// # Errors
    /// [`RegisterError::WrongPerson`] when the index led to another one's.
    pub async fn authentication_by_reference(
        &self,
        reference: &AuthenticationRef,
    ) -> Result<Option<Authentication>, RegisterError> {
        let key = self.records.transaction_key(reference);
        let Some(id) = BY_TRANSACTION.get(&self.records, &(key,)).await? else { return Ok(None) };
        let found = self.authentication(id.value).await?;
        match found.as_ref().map(|found| found.row.transaction) {
            Some(transaction) if transaction != Some(key) => Err(RegisterError::WrongPerson),
            _ => Ok(found),
        }
    }

    /// At most `limit` ids of the authentications of an enrollment that began at or after `since`, oldest first.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn authentications_of(
        &self,
        enrollment: EnrollmentKey,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<AuthenticationId>, RegisterError> {
        // A key of two parts sorts before every key of three that begins with it, so `after` includes its equals.
        let range =
            Range { prefix: (enrollment,).encode(), after: Some((enrollment, since).encode()), before: None };
        let keys = BY_ENROLLMENT.scan(&self.records, &range, limit).await?;
        Ok(keys.into_iter().map(|(_, _, id)| id).collect())
    }

    /// At most `limit` authentications of a user, oldest first, after the one with id `after`.
    ///
    /// # Errors
    /// [`RegisterError::WrongPerson`] when the index names somebody else's.
    pub async fn authentications_of_user(
        &self,
        user: &UserReference,
        state: Option<AuthenticationState>,
        after: Option<AuthenticationId>,
        limit: usize,
    ) -> Result<Vec<Authentication>, RegisterError> {
        let user_key = self.records.user_key(user);
        let mut last = match after {
            Some(id) => self.authentication(id).await?.map(|a| (a.row.user, a.row.created_at, id)),
            None => None,
        };
        let mut found = Vec::new();
        loop {
            let keys = BY_USER.keys(&self.records, (user_key,).encode(), last.as_ref(), limit).await?;
            let at_the_end = keys.len() < limit;
            last = keys.last().copied().or(last);
            for (_, _, id) in keys {
                let Some(authentication) = self.authentication(id).await? else { continue };
                if authentication.row.user != user_key {
                    return Err(RegisterError::WrongPerson);
                }
                if state.is_none_or(|state| authentication.row.state == state) {
                    found.push(authentication);
                }
                if found.len() == limit {
                    return Ok(found);
                }
            }
            if at_the_end {
                return Ok(found);
            }
        }
    }

    /// At most `limit` ids of the authentications in a state, oldest first, after `after` if given.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn authentications_in(
        &self,
        state: AuthenticationState,
        after: Option<&Authentication>,
        limit: usize,
    ) -> Result<Vec<AuthenticationId>, RegisterError> {
        let last = after.map(|a| a.row.state_key(a.id));
        let keys =
            BY_STATE.keys(&self.records, (state_number(state),).encode(), last.as_ref(), limit).await?;
        Ok(keys.into_iter().map(|(_, _, id)| id).collect())
    }

    /// How many authentications are in a state, counted up to `most`, and since when the oldest is.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn count_authentications(
        &self,
        state: AuthenticationState,
        most: usize,
    ) -> Result<(usize, Option<Timestamp>), RegisterError> {
        let keys = BY_STATE.keys(&self.records, (state_number(state),).encode(), None, most).await?;
        Ok((keys.len(), keys.first().map(|(_, since, _)| *since)))
    }

    /// Puts a new authentication into a commit.
    ///
    /// # Errors
    /// When the person's slot cannot be read.
    pub async fn insert_authentication(
        &self,
        commit: &mut Commit,
        mut row: AuthenticationRow,
        private: &AuthenticationPrivate,
    ) -> Result<(), RegisterError> {
        let id = private.id;
        row.private = Some(self.seal_private(row.slot, FIELD, &(id,).encode(), private).await?);
        commit.index(&BY_STATE, &row.state_key(id));
        commit.index(&BY_USER, &(row.user, row.created_at, id));
        commit.index(&BY_ENROLLMENT, &(row.enrollment, row.created_at, id));
        commit.insert(&AUTHENTICATIONS, &(id,), &row);
        Ok(())
    }

    /// Puts the changed row and person of `authentication` into a commit, provided that nobody changed it since it was
    /// looked up. When Jumio's reference is new, it must not belong to another authentication.
    ///
    /// # Errors
    /// When the person's slot cannot be read.
    pub async fn update_authentication(
        &self,
        commit: &mut Commit,
        authentication: &Authentication,
    ) -> Result<(), RegisterError> {
        let id = authentication.id;
        let before = &authentication.read.value;
        let mut row = authentication.row.clone();
        if let Some(private) = &authentication.private {
            row.transaction = private.reference.as_ref().map(|r| self.records.transaction_key(r));
            row.private = Some(self.seal_private(row.slot, FIELD, &(id,).encode(), private).await?);
        }
        if before.state_key(id) != row.state_key(id) {
            commit.unindex(&BY_STATE, &before.state_key(id));
            commit.index(&BY_STATE, &row.state_key(id));
        }
        if let (None, Some(transaction)) = (before.transaction, row.transaction) {
            commit.insert(&BY_TRANSACTION, &(transaction,), &id);
        }
        for item in &row.items {
            Self::mark_item(commit, *item);
        }
        commit.update(&AUTHENTICATIONS, &(id,), &authentication.read, &row);
        Ok(())
    }
}
