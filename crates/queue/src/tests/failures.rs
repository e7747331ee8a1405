//! Backoff, counted time, dead letters.

use super::{House, MINUTE, job, lease};
use crate::{Failure, Kind, PeerHealth, Queue, Retried, RetryPolicy};
use model::Clock as _;
use serde_json::json;
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

/// Fails the job until it is given up or `span` is over; returns how long it lasted if it was given up.
async fn fail_for(
    house: &House,
    queue: &Queue,
    span: Duration,
    failure: impl Fn() -> Failure,
) -> Option<Duration> {
    let start = house.clock.now();
    let end = start + span;
    while house.clock.now() < end {
        let Some(lease) = lease(queue).await else {
            let next = queue.next_due(&[Kind::Enrollment]).await.unwrap().unwrap();
            house.clock.advance(Duration::try_from(next.duration_since(house.clock.now())).unwrap());
            continue;
        };
        let mut commit = house.records.commit();
        let retried = lease.retry(&mut commit, &failure()).await.unwrap();
        commit.submit().await.unwrap();
        if retried == Retried::DeadLetter {
            return Some(Duration::try_from(house.clock.now().duration_since(start)).unwrap());
        }
    }
    None
}

#[tokio::test]
async fn a_job_that_fails_by_itself_is_given_up_after_its_time_and_no_sooner() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let lasted = fail_for(&house, &queue, 100 * HOUR, || Failure::item("not-acceptable")).await.unwrap();
    let policy = RetryPolicy::default();
    assert!(lasted >= policy.retry_for && lasted <= policy.retry_for + policy.longest_wait, "{lasted:?}");
    let dead = queue.dead_letters(None, 10).await.unwrap();
    assert_eq!((dead.len(), &dead[0].key, dead[0].reason.as_str()), (1, &job(1), "not-acceptable"));
    assert_eq!(dead[0].given_up, house.clock.now());
    assert!(dead[0].attempts > 250, "72 hours at 15 minutes: {}", dead[0].attempts);
    crate::testing::assert_no_jobs_left(&queue).await;
}

#[tokio::test]
async fn an_outage_of_the_whole_peer_uses_up_nobodys_tries() {
    let house = House::new();
    let queue = house.open(true).await;
    let peer = PeerHealth::new();
    peer.answered(house.clock.now());
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let away = || Failure::peer("jumio-unavailable", &peer);
    assert_eq!(fail_for(&house, &queue, 1000 * HOUR, away).await, None);
    // It comes back for the others, and fails for this one only: now its time runs.
    let back = || {
        peer.answered(house.clock.now());
        Failure::peer("jumio-unavailable", &peer)
    };
    let lasted = fail_for(&house, &queue, 1000 * HOUR, back).await.unwrap();
    assert!(lasted >= 71 * HOUR, "the outage counted: {lasted:?}");
}

#[tokio::test]
async fn our_own_trouble_never_counts() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    assert_eq!(fail_for(&house, &queue, 1000 * HOUR, || Failure::here("store-unavailable")).await, None);
}

#[tokio::test]
async fn the_days_that_the_service_was_down_do_not_count() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    for _ in 0..10 {
        let lease = lease(&queue).await.unwrap();
        house.commit(async |commit| lease.retry(commit, &Failure::item("x")).await.map(drop)).await.unwrap();
        house.clock.advance(100 * HOUR);
    }
    assert!(queue.dead_letters(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn progress_forgets_failures() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    assert_eq!(fail_for(&house, &queue, 71 * HOUR, || Failure::item("x")).await, None);
    while lease(&queue).await.is_none() {
        house.clock.advance(MINUTE);
    }
    house.clock.advance(MINUTE);
    let progressed = lease(&queue).await.unwrap();
    house.commit(async |commit| progressed.again_at(commit, house.clock.now()).await).await.unwrap();
    assert_eq!(fail_for(&house, &queue, 71 * HOUR, || Failure::item("x")).await, None);
}

#[tokio::test]
async fn a_peers_retry_after_is_waited_for() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let lease = lease(&queue).await.unwrap();
    let mut commit = house.records.commit();
    let retried = lease.retry(&mut commit, &Failure::item("x").not_before(2 * HOUR)).await.unwrap();
    assert_eq!(retried, Retried::At(house.in_(2 * HOUR)));
    let endless = Failure::item("x").not_before(Duration::MAX);
    let retried = lease.retry(&mut house.records.commit(), &endless).await.unwrap();
    assert_eq!(retried, Retried::At(house.in_(24 * HOUR)), "a day at most");
}

