//! A batch and its items: rows that name nobody. What must be told of a person is found through the enrollment, or lies
//! sealed under the person's slot.

use crate::private::Sealed;
use model::{AuthenticationId, BatchId, Channel, LinkId, Timestamp};
use records::{EnrollmentKey, Index, Record, Table, tables};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};
use vault::SlotRef;

pub(crate) static BATCHES: Table<(BatchId,), BatchRow> = Table::new(tables::BATCHES, "batches");
pub(crate) static ITEMS: Table<(BatchId, u64), ItemRow> = Table::new(tables::BATCH_ITEMS, "batch-items");
pub(crate) static BY_STATE: Index<(BatchId, u8, u64)> = Index::new(tables::BATCH_ITEMS_BY_STATE);
pub(crate) static CHANGED: Index<(BatchId, u64)> = Index::new(tables::BATCH_ITEMS_CHANGED);
pub(crate) static BY_ENROLLMENT: Index<(EnrollmentKey, BatchId, u64)> =
    Index::new(tables::BATCH_ITEMS_BY_ENROLLMENT);

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The spelling in the API and in the store.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// Where a batch stands.
    BatchState {
        /// Its items are being written. Nobody sees it yet; a restart removes it.
        Preparing = "preparing",
        /// Its items are taken, one after another.
        Running = "running",
        /// Nothing is taken until somebody resumes it.
        Paused = "paused",
        /// Every item was taken; some outcomes are still open.
        Issued = "issued",
        /// What was not taken is being cancelled, and links that nobody has pressed are being withdrawn.
        Cancelling = "cancelling",
        /// That is done.
        Cancelled = "cancelled",
        /// Every item was taken, and every outcome is known.
        Completed = "completed",
    }
}

words! {
    /// What becomes of an item.
    Delivery {
        /// A link of the vault's own, to be sent to the person.
        Link = "link",
        /// A transaction at Jumio at once.
        Transaction = "transaction",
    }
}

words! {
    /// Where a batch's items come from.
    BatchSource {
        /// A list of enrollments.
        Enrollments = "enrollments",
        /// A list of users.
        UserReferences = "userReferences",
        /// Whatever a filter lets through.
        Filter = "filter",
        /// A file.
        Csv = "csv",
    }
}

words! {
    /// Where an item stands (contract §4).
    ItemState {
        /// It waits.
        Queued = "queued",
        /// The person has a link.
        Linked = "linked",
        /// The person has a transaction at Jumio.
        Initiated = "initiated",
        /// The person had an open transaction already: it is that one.
        Deduplicated = "deduplicated",
        /// There was nothing to do, or it must not be done: the reason says why.
        Skipped = "skipped",
        /// It was tried in vain: the reason says why.
        Failed = "failed",
        /// The batch was cancelled before it was its turn, or before somebody pressed the link.
        Cancelled = "cancelled",
    }
}

words! {
    /// Why an item did not go.
    ItemReason {
        /// Nothing is known of this reference.
        Unknown = "unknown",
        /// The same one stands in the list before.
        Repeated = "repeated",
        /// The enrollment is on its way, and its facemap cannot be used yet.
        NotReady = "not-ready",
        /// The company has not released the original.
        AwaitingRelease = "awaiting-release",
        /// The enrollment will never be usable.
        NotEligible = "not-eligible",
        /// Another enrollment of the user took its place.
        Replaced = "replaced",
        /// The person's data are destroyed.
        Purged = "purged",
        /// The user was sent to Jumio too often lately.
        TooManyAttempts = "too-many-attempts",
        /// Nobody knows what came of somebody else's request for this person, and that is not settled yet.
        Unsettled = "unsettled",
        /// Nobody knows whether Jumio has created the transaction. It was handed to nobody, and is not posted again.
        OutcomeUnknown = "outcome-unknown",
        /// Jumio refused it.
        JumioRefused = "jumio-refused",
        /// A guard of our own refused to send it.
        NotSent = "not-sent",
        /// What is set for it is not allowed any more: a host that was taken off the list, a time that has passed.
        Invalid = "invalid",
        /// A record or the facemap is damaged.
        Damaged = "damaged",
        /// Its link was withdrawn.
        Withdrawn = "withdrawn",
    }
}

