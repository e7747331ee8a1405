//! What is burnt is gone.

use super::{Home, contains, enrollment, opens, recompute, subject, vaulted};
use crate::{
    SlotKind, SlotStatus, Step, VaultError,
    sector::{CHECKSUM_AT, SECRET_AT, STATUS_AT, WRAPPED_AT},
};
use model::{Clock as _, FacemapBytes};
use std::{fs, time::Duration};

#[tokio::test]
async fn after_burning_neither_secret_nor_wrapped_key_is_on_the_disk_and_the_tombstone_is_whole() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 1000).await;
    let before = home.sector(person.slot);
    let length = usize::from(u16::from_be_bytes([before[112], before[113]]));
    assert!(home.has_on_disk(&before[SECRET_AT..SECRET_AT + 8]), "the search finds what is there");
    home.clock.advance(Duration::from_hours(1));
    vault.burn(person.slot).await.unwrap();
    for piece in before[SECRET_AT..SECRET_AT + 32]
        .chunks(8)
        .chain(before[WRAPPED_AT..WRAPPED_AT + length].chunks_exact(8))
    {
        assert!(!home.has_on_disk(piece));
    }
    assert!(!home.has_on_disk(&person.facemap[..16]));
    let after = home.sector(person.slot);
    assert_eq!(after[9..72], before[9..72], "kind, index, generation, id and pseudonym stay at their places");
    assert!(!after[WRAPPED_AT + length..CHECKSUM_AT].iter().all(|byte| *byte == 0), "random to the end");
    drop(vault);
    let (vault, survey) = home.try_open().await.unwrap();
    assert_eq!(survey.burnt, 1, "the checksum is right in a burnt sector too");
    let view = vault.view(person.slot).await.unwrap();
    assert_eq!(
        (view.status, view.subject, view.prepared_at),
        (SlotStatus::Burnt, subject(1), home.clock.now())
    );
}

#[tokio::test]
async fn a_burnt_facemap_does_not_open_even_when_its_status_is_set_back() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 1000).await;
    vault.burn(person.slot).await.unwrap();
    assert!(matches!(opens(&vault, &person).await, Err(VaultError::Burnt)));
    let mut sector = home.sector(person.slot);
    sector[STATUS_AT] = b'L';
    recompute(&vault, &mut sector);
    home.write_sector(person.slot.index, &sector);
    assert!(opens(&vault, &person).await.is_err());
}

#[tokio::test]
async fn burning_one_person_leaves_the_others() {
    let home = Home::new();
    let vault = home.open().await;
    let (one, other) = (vaulted(&vault, 1, 1000).await, vaulted(&vault, 2, 1000).await);
    vault.burn(one.slot).await.unwrap();
    vault.destroy_content(one.slot).await.unwrap();
    assert!(opens(&vault, &other).await.unwrap());
}

#[tokio::test]
async fn burning_twice_changes_nothing_the_second_time() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 10).await;
    vault.burn(person.slot).await.unwrap();
    let sector = home.sector(person.slot);
    home.clock.advance(Duration::from_hours(1));
    vault.burn(person.slot).await.unwrap();
    assert_eq!(home.sector(person.slot), sector);
}

#[tokio::test]
async fn a_hold_keeps_a_slot_from_burning_until_it_is_released() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 10).await;
    vault.set_hold(person.slot, true).await.unwrap();
    assert!(matches!(vault.burn(person.slot).await, Err(VaultError::Held)));
    assert!(opens(&vault, &person).await.unwrap(), "a held facemap is used as before");
    vault.set_hold(person.slot, false).await.unwrap();
    vault.burn(person.slot).await.unwrap();
    assert!(matches!(vault.set_hold(person.slot, true).await, Err(VaultError::Burnt)));
}

#[tokio::test]
async fn a_burnt_slot_takes_nothing_and_never_lives_again() {
    let home = Home::new();
    let vault = home.open().await;
    let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    vault.burn(slot).await.unwrap();
    let put = vault.put(slot, &enrollment(1), b"", FacemapBytes::new(vec![1])).await;
    assert!(matches!(put, Err(VaultError::Burnt)));
    assert!(matches!(vault.make_live(slot).await, Err(VaultError::Burnt)));
    assert!(matches!(vault.mark_original_deleted(slot).await, Err(VaultError::Burnt)));
}

#[tokio::test]
async fn content_is_overwritten_before_its_name_is_removed() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 10_001).await;
    let path = home.content_file(person.slot);
    let before = fs::read(&path).unwrap();
    // A second name keeps the blocks in sight after the first is gone.
    let witness = home.folder.join("witness");
    fs::hard_link(&path, &witness).unwrap();
    assert!(matches!(
        vault.destroy_content(person.slot).await,
        Err(VaultError::WrongStatus { is: SlotStatus::Live })
    ));
    vault.burn(person.slot).await.unwrap();
    assert!(vault.destroy_content(person.slot).await.unwrap());
    assert!(!path.exists());
    let after = fs::read(&witness).unwrap();
    assert_eq!(after.len(), before.len());
    assert!(before.chunks_exact(8).all(|piece| !contains(&after, piece)));
    assert!(!vault.destroy_content(person.slot).await.unwrap(), "a second time there is nothing left to do");
}

#[tokio::test]
async fn a_destroying_cut_short_is_finished_by_the_next() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    vault.burn(person.slot).await.unwrap();
    vault.fail_at(Some(Step::Overwritten));
    assert!(vault.destroy_content(person.slot).await.is_err());
    vault.fail_at(None);
    assert!(vault.destroy_content(person.slot).await.unwrap());
}

#[tokio::test]
async fn a_tombstone_stays_until_its_horizon_has_passed_and_its_content_is_gone() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    let burnt_at = home.clock.now();
    vault.burn(person.slot).await.unwrap();
    home.clock.advance(Duration::from_hours(24));
    assert_eq!(
        vault.release_burnt(0, home.clock.now()).await.unwrap().slots,
        0,
        "its content is still there"
    );
    vault.destroy_content(person.slot).await.unwrap();
    assert_eq!(vault.release_burnt(0, burnt_at).await.unwrap().slots, 0, "not before the horizon");
    assert_eq!(vault.release_burnt(0, home.clock.now()).await.unwrap().slots, 1);
    assert!(!home.has_on_disk(person.slot.facemap.as_bytes()), "nothing of the person stays");
    assert!(matches!(vault.view(person.slot).await, Err(VaultError::NoSuchSlot)));
    let live = vaulted(&vault, 2, 100).await;
    assert_eq!(live.slot.index, person.slot.index);
    home.clock.advance(Duration::from_hours(24));
    assert_eq!(
        vault.release_burnt(0, home.clock.now()).await.unwrap().slots,
        0,
        "only burnt slots are released"
    );
}
