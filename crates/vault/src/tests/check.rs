//! Facemaps proven without records, and the note beside them.

use super::{Home, enrollment, facemap, overwrite, subject, vaulted};
use crate::{Damage, NOTE_BYTES, SlotKind, VaultError};
use model::FacemapBytes;
use std::fs;

#[tokio::test]
async fn a_check_gives_back_reference_note_and_contents_as_they_were_put() {
    let home = Home::new();
    let vault = home.open().await;
    for (number, note) in [(1, vec![]), (2, b"ines".to_vec()), (3, vec![0; NOTE_BYTES]), (4, vec![7; 1])] {
        let slot = vault.prepare(SlotKind::Facemap, subject(number)).await.unwrap();
        let reference = enrollment(number.into());
        let bytes = FacemapBytes::new(facemap(number.into(), 5000));
        let contents = vault.put(slot, &reference, &note, bytes).await.unwrap();
        let found = vault.check(slot).await.unwrap();
        assert_eq!((found.reference, &*found.note, found.contents), (reference, &note, contents), "prepared");
        vault.make_live(slot).await.unwrap();
        assert_eq!(vault.check(slot).await.unwrap(), found, "live");
        assert!(!home.has_on_disk(b"ines") && !format!("{found:?}").contains("105"), "no note in the clear");
    }
}

#[tokio::test]
async fn a_note_that_does_not_fit_is_refused_before_anything_is_written() {
    let home = Home::new();
    let vault = home.open().await;
    let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    let before = home.bytes();
    let put = vault.put(slot, &enrollment(1), &[0; NOTE_BYTES + 1], FacemapBytes::new(vec![1])).await;
    assert!(matches!(put, Err(VaultError::NoteTooLong { limit: NOTE_BYTES, .. })), "{put:?}");
    assert_eq!(home.bytes(), before);
}

#[tokio::test]
async fn the_length_of_a_file_says_nothing_about_the_note() {
    let home = Home::new();
    let vault = home.open().await;
    let mut lengths = Vec::new();
    for note in [&b""[..], b"a name", &[1; NOTE_BYTES]] {
        let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
        vault.put(slot, &enrollment(1), note, FacemapBytes::new(vec![1; 100])).await.unwrap();
        lengths.push(fs::metadata(home.content_file(slot)).unwrap().len());
    }
    assert!(lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
}

#[tokio::test]
async fn a_check_finds_any_one_flipped_bit_of_a_content_file() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 40).await;
    let path = home.content_file(person.slot);
    let good = fs::read(&path).unwrap();
    for bit in (0..good.len() * 8).step_by(3) {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        overwrite(&path, &bad);
        assert!(vault.check(person.slot).await.unwrap_err().damage().is_some(), "bit {bit}");
    }
    for length in [0, 10, 63, 64, 1272, good.len() - 1, good.len() + 1] {
        let mut bad = good.clone();
        bad.resize(length, 0);
        fs::write(&path, bad).unwrap();
        assert!(vault.check(person.slot).await.unwrap_err().damage().is_some(), "length {length}");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(vault.check(person.slot).await, Err(VaultError::Damaged(Damage::NoContent))));
    fs::write(&path, good).unwrap();
    vault.check(person.slot).await.unwrap();
}

#[tokio::test]
async fn a_check_opens_no_content_of_another_slot_or_generation() {
    let home = Home::new();
    let vault = home.open().await;
    let (one, other) = (vaulted(&vault, 1, 400).await, vaulted(&vault, 2, 400).await);
    fs::copy(home.content_file(other.slot), home.content_file(one.slot)).unwrap();
    assert!(matches!(vault.check(one.slot).await, Err(VaultError::Damaged(Damage::Form))));
    vault.check(other.slot).await.unwrap();
}

#[tokio::test]
async fn many_are_checked_at_once_and_answered_in_their_order() {
    let home = Home::new();
    let vault = home.open().await;
    let mut people = Vec::new();
    for number in 1..30 {
        people.push(vaulted(&vault, number, 100 + 3000 * usize::from(number % 7)).await);
    }
    fs::remove_file(home.content_file(people[3].slot)).unwrap();
    vault.burn(people[5].slot).await.unwrap();
    let found = vault.check_many(people.iter().map(|person| person.slot).collect()).await;
    assert_eq!(found.len(), people.len());
    for (number, (found, person)) in found.into_iter().zip(&people).enumerate() {
        match (number, found) {
            (3, Err(VaultError::Damaged(Damage::NoContent))) | (5, Err(VaultError::Burnt)) => {}
            (_, Ok(found)) => {
                assert_eq!((found.reference, found.contents), (person.enrollment, person.contents));
            }
            (number, other) => panic!("{number}: {other:?}"),
        }
    }
    assert!(vault.check_many(Vec::new()).await.is_empty());
}

#[tokio::test]
async fn a_provider_that_is_away_is_no_damage() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    home.provider.go_away();
    let error = vault.check(person.slot).await.unwrap_err();
    assert!(!error.is_damage() && error.is_retryable(), "{error}");
}
