//! The anchor follows the chain, and a chain that is not the anchor's is refused.

use super::{House, write};
use crate::{ANCHOR_EVERY, AuditError, Finding};
use std::{fs, time::Duration};
use store::memory::MemoryStore;

#[tokio::test]
async fn a_chain_that_went_on_behind_its_anchor_is_normal_and_the_anchor_follows() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let anchored = fs::read(house.anchor()).unwrap();
    write(&house, &book, 5).await;
    assert_eq!(fs::read(house.anchor()).unwrap(), anchored);
    let book = house.crash().open().await.unwrap();
    assert_eq!(book.head().await.unwrap().position, 5);
    assert_ne!(fs::read(house.anchor()).unwrap(), anchored);
    assert!(book.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn an_older_store_under_a_newer_anchor_does_not_start() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 3).await;
    let old = house.crash();
    write(&house, &book, 4).await;
    book.close().await.unwrap();
    let error = old.open().await.unwrap_err();
    assert_eq!(error, AuditError::AnchorAhead { head: 3, anchor: 7 });
    assert!(error.to_string().contains("facemap-vault verify") && !error.is_retryable());
}

#[tokio::test]
async fn an_emptied_store_under_an_anchor_does_not_start() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 3).await;
    book.close().await.unwrap();
    let empty = House::on(MemoryStore::new(), house.folder.clone(), 1);
    assert_eq!(empty.open().await.unwrap_err(), AuditError::AnchorAhead { head: 0, anchor: 3 });
}

#[tokio::test]
async fn a_chain_of_the_same_length_with_other_entries_does_not_start() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 3).await;
    let fork = house.crash();
    let other = fork.open().await.unwrap();
    write(&fork, &other, 4).await;
    other.close().await.unwrap();
    write(&house, &book, 2).await;
    write(&house, &book, 3).await;
    let error = house.crash().open().await.unwrap_err();
    assert_eq!(error, AuditError::AnchorDiffers { position: 7 });
    let report = crate::verify(&house.records, &house.anchor()).await.unwrap();
    assert_eq!(report.findings, [Finding::AnchorDiffers { position: 7 }]);
}

#[tokio::test]
async fn a_missing_anchor_is_damage_once_there_are_entries() {
    let house = House::new();
    let book = house.open().await.unwrap();
    fs::remove_file(house.anchor()).unwrap();
    house.crash().open().await.expect("there is nothing that could be missing");
    write(&house, &book, 1).await;
    fs::remove_file(house.anchor()).unwrap();
    assert_eq!(house.crash().open().await.unwrap_err(), AuditError::AnchorMissing);
    let report = crate::verify(&house.records, &house.anchor()).await.unwrap();
    assert_eq!(report.findings, [Finding::AnchorMissing]);
}

#[tokio::test]
async fn an_anchor_with_any_byte_changed_or_of_another_vault_is_refused() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 2).await;
    book.close().await.unwrap();
    let whole = fs::read(house.anchor()).unwrap();
    for byte in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[byte] ^= 1;
        fs::write(house.anchor(), bytes).unwrap();
        assert_eq!(house.crash().open().await.unwrap_err(), AuditError::AnchorDamaged, "byte {byte}");
    }
    for length in [0, 1, whole.len() - 1] {
        fs::write(house.anchor(), &whole[..length]).unwrap();
        assert_eq!(house.crash().open().await.unwrap_err(), AuditError::AnchorDamaged, "{length} bytes");
    }
    fs::write(house.anchor(), &whole).unwrap();
    let other_keys = House::on(MemoryStore::new(), house.folder.clone(), 2);
    assert_eq!(other_keys.open().await.unwrap_err(), AuditError::AnchorDamaged);
    house.crash().open().await.unwrap();
}

#[tokio::test]
async fn an_anchor_that_cannot_be_written_keeps_the_service_from_starting() {
    let house = House::new();
    let path = house.folder.path().join("no such folder").join("anchor");
    let opened =
        crate::Audit::open(house.records.clone(), path, std::sync::Arc::new(house.clock.clone())).await;
    assert!(matches!(opened.unwrap_err(), AuditError::AnchorIo(_)));
}

