//! Looking at damaged files.

use super::{Home, Person, recompute, subject, vaulted};
use crate::{
    BadSector, Damage, InspectedSlot, Inspection, Mode, SlotKind, SlotRef, VaultError, VaultId,
    sector::SECTOR,
    slot_file::{GROWTH, position},
};
use model::Rng as _;
use seal::KeyProvider as _;
use std::{fs, os::unix::fs::FileExt as _};

impl Home {
    pub(super) async fn try_inspect(&self) -> Result<Inspection, VaultError> {
        Inspection::open(self.paths(), self.provider.clone(), self.keys.clone()).await
    }

    pub(super) async fn inspect(&self) -> Inspection {
        self.try_inspect().await.unwrap()
    }

    pub(super) fn flip(&self, at: u64, mask: u8) {
        let file = fs::OpenOptions::new().read(true).write(true).open(self.slot_file()).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ mask], at).unwrap();
    }

    /// Random bytes where the header was.
    pub(super) fn lose_header(&self) {
        let mut noise = [0; SECTOR];
        model::rng::SeededRng::new(99).fill(&mut noise);
        let file = fs::OpenOptions::new().write(true).open(self.slot_file()).unwrap();
        file.write_all_at(&noise, 0).unwrap();
    }
}

/// A vault with some people in it that is closed again.
async fn closed(people: u8) -> (Home, VaultId, Vec<Person>) {
    let home = Home::new();
    let vault = home.open().await;
    let mut all = Vec::new();
    for number in 1..=people {
        all.push(vaulted(&vault, number, 300).await);
    }
    let id = vault.id();
    (home, id, all)
}

async fn slots(inspection: &Inspection) -> (Vec<InspectedSlot>, Vec<u32>) {
    let (mut good, mut bad, mut from) = (Vec::new(), Vec::new(), Some(0));
    while let Some(start) = from {
        let page = inspection.sectors(start).await.unwrap();
        for sector in page.sectors {
            match sector {
                Ok(slot) => good.push(slot),
                Err(BadSector { index }) => bad.push(index),
            }
        }
        from = page.next;
    }
    (good, bad)
}

pub(super) async fn finds(inspection: &Inspection, person: &Person) {
    let found = inspection.check(person.slot).await.unwrap();
    assert_eq!((found.reference, found.contents), (person.enrollment, person.contents));
}

#[tokio::test]
async fn an_inspection_sees_what_the_vault_saw_and_which_key_each_slot_names() {
    let home = Home::new();
    let vault = home.open().await;
    let (live, burnt) = (vaulted(&vault, 1, 300).await, vaulted(&vault, 2, 300).await);
    vault.set_hold(live.slot, true).await.unwrap();
    vault.mark_replaced(live.slot, true).await.unwrap();
    vault.burn(burnt.slot).await.unwrap();
    let epoch = vault.prepare(SlotKind::InboxEpoch, subject(3)).await.unwrap();
    let views = vault.slots(0).await.unwrap().views;
    let (id, mode, number) = (vault.id(), vault.mode(), vault.epoch());
    drop(vault);
    let before = home.bytes();
    let inspection = home.inspect().await;
    let header = inspection.header().unwrap();
    assert_eq!((header.vault, header.mode, header.epoch, header.slots), (id, mode, number, GROWTH));
    let (good, bad) = slots(&inspection).await;
    assert!(bad.is_empty());
    assert_eq!(good.iter().map(|slot| slot.view).collect::<Vec<_>>(), views);
    assert!(views[0].replaced && views[0].hold);
    let named = |slot: SlotRef| good.iter().find(|found| found.view.slot == slot).unwrap().wrapping_key;

    assert_eq!(named(live.slot), Some(home.provider.active()));
    assert_eq!((named(burnt.slot), named(epoch)), (None, None));
    finds(&inspection, &live).await;
    assert!(matches!(inspection.check(burnt.slot).await, Err(VaultError::Burnt)));
    let listing = inspection.contents().await.unwrap();
    assert_eq!((listing.files.len(), listing.temporaries, listing.strangers), (2, 0, 0));
    let key = inspection.person_key(live.slot).await.unwrap();
    let sealed = key.seal(&*home.rng, b"r", "user", b"ines");
    drop(inspection);
    assert_eq!(home.bytes(), before, "an inspection changes nothing");
    let vault = home.open().await;
    vault.person_key(live.slot).await.unwrap().open(b"r", "user", &sealed).unwrap();
}

#[tokio::test]
async fn an_inspection_and_a_service_exclude_each_other() {
    let (home, ..) = closed(1).await;
    let inspection = home.inspect().await;
    assert!(matches!(home.try_open().await, Err(VaultError::InUse { .. })));
    assert!(matches!(home.try_inspect().await, Err(VaultError::InUse { .. })));
    drop(inspection);
    let vault = home.open().await;
    assert!(matches!(home.try_inspect().await, Err(VaultError::InUse { .. })));
    drop(vault);
    home.inspect().await;
}

#[tokio::test]
async fn a_damaged_sector_is_named_and_the_others_are_read() {
    let (home, _, people) = closed(4).await;
    home.flip(position(1) + 60, 1);
    let file = fs::OpenOptions::new().write(true).open(home.slot_file()).unwrap();
    file.write_all_at(&[0; SECTOR], position(2)).unwrap();
    assert!(home.try_open().await.unwrap_err().is_damage());
    let before = home.bytes();
    let inspection = home.inspect().await;
    let (good, bad) = slots(&inspection).await;
    assert_eq!((good.len(), bad), (2, vec![1, 2]));
    finds(&inspection, &people[0]).await;
    finds(&inspection, &people[3]).await;
    let damaged = inspection.check(people[1].slot).await;
    assert!(matches!(damaged, Err(VaultError::Damaged(Damage::Sector))));
    assert_eq!(home.bytes(), before);
}

