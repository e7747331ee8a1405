//! Jobs are durable, leased to one worker at a time, and fenced.

use super::{House, MINUTE, job, lease};
use crate::{JobKey, Kind, PAYLOAD_BYTES, QueueError};
use model::Clock as _;
use records::{Key as _, tables};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use store::{Store as _, Versioned};

#[tokio::test]
async fn a_job_is_there_with_its_commit_or_not_at_all() {
    let house = House::new();
    let queue = house.open(true).await;
    let mut dropped = house.records.commit();
    queue.schedule(&mut dropped, &job(1), house.clock.now(), Value::Null).await.unwrap();
    drop(dropped);
    assert!(lease(&queue).await.is_none());
    house
        .commit(async |commit| queue.schedule(commit, &job(1), house.clock.now(), json!({"step": 3})).await)
        .await
        .unwrap();
    // And it survives the process.
    let house = House::on(house.store.inner().snapshot());
    let lease = lease(&house.open(true).await).await.unwrap();
    assert_eq!((lease.key(), lease.subject::<u64>().unwrap(), lease.attempts()), (&job(1), 1, 1));
    assert_eq!(lease.payload::<Value>().unwrap(), json!({"step": 3}));
    assert!(matches!(lease.payload::<u8>(), Err(QueueError::Unreadable { .. })));
    assert!(matches!(lease.subject::<u8>(), Err(QueueError::Unreadable { .. })));
}

#[tokio::test]
async fn a_job_runs_when_it_is_due_and_not_before() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), MINUTE).await;
    assert_eq!(queue.next_due(&[Kind::Enrollment]).await.unwrap(), Some(house.in_(MINUTE)));
    house.clock.advance(Duration::from_micros(59_999_999));
    assert!(lease(&queue).await.is_none());
    house.clock.advance(Duration::from_micros(1));
    assert!(lease(&queue).await.is_some());
}

#[tokio::test]
async fn there_is_one_job_per_subject_and_scheduling_it_again_moves_it() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), MINUTE).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    // The same time once more: a commit must not name the same index row twice.
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    assert_eq!(queue.depth(Kind::Enrollment, 100).await.unwrap().all, 1);
    let first = lease(&queue).await.unwrap();
    house.commit(async |commit| first.complete(commit).await).await.unwrap();
    house.clock.advance(MINUTE * 2);
    assert!(lease(&queue).await.is_none());
    crate::testing::assert_no_jobs_left(&queue).await;
}

#[tokio::test]
async fn the_job_that_is_due_for_longest_comes_first_whatever_its_kind() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::from_secs(2)).await;
    house.schedule(&queue, &JobKey::new(Kind::Callback, &2_u64), Duration::from_secs(1)).await;
    house.schedule(&queue, &job(3), Duration::from_secs(0)).await;
    house.clock.advance(MINUTE);
    let mut order = Vec::new();
    while let Some(lease) = queue.lease_due(&[Kind::Enrollment, Kind::Callback], MINUTE).await.unwrap() {
        order.push(lease.subject::<u64>().unwrap());
    }
    assert_eq!(order, [3, 2, 1]);
    assert!(queue.lease_due(&[Kind::InboxEpoch], MINUTE).await.unwrap().is_none());
}

#[tokio::test]
async fn a_leased_job_is_nobody_elses_until_the_lease_runs_out() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let first = lease(&queue).await.unwrap();
    assert!(lease(&queue).await.is_none());
    assert_eq!(queue.next_due(&[Kind::Enrollment]).await.unwrap(), Some(first.until()));
    house.clock.advance(MINUTE);
    let second = lease(&queue).await.unwrap();
    assert_eq!(second.attempts(), 2);
    assert!(!first.is_held().await.unwrap() && second.is_held().await.unwrap());
}

#[tokio::test]
async fn a_worker_whose_job_was_taken_by_another_commits_nothing() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let first = lease(&queue).await.unwrap();
    // Everything that the late worker could do, built before the other one takes the job.
    let (mut complete, mut again, mut retry, mut hold) =
        (house.records.commit(), house.records.commit(), house.records.commit(), house.records.commit());
    first.complete(&mut complete).await.unwrap();
    first.again_at(&mut again, house.clock.now()).await.unwrap();
    first.retry(&mut retry, &crate::Failure::item("late")).await.unwrap();
    first.hold(&mut hold).await.unwrap();
    house.clock.advance(MINUTE);
    let second = lease(&queue).await.unwrap();
    for commit in [complete, again, retry, hold] {
        assert!(commit.submit().await.unwrap_err().is_conflict());
    }
    // And built after.
    let lost = Err(QueueError::LeaseLost { kind: Kind::Enrollment });
    assert_eq!(house.commit(async |commit| first.complete(commit).await).await, lost);
    assert_eq!(house.commit(async |commit| first.hold(commit).await).await, lost);
    assert_eq!(first.release().await, lost);
    house.commit(async |commit| second.complete(commit).await).await.unwrap();
    assert_eq!(house.commit(async |commit| first.complete(commit).await).await, lost);
}

#[tokio::test]
async fn a_lease_that_ran_out_and_was_taken_by_nobody_still_counts() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let late = lease(&queue).await.unwrap();
    house.clock.advance(MINUTE * 5);
    house.commit(async |commit| late.complete(commit).await).await.unwrap();
    crate::testing::assert_no_jobs_left(&queue).await;
}

