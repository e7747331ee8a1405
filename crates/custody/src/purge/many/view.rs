//! What the API shows of an order for many.

use crate::{
    CaseReference, CriterionKind, Custody, CustodyError, PurgeId, PurgeReason, purge::many::row::ITEMS,
};
use model::Timestamp;
use receipt::JumioState;
use records::{EnrollmentKey, Key as _};
use seal::Pseudonym;
use serde::{Deserialize, Serialize};
use store::Range;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PurgeJobState {
    /// Being written down; nobody is destroyed yet.
    Ordering,
    /// Under way.
    Running,
    /// All that could be destroyed is.
    Done,
}

/// An order as `GET /v1/purges/{id}` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PurgeJobView {
    /// Its id.
    pub purge_id: PurgeId,
    /// Where it stands.
    pub state: PurgeJobState,
    /// By what they were chosen.
    pub criterion: CriterionKind,
    /// Why.
    pub reason: PurgeReason,
    /// The company's number of the case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_reference: Option<CaseReference>,
    /// When it was ordered.
    pub ordered_at: Timestamp,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Enrollments that it is about.
    pub total: u64,
    /// Those that are destroyed on this order.
    pub done: u64,
    /// Those that were destroyed meanwhile on other orders.
    pub done_by_others: u64,
    /// Those that were left because of a hold.
    pub held: u64,
    /// Those that were left because the criterion was not true of them any more.
    pub not_due: u64,
    /// Those that could not be destroyed.
    pub failed: u64,
    /// Whether what Jumio had of them is deleted there.
    pub jumio_deletion: JumioState,
    /// Those of whom Jumio still has something.
    pub jumio_pending: u64,
    /// The receipt of the order: a compact JWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The second signed statement, where Jumio's deletions came later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jumio_receipt: Option<String>,
}

/// What became of one of those that an order is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PurgeItemState {
    /// Not yet.
    Pending,
    /// Destroyed on this order.
    Done,
    /// Destroyed on another order: its own receipt says which.
    DoneByOther,
    /// Left because of a hold.
    Held,
    /// Left because the criterion was not true of it any more when its turn came.
    NotDue,
    /// Could not be destroyed.
    Failed,
}

impl PurgeItemState {
    /// Whether it is destroyed, on whose order ever.
    pub(crate) const fn is_done(self) -> bool {
        matches!(self, Self::Done | Self::DoneByOther)
    }
}

/// One of those that an order is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PurgeItemView {
    /// The enrollment's pseudonym.
    pub subject: Pseudonym,
    /// What became of it.
    pub state: PurgeItemState,
    /// Why it could not be destroyed, as a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Its own receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The second signed statement, where Jumio's deletion came later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jumio_receipt: Option<String>,
}

impl Custody {
    /// How far an order is.
    ///
    /// # Errors
    /// [`CustodyError::UnknownPurge`].
    pub async fn purge_job(&self, id: PurgeId) -> Result<PurgeJobView, CustodyError> {
        let row = self.purge_row(id).await?.value;
        let jumio_deletion = row.at_jumio();
        Ok(PurgeJobView {
            purge_id: id,
            state: row.state,
            criterion: row.criterion,
            reason: row.order.reason,
            case_reference: row.order.case_reference,
            ordered_at: row.ordered_at,
            finished_at: row.finished_at,
            total: row.total,
            done: row.done,
            done_by_others: row.done_by_others,
            held: row.held,
            not_due: row.not_due,
            failed: row.failed,
            jumio_deletion,
            jumio_pending: row.jumio_pending,
            receipt: row.receipt,
            jumio_receipt: row.jumio_receipt,
        })
    }

    /// At most `limit` of those that an order is about, with their receipts, after the one with the pseudonym `after`.
    ///
    /// # Errors
    /// [`CustodyError::UnknownPurge`].
    pub async fn purge_items(
        &self,
        id: PurgeId,
        after: Option<Pseudonym>,
        limit: usize,
    ) -> Result<Vec<PurgeItemView>, CustodyError> {
        self.purge_row(id).await?;
        let after = after.map(|subject| (id, EnrollmentKey(subject)).encode());
        let range = Range { prefix: (id,).encode(), after, ..Range::default() };
        let mut views = Vec::new();
        for ((_, key), read) in ITEMS.scan(self.records(), &range, limit).await? {
            let erasure = if read.value.state.is_done() { self.erasure(key).await? } else { None };
            let (receipt, jumio_receipt) =
                erasure.map(|erasure| (erasure.value.receipt, erasure.value.jumio_receipt)).unzip();
            views.push(PurgeItemView {
                subject: key.0,
                state: read.value.state,
                trouble: read.value.trouble,
                receipt: receipt.flatten(),
                jumio_receipt: jumio_receipt.flatten(),
            });
        }
        Ok(views)
    }
}
