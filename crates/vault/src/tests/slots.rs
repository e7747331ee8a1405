//! Slots: what is taken stays taken, what is refused stays as it was.

use super::{Home, enrollment, subject, vaulted};
use crate::{
    Mode, SlotKind, SlotStatus, Step, Vault, VaultError,
    sector::{SECTOR, Sector},
    slot_file::{GROWTH, position},
    types::VaultId,
};
use model::{Clock as _, FacemapBytes, rng::SeededRng};
use proptest::prelude::*;
use std::{
    fs,
    os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _},
    sync::Arc,
    time::Duration,
};

#[tokio::test]
async fn what_a_slot_says_is_the_same_after_reopening() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    vault.mark_original_deleted(person.slot).await.unwrap();
    vault.set_hold(person.slot, true).await.unwrap();
    let epoch = vault.prepare(SlotKind::InboxEpoch, subject(9)).await.unwrap();
    let before = vault.slots(0).await.unwrap();
    drop(vault);
    let (vault, survey) = home.try_open().await.unwrap();
    assert_eq!(vault.slots(0).await.unwrap(), before);
    assert_eq!((survey.live, survey.prepared, survey.free, survey.burnt), (1, 1, GROWTH - 2, 0));
    let view = vault.view(person.slot).await.unwrap();
    assert_eq!((view.status, view.hold, view.original_deleted), (SlotStatus::Live, true, true));
    assert_eq!((view.subject, view.prepared_at), (subject(1), home.clock.now()));
    assert_eq!(vault.view(epoch).await.unwrap().kind, SlotKind::InboxEpoch);
}

#[tokio::test]
async fn a_generation_never_comes_twice_not_even_when_its_slot_is_free_again() {
    let home = Home::new();
    let mut last = 0;
    for _ in 0..3 {
        let vault = home.open().await;
        let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
        assert!(slot.generation > last, "{} after {last}", slot.generation);
        assert_eq!(slot.index, 0, "the slot that was released is taken again");
        last = slot.generation;
        vault.burn(slot).await.unwrap();
        home.clock.advance(Duration::from_hours(24));
        assert_eq!(vault.release_burnt(0, home.clock.now()).await.unwrap().slots, 1);
    }
}

#[tokio::test]
async fn a_reference_from_an_earlier_use_of_the_slot_leads_nowhere() {
    let home = Home::new();
    let vault = home.open().await;
    let old = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    vault.burn(old).await.unwrap();
    home.clock.advance(Duration::from_secs(1));
    vault.release_burnt(0, home.clock.now()).await.unwrap();
    assert!(matches!(vault.view(old).await, Err(VaultError::NoSuchSlot)), "a free slot is nobody's");
    let new = vault.prepare(SlotKind::Facemap, subject(2)).await.unwrap();
    assert_eq!(new.index, old.index);
    assert!(matches!(vault.person_key(old).await, Err(VaultError::NoSuchSlot)));
    assert!(matches!(vault.burn(old).await, Err(VaultError::NoSuchSlot)));
    assert!(matches!(vault.make_live(old).await, Err(VaultError::NoSuchSlot)));
    let put = vault.put(old, &enrollment(1), b"", FacemapBytes::new(vec![1])).await;
    assert!(matches!(put, Err(VaultError::NoSuchSlot)));
    assert!(vault.person_key(new).await.is_ok());
}

#[tokio::test]
async fn the_file_grows_and_no_slot_is_given_twice() {
    let home = Home::new();
    let vault = home.open().await;
    let mut seen = std::collections::BTreeSet::new();
    let many = (0..GROWTH + 50).map(|_| vault.prepare(SlotKind::Facemap, subject(1)));
    for slot in many {
        let slot = slot.await.unwrap();
        assert!(seen.insert(slot.index), "slot {} came twice", slot.index);
    }
    let (first, second) = (vault.slots(0).await.unwrap(), vault.slots(GROWTH).await.unwrap());
    assert_eq!((first.views.len(), first.next), (GROWTH as usize, Some(GROWTH)));
    assert_eq!((second.views.len(), second.next), (50, None));
}

#[tokio::test]
async fn simultaneous_callers_get_slots_of_their_own() {
    let home = Home::new();
    let vault = home.open().await;
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let vault = vault.clone();
            tokio::spawn(async move { vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap() })
        })
        .collect();
    let mut seen = std::collections::HashSet::new();
    for caller in callers {
        let slot = caller.await.unwrap();
        assert!(seen.insert(slot.index) && seen.insert(u32::MAX - u32::try_from(slot.generation).unwrap()));
    }
}

