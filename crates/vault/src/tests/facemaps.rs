//! Putting and opening.

use super::{Home, contains, enrollment, facemap, opens, subject, vaulted};
use crate::{Contents, Damage, SlotKind, SlotStatus, Step, VaultError};
use model::FacemapBytes;
use ring::digest::{SHA256, digest};
use std::{fs, os::unix::fs::FileExt as _};

#[tokio::test]
async fn what_was_put_is_opened_byte_for_byte() {
    let home = Home::new();
    let vault = home.open().await;
    for (number, bytes) in [(1, 1), (2, 4096), (3, 200_000), (4, 3_000_001)] {
        let person = vaulted(&vault, number, bytes).await;
        assert_eq!(person.contents.bytes, bytes as u64);
        assert_eq!(person.contents.digest, digest(&SHA256, &person.facemap).as_ref());
        assert!(opens(&vault, &person).await.unwrap());
    }
}

#[tokio::test]
async fn nothing_of_a_facemap_its_digest_or_its_person_lies_in_clear_on_the_disk() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 5000).await;
    let disk = home.bytes();
    assert_eq!(disk.len(), 2, "a slot file and a content file, no temporary one: {:?}", disk.keys());
    for bytes in disk.values() {
        assert!(person.facemap.chunks_exact(16).all(|piece| !contains(bytes, piece)));
        assert!(!contains(bytes, &person.contents.digest));
        assert!(!contains(bytes, person.enrollment.as_bytes()));
        assert!(!contains(bytes, person.enrollment.to_string().as_bytes()));
    }
}

#[tokio::test]
async fn debug_shows_no_digest_and_no_key() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    assert_eq!(format!("{:?}", person.contents), "Contents(100 bytes)");
    assert_eq!(format!("{:?}", vault.person_key(person.slot).await.unwrap()), "PersonKey(..)");
}

#[tokio::test]
async fn a_slot_reference_and_contents_survive_a_record() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    let stored = serde_json::to_string(&(person.slot, person.contents)).unwrap();
    let (slot, contents): (crate::SlotRef, Contents) = serde_json::from_str(&stored).unwrap();
    assert_eq!((slot, contents), (person.slot, person.contents));
    let odd = stored.replacen("\"facemap\":\"", "\"facemap\":\"0", 1);
    assert!(serde_json::from_str::<(crate::SlotRef, Contents)>(&odd).is_err());
}

#[tokio::test]
async fn a_facemap_that_is_not_live_opens_for_nobody() {
    let home = Home::new();
    let vault = home.open().await;
    let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    let contents = vault.put(slot, &enrollment(1), b"", FacemapBytes::new(vec![5; 50])).await.unwrap();
    let opened = vault.open_facemap(slot, &enrollment(1), &contents).await;
    assert!(matches!(opened, Err(VaultError::WrongStatus { is: SlotStatus::Prepared })));
    vault.make_live(slot).await.unwrap();
    vault.make_live(slot).await.unwrap();
    vault.open_facemap(slot, &enrollment(1), &contents).await.unwrap();
}

#[tokio::test]
async fn a_slot_without_a_facemap_cannot_go_live() {
    let home = Home::new();
    let vault = home.open().await;
    let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    assert!(matches!(vault.make_live(slot).await, Err(VaultError::Damaged(Damage::NoKey))));
    assert_eq!(vault.view(slot).await.unwrap().status, SlotStatus::Prepared);
}

#[tokio::test]
async fn a_live_facemap_is_never_replaced() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    let before = home.bytes();
    let again = vault.put(person.slot, &person.enrollment, b"", FacemapBytes::new(vec![9; 9])).await;
    assert!(matches!(again, Err(VaultError::WrongStatus { is: SlotStatus::Live })));
    assert_eq!(home.bytes(), before);
}

#[tokio::test]
async fn a_repeated_put_replaces_key_and_content() {
    let home = Home::new();
    let vault = home.open().await;
    let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    let first = vault.put(slot, &enrollment(1), b"", FacemapBytes::new(vec![1; 50])).await.unwrap();
    let key = home.sector(slot);
    let second = vault.put(slot, &enrollment(1), b"", FacemapBytes::new(vec![2; 60])).await.unwrap();
    assert_ne!(home.sector(slot), key, "a fresh data key for every put");
    vault.make_live(slot).await.unwrap();
    assert!(vault.open_facemap(slot, &enrollment(1), &first).await.is_err());
    let opened = vault.open_facemap(slot, &enrollment(1), &second).await.unwrap();
    assert_eq!(opened.expose(), [2; 60]);
}

