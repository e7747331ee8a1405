//! What keeps the outbox in shape: old events go, a destroyed person's events go, and it says how it is.

use crate::{
    EventId, NotifyError, Outbox, State,
    row::{BY_ORDER, BY_STATE, DUE, EVENTS, EventRow, PENDING},
    settle::Fate,
};
use model::Timestamp;
use records::{EnrollmentKey, Index, Key as _, Record, RecordsError, tables};
use serde::Serialize;
use std::time::Duration;
use store::Range;

/// Between two looks at what is old.
pub(crate) const HOUSEKEEPING: Duration = Duration::from_hours(1);
/// How long an event that was given up is kept for somebody to replay it.
const DEAD_KEPT: Duration = Duration::from_hours(90 * 24);
/// Rows of one page.
const PAGE: usize = 256;

/// The keys alone: a row that does not open must not hide the others.
pub(crate) static PLACES: Index<(u64,)> = Index::new(tables::EVENTS);

/// How the outbox is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboxStatus {
    /// Events that wait to be delivered, up to a bound.
    pub waiting: usize,
    /// Since when the oldest of them waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
    /// Events that were given up, up to a bound.
    pub dead: usize,
}

impl Outbox {
    /// Counts what waits and what was given up, each up to `at_most`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn status(&self, at_most: usize) -> Result<OutboxStatus, NotifyError> {
        let records = self.records();
        let of = async |state: State| -> Result<Vec<(u8, u64)>, RecordsError> {
            let Some(number) = state.number() else { return Ok(Vec::new()) };
            BY_STATE.keys(records, (number,).encode(), None, at_most).await
        };
        let waiting = of(State::Waiting).await?;
        let pending = PENDING.scan(records, &Range::default(), PAGE).await;
        let oldest = match waiting.first() {
            Some((_, place)) => self.readable(*place).await?.map(|read| read.value.told.at),
            None => None,
        };
        let unplaced = if self.inner.config.has_receiver { pending.map_or(0, |rows| rows.len()) } else { 0 };
        let dead = of(State::Dead).await?.len();
        Ok(OutboxStatus { waiting: waiting.len() + unplaced, oldest, dead })
    }

    /// Takes away what tells of an enrollment that is being destroyed, whatever became of it. What names nobody (its
    /// purge) stays. What has no place yet is dropped when it is its turn: the slot is burnt by then. How many were taken
    /// away.
    ///
    /// # Errors
    /// When the store cannot be read or written: then it is to be called again.
    pub async fn forget(&self, enrollment: EnrollmentKey) -> Result<u32, NotifyError> {
        let mut range = Range { prefix: (enrollment.0,).encode(), ..Range::default() };
        let mut forgotten = 0;
        loop {
            let keys = BY_ORDER.scan(self.records(), &range, PAGE).await?;
            for (_, _, place) in &keys {
                let Some(read) = self.readable(*place).await? else { continue };
                let is_about = read.value.told.order == Some(enrollment) && read.value.told.slot.is_some();
                if is_about && self.remove(*place, read).await? {
                    let id = *place;
                    tracing::info!(place = id, "an event is dropped: it is about somebody who is destroyed");
                    forgotten += 1;
                }
            }
            match keys.last() {
                Some(last) if keys.len() == PAGE => range.after = Some(last.encode()),
                _ => return Ok(forgotten),
            }
        }
    }

    /// Takes away what has been told, and kept for as long as configured.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn clear_away(&self) -> Result<u64, NotifyError> {
        let now = self.now();
        let (mut after, mut cleared) = (None, 0);
        loop {
            let places = PLACES.keys(self.records(), Vec::new(), after.as_ref(), PAGE).await?;
            for (place,) in &places {
                let Some(read) = self.readable(*place).await? else { continue };
                // They stand in the order in which they came: what follows is younger.
                if now.duration_since(read.value.told.at).unsigned_abs() < self.inner.config.max_age {
                    return Ok(cleared);
                }
                if self.is_old(&read.value, now) && self.remove(*place, read).await? {
                    cleared += 1;
                }
            }
            match places.last() {
                Some(last) if places.len() == PAGE => after = Some(*last),
                _ => return Ok(cleared),
            }
        }
    }

    fn is_old(&self, row: &EventRow, now: Timestamp) -> bool {
        let max_age = self.inner.config.max_age;
        let kept = match row.state {
            // Where nobody receives events any more, nobody gives them up either.
            State::Waiting if self.inner.config.has_receiver => return false,
            State::Dead => DEAD_KEPT.max(max_age),
            State::Waiting | State::Delivered | State::Kept | State::Dropped => max_age,
        };
        now.duration_since(row.since).unsigned_abs() >= kept
    }

    /// Whether it was still as it was read, and is gone.
    async fn remove(&self, place: u64, mut read: Record<EventRow>) -> Result<bool, NotifyError> {
        while !self.settle(place, &read, &Fate::Removed).await? {
            // Somebody came first: what is there now goes all the same, if it still is what was meant.
            match self.readable(place).await? {
                Some(now) if now.value.told == read.value.told => read = now,
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// An event, if it is there and opens.
    pub(crate) async fn readable(&self, place: u64) -> Result<Option<Record<EventRow>>, NotifyError> {
        match EVENTS.get(self.records(), &(place,)).await {
            Ok(read) => Ok(read),
            Err(error @ RecordsError::Damaged { .. }) => {
                tracing::error!(%error, place, "an event does not open");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes an event that does not open out of the way: nobody waits behind it any more. Its row stays, for `verify` to
    /// find.
    pub(crate) async fn pass_by(&self, due: Timestamp, place: u64) -> Result<(), NotifyError> {
        let mut commit = self.records().commit();
        commit.unindex(&DUE, &(due, place));
        commit.submit().await?;
        let mut after = None;
        loop {
            let keys = BY_ORDER.keys(self.records(), Vec::new(), after.as_ref(), PAGE).await?;
            let is_it = |key: &&(_, u8, u64)| key.2 == place;
            if let Some((order, _, _)) = keys.iter().find(is_it) {
                return self.call_first(EnrollmentKey(*order)).await;
            }
            match keys.last() {
                Some(last) if keys.len() == PAGE => after = Some(*last),
                _ => return Ok(()),
            }
        }
    }

    /// Makes the first event that waits in an order due, if it is not.
    async fn call_first(&self, order: EnrollmentKey) -> Result<(), NotifyError> {
        let Some((place, read)) = self.first_waiting(order, None).await? else { return Ok(()) };
        if read.value.due.is_none() {
            let (trouble, at) = (read.value.trouble.clone().unwrap_or_default(), self.now());
            self.settle(place, &read, &Fate::Again { at, trouble, sent: false }).await?;
        }
        Ok(())
    }

    /// The id of an event at a place, for the log.
    pub(crate) fn id_of(place: u64, row: &EventRow) -> EventId {
        EventId::new(place, &row.told.mark)
    }
}
