//! The sliding log: what was sent when, and when the next may be.
//!
//! A bucket of three lets six through within one second: three that were saved up, three that dripped in. A log does
//! not: the next send waits until the third-last is over a second old and the 180th-last over a minute.

use model::Timestamp;
use std::{collections::VecDeque, time::Duration};

/// Added to every interval, for clocks and networks that are not exact. At 3 per second it costs 2 % of the rate.
pub const MARGIN: Duration = Duration::from_millis(20);

/// At most so many within any interval of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub count: usize,
    /// Within any interval of this length.
    pub within: Duration,
}

impl Limit {
    /// At most `count` within any second.
    #[must_use]
    pub const fn per_second(count: usize) -> Self {
        Self { count, within: Duration::from_secs(1) }
    }

    /// At most `count` within any minute.
    #[must_use]
    pub const fn per_minute(count: usize) -> Self {
        Self { count, within: Duration::from_mins(1) }
    }
}

/// A row of the durable log: when the send was granted, and a number that tells sends of the same moment apart.
pub(crate) type RowKey = (Timestamp, u64);

#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Timestamp,
    row: Option<RowKey>,
}

/// The log in memory.
#[derive(Debug)]
pub(crate) struct SlidingLog {
    limits: Vec<Limit>,
    margin: Duration,
    /// By time, oldest first.
    sent: VecDeque<Sent>,
    /// Granted, and not known to be sent: may be sent at any moment from now on.
    under_way: usize,
    blocked_until: Option<Timestamp>,
    /// The latest time seen, to notice a clock that was put back.
    seen: Timestamp,
}

impl SlidingLog {
    /// A limit of zero would let nothing through for ever; it counts as one.
    pub(crate) fn new(limits: &[Limit], margin: Duration, now: Timestamp) -> Self {
        let limits = limits.iter().map(|limit| Limit { count: limit.count.max(1), ..*limit }).collect();
        Self { limits, margin, sent: VecDeque::new(), under_way: 0, blocked_until: None, seen: now }
    }

    /// Enters what an earlier process sent. The newest must come last.
    pub(crate) fn remember(&mut self, at: Timestamp, row: RowKey) {
        self.sent.push_back(Sent { at, row: Some(row) });
    }

    /// A clock that is put back must not make old sends look like future ones: they keep their age.
    pub(crate) fn look_at_clock(&mut self, now: Timestamp) {
        if now < self.seen {
            let back = self.seen.duration_since(now);
            for sent in &mut self.sent {
                sent.at -= back;
            }
            self.blocked_until = self.blocked_until.map(|until| until - back);
        }
        self.seen = now;
    }

    /// When the next may be granted, if `ahead` others are granted before it, each as soon as it may be.
    pub(crate) fn next_free(&self, now: Timestamp, ahead: usize) -> Timestamp {
        let mut times: Vec<Timestamp> = self.sent.iter().map(|sent| sent.at).collect();
        times.extend(std::iter::repeat_n(now, self.under_way));
        let mut next = self.blocked_until.map_or(now, |until| until.max(now));
        for granted in 0..=ahead {
            if granted > 0 {
                times.push(next);
            }
            for limit in &self.limits {
                if let Some(at) = times.len().checked_sub(limit.count).map(|at| times[at]) {
                    // One nanosecond more: the interval must be over, not just ending.
                    next = next.max(at + limit.within + self.margin + Duration::from_nanos(1));
                }
            }
        }
        next
    }

    /// Grants one. Call only when [`SlidingLog::next_free`] is not in the future.
    pub(crate) fn grant(&mut self) {
        self.under_way += 1;
    }

    /// What was granted goes out now.
    pub(crate) fn goes_out(&mut self, now: Timestamp, row: Option<RowKey>) {
        self.under_way = self.under_way.saturating_sub(1);
        self.sent.push_back(Sent { at: now, row });
    }

    /// Lets nothing through before `until`.
    pub(crate) fn block(&mut self, until: Timestamp) {
        self.blocked_until = self.blocked_until.max(Some(until));
    }

    /// When the present block ends.
    pub(crate) const fn blocked_until(&self) -> Option<Timestamp> {
        self.blocked_until
    }

    /// Forgets what is too old to matter; returns its rows.
    pub(crate) fn forget_old(&mut self, now: Timestamp) -> Vec<RowKey> {
        let longest = self.longest();
        let mut rows = Vec::new();
        while let Some(sent) = self.sent.front() {
            if now.duration_since(sent.at).unsigned_abs() <= longest {
                break;
            }
            rows.extend(sent.row);
            self.sent.pop_front();
        }
        rows
    }

    pub(crate) fn longest(&self) -> Duration {
        self.limits.iter().map(|limit| limit.within + self.margin).max().unwrap_or_default()
    }
}
