//! For the tests of the flows: jobs are driven by hand, and none may be left over.

use crate::{
    Handler, JobKey, Kind, Queue,
    job::JOBS,
    workers::{self, Ran},
};
use model::{Clock as _, clock::MockClock};
use std::time::Duration;
use store::Range;

/// No test of a flow needs more; a job that comes back for ever does.
const MOST_RUNS: usize = 10_000;

/// Runs everything that is due now, until nothing is. Returns how many runs that took.
///
/// # Panics
/// When a handler kept its lease, when the store fails, and after ten thousand runs.
pub async fn drive(queue: &Queue, handlers: &[&dyn Handler]) -> usize {
    let kinds: Vec<Kind> = handlers.iter().flat_map(|handler| handler.kinds().iter().copied()).collect();
    let lease_for = handlers.iter().map(|handler| handler.lease_for()).max().unwrap_or_default();
    for runs in 0..MOST_RUNS {
        let Some(lease) = queue.lease_due(&kinds, lease_for).await.expect("the store works") else {
            return runs;
        };
        let ran = workers::run(handlers, &lease).await.expect("the store works");
        assert_ne!(ran, Ran::Forgotten, "the handler of {} kept its lease", lease.key());
    }
    panic!("jobs still come back after {MOST_RUNS} runs");
}

/// Runs everything that gets due within `span`, moving the clock from one due time to the next, and at last to the end
/// of the span. Returns how many runs that took.
///
/// # Panics
/// As [`drive`].
pub async fn drive_for(queue: &Queue, handlers: &[&dyn Handler], clock: &MockClock, span: Duration) -> usize {
    let kinds: Vec<Kind> = handlers.iter().flat_map(|handler| handler.kinds().iter().copied()).collect();
    let end = clock.now() + span;
    let mut runs = 0;
    loop {
        runs += drive(queue, handlers).await;
        assert!(runs < MOST_RUNS, "jobs still come back after {MOST_RUNS} runs");
        let next = queue.next_due(&kinds).await.expect("the store works").filter(|next| *next <= end);
        let until = next.unwrap_or(end);
        clock.advance(Duration::try_from(until.duration_since(clock.now())).unwrap_or_default());
        if next.is_none() {
            return runs;
        }
    }
}

/// The jobs on the desk, due or not.
///
/// # Panics
/// When the store fails.
pub async fn jobs_left(queue: &Queue) -> Vec<JobKey> {
    let rows = JOBS.scan(&queue.inner.records, &Range::default(), MOST_RUNS).await.expect("the store works");
    rows.into_iter().map(|(key, _)| key).collect()
}

/// Fails if any job is left, due or not.
///
/// # Panics
/// Naming the jobs that are left.
pub async fn assert_no_jobs_left(queue: &Queue) {
    let left = jobs_left(queue).await;
    assert!(left.is_empty(), "jobs are left over: {left:?}");
}
