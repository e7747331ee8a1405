//! Looking enrollments up, and putting their changes into a commit.

use crate::{
    Enrollment, EnrollmentPrivate, EnrollmentRow, Register, RegisterError,
    enrollment::{BY_STATE, BY_USER, ENROLLMENTS, state_number},
};
use model::{EnrollmentRef, EnrollmentState, Timestamp, UserReference};
use records::{Commit, EnrollmentKey, Index, Key as _, Record, UserKey, tables};
use store::Range;

pub(crate) const FIELD: &str = "enrollment";

/// Which enrollments a list is about.
#[derive(Debug, Clone, Default)]
pub struct EnrollmentFilter {
    /// Only those of this user.
    pub user: Option<UserReference>,
    /// Only those in this state.
    pub state: Option<EnrollmentState>,
    /// Only those after this one: the key of the last one seen.
    pub after: Option<EnrollmentKey>,
}

/// The keys of the table alone: a list must get past a row that does not open.
static KEYS: Index<(EnrollmentKey,)> = Index::new(tables::ENROLLMENTS);

/// A row of the index that a list goes through.
#[derive(Clone)]
enum Place {
    User((UserKey, Timestamp, EnrollmentKey)),
    State((u8, Timestamp, EnrollmentKey)),
    Key((EnrollmentKey,)),
}

impl Place {
    const fn key(self) -> EnrollmentKey {
        match self {
            Self::User((_, _, key)) | Self::State((_, _, key)) | Self::Key((key,)) => key,
        }
    }
}

impl Register {
    /// The enrollment with Jumio's reference.
    ///
    /// # Errors
    /// [`RegisterError::WrongPerson`] when the row under the reference's key is another one's.
    pub async fn enrollment(&self, reference: &EnrollmentRef) -> Result<Option<Enrollment>, RegisterError> {
        let key = self.records.enrollment_key(reference);
        let Some(found) = self.enrollment_by_key(key).await? else { return Ok(None) };
        match &found.private {
            Some(private) if private.reference != *reference => Err(RegisterError::WrongPerson),
            _ => Ok(Some(found)),
        }
    }

    /// The enrollment under a key that another row names.
    ///
    /// # Errors
    /// [`RegisterError::WrongPerson`] when the row's own reference belongs to another key.
    pub async fn enrollment_by_key(&self, key: EnrollmentKey) -> Result<Option<Enrollment>, RegisterError> {
        let Some(read) = ENROLLMENTS.get(&self.records, &(key,)).await? else { return Ok(None) };
        self.opened(key, read).await.map(Some)
    }

    /// The enrollment to re-authenticate a user with, if there is one.
    ///
    /// # Errors
    /// [`RegisterError::WrongPerson`] when the enrollment that the user's row names is not that user's.
    pub async fn current_enrollment(
        &self,
        user: &UserReference,
    ) -> Result<Option<Enrollment>, RegisterError> {
        let Some(row) = self.user(self.records.user_key(user)).await? else { return Ok(None) };
        let Some(key) = row.value.current else { return Ok(None) };
        let Some(found) = self.enrollment_by_key(key).await? else { return Ok(None) };
        belongs_to(&found, user)?;
        Ok(Some(found))
    }

