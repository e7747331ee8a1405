//! Jumio's clock beside ours.

use model::{Clock, Timestamp};
use std::time::Duration;

/// A `Date` header of Jumio's, and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateSeen {
    /// What Jumio's clock showed, in whole seconds.
    pub date: Timestamp,
    /// Our [`Clock::uptime`] when the answer came: the wall clock may have been moved since.
    pub uptime: Duration,
}

impl DateSeen {
    /// That `date` came now.
    #[must_use]
    pub fn now(date: Timestamp, clock: &dyn Clock) -> Self {
        Self { date, uptime: clock.uptime() }
    }

    /// How long ago it came.
    #[must_use]
    pub fn age(&self, clock: &dyn Clock) -> Duration {
        clock.uptime().saturating_sub(self.uptime)
    }

    /// By how much our wall clock differs from Jumio's now, in either direction: what Jumio's showed, and the time that has
    /// passed since.
    #[must_use]
    pub fn difference(&self, clock: &dyn Clock) -> Duration {
        let theirs = self.date.checked_add(self.age(clock)).unwrap_or(Timestamp::MAX);
        clock.now().duration_since(theirs).unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::clock::MockClock;

    #[test]
    fn the_difference_follows_every_movement_of_our_wall_clock_and_no_time_that_passes() {
        let clock = MockClock::at("2026-11-21T12:00:00Z");
        let seen = DateSeen::now("2026-11-21T12:00:30Z".parse().unwrap(), &clock);
        assert_eq!(seen.difference(&clock), Duration::from_secs(30));
        clock.advance(Duration::from_hours(3));
        assert_eq!(seen.difference(&clock), Duration::from_secs(30));
        assert_eq!(seen.age(&clock), Duration::from_hours(3));
        clock.jump(Duration::from_secs(31));
        assert_eq!(seen.difference(&clock), Duration::from_secs(1));
        clock.turn_back(Duration::from_hours(2));
        assert_eq!(seen.difference(&clock), Duration::from_secs(7199));
    }
}
