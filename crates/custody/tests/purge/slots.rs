//! Whatever crashed before a purge, and whoever moves the enrollment meanwhile: afterwards no slot of the person's is
//! unburnt, and nothing of theirs lies on the disk.

use crate::house::{House, face, reference};
use custody::CustodyError;
use model::{Clock as _, EnrollmentState as S, FacemapBytes};
use std::{fs, os::unix::fs::FileExt as _};
use store::faulty::CommitFault;
use vault::{SlotKind, SlotRef, SlotStatus, Step};

/// A slot as an import leaves it that died before its commit.
async fn left_behind(house: &House, number: u64) -> SlotRef {
    let vault = &house.now().vault;
    let slot = vault.prepare(SlotKind::Facemap, house.key(number).0).await.unwrap();
    vault.put(slot, &reference(number), b"", FacemapBytes::new(face(number))).await.unwrap();
    slot
}

/// What an import does to an enrollment without a facemap: a fresh slot, one commit, and the old slot is burnt.
async fn taken_over(house: &House, number: u64) -> SlotRef {
    let vault = &house.now().vault;
    let slot = vault.prepare(SlotKind::Facemap, house.key(number).0).await.unwrap();
    let put = vault.put(slot, &reference(number), b"", FacemapBytes::new(face(number))).await.unwrap();
    let mut old = None;
    house
        .edit(number, |found| {
            old = Some(std::mem::replace(&mut found.row.slot, slot));
            found.row.enter(S::Vaulted, house.clock.now());
            found.row.vaulted_at = Some(house.clock.now());
            found.private.as_mut().unwrap().contents = Some(put);
        })
        .await;
    vault.set_hold(old.unwrap(), false).await.unwrap();
    vault.burn(old.unwrap()).await.unwrap();
    vault.make_live(slot).await.unwrap();
    slot
}

fn content_files(house: &House) -> usize {
    let folders = fs::read_dir(house.dir.path().join("content")).unwrap().flatten();
    folders.map(|folder| fs::read_dir(folder.path()).map_or(0, Iterator::count)).sum()
}

async fn nothing_is_left(house: &House, at: &str) {
    let page = house.now().vault.slots(0).await.unwrap();
    for view in page.views.iter().filter(|view| view.kind == SlotKind::Facemap) {
        assert_eq!(view.status, SlotStatus::Burnt, "{at}: {view:?}");
    }
    assert_eq!(content_files(house), 0, "{at}");
}

/// Flips bits of a slot's sector, each by its place in the sector.
fn flip(house: &House, slot: SlotRef, places: &[u64]) {
    let path = house.dir.path().join("slots/slots");
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    for place in places {
        let at = (u64::from(slot.index) + 1) * 512 + place;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    }
}

#[tokio::test]
async fn a_purge_destroys_what_interrupted_imports_left_under_other_slots_held_marks_or_not() {
    for is_later in [false, true] {
        let house = House::new().await;
        let mut left = Vec::new();
        if !is_later {
            left.push(left_behind(&house, 1).await);
            left.push(left_behind(&house, 1).await);
        }
        house.enroll(1).await;
        if is_later {
            left.push(left_behind(&house, 1).await);
            left.push(left_behind(&house, 1).await);
        }
        house.now().vault.set_hold(left[0], true).await.unwrap();
        house.purge(1).await.unwrap();
        nothing_is_left(&house, &format!("later: {is_later}")).await;
    }
}

#[tokio::test]
async fn a_purge_leaves_everybody_else_s_slots_alone() {
    let house = House::new().await;
    house.enroll(1).await;
    let two = house.enroll(2).await;
    let left = left_behind(&house, 3).await;
    house.purge(1).await.unwrap();
    assert_eq!(house.now().vault.view(two).await.unwrap().status, SlotStatus::Live);
    assert_eq!(house.now().vault.view(left).await.unwrap().status, SlotStatus::Prepared);
    assert_eq!(content_files(&house), 2);
}

/// At no moment is a younger slot left while an older one is burnt: a rebuild at that moment would bring the person back.
#[tokio::test]
async fn killed_anywhere_between_the_slots_it_goes_on_and_the_youngest_went_first() {
    for step in [Step::Burnt, Step::Overwritten] {
        let mut house = House::new().await;
        house.enroll(1).await;
        let young = left_behind(&house, 1).await;
        house.now().vault.fail_at(Some(step));
        house.purge(1).await.unwrap_err();
        assert_eq!(house.now().vault.view(young).await.unwrap().status, SlotStatus::Burnt, "{step:?}");
        house.restart().await;
        house.drive().await;
        assert_eq!(house.state(1).await, S::Purged);
        nothing_is_left(&house, &format!("{step:?}")).await;
    }
    for nth in 1..12 {
        let mut house = House::new().await;
        house.enroll(1).await;
        left_behind(&house, 1).await;
        house.store.fail_commit(nth, CommitFault::AmbiguousAfter);
        let _ended = house.purge(1).await;
        house.restart().await;
        house.drive().await;
        if house.state(1).await == S::Purged {
            nothing_is_left(&house, &format!("commit {nth}")).await;
        }
    }
}

#[tokio::test]
async fn a_purge_that_meets_an_import_destroys_what_the_import_brought() {
    for nth in 1..=2 {
        let house = House::new().await;
        house.enroll_as(1, 1, S::AwaitingUser, |_| {}).await;
        let mut paused = house.store.pause_commit(nth);
        let purging = house.purging(1);
        assert!(paused.reached().await);
        taken_over(&house, 1).await;
        paused.go();
        let view = purging.await.unwrap().unwrap();
        assert!(view.receipt.is_some(), "commit {nth}");
        assert_eq!(house.state(1).await, S::Purged, "commit {nth}");
        nothing_is_left(&house, &format!("commit {nth}")).await;
    }
}

#[tokio::test]
async fn flipped_bits_in_a_slot_make_nobody_indestructible() {
    // In the mark, the generation, the id, the secret, the wrapped key and the checksum; then in two places at once.
    for places in [&[11_u64][..], &[20], &[30], &[90], &[300], &[500], &[90, 300], &[8, 20, 500]] {
        let house = House::new().await;
        let slot = house.enroll(1).await;
        house.enroll(2).await;
        flip(&house, slot, places);
        let done = house.purge(1).await;
        assert!(done.is_ok(), "{places:?}: {done:?}");
        // What one bit kept from being read is read again, and deleted at Jumio by its name.
        let statement = house.checked(done.unwrap().receipt.as_ref().unwrap());
        assert_eq!(statement.jumio_deletion.unnamed == 0, places.len() == 1, "{places:?}");
        assert_eq!(house.state(1).await, S::Purged, "{places:?}");
        assert_eq!(content_files(&house), 1, "{places:?}");
        let view = house.now().vault.view(slot).await.unwrap();
        assert_eq!((view.status, view.slot), (SlotStatus::Burnt, slot), "{places:?}");
        assert_eq!(view.subject, house.key(1).0);
    }
}

#[tokio::test]
async fn flipped_bits_in_a_slot_end_no_hold() {
    for places in [&[90_u64][..], &[90, 300]] {
        let house = House::new().await;
        let slot = house.enroll(1).await;
        house.edit(1, |found| found.row.hold = true).await;
        house.now().vault.set_hold(slot, true).await.unwrap();
        flip(&house, slot, places);
        assert!(matches!(house.purge(1).await, Err(CustodyError::Held)), "{places:?}");
        assert_eq!(content_files(&house), 1);
    }
}
