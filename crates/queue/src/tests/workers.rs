//! Workers sleep until something is due, finish what they have, and give back what a handler drops.

use super::{House, MINUTE, job};
use crate::{
    Failure, Handler, HandlerError, Kind, Lease, QueueError, run_workers,
    testing::{assert_no_jobs_left, drive, drive_for, jobs_left},
};
use async_trait::async_trait;
use records::Commit;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use store::faulty::CommitFault;
use tokio::sync::{Notify, watch};

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Complete,
    Forget,
    Conflict(usize),
    Fail,
    Panic,
    Wait,
}

struct Scripted {
    way: Way,
    seen: Mutex<Vec<u64>>,
    runs: AtomicUsize,
    buried: AtomicUsize,
    go_on: Notify,
}

impl Scripted {
    fn new(way: Way) -> Arc<Self> {
        Arc::new(Self {
            way,
            seen: Mutex::default(),
            runs: AtomicUsize::new(0),
            buried: AtomicUsize::new(0),
            go_on: Notify::new(),
        })
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Handler for Scripted {
    fn kinds(&self) -> &[Kind] {
        &[Kind::Enrollment]
    }

    async fn handle(&self, lease: &Lease) -> Result<(), HandlerError> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst);
        match self.way {
            Way::Forget => return Ok(()),
            Way::Conflict(times) if run < times => return Err(HandlerError::Conflict),
            Way::Fail => return Err(HandlerError::Failed(Failure::item("scripted"))),
            Way::Panic => panic!("scripted"),
            Way::Wait => self.go_on.notified().await,
            Way::Complete | Way::Conflict(_) => {}
        }
        let mut commit = lease.queue().inner.records.commit();
        lease.complete(&mut commit).await?;
        commit.submit().await?;
        self.seen.lock().unwrap().push(lease.subject()?);
        Ok(())
    }

    async fn given_up(&self, lease: &Lease, commit: &mut Commit) -> Result<(), HandlerError> {
        self.buried.fetch_add(1, Ordering::SeqCst);
        // A trace in the same commit: another job.
        lease.queue().schedule(commit, &job(99), model::Timestamp::MAX, serde_json::Value::Null).await?;
        Ok(())
    }
}

async fn until(mut holds: impl FnMut() -> bool) {
    let give_up = std::time::Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(std::time::Instant::now() < give_up, "it never came to hold");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_do_every_job_once() {
    let house = House::new();
    let queue = house.open(true).await;
    let handler = Scripted::new(Way::Complete);
    let (stop, shutdown) = watch::channel(false);
    let pool = tokio::spawn(run_workers(queue.clone(), vec![handler.clone() as _], 8, shutdown));
    for n in 0..200 {
        house.schedule(&queue, &job(n), Duration::ZERO).await;
    }
    until(|| handler.seen.lock().unwrap().len() == 200).await;
    stop.send(true).unwrap();
    pool.await.unwrap().unwrap();
    assert_no_jobs_left(&queue).await;
    assert_eq!(handler.runs(), 200);
    let mut seen = handler.seen.lock().unwrap().clone();
    seen.sort_unstable();
    assert_eq!(seen, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_sleeping_worker_wakes_for_a_new_job_and_for_one_that_gets_due() {
    let house = House::new();
    let queue = house.open(true).await;
    let handler = Scripted::new(Way::Complete);
    let (_stop, shutdown) = watch::channel(false);
    let pool = tokio::spawn(run_workers(queue.clone(), vec![handler.clone() as _], 2, shutdown));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    until(|| handler.runs() == 1).await;
    house.schedule(&queue, &job(2), MINUTE).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(handler.runs(), 1, "not due yet");
    house.clock.advance(MINUTE);
    until(|| handler.runs() == 2).await;
    pool.abort();
}

#[tokio::test]
async fn at_a_soft_shutdown_a_worker_finishes_what_it_has_and_takes_nothing_more() {
    let house = House::new();
    let queue = house.open(true).await;
    let handler = Scripted::new(Way::Wait);
    let (stop, shutdown) = watch::channel(false);
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    house.schedule(&queue, &job(2), Duration::ZERO).await;
    let pool = tokio::spawn(run_workers(queue.clone(), vec![handler.clone() as _], 1, shutdown));
    until(|| handler.runs() == 1).await;
    stop.send(true).unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!pool.is_finished());
    handler.go_on.notify_one();
    pool.await.unwrap().unwrap();
    assert_eq!(handler.seen.lock().unwrap().len(), 1);
    assert_eq!(jobs_left(&queue).await.len(), 1);
}

#[tokio::test]
async fn a_handler_that_panics_ends_the_pool_with_an_error() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let (_stop, shutdown) = watch::channel(false);
    let pool = run_workers(queue, vec![Scripted::new(Way::Panic) as _], 4, shutdown).await;
    assert_eq!(pool, Err(QueueError::WorkerDied));
}

#[tokio::test]
async fn a_poisoned_store_ends_the_pool_with_an_error() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    house.store.fail_commit(1, store::faulty::CommitFault::AmbiguousAfter);
    let (_stop, shutdown) = watch::channel(false);
    let pool = run_workers(queue, vec![Scripted::new(Way::Complete) as _], 4, shutdown).await;
    assert!(matches!(pool, Err(QueueError::Records(_))), "{pool:?}");
}

