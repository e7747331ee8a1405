//! What the API shows of one purge.

use crate::{
    Custody, CustodyError,
    purge::{row::ErasureRow, statement},
};
use model::{EnrollmentState, Timestamp};
use receipt::JumioState;
use records::EnrollmentKey;
use seal::Pseudonym;
use serde::Serialize;

/// A purge as `DELETE /v1/enrollments/{ref}` shows it. The same for every call about the same enrollment, until Jumio's
/// deletion is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PurgeView {
    /// `purged`; `purging` only in lists.
    pub state: EnrollmentState,
    /// The enrollment's pseudonym: the subject of the receipts.
    pub subject: Pseudonym,
    /// When it was destroyed here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purged_at: Option<Timestamp>,
    /// Whether what Jumio had is deleted there.
    pub jumio_deletion: JumioState,
    /// When the last of it was, where Jumio said of any of it that it deleted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jumio_deleted_at: Option<Timestamp>,
    /// Why it is not done, as a code, once it was given up. Its dead letter can be revived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jumio_trouble: Option<String>,
    /// The receipt: a compact JWS. Never changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The second signed statement, where Jumio's deletion came later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jumio_receipt: Option<String>,
}

impl Custody {
    /// The purge of the enrollment with this pseudonym, if there was one: for the book and the dossier.
    ///
    /// # Errors
    /// When its record cannot be read.
    pub async fn purge_of(&self, key: EnrollmentKey) -> Result<Option<PurgeView>, CustodyError> {
        Ok(self.erasure(key).await?.map(|read| view(key, read.value)))
    }

    /// The purge that has just ended, or had ended before.
    pub(crate) async fn purged(&self, key: EnrollmentKey) -> Result<PurgeView, CustodyError> {
        let found = self.purge_of(key).await?;
        found.filter(|view| view.receipt.is_some()).ok_or(CustodyError::ReceiptLost)
    }
}

fn view(key: EnrollmentKey, erasure: ErasureRow) -> PurgeView {
    let is_purged = erasure.purged_at.is_some();
    PurgeView {
        state: if is_purged { EnrollmentState::Purged } else { EnrollmentState::Purging },
        subject: key.0,
        purged_at: erasure.purged_at,
        jumio_deletion: statement::state(&erasure.jumio),
        jumio_deleted_at: statement::deleted_at(&erasure.jumio),
        jumio_trouble: erasure.jumio.trouble,
        receipt: erasure.receipt,
        jumio_receipt: erasure.jumio_receipt,
    }
}
