//! While a hold is in force nothing destroys the person's data.

use crate::{
    house::{House, reference},
    keep::{days, hold, hold_order, house, is_held, purged, release, retention, told, upkeep, vaulted},
};
use audit::{Action, Actor, Outcome};
use custody::CustodyError;
use model::{Clock as _, EnrollmentState as S};
use records::tables;
use std::time::Duration;
use store::{Range, Store as _, faulty::CommitFault};

#[tokio::test]
async fn a_held_enrollment_is_not_purged_and_after_its_release_it_is() {
    let house = House::new().await;
    house.enroll(1).await;
    let view = hold(&house, 1).await.unwrap();
    assert_eq!(view.case_reference.unwrap().as_str(), "CASE-1");
    assert!(is_held(&house, 1).await);
    assert!(matches!(house.purge(1).await, Err(CustodyError::Held)));
    assert_eq!(house.state(1).await, S::Ready, "nothing was changed");
    release(&house, 1).await.unwrap();
    assert!(!is_held(&house, 1).await);
    house.purge(1).await.unwrap();
    assert_eq!(house.state(1).await, S::Purged);
    assert_eq!(told(&house, Action::HoldSet).await, [(None, None), (Some(Outcome::Done), None)]);
    assert_eq!(told(&house, Action::HoldReleased).await, [(Some(Outcome::Done), Some("released".into()))]);
}

