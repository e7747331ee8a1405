//! The budget of calls to Jumio.

use crate::{
    budget_permit::{Permit, Reservation},
    budget_rows::Asker,
    budget_state::{State, Turn},
    desk::random,
    log::Limit,
};
use model::{Clock, Timestamp};
use records::{Records, RecordsError};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use thiserror::Error;
use tokio::sync::watch;

/// Nobody waits longer, whatever is asked for.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Who comes first when the budget is short. In the order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Somebody stands at the door: authentications.
    Authentication,
    /// Somebody is about to be onboarded: verifications.
    Verification,
    /// Nobody waits: batches.
    Batch,
}

impl Lane {
    /// All lanes, the first one first.
    pub const ALL: [Self; 3] = [Self::Authentication, Self::Verification, Self::Batch];

    /// The lane's name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Verification => "verification",
            Self::Batch => "batch",
        }
    }
}

/// How much of a budget is used at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Each limit, and how many were sent within its interval.
    pub used: Vec<(Limit, usize)>,
    /// Who waits for a permit.
    pub waiting: [(Lane, usize); Lane::ALL.len()],
    /// How long nothing is sent, because Jumio has answered 429.
    pub blocked_for: Duration,
}

/// Why there is no permit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BudgetError {
    /// The budget is spent for longer than the caller waits.
    #[error("the budget of calls to Jumio is spent; ask again in {} s", retry_after.as_secs_f64().ceil())]
    Spent {
        /// When it is worth asking again.
        retry_after: Duration,
    },
    /// The send could not be entered in the durable log: it must not happen.
    #[error("the call to Jumio could not be entered in the budget, so it was not made: {0}")]
    Unavailable(#[from] RecordsError),
}

impl BudgetError {
    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Spent { .. } => true,
            Self::Unavailable(error) => error.is_retryable(),
        }
    }
}

pub(crate) struct Inner {
    pub(crate) clock: Arc<dyn Clock>,
    /// `None`: in memory only.
    pub(crate) records: Option<Records>,
    /// Tells this process's grants from those of others on the same store.
    pub(crate) process: u64,
    /// Held while a grant is made durable.
    pub(crate) granting: tokio::sync::Mutex<()>,
    pub(crate) changed: watch::Sender<u64>,
    state: Mutex<State>,
}

/// A budget of sends under sliding limits. Clones are the same budget.
#[derive(Clone)]
pub struct Budget {
    inner: Arc<Inner>,
}

/// A place in a lane; given up when dropped.
struct Place<'a> {
    inner: &'a Inner,
    lane: Lane,
    waiter: u64,
}

impl Budget {
    /// A budget whose sends are durable before they are made: neither a restart nor several processes on one store
    /// exceed it together.
    ///
    /// # Errors
    /// [`BudgetError::Unavailable`] when the sends of the last minute cannot be read.
    pub async fn open(
        records: Records,
        clock: Arc<dyn Clock>,
        limits: &[Limit],
    ) -> Result<Self, BudgetError> {
        let budget = Self::new(Some(records), clock, limits);
        budget.inner.read().await?;
        Ok(budget)
    }

    /// A budget that a restart forgets, without reserves: for calls whose limit Jumio does not enforce strictly.
    #[must_use]
    pub fn in_memory(clock: Arc<dyn Clock>, limits: &[Limit]) -> Self {
        Self::new(None, clock, limits)
    }

    fn new(records: Option<Records>, clock: Arc<dyn Clock>, limits: &[Limit]) -> Self {
        let state = Mutex::new(State::new(limits, clock.now(), records.is_some()));
        let process = records.as_ref().map(random).unwrap_or_default();
        let (changed, _) = watch::channel(0);
        let granting = tokio::sync::Mutex::new(());
        Self { inner: Arc::new(Inner { clock, records, process, granting, changed, state }) }
    }