words! {
    /// What came of an item that went.
    ItemOutcome {
        /// Nobody has pressed the link.
        NotPressed = "not-pressed",
        /// The transaction is open.
        Open = "open",
        /// The person passed.
        Passed = "passed",
        /// Not the person, or not live.
        Failed = "failed",
        /// The capture could not be judged.
        Invalid = "invalid",
        /// Nobody finished in time, or nobody pressed the link in time.
        Expired = "expired",
        /// Somebody at the door asked for a transaction with other parameters, and got it.
        Superseded = "superseded",
        /// Nobody knows.
        Unknown = "unknown",
        /// The link was withdrawn before anything came of it.
        Withdrawn = "withdrawn",
        /// The person's data are destroyed.
        Purged = "purged",
    }
}

impl BatchState {
    /// Whether items may still be taken, now or after a resume.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// The first byte of the index by state. Stored: never renumber.
pub(crate) const fn state_number(state: ItemState) -> u8 {
    match state {
        ItemState::Queued => 1,
        ItemState::Linked => 2,
        ItemState::Initiated => 3,
        ItemState::Deduplicated => 4,
        ItemState::Skipped => 5,
        ItemState::Failed => 6,
        ItemState::Cancelled => 7,
    }
}

/// How many items stand where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// By state.
    pub states: BTreeMap<ItemState, u64>,
    /// Those that went, by what came of them.
    pub outcomes: BTreeMap<ItemOutcome, u64>,
    /// Those that did not go, by why.
    pub reasons: BTreeMap<ItemReason, u64>,
    /// Those that went and whose outcome can still change.
    pub open: u64,
}

impl Counts {
    /// How many are in a state.
    #[must_use]
    pub fn of(&self, state: ItemState) -> u64 {
        self.states.get(&state).copied().unwrap_or(0)
    }

    /// One more.
    pub fn add(&mut self, item: &ItemRow) {
        *self.states.entry(item.state).or_default() += 1;
        if let Some(outcome) = item.outcome {
            *self.outcomes.entry(outcome).or_default() += 1;
        }
        if let Some(reason) = item.reason {
            *self.reasons.entry(reason).or_default() += 1;
        }
        self.open += u64::from(item.is_open());
    }

    /// One less.
    pub fn take(&mut self, item: &ItemRow) {
        less(&mut self.states, &item.state);
        if let Some(outcome) = item.outcome {
            less(&mut self.outcomes, &outcome);
        }
        if let Some(reason) = item.reason {
            less(&mut self.reasons, &reason);
        }
        self.open = self.open.saturating_sub(u64::from(item.is_open()));
    }

    /// Those of others too.
    pub fn join(&mut self, other: &Self) {
        other.states.iter().for_each(|(key, more)| *self.states.entry(*key).or_default() += more);
        other.outcomes.iter().for_each(|(key, more)| *self.outcomes.entry(*key).or_default() += more);
        other.reasons.iter().for_each(|(key, more)| *self.reasons.entry(*key).or_default() += more);
        self.open += other.open;
    }
}

fn less<K: Ord>(counts: &mut BTreeMap<K, u64>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// What all items of a batch have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchTerms {
    /// A link, or a transaction at once.
    pub delivery: Delivery,
    /// In a browser or in an app.
    pub channel: Channel,
    /// Where the person is sent after success.
    pub success_url: Option<String>,
    /// Where the person is sent after an error.
    pub error_url: Option<String>,
    /// The language, where an item has none of its own.
    pub locale: Option<String>,
    /// What it is for, in the company's words.
    pub purpose: Option<String>,
    /// What the items' own references begin with; their number follows.
    pub request_reference: Option<String>,
    /// When the links end.
    pub expires_at: Option<Timestamp>,
    /// Items a minute at most.
    pub per_minute: Option<u32>,
}