#[tokio::test]
async fn a_hold_on_what_is_unknown_purged_or_to_end_in_the_past_is_refused_and_changes_nothing() {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll(2).await;
    house.purge(2).await.unwrap();
    let before = house.book().await.len();
    assert!(matches!(hold(&house, 9).await, Err(CustodyError::UnknownEnrollment)));
    assert!(matches!(release(&house, 9).await, Err(CustodyError::UnknownEnrollment)));
    assert!(matches!(hold(&house, 2).await, Err(CustodyError::Purged)));
    assert!(matches!(release(&house, 2).await, Err(CustodyError::Purged)));
    let past = hold_order(Some(house.clock.now()));
    let refused = house.custody().hold(&reference(1), past).await;
    assert!(matches!(refused, Err(CustodyError::HoldUntilPast)));
    assert!(!is_held(&house, 1).await);
    assert_eq!(house.book().await.len(), before);
    assert!(house.store.scan(tables::HOLDS, &Range::default(), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_hold_that_cannot_be_written_down_is_not_set() {
    let house = House::new().await;
    house.enroll(1).await;
    house.store.set_no_space(true);
    let refused = hold(&house, 1).await;
    assert!(matches!(refused, Err(CustodyError::Audit(_))), "{refused:?}");
    house.store.set_no_space(false);
    assert!(!is_held(&house, 1).await);
}

#[tokio::test]
async fn a_second_hold_takes_the_place_of_the_first_and_a_release_of_nothing_is_nothing() {
    let house = House::new().await;
    house.enroll(1).await;
    hold(&house, 1).await.unwrap();
    let until = house.clock.now() + days(3);
    let view = house.custody().hold(&reference(1), hold_order(Some(until))).await.unwrap();
    assert_eq!(view.until, Some(until));
    let enrollment = house.enrollment(1).await;
    assert_eq!(house.custody().hold_on(&enrollment).await.unwrap(), Some(view));
    release(&house, 1).await.unwrap();
    let before = house.book().await.len();
    release(&house, 1).await.unwrap();
    assert_eq!(house.book().await.len(), before);
}

async fn turns(turns: u64) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn of_a_hold_and_a_purge_at_the_same_moment_one_wins_and_the_other_is_refused() {
    let mut outcomes = [0, 0];
    for round in 0..60_u64 {
        let house = House::new().await;
        house.enroll(1).await;
        let custody = house.custody().clone();
        let order = async move { custody.hold(&reference(1), hold_order(None)).await };
        // Now the one, now the other has the start of so many turns.
        let (held, purged) = if round % 2 == 0 {
            let holding = tokio::spawn(order);
            turns(round / 2).await;
            let purged = house.purge(1).await;
            (holding.await.unwrap(), purged)
        } else {
            let purging = house.purging(1);
            turns(round / 2).await;
            (order.await, purging.await.unwrap())
        };
        match (&held, &purged) {
            (Ok(_), Err(CustodyError::Held)) => {
                assert!(is_held(&house, 1).await);
                assert_eq!(house.state(1).await, S::Ready);
                outcomes[0] += 1;
            }
            (Err(CustodyError::Purged), Ok(_)) => {
                assert_eq!(house.state(1).await, S::Purged);
                outcomes[1] += 1;
            }
            other => panic!("round {round}: {other:?}"),
        }
    }
    assert!(outcomes[0] > 0 && outcomes[1] > 0, "{outcomes:?}: both must be met");
}

#[tokio::test]
async fn somebody_else_s_change_of_the_row_does_not_lose_the_hold() {
    let house = House::new().await;
    house.enroll(1).await;
    // The first commit is the begin's; the second the hold's.
    house.store.fail_commit(2, CommitFault::Conflict);
    hold(&house, 1).await.unwrap();
    assert!(is_held(&house, 1).await);
    house.store.fail_commit(1, CommitFault::Conflict);
    release(&house, 1).await.unwrap();
    assert!(!is_held(&house, 1).await);
}

#[tokio::test]
async fn a_crash_at_any_commit_of_a_hold_never_leaves_the_person_half_held() {
    for nth in 1..=3 {
        for fault in [CommitFault::AmbiguousBefore, CommitFault::AmbiguousAfter] {
            let mut house = House::new().await;
            house.enroll(1).await;
            house.store.fail_commit(nth, fault);
            let held = hold(&house, 1).await;
            house.restart().await;
            house.custody().start_upkeep().await.unwrap();
            let is_held = is_held(&house, 1).await;
            assert!(is_held || held.is_err(), "{nth} {fault:?}: told it is held, and it is not");
            let purged = house.purge(1).await;
            assert_eq!(matches!(purged, Err(CustodyError::Held)), is_held, "{nth} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_slot_whose_mark_was_lost_in_a_crash_is_marked_at_the_next_start() {
    let mut house = House::new().await;
    let slot = house.enroll(1).await;
    hold(&house, 1).await.unwrap();
    house.now().vault.set_hold(slot, false).await.unwrap();
    assert!(matches!(house.purge(1).await, Err(CustodyError::Held)), "the row alone is enough");
    house.restart().await;
    house.custody().start_upkeep().await.unwrap();
    assert!(is_held(&house, 1).await);
}

#[tokio::test]
async fn a_hold_ends_at_its_time_by_itself_and_not_before() {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll(2).await;
    let until = house.clock.now() + days(2);
    house.custody().hold(&reference(1), hold_order(Some(until))).await.unwrap();
    hold(&house, 2).await.unwrap();
    house.custody().start_upkeep().await.unwrap();
    house.pass(Duration::from_mins(47 * 60 + 30)).await;
    assert!(is_held(&house, 1).await);
    house.pass(Duration::from_hours(2)).await;
    assert!(!is_held(&house, 1).await);
    assert!(is_held(&house, 2).await);
    assert_eq!(told(&house, Action::HoldReleased).await, [(Some(Outcome::Done), Some("until".into()))]);
    let entry = house.book().await.into_iter().find(|item| item.entry.action == Action::HoldReleased);
    assert_eq!(entry.unwrap().entry.actor, Actor::System);
}

#[tokio::test]
async fn no_hold_ends_and_no_slot_is_made_free_on_a_clock_that_jumped_or_differs() {
    let house = House::new().await;
    let burnt = house.enroll(3).await;
    house.purge(3).await.unwrap();
    house.drive().await;
    house.enroll(1).await;
    let until = house.clock.now() + days(2);
    house.custody().hold(&reference(1), hold_order(Some(until))).await.unwrap();
    upkeep(&house).await;
    house.clock.jump(days(400));
    house.pass(Duration::from_mins(61)).await;
    assert!(is_held(&house, 1).await, "the clock has jumped");
    // The clock stays wrong: Jumio's shows it.
    house.jumio.be_ahead(-jiff::SignedDuration::from_hours(24 * 400));
    house.pass(days(2)).await;
    assert!(is_held(&house, 1).await, "the clock differs from Jumio's");
    assert!(house.now().vault.view(burnt).await.is_ok());
    house.jumio.be_ahead(jiff::SignedDuration::ZERO);
    house.pass(days(2)).await;
    assert!(!is_held(&house, 1).await, "now Jumio agrees that so much time has passed");
    assert!(house.now().vault.view(burnt).await.is_err());
}

#[tokio::test]
async fn burnt_slots_are_made_free_after_the_backup_horizon_and_not_before() {
    let house = House::new().await;
    house.enroll(1).await;
    let burnt = house.enroll(2).await;
    house.purge(2).await.unwrap();
    house.custody().start_upkeep().await.unwrap();
    house.pass(days(29)).await;
    assert!(house.now().vault.view(burnt).await.is_ok());
    house.pass(days(2)).await;
    assert!(house.now().vault.view(burnt).await.is_err());
    assert_eq!(house.state(2).await, S::Purged, "the tombstone stays");
    assert!(matches!(hold(&house, 2).await, Err(CustodyError::Purged)));
}

#[tokio::test]
async fn a_hold_wins_over_retention_and_takes_nobodys_place() {
    // One a day: whoever is held must not use it up.
    let house = house(custody::RetentionConfig { max_fraction_per_day: 0.01, ..retention() }).await;
    for number in 1..=9 {
        vaulted(&house, number, days(31)).await;
    }
    for number in 1..=8 {
        hold(&house, number).await.unwrap();
    }
    upkeep(&house).await;
    assert_eq!(purged(&house, 1, 10).await, [9]);
    let status = house.custody().retention_status().await.unwrap();
    assert_eq!((status.due, status.held, status.total), (1, 8, 9));
}
