//! What crashes and purges leave of the same person under several slots: who was purged does not come back, and who is
//! here is not lost.

use crate::house::{House, Open, face, reference};
use model::{EnrollmentState as S, FacemapBytes};
use repair::{Finding, RebuildOrder, SlotFault, Unwatched};
use vault::{SlotRef, SlotStatus};

/// A slot with a whole content that no record names.
async fn left_behind(open: &Open, number: u64) -> SlotRef {
    let slot = open.slot(number).await;
    let facemap = FacemapBytes::new(face(number));
    // The note of a person who is here: a rebuild could make a record of it.
    let note = format!(
        r#"{{"user_reference":"user-{number}","customer_internal_reference":null,"origin":"announced","created_at":"2026-11-21T12:00:00Z"}}"#
    );
    open.vault.put(slot, &reference(number), note.as_bytes(), facemap).await.unwrap();
    slot
}

async fn rebuilt(house: &House) -> Open {
    house.rebuild(true).await.unwrap();
    let report = house.verify().await;
    assert!(report.clean, "{:?}", report.findings);
    house.open().await.unwrap()
}

async fn status(open: &Open, slot: SlotRef) -> SlotStatus {
    open.vault.view(slot).await.unwrap().status
}

#[tokio::test]
async fn nobody_comes_back_whose_burnt_slot_is_younger_than_what_is_left() {
    let house = House::new();
    let open = house.open().await.unwrap();
    let left = left_behind(&open, 1).await;
    open.vault.set_hold(left, true).await.unwrap();
    open.enroll(1, 1, S::Ready).await;
    open.enroll(2, 2, S::Ready).await;
    open.purge(1).await;
    house.close(open).await;
    let open = rebuilt(&house).await;
    assert_eq!((open.state(1).await, open.state(2).await), (Some(S::Purged), Some(S::Ready)));
    assert_eq!(status(&open, left).await, SlotStatus::Burnt, "nothing of theirs opens any more");
    let id = left.facemap.to_string();
    assert!(!house.at("data/content").join(&id[..2]).join(&id).exists());
    house.close(open).await;
}

/// As a purge is that was interrupted between the slots: the youngest goes first.
#[tokio::test]
async fn a_purge_that_was_interrupted_between_the_slots_is_carried_out_by_the_rebuild() {
    let house = House::new();
    let open = house.open().await.unwrap();
    open.enroll(1, 1, S::Ready).await;
    let young = left_behind(&open, 1).await;
    open.vault.burn_unnamed(young).await.unwrap();
    let own = open.enrollment(1).await.unwrap().row.slot;
    house.close(open).await;
    let open = rebuilt(&house).await;
    assert_eq!(open.state(1).await, Some(S::Purged));
    assert_eq!(status(&open, own).await, SlotStatus::Burnt);
    house.close(open).await;
}

#[tokio::test]
async fn nobody_is_lost_by_a_slot_that_was_given_back_whichever_is_younger() {
    let house = House::new();
    let open = house.open().await.unwrap();
    let older = left_behind(&open, 1).await;
    open.enroll(1, 1, S::Ready).await;
    let younger = left_behind(&open, 1).await;
    let alone = left_behind(&open, 3).await;
    for slot in [older, younger, alone] {
        open.vault.give_back(slot).await.unwrap();
    }
    house.close(open).await;
    let open = rebuilt(&house).await;
    assert_eq!(open.facemap(1).await.unwrap(), face(1));
    assert_eq!(open.state(3).await, None, "nobody was purged: they may be announced again");
    house.close(open).await;
}

#[tokio::test]
async fn a_held_facemap_in_use_is_not_taken_for_what_is_left_of_a_purge() {
    let house = House::new();
    let open = house.open().await.unwrap();
    open.enroll(1, 1, S::Ready).await;
    let own = open.enrollment(1).await.unwrap().row.slot;
    open.vault.set_hold(own, true).await.unwrap();
    let young = left_behind(&open, 1).await;
    open.vault.burn_unnamed(young).await.unwrap();
    house.close(open).await;
    let order = RebuildOrder { force: true, give_up_damaged: true };
    let refused = repair::rebuild_index(&house.ground(), order, &Unwatched, |_| Ok(())).await.unwrap_err();
    assert!(refused.to_string().contains("on hold"), "{refused}");
}

#[tokio::test]
async fn a_second_copy_of_whoever_was_purged_is_a_finding_and_of_whoever_is_here_is_told() {
    let house = House::new();
    let open = house.open().await.unwrap();
    open.enroll(1, 1, S::Ready).await;
    left_behind(&open, 1).await;
    open.enroll(2, 2, S::AwaitingUser).await;
    left_behind(&open, 2).await;
    house.close(open).await;
    let report = house.verify().await;
    assert!(report.clean, "{:?}", report.findings);
    let told = "2 slots hold a facemap of somebody whose record names another slot";
    assert!(report.information.iter().any(|line| line.starts_with(told)), "{:?}", report.information);
    let open = house.open().await.unwrap();
    open.enroll(3, 3, S::Ready).await;
    open.purge(3).await;
    let left = left_behind(&open, 3).await;
    let empty = open.slot(3).await;
    house.close(open).await;
    let report = house.verify().await;
    assert_eq!(
        report.findings,
        [Finding::Slot(left.index, SlotFault::PurgedNotBurnt)],
        "not {}",
        empty.index
    );
}

#[tokio::test]
async fn a_restore_burns_all_slots_of_whoever_the_backup_knows_as_purged() {
    let house = House::new();
    let open = house.open().await.unwrap();
    let older = left_behind(&open, 1).await;
    open.enroll(1, 1, S::Ready).await;
    open.enroll(2, 2, S::Ready).await;
    open.purge(1).await;
    let younger = left_behind(&open, 1).await;
    open.vault.set_hold(younger, true).await.unwrap();
    house.backup(&open, "backup", None).await.unwrap();
    house.close(open).await;
    std::fs::remove_dir_all(house.at("data/db")).unwrap();
    std::fs::remove_dir_all(house.at("data/content")).unwrap();
    house.restore(&house.at("backup"), None).await.unwrap();
    let open = house.open().await.unwrap();
    assert_eq!((open.state(1).await, open.state(2).await), (Some(S::Purged), Some(S::Ready)));
    for slot in [older, younger] {
        assert_eq!(status(&open, slot).await, SlotStatus::Burnt);
    }
    house.close(open).await;
}
