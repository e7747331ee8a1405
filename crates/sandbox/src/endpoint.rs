//! The names by which faults and the journal speak of Jumio's endpoints.

use serde::{Deserialize, Serialize};

/// One of Jumio's endpoints, or the person's page, or a callback on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Endpoint {
    /// `POST /api/v4/initiate`
    InitiateVerification,
    /// `GET /api/netverify/v2/scans/{reference}`
    ScanStatus,
    /// `GET /api/netverify/v2/scans/{reference}/data`
    ScanDetails,
    /// `GET /api/netverify/v2/scans/{reference}/data/facemap`
    Facemap,
    /// `DELETE /api/netverify/v2/scans/{reference}`
    DeleteScan,
    /// `POST /api/authentication/v1/facemap/initiate`
    InitiateAuthentication,
    /// `GET /api/netverify/v2/authentications/{reference}`
    Authentication,
    /// `DELETE /api/netverify/v2/authentications/{reference}`
    DeleteAuthentication,
    /// `/web/v4/app`: where a person takes the journey.
    Page,
    /// A callback that the sandbox sends.
    Callback,
    /// A path that Jumio does not have.
    Unknown,
    /// A control request of a test (only in the journal).
    Control,
}

impl Endpoint {
    /// Whether Jumio's limit for initiating counts this endpoint.
    pub(crate) fn is_initiate(self) -> bool {
        matches!(self, Self::InitiateVerification | Self::InitiateAuthentication)
    }

    /// Whether the second credential pair ("transaction administration") applies, where one is configured.
    pub(crate) fn is_administration(self) -> bool {
        matches!(
            self,
            Self::ScanStatus
                | Self::ScanDetails
                | Self::Facemap
                | Self::DeleteScan
                | Self::Authentication
                | Self::DeleteAuthentication
        )
    }

    /// Whether a caller must identify itself with credentials, `User-Agent` and `Accept`.
    pub(crate) fn is_api(self) -> bool {
        self.is_initiate() || self.is_administration()
    }

    /// Whether the answer is JSON, so that `Accept` has to name it.
    pub(crate) fn answers_json(self) -> bool {
        self.is_api() && !matches!(self, Self::Facemap | Self::DeleteScan | Self::DeleteAuthentication)
    }
}
