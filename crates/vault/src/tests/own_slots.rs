//! All slots of a subject, from memory; what is given back; and damage that stands in a purge's way.

use super::{Home, enrollment, subject, vaulted};
use crate::{Mode, OwnSlots, SlotKind, SlotRef, SlotStatus, Vault, VaultError};
use model::FacemapBytes;
use seal::Pseudonym;
use std::time::Duration;

async fn found(vault: &Vault, number: u8) -> Vec<SlotRef> {
    let own: OwnSlots = vault.slots_of(subject(number)).await.unwrap();
    assert!(own.damaged.is_empty());
    own.views.iter().map(|view| view.slot).collect()
}

fn flip(home: &Home, slot: SlotRef, places: &[usize]) {
    let mut bytes = home.sector(slot);
    for place in places {
        bytes[*place] ^= 4;
    }
    home.write_sector(slot.index, &bytes);
}

#[tokio::test]
async fn a_subject_s_slots_are_found_the_youngest_first_until_they_are_free() {
    let home = Home::new();
    let vault = home.open().await;
    let first = vaulted(&vault, 1, 100).await.slot;
    let other = vaulted(&vault, 2, 100).await.slot;
    let second = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    let third = vault.prepare(SlotKind::Erasure, subject(1)).await.unwrap();
    assert_eq!(found(&vault, 1).await, [third, second, first]);
    assert_eq!(found(&vault, 2).await, [other]);
    assert!(found(&vault, 3).await.is_empty());
    vault.burn(second).await.unwrap();
    assert_eq!(found(&vault, 1).await, [third, second, first], "a burnt one may still have a content");
    drop(vault);
    let vault = home.open().await;
    assert_eq!(found(&vault, 1).await, [third, second, first], "after a start too");
    home.clock.advance(Duration::from_hours(48));
    let now = model::Clock::now(&home.clock);
    assert_eq!(vault.release_burnt(0, now).await.unwrap().slots, 1);
    assert_eq!(found(&vault, 1).await, [third, first]);
    let again = vault.prepare(SlotKind::Facemap, subject(4)).await.unwrap();
    assert_eq!(again.index, second.index);
    assert_eq!((found(&vault, 1).await, found(&vault, 4).await), (vec![third, first], vec![again]));
}

/// Pseudonyms that begin alike are told apart by their sectors.
#[tokio::test]
async fn nobody_else_s_slot_is_found_however_alike_the_pseudonyms_begin() {
    let home = Home::new();
    let vault = home.open().await;
    let (mut a, mut b) = ([7; 32], [7; 32]);
    (a[31], b[31]) = (1, 2);
    let slot = vault.prepare(SlotKind::Facemap, Pseudonym::from_bytes(a)).await.unwrap();
    vault.prepare(SlotKind::Facemap, Pseudonym::from_bytes(b)).await.unwrap();
    let own = vault.slots_of(Pseudonym::from_bytes(a)).await.unwrap();
    assert_eq!(own.views.iter().map(|view| view.slot).collect::<Vec<_>>(), [slot]);
}

#[tokio::test]
async fn what_is_given_back_goes_with_its_content_and_its_mark_and_is_nobody_s_tombstone() {
    let home = Home::new();
    let vault = home.open().await;
    let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    vault.put(slot, &enrollment(1), b"", FacemapBytes::new(vec![1; 100])).await.unwrap();
    vault.set_hold(slot, true).await.unwrap();
    vault.give_back(slot).await.unwrap();
    let view = vault.view(slot).await.unwrap();
    assert_eq!((view.status, view.given_back, view.hold), (SlotStatus::Burnt, true, false));
    assert!(!home.content_file(slot).exists());
    let purged = vaulted(&vault, 2, 100).await.slot;
    vault.burn(purged).await.unwrap();
    vault.give_back(purged).await.unwrap();
    assert!(!vault.view(purged).await.unwrap().given_back, "a tombstone stays one");
    assert!(!home.content_file(purged).exists());
    let left = vaulted(&vault, 3, 100).await.slot;
    vault.set_hold(left, true).await.unwrap();
    assert!(matches!(vault.burn(left).await, Err(VaultError::Held)));
    vault.burn_unnamed(left).await.unwrap();
    let view = vault.view(left).await.unwrap();
    assert_eq!((view.status, view.given_back), (SlotStatus::Burnt, false));
    drop(vault);
    assert!(home.open().await.view(slot).await.unwrap().given_back);
}

#[tokio::test]
async fn one_flipped_bit_is_put_right_and_more_is_not() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    let before = home.sector(person.slot);
    assert!(vault.put_right(person.slot.index).await.unwrap(), "it is whole");
    flip(&home, person.slot, &[90]);
    assert_eq!(vault.slots_of(subject(1)).await.unwrap().damaged, [person.slot.index]);
    assert!(vault.put_right(person.slot.index).await.unwrap());
    assert_eq!(home.sector(person.slot), before);
    assert!(super::opens(&vault, &person).await.unwrap());
    flip(&home, person.slot, &[90, 300]);
    let damaged = home.sector(person.slot);
    assert!(!vault.put_right(person.slot.index).await.unwrap());
    assert_eq!(home.sector(person.slot), damaged, "nothing was changed");
    assert!(matches!(vault.put_right(u32::MAX).await, Err(VaultError::NoSuchSlot)));
}

#[tokio::test]
async fn a_damaged_slot_is_burnt_where_it_is_the_subject_s_and_nowhere_else() {
    let home = Home::new();
    let vault = home.open().await;
    let (one, two) = (vaulted(&vault, 1, 100).await, vaulted(&vault, 2, 100).await);
    let whole = vault.burn_damaged(one.slot, subject(1)).await;
    assert!(matches!(whole, Err(VaultError::NotDamaged)), "a whole one is burnt as it says");
    flip(&home, one.slot, &[8, 90]);
    let (secret, before) = (home.sector(one.slot)[80..112].to_vec(), home.sector(two.slot));
    let others = vault.burn_damaged(one.slot, subject(2)).await;
    assert!(matches!(others, Err(VaultError::NoSuchSlot)), "it is not known as that subject's");
    vault.burn_damaged(one.slot, subject(1)).await.unwrap();
    let view = vault.view(one.slot).await.unwrap();
    assert_eq!((view.status, view.subject, view.given_back), (SlotStatus::Burnt, subject(1), false));
    assert!(!home.has_on_disk(&secret));
    assert!(vault.destroy_content(one.slot).await.unwrap());
    assert_eq!(home.sector(two.slot), before);
    drop(vault);
    let (vault, survey) = home.try_open().await.unwrap();
    assert_eq!((survey.burnt, survey.live, vault.mode()), (1, 1, Mode::Simulated));
}
