//! Places: where an event stands in the order that everybody sees.
//!
//! Commits become durable in any order. What they put waits without a place until the one who gives them comes by, so
//! that nothing ever appears behind a cursor that somebody has read past.

use crate::{
    NotifyError, Outbox,
    row::{BY_ORDER, BY_STATE, DUE, EVENTS, EventRow, HEAD, HEAD_KEY, Head, IN_ORDER, PENDING, State, Told},
};
use model::Timestamp;
use records::{Commit, EnrollmentKey, Index, Key as _, Record, RecordsError, tables};
use std::collections::HashSet;
use store::Range;

/// Events in one commit: of the largest size that a store takes they still fit.
const GROUP: usize = 32;

/// How often something is decided again because somebody else's commit came first.
pub(crate) const ATTEMPTS: usize = 16;

type PendingKey = (Timestamp, u64, u64);

/// The keys alone: what does not open must not hide the others.
static PENDING_KEYS: Index<PendingKey> = Index::new(tables::EVENTS_PENDING);

impl Outbox {
    /// Gives every event that waits for one its place. The background does this by itself.
    ///
    /// # Errors
    /// When the store cannot be read or written: they stay as they are.
    pub async fn place(&self) -> Result<(), NotifyError> {
        let _only_one = self.inner.placing.lock().await;
        let (mut conflicts, mut after) = (0, None);
        loop {
            match self.place_group(&mut after).await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) if error.is_conflict() && conflicts < ATTEMPTS => {
                    (conflicts, after) = (conflicts + 1, None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One commit's worth. Whether there may be more.
    async fn place_group(&self, after: &mut Option<PendingKey>) -> Result<bool, NotifyError> {
        let records = self.records();
        let read = HEAD.get(records, &HEAD_KEY).await?;
        let keys = PENDING_KEYS.keys(records, Vec::new(), after.as_ref(), GROUP).await?;
        let mut head = read.as_ref().map_or_else(|| self.first_head(), |read| read.value.clone());
        let begin = head.place;
        let mut commit = records.commit();
        let mut ahead = Ahead::default();
        for key in &keys {
            let pending = match PENDING.get(records, key).await {
                Ok(Some(pending)) => pending,
                Ok(None) => continue,
                Err(error @ RecordsError::Damaged { .. }) => {
                    // It stays where it is, for `verify` to find, and is passed by.
                    tracing::error!(%error, "an event that does not open is told to nobody");
                    *after = Some(*key);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            head.place += 1;
            let row = self.placed(&mut commit, pending.value.clone(), &mut ahead).await?;
            commit.insert(&EVENTS, &(head.place,), &row);
            move_index(&mut commit, head.place, None, Some(&row));
            commit.remove(&PENDING, key, &pending);
        }
        if head.place > begin {
            commit.upsert(&HEAD, &HEAD_KEY, read.as_ref(), &head);
            commit.submit().await?;
        }
        Ok(keys.len() == GROUP)
    }

    async fn placed(
        &self,
        commit: &mut Commit,
        told: Told,
        ahead: &mut Ahead,
    ) -> Result<EventRow, NotifyError> {
        let now = self.now();
        let state = if self.inner.config.has_receiver { State::Waiting } else { State::Kept };
        let is_first = match told.order {
            Some(order) if state == State::Waiting => self.is_first(commit, order, ahead).await?,
            _ => true,
        };
        let due = (state == State::Waiting && is_first).then_some(now);
        Ok(EventRow { told, state, since: now, due, attempts: 0, is_replay: false, trouble: None })
    }

    /// Whether nobody of this order waits. If somebody does, the commit demands that this stays so: whoever comes to its
    /// end meanwhile would not find this one behind it.
    async fn is_first(
        &self,
        commit: &mut Commit,
        order: EnrollmentKey,
        ahead: &mut Ahead,
    ) -> Result<bool, NotifyError> {
        if !ahead.orders.insert(order) {
            return Ok(false);
        }
        match self.first_waiting(order, None).await? {
            None => Ok(true),
            Some((place, read)) => {
                commit.require(&EVENTS, &(place,), Some(&read));
                Ok(false)
            }
        }
    }

    /// The first event that waits in an order, other than the one at `not`.
    pub(crate) async fn first_waiting(
        &self,
        order: EnrollmentKey,
        not: Option<u64>,
    ) -> Result<Option<(u64, Record<EventRow>)>, NotifyError> {
        let records = self.records();
        let mut range = Range { prefix: (order.0, IN_ORDER).encode(), ..Range::default() };
        loop {
            let keys = BY_ORDER.scan(records, &range, GROUP).await?;
            for (_, _, place) in &keys {
                match EVENTS.get(records, &(*place,)).await {
                    Ok(Some(read)) if Some(*place) != not && read.value.lane() == IN_ORDER => {
                        return Ok(Some((*place, read)));
                    }
                    // What does not open holds nobody up.
                    Ok(_) | Err(RecordsError::Damaged { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            match keys.last() {
                Some(last) if keys.len() == GROUP => range.after = Some(last.encode()),
                _ => return Ok(None),
            }
        }
    }

    fn first_head(&self) -> Head {
        let mut era = [0; 8];
        self.records().rng().fill(&mut era);
        Head { era, place: 0 }
    }
}

/// The orders in which somebody of this commit waits, or somebody before it.
#[derive(Default)]
struct Ahead {
    orders: HashSet<EnrollmentKey>,
}

/// Brings the index rows of an event from what it was to what it is.
pub(crate) fn move_index(commit: &mut Commit, place: u64, old: Option<&EventRow>, new: Option<&EventRow>) {
    let due = |row: &EventRow| row.due.map(|due| (due, place));
    let state = |row: &EventRow| row.state.number().map(|number| (number, place));
    let order = |row: &EventRow| row.told.order.map(|order| (order.0, row.lane(), place));
    moved(commit, &DUE, old.and_then(due), new.and_then(due));
    moved(commit, &BY_STATE, old.and_then(state), new.and_then(state));
    moved(commit, &BY_ORDER, old.and_then(order), new.and_then(order));
}

fn moved<K: records::Key + PartialEq>(commit: &mut Commit, index: &Index<K>, old: Option<K>, new: Option<K>) {
    if old == new {
        return;
    }
    if let Some(old) = old {
        commit.unindex(index, &old);
    }
    if let Some(new) = new {
        commit.index(index, &new);
    }
}