#[tokio::test]
async fn an_old_data_key_does_not_open_the_content_that_replaced_its_own() {
    let home = Home::new();
    let vault = home.open().await;
    let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    vault.put(slot, &enrollment(1), b"", FacemapBytes::new(vec![1; 50])).await.unwrap();
    let old_content = fs::read(home.content_file(slot)).unwrap();
    let contents = vault.put(slot, &enrollment(1), b"", FacemapBytes::new(vec![1; 50])).await.unwrap();
    vault.make_live(slot).await.unwrap();
    fs::write(home.content_file(slot), old_content).unwrap();
    let opened = vault.open_facemap(slot, &enrollment(1), &contents).await;
    assert!(matches!(opened, Err(VaultError::Damaged(Damage::Header))));
}

#[tokio::test]
async fn another_enrollment_digest_or_length_opens_nothing_and_the_error_does_not_say_which() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    let mut digest = person.contents;
    digest.digest[0] ^= 1;
    let shorter = Contents { bytes: 99, ..person.contents };
    let mut said = std::collections::HashSet::new();
    for (enrollment, contents) in
        [(enrollment(2), person.contents), (person.enrollment, digest), (person.enrollment, shorter)]
    {
        let error = vault.open_facemap(person.slot, &enrollment, &contents).await.unwrap_err();
        assert!(error.damage().is_some() && !error.is_retryable());
        said.insert(error.to_string());
    }
    assert_eq!(said.len(), 1);
}

#[tokio::test]
async fn a_disk_that_gives_back_something_else_is_noticed_before_the_put_answers() {
    for (step, content) in [(Step::ContentDurable, true), (Step::ContentDurable, false)] {
        let home = Home::new();
        let vault = home.open().await;
        let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
        let (path, at) = if content {
            (home.content_file(slot), 300)
        } else {
            (home.slot_file(), crate::slot_file::position(slot.index) + 90)
        };
        vault.at_step(step, move || {
            let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 4], at).unwrap();
        });
        let put = vault.put(slot, &enrollment(1), b"", FacemapBytes::new(facemap(1, 1000))).await;
        assert!(matches!(put, Err(VaultError::ReadBack(_))), "{put:?}");
    }
}

#[tokio::test]
async fn an_empty_facemap_and_a_slot_of_another_kind_are_refused() {
    let home = Home::new();
    let vault = home.open().await;
    let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    let epoch = vault.prepare(SlotKind::InboxEpoch, subject(1)).await.unwrap();
    assert!(matches!(
        vault.put(slot, &enrollment(1), b"", FacemapBytes::new(vec![])).await,
        Err(VaultError::Empty)
    ));
    let put = vault.put(epoch, &enrollment(1), b"", FacemapBytes::new(vec![1])).await;
    assert!(matches!(put, Err(VaultError::WrongKind)));
    assert!(matches!(vault.person_key(epoch).await, Err(VaultError::WrongKind)));
    assert!(matches!(vault.epoch_key(slot).await, Err(VaultError::WrongKind)));
}

#[tokio::test]
async fn without_the_key_provider_nothing_opens_and_nothing_is_lost() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    let slot = vault.prepare(SlotKind::Facemap, subject(2)).await.unwrap();
    let before = home.bytes();
    home.provider.go_away();
    let error = opens(&vault, &person).await.unwrap_err();
    assert!(matches!(error, VaultError::Keys(_)) && error.is_retryable());
    let error = vault.put(slot, &enrollment(2), b"", FacemapBytes::new(vec![1])).await.unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(home.bytes(), before);
    home.provider.come_back();
    assert!(opens(&vault, &person).await.unwrap());
    vault.put(slot, &enrollment(2), b"", FacemapBytes::new(vec![1])).await.unwrap();
}

#[tokio::test]
async fn a_put_proves_that_the_provider_can_unwrap_what_it_wrapped() {
    let home = Home::new();
    let vault = home.open().await;
    let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    let provider = home.provider.clone();
    vault.at_step(Step::ContentDurable, move || provider.go_away());
    let put = vault.put(slot, &enrollment(1), b"", FacemapBytes::new(vec![1; 10])).await;
    assert!(matches!(put, Err(VaultError::Keys(_))), "{put:?}");
}

#[tokio::test]
async fn puts_at_the_same_time_into_one_slot_leave_a_key_that_opens_its_content() {
    let home = Home::new();
    let vault = home.open().await;
    for _ in 0..20 {
        let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
        let puts: Vec<_> = (0..4)
            .map(|_| {
                let vault = vault.clone();
                tokio::spawn(async move {
                    vault.put(slot, &enrollment(1), b"", FacemapBytes::new(facemap(1, 9000))).await
                })
            })
            .collect();
        let mut contents = None;
        for put in puts {
            contents = Some(put.await.unwrap().unwrap());
        }
        vault.make_live(slot).await.unwrap();
        vault.open_facemap(slot, &enrollment(1), &contents.unwrap()).await.unwrap();
    }
    assert_eq!(vault.0.locks.held(), 0, "no lock is kept that nobody holds");
}