#[tokio::test]
async fn jobs_that_failed_together_do_not_come_back_together() {
    let house = House::new();
    let queue = house.open(true).await;
    let mut dues = std::collections::BTreeSet::new();
    for n in 0..20 {
        house.schedule(&queue, &job(n), Duration::ZERO).await;
        let lease = lease(&queue).await.unwrap();
        let mut commit = house.records.commit();
        let Retried::At(due) = lease.retry(&mut commit, &Failure::item("x")).await.unwrap() else {
            panic!("given up at the first failure")
        };
        commit.submit().await.unwrap();
        dues.insert(due);
    }
    assert!(dues.len() > 10, "{} different times", dues.len());
}

#[tokio::test]
async fn a_dead_letter_can_be_revived_given_up_again_and_forgotten() {
    let house = House::new();
    let queue = house.open(true).await;
    house
        .commit(async |commit| queue.schedule(commit, &job(1), house.clock.now(), json!(5)).await)
        .await
        .unwrap();
    for round in 0..2 {
        let doomed = lease(&queue).await.unwrap();
        assert_eq!(doomed.payload::<u8>().unwrap(), 5);
        house.commit(async |commit| doomed.give_up(commit, "hopeless").await).await.unwrap();
        assert!(lease(&queue).await.is_none());
        let dead = queue.dead_letters(None, 10).await.unwrap();
        assert_eq!((dead.len(), dead[0].reason.as_str()), (1, "hopeless"));
        assert_eq!(queue.dead_letter(&job(1)).await.unwrap().as_ref(), dead.first());
        assert_eq!(queue.count_dead(Kind::Enrollment, 10).await.unwrap(), 1);
        assert_eq!(queue.count_dead(Kind::Callback, 10).await.unwrap(), 0);
        assert!(queue.dead_letters(Some(&job(1)), 10).await.unwrap().is_empty());
        if round == 0 {
            house.commit(async |commit| queue.revive(commit, &job(1)).await.map(drop)).await.unwrap();
            assert!(queue.dead_letters(None, 10).await.unwrap().is_empty());
        }
    }
    house.commit(async |commit| queue.forget(commit, &job(1)).await.map(drop)).await.unwrap();
    assert!(queue.dead_letters(None, 10).await.unwrap().is_empty());
    assert!(!queue.revive(&mut house.records.commit(), &job(1)).await.unwrap());
}

#[tokio::test]
async fn a_new_job_beside_a_dead_letter_can_die_too_and_is_not_laid_down_twice() {
    let house = House::new();
    let queue = house.open(true).await;
    for _ in 0..2 {
        house.schedule(&queue, &job(1), Duration::ZERO).await;
        let doomed = lease(&queue).await.unwrap();
        house.commit(async |commit| doomed.give_up(commit, "hopeless").await).await.unwrap();
    }
    house.schedule(&queue, &job(1), HOUR).await;
    house.commit(async |commit| queue.revive(commit, &job(1)).await.map(drop)).await.unwrap();
    assert_eq!(queue.depth(Kind::Enrollment, 10).await.unwrap().all, 1);
    assert!(queue.dead_letters(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_wait_that_is_not_whole_microseconds_loses_no_job() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let odd = Duration::from_nanos(3_600_000_000_001);
    let taken = lease(&queue).await.unwrap();
    let mut commit = house.records.commit();
    taken.retry(&mut commit, &Failure::here("jumio-budget").not_before(odd)).await.unwrap();
    commit.submit().await.unwrap();
    house.clock.advance(odd);
    assert!(lease(&queue).await.is_some(), "the job is still found when it is due");
}
