//! Keys of persons and epochs.

use super::{Home, enrollment, recompute, subject, vaulted};
use crate::{
    Damage, SlotKind, SlotStatus, VaultError, VaultId, sector::Sector, slot_file::position,
    slot_keys::SlotSecret,
};
use model::{FacemapBytes, rng::SeededRng};
use seal::{MemoryProvider, SealError};
use std::{fs, os::unix::fs::FileExt as _};

#[tokio::test]
async fn a_persons_field_opens_with_the_same_slot_record_and_field_only() {
    let home = Home::new();
    let vault = home.open().await;
    let (one, other) = (vaulted(&vault, 1, 10).await, vaulted(&vault, 2, 10).await);
    let key = vault.person_key(one.slot).await.unwrap();
    let sealed = key.seal(&*home.rng, b"record", "user", b"ines");
    let again = vault.person_key(one.slot).await.unwrap();
    assert_eq!(again.open(b"record", "user", &sealed).unwrap().as_slice(), b"ines");
    assert_eq!(again.open(b"recorD", "user", &sealed), Err(SealError::DoesNotOpen));
    assert_eq!(again.open(b"record", "users", &sealed), Err(SealError::DoesNotOpen));
    let key = vault.person_key(other.slot).await.unwrap();
    assert_eq!(key.open(b"record", "user", &sealed), Err(SealError::DoesNotOpen));
}

#[tokio::test]
async fn a_persons_field_opens_after_reopening_and_never_after_burning() {
    let home = Home::new();
    let vault = home.open().await;
    let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    let sealed = vault.person_key(slot).await.unwrap().seal(&*home.rng, b"r", "user", b"ines");
    drop(vault);
    let vault = home.open().await;
    vault.person_key(slot).await.unwrap().open(b"r", "user", &sealed).unwrap();
    vault.burn(slot).await.unwrap();
    assert!(matches!(vault.person_key(slot).await, Err(VaultError::Burnt)));
    // Somebody sets the status back; the secret is gone all the same.
    let mut sector = home.sector(slot);
    sector[crate::sector::STATUS_AT] = b'P';
    recompute(&vault, &mut sector);
    home.write_sector(slot.index, &sector);
    let key = vault.person_key(slot).await.unwrap();
    assert_eq!(key.open(b"r", "user", &sealed), Err(SealError::DoesNotOpen));
}

#[tokio::test]
async fn a_secret_carried_into_another_slot_opens_nothing() {
    let home = Home::new();
    let vault = home.open().await;
    let (one, other) = (vaulted(&vault, 1, 10).await, vaulted(&vault, 2, 10).await);
    let sealed = vault.person_key(one.slot).await.unwrap().seal(&*home.rng, b"r", "user", b"ines");
    let (from, mut into) = (home.sector(one.slot), home.sector(other.slot));
    into[crate::sector::SECRET_AT..crate::sector::CHECKSUM_AT]
        .copy_from_slice(&from[crate::sector::SECRET_AT..crate::sector::CHECKSUM_AT]);
    recompute(&vault, &mut into);
    home.write_sector(other.slot.index, &into);
    let key = vault.person_key(other.slot).await.unwrap();
    assert_eq!(key.open(b"r", "user", &sealed), Err(SealError::DoesNotOpen));
}

#[tokio::test]
async fn a_slot_given_to_another_subject_by_hand_opens_nothing_of_the_first() {
    let home = Home::new();
    let vault = home.open().await;
    let one = vaulted(&vault, 1, 10).await;
    let sealed = vault.person_key(one.slot).await.unwrap().seal(&*home.rng, b"r", "user", b"ines");
    let mut sector = home.sector(one.slot);
    sector[40..72].fill(2);
    recompute(&vault, &mut sector);
    home.write_sector(one.slot.index, &sector);
    let key = vault.person_key(one.slot).await.unwrap();
    assert_eq!(key.open(b"r", "user", &sealed), Err(SealError::DoesNotOpen));
    assert!(super::opens(&vault, &one).await.is_err());
}

type Spoil<'a> = &'a dyn Fn(&mut Sector, &mut VaultId);

