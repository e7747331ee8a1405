//! Who gets a permit, in which order, and who is told to come again.

use super::{House, MINUTE};
use crate::{Budget, BudgetError, Lane, Limit};
use model::Clock as _;
use records::{RecordsError, tables};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use store::{Range, Store as _, StoreError, faulty::CommitFault};

const SECOND: Duration = Duration::from_secs(1);

async fn three_per_second(house: &House) -> Budget {
    let limits = [Limit::per_second(3), Limit::per_minute(180)];
    Budget::open(house.records.clone(), Arc::new(house.clock.clone()), &limits).await.unwrap()
}

async fn now(budget: &Budget, lane: Lane) -> Result<(), BudgetError> {
    budget.acquire(lane, Duration::ZERO).await.map(drop)
}

async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

async fn rows(house: &House) -> usize {
    house.store.inner().scan(tables::BUDGET, &Range::default(), 1000).await.unwrap().len()
}

#[tokio::test]
async fn whoever_would_wait_in_vain_is_told_at_once_and_truly_when_to_come() {
    let house = House::new();
    let budget = three_per_second(&house).await;
    for _ in 0..3 {
        now(&budget, Lane::Authentication).await.unwrap();
    }
    let asked = budget.acquire(Lane::Authentication, SECOND / 2);
    let Err(BudgetError::Spent { retry_after }) = asked.await else { panic!("a fourth within a second") };
    assert!(retry_after > SECOND && retry_after < SECOND + SECOND / 20, "{retry_after:?}");
    assert_eq!(budget.wait(Lane::Authentication), retry_after);
    house.clock.advance(retry_after.checked_sub(Duration::from_nanos(1)).unwrap());
    assert!(now(&budget, Lane::Authentication).await.is_err());
    house.clock.advance(Duration::from_nanos(1));
    now(&budget, Lane::Authentication).await.unwrap();
}

#[tokio::test]
async fn what_is_used_and_who_waits_can_be_looked_at() {
    let house = House::new();
    let budget = three_per_second(&house).await;
    for _ in 0..2 {
        now(&budget, Lane::Verification).await.unwrap();
        house.clock.advance(SECOND * 3 / 5);
    }
    let used: Vec<_> = budget.usage().used.iter().map(|(limit, count)| (limit.count, *count)).collect();
    assert_eq!(used, [(3, 1), (180, 2)], "the first is over a second old");
    for _ in 0..2 {
        now(&budget, Lane::Authentication).await.unwrap();
    }
    let other = budget.clone();
    let waiting = tokio::spawn(async move { other.acquire(Lane::Batch, MINUTE).await.map(drop) });
    settle().await;
    assert_eq!(
        budget.usage().waiting,
        [(Lane::Authentication, 0), (Lane::Verification, 0), (Lane::Batch, 1)]
    );
    waiting.abort();
    budget.penalise(Some(SECOND * 7));
    assert_eq!(budget.usage().blocked_for, SECOND * 7);
}

#[tokio::test]
async fn the_time_to_come_again_counts_those_who_wait_already() {
    let house = House::new();
    let budget = three_per_second(&house).await;
    let waiting: Vec<_> = (0..9)
        .map(|_| {
            let budget = budget.clone();
            tokio::spawn(async move { budget.acquire(Lane::Authentication, MINUTE).await.map(drop) })
        })
        .collect();
    settle().await;
    // Three went at once, six wait for two seconds: the next one goes in the third.
    let Err(BudgetError::Spent { retry_after }) = now(&budget, Lane::Authentication).await else {
        panic!("ahead of those who wait")
    };
    assert!(retry_after > 3 * SECOND && retry_after < 3 * SECOND + SECOND / 5, "{retry_after:?}");
    for task in &waiting {
        task.abort();
    }
}

