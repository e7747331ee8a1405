//! The budget as it rests in the store: a row for each send of the last minute, and a head that every grant replaces.
//!
//! A grant is one commit of its row and the head, on the condition that the head is still the one that was read before
//! the rows were. So of two processes that count at the same time one is told to count again.

use crate::{
    budget::{BudgetError, Inner, Lane},
    budget_permit::UnderWay,
    budget_state::{State, Turn},
    desk::random,
    job,
    log::RowKey,
};
use model::Timestamp;
use records::{Commit, Index, Record, Records, RecordsError, Table, tables};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use store::{Range, StoreError};

pub(crate) static SENT: Index<RowKey> = Index::new(tables::BUDGET);
pub(crate) static HEAD: Table<(u8,), Head> = Table::new(tables::BUDGET_HEAD, "budget-head");

/// The only head.
const ONLY: (u8,) = (0,);
/// Rows that are read. There are never more than the largest limit, and a few that are not removed yet.
const ROWS: usize = 100_000;
/// Rows that one commit removes.
const REMOVED_AT_ONCE: usize = 64;
/// Times that a grant is begun anew because others came first.
const ATTEMPTS: usize = 64;
/// How long after its moment what was granted may still be sent. Later it is granted anew.
pub(crate) const LATE: Duration = Duration::from_millis(250);
/// A row from further ahead than this is from before our clock was put back.
const FURTHEST: Duration = Duration::from_secs(5);

/// Who granted last, and how often: never the same twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    process: u64,
    grants: u64,
}

/// Who wants a grant.
#[derive(Clone, Copy)]
pub(crate) enum Asker {
    /// Somebody who waits in a lane, and not beyond a moment.
    Waiter(Lane, u64, Timestamp),
    /// Somebody who had one and was too late with it.
    Late,
}

impl Asker {
    fn turn(self, state: &mut State, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Late => Some(state.renewed(now)),
            Self::Waiter(lane, waiter, deadline) => match state.turn(lane, waiter, now) {
                Turn::Now(slot) if slot <= deadline => Some(slot),
                Turn::Now(_) | Turn::Later { .. } => None,
            },
        }
    }
}

impl Inner {
    /// Reads what was sent lately.
    pub(crate) async fn read(&self) -> Result<(), BudgetError> {
        if let Some(records) = &self.records {
            self.catch_up(records).await?;
        }
        Ok(())
    }

    /// Grants a send, durably. `None`: it is not this one's turn any more.
    pub(crate) async fn grant(self: &Arc<Self>, asker: Asker) -> Result<Option<UnderWay>, BudgetError> {
        let Some(records) = &self.records else { return Ok(self.grant_in_memory(asker)) };
        // One at a time: each grant is conditional on the one before.
        let _alone = self.granting.lock().await;
        for _ in 0..ATTEMPTS {
            let read = self.catch_up(records).await?;
            let Some((under_way, commit, draft)) = self.draft(records, asker, read.as_ref()) else {
                return Ok(None);
            };
            match commit.submit().await {
                Ok(()) => {
                    self.settled(asker, &draft);
                    return Ok(Some(under_way));
                }
                // Another process was first. What was drafted is given back where `under_way` ends.
                Err(error) if error.is_conflict() => self.state().old_rows.extend(draft.removed),
                Err(error) => {
                    self.state().old_rows.extend(draft.removed);
                    return Err(error.into());
                }
            }
        }
        Err(RecordsError::Store(StoreError::Conflict).into())
    }

    /// Brings the log up to the store's head, if that is not ours.
    async fn catch_up(&self, records: &Records) -> Result<Option<Record<Head>>, RecordsError> {
        let read = HEAD.get(records, &ONLY).await?;
        let head = read.as_ref().map(|read| read.value);
        let is_known = head.is_some() && self.state().head == head;
        if !is_known {
            let rows = SENT.scan(records, &Range::default(), ROWS).await?;
            let now = self.clock.now();
            let mut state = self.state();
            state.log.look_at_clock(now);
            state.log.learn(&rows, now, FURTHEST);
            state.head = head;
        }
        Ok(read)
    }

    /// Grants in memory, and puts what must become durable into a commit.
    fn draft(
        self: &Arc<Self>,
        records: &Records,
        asker: Asker,
        read: Option<&Record<Head>>,
    ) -> Option<(UnderWay, Commit, Draft)> {
        let id = random(records);
        let now = self.clock.now();
        let mut state = self.state();
        let slot = asker.turn(&mut state, now)?;
        let latest = job::whole(slot + LATE);
        state.log.grant(id, slot, latest, true);
        let corrections = state.log.corrections();
        let removed: Vec<RowKey> = state.old_rows.iter().take(REMOVED_AT_ONCE).copied().collect();
        state.old_rows.retain(|row| !removed.contains(row));
        drop(state);
        let head = Head { process: self.process, grants: read.map_or(0, |read| read.value.grants) + 1 };
        let mut commit = records.commit();
        commit.upsert(&HEAD, &ONLY, read, &head);
        commit.index(&SENT, &(latest, id));
        for (old, new) in &corrections {
            commit.unindex(&SENT, old);
            commit.index(&SENT, new);
        }
        for row in &removed {
            commit.unindex(&SENT, row);
        }
        let under_way = UnderWay::new(Arc::clone(self), id, slot, latest);
        Some((under_way, commit, Draft { head, corrections, removed }))
    }

    fn settled(&self, asker: Asker, draft: &Draft) {
        let mut state = self.state();
        state.head = Some(draft.head);
        state.log.corrected(&draft.corrections);
        if let Asker::Waiter(lane, ..) = asker {
            state.granted(lane);
        }
    }

    fn grant_in_memory(self: &Arc<Self>, asker: Asker) -> Option<UnderWay> {
        let now = self.clock.now();
        let mut state = self.state();
        let slot = asker.turn(&mut state, now)?;
        let id = state.next_id();
        let latest = slot + LATE;
        state.log.grant(id, slot, latest, false);
        if let Asker::Waiter(lane, ..) = asker {
            state.granted(lane);
        }
        drop(state);
        Some(UnderWay::new(Arc::clone(self), id, slot, latest))
    }
}

/// What a commit changes beside the grant itself.
struct Draft {
    head: Head,
    corrections: Vec<(RowKey, RowKey)>,
    removed: Vec<RowKey>,
}
