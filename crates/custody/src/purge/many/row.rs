//! The rows of an order for many. They name nobody: whoever it is about stands in it as a pseudonym.

use crate::{
    CriterionKind, Custody, CustodyError, Order, PurgeId,
    purge::{
        Condition,
        many::{PurgeItemState, PurgeJobState},
    },
};
use model::Timestamp;
use receipt::JumioState;
use records::{EnrollmentKey, Record, Table, tables};
use serde::{Deserialize, Serialize};

pub(crate) static PURGES: Table<(PurgeId,), PurgeRow> = Table::new(tables::PURGES, "purges");
pub(crate) static ITEMS: Table<(PurgeId, EnrollmentKey), ItemRow> =
    Table::new(tables::PURGE_ITEMS, "purge-items");

/// An order for many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PurgeRow {
    pub(crate) state: PurgeJobState,
    pub(crate) criterion: CriterionKind,
    /// The time of a criterion by time.
    #[serde(default)]
    pub(crate) before: Option<Timestamp>,
    pub(crate) order: Order,
    pub(crate) ordered_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) total: u64,
    /// Destroyed on this order.
    pub(crate) done: u64,
    /// Destroyed on another.
    #[serde(default)]
    pub(crate) done_by_others: u64,
    pub(crate) held: u64,
    #[serde(default)]
    pub(crate) not_due: u64,
    pub(crate) failed: u64,
    /// Those of whom Jumio still has something.
    pub(crate) jumio_pending: u64,
    /// What may be at Jumio and cannot be named there.
    #[serde(default)]
    pub(crate) unnamed: u64,
    /// Everybody up to this one is settled.
    pub(crate) cursor: Option<EnrollmentKey>,
    pub(crate) receipt: Option<String>,
    pub(crate) jumio_receipt: Option<String>,
}

/// One of those that an order is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ItemRow {
    pub(crate) state: PurgeItemState,
    /// Whether it counts among those of whom Jumio still has something.
    pub(crate) jumio_pending: bool,
    /// Why it failed, as a code.
    pub(crate) trouble: Option<String>,
}

impl ItemRow {
    pub(crate) const fn new(state: PurgeItemState) -> Self {
        Self { state, jumio_pending: false, trouble: None }
    }
}

impl PurgeRow {
    /// What must be true of everybody when their turn comes.
    pub(crate) fn condition(&self) -> Condition {
        let by_use = self.criterion == CriterionKind::LastUsedBefore;
        self.before.map_or(Condition::Always, |time| Condition::Before { time, by_use })
    }

    /// Whether what Jumio had of all of them is deleted there.
    pub(crate) fn at_jumio(&self) -> JumioState {
        match self.state {
            PurgeJobState::Done if self.jumio_pending == 0 && self.unnamed > 0 => JumioState::Incomplete,
            PurgeJobState::Done if self.jumio_pending == 0 => JumioState::Done,
            _ => JumioState::Pending,
        }
    }
}

impl Custody {
    pub(crate) async fn purge_row(&self, id: PurgeId) -> Result<Record<PurgeRow>, CustodyError> {
        PURGES.get(self.records(), &(id,)).await?.ok_or(CustodyError::UnknownPurge)
    }
}