#[tokio::test]
async fn lanes_go_in_their_order_and_within_a_lane_the_first_comes_first() {
    let house = House::new();
    let budget = three_per_second(&house).await;
    for _ in 0..3 {
        now(&budget, Lane::Authentication).await.unwrap();
    }
    let order = Arc::new(Mutex::new(Vec::new()));
    for (lane, n) in [
        (Lane::Batch, 0),
        (Lane::Verification, 0),
        (Lane::Batch, 1),
        (Lane::Authentication, 0),
        (Lane::Verification, 1),
        (Lane::Authentication, 1),
    ] {
        let (budget, order) = (budget.clone(), order.clone());
        tokio::spawn(async move {
            let place = budget.reserve(lane, MINUTE).await.unwrap();
            order.lock().unwrap().push((lane, n));
            place.used().await.unwrap();
        });
        settle().await;
    }
    for _ in 0..300 {
        house.clock.advance(Duration::from_millis(10));
        settle().await;
    }
    let expected = Lane::ALL.map(|lane| [(lane, 0), (lane, 1)]).concat();
    assert_eq!(*order.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_caller_who_goes_away_gives_its_place_to_the_next() {
    let house = House::new();
    let budget = three_per_second(&house).await;
    for _ in 0..3 {
        now(&budget, Lane::Authentication).await.unwrap();
    }
    let ask = |lane| {
        let budget = budget.clone();
        tokio::spawn(async move { budget.acquire(lane, MINUTE).await.map(drop) })
    };
    let (gone, next) = (ask(Lane::Authentication), ask(Lane::Batch));
    settle().await;
    gone.abort();
    settle().await;
    house.clock.advance(SECOND + SECOND / 20);
    next.await.unwrap().unwrap();
}

#[tokio::test]
async fn no_permit_without_a_durable_row() {
    let house = House::new();
    let budget = three_per_second(&house).await;
    house.store.set_no_space(true);
    let error = now(&budget, Lane::Authentication).await.unwrap_err();
    assert_eq!(error, BudgetError::Unavailable(RecordsError::Store(StoreError::NoSpace)));
    assert!(error.is_retryable());
    house.store.set_no_space(false);
    now(&budget, Lane::Authentication).await.unwrap();
    assert_eq!(rows(&house).await, 1);
    house.store.fail_commit(1, CommitFault::AmbiguousAfter);
    let error = now(&budget, Lane::Authentication).await.unwrap_err();
    assert!(matches!(error, BudgetError::Unavailable(_)) && !error.is_retryable());
}

#[tokio::test]
async fn a_restart_remembers_what_was_sent() {
    let house = House::new();
    let budget = three_per_second(&house).await;
    for _ in 0..3 {
        now(&budget, Lane::Authentication).await.unwrap();
    }
    drop(budget);
    let budget = three_per_second(&house).await;
    assert!(now(&budget, Lane::Authentication).await.is_err());
}

#[tokio::test]
async fn rows_older_than_a_minute_go() {
    let house = House::new();
    let budget = three_per_second(&house).await;
    for _ in 0..100 {
        now(&budget, Lane::Authentication).await.unwrap();
        house.clock.advance(SECOND);
    }
    assert!(rows(&house).await <= 62, "{} rows", rows(&house).await);
    house.clock.advance(2 * MINUTE);
    let budget = three_per_second(&house).await;
    now(&budget, Lane::Authentication).await.unwrap();
    assert_eq!(rows(&house).await, 1);
}

#[tokio::test]
async fn after_a_429_nothing_is_sent_for_as_long_as_it_asks() {
    let house = House::new();
    let budget = three_per_second(&house).await;
    budget.penalise(Some(7 * SECOND));
    assert_eq!(now(&budget, Lane::Authentication).await, Err(BudgetError::Spent { retry_after: 7 * SECOND }));
    house.clock.advance(7 * SECOND);
    now(&budget, Lane::Authentication).await.unwrap();
    budget.penalise(Some(Duration::MAX));
    assert_eq!(budget.wait(Lane::Authentication), Duration::from_mins(15), "no answer stops it for ever");
}

#[tokio::test]
async fn without_retry_after_each_further_429_doubles_the_wait_and_another_answer_ends_that() {
    let house = House::new();
    let budget = three_per_second(&house).await;
    let mut waits = Vec::new();
    for _ in 0..7 {
        budget.penalise(None);
        budget.penalise(None); // a second call was under way: the same penalty
        budget.answered(); // and a third, which was sent before: it says nothing
        let wait = budget.wait(Lane::Authentication);
        waits.push(wait.as_secs());
        house.clock.advance(wait);
    }
    assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60]);
    house.clock.advance(Duration::from_hours(1));
    budget.answered();
    budget.penalise(None);
    assert_eq!(budget.wait(Lane::Batch), 5 * SECOND);
}

