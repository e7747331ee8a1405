//! The mark of a hold on a slot and the hold in a record are the same thing at rest, whoever moves the enrollment to
//! another slot meanwhile; and slots that no record names go within a day.

use crate::{
    house::{House, face, reference},
    keep::{hold, is_held, release, retention, upkeep},
};
use custody::{CustodyConfig, CustodyError};
use model::{Clock as _, EnrollmentState as S, FacemapBytes};
use std::time::Duration;
use vault::{SlotKind, SlotRef, SlotStatus};

async fn status(house: &House, slot: SlotRef) -> SlotStatus {
    house.now().vault.view(slot).await.unwrap().status
}

/// What an import does: a fresh slot that is held as the record is, one commit, and the old slot is burnt.
async fn taken_over(house: &House, number: u64) {
    let vault = &house.now().vault;
    let slot = vault.prepare(SlotKind::Facemap, house.key(number).0).await.unwrap();
    let put = vault.put(slot, &reference(number), b"", FacemapBytes::new(face(number))).await.unwrap();
    let is_held = house.enrollment(number).await.row.hold;
    vault.set_hold(slot, is_held).await.unwrap();
    let mut old = None;
    house
        .edit(number, |found| {
            old = Some(std::mem::replace(&mut found.row.slot, slot));
            found.row.enter(S::Vaulted, house.clock.now());
            found.private.as_mut().unwrap().contents = Some(put);
        })
        .await;
    vault.set_hold(old.unwrap(), false).await.unwrap();
    vault.burn(old.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_hold_that_meets_an_import_is_in_force_on_the_slot_of_the_import() {
    for nth in 1..=2 {
        let house = House::new().await;
        house.enroll_as(1, 1, S::AwaitingUser, |_| {}).await;
        let mut paused = house.store.pause_commit(nth);
        let custody = house.custody().clone();
        let holding =
            tokio::spawn(async move { custody.hold(&reference(1), crate::keep::hold_order(None)).await });
        assert!(paused.reached().await);
        taken_over(&house, 1).await;
        paused.go();
        holding.await.unwrap().unwrap();
        assert!(is_held(&house, 1).await, "commit {nth}");
        assert!(matches!(house.purge(1).await, Err(CustodyError::Held)));
    }
}

#[tokio::test]
async fn a_release_that_meets_an_import_leaves_nothing_held() {
    let house = House::new().await;
    house.enroll_as(1, 1, S::AwaitingUser, |_| {}).await;
    hold(&house, 1).await.unwrap();
    let mut paused = house.store.pause_commit(1);
    let custody = house.custody().clone();
    let releasing =
        tokio::spawn(async move { custody.release_hold(&reference(1), audit::Actor::System).await });
    assert!(paused.reached().await);
    taken_over(&house, 1).await;
    paused.go();
    releasing.await.unwrap().unwrap();
    assert!(!is_held(&house, 1).await);
    house.purge(1).await.unwrap();
}

#[tokio::test]
async fn a_mark_without_a_hold_is_taken_off_by_a_release_and_by_the_next_start() {
    let mut house = House::new().await;
    let slot = house.enroll(1).await;
    house.now().vault.set_hold(slot, true).await.unwrap();
    assert!(matches!(house.purge(1).await, Err(CustodyError::Held)), "either is enough");
    release(&house, 1).await.unwrap();
    assert!(!is_held(&house, 1).await);
    house.now().vault.set_hold(slot, true).await.unwrap();
    house.restart().await;
    assert!(!is_held(&house, 1).await);
    house.purge(1).await.unwrap();
}

#[tokio::test]
async fn the_start_takes_no_mark_off_whose_record_is_held_or_does_not_say() {
    let mut house = House::new().await;
    house.enroll(1).await;
    hold(&house, 1).await.unwrap();
    let unnamed = house.now().vault.prepare(SlotKind::Facemap, house.key(2).0).await.unwrap();
    house.now().vault.set_hold(unnamed, true).await.unwrap();
    house.restart().await;
    assert!(is_held(&house, 1).await);
    assert!(house.now().vault.view(unnamed).await.unwrap().hold, "it may be an import on its way");
}

#[tokio::test]
async fn the_housekeeping_burns_slots_that_nobody_named_for_a_day_and_no_others() {
    let config = CustodyConfig { retention: retention(), ..CustodyConfig::default() };
    let house = House::with(config).await;
    let (vault, key) = (house.now().vault.clone(), house.key(1));
    let waiting = house.enroll_as(1, 1, S::AwaitingUser, |_| {}).await;
    let live = house.enroll(2).await;
    let mut left = Vec::new();
    for number in [1, 2, 3] {
        let slot = vault.prepare(SlotKind::Facemap, house.key(number).0).await.unwrap();
        vault.put(slot, &reference(number), b"", FacemapBytes::new(face(number))).await.unwrap();
        left.push(slot);
    }
    vault.set_hold(left[0], true).await.unwrap();
    vault.set_hold(left[2], true).await.unwrap();
    let epoch = vault.prepare(SlotKind::InboxEpoch, key.0).await.unwrap();
    upkeep(&house).await;
    house.pass(Duration::from_hours(23)).await;
    let young = vault.prepare(SlotKind::Facemap, house.key(3).0).await.unwrap();
    for slot in &left {
        assert_eq!(status(&house, *slot).await, SlotStatus::Prepared, "it may be an import on its way");
    }
    house.pass(Duration::from_hours(3)).await;
    for slot in left {
        assert_eq!(status(&house, slot).await, SlotStatus::Burnt);
        let id = slot.facemap.to_string();
        assert!(!house.dir.path().join("content").join(&id[..2]).join(&id).exists());
    }
    for slot in [waiting, epoch, young] {
        assert_eq!(status(&house, slot).await, SlotStatus::Prepared);
    }
    assert_eq!(status(&house, live).await, SlotStatus::Live);
}