#[tokio::test]
async fn any_one_flipped_bit_of_the_header_is_said_and_the_header_is_known_all_the_same() {
    let (home, id, people) = closed(1).await;
    for bit in (0..SECTOR as u64 * 8).step_by(61) {
        home.flip(bit / 8, 1 << (bit % 8));
        let inspection = home.inspect().await;
        assert!(inspection.header().is_err(), "bit {bit}");
        let before = inspection.header_before_damage().unwrap();
        assert_eq!((before.vault, before.epoch, before.mode), (id, 1, Mode::Simulated), "bit {bit}");
        finds(&inspection, &people[0]).await;
        drop(inspection);
        home.flip(bit / 8, 1 << (bit % 8));
    }
    assert_eq!(home.inspect().await.header_before_damage(), None, "it is whole");
}

#[tokio::test]
async fn without_a_header_the_contents_say_which_vault_it_is_and_the_size_how_many_slots() {
    let (home, id, people) = closed(3).await;
    home.lose_header();
    let before = home.bytes();
    let inspection = home.inspect().await;
    assert!(inspection.header().is_err() && inspection.header_before_damage().is_none());
    assert_eq!((inspection.vault(), inspection.sector_count()), (Some(id), GROWTH));
    let (good, bad) = slots(&inspection).await;
    assert_eq!((good.len(), bad.len()), (3, 0));
    finds(&inspection, &people[2]).await;
    assert_eq!(home.bytes(), before);
}

#[tokio::test]
async fn without_header_and_contents_the_vault_must_be_known_from_elsewhere_and_is_not_believed_blindly() {
    let (home, id, people) = closed(1).await;
    home.lose_header();
    fs::remove_file(home.content_file(people[0].slot)).unwrap();
    let inspection = home.inspect().await;
    assert_eq!(inspection.vault(), None);
    assert_eq!(slots(&inspection).await.1.len(), GROWTH as usize, "nothing can be told from damage");
    assert!(inspection.check(people[0].slot).await.is_err());
    drop(inspection);
    for (known, believed) in [(id, Some(id)), (VaultId([7; 16]), None)] {
        let (provider, keys) = (home.provider.clone(), home.keys.clone());
        let inspection = Inspection::open_knowing(home.paths(), provider, keys, Some(known)).await.unwrap();
        assert_eq!(inspection.vault(), believed);
    }
}

#[tokio::test]
async fn a_cut_off_file_has_bad_sectors_at_its_end_and_a_missing_folder_no_contents() {
    let (home, _, people) = closed(4).await;
    let file = fs::OpenOptions::new().write(true).open(home.slot_file()).unwrap();
    file.set_len(position(3) + 100).unwrap();
    fs::rename(home.paths().content_dir, home.folder.join("elsewhere")).unwrap();
    let inspection = home.inspect().await;
    let (good, bad) = slots(&inspection).await;
    assert_eq!((good.len(), bad.len()), (3, GROWTH as usize - 3));
    assert!(matches!(inspection.check(people[0].slot).await, Err(VaultError::Damaged(Damage::NoContent))));
    assert!(matches!(inspection.contents().await, Err(VaultError::Io { .. })));
    drop(inspection);
    file.set_len(10).unwrap();
    let inspection = home.inspect().await;
    assert_eq!((inspection.header().is_err(), inspection.sector_count()), (true, 0));
    drop(inspection);
    fs::remove_file(home.slot_file()).unwrap();
    assert!(matches!(home.try_inspect().await, Err(VaultError::Unusable { .. })));
}

#[tokio::test]
async fn without_a_header_a_growth_cut_short_is_left_out_and_a_cut_off_file_is_not() {
    let (home, ..) = closed(1).await;
    let file = fs::OpenOptions::new().write(true).open(home.slot_file()).unwrap();
    let whole = fs::metadata(home.slot_file()).unwrap().len();
    home.lose_header();
    file.set_len(whole + 3 * SECTOR as u64 + 100).unwrap();
    assert_eq!(home.inspect().await.sector_count(), GROWTH);
    file.set_len(position(5)).unwrap();
    assert_eq!(home.inspect().await.sector_count(), GROWTH, "a slot in use is in the piece that is cut off");
}

#[tokio::test]
async fn contents_without_slots_strangers_and_repeated_ids_are_found() {
    let (home, _, people) = closed(3).await;
    let content = home.paths().content_dir;
    fs::create_dir(content.join("00")).unwrap();
    fs::write(content.join("00").join("00".repeat(16)), b"nobody's").unwrap();
    fs::write(content.join("00").join("half.new"), b"").unwrap();
    fs::write(content.join("stranger"), b"").unwrap();
    fs::write(content.join("ab"), b"a file where a folder belongs").unwrap_or(());
    let mut sector = home.sector(people[2].slot);
    sector[24..40].copy_from_slice(people[0].slot.facemap.as_bytes());
    let vault = home.open().await;
    recompute(&vault, &mut sector);
    drop(vault);
    home.write_sector(people[2].slot.index, &sector);
    let before = home.bytes();
    let inspection = home.inspect().await;
    let listing = inspection.contents().await.unwrap();
    assert_eq!((listing.files.len(), listing.temporaries), (4, 1));
    assert!((1..=2).contains(&listing.strangers), "{}", listing.strangers);
    assert_eq!(inspection.repeated_ids().await.unwrap(), [people[0].slot.facemap]);
    let (good, _) = slots(&inspection).await;
    assert!(inspection.check(good[2].view.slot).await.unwrap_err().damage().is_some());
    finds(&inspection, &people[0]).await;
    assert_eq!(home.bytes(), before);
}
