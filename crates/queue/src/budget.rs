//! The budget of calls to Jumio.

use crate::{
    desk::random,
    job,
    log::{Limit, MARGIN, RowKey, SlidingLog},
};
use model::{Clock, Timestamp};
use records::{Index, Records, RecordsError, tables};
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::Range;
use thiserror::Error;
use tokio::sync::watch;

const SENT: Index<RowKey> = Index::new(tables::BUDGET);

/// Rows that are read at the start. There are never more than the largest limit, and a few that are not removed yet.
const ROWS: usize = 100_000;

/// A send goes out at most this long after the time in its durable row; a commit that took longer is made again. After
/// a restart the rows count as that much younger.
const LATEST: Duration = Duration::from_secs(1);

/// The wait after a 429 without `Retry-After`; it doubles with each that follows within a minute of the last.
const FIRST_PENALTY: Duration = Duration::from_secs(1);
/// The longest wait after a 429 without `Retry-After`.
const LONGEST_PENALTY: Duration = Duration::from_mins(1);
/// The longest wait that a `Retry-After` can bring about.
const LONGEST_ASKED_FOR: Duration = Duration::from_mins(15);
/// A 429 this long after the last block's end is the first of a new row.
const PENALTY_MEMORY: Duration = Duration::from_mins(1);
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
}

/// The right to send once. Drop it in the moment of sending: until then it holds its place, and from then on its age
/// counts, so that what is done between grant and sending brings no two sends closer together.
#[must_use = "a permit is used up whether or not anything is sent; drop it in the moment of sending"]
pub struct Permit {
    granted: Timestamp,
    _under_way: UnderWay,
}

impl Permit {
    /// When it was granted.
    #[must_use]
    pub const fn granted(&self) -> Timestamp {
        self.granted
    }
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

struct State {
    log: SlidingLog,
    /// Who waits, by lane, the first one first.
    lanes: [VecDeque<u64>; Lane::ALL.len()],
    next_waiter: u64,
    /// Durable rows that are too old to matter, and not removed yet.
    old_rows: Vec<RowKey>,
    penalties: u32,
}

struct Inner {
    clock: Arc<dyn Clock>,
    /// `None`: in memory only.
    records: Option<Records>,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
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

/// A grant that is not used yet. Dropped, also half way, it counts as sent at that moment.
struct UnderWay {
    inner: Arc<Inner>,
    row: Option<RowKey>,
}

impl Budget {
    /// A budget whose sends are durable before they are made: a restart cannot exceed it. One per store.
    ///
    /// # Errors
    /// [`BudgetError::Unavailable`] when the sends of the last minute cannot be read.
    pub async fn open(
        records: Records,
        clock: Arc<dyn Clock>,
        limits: &[Limit],
    ) -> Result<Self, BudgetError> {
        let now = clock.now();
        let mut log = SlidingLog::new(limits, MARGIN, now);
        let mut old_rows = Vec::new();
        for row in SENT.scan(&records, &Range::default(), ROWS).await? {
            // The worst that can be: it went out as late as it could, or the clock was put back since.
            let at = (row.0.min(now) + LATEST).min(now);
            if now.duration_since(at).unsigned_abs() > log.longest() {
                old_rows.push(row);
            } else {
                log.remember(at, row);
            }
        }
        Ok(Self::new(Some(records), clock, log, old_rows))
    }

    /// A budget that a restart forgets: for calls whose limit Jumio does not enforce strictly.
    #[must_use]
    pub fn in_memory(clock: Arc<dyn Clock>, limits: &[Limit]) -> Self {
        let log = SlidingLog::new(limits, MARGIN, clock.now());
        Self::new(None, clock, log, Vec::new())
    }

    fn new(records: Option<Records>, clock: Arc<dyn Clock>, log: SlidingLog, old_rows: Vec<RowKey>) -> Self {
        let state = State { log, lanes: Default::default(), next_waiter: 0, old_rows, penalties: 0 };
        let (changed, _) = watch::channel(0);
        Self { inner: Arc::new(Inner { clock, records, state: Mutex::new(state), changed }) }
    }

    /// Waits for the right to send once, for `wait_at_most`. Within a lane the first to ask is the first to get;
    /// a lane waits until nobody waits in the lanes before it. A caller who would wait in vain is told at once.
    ///
    /// # Errors
    /// [`BudgetError`].
    pub async fn acquire(&self, lane: Lane, wait_at_most: Duration) -> Result<Permit, BudgetError> {
        let inner = &self.inner;
        let mut changed = inner.changed.subscribe();
        let deadline = inner.clock.now() + wait_at_most.min(LONGEST_WAIT);
        let place = inner.enter(lane);
        loop {
            changed.mark_unchanged();
            let now = inner.clock.now();
            let next = match inner.try_grant(&place, now) {
                Ok(under_way) => {
                    drop(place);
                    return under_way.make_durable().await;
                }
                Err(next) => next,
            };
            if next > deadline || now >= deadline {
                let retry_after = Duration::try_from(next.duration_since(now)).unwrap_or_default();
                return Err(BudgetError::Spent { retry_after });
            }
            let wait = Duration::try_from(next.duration_since(now)).unwrap_or_default();
            tokio::select! {
                _ = changed.changed() => {}
                () = inner.clock.sleep(wait.max(Duration::from_micros(1))) => {}
            }
        }
    }

