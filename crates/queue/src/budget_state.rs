//! Who waits for a permit, whose turn it is, and what a 429 brings about.

use crate::{
    budget::{Lane, Usage},
    budget_rows::Head,
    log::{Limit, RowKey, Share, SlidingLog},
};
use model::Timestamp;
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

/// The wait after a 429 without `Retry-After`; it doubles with each that follows, until Jumio answers otherwise.
const FIRST_PENALTY: Duration = Duration::from_secs(5);
/// The longest wait after a 429 without `Retry-After`.
const LONGEST_PENALTY: Duration = Duration::from_mins(1);
/// The longest wait that a `Retry-After` can bring about.
const LONGEST_ASKED_FOR: Duration = Duration::from_mins(15);
/// After so many authentications in a row a verification that waits goes first.
const IN_A_ROW: u32 = 8;
/// What has to be done between grant and sending takes this long at most, as a rule: so much sooner it is granted.
const LONGEST_LEAD: Duration = Duration::from_millis(150);

/// Everything about a budget that is in memory.
pub(crate) struct State {
    pub(crate) log: SlidingLog,
    /// Who waits, by lane, the first one first.
    lanes: [VecDeque<u64>; Lane::ALL.len()],
    last_id: u64,
    /// Authentications since the last verification.
    in_a_row: u32,
    /// 429s in a row.
    penalties: u32,
    /// Durable rows that do not matter any more, and are not removed yet.
    pub(crate) old_rows: BTreeSet<RowKey>,
    /// What the store's head was when the log was last brought up to it.
    pub(crate) head: Option<Head>,
    /// Whether lanes leave something to others, and are granted ahead: where each send is a durable row.
    has_reserves: bool,
}

/// Whether it is somebody's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is, to send at this moment, which may be a little ahead.
    Now(Timestamp),
    /// Not yet.
    Later {
        /// When it could go out, as far as is known now.
        slot: Timestamp,
        /// When to look again, if nothing changes before.
        look: Timestamp,
    },
}

impl State {
    pub(crate) fn new(limits: &[Limit], now: Timestamp, has_reserves: bool) -> Self {
        Self {
            log: SlidingLog::new(limits, now),
            lanes: Default::default(),
            last_id: 0,
            in_a_row: 0,
            penalties: 0,
            old_rows: BTreeSet::new(),
            head: None,
            has_reserves,
        }
    }

    /// How much of it is used, and who waits.
    pub(crate) fn usage(&mut self, now: Timestamp) -> Usage {
        self.log.look_at_clock(now);
        Usage {
            used: self.log.used(now),
            waiting: Lane::ALL.map(|lane| (lane, self.lanes[lane as usize].len())),
            blocked_for: self.log.blocked_for(now).unwrap_or_default(),
        }
    }

    /// A number that tells one from others in memory.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn enter(&mut self, lane: Lane) -> u64 {
        let waiter = self.next_id();
        self.lanes[lane as usize].push_back(waiter);
        waiter
    }

    pub(crate) fn leave(&mut self, lane: Lane, waiter: u64) {
        self.lanes[lane as usize].retain(|other| *other != waiter);
    }

    /// How many of those who wait go before the one at this place of a lane.
    fn ahead(&self, lane: Lane, in_lane: usize) -> usize {
        let waiting = |lane: Lane| self.lanes[lane as usize].len();
        let verification_first = self.in_a_row >= IN_A_ROW && waiting(Lane::Verification) > 0;
        let before = match lane {
            Lane::Authentication => usize::from(verification_first),
            Lane::Verification if verification_first && in_lane == 0 => 0,
            Lane::Verification => waiting(Lane::Authentication),
            Lane::Batch => waiting(Lane::Authentication) + waiting(Lane::Verification),
        };
        before + in_lane
    }

    /// Whether it is this one's turn.
    pub(crate) fn turn(&mut self, lane: Lane, waiter: u64, now: Timestamp) -> Turn {
        self.log.look_at_clock(now);
        let old = self.log.forget_old(now);
        self.old_rows.extend(old);
        let in_lane = self.lanes[lane as usize].iter().position(|other| *other == waiter);
        let ahead = self.ahead(lane, in_lane.unwrap_or_default());
        let slot = self.log.next_free(now, self.share(lane), ahead);
        let look = slot - self.lead(lane);
        if ahead == 0 && look <= now { Turn::Now(slot) } else { Turn::Later { slot, look: look.max(now) } }
    }

    /// When somebody could send who asked now.
    pub(crate) fn next(&mut self, lane: Lane, now: Timestamp) -> Timestamp {
        self.log.look_at_clock(now);
        let ahead = self.ahead(lane, self.lanes[lane as usize].len());
        self.log.next_free(now, self.share(lane), ahead)
    }

    /// The moment at which a grant that was not used in time can be used after all.
    pub(crate) fn renewed(&mut self, now: Timestamp) -> Timestamp {
        self.log.look_at_clock(now);
        self.log.next_free(now, Share::All, 0)
    }

    pub(crate) fn granted(&mut self, lane: Lane) {
        self.in_a_row = match lane {
            Lane::Authentication => self.in_a_row.saturating_add(1),
            Lane::Verification => 0,
            Lane::Batch => self.in_a_row,
        };
    }

    /// What a lane may take. The batch goes one after another, so that the next place is never further away than one
    /// gap; a verification leaves the last place of a second to an authentication that comes.
    const fn share(&self, lane: Lane) -> Share {
        match lane {
            _ if !self.has_reserves => Share::All,
            Lane::Authentication => Share::All,
            Lane::Verification => Share::ButTheLast,
            Lane::Batch => Share::Evenly,
        }
    }

    /// How long before its moment a send is granted. The batch is granted last, so that of several processes on one
    /// store the one in which somebody waits comes first; and never two of the batch's at a time.
    fn lead(&self, lane: Lane) -> Duration {
        match lane {
            _ if !self.has_reserves => Duration::ZERO,
            Lane::Batch => (self.log.gap() / 3).min(LONGEST_LEAD),
            Lane::Authentication | Lane::Verification => (self.log.gap() / 2).min(LONGEST_LEAD),
        }
    }

    /// Jumio answered 429.
    pub(crate) fn penalise(&mut self, retry_after: Option<Duration>, now: Timestamp) {
        self.log.look_at_clock(now);
        // Answers to calls that were under way together are one penalty.
        if self.log.blocked_for(now).is_none() {
            self.penalties = self.penalties.saturating_add(1).min(16);
        }
        let doubled =
            FIRST_PENALTY.saturating_mul(1 << self.penalties.saturating_sub(1)).min(LONGEST_PENALTY);
        self.log.block(now + retry_after.map_or(doubled, |asked| asked.min(LONGEST_ASKED_FOR)));
    }

    /// Jumio answered otherwise. What was sent before a 429 and is answered after it says nothing.
    pub(crate) fn answered(&mut self, now: Timestamp) {
        self.log.look_at_clock(now);
        if self.log.blocked_for(now).is_none() {
            self.penalties = 0;
        }
    }
}
