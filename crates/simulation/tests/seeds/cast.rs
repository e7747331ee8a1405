//! The people of a run: three users, one of whom is onboarded twice.

use model::{EnrollmentRef, UserReference};

/// Enrollment by enrollment, the number of its user.
const USERS: [usize; 4] = [0, 1, 0, 2];
pub(crate) const ENROLLMENTS: usize = USERS.len();
pub(crate) const PEOPLE: usize = 3;

pub(crate) fn reference(of: usize) -> EnrollmentRef {
    format!("00000000-0000-4000-8000-{of:012x}").parse().expect("a reference")
}

pub(crate) fn user(user: usize) -> UserReference {
    format!("user-{user}").parse().expect("a user")
}

/// The number of an enrollment's user.
pub(crate) fn owner(of: usize) -> usize {
    USERS[of]
}

pub(crate) fn user_of(of: usize) -> UserReference {
    user(owner(of))
}

pub(crate) fn face(of: usize) -> Vec<u8> {
    format!("the face of enrollment {of}").into_bytes()
}

/// The number of an enrollment.
pub(crate) fn number(wanted: EnrollmentRef) -> Option<usize> {
    (0..ENROLLMENTS).find(|of| reference(*of) == wanted)
}

pub(crate) fn enrollments_of(user: usize) -> impl Iterator<Item = usize> {
    (0..ENROLLMENTS).filter(move |of| owner(*of) == user)
}