#[tokio::test]
async fn an_extended_lease_lasts_longer_and_a_released_one_ends_at_once() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let mut first = lease(&queue).await.unwrap();
    house.clock.advance(MINUTE / 2);
    first.extend(MINUTE).await.unwrap();
    house.clock.advance(MINUTE / 2);
    assert!(lease(&queue).await.is_none());
    first.release().await.unwrap();
    let second = lease(&queue).await.unwrap();
    assert_eq!(second.attempts(), 1, "a released job was not tried");
}

#[tokio::test]
async fn leases_of_an_earlier_process_are_void_at_the_start_of_an_exclusive_store_only() {
    for exclusive in [true, false] {
        let house = House::new();
        let queue = house.open(exclusive).await;
        house.schedule(&queue, &job(1), Duration::ZERO).await;
        let orphan = lease(&queue).await.unwrap();
        let next = house.open(exclusive).await;
        assert_eq!(lease(&next).await.is_some(), exclusive);
        if exclusive {
            let lost = house.commit(async |commit| orphan.complete(commit).await).await;
            assert_eq!(lost, Err(QueueError::LeaseLost { kind: Kind::Enrollment }));
        }
    }
}

#[tokio::test]
async fn leases_of_an_earlier_process_are_void_for_every_job_however_many_there_are() {
    let house = House::new();
    let queue = house.open(true).await;
    for n in 0..600 {
        house.schedule(&queue, &job(n), Duration::ZERO).await;
    }
    for _ in 0..300 {
        let _lease = lease(&queue).await.unwrap();
    }
    let next = house.open(true).await;
    assert_eq!(next.depth(Kind::Enrollment, 1000).await.unwrap().due, 600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_at_the_same_time_get_different_jobs() {
    let house = House::new();
    let queue = house.open(true).await;
    for n in 0..64 {
        house.schedule(&queue, &job(n), Duration::ZERO).await;
    }
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                while let Some(lease) = lease(&queue).await {
                    mine.push(lease.subject::<u64>().unwrap());
                }
                mine
            })
        })
        .collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    assert_eq!(all.len(), 64);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), 64);
}

#[tokio::test]
async fn a_damaged_job_does_not_hold_up_the_others() {
    let house = House::new();
    let queue = house.open(true).await;
    for n in 1..=3 {
        house.schedule(&queue, &job(n), Duration::ZERO).await;
    }
    let key = job(1).encode();
    let row = house.store.inner().get(tables::JOBS, &key).await.unwrap().unwrap();
    house.store.inner().tamper(tables::JOBS, &key, Versioned { value: vec![0; 200].into(), ..row });
    let mut seen = Vec::new();
    while let Some(lease) = lease(&queue).await {
        seen.push(lease.subject::<u64>().unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, [2, 3]);
}

#[tokio::test]
async fn a_stray_row_of_the_index_runs_nothing_and_goes() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), MINUTE).await;
    let mut commit = house.records.commit();
    commit.index(&crate::job::DUE, &crate::key::DueKey::new(&job(1), house.clock.now()));
    commit.index(&crate::job::DUE, &crate::key::DueKey::new(&job(2), house.clock.now()));
    commit.submit().await.unwrap();
    assert!(lease(&queue).await.is_none());
    assert_eq!(queue.depth(Kind::Enrollment, 100).await.unwrap().all, 1);
    house.clock.advance(MINUTE);
    assert!(lease(&queue).await.is_some());
}

#[tokio::test]
async fn a_job_may_be_due_at_the_end_of_time_or_at_its_beginning() {
    let house = House::new();
    let queue = house.open(true).await;
    for (n, due) in [(1, model::Timestamp::MAX), (2, model::Timestamp::MIN)] {
        house.commit(async |commit| queue.schedule(commit, &job(n), due, Value::Null).await).await.unwrap();
    }
    assert_eq!(lease(&queue).await.unwrap().key(), &job(2));
    assert!(lease(&queue).await.is_none());
    assert_eq!(queue.depth(Kind::Enrollment, 10).await.unwrap().all, 2);
}

#[tokio::test]
async fn a_payload_that_is_no_small_one_is_refused() {
    let house = House::new();
    let queue = house.open(true).await;
    let large = Value::String("x".repeat(PAYLOAD_BYTES));
    let refused = Err(QueueError::PayloadTooLarge { kind: Kind::Enrollment, limit: PAYLOAD_BYTES });
    let tried = house
        .commit(async |commit| queue.schedule(commit, &job(1), house.clock.now(), large.clone()).await)
        .await;
    assert_eq!(tried, refused);
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let lease = lease(&queue).await.unwrap();
    let tried =
        house.commit(async |commit| lease.again_with(commit, house.clock.now(), large.clone()).await).await;
    assert_eq!(tried, refused);
}

#[tokio::test]
async fn a_cancelled_job_is_gone_for_its_worker_too() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let lease = lease(&queue).await.unwrap();
    house.commit(async |commit| queue.cancel(commit, &job(1)).await.map(drop)).await.unwrap();
    crate::testing::assert_no_jobs_left(&queue).await;
    assert!(house.commit(async |commit| lease.complete(commit).await).await.is_err());
    assert_eq!(queue.next_due(&Kind::ALL).await.unwrap(), None);
}

#[test]
fn no_number_stands_for_two_kinds_and_every_kind_is_read_back() {
    let keys: BTreeSet<_> = Kind::ALL.iter().map(|kind| *kind as u8).collect();
    let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!((keys.len(), names.len()), (Kind::ALL.len(), Kind::ALL.len()));
    for kind in Kind::ALL {
        let key = JobKey::new(kind, &7_u64);
        assert_eq!(JobKey::decode(&key.encode()), Some(key));
    }
    assert_eq!(JobKey::decode(&[99, 1]), None);
}
