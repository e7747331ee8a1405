//! Cursors of lists: opaque to the caller, and nobody's data.

use super::problem::Problem;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ingest::CallbackCursor;
use model::AuthenticationId;
use records::{EnrollmentKey, Key};
use seal::Pseudonym;

/// The cursor after this enrollment.
pub(crate) fn of_enrollment(key: &EnrollmentKey) -> String {
    BASE64_URL_SAFE_NO_PAD.encode((*key,).encode())
}

/// Where a list of enrollments goes on.
pub(crate) fn enrollment(cursor: &str) -> Result<EnrollmentKey, Problem> {
    decode::<(EnrollmentKey,)>(cursor).map(|(key,)| key)
}

/// The cursor after this authentication.
pub(crate) fn of_authentication(id: AuthenticationId) -> String {
    BASE64_URL_SAFE_NO_PAD.encode((id,).encode())
}

/// Where a list of authentications goes on.
pub(crate) fn authentication(cursor: &str) -> Result<AuthenticationId, Problem> {
    decode::<(AuthenticationId,)>(cursor).map(|(id,)| id)
}

/// The cursor after whatever has this pseudonym.
pub(crate) fn of_pseudonym(pseudonym: &Pseudonym) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(pseudonym.as_bytes())
}

/// Where a list in the order of pseudonyms goes on.
pub(crate) fn pseudonym(cursor: &str) -> Result<Pseudonym, Problem> {
    enrollment(cursor).map(|key| key.0)
}

/// The cursor after this callback.
pub(crate) fn of_callback(callback: &CallbackCursor) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(callback.encode())
}

/// Where a list of callbacks goes on.
pub(crate) fn callback(cursor: &str) -> Result<CallbackCursor, Problem> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
    bytes.and_then(|bytes| CallbackCursor::decode(&bytes)).ok_or_else(not_ours)
}

/// The cursor after this position of the book.
pub(crate) fn of_position(position: u64) -> String {
    BASE64_URL_SAFE_NO_PAD.encode((position,).encode())
}

/// Where a list of the book goes on.
pub(crate) fn position(cursor: &str) -> Result<u64, Problem> {
    decode::<(u64,)>(cursor).map(|(position,)| position)
}

fn decode<K: Key>(cursor: &str) -> Result<K, Problem> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
    bytes.and_then(|bytes| K::decode(&bytes)).ok_or_else(not_ours)
}

fn not_ours() -> Problem {
    Problem::invalid("/cursor", "must be the nextCursor of an earlier answer")
}
