//! Jumio's default rate limit for initiating, kept as a sliding log: so many in any second, so many in any minute.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// Times of the requests that were let through during the last minute.
#[derive(Debug, Default)]
pub(crate) struct SlidingLog {
    admitted: VecDeque<Timestamp>,
}

/// Which limit a request broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Too many within one second.
    Second,
    /// Too many within one minute.
    Minute,
}

impl SlidingLog {
    /// Lets a request through and remembers it, or says which limit it breaks. Refused requests do not count.
    ///
    /// Both windows are closed: a request exactly one second (or minute) old still counts, so that a client which
    /// means "at most three in any second" has to wait longer than a second, not as long.
    pub(crate) fn admit(
        &mut self,
        now: Timestamp,
        per_second: usize,
        per_minute: usize,
    ) -> Result<(), Broken> {
        // A clock that was set back leaves entries in the future; they belong to another story.
        self.admitted.retain(|at| *at <= now && now.duration_since(*at) <= MINUTE);
        let last_second =
            self.admitted.iter().rev().take_while(|at| now.duration_since(**at) <= SECOND).count();
        if last_second >= per_second {
            return Err(Broken::Second);
        }
        if self.admitted.len() >= per_minute {
            return Err(Broken::Minute);
        }
        self.admitted.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + millis).unwrap()
    }

    #[test]
    fn no_window_of_one_second_holds_more_than_three() {
        let mut log = SlidingLog::default();
        let answers: Vec<bool> =
            [0, 400, 800, 999, 1000, 1001, 1400, 1401].map(|t| log.admit(at(t), 3, 180).is_ok()).to_vec();
        assert_eq!(answers, [true, true, true, false, false, true, false, true]);
    }

    #[test]
    fn no_window_of_one_minute_holds_more_than_180() {
        let mut log = SlidingLog::default();
        for i in 0..180 {
            assert!(log.admit(at(i * 333), 4, 180).is_ok(), "request {i}");
        }
        assert_eq!(log.admit(at(59_999), 4, 180), Err(Broken::Minute));
        assert_eq!(log.admit(at(60_000), 4, 180), Err(Broken::Minute));
        assert!(log.admit(at(60_001), 4, 180).is_ok());
        assert_eq!(log.admit(at(60_002), 4, 180), Err(Broken::Minute));
    }
}