#[tokio::test]
async fn a_conflict_runs_the_job_again_at_once_and_is_no_failure() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let handler = Scripted::new(Way::Conflict(3));
    assert_eq!(drive(&queue, &[&*handler]).await, 4);
    assert_no_jobs_left(&queue).await;
}

#[tokio::test]
async fn a_job_that_keeps_failing_is_given_up_and_its_flow_hears_of_it_in_the_same_commit() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let handler = Scripted::new(Way::Fail);
    drive_for(&queue, &[&*handler], &house.clock, Duration::from_hours(71)).await;
    assert_eq!(handler.buried.load(Ordering::SeqCst), 0);
    drive_for(&queue, &[&*handler], &house.clock, Duration::from_hours(3)).await;
    assert_eq!(handler.buried.load(Ordering::SeqCst), 1);
    assert_eq!(jobs_left(&queue).await, [job(99)]);
    assert_eq!(queue.dead_letters(None, 10).await.unwrap()[0].key, job(1));
}

#[tokio::test]
#[should_panic(expected = "kept its lease")]
async fn driving_by_hand_fails_on_a_handler_that_keeps_its_lease() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    drive(&queue, &[&*Scripted::new(Way::Forget)]).await;
}

#[tokio::test]
#[should_panic(expected = "jobs are left over")]
async fn driving_by_hand_fails_on_jobs_that_are_left_over() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), MINUTE).await;
    drive(&queue, &[&*Scripted::new(Way::Complete)]).await;
    assert_no_jobs_left(&queue).await;
}

/// The first reads of a worker who finds nothing: to lease, and to learn when to look again.
#[tokio::test]
async fn a_store_that_cannot_be_read_for_a_moment_ends_no_worker() {
    for nth in [1, 2] {
        let house = House::new();
        let queue = house.open(true).await;
        let handler = Scripted::new(Way::Complete);
        house.store.fail_read(nth);
        let before = house.store.reads();
        let (stop, shutdown) = watch::channel(false);
        let pool = tokio::spawn(run_workers(queue.clone(), vec![handler.clone() as _], 1, shutdown));
        while house.store.reads() < before + nth {
            tokio::task::yield_now().await;
        }
        house.schedule(&queue, &job(1), Duration::ZERO).await;
        let give_up = std::time::Instant::now() + Duration::from_mins(1);
        while handler.runs() == 0 && !pool.is_finished() {
            assert!(std::time::Instant::now() < give_up, "the worker does not look again");
            house.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
        stop.send(true).unwrap();
        pool.await.unwrap().unwrap();
        assert_eq!(handler.runs(), 1);
    }
}

#[tokio::test]
async fn a_store_that_failed_for_good_ends_the_workers() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    house.store.fail_commit(1, CommitFault::AmbiguousBefore);
    let (_stop, shutdown) = watch::channel(false);
    let handler = Scripted::new(Way::Complete);
    let ended = run_workers(queue, vec![handler as _], 1, shutdown).await;
    assert!(ended.is_err_and(|error| !error.is_retryable()));
}