/// Something that keeps a whole batch from going on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchTrouble {
    /// What, as a code.
    pub code: String,
    /// Since when.
    pub since: Timestamp,
    /// How often in a row.
    pub times: u32,
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRow {
    /// Where it stands.
    pub state: BatchState,
    /// Since when.
    pub since: Timestamp,
    /// When it was ordered.
    pub created_at: Timestamp,
    /// Where its items come from.
    pub source: BatchSource,
    /// What they have in common.
    pub terms: BatchTerms,
    /// Who ordered it, as the book names them.
    pub actor: Value,
    /// Items that are to be taken.
    pub total: u64,
    /// References of which nothing is known.
    pub unknown: u64,
    /// References that stand more than once.
    pub repeated: u64,
    /// How many stand where.
    pub counts: Counts,
    /// Numbers of the items in hand: each of them has an id, and may have a transaction under it.
    pub in_hand: Vec<u64>,
    /// The next is not taken before.
    pub next_at: Option<Timestamp>,
    /// How many were taken in which of the last minutes: the minute's number since 1970, and how many.
    pub lately: Vec<(i64, u32)>,
    /// When one was last taken.
    pub progress_at: Option<Timestamp>,
    /// When an outcome last changed.
    #[serde(default)]
    pub changed_at: Option<Timestamp>,
    /// What is in the way of all of them.
    pub trouble: Option<BatchTrouble>,
    /// How far a cancellation is among the links.
    pub cancelled_to: Option<u64>,
    /// When nothing was left that could change.
    pub completed_at: Option<Timestamp>,
}

impl BatchRow {
    /// Moves it to another state.
    pub fn enter(&mut self, state: BatchState, now: Timestamp) {
        if self.state != state {
            self.state = state;
            self.since = now;
        }
    }
}

/// The place of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ItemPlace {
    /// Its batch.
    pub batch: BatchId,
    /// Its number: the place in the list, or the line in the file.
    pub number: u64,
}

impl ItemPlace {
    pub(crate) const fn key(self) -> (BatchId, u64) {
        (self.batch, self.number)
    }
}

/// An item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRow {
    /// Where it stands.
    pub state: ItemState,
    /// When it last changed.
    pub at: Timestamp,
    /// The enrollment; `None` where nothing is known, or nothing is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrollment: Option<EnrollmentKey>,
    /// Whether the list named the user: then it is the user's current enrollment that counts when its turn comes.
    #[serde(default, skip_serializing_if = "is_false")]
    pub by_user: bool,
    /// The slot under which `private` is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<SlotRef>,
    /// What the list says of this item alone ([`ItemPrivate`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<Sealed>,
    /// Its link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkId>,
    /// Its transaction: chosen before it is posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<AuthenticationId>,
    /// Why it did not go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ItemReason>,
    /// Jumio's HTTP status, where Jumio refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jumio_status: Option<u16>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ItemOutcome>,
    /// Whether the outcome is the last one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub settled: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl ItemRow {
    /// A new one that waits.
    #[must_use]
    pub const fn queued(now: Timestamp, enrollment: EnrollmentKey, by_user: bool) -> Self {
        let mut row = Self::skipped(now, ItemReason::Unknown);
        row.state = ItemState::Queued;
        row.reason = None;
        row.enrollment = Some(enrollment);
        row.by_user = by_user;
        row
    }

    /// A new one that does not go.
    #[must_use]
    pub const fn skipped(now: Timestamp, reason: ItemReason) -> Self {
        Self {
            state: ItemState::Skipped,
            at: now,
            enrollment: None,
            by_user: false,
            slot: None,
            private: None,
            link: None,
            authentication: None,
            reason: Some(reason),
            jumio_status: None,
            outcome: None,
            settled: false,
        }
    }

    /// Whether it went, and its outcome can still change.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, ItemState::Linked | ItemState::Initiated | ItemState::Deduplicated)
            && !self.settled
    }

    /// It does not go.
    pub fn stop(&mut self, state: ItemState, reason: Option<ItemReason>, now: Timestamp) {
        (self.state, self.reason, self.at, self.settled) = (state, reason, now, true);
    }
}

/// What a list says of one item alone, sealed under the person's slot.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemPrivate {
    /// The item: the row's own claim.
    pub place: ItemPlace,
    /// Its language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The company's reference of this request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_reference: Option<String>,
}

impl fmt::Debug for ItemPrivate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemPrivate").field("place", &self.place).finish_non_exhaustive()
    }
}

/// An item as it was looked up.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its place.
    pub place: ItemPlace,
    /// The row.
    pub row: ItemRow,
    pub(crate) read: Record<ItemRow>,
}

impl Item {
    /// The row as it was when it was looked up.
    #[must_use]
    pub const fn before(&self) -> &ItemRow {
        &self.read.value
    }
}
