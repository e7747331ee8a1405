//! The sliding log: what was sent when, and when the next may be.
//!
//! A bucket of three lets six through within one second: three that were saved up, three that dripped in. A log does
//! not: the next send waits until the third-last is over a second old and the 180th-last over a minute.
//!
//! A send is granted for a moment that may still be ahead, and goes out between that moment and a latest one. Until it
//! has gone out it counts at its latest moment. So however the sends of several come to lie, the one that was granted
//! last has seen all others no earlier than they were: no window holds more than it may.

use model::Timestamp;
use std::{collections::HashMap, time::Duration};

/// A fiftieth is added to every interval, for clocks and networks that are not exact: 20 ms to a second, 1.2 s to a
/// minute. It costs 2 % of the rate.
const MARGIN: u32 = 50;

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

    /// The interval with its margin: what is older is not counted.
    #[must_use]
    pub fn with_margin(&self) -> Duration {
        self.within + self.within / MARGIN
    }
}

/// A row of the durable log: the latest moment at which the send goes out, and a number that tells it from others.
pub(crate) type RowKey = (Timestamp, u64);

/// What a lane may take of what the limits leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// All of it.
    All,
    /// All but the last place of the shortest interval, which it takes only at the even pace.
    ButTheLast,
    /// One after another, at the even pace.
    Evenly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Ours, and not gone out yet: it may at any moment up to `at`, or later if it is later already.
    UnderWay,
    Ours,
    /// Another process's, or an earlier one's of this machine.
    Others,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    id: u64,
    /// When it went out, or the latest moment at which it does.
    at: Timestamp,
    /// When it was to go out: what the even pace is measured by.
    slot: Timestamp,
    /// The time in its durable row.
    row: Option<Timestamp>,
    whose: Whose,
}

/// The log in memory.
#[derive(Debug)]
pub(crate) struct SlidingLog {
    limits: Vec<Limit>,
    sent: Vec<Sent>,
    blocked_until: Option<Timestamp>,
    /// The latest time seen, to notice a clock that was put back.
    seen: Timestamp,
}

impl SlidingLog {
    /// A limit of zero would let nothing through for ever; it counts as one. The shortest comes first.
    pub(crate) fn new(limits: &[Limit], now: Timestamp) -> Self {
        let mut limits: Vec<Limit> =
            limits.iter().map(|limit| Limit { count: limit.count.max(1), ..*limit }).collect();
        limits.sort_by_key(|limit| limit.within);
        Self { limits, sent: Vec::new(), blocked_until: None, seen: now }
    }

    /// The time between two sends when they go out one after another, at the full rate.
    pub(crate) fn gap(&self) -> Duration {
        let gap = |limit: &Limit| limit.with_margin() / u32::try_from(limit.count).unwrap_or(u32::MAX);
        self.limits.iter().map(gap).max().unwrap_or_default()
    }

    /// A little shorter than the gap, so that a send which was late does not put off all that follow.
    fn pace(&self) -> Duration {
        self.gap() * 97 / 100
    }

    /// Takes over what the store says, apart from what we know better. A row from further ahead than `furthest` is one
    /// from before our clock was put back: it is as old as we first took it for, or was sent just now.
    pub(crate) fn learn(&mut self, rows: &[RowKey], now: Timestamp, furthest: Duration) {
        let known: HashMap<u64, Sent> = self.sent.iter().map(|sent| (sent.id, *sent)).collect();
        self.sent.retain(|sent| sent.whose != Whose::Others);
        for (time, id) in rows {
            match known.get(id) {
                Some(known) if known.whose != Whose::Others => {}
                known => {
                    let at = if *time > now + furthest { now } else { *time };
                    let at = known.map_or(at, |known| known.at.min(at));
                    let row = Some(*time);
                    self.sent.push(Sent { id: *id, at, slot: at, row, whose: Whose::Others });
                }
            }
        }
    }

    /// A clock that is put back must not make old sends look like future ones: they keep their age.
    pub(crate) fn look_at_clock(&mut self, now: Timestamp) {
        if now < self.seen {
            let back = self.seen.duration_since(now);
            for sent in &mut self.sent {
                sent.at -= back;
                sent.slot -= back;
            }
            self.blocked_until = self.blocked_until.map(|until| until - back);
        }
        self.seen = now;
    }

