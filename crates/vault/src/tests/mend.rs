//! Mending what does not open.

use super::{Home, opens, vaulted};
use crate::{
    Mending, Mode, SlotKind, SlotStatus, VaultError,
    sector::SECTOR,
    slot_file::{GROWTH, position},
};
use std::{collections::HashSet, fs, os::unix::fs::FileExt as _, sync::Arc};

impl Home {
    async fn mend(&self) -> Mending {
        let clock = Arc::new(self.clock.clone());
        self.inspect().await.mend(self.rng.clone(), clock).await.unwrap()
    }
}

#[tokio::test]
async fn a_lost_header_is_written_again_and_the_vault_opens_as_before() {
    let home = Home::new();
    let vault = home.open().await;
    let (id, person) = (vault.id(), vaulted(&vault, 1, 300).await);
    drop(vault);
    home.lose_header();
    assert!(home.try_open().await.is_err());
    let header = home.mend().await.repair_header(Mode::Simulated, 7).await.unwrap();
    assert_eq!((header.vault, header.epoch, header.slots), (id, 7, GROWTH));
    let vault = home.open().await;
    assert_eq!((vault.id(), vault.epoch()), (id, 7));
    assert!(opens(&vault, &person).await.unwrap());
    assert_eq!(vault.raise_epoch_beyond(20).await.unwrap(), 21);
    assert_eq!(vault.raise_epoch_beyond(3).await.unwrap(), 22);
    drop(vault);
    assert_eq!(home.open().await.epoch(), 22);
}

#[tokio::test]
async fn a_whole_header_is_not_replaced_and_what_is_proven_of_a_damaged_one_is_not_overruled() {
    let home = Home::new();
    let vault = home.open().await;
    vaulted(&vault, 1, 300).await;
    for _ in 0..4 {
        vault.raise_epoch().await.unwrap();
    }
    drop(vault);
    let before = home.bytes();
    assert!(matches!(home.mend().await.repair_header(Mode::Real, 9).await, Err(VaultError::NotDamaged)));
    assert_eq!(home.bytes(), before);
    home.flip(39, 4);
    let before = home.bytes();
    let real = home.mend().await.repair_header(Mode::Real, 9).await;
    assert!(matches!(real, Err(VaultError::WrongMode { .. })), "{real:?}");
    assert_eq!(home.bytes(), before);
    assert_eq!(home.mend().await.repair_header(Mode::Simulated, 1).await.unwrap().epoch, 5, "never lower");
    home.open().await;
}

#[tokio::test]
async fn a_sector_with_one_flipped_bit_is_put_right_and_nobody_is_lost() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 300).await;
    drop(vault);
    let good = home.bytes();
    for bit in [0_u64, 70, 13 * 8, 200, 90 * 8 + 3, 300 * 8, 4095] {
        home.flip(position(0) + bit / 8, 1 << (bit % 8));
        assert!(home.try_open().await.is_err());
        assert!(home.mend().await.repair_sector(0).await.unwrap(), "bit {bit}");
        assert_eq!(home.bytes(), good, "bit {bit}");
    }
    assert!(matches!(home.mend().await.repair_sector(0).await, Err(VaultError::NotDamaged)));
    home.flip(position(0) + 50, 1);
    home.flip(position(0) + 60, 1);
    let worse = home.bytes();
    assert!(!home.mend().await.repair_sector(0).await.unwrap(), "two bits are too many");
    assert_eq!(home.bytes(), worse);
    home.flip(position(0) + 50, 1);
    home.flip(position(0) + 60, 1);
    assert!(opens(&home.open().await, &person).await.unwrap());
}

#[tokio::test]
async fn a_sector_is_given_up_only_where_it_is_damaged_and_its_generation_never_comes_again() {
    let home = Home::new();
    let vault = home.open().await;
    let (one, lost) = (vaulted(&vault, 1, 300).await, vaulted(&vault, 2, 300).await);
    drop(vault);
    let before = home.bytes();
    assert!(matches!(home.mend().await.forget_sector(lost.slot.index).await, Err(VaultError::NotDamaged)));
    assert!(matches!(home.mend().await.forget_sector(GROWTH).await, Err(VaultError::NoSuchSlot)));
    assert_eq!(home.bytes(), before);
    let sector = home.sector(lost.slot);
    home.flip(position(lost.slot.index) + 100, 1);
    let given_up = home.mend().await.forget_sector(lost.slot.index).await.unwrap();
    assert!(given_up.generation > lost.slot.generation + 1_000_000);
    assert_ne!(given_up.facemap, lost.slot.facemap);
    for piece in sector[40..].chunks_exact(16).filter(|piece| piece.iter().any(|byte| *byte != 0)) {
        assert!(!home.has_on_disk(piece), "nothing of the old sector is left");
    }
    let vault = home.open().await;
    assert_eq!(vault.view(given_up).await.unwrap().status, SlotStatus::Burnt);
    assert!(matches!(vault.check(lost.slot).await, Err(VaultError::NoSuchSlot)));
    assert!(opens(&vault, &one).await.unwrap());
    let next = vault.prepare(SlotKind::Facemap, super::subject(3)).await.unwrap();
    assert!(next.generation > given_up.generation);
}

#[tokio::test]
async fn a_cut_off_file_opens_again_once_all_that_was_cut_off_is_given_up() {
    let home = Home::new();
    let vault = home.open().await;
    let people = [vaulted(&vault, 1, 300).await, vaulted(&vault, 2, 300).await];
    drop(vault);
    let file = fs::OpenOptions::new().write(true).open(home.slot_file()).unwrap();
    file.set_len(position(1) + 77).unwrap();
    let mending = home.mend().await;
    let mut generations = HashSet::new();
    for index in 1..GROWTH {
        generations.insert(mending.forget_sector(index).await.unwrap().generation);
    }
    assert_eq!(generations.len(), GROWTH as usize - 1, "each has its own");
    assert!(matches!(home.try_open().await, Err(VaultError::InUse { .. })), "the lock is held while mending");
    drop(mending);
    let (vault, survey) = home.try_open().await.unwrap();
    assert_eq!((survey.live, survey.burnt), (1, GROWTH - 1));
    assert!(opens(&vault, &people[0]).await.unwrap());
    drop(vault);
    file.write_all_at(&[0; SECTOR], 0).unwrap();
    fs::remove_dir_all(home.paths().content_dir).unwrap();
    file.set_len(SECTOR as u64).unwrap();
    let nothing = home.mend().await.repair_header(Mode::Simulated, 1).await;
    assert!(matches!(nothing, Err(VaultError::NoVaultId)), "nobody knows whose slots they were");
}