#[tokio::test]
async fn what_was_granted_before_a_429_is_not_sent_after_it() {
    let house = House::new();
    let budget = three_per_second(&house).await;
    let reserved = budget.reserve(Lane::Authentication, Duration::ZERO).await.unwrap();
    budget.penalise(Some(9 * SECOND));
    assert_eq!(reserved.used().await, Err(BudgetError::Spent { retry_after: 9 * SECOND }));
}

#[tokio::test]
async fn a_waiting_caller_feels_a_penalty_that_comes_meanwhile() {
    let house = House::new();
    let budget = three_per_second(&house).await;
    for _ in 0..3 {
        now(&budget, Lane::Authentication).await.unwrap();
    }
    let waiting = {
        let budget = budget.clone();
        tokio::spawn(async move { budget.acquire(Lane::Authentication, 5 * SECOND).await.map(drop) })
    };
    settle().await;
    budget.penalise(Some(30 * SECOND));
    assert_eq!(waiting.await.unwrap(), Err(BudgetError::Spent { retry_after: 30 * SECOND }));
}

#[tokio::test]
async fn whoever_waits_for_the_end_of_a_429_is_sent_at_its_end_and_not_turned_away_just_before() {
    for lane in Lane::ALL {
        let house = House::new();
        let budget = three_per_second(&house).await;
        budget.penalise(Some(5 * SECOND));
        let waiting = {
            let budget = budget.clone();
            tokio::spawn(async move { budget.acquire(lane, 10 * SECOND).await.map(drop) })
        };
        // A grant comes a little ahead of its moment: in these steps it does so while nothing is let through yet.
        for _ in 0..499 {
            settle().await;
            house.clock.advance(SECOND / 100);
        }
        settle().await;
        assert!(!waiting.is_finished(), "{lane:?}: {:?}", waiting.await);
        house.clock.advance(SECOND / 50);
        assert_eq!(waiting.await.unwrap(), Ok(()), "{lane:?}");
    }
}

#[tokio::test]
async fn a_clock_that_is_put_back_does_not_stop_the_budget() {
    let house = House::new();
    let budget = three_per_second(&house).await;
    for _ in 0..3 {
        now(&budget, Lane::Authentication).await.unwrap();
    }
    house.clock.turn_back(Duration::from_hours(1));
    let wait = budget.wait(Lane::Authentication);
    assert!(wait > SECOND && wait < 2 * SECOND, "{wait:?}");
    // Nor does a start under a clock that was put back while the service was down.
    let later = house.clock.now();
    let budget = three_per_second(&house).await;
    assert!(budget.wait(Lane::Authentication) < 3 * SECOND, "{later}");
}

#[tokio::test]
async fn the_limiter_for_retrieval_is_of_the_same_kind_and_writes_nothing() {
    let house = House::new();
    let limit = Limit { count: 75, within: 5 * SECOND };
    let budget = Budget::in_memory(Arc::new(house.clock.clone()), &[limit]);
    for _ in 0..75 {
        now(&budget, Lane::Verification).await.unwrap();
    }
    assert!(now(&budget, Lane::Verification).await.is_err());
    house.clock.advance(5 * SECOND + SECOND / 9);
    now(&budget, Lane::Verification).await.unwrap();
    assert_eq!(house.store.commits(), 0);
}

#[tokio::test]
async fn a_permit_counts_from_the_moment_in_which_it_is_used_and_not_from_its_grant() {
    let house = House::new();
    let budget = three_per_second(&house).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(budget.acquire(Lane::Authentication, Duration::ZERO).await.unwrap());
    }
    // A slow disk between grant and sending: the three go out only now, so a fourth would be within their second.
    house.clock.advance(10 * SECOND);
    assert!(now(&budget, Lane::Authentication).await.is_err());
    drop(held);
    house.clock.advance(SECOND);
    assert!(now(&budget, Lane::Authentication).await.is_err(), "the margin is not over");
    house.clock.advance(SECOND / 20);
    now(&budget, Lane::Authentication).await.unwrap();
}