    /// When the next may go out, if `ahead` others go before it, each as soon as it may.
    pub(crate) fn next_free(&self, now: Timestamp, share: Share, ahead: usize) -> Timestamp {
        let mut times: Vec<Timestamp> = self.sent.iter().map(|sent| sent.counts_at(now)).collect();
        times.sort_unstable();
        let mut paced = self.sent.iter().map(|sent| sent.slot + self.pace()).max().unwrap_or(now);
        let mut earliest = self.blocked_until.map_or(now, |until| until.max(now));
        for _ in 0..ahead {
            earliest = earliest.max(self.free_at(&times, 0));
            let place = times.partition_point(|time| *time <= earliest);
            times.insert(place, earliest);
            paced = paced.max(earliest + self.pace());
        }
        let free = earliest.max(self.free_at(&times, 0));
        match share {
            Share::All => free,
            Share::Evenly => free.max(paced),
            Share::ButTheLast => free.max(paced.min(self.free_at(&times, 1))),
        }
    }

    /// When a place is free in each interval, `spare` of them left to others in the shortest.
    fn free_at(&self, times: &[Timestamp], spare: usize) -> Timestamp {
        let mut free = Timestamp::MIN;
        for (n, limit) in self.limits.iter().enumerate() {
            let count = if n == 0 { limit.count.saturating_sub(spare) } else { limit.count };
            if count == 0 {
                return Timestamp::MAX;
            }
            if let Some(at) = times.len().checked_sub(count).map(|at| times[at]) {
                // One nanosecond more: the interval must be over, not just ending.
                free = free.max(at + limit.with_margin() + Duration::from_nanos(1));
            }
        }
        free
    }

    /// Grants a send for `slot`, to go out until `latest`.
    pub(crate) fn grant(&mut self, id: u64, slot: Timestamp, latest: Timestamp, is_durable: bool) {
        let row = is_durable.then_some(latest);
        self.sent.push(Sent { id, at: latest, slot, row, whose: Whose::UnderWay });
    }

    /// What was granted goes out now.
    pub(crate) fn goes_out(&mut self, id: u64, now: Timestamp) {
        if let Some(sent) = self.sent.iter_mut().find(|sent| sent.id == id) {
            sent.at = now;
            sent.whose = Whose::Ours;
        }
    }

    /// What was granted never goes out. Its row, if it has one.
    pub(crate) fn give_back(&mut self, id: u64) -> Option<RowKey> {
        let at = self.sent.iter().position(|sent| sent.id == id)?;
        let sent = self.sent.swap_remove(at);
        sent.row.map(|row| (row, id))
    }

    /// Rows of ours whose time has turned out to be another: as they are, and as they should be. Others, and we after a
    /// restart, would count them as younger than they are.
    pub(crate) fn corrections(&self) -> Vec<(RowKey, RowKey)> {
        let ours = self.sent.iter().filter(|sent| sent.whose == Whose::Ours);
        let differing = |sent: &Sent| {
            let row = sent.row?;
            let at = crate::job::whole(sent.at) + Duration::from_micros(1);
            (at < row).then_some(((row, sent.id), (at, sent.id)))
        };
        ours.filter_map(differing).collect()
    }

    /// These corrections are durable.
    pub(crate) fn corrected(&mut self, corrections: &[(RowKey, RowKey)]) {
        for (_, (time, id)) in corrections {
            if let Some(sent) = self.sent.iter_mut().find(|sent| sent.id == *id) {
                sent.row = Some(*time);
            }
        }
    }

    /// How many went out, or may go out any moment, within each limit's interval.
    pub(crate) fn used(&self, now: Timestamp) -> Vec<(Limit, usize)> {
        let used = |limit: &Limit| {
            let since = now - limit.within;
            (*limit, self.sent.iter().filter(|sent| sent.counts_at(now) > since).count())
        };
        self.limits.iter().map(used).collect()
    }

    /// Lets nothing through before `until`.
    pub(crate) fn block(&mut self, until: Timestamp) {
        self.blocked_until = self.blocked_until.max(Some(until));
    }

    /// How long nothing is let through, if anything stands in the way.
    pub(crate) fn blocked_for(&self, now: Timestamp) -> Option<Duration> {
        let wait = self.blocked_until?.duration_since(now);
        Duration::try_from(wait).ok().filter(|wait| !wait.is_zero())
    }

    /// Forgets what is too old to matter; returns its rows.
    pub(crate) fn forget_old(&mut self, now: Timestamp) -> Vec<RowKey> {
        let longest = self.limits.iter().map(Limit::with_margin).max().unwrap_or_default();
        let mut rows = Vec::new();
        self.sent.retain(|sent| {
            let is_old = sent.whose != Whose::UnderWay && sent.at + longest < now;
            if is_old {
                rows.extend(sent.row.map(|row| (row, sent.id)));
            }
            !is_old
        });
        rows
    }
}

impl Sent {
    fn counts_at(&self, now: Timestamp) -> Timestamp {
        if self.whose == Whose::UnderWay { self.at.max(now) } else { self.at }
    }
}