    /// At most `limit` enrollments: of a user or in a state, oldest first; without either, in the order of their keys.
    ///
    /// A row that is damaged, or somebody else's than the index says, is logged and left out: nobody's row hides the
    /// others. Whoever asks for it by its reference gets the error.
    ///
    /// # Errors
    /// When the store or the vault cannot be read.
    pub async fn enrollments(
        &self,
        filter: &EnrollmentFilter,
        limit: usize,
    ) -> Result<Vec<Enrollment>, RegisterError> {
        let mut found = Vec::new();
        let mut damaged = 0_u32;
        let mut place = self.place_of(filter).await?;
        // A state filter on top of a user filter may drop rows, so pages are read until the limit or the end.
        'pages: loop {
            let places = self.places(filter, place.as_ref(), limit).await?;
            let at_the_end = places.len() < limit;
            place = places.last().cloned().or(place);
            for key in places.into_iter().map(Place::key) {
                match self.listed(key, filter).await {
                    Ok(Some(enrollment)) => found.push(enrollment),
                    Ok(None) => {}
                    Err(error) if error.is_damage() => {
                        damaged += 1;
                        tracing::error!(enrollment = %key.0, %error, "an enrollment is left out of a list");
                    }
                    Err(error) => return Err(error),
                }
                if found.len() == limit {
                    break 'pages;
                }
            }
            if at_the_end {
                break;
            }
        }
        if damaged > 0 {
            tracing::error!(damaged, "a list is not complete; run `facemap-vault verify`");
        }
        Ok(found)
    }

    /// The enrollment under `key`, if the filter lets it through.
    async fn listed(
        &self,
        key: EnrollmentKey,
        filter: &EnrollmentFilter,
    ) -> Result<Option<Enrollment>, RegisterError> {
        let Some(enrollment) = self.enrollment_by_key(key).await? else { return Ok(None) };
        if let Some(user) = &filter.user {
            belongs_to(&enrollment, user)?;
        }
        Ok(filter.state.is_none_or(|state| enrollment.row.state == state).then_some(enrollment))
    }

    /// Where the list that `filter` asks for goes on.
    async fn place_of(&self, filter: &EnrollmentFilter) -> Result<Option<Place>, RegisterError> {
        let Some(key) = filter.after else { return Ok(None) };
        if filter.user.is_none() && filter.state.is_none() {
            return Ok(Some(Place::Key((key,))));
        }
        let Some(row) = ENROLLMENTS.get(&self.records, &(key,)).await?.map(|read| read.value) else {
            return Ok(None);
        };
        if filter.user.is_some() {
            return Ok(row.user_key(key).map(Place::User));
        }
        // One that went on to another state since the page before has left no trace of its place. It entered the
        // state at or after its creation: from there on nobody is missed, though some may be shown again.
        Ok(filter.state.map(|state| {
            let at = if row.state == state { row.since } else { row.created_at };
            Place::State((state_number(state), at, key))
        }))
    }

    async fn places(
        &self,
        filter: &EnrollmentFilter,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<Place>, RegisterError> {
        if let Some(user) = &filter.user {
            let user: UserKey = self.records.user_key(user);
            let after = match after {
                Some(Place::User(key)) => Some(key),
                _ => None,
            };
            let keys = BY_USER.keys(&self.records, (user,).encode(), after, limit).await?;
            return Ok(keys.into_iter().map(Place::User).collect());
        }
        if let Some(state) = filter.state {
            let after = match after {
                Some(Place::State(key)) => Some(key),
                _ => None,
            };
            let prefix = (state_number(state),).encode();
            let keys = BY_STATE.keys(&self.records, prefix, after, limit).await?;
            return Ok(keys.into_iter().map(Place::State).collect());
        }
        let after = match after {
            Some(Place::Key(key)) => Some(key),
            _ => None,
        };
        let keys = KEYS.keys(&self.records, Vec::new(), after, limit).await?;
        Ok(keys.into_iter().map(Place::Key).collect())
    }

    /// The keys of at most `limit` enrollments in a state that they entered before `before`, oldest first.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn enrollments_in(
        &self,
        state: EnrollmentState,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<EnrollmentKey>, RegisterError> {
        let number = state_number(state);
        let range =
            Range { prefix: (number,).encode(), after: None, before: Some((number, before).encode()) };
        let keys = BY_STATE.scan(&self.records, &range, limit).await?;
        Ok(keys.into_iter().map(|(_, _, key)| key).collect())
    }

    /// How many enrollments are in a state, counted up to `most`, and since when the oldest is.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn count_enrollments(
        &self,
        state: EnrollmentState,
        most: usize,
    ) -> Result<(usize, Option<Timestamp>), RegisterError> {
        let keys = BY_STATE.keys(&self.records, (state_number(state),).encode(), None, most).await?;
        Ok((keys.len(), keys.first().map(|(_, since, _)| *since)))
    }

    /// Every row with its slot, a page at a time, without opening the person: for the start-up sweep.
    ///
    /// # Errors
    /// When a row does not open.
    pub async fn rows(
        &self,
        after: Option<EnrollmentKey>,
        limit: usize,
    ) -> Result<Vec<(EnrollmentKey, EnrollmentRow)>, RegisterError> {
        let range = Range { after: after.map(|key| (key,).encode()), ..Range::default() };
        let rows = ENROLLMENTS.scan(&self.records, &range, limit).await?;
        Ok(rows.into_iter().map(|((key,), read)| (key, read.value)).collect())
    }

    /// Puts a new enrollment into a commit, provided that there is none under its reference: not even a tombstone.
    ///
    /// # Errors
    /// When the person's slot cannot be read.
    pub async fn insert_enrollment(
        &self,
        commit: &mut Commit,
        mut row: EnrollmentRow,
        private: &EnrollmentPrivate,
    ) -> Result<EnrollmentKey, RegisterError> {
        let key = self.records.enrollment_key(&private.reference);
        row.private = Some(self.seal_private(row.slot, FIELD, &(key,).encode(), private).await?);
        commit.index(&BY_STATE, &row.state_key(key));
        if let Some(user) = row.user_key(key) {
            commit.index(&BY_USER, &user);
        }
        commit.insert(&ENROLLMENTS, &(key,), &row);
        Ok(key)
    }

    /// Puts the changed row and person of `enrollment` into a commit, provided that nobody changed it since it was
    /// looked up. The index rows follow.
    ///
    /// # Errors
    /// When the person's slot cannot be read.
    pub async fn update_enrollment(
        &self,
        commit: &mut Commit,
        enrollment: &Enrollment,
    ) -> Result<(), RegisterError> {
        let key = enrollment.key;
        let before = &enrollment.read.value;
        let mut row = enrollment.row.clone();
        row.private = match &enrollment.private {
            Some(private) => Some(self.seal_private(row.slot, FIELD, &(key,).encode(), private).await?),
            None => None,
        };
        if before.state_key(key) != row.state_key(key) {
            commit.unindex(&BY_STATE, &before.state_key(key));
            commit.index(&BY_STATE, &row.state_key(key));
        }
        if before.user_key(key) != row.user_key(key) {
            if let Some(user) = before.user_key(key) {
                commit.unindex(&BY_USER, &user);
            }
            if let Some(user) = row.user_key(key) {
                commit.index(&BY_USER, &user);
            }
        }
        commit.update(&ENROLLMENTS, &(key,), &enrollment.read, &row);
        Ok(())
    }

    /// Demands in a commit that nobody changed `enrollment` since it was looked up.
    pub fn require_enrollment(&self, commit: &mut Commit, enrollment: &Enrollment) {
        commit.require(&ENROLLMENTS, &(enrollment.key,), Some(&enrollment.read));
    }

    async fn opened(
        &self,
        key: EnrollmentKey,
        read: Record<EnrollmentRow>,
    ) -> Result<Enrollment, RegisterError> {
        let row = read.value.clone();
        // From `purging` on the slot may be burnt at any moment: nothing about the person is given out any more.
        let gone = matches!(row.state, EnrollmentState::Purging | EnrollmentState::Purged);
        let private: Option<EnrollmentPrivate> = match &row.private {
            Some(sealed) if !gone => {
                Some(self.open_private(row.slot, FIELD, &(key,).encode(), sealed).await?)
            }
            None if !gone => return Err(RegisterError::Damaged),
            _ => None,
        };
        if let Some(private) = &private {
            let own_user = private.user_reference.as_ref().map(|user| self.records.user_key(user));
            if self.records.enrollment_key(&private.reference) != key || own_user != row.user {
                return Err(RegisterError::WrongPerson);
            }
        }
        Ok(Enrollment { key, row, private, read })
    }
}

/// An enrollment that an index or a user's row led to must be that user's own.
fn belongs_to(enrollment: &Enrollment, user: &UserReference) -> Result<(), RegisterError> {
    match &enrollment.private {
        Some(private) if private.user_reference.as_ref() != Some(user) => Err(RegisterError::WrongPerson),
        _ => Ok(()),
    }
}