    /// Jumio answered 429: nothing is sent for as long as it asks, 15 minutes at most. Without `Retry-After` it is a
    /// second, doubling up to a minute with each that follows.
    pub fn penalise(&self, retry_after: Option<Duration>) {
        let mut state = self.inner.state();
        let now = self.inner.clock.now();
        state.log.look_at_clock(now);
        let in_a_row = state.log.blocked_until().is_some_and(|until| now < until + PENALTY_MEMORY);
        // Answers to calls that were under way together are one penalty.
        let again = state.log.blocked_until().is_none_or(|until| until <= now);
        state.penalties = match (in_a_row, again) {
            (false, _) => 0,
            (true, true) => (state.penalties + 1).min(16),
            (true, false) => state.penalties,
        };
        let doubling = FIRST_PENALTY.saturating_mul(1 << state.penalties).min(LONGEST_PENALTY);
        state.log.block(now + retry_after.map_or(doubling, |asked| asked.min(LONGEST_ASKED_FOR)));
        drop(state);
        self.inner.notify();
    }

    /// How long until a permit could be had in this lane by somebody who asked now.
    #[must_use]
    pub fn wait(&self, lane: Lane) -> Duration {
        let mut state = self.inner.state();
        let now = self.inner.clock.now();
        state.log.look_at_clock(now);
        let ahead = state.lanes[..=lane as usize].iter().map(VecDeque::len).sum();
        Duration::try_from(state.log.next_free(now, ahead).duration_since(now)).unwrap_or_default()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self) {
        self.changed.send_modify(|times| *times = times.wrapping_add(1));
    }

    fn enter(&self, lane: Lane) -> Place<'_> {
        let mut state = self.state();
        let waiter = state.next_waiter;
        state.next_waiter += 1;
        state.lanes[lane as usize].push_back(waiter);
        Place { inner: self, lane, waiter }
    }

    /// Grants a send to whoever has this place, or says when it will be this place's turn.
    fn try_grant(self: &Arc<Self>, place: &Place<'_>, now: Timestamp) -> Result<UnderWay, Timestamp> {
        let mut state = self.state();
        state.log.look_at_clock(now);
        let old = state.log.forget_old(now);
        state.old_rows.extend(old);
        let lane = place.lane as usize;
        let before: usize = state.lanes[..lane].iter().map(VecDeque::len).sum();
        let in_lane = state.lanes[lane].iter().position(|waiter| *waiter == place.waiter).unwrap_or_default();
        let next = state.log.next_free(now, before + in_lane);
        if before + in_lane > 0 || next > now {
            return Err(next);
        }
        state.log.grant();
        Ok(UnderWay { inner: Arc::clone(self), row: None })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.inner.state().lanes[self.lane as usize].retain(|waiter| *waiter != self.waiter);
        self.inner.notify();
    }
}

impl UnderWay {
    async fn make_durable(mut self) -> Result<Permit, BudgetError> {
        let inner = Arc::clone(&self.inner);
        let Some(records) = &inner.records else {
            return Ok(Permit { granted: inner.clock.now(), _under_way: self });
        };
        loop {
            let granted = job::whole(self.inner.clock.now());
            let row = (granted, random(records));
            let old_rows = std::mem::take(&mut self.inner.state().old_rows);
            let mut commit = records.commit();
            commit.index(&SENT, &row);
            for old in &old_rows {
                commit.unindex(&SENT, old);
            }
            if let Some(too_early) = self.row.replace(row) {
                commit.unindex(&SENT, &too_early);
            }
            if let Err(error) = commit.submit().await {
                self.inner.state().old_rows.extend(old_rows);
                return Err(error.into());
            }
            if self.inner.clock.now().duration_since(granted).unsigned_abs() <= LATEST {
                return Ok(Permit { granted, _under_way: self });
            }
        }
    }
}

impl Drop for UnderWay {
    /// Made durable or not: from here on it may be sent, or may have been.
    fn drop(&mut self) {
        let mut state = self.inner.state();
        let now = self.inner.clock.now();
        state.log.look_at_clock(now);
        state.log.goes_out(now, self.row);
        drop(state);
        self.inner.notify();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.granted)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Budget(..)")
    }
}
