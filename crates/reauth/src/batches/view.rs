//! What the API shows of a batch and its items.

use super::pace;
use model::{AuthenticationId, BatchId, EnrollmentRef, LinkId, Timestamp, UserReference};
use register::{BatchRow, BatchSource, BatchState, Delivery, Item, ItemOutcome, ItemReason, ItemState};
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// A batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchView {
    /// Its id.
    pub batch_id: BatchId,
    /// Where it stands.
    pub state: BatchState,
    /// Since when.
    pub since: Timestamp,
    /// When it was ordered.
    pub created_at: Timestamp,
    /// Where its items come from.
    pub source: BatchSource,
    /// A link, or a transaction at once.
    pub delivery: Delivery,
    /// In a browser or in an app.
    pub channel: model::Channel,
    /// Items a minute at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// Items to go through.
    pub total: u64,
    /// References of which nothing is known. They are items too: skipped, with this reason.
    pub unknown: u64,
    /// Repetitions. They are items too.
    pub repeated: u64,
    /// Items by state.
    pub states: BTreeMap<ItemState, u64>,
    /// Those that went, by what came of them.
    pub outcomes: BTreeMap<ItemOutcome, u64>,
    /// Those that did not go, by why.
    pub reasons: BTreeMap<ItemReason, u64>,
    /// Those that went and whose outcome can still change.
    pub open: u64,
    /// Items a minute, measured over the last five minutes; null when it is not known.
    pub rate_per_minute: Option<f64>,
    /// Seconds until the last item is taken, if it goes on like that; null when it is not known.
    pub seconds_left: Option<u64>,
    /// What is in the way of all items just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Whether it should go on and has not for five minutes.
    pub stalled: bool,
    /// Why, if it is stalled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stalled_because: Option<String>,
    /// When nothing was left that could change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
}

impl BatchView {
    pub(super) fn of(batch_id: BatchId, row: &BatchRow, now: Timestamp) -> Self {
        let stalled = pace::is_stalled(row, now);
        let waits_for = row.trouble.as_ref().map(|trouble| trouble.code.clone());
        let because = waits_for.clone().unwrap_or_else(|| "no-progress".to_owned());
        Self {
            batch_id,
            state: row.state,
            since: row.since,
            created_at: row.created_at,
            source: row.source,
            delivery: row.terms.delivery,
            channel: row.terms.channel,
            per_minute: row.terms.per_minute,
            total: row.total,
            unknown: row.unknown,
            repeated: row.repeated,
            states: ItemState::ALL.iter().map(|state| (*state, row.counts.of(*state))).collect(),
            outcomes: row.counts.outcomes.clone(),
            reasons: row.counts.reasons.clone(),
            open: row.counts.open,
            rate_per_minute: pace::rate(row, now),
            seconds_left: pace::seconds_left(row, now),
            waits_for,
            stalled,
            stalled_because: stalled.then_some(because),
            completed_at: row.completed_at,
        }
    }
}

/// An item. It may hold what whoever has it can press: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemView {
    /// Its place in the list, or its line in the file.
    pub number: u64,
    /// Where it stands.
    pub state: ItemState,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Why it did not go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ItemReason>,
    /// Jumio's HTTP status, where Jumio refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jumio_status: Option<u16>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ItemOutcome>,
    /// Jumio's reference of the enrollment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrollment_transaction_reference: Option<EnrollmentRef>,
    /// The person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_reference: Option<UserReference>,
    /// The company's reference of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_reference: Option<String>,
    /// Its link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_id: Option<LinkId>,
    /// Its transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication_id: Option<AuthenticationId>,
    /// What the person opens, if it was asked for and still opens anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When that ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl BatchItemView {
    /// An item, without its person.
    pub(super) fn of(item: &Item) -> Self {
        let row = &item.row;
        // The id of a transaction is shown once there may be one.
        let went = !matches!(row.state, ItemState::Queued | ItemState::Skipped | ItemState::Cancelled);
        Self {
            number: item.place.number,
            state: row.state,
            changed_at: row.at,
            reason: row.reason,
            jumio_status: row.jumio_status,
            outcome: row.outcome,
            enrollment_transaction_reference: None,
            user_reference: None,
            request_reference: None,
            link_id: row.link,
            authentication_id: row.authentication.filter(|_| went),
            url: None,
            expires_at: None,
        }
    }
}

impl fmt::Debug for BatchItemView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchItemView")
            .field("number", &self.number)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
