//! When a failed job is tried again, and when it is given up.

use crate::job::Trouble;
use model::Timestamp;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The longest wait that a peer's `Retry-After` can bring about.
const LONGEST_ASKED_FOR: Duration = Duration::from_hours(24);

/// When to try again.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The wait after the first failure, before jitter. It doubles with every failure in a row.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// How much counted time a job may spend failing before it becomes a dead letter.
    pub retry_for: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_secs(5),
            longest_wait: Duration::from_mins(15),
            retry_for: Duration::from_hours(72),
        }
    }
}

/// What became of a job that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It runs again at this time.
    At(Timestamp),
    /// It was given up and is listed among the dead letters.
    DeadLetter,
}

/// When a peer last answered anybody at all.
///
/// While a peer is away for everybody, nobody's time runs: an outage of three days kills no job.
#[derive(Debug, Clone, Default)]
pub struct PeerHealth(Arc<Mutex<Option<Timestamp>>>);

impl PeerHealth {
    /// A peer that has not answered yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The peer gave a usable answer to somebody, if only a refusal.
    pub fn answered(&self, now: Timestamp) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (*last).max(Some(now));
    }

    /// When it last did.
    #[must_use]
    pub fn last_answer(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Copy)]
enum Counts {
    Always,
    Never,
    IfPeerAnsweredAfterLastFailure(Option<Timestamp>),
}

/// Why a try failed, and whether that is held against the job.
#[derive(Debug, Clone)]
pub struct Failure {
    reason: &'static str,
    counts: Counts,
    wait: Option<Duration>,
}

impl Failure {
    /// The peer answered, and the answer is no use for this job. The time counts.
    #[must_use]
    pub const fn item(reason: &'static str) -> Self {
        Self { reason, counts: Counts::Always, wait: None }
    }

    /// The peer did not answer. The time counts only if it answered somebody else since this job's last failure.
    #[must_use]
    pub fn peer(reason: &'static str, health: &PeerHealth) -> Self {
        Self { reason, counts: Counts::IfPeerAnsweredAfterLastFailure(health.last_answer()), wait: None }
    }

    /// Something of our own is in the way: the store, the disk, the keys. The time does not count.
    #[must_use]
    pub const fn here(reason: &'static str) -> Self {
        Self { reason, counts: Counts::Never, wait: None }
    }

    /// Not before `wait` has passed (`Retry-After`), 24 hours at most.
    #[must_use]
    pub fn not_before(mut self, wait: Duration) -> Self {
        self.wait = Some(wait.min(LONGEST_ASKED_FOR));
        self
    }

    /// Why.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.reason
    }
}

/// Enters a failure; returns how long to wait. `random` is the jitter's.
///
/// Only the time that the job was *made* to wait can count: the days that the service itself was down do not.
pub(crate) fn fail(
    trouble: &mut Trouble,
    failure: &Failure,
    now: Timestamp,
    policy: &RetryPolicy,
    random: u64,
) -> Duration {
    if let Some(last) = trouble.last {
        let passed = u64::try_from(now.duration_since(last).as_millis()).unwrap_or(0).min(trouble.waits);
        let counts = match failure.counts {
            Counts::Always => true,
            Counts::Never => false,
            Counts::IfPeerAnsweredAfterLastFailure(answer) => answer.is_some_and(|answer| answer > last),
        };
        if counts {
            trouble.counted = trouble.counted.saturating_add(passed);
        }
    }
    trouble.failures = trouble.failures.saturating_add(1);
    let delay = backoff(policy, trouble.failures, random).max(failure.wait.unwrap_or_default());
    trouble.last = Some(now);
    trouble.waits = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    trouble.reason = Some(failure.reason.to_owned());
    delay
}

/// Doubling from `first_wait` to `longest_wait`; of that, a random part between half and all, so that jobs which failed
/// together do not come back together.
fn backoff(policy: &RetryPolicy, failures: u32, random: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    let whole = policy.first_wait.saturating_mul(1 << doublings).min(policy.longest_wait);
    let half = u64::try_from(whole.as_millis() / 2).unwrap_or(u64::MAX / 2);
    whole.saturating_sub(Duration::from_millis(random % (half + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_wait_doubles_up_to_its_cap_and_jitter_takes_at_most_half(failures in 1_u32..100, random: u64) {
            let policy = RetryPolicy::default();
            let whole = policy.longest_wait.as_secs_f64().min(5.0 * 2_f64.powi(failures.cast_signed() - 1));
            let wait = backoff(&policy, failures, random).as_secs_f64();
            prop_assert!(wait <= whole + 1e-6 && wait >= whole / 2.0 - 0.002, "{} of {}", wait, whole);
        }
    }
}
