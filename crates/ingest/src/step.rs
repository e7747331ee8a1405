//! A step of an onboarding: what it commits, and when the next one is due.

use crate::{Ingest, IngestError};
use jumio::JumioError;
use model::{EnrollmentState, Timestamp};
use records::Commit;
use register::{Enrollment, EnrollmentPrivate};

/// When the next step is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// At this time.
    At(Timestamp),
    /// When something wakes it: a release, a callback.
    Rest,
}

/// What a step wants to become durable, together with its job.
pub(crate) struct Step {
    pub(crate) commit: Commit,
    pub(crate) then: Then,
}

impl Step {
    pub(crate) const fn new(commit: Commit, then: Then) -> Self {
        Self { commit, then }
    }
}

/// Why something waits or failed: codes for the API and the log.
pub(crate) mod trouble {
    pub(crate) const UNKNOWN_AT_JUMIO: &str = "unknown-at-jumio";
    pub(crate) const ANOTHER_IS_CURRENT: &str = "another-is-current";
    pub(crate) const ORIGINAL_STILL_THERE: &str = "original-still-there";
}

/// The code of an error that a step ended with.
pub(crate) fn code_of(error: &IngestError, state: EnrollmentState) -> &'static str {
    match error {
        IngestError::Jumio(JumioError::NotFound) if state == EnrollmentState::Fetching => {
            "facemap-not-available"
        }
        IngestError::Jumio(JumioError::NotFound) => trouble::UNKNOWN_AT_JUMIO,
        IngestError::Jumio(JumioError::Refused { .. }) => "jumio-refused",
        IngestError::Jumio(JumioError::Malformed { .. }) => "jumio-answer-unusable",
        IngestError::Jumio(JumioError::Guarded { .. }) => "refused-by-guard",
        IngestError::Jumio(_) => "jumio-unavailable",
        IngestError::Budget { .. } => "jumio-budget",
        IngestError::Vault(_) => "vault",
        IngestError::Audit(_) => "audit-unavailable",
        _ => "internal",
    }
}

impl Ingest {
    /// The fields about the person, which every enrollment has that is not purged.
    pub(crate) fn person(enrollment: &Enrollment) -> Result<&EnrollmentPrivate, IngestError> {
        enrollment.private.as_ref().ok_or(IngestError::Inconsistent { state: enrollment.row.state })
    }

    pub(crate) fn person_mut(enrollment: &mut Enrollment) -> Result<&mut EnrollmentPrivate, IngestError> {
        let state = enrollment.row.state;
        enrollment.private.as_mut().ok_or(IngestError::Inconsistent { state })
    }
}
