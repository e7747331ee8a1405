//! Forgetting that ends half way, and what comes after it.

use crate::{
    forget::{Copied, copies, forget, kill, large, opening, result},
    house::{House, callback, reference},
    inbox::epochs,
    jumio::Scan,
};
use ingest::{CallbackOutcome, TokenScope};
use model::{AuthenticationId, AuthenticationState, CallbackId, EnrollmentState, rng::SeededRng};
use queue::{Handler as _, HandlerError, Kind, testing::assert_no_jobs_left};
use std::time::Duration;
use store::faulty::CommitFault;
use vault::SlotStatus;

/// What custody does to an enrollment first.
async fn purging(house: &House, number: u8, state: EnrollmentState) {
    let mut found = house.enrollment(number).await;
    found.row.enter(state, house.time());
    let register = &house.now().register;
    let mut commit = register.records().commit();
    register.update_enrollment(&mut commit, &found).await.unwrap();
    commit.submit().await.unwrap();
}

/// A house with bodies about two people in every state, what they look like, and whose survive.
async fn full_house() -> (House, Vec<Copied>, CallbackId) {
    let house = House::new().await;
    house.jumio.holds(reference(2), Scan::approved("juan", b"face"));
    let dead = house.receive(&callback(reference(1), "ines")).await;
    kill(&house, dead).await;
    house.receive(&large(1, "ines")).await;
    let others = house.receive(&large(2, "juan")).await;
    let old = copies(&house).await;
    (house, old, others)
}

async fn is_forgotten(house: &House, old: &[Copied], others: CallbackId) {
    assert_eq!(opening(house, old).await, 0);
    house.announce(2, "juan").await;
    house.drive_for(Duration::from_hours(3)).await;
    assert!(house.outcome(others).await.is_some(), "the other's callback was judged");
    assert!(house.now().queue.dead_letters(None, 10).await.unwrap().is_empty());
    assert!(epochs(house).await.iter().all(|epoch| epoch.status == SlotStatus::Burnt));
    assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn a_round_that_ends_before_or_after_any_commit_is_finished_by_the_next_process() {
    for fault in [CommitFault::AmbiguousBefore, CommitFault::AmbiguousAfter] {
        for nth in 1.. {
            let (mut house, old, others) = full_house().await;
            house.store.fail_commit(nth, fault);
            let was_reached = house.ingest().forget(&reference(1), &[]).await.is_err();
            house.restart().await;
            forget(&house, 1).await;
            is_forgotten(&house, &old, others).await;
            if !was_reached {
                assert!(nth > 4, "the faults were reached: {nth}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_commit_that_conflicts_and_a_full_disk_lose_nothing() {
    for fault in [CommitFault::Conflict, CommitFault::NoSpace] {
        for nth in 1..8 {
            let (house, old, others) = full_house().await;
            house.store.fail_commit(nth, fault);
            let _full = house.ingest().forget(&reference(1), &[]).await;
            forget(&house, 1).await;
            // A fault that was not reached belongs to no round.
            house.store.restart();
            is_forgotten(&house, &old, others).await;
        }
    }
}

#[tokio::test]
async fn a_round_that_ends_at_any_step_of_the_vault_is_finished_by_the_next_process() {
    for step in vault::STEPS {
        let (mut house, old, others) = full_house().await;
        house.now().vault.fail_at(Some(step));
        let _stopped = house.ingest().forget(&reference(1), &[]).await;
        house.restart().await;
        forget(&house, 1).await;
        is_forgotten(&house, &old, others).await;
    }
}

#[tokio::test]
async fn what_comes_too_late_meets_the_tombstone_and_its_epoch_ends_within_minutes() {
    for state in [EnrollmentState::Purging, EnrollmentState::Purged] {
        let house = House::new().await;
        house.announce(1, "ines").await;
        let id = house.authenticated(1, "ines", AuthenticationState::Failed, Duration::from_mins(5)).await;
        purging(&house, 1, state).await;
        forget(&house, 1).await;
        let of_another = TokenScope::Authentication(AuthenticationId::random(&SeededRng::new(3)));
        let bodies = [
            (callback(reference(1), "ines"), TokenScope::Portal),
            (result(1, Some(1)), TokenScope::Portal),
            (result(1, Some(1)), TokenScope::Authentication(id)),
            (callback(reference(1), "ines"), of_another),
        ];
        let mut late = Vec::new();
        for (body, scope) in bodies {
            late.push(house.ingest().receive(&body, scope, None).await.unwrap());
        }
        let old = copies(&house).await;
        // A callback that nothing is wrong with, in the same epoch.
        house.receive(&callback(reference(2), "juan")).await;
        house.drive_for(Duration::from_secs(90)).await;
        for id in late {
            assert_eq!(house.outcome(id).await, Some(CallbackOutcome::Tombstone));
        }
        assert_eq!((old.len(), opening(&house, &old).await), (4, 0));
        assert_eq!(house.state(1).await, state, "and nobody comes back");
        house.drive_for(Duration::from_hours(2)).await;
        assert_no_jobs_left(&house.now().queue).await;
    }
}

#[tokio::test]
async fn the_epoch_of_a_callback_that_was_not_late_lasts_for_its_hour() {
    let house = House::new().await;
    house.receive(&callback(reference(2), "juan")).await;
    house.drive_for(Duration::from_mins(50)).await;
    assert_eq!(epochs(&house).await[0].status, SlotStatus::Live);
}

#[tokio::test]
async fn a_worker_who_has_the_callback_in_hand_does_nothing_with_it_any_more() {
    let house = House::new().await;
    house.jumio.holds(reference(1), Scan::approved("ines", b"face"));
    house.announce(1, "ines").await;
    house.drive().await;
    let id = house.receive(&callback(reference(1), "ines")).await;
    let queue = &house.now().queue;
    let lease = queue.lease_due(&[Kind::Callback], Duration::from_mins(1)).await.unwrap().unwrap();
    forget(&house, 1).await;
    let handled = house.ingest().handle(&lease).await;
    assert!(matches!(handled, Err(HandlerError::LeaseLost)), "{handled:?}");
    assert_eq!(house.outcome(id).await, Some(CallbackOutcome::Tombstone));
}