#[tokio::test]
async fn only_the_owner_may_read_slots_and_contents() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().mode() & 0o777;
    let content = home.content_file(person.slot);
    assert_eq!(mode(&home.slot_file()), 0o600);
    assert_eq!(mode(&content), 0o600);
    for folder in [home.paths().slots_dir, home.paths().content_dir, content.parent().unwrap().to_owned()] {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
    }
}

#[tokio::test]
async fn a_slot_file_that_others_can_read_or_a_group_can_write_is_refused() {
    let home = Home::new();
    for mode in [0o604, 0o602, 0o601, 0o620] {
        fs::set_permissions(home.slot_file(), fs::Permissions::from_mode(mode)).unwrap();
        let error = home.try_open().await.unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{mode:o}: {error}");
    }
    fs::set_permissions(home.slot_file(), fs::Permissions::from_mode(0o640)).unwrap();
    home.try_open().await.unwrap();
}

#[tokio::test]
async fn a_second_process_is_refused_and_the_lock_ends_with_the_first() {
    let home = Home::new();
    let vault = home.open().await;
    assert!(matches!(home.try_open().await, Err(VaultError::InUse { .. })));
    drop(vault);
    home.try_open().await.unwrap();
}

#[tokio::test]
async fn a_vault_is_never_created_over_another() {
    let home = Home::new();
    let before = home.bytes();
    let again = Vault::create(&home.paths(), Mode::Real, &*home.rng);
    assert!(matches!(again, Err(VaultError::Exists { .. })));
    assert_eq!(home.bytes(), before);
}

#[tokio::test]
async fn a_new_volume_takes_a_vault_and_a_folder_with_something_in_it_does_not() {
    let folder = tempfile::TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("content/lost+found")).unwrap();
    let home = Home::on(folder.path());
    home.try_open().await.unwrap();
    fs::remove_dir_all(home.paths().slots_dir).unwrap();
    fs::create_dir(home.paths().content_dir.join("00")).unwrap();
    let again = Vault::create(&home.paths(), Mode::Simulated, &*home.rng);
    assert!(matches!(again, Err(VaultError::Exists { .. })), "contents of lost slots are not built over");
}

#[tokio::test]
async fn real_and_simulated_people_never_share_a_vault() {
    let home = Home::new();
    let clock = Arc::new(home.clock.clone());
    let (provider, keys, rng) = (home.provider.clone(), home.keys.clone(), home.rng.clone());
    let error = Vault::open(home.paths(), Mode::Real, provider, keys, rng, clock).await.unwrap_err();
    assert!(
        matches!(error, VaultError::WrongMode { is: Mode::Simulated, configured: Mode::Real }),
        "{error}"
    );
}

#[tokio::test]
async fn a_store_of_another_epoch_is_refused_and_a_raised_epoch_stays() {
    let home = Home::new();
    let vault = home.open().await;
    vault.check_epoch(1).unwrap();
    assert_eq!(vault.raise_epoch().await.unwrap(), 2);
    assert!(matches!(vault.check_epoch(1), Err(VaultError::WrongEpoch { store: 1, slots: 2 })));
    drop(vault);
    let vault = home.open().await;
    vault.check_epoch(2).unwrap();
    assert!(vault.check_epoch(3).is_err(), "a slot file from before the store is refused too");
}

/// Does something to the slot file, and expects to be told `why` and that nothing was touched.
async fn refused(why: &str, spoil: impl FnOnce(&mut Vec<u8>)) {
    let home = Home::new();
    let vault = home.open().await;
    vaulted(&vault, 1, 100).await;
    drop(vault);
    let mut bytes = fs::read(home.slot_file()).unwrap();
    spoil(&mut bytes);
    fs::write(home.slot_file(), &bytes).unwrap();
    let before = home.bytes();
    let error = home.try_open().await.unwrap_err();
    let foreign = why.starts_with("format") || why.starts_with("not a slot file");
    assert_eq!(error.is_damage(), !foreign, "{error:?}");
    assert!(foreign == matches!(error, VaultError::Unusable { .. }), "{error:?}");
    assert!(error.to_string().contains(why), "{error}");
    assert_eq!(home.bytes(), before, "a refusal changes nothing");
}

