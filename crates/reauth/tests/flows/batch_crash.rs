//! The process dies at every commit of a batch: whatever was begun is found again, and nothing is done twice.

use crate::{
    batch_house::{ends, go_on, items, links, seen, start, transactions, users},
    house::{House, seconds, user},
};
use queue::run_workers;
use register::{ItemOutcome as O, ItemReason as W, ItemState as I};
use std::{sync::Arc, time::Duration};
use store::faulty::CommitFault;
use tokio::sync::watch;

const PEOPLE: u64 = 3;

async fn town() -> House {
    let house = House::new().await;
    for number in 1..=PEOPLE {
        house.enroll(number).await;
    }
    house
}

/// Works until the store fails, and ends the process. Whether it failed before everything was done.
async fn dies_at(house: &mut House, commit: u64, fault: CommitFault) -> bool {
    house.store.fail_commit(commit, fault);
    let process = house.now();
    let (_stop, stopped) = watch::channel(false);
    let handlers: Vec<Arc<dyn queue::Handler>> = vec![Arc::new(process.reauth.clone())];
    let workers = tokio::spawn(run_workers(process.queue.clone(), handlers, 1, stopped));
    let mut died = false;
    for _ in 0..60 {
        house.clock.advance(Duration::from_millis(50));
        crate::batch_house::rest(house).await;
        died |= workers.is_finished();
    }
    workers.abort();
    drop(workers.await);
    house.restart().await;
    died
}

#[tokio::test]
async fn links_are_made_once_at_whatever_commit_the_process_dies() {
    for fault in [CommitFault::AmbiguousBefore, CommitFault::AmbiguousAfter] {
        let mut deaths = 0;
        for commit in 1.. {
            let mut house = town().await;
            let id = start(&house, &links(), users(1..=PEOPLE)).await;
            let died = dies_at(&mut house, commit, fault).await;
            deaths += u32::from(died);
            house.pass(Duration::from_mins(3)).await;
            assert!(items(&house, id).await.iter().all(|item| item.state == I::Linked), "{fault:?} {commit}");
            for number in 1..=PEOPLE {
                let made = house.register().links_of_user(&user(number), None, 10).await.unwrap();
                assert_eq!(made.len(), 1, "{fault:?} {commit}");
            }
            if !died {
                break;
            }
        }
        assert!(deaths >= 3, "{deaths}");
    }
}

/// Each person is posted at most once, and whoever is not has an outcome that nobody knows.
#[tokio::test]
async fn nobody_is_posted_twice_at_whatever_commit_the_process_dies() {
    for fault in [CommitFault::AmbiguousBefore, CommitFault::AmbiguousAfter] {
        let (mut deaths, mut unknown) = (0, 0);
        for commit in 1.. {
            let mut house = town().await;
            let id = start(&house, &transactions(), users(1..=PEOPLE)).await;
            let died = dies_at(&mut house, commit, fault).await;
            deaths += u32::from(died);
            go_on(&house, seconds(90)).await;
            let started = house.started();
            for number in 1..=PEOPLE {
                let posts =
                    started.iter().filter(|one| one.request.user_reference == Some(user(number))).count();
                let (state, reason, _) = ends(&house, id).await[usize::try_from(number).unwrap() - 1];
                match (state, reason) {
                    (I::Initiated, None) => assert_eq!(posts, 1, "{fault:?} {commit}"),
                    (I::Failed, Some(W::OutcomeUnknown)) => {
                        unknown += 1;
                        assert!(posts <= 1, "{fault:?} {commit}: {posts}");
                    }
                    other => panic!("{fault:?} {commit}: {other:?}"),
                }
            }
            let view = seen(&house, id).await;
            assert_eq!(view.states.values().sum::<u64>(), PEOPLE);
            if !died {
                break;
            }
        }
        assert!(deaths >= 10, "{deaths}");
        assert!(unknown > 0, "no death came while a post was under way");
    }
}

#[tokio::test]
async fn what_was_initiated_before_a_crash_is_found_by_its_id() {
    // Backwards from the last commit: the first death at which every post is settled, and not yet counted.
    for commit in (1..60).rev() {
        let mut house = town().await;
        let id = start(&house, &transactions(), users(1..=PEOPLE)).await;
        if !dies_at(&mut house, commit, CommitFault::AmbiguousBefore).await || house.posts() < 3 {
            continue;
        }
        let in_hand = house.register().batch(id).await.unwrap().unwrap().value.in_hand.len();
        if in_hand == 0 {
            continue;
        }
        go_on(&house, seconds(90)).await;
        assert_eq!(house.posts(), 3, "nobody is posted again");
        assert!(ends(&house, id).await.iter().all(|end| *end == (I::Initiated, None, Some(O::Open))));
        return;
    }
    panic!("no death came between the last post and its count");
}
