//! Interrupted anywhere it completes after the restart, and at no moment does the record say purged while the slot holds.

use crate::house::{House, reference, seconds};
use custody::CustodyError;
use jumio::scripted::{Endpoint, Script};
use model::{AuthenticationState, EnrollmentState as S};
use queue::{Handler as _, testing};
use receipt::JumioState;
use store::faulty::CommitFault;
use vault::{SlotRef, SlotStatus, Step};

pub(crate) async fn house() -> (House, SlotRef) {
    let house = House::new().await;
    let slot = house.enroll_as(1, 1, S::Vaulted, |_| {}).await;
    house.authenticate(1, Some(1), AuthenticationState::Passed).await;
    *house.inbox.bodies.lock().unwrap() = 2;
    (house, slot)
}

async fn check_invariant(house: &House, slot: SlotRef, at: &str) {
    let is_burnt = house.now().vault.view(slot).await.unwrap().status == SlotStatus::Burnt;
    if house.state(1).await == S::Purged {
        assert!(is_burnt, "{at}: the record says purged while the slot holds");
    }
}

/// After a restart jobs end it, or it had not begun.
pub(crate) async fn completes(house: &mut House, slot: SlotRef, at: &str) {
    house.restart().await;
    goes_on(house, slot, at).await;
}

/// Jobs end it, or it had not begun.
pub(crate) async fn goes_on(house: &House, slot: SlotRef, at: &str) {
    check_invariant(house, slot, at).await;
    let is_begun = house.state(1).await != S::Vaulted;
    if is_begun {
        house.pass(seconds(600)).await;
        assert_eq!(house.state(1).await, S::Purged, "{at}: it completes by itself");
    }
    let view = house.purge(1).await.unwrap();
    house.pass(seconds(600)).await;
    check_invariant(house, slot, at).await;
    let last = house.purge(1).await.unwrap();
    assert_eq!(last.receipt, view.receipt, "{at}: one receipt");
    assert_eq!(last.jumio_deletion, JumioState::Done, "{at}");
    assert!(house.jumio.count(Endpoint::DeleteScan) >= 1, "{at}");
    let statement = house.checked(last.receipt.as_ref().unwrap());
    assert_eq!(statement.destroyed.authentications, 1, "{at}");
    testing::assert_no_jobs_left(&house.now().queue).await;
    let page = house.now().vault.slots(0).await.unwrap();
    assert!(page.views.iter().all(|view| view.status == SlotStatus::Burnt), "{at}: every slot is burnt");
}

#[tokio::test]
async fn killed_at_every_commit_it_completes() {
    for fault in [CommitFault::AmbiguousBefore, CommitFault::AmbiguousAfter] {
        for nth in 1.. {
            let (mut house, slot) = house().await;
            house.store.fail_commit(nth, fault);
            let at = format!("{fault:?} at commit {nth}");
            let done = house.purge(1).await;
            if done.is_ok() && house.store.commits() > 0 && house.store_is_well() {
                assert!(nth > 7, "{nth}: there are that many commits at least");
                break;
            }
            completes(&mut house, slot, &at).await;
        }
    }
}

#[tokio::test]
async fn killed_at_every_step_of_the_vault_it_completes() {
    for step in vault::STEPS {
        let (mut house, slot) = house().await;
        house.now().vault.fail_at(Some(step));
        let done = house.purge(1).await;
        let at = format!("{step:?}");
        if matches!(step, Step::Prepared | Step::Burnt | Step::Overwritten) {
            assert!(matches!(done, Err(CustodyError::Vault(_))), "{at}: {done:?}");
            assert_eq!(house.state(1).await, S::Purging, "{at}");
        } else {
            done.unwrap();
        }
        completes(&mut house, slot, &at).await;
    }
}

#[tokio::test]
async fn killed_at_every_commit_of_the_second_statement_it_completes() {
    for fault in [CommitFault::AmbiguousBefore, CommitFault::AmbiguousAfter] {
        for nth in 1.. {
            let (mut house, slot) = house().await;
            house.jumio.script(Endpoint::DeleteScan, Script::unavailable());
            let first = house.purge(1).await.unwrap();
            assert_eq!(first.jumio_deletion, JumioState::Pending);
            house.store.fail_commit(nth, fault);
            let due = house.now().queue.lease_due(&[queue::Kind::JumioDeletion], seconds(60)).await;
            if let Ok(Some(lease)) = due {
                let _killed = house.custody().handle(&lease).await;
            }
            if house.store_is_well() {
                assert!(nth > 3, "{nth}");
                break;
            }
            completes(&mut house, slot, &format!("{fault:?} at commit {nth}")).await;
        }
    }
}

#[tokio::test]
async fn a_full_disk_or_an_inbox_that_is_away_puts_it_off_and_no_more() {
    let (house, slot) = house().await;
    *house.inbox.fails.lock().unwrap() = true;
    assert!(matches!(house.purge(1).await, Err(CustodyError::Forget(_))));
    assert_eq!(house.state(1).await, S::Purging);
    assert_eq!(house.now().vault.view(slot).await.unwrap().status, SlotStatus::Live);
    *house.inbox.fails.lock().unwrap() = false;
    house.pass(seconds(120)).await;
    assert_eq!(house.state(1).await, S::Purged);
    assert_eq!(house.inbox.asked.lock().unwrap()[0].0, reference(1));
}

#[tokio::test]
async fn somebody_elses_commit_in_between_is_met_by_deciding_again() {
    for nth in 2..8 {
        let (house, _) = house().await;
        house.store.fail_commit(nth, CommitFault::Conflict);
        let view = house.purge(1).await.unwrap();
        assert_eq!(house.checked(view.receipt.as_ref().unwrap()).destroyed.authentications, 1, "{nth}");
        house.drive().await;
        testing::assert_no_jobs_left(&house.now().queue).await;
        let page = house.now().vault.slots(0).await.unwrap();
        assert!(page.views.iter().all(|view| view.status == SlotStatus::Burnt), "{nth}");
    }
}
