//! Whose a row is: what a row says about its person and about other rows must be said there as well.

use super::Walk;
use crate::{RepairError, finding::RowFault};
use model::EnrollmentState;
use records::{EnrollmentKey, Key as _, RecordsError, tables};
use register::{EnrollmentRow, RegisterError, WindowState, inspect};
use store::{TableId, Versioned};
use vault::VaultError;

impl Walk<'_> {
    /// What is wrong with a row that names people. Enrollments' own persons are opened with their slots.
    pub(super) async fn of_people(
        &self,
        table: TableId,
        key: &[u8],
        stored: &Versioned,
    ) -> Result<Vec<RowFault>, RepairError> {
        let fault = match table {
            tables::AUTHENTICATIONS => self.authentication(key, stored).await?,
            tables::ENROLLMENTS => self.is_current(key, stored).await?,
            tables::USERS => self.user(key, stored).await?,
            tables::WINDOWS => self.window(key, stored).await?,
            _ => None,
        };
        Ok(fault.into_iter().collect())
    }

    /// A ready enrollment that nobody replaced is its user's current one: without that row, another could take its place.
    async fn is_current(&self, key: &[u8], stored: &Versioned) -> Result<Option<RowFault>, RepairError> {
        let Some(records) = &self.records else { return Ok(None) };
        let (enrollment, row) = inspect::enrollment_row(records, key, stored)?;
        let (EnrollmentState::Ready, None, Some(user)) = (row.state, row.replaced_by, row.user) else {
            return Ok(None);
        };
        let key = (user,).encode();
        let is_named = match records.store().get(tables::USERS, &key).await? {
            None => false,
            // A row that does not open is told of by itself.
            Some(stored) => inspect::user_row(records, &key, &stored)
                .map_or(true, |(_, row)| row.current == Some(enrollment)),
        };
        Ok((!is_named).then_some(RowFault::NotCurrent))
    }

    async fn authentication(&self, key: &[u8], stored: &Versioned) -> Result<Option<RowFault>, RepairError> {
        let Some(records) = &self.records else { return Ok(None) };
        let (id, row) = inspect::authentication_row(records, key, stored)?;
        let Some(enrollment) = self.enrollment(row.enrollment).await? else { return Ok(None) };
        if is_gone(&enrollment) {
            return Ok(None);
        }
        if enrollment.slot != row.slot || enrollment.user != Some(row.user) {
            return Ok(Some(RowFault::NotTheirs));
        }
        let Some(slots) = &self.slots else { return Ok(None) };
        match slots.person_key(row.slot).await {
            Ok(person) => Ok(match row.person(records, id, &person) {
                Ok(_) => None,
                Err(RegisterError::WrongPerson) => Some(RowFault::NotItsOwn),
                Err(_) => Some(RowFault::PersonDoesNotOpen),
            }),
            // That the slot is not what it should be is told with the enrollment.
            Err(error) if is_of_slot(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn user(&self, key: &[u8], stored: &Versioned) -> Result<Option<RowFault>, RepairError> {
        let Some(records) = &self.records else { return Ok(None) };
        let (user, row) = inspect::user_row(records, key, stored)?;
        for named in [row.current, row.claimed].into_iter().flatten() {
            if let Some(enrollment) = self.enrollment(named).await?
                && !is_gone(&enrollment)
                && enrollment.user != Some(user)
            {
                return Ok(Some(RowFault::NotTheirs));
            }
        }
        Ok(None)
    }

    async fn window(&self, key: &[u8], stored: &Versioned) -> Result<Option<RowFault>, RepairError> {
        let Some(records) = &self.records else { return Ok(None) };
        let (enrollment, row) = inspect::window_row(records, key, stored)?;
        let by = match row.state {
            WindowState::Free | WindowState::Claimed { .. } => return Ok(None),
            WindowState::Posting { by, .. }
            | WindowState::Initiated { by, .. }
            | WindowState::Unknown { by, .. } => by,
        };
        match inspect::authentication_row_at(records, by).await {
            Ok(Some(named)) if named.enrollment != enrollment => Ok(Some(RowFault::NotTheirs)),
            Ok(_) | Err(RecordsError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The enrollment's row, if it is there and opens: what is wrong with it is told in its own place.
    pub(super) async fn enrollment(&self, key: EnrollmentKey) -> Result<Option<EnrollmentRow>, RepairError> {
        let Some(records) = &self.records else { return Ok(None) };
        match inspect::enrollment_row_at(records, key).await {
            Ok(row) => Ok(row),
            Err(RecordsError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether nothing about the person is kept any more, or is about to go.
pub(super) fn is_gone(row: &EnrollmentRow) -> bool {
    matches!(row.state, EnrollmentState::Purging | EnrollmentState::Purged)
}

/// Whether an error says that the slot itself is not the one that was meant, or damaged.
pub(super) const fn is_of_slot(error: &VaultError) -> bool {
    matches!(
        error,
        VaultError::Burnt | VaultError::NoSuchSlot | VaultError::WrongKind | VaultError::Damaged(_)
    )
}
