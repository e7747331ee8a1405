//! A nudge is never lost: some run begins after it.

use super::{House, MINUTE, job, lease};
use crate::{Failure, Kind, Queue, Retried};
use model::Clock as _;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

const LATER: Duration = Duration::from_hours(10);

#[tokio::test]
async fn a_nudge_brings_a_waiting_job_forward() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), LATER).await;
    house.nudge(&queue, &job(1)).await;
    assert!(lease(&queue).await.is_some());
    let mut commit = house.records.commit();
    assert!(!queue.nudge(&mut commit, &job(2)).await.unwrap(), "there is no such job");
}

#[tokio::test]
async fn a_nudge_does_not_put_off_a_job_that_is_due_already() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let due = house.clock.now();
    house.clock.advance(MINUTE);
    house.nudge(&queue, &job(1)).await;
    assert_eq!(queue.next_due(&[Kind::Enrollment]).await.unwrap(), Some(due));
}

#[tokio::test]
async fn a_nudge_while_a_worker_has_the_job_makes_it_run_again_however_the_worker_ends() {
    for way in 0..6 {
        let house = House::new();
        let queue = house.open(true).await;
        house.schedule(&queue, &job(1), Duration::ZERO).await;
        let first = lease(&queue).await.unwrap();
        house.nudge(&queue, &job(1)).await;
        assert!(lease(&queue).await.is_none(), "one worker at a time, nudged or not");
        let later = house.in_(LATER);
        house
            .commit(async |commit| match way {
                0 => first.complete(commit).await,
                1 => first.again_at(commit, later).await,
                2 => first.again_with(commit, later, json!(1)).await,
                3 => {
                    let retried = first.retry(commit, &Failure::item("x").not_before(LATER)).await?;
                    assert_eq!(retried, Retried::At(house.clock.now()));
                    Ok(())
                }
                _ => Ok(()),
            })
            .await
            .unwrap();
        match way {
            4 => first.release().await.unwrap(),
            5 => house.clock.advance(MINUTE),
            _ => {}
        }
        let second = lease(&queue).await.unwrap_or_else(|| panic!("way {way} lost the nudge"));
        house.commit(async |commit| second.complete(commit).await).await.unwrap();
        crate::testing::assert_no_jobs_left(&queue).await;
    }
}

#[tokio::test]
async fn a_nudge_between_building_and_submitting_the_last_commit_is_not_lost() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let first = lease(&queue).await.unwrap();
    let mut commit = house.records.commit();
    first.complete(&mut commit).await.unwrap();
    house.nudge(&queue, &job(1)).await;
    assert!(commit.submit().await.unwrap_err().is_conflict());
    house.commit(async |commit| first.complete(commit).await).await.unwrap();
    assert!(lease(&queue).await.is_some());
}

#[tokio::test]
async fn what_is_scheduled_while_a_worker_has_the_job_runs_after_it_with_the_newer_payload() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let first = lease(&queue).await.unwrap();
    let due = house.in_(MINUTE);
    house.commit(async |commit| queue.schedule(commit, &job(1), due, json!("new")).await).await.unwrap();
    let far = house.in_(LATER);
    house.commit(async |commit| first.again_with(commit, far, json!("old")).await).await.unwrap();
    assert_eq!(queue.next_due(&[Kind::Enrollment]).await.unwrap(), Some(due));
    house.clock.advance(MINUTE);
    assert_eq!(lease(&queue).await.unwrap().payload::<Value>().unwrap(), json!("new"));
}

#[tokio::test]
async fn a_nudge_survives_a_restart_and_a_later_schedule() {
    let house = House::new();
    let queue = house.open(true).await;
    house.schedule(&queue, &job(1), Duration::ZERO).await;
    let _orphan = lease(&queue).await.unwrap();
    house.nudge(&queue, &job(1)).await;
    house.schedule(&queue, &job(1), LATER).await;
    let queue = house.open(true).await;
    assert!(lease(&queue).await.is_some());
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Nudge,
    Lease,
    Complete,
    Again,
    Retry,
    Wait,
    Restart,
    StaleComplete,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        Just(Act::Nudge),
        Just(Act::Lease),
        Just(Act::Complete),
        Just(Act::Again),
        Just(Act::Retry),
        Just(Act::Wait),
        Just(Act::Restart),
        Just(Act::StaleComplete),
    ];
    proptest::collection::vec(act, 1..60)
}

/// Plays the acts; `true` when a nudge that met a job is still waiting for a run to begin after it, and none can.
async fn a_nudge_was_lost(acts: &[Act]) -> bool {
    let house = House::new();
    let mut queue: Queue = house.open(true).await;
    house.schedule(&queue, &job(1), LATER).await;
    let (mut hand, mut stale, mut owed) = (None, None, false);
    for act in acts {
        match act {
            Act::Nudge => {
                let mut commit = house.records.commit();
                owed |= queue.nudge(&mut commit, &job(1)).await.unwrap();
                commit.submit().await.unwrap();
            }
            Act::Lease => {
                if let Some(new) = lease(&queue).await {
                    stale = hand.replace(new);
                    owed = false;
                }
            }
            Act::Wait => house.clock.advance(MINUTE),
            Act::Restart => queue = house.open(true).await,
            Act::StaleComplete => {
                if let Some(late) = &stale {
                    let done = house.commit(async |commit| crate::Lease::complete(late, commit).await).await;
                    assert!(done.is_err(), "a fenced worker committed");
                }
            }
            Act::Complete | Act::Again | Act::Retry => {
                let Some(mine) = hand.take() else { continue };
                let later = house.in_(LATER);
                let _fenced = house
                    .commit(async |commit| match act {
                        Act::Complete => mine.complete(commit).await,
                        Act::Again => mine.again_at(commit, later).await,
                        _ => mine.retry(commit, &Failure::here("x").not_before(LATER)).await.map(drop),
                    })
                    .await;
                stale = Some(mine);
            }
        }
    }
    house.clock.advance(MINUTE);
    owed && lease(&queue).await.is_none()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn after_every_nudge_a_run_begins(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        prop_assert!(!runtime.block_on(a_nudge_was_lost(&acts)));
    }
}
