//! What lies beside a facemap, sealed in its content file, so that the records can be made again without the store.

use crate::{EnrollmentPrivate, EnrollmentRow};
use model::{EnrollmentOrigin, Timestamp, UserReference};
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// What a rebuild must know of an enrollment beyond its slot, its reference and its contents. It is written once, when
/// the facemap is vaulted; what happens afterwards stands in the slot's flags.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FacemapNote {
    /// The company's reference of the user.
    pub user_reference: UserReference,
    /// The company's reference of the transaction, where it fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_internal_reference: Option<String>,
    /// How the enrollment came to us.
    pub origin: EnrollmentOrigin,
    /// When we first heard of it.
    pub created_at: Timestamp,
}

impl FacemapNote {
    /// The note of an enrollment; none while its user is not known.
    #[must_use]
    pub fn of(row: &EnrollmentRow, person: &EnrollmentPrivate) -> Option<Self> {
        Some(Self {
            user_reference: person.user_reference.clone()?,
            customer_internal_reference: person.customer_internal_reference.clone(),
            origin: row.origin,
            created_at: row.created_at,
        })
    }

    /// The bytes for [`vault::Vault::put`]: never more than fit. The transaction's reference comes from outside and has
    /// no bound of ours; where it is too long, it is the one that is left out.
    ///
    /// # Panics
    /// Never: texts and times are JSON.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // Unwrap safety: the fields are texts and a time, which serialise.
        let whole = Zeroizing::new(serde_json::to_vec(self).expect("texts and a time are JSON"));
        if whole.len() <= vault::NOTE_BYTES || self.customer_internal_reference.is_none() {
            return whole;
        }
        Self { customer_internal_reference: None, ..self.clone() }.to_bytes()
    }

    /// Reads a note; none when these bytes are not one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl fmt::Debug for FacemapNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FacemapNote").field("origin", &self.origin).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(user: &str, internal: &str) -> FacemapNote {
        FacemapNote {
            user_reference: user.parse().unwrap(),
            customer_internal_reference: Some(internal.to_owned()),
            origin: EnrollmentOrigin::Callback,
            created_at: "2026-11-21T12:00:00.123456Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_note_is_read_back_as_it_was_written() {
        let written = note("ines", "order \u{1f600} 7");
        assert_eq!(FacemapNote::from_bytes(&written.to_bytes()), Some(written));
        assert_eq!(FacemapNote::from_bytes(b""), None);
    }

    #[test]
    fn the_longest_references_fit_and_one_that_does_not_is_left_out() {
        let (user, longest) = ("\"".repeat(100), "\u{1}".repeat(100));
        let written = note(&user, &longest);
        assert_eq!(FacemapNote::from_bytes(&written.to_bytes()), Some(written));
        let written = note(&user, &"x".repeat(5000));
        let bytes = written.to_bytes();
        assert!(bytes.len() <= vault::NOTE_BYTES);
        let read = FacemapNote::from_bytes(&bytes).unwrap();
        assert_eq!(read, FacemapNote { customer_internal_reference: None, ..written });
    }

    #[test]
    fn debug_names_nobody() {
        let shown = format!("{:?}", note("ines", "order 7"));
        assert!(!shown.contains("ines") && !shown.contains("order"), "{shown}");
    }
}