#[tokio::test]
async fn a_data_key_opens_with_its_own_vault_slot_generation_id_subject_and_secret_only() {
    let (provider, rng) = (MemoryProvider::new(1), SeededRng::new(5));
    let make = |spoil: Spoil<'_>| {
        let mut sector = Sector::free(7, 9);
        let mut vault = VaultId([1; 16]);
        spoil(&mut sector, &mut vault);
        SlotSecret::of(&sector, vault)
    };
    let own = make(&|_, _| {});
    let (key, wrapped) = own.new_data_key(&provider, &rng).await.unwrap();
    assert_eq!(own.data_key(&provider, &wrapped).await.unwrap().id(), key.id());
    let others: [Spoil<'_>; 6] = [
        &|_, vault| vault.0[0] ^= 1,
        &|sector, _| sector.slot.index ^= 1,
        &|sector, _| sector.slot.generation ^= 1,
        // The last byte: the first eight are the key's id, which is bound on its own.
        &|sector, _| sector.slot.facemap.0[15] ^= 1,
        &|sector, _| sector.subject[0] ^= 1,
        &|sector, _| sector.secret[0] ^= 1,
    ];
    for (place, other) in others.into_iter().enumerate() {
        let opened = make(other).data_key(&provider, &wrapped).await;
        assert!(matches!(opened, Err(VaultError::Damaged(Damage::DataKey))), "{place}");
    }
}

#[tokio::test]
async fn a_raw_callback_opens_until_its_epoch_is_burnt() {
    let home = Home::new();
    let vault = home.open().await;
    let rng = SeededRng::new(8);
    let (hour, next) = (
        vault.prepare(SlotKind::InboxEpoch, subject(1)).await.unwrap(),
        vault.prepare(SlotKind::InboxEpoch, subject(1)).await.unwrap(),
    );
    let key = vault.epoch_key(hour).await.unwrap();
    let sealed = key.seal(&rng, b"callback 1", b"raw body");
    assert_eq!(key.open(b"callback 1", &sealed).unwrap().as_slice(), b"raw body");
    assert!(key.open(b"callback 2", &sealed).is_err());
    assert!(vault.epoch_key(next).await.unwrap().open(b"callback 1", &sealed).is_err());
    vault.make_live(hour).await.unwrap();
    vault.epoch_key(hour).await.unwrap().open(b"callback 1", &sealed).unwrap();
    vault.burn(hour).await.unwrap();
    assert!(matches!(vault.epoch_key(hour).await, Err(VaultError::Burnt)));
}

#[tokio::test]
async fn a_damaged_sector_of_an_open_vault_is_noticed_when_it_is_used() {
    let home = Home::new();
    let vault = home.open().await;
    let one = vaulted(&vault, 1, 10).await;
    let file = fs::OpenOptions::new().write(true).open(home.slot_file()).unwrap();
    file.write_all_at(&[0; 8], position(one.slot.index) + 60).unwrap();
    assert!(vault.person_key(one.slot).await.unwrap_err().damage().is_some());
    assert!(vault.burn(one.slot).await.unwrap_err().damage().is_some());
}

#[tokio::test]
async fn what_an_erasure_has_left_to_do_is_sealed_under_its_own_slot_and_goes_with_it() {
    let home = Home::new();
    let vault = home.open().await;
    let (person, erasure) =
        (vaulted(&vault, 1, 100).await, vault.prepare(SlotKind::Erasure, subject(1)).await.unwrap());
    let key = vault.erasure_key(erasure).await.unwrap();
    let sealed = key.seal(&*home.rng, b"row", "reference", b"scan");
    vault.make_live(erasure).await.unwrap();
    assert!(matches!(vault.erasure_key(person.slot).await, Err(VaultError::WrongKind)));
    vault.burn(person.slot).await.unwrap();
    assert_eq!(
        vault.erasure_key(erasure).await.unwrap().open(b"row", "reference", &sealed).unwrap().as_slice(),
        b"scan"
    );
    for wrong in [vault.person_key(erasure).await.map(drop), vault.epoch_key(erasure).await.map(drop)] {
        assert!(matches!(wrong, Err(VaultError::WrongKind)));
    }
    let put = vault.put(erasure, &enrollment(1), b"", FacemapBytes::new(vec![1])).await;
    assert!(matches!(put, Err(VaultError::WrongKind)));
    vault.burn(erasure).await.unwrap();
    assert!(matches!(vault.erasure_key(erasure).await, Err(VaultError::Burnt)));
    assert_eq!(vault.view(erasure).await.unwrap().status, SlotStatus::Burnt);
}