#[tokio::test]
async fn a_foreign_newer_cut_off_or_damaged_slot_file_is_refused_with_advice_and_left_alone() {
    refused("not a slot file", |bytes| bytes[..8].copy_from_slice(b"SQLite f")).await;
    refused("shorter than its header", |bytes| bytes.truncate(100)).await;
    refused("shorter than its header", Vec::clear).await;
    refused("cut off", |bytes| bytes.truncate(bytes.len() - 1)).await;
    refused("cut off", |bytes| bytes.truncate(SECTOR * 2)).await;
    refused("does not have its checksum", |bytes| bytes[40] ^= 1).await;
    refused("the first is slot 0", |bytes| bytes[SECTOR + 100] ^= 1).await;
    refused("2 of its slots", |bytes| bytes[3 * SECTOR..5 * SECTOR].fill(0)).await;
    refused("the first is slot 1", |bytes| bytes.copy_within(SECTOR..2 * SECTOR, 2 * SECTOR)).await;
    refused("format 2", |bytes| {
        bytes[9] = 2;
        let mut sector = [0; SECTOR];
        sector.copy_from_slice(&bytes[..SECTOR]);
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[16..32]);
        bytes[480..512].copy_from_slice(&crate::sector::checksum(VaultId(id), &sector));
    })
    .await;
}

#[tokio::test]
async fn sectors_of_another_vault_are_refused() {
    let (home, other) = (Home::new(), Home::new());
    Vault::create(&other.paths(), Mode::Real, &SeededRng::new(77)).unwrap_err();
    fs::remove_file(other.slot_file()).unwrap();
    Vault::create(&other.paths(), Mode::Simulated, &SeededRng::new(77)).unwrap();
    for home in [&home, &other] {
        vaulted(&home.open().await, 1, 100).await;
    }
    let foreign = fs::read(other.slot_file()).unwrap();
    let file = fs::OpenOptions::new().write(true).open(home.slot_file()).unwrap();
    file.write_all_at(&foreign[SECTOR..2 * SECTOR], position(0)).unwrap();
    assert!(home.try_open().await.unwrap_err().to_string().contains("not of this file"));
}

#[tokio::test]
async fn a_missing_file_or_folder_says_what_to_do() {
    let home = Home::new();
    fs::rename(home.paths().content_dir, home.folder.join("elsewhere")).unwrap();
    assert!(home.try_open().await.unwrap_err().to_string().contains("mount its disk"));
    fs::remove_file(home.slot_file()).unwrap();
    assert!(home.try_open().await.unwrap_err().to_string().contains("facemap-vault init"));
}

#[tokio::test]
async fn a_growth_cut_short_is_done_again() {
    let home = Home::new();
    let vault = home.open().await;
    vault.fail_at(Some(Step::Growth));
    assert!(vault.prepare(SlotKind::Facemap, subject(1)).await.is_err());
    drop(vault);
    assert!(fs::metadata(home.slot_file()).unwrap().len() > SECTOR as u64, "half of the growth is there");
    let (vault, survey) = home.try_open().await.unwrap();
    assert_eq!(survey.free, 0, "what the header does not know is not there");
    vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    drop(vault);
    assert_eq!(home.try_open().await.unwrap().1.free, GROWTH - 1);
}

#[tokio::test]
async fn after_a_failed_write_the_vault_neither_reads_nor_writes() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    vault.0.slots.poison();
    assert!(matches!(vault.prepare(SlotKind::Facemap, subject(1)).await, Err(VaultError::Poisoned)));
    assert!(matches!(vault.burn(person.slot).await, Err(VaultError::Poisoned)));
    assert!(matches!(vault.slots(0).await, Err(VaultError::Poisoned)));
    let opened = vault.open_facemap(person.slot, &person.enrollment, &person.contents).await;
    assert!(matches!(opened, Err(VaultError::Poisoned)));
}

proptest! {
    #[test]
    fn any_bytes_are_read_as_a_sector_without_panic(mut bytes in prop::collection::vec(any::<u8>(), SECTOR), right in any::<bool>()) {
        let vault = VaultId([7; 16]);
        let mut sector = [0; SECTOR];
        if right {
            bytes[..8].copy_from_slice(b"FMVSLOT1");
            sector.copy_from_slice(&bytes);
            let sum = crate::sector::checksum(vault, &sector);
            sector[480..].copy_from_slice(&sum);
        } else {
            sector.copy_from_slice(&bytes);
        }
        if let Ok(read) = Sector::decode(&sector, vault, 0) {
            prop_assert!(right && read.slot.index == 0);
        }
    }
}
