//! The row of the sweep, and how many it may destroy.

use super::RetentionState;
use audit::Actor;
use model::Timestamp;
use records::{EnrollmentKey, Table, tables};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) static SWEEP: Table<(u8,), SweepRow> = Table::new(tables::RETENTION, "retention");
/// The only key in [`SWEEP`].
pub(super) const SWEEP_KEY: (u8,) = (0,);

/// The time over which the bound holds.
const DAY: Duration = Duration::from_hours(24);
/// What was destroyed is counted by these, so that the row stays small.
const STEP: Duration = Duration::from_mins(10);
/// How long an admin's word holds.
const ALLOWED_FOR: Duration = Duration::from_hours(24);

/// What a round has counted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counted {
    /// Enrollments with a facemap.
    pub(super) total: u64,
    /// Those whose time is over, without a hold.
    pub(super) due: u64,
    /// Those whose time is over, and that a hold keeps.
    pub(super) held: u64,
}

/// An admin's word that more may be destroyed than the bound says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Allowance {
    /// How many more.
    pub(super) left: u64,
    pub(super) until: Timestamp,
    pub(super) by: Actor,
}

/// Where the sweep is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SweepRow {
    pub(super) state: RetentionState,
    /// Since when.
    pub(super) since: Timestamp,
    /// The enrollment that was looked at last in this round.
    pub(super) after: Option<EnrollmentKey>,
    /// What is counted in this round.
    pub(super) counting: Counted,
    /// What the last whole count found.
    pub(super) counted: Counted,
    /// What was destroyed by itself, by the ten minutes in which it was.
    pub(super) destroyed: Vec<(Timestamp, u64)>,
    /// What this round has destroyed, and what it could not.
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) allowance: Option<Allowance>,
    /// When a round last came to its end.
    pub(super) finished_at: Option<Timestamp>,
}

impl SweepRow {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            state: RetentionState::Waiting,
            since: now,
            after: None,
            counting: Counted::default(),
            counted: Counted::default(),
            destroyed: Vec::new(),
            done: 0,
            failed: 0,
            allowance: None,
            finished_at: None,
        }
    }

    pub(super) fn enter(&mut self, state: RetentionState, now: Timestamp) {
        if self.state != state {
            (self.state, self.since) = (state, now);
        }
    }

    /// What was destroyed by itself within the last 24 hours. What has only begun to leave them counts whole, and so does
    /// whatever seems to lie ahead, because the clock was moved.
    pub(super) fn destroyed_lately(&self, now: Timestamp) -> u64 {
        self.destroyed.iter().filter(|(at, _)| is_recent(*at, now)).map(|(_, count)| count).sum()
    }

    /// How many may be destroyed by itself in any 24 hours: at least one, so that a small vault does not ask for ever.
    pub(super) fn limit(&self, now: Timestamp, fraction: f64) -> u64 {
        let all = self.counted.total + self.destroyed_lately(now);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of a number of people, rounded down: far below 2^52 and never negative"
        )]
        let limit = (all as f64 * fraction).floor() as u64;
        limit.max(1)
    }

    /// How many more may be destroyed now, by itself and on an admin's word.
    pub(super) fn room(&self, now: Timestamp, fraction: f64) -> u64 {
        let by_itself = self.limit(now, fraction).saturating_sub(self.destroyed_lately(now));
        by_itself.saturating_add(self.allowed(now))
    }

    pub(super) fn allowed(&self, now: Timestamp) -> u64 {
        self.allowance.as_ref().filter(|word| word.until > now).map_or(0, |word| word.left)
    }

    /// Notes before the deed that `count` are destroyed. An admin's word is used up first, and what it covers is not held
    /// against the next hours.
    pub(super) fn reserve(&mut self, now: Timestamp, count: u64) {
        let by_word = self.allowed(now).min(count);
        if let Some(word) = &mut self.allowance {
            word.left = word.left.saturating_sub(by_word);
        }
        self.destroyed.retain(|(at, _)| is_recent(*at, now));
        let by_itself = count - by_word;
        if by_itself == 0 {
            return;
        }
        let step = i64::try_from(STEP.as_secs()).unwrap_or(i64::MAX);
        let begun = Timestamp::from_second(now.as_second() - now.as_second().rem_euclid(step)).unwrap_or(now);
        match self.destroyed.last_mut().filter(|(at, _)| *at == begun) {
            Some((_, destroyed)) => *destroyed += by_itself,
            None => self.destroyed.push((begun, by_itself)),
        }
    }

    /// Lets as many be destroyed as the last count found.
    pub(super) fn allow(&mut self, now: Timestamp, by: Actor) {
        self.allowance = Some(Allowance { left: self.counted.due, until: now + ALLOWED_FOR, by });
    }
}

fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at) < jiff::SignedDuration::try_from(DAY + STEP).unwrap_or(jiff::SignedDuration::MAX)
}
