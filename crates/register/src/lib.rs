#![doc = include_str!("../README.md")]

mod attempts;
mod authentication;
mod authentications;
mod batch;
mod batches;
mod enrollment;
mod enrollments;
mod error;
#[cfg(any(test, feature = "test-util"))]
pub mod fuzzing;
mod identity;
pub mod inspect;
mod link;
mod links;
mod note;
mod private;
mod purge;
mod rebuild;
mod recovery;
mod shapes;
mod unnamed;
mod user;
mod window;

pub use attempts::AttemptsRow;
pub use authentication::{Authentication, AuthenticationPrivate, AuthenticationRow};
pub use batch::{
    BatchRow, BatchSource, BatchState, BatchTerms, BatchTrouble, Counts, Delivery, Item, ItemOutcome,
    ItemPlace, ItemPrivate, ItemReason, ItemRow, ItemState,
};
pub use enrollment::{Enrollment, EnrollmentPrivate, EnrollmentRow, IneligibleReason};
pub use enrollments::EnrollmentFilter;
pub use error::RegisterError;
pub use identity::FORMAT;
pub use link::{LINK_AUTHENTICATIONS, Link, LinkPrivate, LinkRow};
pub use links::LinkToPurge;
pub use note::FacemapNote;
pub use private::Sealed;
pub use purge::{AuthenticationToPurge, UserPlace};
pub use recovery::{LOST_LINES, RecoveryKind, RecoveryRow};
pub use shapes::shapes;
pub use unnamed::UnnamedRow;
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
