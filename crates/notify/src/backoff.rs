//! When something is tried again: an event by itself, and the receiver as a whole.

use model::{Rng, Timestamp};
use std::time::Duration;

/// Between two attempts at an event: from this, doubling, to that.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_hours(6);
/// An event that is too old is given up only after so many attempts: it may have waited for others all its time.
const LEAST_ATTEMPTS: u32 = 5;
/// Failures in a row, with no success of any event between them, from which on the receiver counts as away.
const AWAY_AFTER: u32 = 5;
/// While it is away, one event is sent every so often, to see whether it is back.
const LONGEST_PROBE: Duration = Duration::from_mins(1);

/// How long after its `attempts`th attempt an event is tried again: 5 seconds, doubling, at most 6 hours, a fifth more
/// or less by chance, so that those which failed together do not come back together.
pub(crate) fn pause(attempts: u32, rng: &dyn Rng) -> Duration {
    let doubled = FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(LONGEST);
    let mut random = [0; 8];
    rng.fill(&mut random);
    let millis = u64::try_from(doubled.as_millis()).unwrap_or(u64::MAX);
    let chance = u64::from_le_bytes(random) % (millis / 5 * 2 + 1);
    Duration::from_millis(millis - millis / 5 + chance).clamp(FIRST, LONGEST)
}

/// Whether an event is given up after its `attempts`th attempt.
pub(crate) fn is_over(since: Timestamp, now: Timestamp, max_age: Duration, attempts: u32) -> bool {
    let age = now.duration_since(since);
    attempts >= LEAST_ATTEMPTS
        && age >= jiff::SignedDuration::try_from(max_age).unwrap_or(jiff::SignedDuration::MAX)
}

/// What is known of the receiver as a whole: one that is away is not asked by a hundred thousand events one after the
/// other. In memory: a restart asks again.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Failures since the last success.
    failures: u32,
    not_before: Option<Timestamp>,
}

impl Health {
    /// It took an event. Whether it was away before.
    pub(crate) fn succeeded(&mut self) -> bool {
        let was_away = self.is_away();
        *self = Self::default();
        was_away
    }

    /// It did not. Whether it counts as away from now on.
    pub(crate) fn failed(&mut self, now: Timestamp, retry_after: Option<Duration>) -> bool {
        let was_away = self.is_away();
        self.failures = self.failures.saturating_add(1);
        let probe = match self.failures.checked_sub(AWAY_AFTER) {
            Some(more) => FIRST.saturating_mul(1 << more.min(10)).min(LONGEST_PROBE),
            None => Duration::ZERO,
        };
        // Where it says when it wants to be asked, it is believed, within reason.
        let wait = probe.max(retry_after.unwrap_or_default().min(LONGEST));
        let until = now + wait;
        if !wait.is_zero() {
            self.pause_until(until);
        }
        self.is_away() && !was_away
    }

    /// Nothing is sent for a while, for a reason that is not the receiver's.
    pub(crate) fn pause_until(&mut self, at: Timestamp) {
        self.not_before = Some(self.not_before.map_or(at, |old| old.max(at)));
    }

    fn is_away(&self) -> bool {
        self.failures >= AWAY_AFTER
    }

    /// How many may be under way now: `Err` says until when none.
    pub(crate) fn may_send(&self, now: Timestamp, at_once: usize) -> Result<usize, Timestamp> {
        match self.not_before.filter(|at| *at > now) {
            Some(at) => Err(at),
            None => Ok(if self.is_away() { 1 } else { at_once }),
        }
    }

    /// Failures since the last success, when there are enough of them to call it away.
    pub(crate) fn away(&self) -> bool {
        self.is_away()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::rng::SeededRng;

    #[test]
    fn pauses_grow_from_five_seconds_to_six_hours_and_no_two_are_alike() {
        let rng = SeededRng::new(1);
        for attempts in 1..40 {
            let pauses: Vec<_> = (0..100).map(|_| pause(attempts, &rng)).collect();
            let middle = FIRST.saturating_mul(1 << (attempts - 1).min(20)).min(LONGEST);
            let (least, most) = ((middle * 4 / 5).max(FIRST), (middle * 6 / 5).min(LONGEST));
            assert!(pauses.iter().all(|pause| (least..=most).contains(pause)), "{attempts}: {pauses:?}");
            assert!(pauses.windows(2).any(|two| two[0] != two[1]), "{attempts}");
        }
    }

    #[test]
    fn an_old_event_still_gets_a_few_attempts() {
        let since: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let (day, later) = (Duration::from_hours(24), since + Duration::from_hours(48));
        assert!(!is_over(since, later, day, 4));
        assert!(is_over(since, later, day, 5));
        assert!(!is_over(since, since + Duration::from_hours(23), day, 500));
    }

    #[test]
    fn a_receiver_that_is_away_is_asked_once_in_a_while_and_fully_again_after_a_success() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let mut health = Health::default();
        for _ in 0..4 {
            assert!(!health.failed(now, None));
        }
        assert_eq!(health.may_send(now, 8), Ok(8));
        assert!(health.failed(now, None));
        assert_eq!(health.may_send(now, 8), Err(now + FIRST));
        assert_eq!(health.may_send(now + FIRST, 8), Ok(1));
        for _ in 0..20 {
            health.failed(now, None);
        }
        assert_eq!(health.may_send(now, 8), Err(now + LONGEST_PROBE));
        assert!(health.succeeded());
        assert_eq!(health.may_send(now, 8), Ok(8));
    }

    #[test]
    fn a_receiver_that_says_when_is_not_asked_before_but_not_for_ever() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let mut health = Health::default();
        health.failed(now, Some(Duration::from_secs(90)));
        assert_eq!(health.may_send(now, 8), Err(now + Duration::from_secs(90)));
        health.failed(now, Some(Duration::from_secs(u64::MAX)));
        assert_eq!(health.may_send(now, 8), Err(now + LONGEST));
    }
}
