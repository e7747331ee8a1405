//! What a start puts right, and what it refuses.

use crate::house::House;
use ingest::IngestError;
use model::EnrollmentState;
use seal::Pseudonym;
use std::time::Duration;
use store::faulty::CommitFault;
use vault::{SlotKind, SlotRef, SlotStatus, VaultError};

async fn status(house: &House, slot: SlotRef) -> SlotStatus {
    house.now().vault.view(slot).await.unwrap().status
}

#[tokio::test]
async fn a_committed_facemap_whose_slot_was_not_made_live_is_live_after_the_start() {
    for nth in 1..20 {
        let mut house = House::new().await;
        house.onboard(1, "ines").await;
        let slot = house.enrollment(1).await.row.slot;
        house.store.fail_commit(nth, CommitFault::AmbiguousAfter);
        let _ended = house.run().await;
        let before = status(&house, slot).await;
        house.restart().await;
        if house.state(1).await == EnrollmentState::Vaulted {
            // The first end after the vaulting's commit: the process had no time to make the slot live.
            assert_eq!((before, status(&house, slot).await), (SlotStatus::Prepared, SlotStatus::Live));
            assert_eq!(house.facemap(1).await, b"face 1");
            return;
        }
    }
    panic!("the commit of the vaulting was not found");
}

#[tokio::test]
async fn a_slot_that_no_row_names_is_burnt_after_a_day_and_not_before() {
    let mut house = House::new().await;
    let slot = house.now().vault.prepare(SlotKind::Facemap, Pseudonym::from_bytes([7; 32])).await.unwrap();
    house.restart().await;
    assert_eq!(status(&house, slot).await, SlotStatus::Prepared);
    house.clock.advance(Duration::from_hours(25));
    house.restart().await;
    assert_eq!(status(&house, slot).await, SlotStatus::Burnt);
}

#[tokio::test]
async fn an_epochs_slot_that_no_row_names_is_burnt_at_once() {
    let mut house = House::new().await;
    let slot = house.now().vault.prepare(SlotKind::InboxEpoch, Pseudonym::from_bytes([7; 32])).await.unwrap();
    house.receive(b"a callback of this hour").await;
    house.restart().await;
    assert_eq!(status(&house, slot).await, SlotStatus::Burnt);
    let page = house.now().vault.slots(0).await.unwrap();
    assert_eq!(page.views.iter().filter(|view| view.status == SlotStatus::Live).count(), 1);
}

#[tokio::test]
async fn a_tombstone_whose_slot_is_not_burnt_stops_the_start() {
    let mut house = House::new().await;
    house.onboard(1, "ines").await;
    house.drive().await;
    let mut found = house.enrollment(1).await;
    found.row.enter(EnrollmentState::Purged, house.time());
    found.private = None;
    let mut commit = house.now().register.records().commit();
    house.now().register.update_enrollment(&mut commit, &found).await.unwrap();
    commit.submit().await.unwrap();
    drop(found);
    house.process = None;
    let refused = house.start().await;
    assert!(matches!(refused, Err(IngestError::Vault(VaultError::Mismatch(_)))));
}
