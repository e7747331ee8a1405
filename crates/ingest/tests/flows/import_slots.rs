//! Whatever crashed before an import: once it answers, nobody's facemap lies under a second slot, and the mark of a hold
//! says what the record says.

use crate::{
    house::{House, reference},
    import::{FACE, attested, bring, usable_slots},
};
use model::{EnrollmentState, FacemapBytes};
use store::faulty::CommitFault;
use vault::{SlotKind, SlotStatus, SlotView};

async fn facemap_slots(house: &House) -> Vec<SlotView> {
    let mut views = house.now().vault.slots(0).await.unwrap().views;
    views.retain(|view| view.kind == SlotKind::Facemap);
    views
}

async fn edit(house: &House, number: u8, edit: impl FnOnce(&mut register::EnrollmentRow)) {
    let mut found = house.enrollment(number).await;
    edit(&mut found.row);
    let mut commit = house.now().register.records().commit();
    house.now().register.update_enrollment(&mut commit, &found).await.unwrap();
    commit.submit().await.unwrap();
}

/// Row and slot, and both say the same.
async fn is_held(house: &House, number: u8) -> bool {
    let row = house.enrollment(number).await.row;
    let slot = house.now().vault.view(row.slot).await.unwrap();
    assert_eq!(row.hold, slot.hold, "row and slot");
    row.hold
}

#[tokio::test]
async fn an_import_that_is_repeated_after_a_crash_leaves_no_second_copy() {
    for known in [false, true] {
        for fault in [CommitFault::AmbiguousBefore, CommitFault::AmbiguousAfter] {
            let mut house = House::new().await;
            if known {
                house.announce(1, "ines").await;
            }
            // The first commit writes the begin down.
            house.store.fail_commit(2, fault);
            bring(&house, &attested(1, "ines"), FACE).await.unwrap_err();
            house.restart().await;
            bring(&house, &attested(1, "ines"), FACE).await.unwrap();
            assert_eq!((usable_slots(&house).await, house.contents()), (1, 1), "{known} {fault:?}");
            assert_eq!(house.facemap(1).await, FACE);
        }
    }
}

#[tokio::test]
async fn what_an_import_burns_of_the_living_is_nobody_s_tombstone() {
    let house = House::new().await;
    house.announce(1, "ines").await;
    bring(&house, &attested(1, "ines"), FACE).await.unwrap();
    let views = facemap_slots(&house).await;
    assert_eq!(views.len(), 2);
    for view in views {
        assert_eq!(view.status == SlotStatus::Burnt, view.given_back, "{view:?}");
    }
}

#[tokio::test]
async fn of_imports_at_the_same_moment_one_is_stored_and_none_fails() {
    let house = House::new().await;
    house.announce(1, "ines").await;
    for round in 0..12 {
        let import = attested(round + 1, "ines");
        let import = || house.ingest().import(&import, FacemapBytes::new(FACE.to_vec()));
        let (a, b, c) = tokio::join!(import(), import(), import());
        let done = [a.unwrap(), b.unwrap(), c.unwrap()];
        assert_eq!(done.iter().filter(|done| !done.already).count(), 1);
        let slots = facemap_slots(&house).await;
        let usable = slots.iter().filter(|view| view.status != SlotStatus::Burnt).count();
        assert_eq!((usable, house.contents()), (usize::from(round) + 1, usize::from(round) + 1));
    }
}

#[tokio::test]
async fn a_hold_that_ends_while_an_import_takes_over_leaves_no_mark() {
    let mut met = 0;
    for nth in 1..=3 {
        let house = House::new().await;
        house.announce(1, "ines").await;
        edit(&house, 1, |row| row.hold = true).await;
        let vault = house.now().vault.clone();
        vault.set_hold(house.enrollment(1).await.row.slot, true).await.unwrap();
        let mut paused = house.store.pause_commit(nth);
        let ingest = house.now().ingest.clone();
        let importing = tokio::spawn(async move {
            ingest.import(&attested(1, "ines"), FacemapBytes::new(FACE.to_vec())).await
        });
        assert!(paused.reached().await);
        let row = house.enrollment(1).await.row;
        let marked = facemap_slots(&house).await.iter().any(|view| view.hold && view.slot != row.slot);
        met += u32::from(marked);
        if row.state == EnrollmentState::AwaitingUser {
            vault.set_hold(row.slot, false).await.unwrap();
            edit(&house, 1, |row| row.hold = false).await;
        }
        paused.go();
        importing.await.unwrap().unwrap();
        let is_late = row.state != EnrollmentState::AwaitingUser;
        assert_eq!(is_held(&house, 1).await, is_late, "commit {nth}");
    }
    assert!(met > 0, "a hold ended between the mark and its record");
}

#[tokio::test]
async fn a_hold_goes_with_the_enrollment_to_the_slot_of_an_import() {
    let house = House::new().await;
    house.announce(1, "ines").await;
    let old = house.enrollment(1).await.row.slot;
    edit(&house, 1, |row| row.hold = true).await;
    house.now().vault.set_hold(old, true).await.unwrap();
    bring(&house, &attested(1, "ines"), FACE).await.unwrap();
    assert!(is_held(&house, 1).await);
    assert_eq!(house.now().vault.view(old).await.unwrap().status, SlotStatus::Burnt);
    let view = house.ingest().get(&reference(1)).await.unwrap();
    assert_eq!(view.state, EnrollmentState::Ready);
}