#[tokio::test]
async fn the_anchor_follows_at_most_once_a_second() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let at_start = fs::read(house.anchor()).unwrap();
    assert_eq!(book.round().await, Ok(None), "nothing to follow");
    write(&house, &book, 1).await;
    assert_eq!(book.round().await, Ok(Some(ANCHOR_EVERY)));
    let millisecond = Duration::from_millis(1);
    house.clock.advance(ANCHOR_EVERY.checked_sub(millisecond).unwrap());
    assert_eq!(book.round().await, Ok(Some(millisecond)));
    assert_eq!(fs::read(house.anchor()).unwrap(), at_start, "it follows too soon");
    house.clock.advance(millisecond);
    assert_eq!(book.round().await, Ok(None));
    let older = House::on(MemoryStore::new(), house.folder.clone(), 1);
    assert_eq!(older.open().await.unwrap_err(), AuditError::AnchorAhead { head: 0, anchor: 1 });
}

#[tokio::test]
async fn in_the_background_entries_get_their_positions_and_the_anchor_follows() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let background = tokio::spawn({
        let book = book.clone();
        async move { book.run().await }
    });
    let at_start = fs::read(house.anchor()).unwrap();
    let mut commit = house.records.commit();
    book.note(&mut commit, super::note(1));
    commit.submit().await.unwrap();
    let give_up = std::time::Instant::now() + Duration::from_mins(1);
    while fs::read(house.anchor()).unwrap() == at_start {
        assert!(std::time::Instant::now() < give_up, "it never follows");
        house.clock.advance(Duration::from_millis(1));
        tokio::task::yield_now().await;
    }
    background.abort();
    assert_eq!(book.head().await.unwrap().position, 1);
}

#[tokio::test]
async fn a_crash_while_the_anchor_is_written_leaves_the_old_one() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 2).await;
    fs::write(house.folder.path().join("anchor.new"), b"half a").unwrap();
    let book = house.crash().open().await.unwrap();
    assert!(book.verify().await.unwrap().is_clean());
    assert!(!house.folder.path().join("anchor.new").exists());
}

#[tokio::test]
async fn the_background_ends_when_the_store_is_poisoned_and_not_when_it_is_full() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let mut commit = house.records.commit();
    book.note(&mut commit, super::note(1));
    commit.submit().await.unwrap();
    house.store.set_no_space(true);
    let background = tokio::spawn({
        let book = book.clone();
        async move { book.run().await }
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!background.is_finished());
    house.store.set_no_space(false);
    house.store.fail_commit(1, store::faulty::CommitFault::AmbiguousBefore);
    house.clock.advance(Duration::from_secs(1));
    assert!(matches!(background.await.unwrap(), AuditError::Unavailable(_)));
}

#[tokio::test]
async fn the_background_outlives_a_store_that_cannot_be_read_for_a_moment() {
    for nth in 1..=4 {
        let house = House::new();
        let book = house.open().await.unwrap();
        let mut commit = house.records.commit();
        book.note(&mut commit, super::note(1));
        commit.submit().await.unwrap();
        house.store.fail_read(nth);
        let background = tokio::spawn({
            let book = book.clone();
            async move { book.run().await }
        });
        let give_up = std::time::Instant::now() + Duration::from_secs(10);
        loop {
            house.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
            assert!(!background.is_finished(), "it ended at read {nth}");
            let anchored = crate::anchor::read(&house.records, &house.anchor()).unwrap();
            if anchored.is_some_and(|at| at.position == 1) {
                break;
            }
            assert!(std::time::Instant::now() < give_up, "the anchor does not follow");
        }
        background.abort();
    }
}

#[tokio::test]
async fn a_book_in_which_nothing_is_written_rests() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 3).await;
    let background = tokio::spawn({
        let book = book.clone();
        async move { book.run().await }
    });
    let give_up = std::time::Instant::now() + Duration::from_secs(10);
    // The anchor's file is written by a thread of its own; once it has followed there is nothing left to do.
    let (mut looks, mut at_rest) = (house.store.reads(), 0);
    loop {
        house.clock.advance(ANCHOR_EVERY * 2);
        std::thread::yield_now();
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let has_followed =
            crate::anchor::read(&house.records, &house.anchor()).unwrap().is_some_and(|at| at.position == 3);
        let before = std::mem::replace(&mut looks, house.store.reads());
        at_rest = if has_followed && before == looks { at_rest + 1 } else { 0 };
        if at_rest == 100 {
            break;
        }
        assert!(std::time::Instant::now() < give_up, "it keeps looking although nothing is written");
    }
    background.abort();
}
