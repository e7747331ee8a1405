//! Jumio as the flows see it: one method per call, so that a script can stand in for it in tests.

use crate::{
    AuthenticationDetails, DateSeen, JumioError, NewAuthentication, NewVerification, ScanDetails, ScanState,
    StartedAuthentication, StartedVerification,
};
use async_trait::async_trait;
use model::{AuthenticationRef, EnrollmentRef, FacemapBytes};

/// Every call of Jumio that this vault makes. No method repeats itself: repeating is the caller's decision, and
/// [`JumioError::is_retryable`] and [`JumioError::outcome_is_unknown`] say what may be decided.
///
/// # Errors
/// Each method fails with [`JumioError`]; its variants tell apart what was certainly not done from what may have been.
#[async_trait]
pub trait JumioApi: Send + Sync + 'static {
    /// Starts an ID Verification (`POST /api/v4/initiate`). Not idempotent: an unknown outcome may have created one.
    async fn initiate_verification(
        &self,
        request: &NewVerification,
    ) -> Result<StartedVerification, JumioError>;

    /// How far an ID Verification is (`GET …/scans/{reference}`).
    async fn scan_status(&self, scan: EnrollmentRef) -> Result<ScanState, JumioError>;

    /// What Jumio found (`GET …/scans/{reference}/data`): the only source for status, similarity, validity and user.
    async fn scan_details(&self, scan: EnrollmentRef) -> Result<ScanDetails, JumioError>;

    /// Downloads the facemap. `href` is the retrieval answer's link and is checked as hostile input; without it the
    /// address is built from the reference. Gone, not valid and not available are one answer at Jumio:
    /// [`JumioError::NotFound`].
    async fn facemap(&self, scan: EnrollmentRef, href: Option<&str>) -> Result<FacemapBytes, JumioError>;

    /// Asks for the facemap and reports whether Jumio answers 404: the proof that a deletion took effect. Reads no
    /// body.
    async fn facemap_is_gone(&self, scan: EnrollmentRef) -> Result<bool, JumioError>;

    /// Deletes an ID Verification at Jumio: immediate and irreversible. [`JumioError::NotFound`] when it is not there.
    async fn delete_scan(&self, scan: EnrollmentRef) -> Result<(), JumioError>;

    /// Hands a facemap to Jumio and starts an Authentication. The facemap is moved into the request and wiped after
    /// it. Not idempotent: of several within 15 minutes only the last works.
    async fn initiate_authentication(
        &self,
        request: &NewAuthentication,
        facemap: FacemapBytes,
    ) -> Result<StartedAuthentication, JumioError>;

    /// What became of an Authentication (`GET …/authentications/{reference}`).
    async fn authentication(&self, reference: AuthenticationRef)
    -> Result<AuthenticationDetails, JumioError>;

    /// Deletes an Authentication at Jumio. [`JumioError::NotFound`] when it is not there.
    async fn delete_authentication(&self, reference: AuthenticationRef) -> Result<(), JumioError>;

    /// The `Date` of the last answer of Jumio's that had one, refusals included. Calls nobody.
    fn last_date(&self) -> Option<DateSeen> {
        None
    }
}
