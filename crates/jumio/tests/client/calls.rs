//! Every call that the client makes, with an answer that would do, so that a fault can be put in its place.

use crate::{
    requests::mobile,
    support::{AUTHENTICATION, SCAN, authentication, scan, started_verification, verification},
};
use jumio::{JumioApi, JumioClient, JumioError};
use model::FacemapBytes;
use serde_json::json;

/// A call of the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    InitiateVerification,
    ScanStatus,
    ScanDetails,
    Facemap,
    /// The look at a facemap that was deleted.
    Gone,
    DeleteScan,
    InitiateAuthentication,
    Authentication,
    DeleteAuthentication,
}

/// All of them.
pub(crate) const CALLS: [Call; 9] = [
    Call::InitiateVerification,
    Call::ScanStatus,
    Call::ScanDetails,
    Call::Facemap,
    Call::Gone,
    Call::DeleteScan,
    Call::InitiateAuthentication,
    Call::Authentication,
    Call::DeleteAuthentication,
];

/// Bytes of the facemap that the good answer holds.
pub(crate) const FACE: usize = 60_000;

/// What a call brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Brought {
    /// What it is for. Of a facemap, so many bytes.
    Done(usize),
    /// The facemap is still there.
    StillThere,
}

impl Call {
    pub(crate) const fn is_initiate(self) -> bool {
        matches!(self, Self::InitiateVerification | Self::InitiateAuthentication)
    }

    /// Media type and body of an answer that would do.
    pub(crate) fn good(self) -> (&'static str, Vec<u8>) {
        let body = match self {
            Self::InitiateVerification => started_verification(),
            Self::ScanStatus => json!({"scanReference": SCAN, "status": "DONE"}),
            Self::ScanDetails => json!({
                "scanReference": SCAN,
                "document": {"status": "APPROVED_VERIFIED"},
                "transaction": {"status": "DONE", "customerId": "user_1234"},
                "verification": {"identityVerification": {"similarity": "MATCH", "validity": "true"}},
            }),
            Self::Facemap | Self::Gone => return ("application/octet-stream", vec![b'f'; FACE]),
            Self::DeleteScan | Self::DeleteAuthentication => json!({"timestamp": "2018-07-03T08:23:12.494Z"}),
            Self::InitiateAuthentication => json!({"authenticationTransactionReference": AUTHENTICATION}),
            Self::Authentication => json!({
                "transactionReference": AUTHENTICATION,
                "enrollmentTransactionReference": SCAN,
                "transactionResult": "PASSED",
            }),
        };
        ("application/json", body.to_string().into_bytes())
    }

    /// Makes the call.
    pub(crate) async fn make(self, jumio: &JumioClient) -> Result<Brought, JumioError> {
        let done = |()| Brought::Done(0);
        match self {
            Self::InitiateVerification => {
                jumio.initiate_verification(&verification()).await.map(|_| Brought::Done(0))
            }
            Self::ScanStatus => jumio.scan_status(scan()).await.map(|_| Brought::Done(0)),
            Self::ScanDetails => jumio.scan_details(scan()).await.map(|_| Brought::Done(0)),
            Self::Facemap => jumio.facemap(scan(), None).await.map(|face| Brought::Done(face.len())),
            Self::Gone => jumio
                .facemap_is_gone(scan())
                .await
                .map(|gone| if gone { Brought::Done(0) } else { Brought::StillThere }),
            Self::DeleteScan => jumio.delete_scan(scan()).await.map(done),
            Self::InitiateAuthentication => jumio
                .initiate_authentication(&mobile(), FacemapBytes::new(vec![b'f'; FACE]))
                .await
                .map(|_| Brought::Done(0)),
            Self::Authentication => jumio.authentication(authentication()).await.map(|_| Brought::Done(0)),
            Self::DeleteAuthentication => jumio.delete_authentication(authentication()).await.map(done),
        }
    }
}