#[tokio::test]
async fn a_put_that_nobody_waits_for_runs_to_its_end() {
    let home = Home::new();
    let vault = home.open().await;
    let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    let enrollment_ref = enrollment(1);
    let put = vault.put(slot, &enrollment_ref, b"", FacemapBytes::new(facemap(1, 9000)));
    // Polled once, then dropped, as by a caller that went away.
    let gone = tokio::time::timeout(std::time::Duration::ZERO, put).await;
    if gone.is_err() {
        // Whoever takes the slot next waits for the first to be through.
        let guard = vault.0.locks.hold(slot.index).await;
        drop(guard);
    }
    vault.make_live(slot).await.unwrap();
    let contents = crate::content_form::contents_of(&FacemapBytes::new(facemap(1, 9000)));
    vault.open_facemap(slot, &enrollment(1), &contents).await.unwrap();
}

#[tokio::test]
async fn a_missing_content_is_damage_and_not_an_empty_facemap() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    fs::remove_file(home.content_file(person.slot)).unwrap();
    assert!(matches!(opens(&vault, &person).await, Err(VaultError::Damaged(Damage::NoContent))));
}

#[tokio::test]
async fn the_original_counts_as_deleted_only_once_the_copy_is_live() {
    let home = Home::new();
    let vault = home.open().await;
    let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    vault.put(slot, &enrollment(1), b"", FacemapBytes::new(vec![1; 10])).await.unwrap();
    assert!(matches!(vault.mark_original_deleted(slot).await, Err(VaultError::WrongStatus { .. })));
    vault.make_live(slot).await.unwrap();
    vault.mark_original_deleted(slot).await.unwrap();
    vault.mark_original_deleted(slot).await.unwrap();
    assert!(vault.view(slot).await.unwrap().original_deleted);
}

/// Bytes that this process had the disks give, or none where the folder for temporary files is in memory itself.
fn read_from_disks(home: &Home) -> Option<u64> {
    let folder = fs::File::open(&home.folder).unwrap();
    if rustix::fs::fstatfs(&folder).unwrap().f_type == 0x0102_1994 {
        eprintln!("SKIPPED: the folder for temporary files is in memory itself");
        return None;
    }
    let counts = fs::read_to_string("/proc/self/io").unwrap();
    counts.lines().find_map(|line| line.strip_prefix("read_bytes: ")).map(|bytes| bytes.parse().unwrap())
}

#[tokio::test]
async fn the_proof_before_a_deletion_asks_the_disk_and_not_the_kernels_memory() {
    let home = Home::new();
    let vault = home.open().await;
    // Far more than all other tests together have the disk give.
    let person = vaulted(&vault, 1, 64 << 20).await;
    assert!(opens(&vault, &person).await.unwrap(), "now it is in memory");
    let Some(before) = read_from_disks(&home) else { return };
    vault.prove(person.slot, &person.enrollment, &person.contents).await.unwrap();
    assert!(read_from_disks(&home).unwrap() - before >= 64 << 20);
}

#[tokio::test]
async fn only_a_live_facemap_that_is_what_it_must_be_is_proved() {
    let home = Home::new();
    let vault = home.open().await;
    let slot = vault.prepare(SlotKind::Facemap, subject(2)).await.unwrap();
    let contents = vault.put(slot, &enrollment(2), b"", FacemapBytes::new(vec![5; 50])).await.unwrap();
    let early = vault.prove(slot, &enrollment(2), &contents).await;
    assert!(matches!(early, Err(VaultError::WrongStatus { is: SlotStatus::Prepared })));
    let person = vaulted(&vault, 1, 5000).await;
    vault.prove(person.slot, &person.enrollment, &person.contents).await.unwrap();
    let other = vault.prove(person.slot, &enrollment(2), &person.contents).await;
    assert!(matches!(other, Err(VaultError::Damaged(_))));
    let mut file = fs::read(home.content_file(person.slot)).unwrap();
    *file.last_mut().unwrap() ^= 1;
    fs::write(home.content_file(person.slot), file).unwrap();
    let harmed = vault.prove(person.slot, &person.enrollment, &person.contents).await;
    assert!(matches!(harmed, Err(VaultError::Damaged(_))));
    fs::remove_file(home.content_file(person.slot)).unwrap();
    let gone = vault.prove(person.slot, &person.enrollment, &person.contents).await;
    assert!(matches!(gone, Err(VaultError::Damaged(Damage::NoContent))));
}
