//! What strangers bring about takes a fifth of the retrievals at most, and holds nobody up.

use crate::{BudgetError, Lane, Limit, RetrievalLane, Retrievals};
use model::clock::MockClock;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const LIMIT: Limit = Limit { count: 75, within: Duration::from_secs(5) };
const KNOWN: RetrievalLane = RetrievalLane::Known(Lane::Verification);
const NO_WAIT: Duration = Duration::ZERO;

fn desk() -> (MockClock, Retrievals) {
    let clock = MockClock::at("2026-11-21T12:00:00Z");
    (clock.clone(), Retrievals::new(Arc::new(clock), &[LIMIT]))
}

async fn as_many_as_may(retrievals: &Retrievals, lane: RetrievalLane) -> usize {
    let mut asked = 0;
    while retrievals.acquire(lane, NO_WAIT).await.is_ok() {
        asked += 1;
    }
    asked
}

#[tokio::test]
async fn strangers_get_a_fifth_at_most_and_the_rest_is_there_for_others() {
    let (clock, retrievals) = desk();
    for _ in 0..5 {
        assert_eq!(as_many_as_may(&retrievals, RetrievalLane::Stranger).await, 15);
        assert_eq!(as_many_as_may(&retrievals, KNOWN).await, 60);
        clock.advance(Duration::from_millis(5_101));
    }
}

#[tokio::test]
async fn strangers_get_nothing_where_others_have_taken_all() {
    let (clock, retrievals) = desk();
    assert_eq!(as_many_as_may(&retrievals, KNOWN).await, 75);
    assert_eq!(as_many_as_may(&retrievals, RetrievalLane::Stranger).await, 0);
    // Nor do they lose their part by having asked in vain.
    clock.advance(Duration::from_millis(5_101));
    assert_eq!(as_many_as_may(&retrievals, RetrievalLane::Stranger).await, 15);
}

#[tokio::test]
async fn a_stranger_never_waits_and_so_keeps_no_hands_busy() {
    let (_clock, retrievals) = desk();
    as_many_as_may(&retrievals, RetrievalLane::Stranger).await;
    // The clock stands still: whoever waited would wait for ever.
    let asked = retrievals.acquire(RetrievalLane::Stranger, Duration::from_hours(1)).await;
    assert!(matches!(asked, Err(BudgetError::Spent { retry_after }) if !retry_after.is_zero()));
}

#[tokio::test]
async fn a_stranger_goes_after_everybody_who_waits() {
    let clock = MockClock::at("2026-11-21T12:00:00Z");
    let limit = Limit { count: 5, within: Duration::from_secs(5) };
    let retrievals = Retrievals::new(Arc::new(clock.clone()), &[limit]);
    for _ in 0..5 {
        drop(retrievals.acquire(Lane::Authentication, NO_WAIT).await.unwrap());
        clock.advance(Duration::from_secs(1));
    }
    let waiting = {
        let retrievals = retrievals.clone();
        tokio::spawn(async move { retrievals.acquire(Lane::Batch, Duration::from_mins(1)).await.map(drop) })
    };
    tokio::task::yield_now().await;
    // One place is free now, and somebody has waited for it.
    clock.advance(Duration::from_millis(101));
    assert!(retrievals.acquire(RetrievalLane::Stranger, NO_WAIT).await.is_err());
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn lanes_go_in_their_order_here_too() {
    let clock = MockClock::at("2026-11-21T12:00:00Z");
    let limit = Limit { count: 1, within: Duration::from_secs(5) };
    let retrievals = Retrievals::new(Arc::new(clock.clone()), &[limit]);
    // Many times: whose task is woken first is left to chance.
    for _ in 0..20 {
        drop(retrievals.acquire(Lane::Authentication, Duration::ZERO).await.unwrap());
        let order = Arc::new(Mutex::new(Vec::new()));
        for lane in Lane::ALL.into_iter().rev() {
            let (retrievals, order) = (retrievals.clone(), order.clone());
            tokio::spawn(async move {
                let _permit = retrievals.acquire(lane, Duration::from_mins(1)).await.unwrap();
                order.lock().unwrap().push(lane);
            });
            tokio::task::yield_now().await;
        }
        for _ in 0..4 {
            clock.advance(Duration::from_millis(5_101));
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(*order.lock().unwrap(), Lane::ALL);
    }
}

#[tokio::test]
async fn a_429_stops_everybody_and_an_answer_ends_the_doubling() {
    let (clock, retrievals) = desk();
    for seconds in [5, 10, 20] {
        retrievals.penalise(None);
        assert_eq!(retrievals.wait(Lane::Authentication), Duration::from_secs(seconds));
        assert_eq!(as_many_as_may(&retrievals, RetrievalLane::Stranger).await, 0);
        clock.advance(Duration::from_secs(seconds));
    }
    retrievals.answered();
    retrievals.penalise(None);
    assert_eq!(retrievals.wait(Lane::Authentication), Duration::from_secs(5));
}
