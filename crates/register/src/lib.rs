#![doc = include_str!("../README.md")]

mod authentication;
mod authentications;
mod enrollment;
mod enrollments;
mod error;
mod identity;
mod private;
mod user;
mod window;

pub use authentication::{Authentication, AuthenticationPrivate, AuthenticationRow};
pub use enrollment::{Enrollment, EnrollmentPrivate, EnrollmentRow, IneligibleReason};
pub use enrollments::EnrollmentFilter;
pub use error::RegisterError;
pub use identity::FORMAT;
pub use private::Sealed;
pub use user::UserRow;
pub use window::{WindowRow, WindowState};

use records::Records;
use std::sync::Arc;
use vault::Vault;

/// The register: reads rows with all their checks, and puts changes into a commit.
#[derive(Clone)]
pub struct Register {
    records: Records,
    vault: Arc<Vault>,
}

impl Register {
    /// The register over these records, with the vault whose slots seal the fields about people.
    #[must_use]
    pub fn new(records: Records, vault: Arc<Vault>) -> Self {
        Self { records, vault }
    }

    /// The records below.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }
}
