//! Rows as a walk over raw records sees them: opened one by one, with a person's key that somebody else brings.

use crate::{
    AuthenticationPrivate, AuthenticationRow, EnrollmentPrivate, EnrollmentRow, RegisterError, UserRow,
    WindowRow,
    authentication::AUTHENTICATIONS,
    enrollment::ENROLLMENTS,
    identity::{IDENTITY, KEY as IDENTITY_KEY},
    private::Sealed,
    user::USERS,
    window::WINDOWS,
};
use model::AuthenticationId;
use records::{EnrollmentKey, Key as _, Records, RecordsError, UserKey};
use serde::de::DeserializeOwned;
use store::Versioned;
use vault::{PersonKey, VaultId};

/// What a store says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreIdentity {
    /// The format of its records.
    pub format: u32,
    /// The slot file that it belongs to.
    pub vault: VaultId,
    /// Whether its people are simulated.
    pub simulated: bool,
    /// The slot file's epoch that it was made under.
    pub epoch: u64,
}

/// What the store says about itself; `None` when it says nothing.
///
/// # Errors
/// When the record cannot be read or does not open.
pub async fn store_identity(records: &Records) -> Result<Option<StoreIdentity>, RecordsError> {
    let found = IDENTITY.get(records, &IDENTITY_KEY).await?;
    Ok(found.map(|found| {
        let crate::identity::Identity { format, vault, simulated, epoch } = found.value;
        StoreIdentity { format, vault, simulated, epoch }
    }))
}

/// The enrollment's row that was read elsewhere.
///
/// # Errors
/// When it does not open in its place.
pub fn enrollment_row(
    records: &Records,
    key: &[u8],
    stored: &Versioned,
) -> Result<(EnrollmentKey, EnrollmentRow), RecordsError> {
    let ((key,), read) = ENROLLMENTS.opened(records, key, stored)?;
    Ok((key, read.value))
}

/// The row under `key`, without its person.
///
/// # Errors
/// When it does not open in its place.
pub async fn enrollment_row_at(
    records: &Records,
    key: EnrollmentKey,
) -> Result<Option<EnrollmentRow>, RecordsError> {
    Ok(ENROLLMENTS.get(records, &(key,)).await?.map(|read| read.value))
}

/// The authentication's row that was read elsewhere.
///
/// # Errors
/// When it does not open in its place.
pub fn authentication_row(
    records: &Records,
    key: &[u8],
    stored: &Versioned,
) -> Result<(AuthenticationId, AuthenticationRow), RecordsError> {
    let ((id,), read) = AUTHENTICATIONS.opened(records, key, stored)?;
    Ok((id, read.value))
}

/// The row under `id`, without its person.
///
/// # Errors
/// When it does not open in its place.
pub async fn authentication_row_at(
    records: &Records,
    id: AuthenticationId,
) -> Result<Option<AuthenticationRow>, RecordsError> {
    Ok(AUTHENTICATIONS.get(records, &(id,)).await?.map(|read| read.value))
}

/// The user's row that was read elsewhere.
///
/// # Errors
/// When it does not open in its place.
pub fn user_row(
    records: &Records,
    key: &[u8],
    stored: &Versioned,
) -> Result<(UserKey, UserRow), RecordsError> {
    let ((key,), read) = USERS.opened(records, key, stored)?;
    Ok((key, read.value))
}

/// The window's row that was read elsewhere.
///
/// # Errors
/// When it does not open in its place.
pub fn window_row(
    records: &Records,
    key: &[u8],
    stored: &Versioned,
) -> Result<(EnrollmentKey, WindowRow), RecordsError> {
    let ((key,), read) = WINDOWS.opened(records, key, stored)?;
    Ok((key, read.value))
}

impl EnrollmentRow {
    /// Opens the fields about the person, which must be this very enrollment's; `None` when the row has none.
    ///
    /// # Errors
    /// [`RegisterError::Damaged`], [`RegisterError::WrongPerson`].
    pub fn person(
        &self,
        records: &Records,
        key: EnrollmentKey,
        person: &PersonKey,
    ) -> Result<Option<EnrollmentPrivate>, RegisterError> {
        let Some(sealed) = &self.private else { return Ok(None) };
        let private: EnrollmentPrivate = opened(person, &(key,).encode(), "enrollment", sealed)?;
        let own_user = private.user_reference.as_ref().map(|user| records.user_key(user));
        let is_its_own = records.enrollment_key(&private.reference) == key && own_user == self.user;
        if is_its_own { Ok(Some(private)) } else { Err(RegisterError::WrongPerson) }
    }
}

impl AuthenticationRow {
    /// Opens the fields about the person, which must be this very authentication's; `None` when the row has none.
    ///
    /// # Errors
    /// [`RegisterError::Damaged`], [`RegisterError::WrongPerson`].
    pub fn person(
        &self,
        records: &Records,
        id: AuthenticationId,
        person: &PersonKey,
    ) -> Result<Option<AuthenticationPrivate>, RegisterError> {
        let Some(sealed) = &self.private else { return Ok(None) };
        let private: AuthenticationPrivate = opened(person, &(id,).encode(), "authentication", sealed)?;
        let transaction = private.reference.as_ref().map(|r| records.transaction_key(r));
        let is_its_own = private.id == id
            && transaction == self.transaction
            && records.enrollment_key(&private.enrollment_reference) == self.enrollment
            && records.user_key(&private.user_reference) == self.user;
        if is_its_own { Ok(Some(private)) } else { Err(RegisterError::WrongPerson) }
    }
}

fn opened<T: DeserializeOwned>(
    person: &PersonKey,
    record: &[u8],
    field: &str,
    sealed: &Sealed,
) -> Result<T, RegisterError> {
    let json = person.open(record, field, &sealed.0).map_err(|_| RegisterError::Damaged)?;
    serde_json::from_slice(&json).map_err(|_| RegisterError::Damaged)
}