    /// Waits for the right to send once, for `wait_at_most`. Within a lane the first to ask is the first to get; a lane
    /// waits until nobody waits in the lanes before it. A caller who would wait in vain is told at once. One who goes
    /// away gives its place up.
    ///
    /// For what is sent at once. Where something has to be done first, take [`Budget::reserve`].
    ///
    /// # Errors
    /// [`BudgetError`].
    pub async fn acquire(&self, lane: Lane, wait_at_most: Duration) -> Result<Permit, BudgetError> {
        self.reserve(lane, wait_at_most).await?.into_permit().await
    }

    /// As [`Budget::acquire`], a little before it may be sent, so that what has to be done first takes nothing away from
    /// the rate.
    ///
    /// # Errors
    /// [`BudgetError`].
    pub async fn reserve(&self, lane: Lane, wait_at_most: Duration) -> Result<Reservation, BudgetError> {
        let inner = &self.inner;
        let mut changed = inner.changed.subscribe();
        let deadline = inner.clock.now() + wait_at_most.min(LONGEST_WAIT);
        let place = inner.enter(lane);
        loop {
            changed.mark_unchanged();
            let now = inner.clock.now();
            let (slot, look) = match inner.state().turn(lane, place.waiter, now) {
                Turn::Now(slot) => (slot, None),
                Turn::Later { slot, look } => (slot, Some(look)),
            };
            if slot > deadline {
                let retry_after = Duration::try_from(slot.duration_since(now)).unwrap_or_default();
                return Err(BudgetError::Spent { retry_after });
            }
            let Some(look) = look else {
                match inner.grant(Asker::Waiter(lane, place.waiter, deadline)).await? {
                    Some(under_way) => return Ok(Reservation::new(under_way)),
                    // Another process was first, or somebody came who goes before.
                    None => continue,
                }
            };
            let wait = Duration::try_from(look.duration_since(now)).unwrap_or_default();
            if wait.is_zero() {
                // There is room; whoever goes before is being granted it just now.
                drop(changed.changed().await);
                continue;
            }
            tokio::select! {
                _ = changed.changed() => {}
                () = inner.clock.sleep(wait) => {}
            }
        }
    }

    /// Jumio answered 429: nothing is sent for as long as it asks, 15 minutes at most. Without `Retry-After` it is five
    /// seconds, doubling up to a minute with each that follows, until Jumio answers otherwise ([`Budget::answered`]).
    pub fn penalise(&self, retry_after: Option<Duration>) {
        let now = self.inner.clock.now();
        self.inner.state().penalise(retry_after, now);
        self.inner.notify();
    }

    /// Jumio answered, and not with 429.
    pub fn answered(&self) {
        let now = self.inner.clock.now();
        self.inner.state().answered(now);
    }

    /// How much of it is used, and who waits, as far as this process knows.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let now = self.inner.clock.now();
        self.inner.state().usage(now)
    }

    /// How long until something could be sent in this lane by somebody who asked now.
    #[must_use]
    pub fn wait(&self, lane: Lane) -> Duration {
        let now = self.inner.clock.now();
        let next = self.inner.state().next(lane, now);
        Duration::try_from(next.duration_since(now)).unwrap_or_default()
    }
}

impl Inner {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self) {
        self.changed.send_modify(|times| *times = times.wrapping_add(1));
    }

    fn enter(&self, lane: Lane) -> Place<'_> {
        Place { inner: self, lane, waiter: self.state().enter(lane) }
    }

    pub(crate) fn blocked_for(&self, now: Timestamp) -> Option<Duration> {
        let mut state = self.state();
        state.log.look_at_clock(now);
        state.log.blocked_for(now)
    }

    /// What was granted goes out now.
    pub(crate) fn goes_out(&self, id: u64) {
        let mut state = self.state();
        let now = self.clock.now();
        state.log.look_at_clock(now);
        state.log.goes_out(id, now);
        drop(state);
        self.notify();
    }

    /// What was granted is not sent.
    pub(crate) fn give_back(&self, id: u64) {
        let mut state = self.state();
        let row = state.log.give_back(id);
        state.old_rows.extend(row);
        drop(state);
        self.notify();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.inner.state().leave(self.lane, self.waiter);
        self.inner.notify();
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Budget(..)")
    }
}
