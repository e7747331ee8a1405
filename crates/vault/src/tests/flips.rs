//! One wrong bit, anywhere.

use super::{Home, opens, overwrite, recompute, vaulted};
use crate::sector::SECTOR;
use std::fs;

#[tokio::test]
async fn a_content_file_with_any_one_bit_flipped_does_not_open() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 40).await;
    let path = home.content_file(person.slot);
    let good = fs::read(&path).unwrap();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        overwrite(&path, &bad);
        assert!(opens(&vault, &person).await.unwrap_err().damage().is_some(), "bit {bit}");
    }
    fs::write(&path, &good).unwrap();
    assert!(opens(&vault, &person).await.unwrap());
}

#[tokio::test]
async fn a_content_file_of_any_other_length_does_not_open() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 40).await;
    let path = home.content_file(person.slot);
    let good = fs::read(&path).unwrap();
    for length in 0..good.len() + 40 {
        let mut bad = good.clone();
        bad.resize(length, 0);
        fs::write(&path, bad).unwrap();
        assert_eq!(opens(&vault, &person).await.is_ok(), length == good.len(), "length {length}");
    }
}

#[tokio::test]
async fn a_sector_with_any_one_bit_flipped_is_refused() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 40).await;
    let good = home.sector(person.slot);
    for bit in 0..SECTOR * 8 {
        let mut bad = good;
        bad[bit / 8] ^= 1 << (bit % 8);
        home.write_sector(person.slot.index, &bad);
        assert!(opens(&vault, &person).await.is_err(), "bit {bit}");
        assert!(vault.person_key(person.slot).await.is_err(), "bit {bit}");
    }
    home.write_sector(person.slot.index, &good);
    assert!(opens(&vault, &person).await.unwrap());
}

#[tokio::test]
async fn a_sector_with_one_bit_flipped_and_its_checksum_made_right_opens_the_right_facemap_or_none() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 40).await;
    let good = home.sector(person.slot);
    let mut opened = 0;
    for bit in 0..crate::sector::CHECKSUM_AT * 8 {
        let mut bad = good;
        bad[bit / 8] ^= 1 << (bit % 8);
        recompute(&vault, &mut bad);
        home.write_sector(person.slot.index, &bad);
        if let Ok(right) = opens(&vault, &person).await {
            assert!(right, "bit {bit}");
            opened += 1;
            let byte = bit / 8;
            // Flags, time, and what follows the wrapped key are nobody's identity.
            assert!((10..12).contains(&byte) || (72..80).contains(&byte) || byte >= 114, "byte {byte}");
        }
    }
    assert!(opened > 0, "the test reaches slots that still open");
}
