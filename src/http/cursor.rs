//! Cursors of lists: opaque to the caller, and nobody's data.

use super::problem::Problem;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use model::AuthenticationId;
use records::{EnrollmentKey, Key};

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

fn decode<K: Key>(cursor: &str) -> Result<K, Problem> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
    bytes
        .and_then(|bytes| K::decode(&bytes))
        .ok_or_else(|| Problem::invalid("/cursor", "must be the nextCursor of an earlier answer"))
}
